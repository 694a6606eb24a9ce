import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

private let own = Daemon.ownAddress()

/// Settings with ports that are free.
private let plain = """
    domain example.com
    outside udp://\(own):5060
    outside tcp://\(own):5060
    inside udp://\(own):5070
    """

@Suite(.serialized) struct SupervisorTests {
    @Test("it starts every component, hands each what it is to have, and ends in good order")
    func starts() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready: Serving 1 domain; 5 components ready"), "\(daemon.log)")
        #expect(
            try daemon.component(.router).status.hasPrefix(
                "settings=4 listeners=3 peers=3 files=0 secret=72"))
        #expect(
            try daemon.component(.directory).status.hasPrefix(
                "settings=0 listeners=0 peers=2 files=1 secret=0"))
        #expect(
            try daemon.component(.accountsReader).status.hasPrefix(
                "settings=2 listeners=0 peers=1 files=0 secret=0"))
        #expect(
            try daemon.component(.terminator).status.hasPrefix(
                "settings=0 listeners=0 peers=1 files=0 secret=0"))
        daemon.signal(SIGTERM)
        #expect(daemon.exitCode() == 0)
        #expect(unsafe access("\(daemon.folder)/run/control", F_OK) != 0)
    }

    @Test("a killed component is back with new links, and its peers go on")
    func killed() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let before = try daemon.component(.router)
        let peer = try daemon.component(.directory)
        _ = kill(before.pid, SIGKILL)
        #expect(daemon.says("sip-router ended (signal 9)"))
        // Answered when the next one is ready, which the death alone would have brought about too.
        #expect(try daemon.ask(.restart(.banner)) == [.done])
        #expect(daemon.says("sip-router started", times: 2), "\(daemon.log)")
        let after = try daemon.component(.router)
        #expect(after.pid != before.pid && after.restarts == 1)
        #expect(try daemon.component(.directory).pid == peer.pid)
    }

    @Test("without a descriptor it still answers, and starts a component once there are some")
    func outOfDescriptors() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let before = try daemon.component(.banner)
        try daemon.limitDescriptorsToThoseOpen()
        for _ in 0..<5 { #expect(try daemon.component(.banner).pid == before.pid) }
        guard case .failed? = try daemon.ask(.restart(.banner)).last else {
            Issue.record("banner was started without descriptors")
            return
        }
        #expect(daemon.says("banner cannot be started: "), "\(daemon.log)")
        #expect(daemon.says("raise LimitNOFILE="), "\(daemon.log)")
        #expect(try daemon.component(.router).state == .ready)
        #expect(!daemon.log.contains("callers of the control socket wait"))
        try daemon.limit(descriptors: 1024)
        #expect(daemon.says("banner started", times: 2), "\(daemon.log)")
        #expect(try daemon.ask(.restart(.banner)) == [.done])
    }

    @Test("restart answers when the new component is ready, and leaves the others alone")
    func restart() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let before = try daemon.component(.terminator)
        let router = try daemon.component(.router)
        #expect(try daemon.ask(.restart(.terminator)) == [.done])
        let after = try daemon.component(.terminator)
        #expect(after.pid != before.pid && after.state == .ready)
        #expect(try daemon.component(.router).pid == router.pid)
        #expect(try daemon.shows("new link 4", .router))
    }

    @Test("a reload reaches every component")
    func reload() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite(plain + "\ndomain example.org\n")
        #expect(try daemon.ask(.reload) == [.done])
        #expect(try daemon.component(.router).status.hasPrefix("settings=5"))
        #expect(try daemon.component(.supervisor).status.contains("2 domains"))
        daemon.signal(SIGHUP)
        #expect(daemon.says("the settings were read again", times: 2))
    }

    @Test("a wrong file, and a change of endpoints, leave the old settings in force")
    func refusedReload() throws {
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite("nonsense")
        guard case .failed(let why)? = try daemon.ask(.reload).last else {
            Issue.record("a wrong file was taken")
            return
        }
        #expect(why.contains("rempart check"))
        try daemon.rewrite("domain a\noutside udp://127.0.0.2:5060\n")
        guard case .failed(let needsRestart)? = try daemon.ask(.reload).last else {
            Issue.record("other endpoints were taken")
            return
        }
        #expect(needsRestart.contains("systemctl restart rempart"))
        #expect(try daemon.component(.router).status.hasPrefix("settings=4"))
    }

    @Test("a trunk's socket is bound, goes to sip-router alone, and a reload cannot change it")
    func trunk() throws {
        let settings = plain + "\ntrunk udp://\(own):5071\n"
        let daemon = try Daemon(settings)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        #expect(try daemon.component(.router).status.hasPrefix("settings=5 listeners=4"))
        #expect(try daemon.component(.accountsReader).status.hasPrefix("settings=2 listeners=0"))
        try daemon.rewrite(settings + "domain example.org\n")
        #expect(try daemon.ask(.reload) == [.done])
        #expect(try daemon.component(.router).status.hasPrefix("settings=6"))
        try daemon.rewrite(plain)
        guard case .failed(let why)? = try daemon.ask(.reload).last else {
            Issue.record("a trunk went without a restart")
            return
        }
        #expect(why.contains("a trunk's name or inside has changed"))
        #expect(why.contains("systemctl restart rempart"))
    }

    @Test(
        "what of a reload is not used fails the command that asked, and the settings are in force")
    func partlyUsed() throws {
        let daemon = try Daemon(plain, misbehaviours: [.terminator: "uses-half"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite(plain + "\ndomain example.org\n")
        let answer = try daemon.ask(.reload)
        #expect(
            answer == [
                .failed("the new settings are in force, but tls-terminator: half is not used")
            ])
        #expect(try daemon.component(.router).status.hasPrefix("settings=5"))
        #expect(try daemon.component(.supervisor).status.contains("2 domains"))
        #expect(daemon.says("the settings were read again, but tls-terminator: half is not used"))
    }

    @Test("when one component refuses new settings, all go by the old ones")
    func oneRefuses() throws {
        let daemon = try Daemon(plain, misbehaviours: [.banner: "refuse-reload"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite(plain + "\ndomain example.org\n")
        guard case .failed(let why)? = try daemon.ask(.reload).last else {
            Issue.record("the reload was not refused")
            return
        }
        #expect(why.contains("banner: refused"))
        #expect(try daemon.component(.router).status.hasPrefix("settings=4"))
    }

    @Test("other requests go to the component that answers them, or say that it is away")
    func delegates() throws {
        let daemon = try Daemon(plain, misbehaviours: [.banner: "exit"])
        #expect(daemon.says("banner is started again in 1 s"), "\(daemon.log)")
        #expect(try daemon.ask(.restart(.router)) == [.done])
        #expect(try daemon.ask(.phones) == [.failed("sip-router was asked phones")])
        #expect(try daemon.ask(.bans) == [.failed("banner is not running, try again")])
    }

    @Test(
        "a component that breaks its protocol is killed and named, and the daemon goes on",
        arguments: [
            ("bad-frame", "sip-router sent a bad frame"),
            ("ready-twice", "sip-router answered a reload that nobody asked for"),
            ("wrong-hello", "sip-router said that it is supervisor"),
        ])
    func broken(_ word: String, _ record: String) throws {
        let daemon = try Daemon(plain, misbehaviours: [.router: word])
        #expect(daemon.says(record), "\(daemon.log)")
        #expect(try daemon.ask(.restart(.directory)) == [.done])
    }

    @Test("a system call outside of a component's filter ends it, and both say so")
    func filtered() throws {
        let daemon = try Daemon(plain, misbehaviours: [.router: "forbidden-call"])
        #expect(daemon.says("rempart[sip-router]: error: ended, for it tried system call 165"))
        #expect(daemon.says("sip-router ended (signal 31"), "\(daemon.log)")
    }

    @Test(
        "what reaches further than a component's part is refused in its real confinement",
        arguments: [
            (Role.router, true, false), (.terminator, true, false), (.directory, false, false),
            (.accountsReader, false, false), (.banner, false, true),
        ])
    func confined(_ role: Role, _ hasNoFiles: Bool, _ hasFirewall: Bool) throws {
        let daemon = try Daemon(plain, misbehaviours: [role: "tries"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let path: Int32 = hasNoFiles ? EACCES : 0
        // Landlock refuses what is read, where the kernel has it; O_PATH reads nothing.
        let files = ["stat", "lstat", "fstat", "empty-path", "access", "open"].map { ($0, path) }
        let netfilter: Int32 = hasFirewall ? 0 : EACCES
        let sockets = ["route", "audit"].map { ($0, EACCES) } + [("netfilter", netfilter)]
        let others = ["generic", "unix", "udp", "udp6", "raw", "bind", "connect"].map {
            ($0, EACCES)
        }
        // It is tried on no descriptor: what is let through fails by that.
        let rest = [("sendto", hasFirewall ? EBADF : EACCES), ("signal", EACCES)]
        let wanted = (files + sockets + others + rest).map { "\($0.0)=\($0.1)" }
        let isAsWanted = try daemon.shows(wanted.joined(separator: " "), role)
        let found = try daemon.component(role).status
        #expect(isAsWanted, "\(found) \(daemon.log)")
    }

    @Test("a component that cannot use its settings waits for others")
    func held() throws {
        let daemon = try Daemon(plain, misbehaviours: [.directory: "exit-100"])
        #expect(daemon.says("directory cannot use its settings"), "\(daemon.log)")
        #expect(daemon.says("ready:"))
        #expect(try daemon.component(.directory).state == .waiting)
        #expect(
            try daemon.component(.supervisor).status.contains(
                "degraded: only accounts that are known can authenticate, for directory cannot use its"
                    + " settings"))
    }

    @Test("a component that does not end when it is told to is killed")
    func deaf() throws {
        let daemon = try Daemon(plain, misbehaviours: [.router: "deaf"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        daemon.signal(SIGTERM)
        #expect(daemon.says("sip-router did not end within 1.5 s"), "\(daemon.log)")
        #expect(daemon.exitCode() == 0)
    }

    @Test("settings with errors, and a port that is taken, end the start with what to do")
    func cannotStart() throws {
        let wrong = try Daemon("nonsense")
        #expect(wrong.says("have errors: run rempart check"), "\(wrong.log)")
        #expect(wrong.exitCode() == 78)

        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let other = try Socket.bound(.stream, to: loopback)
        let address = try Socket.localAddress(other.raw)
        let daemon = try Daemon("domain a\noutside tcp://\(address)\n")
        #expect(daemon.says("tcp://\(address) is taken by another program"), "\(daemon.log)")
        #expect(daemon.exitCode() == 1)
    }
}
