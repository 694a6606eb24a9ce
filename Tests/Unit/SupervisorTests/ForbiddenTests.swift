import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

@Suite(.serialized) struct ForbiddenTests {
    @Test(
        "what is forbidden here is told from what this kernel lacks, and only seccomp is indispensable",
        arguments: [
            ("no-landlock", "this kernel has no Landlock"),
            ("landlock-forbidden", "system-call filter forbids landlock_restrict_self"),
        ])
    func landlock(_ word: String, _ record: String) throws {
        let daemon = try Daemon(Daemon.plainSettings(), misbehaviours: [.router: word])
        #expect(daemon.says("ready: Serving"), "\(daemon.log)")
        #expect(daemon.says("sip-router is not confined to its files: "), "\(daemon.log)")
        #expect(daemon.log.contains(record), "\(daemon.log)")
    }

    @Test("a component that may not confine itself waits, and the others serve")
    func seccomp() throws {
        let daemon = try Daemon(
            Daemon.plainSettings(), misbehaviours: [.banner: "seccomp-forbidden"])
        #expect(daemon.says("ready: Serving"), "\(daemon.log)")
        #expect(try daemon.conditions().map(\.kind) == [.component])
    }
}
