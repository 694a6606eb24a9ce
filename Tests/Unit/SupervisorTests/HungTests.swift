import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

@Suite(.serialized) struct HungTests {
    @Test("a sip-router that hangs is replaced, whatever its process would make of a signal")
    func router() throws {
        let daemon = try Daemon(Daemon.plainSettings())
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let hung = try daemon.component(.router).pid
        _ = kill(hung, SIGSTOP)
        // Promised within 3 s.
        #expect(
            try daemon.comes(within: .seconds(9)) { rows in
                rows.contains { row in
                    if case .component(.router, let pid, .ready, _, _) = row {
                        pid != hung
                    } else {
                        false
                    }
                }
            }, "\(daemon.log)")
        #expect(daemon.says("sip-router gave no heartbeat for 2.5 s and is killed"))
    }

    @Test("a component that gives no heartbeat, while its process runs, is replaced as well")
    func silent() throws {
        let daemon = try Daemon(Daemon.plainSettings(), misbehaviours: [.router: "no-heartbeat"])
        #expect(
            daemon.says("sip-router gave no heartbeat for 2.5 s and is killed"), "\(daemon.log)")
        #expect(daemon.says("sip-router started", times: 2))
    }

    @Test("an accounts-reader of which directory says that it answers nothing is replaced, once")
    func accountsReader() throws {
        let daemon = try Daemon(
            Daemon.plainSettings(), misbehaviours: [.directory: "accounts-reader-hangs"])
        #expect(
            daemon.says("accounts-reader has answered nothing for 10 s and is killed"),
            "\(daemon.log)")
        #expect(daemon.says("accounts-reader started", times: 2), "\(daemon.log)")
        #expect(try daemon.component(.accountsReader).restarts == 1)
        #expect(try daemon.component(.directory).restarts == 0)
    }

    @Test("nobody but directory says so, and of nobody but accounts-reader")
    func falseWord() throws {
        let daemon = try Daemon(
            Daemon.plainSettings(), misbehaviours: [.banner: "accounts-reader-hangs"])
        #expect(
            daemon.says("banner says that accounts-reader hangs and is killed"), "\(daemon.log)")
        #expect(try daemon.component(.accountsReader).restarts == 0)
    }

    @Test("a machine that stood still as a whole kills no component")
    func frozen() throws {
        let daemon = try Daemon(Daemon.plainSettings())
        #expect(daemon.says("ready:"), "\(daemon.log)")
        let all = try Role.children.map { try daemon.component($0).pid } + [daemon.pid]
        for pid in all.reversed() { _ = kill(pid, SIGSTOP) }
        // Longer than any limit of sip-router's, which is what this is about.
        sleep(4)
        // The supervisor first: it looks before anybody can have given a heartbeat.
        for pid in all.reversed() { _ = kill(pid, SIGCONT) }
        #expect(try daemon.ask(.restart(.banner)) == [.done])
        for role in [Role.router, .terminator, .directory] {
            #expect(try daemon.component(role).restarts == 0)
        }
        #expect(!daemon.log.contains("gave no heartbeat"))
    }
}
