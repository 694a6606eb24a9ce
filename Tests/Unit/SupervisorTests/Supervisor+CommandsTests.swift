import Glibc
import Journal
import Messages
import Sys
import Testing

@testable import supervisor

/// A loopback address that no other test has, so that any port of it is free.
private let own = "127.\(Random.word % 250 + 1).\(Random.word % 250).\(Random.word % 250 + 2)"

private let settings = """
    domain example.com
    outside udp://\(own):5060
    inside udp://\(own):5070
    """

@Suite(.serialized) struct CommandTests {
    private static let address = IPAddress(v4: 0xC000_0207)

    @Test("every request that changes something is recorded with who asked, what, and its object")
    func recorded() throws {
        let daemon = try Daemon(settings)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let network = try #require(Network("192.0.2.0/24"))
        let requests: [(ControlRequest, String)] = [
            (.ban(Self.address, .seconds(3600), "x y"), "ban 192.0.2.7 --for 3600s --reason x y"),
            (.unban(Self.address), "unban 192.0.2.7"), (.unban(nil), "unban all"),
            (.allow(network, true), "allow 192.0.2.0/24"),
            (.allow(network, false), "allow --remove 192.0.2.0/24"),
            (.endCall("a@b"), "calls --end a@b"), (.release("1001"), "release 1001"),
            (.copyBindings, "backup"),
            (.restart(.banner), "restart banner"), (.reload, "reload"),
        ]
        for (request, command) in requests {
            #expect(request.changes)
            _ = try daemon.ask(request)
            #expect(daemon.says("rempart[supervisor]: \(me) asked: \(command)"), "\(daemon.log)")
        }
        for request in [
            ControlRequest.status, .phones, .bans, .calls, .accounts(after: ""), .account("1001"),
        ] {
            _ = try daemon.ask(request)
        }
        _ = try daemon.ask(.restart(.directory))
        #expect(daemon.says("asked: restart directory"))
        #expect(!daemon.log.contains("asked: status") && !daemon.log.contains("asked: phones"))
        #expect(!daemon.log.contains("asked: accounts"))
    }

    /// Who this process is, as a record names him.
    private var me: String {
        let uid = geteuid()
        return Asker(uid: uid, pid: getpid(), loginUID: Asker.loginUID(of: getpid(), uid: uid)).name
    }

    @Test("a restart by hand reads so, and an end by itself does not")
    func restarted() throws {
        let daemon = try Daemon(settings)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        #expect(try daemon.ask(.restart(.router)) == [.done])
        #expect(
            daemon.says("sip-router ended (exit code 0), restarted for \(me)"), "\(daemon.log)")
        _ = kill(try daemon.component(.router).pid, SIGKILL)
        #expect(daemon.says("sip-router ended (signal 9)"))
        #expect(!daemon.log.contains("(signal 9), restarted"))
    }

    @Test("what is refused is recorded with why")
    func refused() throws {
        let daemon = try Daemon(settings, misbehaviours: [.banner: "exit"])
        #expect(daemon.says("banner is started again in 1 s"), "\(daemon.log)")
        _ = try daemon.ask(.unban(nil))
        #expect(daemon.says("asked: unban all: refused, banner is not running"), "\(daemon.log)")
        _ = try daemon.ask(.restart(.supervisor))
        #expect(daemon.says("asked: restart supervisor: refused, the supervisor does not restart"))
    }

    @Test("a reload and a stop by a signal name the process and the user that sent it")
    func signals() throws {
        let daemon = try Daemon(settings)
        #expect(daemon.says("ready:"), "\(daemon.log)")
        daemon.signal(SIGHUP)
        let sent = "uid \(getuid())"
        #expect(daemon.says("SIGHUP from process \(getpid()): reload"), "\(daemon.log)")
        #expect(daemon.says("settings uid=\(getuid())"), "\(daemon.log)")
        daemon.signal(SIGTERM)
        #expect(daemon.says("SIGTERM from process \(getpid()): stop"), "\(daemon.log)")
        #expect(daemon.log.contains(sent))
        #expect(daemon.says("as the daemon stops"))
        #expect(daemon.exitCode() == 0)
    }

    @Test(
        "the login uid of a process is what the kernel says, and none where nobody has logged in",
        arguments: [
            ("1000", 1000), ("0\n", 0), ("4294967295", nil), ("", nil), ("-1", nil), ("x", nil),
        ] as [(String, UInt32?)])
    func loginUID(_ text: String, _ expected: UInt32?) {
        #expect(Asker.loginUID(text) == expected)
    }

    @Test("a process of another user, or one that is gone, has no login uid")
    func otherProcess() {
        #expect(Asker.loginUID(of: getpid(), uid: geteuid() + 1) == nil)
        #expect(Asker.loginUID(of: Int32.max, uid: 0) == nil)
    }

    @Test("a caller is known by the kernel's word; of one that has hung up no login uid is taken")
    func caller() throws {
        let (ours, theirs) = try Socket.seqpacketPair()
        let asker = try #require(Asker(caller: ours))
        #expect(asker.uid == geteuid() && asker.pid == getpid())
        theirs.close()
        #expect(try #require(Asker(caller: ours)).loginUID == nil)
        #expect(Asker(sender: 0, uid: 0) == nil)
    }

    @Test("the login uid is a field where there is one, and in the sentence")
    func fields() {
        let asker = Asker(uid: 0, pid: 7, loginUID: 1000)
        #expect(asker.name == "uid 0 (login uid 1000)")
        #expect(asker.fields.map(\.0) == [.uid, .loginUID])
        #expect(asker.fields.map(\.1) == ["0", "1000"])
        #expect(Asker(uid: 5, pid: 7, loginUID: nil).fields.map(\.1) == ["5"])
    }
}
