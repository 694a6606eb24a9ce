import Glibc
import Journal
import Messages
import Sys
import Testing

@testable import supervisor

/// Plays systemd's end of the notification socket, at an abstract name.
private final class Listener {
    let name = "rempart-test-\(String(Random.word, radix: 16))"
    private let socket: Descriptor
    private var heard: [String] = []

    init() throws {
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        socket = Descriptor(owning: try SystemError.check(raw, "socket"))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = [0] + Array(name.utf8)
        // In bounds: the name is far shorter than the address's 108 bytes.
        let result = unsafe withUnsafeMutableBytes(of: &address) { whole in
            let path = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
            unsafe UnsafeMutableRawBufferPointer(rebasing: whole[path...]).copyBytes(from: bytes)
            return unsafe bind(
                raw, whole.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t(path + bytes.count))
        }
        #expect(result == 0)
    }

    /// Waits for a notification that begins with a text; false when none comes for so many seconds.
    func hears(_ wanted: String, within seconds: Int32 = 20) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var ready = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&ready, 1, 1000 * seconds) > 0 {
            guard case .moved(let count) = Stream.read(socket.raw, into: &buffer, at: 0) else {
                return false
            }
            heard.append(String(decoding: buffer[..<count], as: UTF8.self))
            if heard.last?.hasPrefix(wanted) == true { return true }
        }
        return false
    }
}

@Suite(.serialized) struct NotifyTests {
    @Test("systemd hears of the start, the heartbeat, a reload and the end, in its own words")
    func words() throws {
        let systemd = try Listener()
        let daemon = try Daemon(
            "domain example.com\n",
            environment: ["NOTIFY_SOCKET=@\(systemd.name)", "WATCHDOG_USEC=200000"])
        #expect(systemd.hears("STATUS=Serving 1 domain; 5 components ready"), "\(daemon.log)")
        #expect(systemd.hears("READY=1"))
        #expect(systemd.hears("WATCHDOG=1"))
        daemon.signal(SIGHUP)
        #expect(systemd.hears("RELOADING=1\nMONOTONIC_USEC="))
        #expect(systemd.hears("READY=1"))
        daemon.signal(SIGTERM)
        #expect(systemd.hears("STOPPING=1"))
        #expect(daemon.exitCode() == 0)
    }

    @Test("a component that cannot use its settings, or fails, keeps nobody waiting")
    func degraded() throws {
        for word in ["exit-100", "exit"] {
            let systemd = try Listener()
            let daemon = try Daemon(
                "domain example.com\n", misbehaviours: [.directory: word],
                environment: ["NOTIFY_SOCKET=@\(systemd.name)"])
            #expect(
                systemd.hears(
                    "STATUS=Serving 1 domain, degraded: only accounts that are known can authenticate,"
                        + " for directory"),
                "\(daemon.log)")
            #expect(systemd.hears("READY=1"))
            daemon.signal(SIGTERM)
            #expect(daemon.exitCode() == 0)
        }
    }

    @Test(
        "a component that hangs at its start, and sip-router that fails, do not keep READY=1 away for long",
        arguments: [(Role.banner, "hang"), (.router, "exit")])
    func bounded(_ role: Role, _ word: String) throws {
        let systemd = try Listener()
        let daemon = try Daemon(
            "domain example.com\n", misbehaviours: [role: word],
            environment: ["NOTIFY_SOCKET=@\(systemd.name)"])
        // Promised after 20 s; systemd would end the whole after 90.
        #expect(systemd.hears("READY=1", within: 80), "\(daemon.log)")
        let noSIP = Daemon.conditions(try daemon.ask(.status)).first?.kind == .noSIP
        #expect(noSIP == (role == .router))
    }
}
