import Glibc
import Messages
import Spawning
import Sys
import Testing

@testable import supervisor

@Suite(.serialized) struct ProgramWatchTests {
    /// Puts another program of the same bytes in a program's place, as an upgrade does.
    private func replace(_ name: String, in folder: String) throws {
        try Daemon.copy("\(folder)/\(name)", to: "\(folder)/.\(name).new")
        #expect(unsafe rename("\(folder)/.\(name).new", "\(folder)/\(name)") == 0)
    }

    @Test(
        "programs that were replaced under a running daemon are told before one of them is started, by a record, the status and its exit code"
    )
    func replaced() throws {
        let daemon = try Daemon(Daemon.plainSettings())
        #expect(daemon.says("ready:"), "\(daemon.log)")
        #expect(try daemon.conditions().isEmpty)
        try replace("sip-router", in: daemon.folder)
        #expect(try daemon.ask(.restart(.router)) == [.done])
        #expect(daemon.says("sip-router started", times: 2), "\(daemon.log)")
        let lines = daemon.log.split(separator: "\n")
        let told = lines.firstIndex { $0.contains("are not those this daemon was started from") }
        let started = lines.lastIndex { $0.contains("sip-router started") }
        #expect(try #require(told) < #require(started), "\(daemon.log)")
        let condition = try #require(try daemon.conditions().first)
        #expect(condition.kind == .programs && condition.text.contains("systemctl restart rempart"))
        let built = try Spawner().folder
        #expect(
            try Daemon.run(
                "\(built)/rempart", ["status", "--check", "--runtime", "\(daemon.folder)/run"])
                == 1)
    }

    @Test("a replaced supervisor is seen though no child is started")
    func supervisorItself() throws {
        let daemon = try Daemon(Daemon.plainSettings())
        #expect(daemon.says("ready:"), "\(daemon.log)")
        try replace("supervisor", in: daemon.folder)
        #expect(daemon.says("(replaced: supervisor)"), "\(daemon.log)")
        #expect(try daemon.conditions().map(\.kind) == [.programs])
    }

    @Test("other rights and hard links make no other program; a removed or rewritten file does")
    func whatCounts() throws {
        let folder = "/tmp/rempart-test-\(String(Random.word, radix: 16))"
        #expect(unsafe mkdir(folder, 0o755) == 0)
        defer { _ = try? Daemon.run("/bin/rm", ["-rf", folder]) }
        for name in ["supervisor", "rempart", "banner"] {
            try Daemon.write("first", to: "\(folder)/\(name)")
        }
        var watch = ProgramWatch(folder, running: "\(folder)/supervisor", at: Milliseconds(0))
        #expect(unsafe chmod("\(folder)/banner", 0o700) == 0)
        #expect(unsafe link("\(folder)/banner", "\(folder)/backup") == 0)
        let afterRights = watch.look(at: Milliseconds(0))
        #expect(!afterRights && watch.condition == nil)
        try Daemon.write("another", to: "\(folder)/banner")
        let afterWriting = watch.look(at: Milliseconds(0))
        let afterAWhile = watch.look(at: Milliseconds(0))
        #expect(afterWriting && !afterAWhile && watch.replaced == ["banner"])
        #expect(unsafe unlink("\(folder)/rempart") == 0)
        _ = watch.look(at: Milliseconds(0))
        #expect(watch.replaced == ["rempart", "banner"])
    }
}
