internal import Foundation
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

@Suite(
    "banner and the kernel", .serialized,
    .enabled(if: geteuid() == 0, "only root may make a network namespace"))
struct KernelTests {
    @Test("a ban is a dropped packet, another table stays as it is, and kill -9 lifts nothing")
    func kernel() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.inside(
            "nft 'table inet neighbour { set s { type ipv4_addr; elements = { 192.0.2.1 } }; chain c"
                + " { type filter hook input priority 5; ip saddr @s counter drop; }; }'")
        let neighbour = try banner.inside("nft -a list table inet neighbour")
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")

        try banner.tell(order(source, .seconds(600)))
        try banner.tell(order(try ip("2001:db8::7"), .seconds(600)))
        let ruleset = try banner.listing { $0.contains("2001:db8::") }
        #expect(ruleset.contains("198.18.0.7 timeout"))
        #expect(ruleset.contains("priority raw"))

        try banner.inside("echo test > /dev/udp/198.18.0.1/5060")
        let counted = try banner.listing { $0.contains("@banned4 counter packets 1") }
        #expect(counted.contains("@banned4 counter packets 1"))

        banner.end()
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))
        try banner.start(folder.descriptor)
        try banner.hear(.all)
        #expect(try banner.inside("nft list table inet rempart").contains("198.18.0.7"))

        // Somebody flushes the ruleset, another empties a set: every ban is back without a new one.
        for damage in [
            "nft delete table inet rempart", "nft flush set inet rempart banned4",
            "nft flush chain inet rempart prerouting",
        ] {
            try banner.inside(damage)
            let rebuilt = try banner.listing {
                $0.contains("198.18.0.7") && $0.contains("@banned4 counter")
            }
            #expect(rebuilt.contains("198.18.0.7") && rebuilt.contains("@banned4 counter"))
        }
        #expect(try banner.inside("nft -a list table inet neighbour") == neighbour)
        try banner.inside("nft flush ruleset")
        #expect(try banner.listing { $0.contains("198.18.0.7") }.contains("198.18.0.7"))
    }

    @Test("a ban that is prolonged has the new timeout, a ban that is lifted is gone")
    func prolongAndLift() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try banner.start(folder.descriptor)
        let source = try ip("198.18.0.7")
        try banner.tell(order(source, .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.0.7") }
        try banner.tell(order(source, .seconds(6000)))
        let prolonged = try banner.listing { $0.contains("timeout 1h") }
        #expect(prolonged.contains("198.18.0.7 timeout 1h"))
        try banner.tell(.protect(source, until: Clock.sinceEpoch + .seconds(3600)))
        let protected = try banner.listing { $0.contains("198.18.0.7 timeout 1h10m") }
        #expect(protected.contains("198.18.0.7 timeout 1h10m") || protected.contains("1h9m"))
    }

    /// Starts banner, and has 198.18.0.7 and 2001:db8:7::/64 banned for ten minutes.
    private func startWithBans(_ banner: BannerProcess, _ folder: TemporaryFolder) throws {
        try banner.start(folder.descriptor)
        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        try banner.tell(order(try ip("2001:db8:7::1"), .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.0.7") && $0.contains("2001:db8:7::") }
    }

    private func order(_ address: IPAddress, _ span: Milliseconds) -> RouterToBanner {
        .ban(
            BanOrder(
                address: address, reason: "digest", evidence: "", count: 5,
                firstSeen: Clock.sinceEpoch, lastSeen: Clock.sinceEpoch, profile: "phones",
                atLeast: span))
    }

    @Test("a ban holds for every port and protocol, and an IPv6 ban for the /64 and no further")
    func everyPort() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try startWithBans(banner, folder)

        try banner.inside("for port in 22 5060 5061; do echo x > /dev/udp/198.18.0.1/$port; done")
        try banner.inside("timeout -s KILL 0.1 bash -c 'echo x > /dev/tcp/198.18.0.1/22'")
        let dropped = try banner.listing { _ in true }
        #expect(dropped.contains("@banned4 counter packets 4"))

        try banner.inside("echo x > /dev/udp/2001:db8::2/5060")
        #expect(try banner.listing { _ in true }.contains("@banned6 counter packets 0"))
        try banner.inside("echo x > /dev/udp/2001:db8::1/22")
        #expect(try banner.listing { _ in true }.contains("@banned6 counter packets 1"))
    }

    @Test(
        "UDP from an inside address or our own to an outside endpoint is dropped, nothing else of it is"
    )
    func ownAddresses() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        let settings: [Setting] = [
            .sides.outside(
                OutsideEndpoint(Endpoint(.udp, SocketAddress(try ip("198.18.0.1"), port: 5060)))),
            .sides.outside(
                OutsideEndpoint(Endpoint(.tcp, SocketAddress(try ip("198.18.0.1"), port: 5060)))),
            .sides.outside(
                OutsideEndpoint(Endpoint(.udp, SocketAddress(try ip("2001:db8::1"), port: 5060)))),
            .sides.outside(
                OutsideEndpoint(Endpoint(.udp, SocketAddress(try ip("127.0.0.1"), port: 5060)))),
            .sides.inside(Endpoint(.udp, SocketAddress(try ip("2001:db8:7::9"), port: 5060))),
            .sides.asterisks(SocketAddress(try ip("198.18.0.7"), port: 5060)),
            .trunks.servers(SocketAddress(try ip("198.18.0.8"), port: 5060), of: "telco"),
        ]
        try banner.start(folder.descriptor, settings)
        func dropped() throws -> [String] {
            try banner.listing { _ in true }.matches(of: /@own.*counter packets (\d+)/)
                .map { String($0.output.1) }
        }
        #expect(try dropped() == ["0", "0"])
        // By TCP, to another port, from a trunk, and from the loopback: all as before.
        try banner.inside("timeout -s KILL 0.1 bash -c 'echo x > /dev/tcp/198.18.0.1/5060'")
        try banner.inside("echo x > /dev/udp/198.18.0.1/5070; echo x > /dev/udp/198.18.0.2/5060")
        try banner.inside("echo x > /dev/udp/127.0.0.1/5060; echo x > /dev/udp/2001:db8::2/5060")
        #expect(try dropped() == ["0", "0"])
        try banner.inside("echo x > /dev/udp/198.18.0.1/5060; echo x > /dev/udp/2001:db8::1/5060")
        #expect(try dropped() == ["1", "1"])
        // The edge's own outside address, which a route to itself has as its source.
        try banner.inside("ip route replace local 198.18.0.1 dev lo table local src 198.18.0.1")
        try banner.inside("echo x > /dev/udp/198.18.0.1/5060")
        #expect(try dropped() == ["2", "1"])
        // Looked through after another's change of another table: nothing is put right.
        try banner.inside("nft add table inet other")
        try banner.tell(order(try ip("198.18.9.9"), .seconds(600)))
        _ = try banner.listing { $0.contains("198.18.9.9") }
        #expect(try dropped() == ["2", "1"])
    }

    @Test("at a wildcard address the rules hold for every address of the machine, and for no other")
    func wildcards() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        let (every4, every6) = (IPAddress(v4: 0), IPAddress(high: 0, low: 0))
        let settings: [Setting] = [
            .sides.outside(OutsideEndpoint(Endpoint(.udp, SocketAddress(every4, port: 5060)))),
            .sides.outside(OutsideEndpoint(Endpoint(.tcp, SocketAddress(every4, port: 5060)))),
            .sides.outside(OutsideEndpoint(Endpoint(.udp, SocketAddress(every6, port: 5060)))),
            .sides.inside(Endpoint(.udp, SocketAddress(every4, port: 5070))),
            .sides.asterisks(SocketAddress(try ip("198.18.0.7"), port: 5060)),
            .defence.packets(1),
        ]
        // Strangers at the other end of a cable, and a machine behind this one.
        try shell("ip", "netns", "add", "\(banner.namespace)-far")
        try banner.inside(
            "ip link add near type veth peer name far; ip link set near up;"
                + " ip link set far netns \(banner.namespace)-far; sysctl -qw net.ipv4.ip_forward=1;"
                + " ip address add 198.51.100.1/24 dev near; ip address add 198.51.100.2/24 dev near;"
                + " ip address add 2001:db8:1::1/64 dev near nodad; ip address add 2001:db8:1::2/64 dev near nodad"
        )
        defer { _ = try? shell("ip", "netns", "delete", "\(banner.namespace)-far") }
        func far(_ command: String) throws {
            try shell("ip", "netns", "exec", "\(banner.namespace)-far", "bash", "-c", command)
        }
        try far(
            "ip link set lo up; ip link set far up; ip address add 198.51.100.9/24 dev far;"
                + " ip address add 198.18.0.7/32 dev far; ip address add 2001:db8:1::9/64 dev far nodad;"
                + " ip route add default via 198.51.100.1")
        try banner.start(folder.descriptor, settings)
        func dropped(_ set: String) throws -> Int {
            try banner.listing { _ in true }.split(separator: "\n").filter { $0.contains(set) }
                .compactMap { $0.firstMatch(of: /counter packets (\d+)/) }
                .compactMap { Int($0.output.1) }.reduce(0, +)
        }
        // Two of each source pass, and a packet a second; both addresses count together.
        for (set, host) in [("udp4", "198.51.100."), ("udp6", "2001:db8:1::")] {
            let span = try ContinuousClock().measure {
                try far("for n in 1 2 1 2 1 2; do echo x > /dev/udp/\(host)$n/5060; done")
            }
            let seconds = Int(span.components.seconds) + 1
            #expect(try dropped("@\(set)") >= 6 - 2 - seconds)
        }
        let before = try dropped("@udp4")
        try far("for n in 1 2 3 4 5 6; do echo x > /dev/udp/198.51.100.1/5099; done")
        try far("for n in 1 2 3 4 5 6; do echo x > /dev/udp/203.0.113.200/5060; done")
        #expect(try dropped("@udp4") == before)
        // In the name of the Asterisk, and of the machine itself.
        try banner.inside(
            "ip address del 198.18.0.7/32 dev lo; sysctl -qw net.ipv4.conf.all.rp_filter=0")
        try far(
            "ip route add 198.51.100.2 dev far src 198.18.0.7; echo x > /dev/udp/198.51.100.2/5060")
        #expect(try dropped("@own4") == 1)
        try banner.inside("echo x > /dev/udp/198.51.100.2/5060; echo x > /dev/udp/127.0.0.1/5060")
        #expect(try dropped("fib saddr type local") == 1)
        try banner.tell(order(try ip("198.51.100.9"), .seconds(600)))
        _ = try banner.listing { $0.contains("198.51.100.9 timeout") }
        try far(
            "ip route del 198.51.100.2; for n in 1 2; do echo x > /dev/udp/198.51.100.$n/5060; done"
        )
        #expect(try dropped("@banned4") == 2)
        // Looked through after another's change: nothing is put right.
        try banner.inside("nft add table inet other")
        try banner.nextSecond()
        try banner.nextSecond()
        #expect(try dropped("@banned4") == 2)
    }

    @Test("a table that a reboot took away is back with what was left of every ban")
    func reboot() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        try startWithBans(banner, folder)
        try banner.stop()
        try banner.inside("nft delete table inet rempart")
        try banner.start(folder.descriptor)
        let table = try banner.listing { _ in true }
        #expect(table.contains("2001:db8:7:: timeout"))
        let left = try #require(table.firstMatch(of: /198\.18\.0\.7 timeout (9m5\d|10m)/))
        #expect(!left.output.1.isEmpty)
    }

    @Test("a block list that is replaced by one that overlaps it is in the kernel as it is written")
    func replacedList() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        let list = URL(fileURLWithPath: "\(folder.path)/list")
        let first = ["10.0.0.0/24", "10.0.2.0/24", "10.0.4.0/22", "255.255.255.0/24"]
        let second = ["10.0.0.0/25", "10.0.2.0/23", "10.0.5.0/24", "2001:db8::/32"]
        try Data(first.joined(separator: "\n").utf8).write(to: list, options: .atomic)
        try banner.start(folder.descriptor, [.defence.blockLists(list.path)])
        let before = try banner.listing { $0.contains("10.0.4.0/22") }
        for network in first { #expect(before.contains(network)) }
        try Data(second.joined(separator: "\n").utf8).write(to: list, options: .atomic)
        let after = try banner.listing { $0.contains("10.0.5.0/24") }
        for network in second { #expect(after.contains(network)) }
        for network in first { #expect(!after.contains(network)) }
        // Another's change of another table has it looked through: nothing is put right.
        try banner.inside("nft add table inet other")
        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        let later = try banner.listing { $0.contains("198.18.0.7") }
        for network in second { #expect(later.contains(network)) }
    }

    @Test("two edges on one kernel have a table each, and neither touches the other's")
    func twoEdges() throws {
        let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
        let one = try BannerProcess()
        let two = try BannerProcess(in: one.namespace)
        try one.start(first.descriptor)
        try two.start(second.descriptor, [.defence.mode(.observe)], table: "rempart-two")
        try one.tell(order(try ip("198.18.0.7"), .seconds(600)))
        _ = try one.listing { $0.contains("198.18.0.7") }
        try two.tell(order(try ip("198.18.0.8"), .seconds(600)))
        let others = "nft -a list table inet rempart-two"
        let table = try one.output(of: others) { $0.contains("198.18.0.8") }
        #expect(table.contains("198.18.0.8 timeout") && !table.contains("198.18.0.7"))
        // Rules that nobody has made anew keep their handles; each looks at its own once a second.
        func handles(_ command: String) throws -> [Substring] {
            try one.inside(command).split(separator: "\n").filter { $0.contains("counter") }.map {
                $0.drop { $0 != "#" }
            }
        }
        let own = "nft -a list table inet rempart"
        let before = (try handles(own), try handles(others))
        #expect(!before.0.isEmpty && !before.1.isEmpty)
        for number in 1...3 {
            try one.tell(order(try ip("198.18.1.\(number)"), .seconds(600)))
            _ = try one.listing { $0.contains("198.18.1.\(number)") }
            try one.nextSecond()
            try two.nextSecond()
        }
        #expect(try handles(own) == before.0 && handles(others) == before.1)
        // One that goes with its table takes nothing else.
        try two.stop()
        two.end()
        try two.start(second.descriptor, [.defence.cleanup(true)], table: "rempart-two")
        try two.stop()
        let tables = try one.inside("nft list tables")
        #expect(tables.contains("inet rempart\n") && !tables.contains("rempart-two"))
        #expect(try one.inside("nft list table inet rempart").contains("198.18.0.7"))
    }

    @Test("the table stays when banner stops, or goes if it is asked to")
    func cleanStop() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        for isTidy in [false, true] {
            try banner.start(folder.descriptor, [.defence.cleanup(isTidy)])
            try banner.stop()
            #expect(try banner.inside("nft list tables").contains("rempart") == !isTidy)
        }
    }

    @Test(
        "the flows that conntrack knows of a banned source end, those of others stay",
        .enabled(
            if: FileManager.default.isReadableFile(atPath: "/proc/net/nf_conntrack"),
            "this kernel lists no flows"))
    func flows() throws {
        let folder = try TemporaryFolder()
        let banner = try BannerProcess()
        // A rule that asks for the state of flows has the kernel keep it.
        try banner.inside(
            "nft 'table inet stateful { chain c { type filter hook input priority 0;"
                + " ct state established accept; }; }'")
        try banner.start(folder.descriptor)
        let flows = "cat /proc/net/nf_conntrack"
        for address in ["198.18.0.1", "198.18.0.2", "2001:db8::1", "2001:db8::2"] {
            try banner.inside("echo x > /dev/udp/\(address)/5060")
        }
        let banned = ["src=198.18.0.7", "src=2001:0db8:0007:0000:0000:0000:0000:0009"]
        let others = ["src=198.18.0.8", "src=2001:0db8:0008:0000:0000:0000:0000:0009"]
        let before = try banner.inside(flows)
        for source in banned + others { #expect(before.contains(source)) }

        try banner.tell(order(try ip("198.18.0.7"), .seconds(600)))
        try banner.tell(order(try ip("2001:db8:7::1"), .seconds(600)))
        let after = try banner.output(of: flows) { text in !banned.contains { text.contains($0) } }
        for source in banned { #expect(!after.contains(source)) }
        for source in others { #expect(after.contains(source)) }
    }
}
