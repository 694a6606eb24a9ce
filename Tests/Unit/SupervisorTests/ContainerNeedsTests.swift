import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

@Suite struct ContainerNeedsTests {
    private static let there = IPAddress(v4: 0xC000_0201)
    private static let absent = IPAddress(v4: 0xC000_0202)
    /// CHOWN, DAC_READ_SEARCH, KILL, SETGID, SETUID, SETPCAP, NET_ADMIN.
    private static let needed: UInt64 = 1 << 0 | 1 << 2 | 1 << 5 | 7 << 6 | 1 << 12

    private func refusal(
        isRoot: Bool = true, permitted: UInt64 = needed, commandsNetwork: Bool = true
    ) -> String? {
        ContainerNeeds.refusal(
            isRoot: isRoot, permitted: permitted, commandsNetwork: commandsNetwork)
    }

    @Test("a container that has what it needs is not refused")
    func complete() { #expect(refusal() == nil) }

    @Test("a refusal says what to add to the command")
    func remedies() throws {
        #expect(try #require(refusal(isRoot: false)).contains("--user"))
        let lacking = try #require(refusal(permitted: Self.needed & ~(1 << 12 | 1 << 5)))
        #expect(lacking.contains("--cap-add KILL --cap-add NET_ADMIN"))
        #expect(try #require(refusal(commandsNetwork: false)).contains("rootless"))
    }

    @Test(
        "outside is absent when no interface has any of its addresses, and when that is known",
        arguments: [
            ([absent], [absent]), ([absent, there], []), ([there], []), ([], []),
        ] as [([IPAddress], [IPAddress])])
    func outside(_ addresses: [IPAddress], _ expected: [IPAddress]) {
        let listeners = addresses.enumerated().flatMap { number, ip in
            [Transport.udp, .tcp].map { transport in
                Listener(
                    index: UInt8(number), side: .outside,
                    endpoint: Endpoint(transport, SocketAddress(ip, port: 5060)))
            }
        }
        let inside = Listener(
            index: 9, side: .inside,
            endpoint: Endpoint(.udp, SocketAddress(Self.absent, port: 5060)))
        #expect(
            ContainerNeeds.absentOutside(listeners + [inside]) { $0.ip == Self.there }
                == expected)
        #expect(ContainerNeeds.absentOutside(listeners) { _ in nil } == [])
        let translated = listeners.map {
            Listener(
                index: $0.index, side: .outside, endpoint: $0.endpoint,
                advertised: SocketAddress(Self.there, port: 5060))
        }
        #expect(ContainerNeeds.absentOutside(translated) { _ in false } == [])
    }

    @Test(
        "a container without what it needs says in one line of JSON what to add, and ends with 78 after a pause",
        arguments: [true, false])
    func ends(_ isStopped: Bool) throws {
        let began = Clock.monotonic
        let daemon = try Daemon(
            Daemon.plainSettings(), arguments: ["--log", "json", "--container"])
        // The tests' daemon is never root.
        #expect(daemon.says("\"priority\":2,"), "\(daemon.log)")
        if isStopped { kill(daemon.pid, SIGTERM) }
        #expect(daemon.exitCode() == 78)
        #expect(isStopped || Clock.monotonic - began >= ContainerNeeds.pause)
        #expect(daemon.log.contains("leave --user out"), "\(daemon.log)")
    }
}
