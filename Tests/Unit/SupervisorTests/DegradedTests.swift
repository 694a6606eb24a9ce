import Glibc
import Messages
import Spawning
import Sys
import Testing

@testable import supervisor

private let own = Daemon.ownAddress()
private let plain = Daemon.plainSettings(at: own)

/// Runs a command in a network of its own, with nothing but its loopback.
private let alone = ["unshare", "-n", "--", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]

@Suite(.serialized) struct DegradedTests {
    @Test("the worst stands first, whoever says it, and goes with the component that said it")
    func worstFirst() throws {
        let daemon = try Daemon(plain, misbehaviours: [.banner: "degraded", .directory: "exit"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        // What a component says of itself comes after it is ready.
        #expect(
            try daemon.comes { rows in
                Daemon.conditions(rows).map(\.kind) == [.accounts, .accounts, .firewall]
            }, "\(daemon.log)")
        #expect(
            try daemon.component(.supervisor).status.hasPrefix(
                "Serving 1 domain, degraded: only accounts that are known"))
        try Daemon.write("", to: "\(daemon.folder)/misbehave-banner")
        #expect(try daemon.ask(.restart(.banner)) == [.done])
        #expect(try daemon.conditions().map(\.kind) == [.accounts])
        // Nobody else records what that component says of itself; what the supervisor sees has records already.
        #expect(daemon.says("over: no firewall"), "\(daemon.log)")
        let lines = daemon.log.split(separator: "\n")
        #expect(lines.count { $0.contains("no firewall") && !$0.contains("over: ") } == 1)
        #expect(
            lines.count { $0.contains("known can authenticate, for") && !$0.contains("ready: ") }
                == 0)
    }

    @Test(
        "rempart status --check tells good, degraded and no SIP by its exit code, and a daemon that is away"
    )
    func check() throws {
        func code(_ daemon: Daemon) throws -> Int32 {
            let built = try Spawner().folder
            return try Daemon.run(
                "\(built)/rempart", ["status", "--check", "--runtime", "\(daemon.folder)/run"])
        }
        let daemon = try Daemon(plain)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        #expect(try code(daemon) == 0)
        try Daemon.write("exit-100", to: "\(daemon.folder)/misbehave-banner")
        _ = try daemon.ask(.restart(.banner))
        #expect(try code(daemon) == 1)
        try Daemon.write("exit-100", to: "\(daemon.folder)/misbehave-sip-router")
        _ = try daemon.ask(.restart(.router))
        #expect(try code(daemon) == 2)
        daemon.signal(SIGTERM)
        #expect(daemon.exitCode() == 0)
        #expect(try code(daemon) == 3)
    }

    @Test("a program whose library is missing keeps nobody waiting, and status names the end")
    func missingLibrary() throws {
        let daemon = try Daemon(plain) { folder in
            try Self.breakLibraries("\(folder)/banner")
        }
        #expect(
            daemon.says("ready: Serving 1 domain, degraded: no ban begins or ends"), "\(daemon.log)"
        )
        #expect(
            try daemon.conditions().first?.text.contains("after exit code 127") == true)
    }

    /// Has a program name a library that nobody has.
    static func breakLibraries(_ path: String) throws {
        try Daemon.copy("\(try Spawner().folder)/supervisor", to: path)
        #expect(
            try Daemon.run("/bin/sed", ["-i", "s/libsystemd[.]so[.]0/libsystemx.so.0/", path]) == 0)
    }

    // MARK: Reloads

    @Test("a reload of other settings goes through while a component cannot use its own")
    func reloadBesideHeld() throws {
        let daemon = try Daemon(plain, misbehaviours: [.terminator: "exit-100"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite(plain + "\ndomain example.org\n")
        let answer = try daemon.ask(.reload)
        #expect(answer.last == .done)
        #expect(
            answer.contains(
                .finding(name: "warning", value: "tls-terminator ended before it was ready")))
        #expect(try daemon.component(.router).status.hasPrefix("settings=4"))
        try Daemon.write("", to: "\(daemon.folder)/misbehave-tls-terminator")
        #expect(try daemon.ask(.reload) == [.done])
        #expect(try daemon.conditions().isEmpty)
    }

    @Test("a component that ends over new settings, and served before, has them refused for all")
    func reloadThatBreaks() throws {
        let daemon = try Daemon(plain, misbehaviours: [.banner: "exit-at-reload"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try daemon.rewrite(plain + "\ndomain example.org\n")
        guard case .failed? = try daemon.ask(.reload).last else {
            Issue.record("the reload was not refused")
            return
        }
        #expect(try daemon.component(.accountsReader).status.hasPrefix("settings=2"))
    }

    @Test("a refusal is told until the next reload that is taken, and no longer")
    func refusalEnds() throws {
        let daemon = try Daemon(plain, misbehaviours: [.banner: "refuse-once"])
        #expect(daemon.says("ready:"), "\(daemon.log)")
        guard case .failed? = try daemon.ask(.reload).last else {
            Issue.record("the reload was not refused")
            return
        }
        #expect(try daemon.component(.banner).status.contains("refused the last reload: refused"))
        #expect(try daemon.conditions().map(\.kind) == [.settings])
        #expect(try daemon.ask(.reload) == [.done])
        #expect(try daemon.component(.banner).status.hasPrefix("settings="))
        #expect(try daemon.conditions().isEmpty)
    }

    @Test("a certificate that cannot be read costs TLS alone, at the start and at a reload")
    func certificate() throws {
        let settings =
            plain + "\noutside tls://\(own):5061\ncertificate FOLDER/pem\nkey FOLDER/pem\n"
        let daemon = try Daemon("domain example.com\n") { folder in
            try Daemon.write(settings.replacing("FOLDER", with: folder), to: "\(folder)/settings")
        }
        #expect(
            daemon.says("ready: Serving 1 domain, degraded: tls.certificate: "), "\(daemon.log)")
        #expect(
            daemon.log.contains("\(daemon.folder)/pem cannot be read (No such file or directory)"))
        #expect(try daemon.component(.terminator).status.contains("listeners=1 peers=1 files=0"))
        try Daemon.write("a pair", to: "\(daemon.folder)/pem")
        #expect(try daemon.ask(.reload) == [.done])
        #expect(try daemon.conditions().isEmpty)
        #expect(try daemon.component(.terminator).status.contains("files=2"))
        // The pair that was in use stays in use, also for a successor.
        #expect(unsafe unlink("\(daemon.folder)/pem") == 0)
        guard case .failed(let why)? = try daemon.ask(.reload).last else {
            Issue.record("who renews a certificate does not learn that it is not used")
            return
        }
        #expect(why.hasPrefix("the new settings are in force, but tls.certificate: "))
        #expect(why.contains("the pair of before stays in use"))
        #expect(try daemon.ask(.restart(.terminator)) == [.done])
        #expect(try daemon.conditions().map(\.kind) == [.certificate, .certificate])
        #expect(try daemon.component(.terminator).status.contains("files=2"))
    }

    // MARK: Addresses

    @Test("addresses that are not there are bound, told of, and keep nobody from serving")
    func absent() throws {
        let daemon = try Daemon(
            """
            \(plain)
            outside udp://192.0.2.1:5060
            outside tcp://[2001:db8::1]:5060
            inside udp://192.0.2.9:5070
            """)
        #expect(daemon.says("ready: Serving 1 domain, degraded: addresses are not on this machine"))
        #expect(
            try daemon.conditions() == [
                Condition(
                    .address,
                    "addresses are not on this machine, and served once they are: 192.0.2.1,"
                        + " 2001:db8::1, 192.0.2.9",
                    recorded: .both)
            ])
        #expect(daemon.log.contains("192.0.2.1 of outside is not on this machine"))
        #expect(daemon.log.contains("192.0.2.9 of inside is not on this machine"))
        #expect(try daemon.component(.router).status.hasPrefix("settings=6 listeners=5"))
    }

    @Test("no SIP is told when no outside address is there")
    func noneThere() throws {
        let daemon = try Daemon(
            "domain example.com\noutside udp://192.0.2.1:5060\ninside udp://\(own):5070\n")
        #expect(
            daemon.says("ready: No SIP: no phone is served, for no address of outside"),
            "\(daemon.log)")
    }

    @Test(
        "an address that comes is served, one that goes is told of, each once",
        .enabled(if: geteuid() == 0, "a network of its own needs root"))
    func comesAndGoes() throws {
        let (four, six) = ("192.0.2.1", "2001:db8::1")
        let daemon = try Daemon(
            "domain a\noutside udp://\(four):5060\noutside tcp://[\(six)]:5060\ninside udp://127.0.0.1:5070\n",
            inside: alone)
        #expect(daemon.says("ready: No SIP"), "\(daemon.log)")
        func ip(_ action: String, _ address: String) throws {
            let words = [
                "-t", "\(daemon.pid)", "-n", "ip", "address", action, address, "dev", "lo",
            ]
            let rest = address == six && action == "add" ? ["nodad"] : []
            #expect(try Daemon.run("/usr/bin/nsenter", words + rest) == 0)
        }
        func step(
            _ action: String, _ address: String, turn: Int, _ kinds: [Condition.Kind]
        ) throws {
            try ip(action, address)
            let words = action == "add" ? "is on this machine" : "is not on this machine"
            // Promised within 5 s.
            #expect(
                daemon.says("\(address) of outside \(words)", times: turn, within: .seconds(20)),
                "\(daemon.log)")
            #expect(try daemon.conditions().map(\.kind) == kinds)
        }
        try step("add", four, turn: 1, [.address])
        try step("add", six, turn: 1, [])
        try step("del", four, turn: 2, [.address])
        try step("del", six, turn: 2, [.noSIP])
        try step("add", four, turn: 2, [.address])
        // What came and went, and nothing else, was told.
        let told = daemon.log.split(separator: "\n").filter {
            $0.contains(" of outside is ") && !$0.contains("ready:")
        }
        #expect(told.count == 7)
    }

    @Test("a socket that systemd hands over twice is surplus to nobody, one of no endpoint is")
    func handedOverTwice() throws {
        let address = try #require(SocketAddress("127.0.0.1:0"))
        let socket = try Socket.bound(.datagram, to: address)
        let stranger = try Socket.bound(.datagram, to: address)
        let listener = Listener(
            index: 0, side: .outside, endpoint: Endpoint(.udp, try Socket.localAddress(socket.raw)))
        func copy(_ socket: Descriptor) throws -> Descriptor {
            Descriptor(owning: try SystemError.check(dup(socket.raw), "dup"))
        }
        var same = [try copy(socket), try copy(socket)]
        #expect(try Sockets([listener], taking: &same).surplus == 0)
        var different = [try copy(socket), try copy(stranger)]
        #expect(try Sockets([listener], taking: &different).surplus == 1)
    }
}
