import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

private let own = Daemon.ownAddress()

/// Certificates whose files change while the daemon runs; the stand-in of tls-terminator takes any pair.
@Suite(.serialized) struct RenewalTests {
    /// A daemon of two pairs, `0.pem` and `0.key`, `1.pem` and `1.key` in its folder.
    private func daemon(_ misbehaviour: String = "") throws -> Daemon {
        let daemon = try Daemon(
            "domain example.com\n", misbehaviours: [.terminator: misbehaviour]
        ) { folder in
            var text = Daemon.plainSettings(at: own) + "\noutside tls://\(own):5061\n"
            for place in 0..<2 {
                text += "certificate \(folder)/\(place).pem\nkey \(folder)/\(place).key\n"
                try Daemon.write("chain", to: "\(folder)/\(place).pem")
                try Daemon.write("key", to: "\(folder)/\(place).key")
            }
            try Daemon.write(text, to: "\(folder)/settings")
        }
        #expect(daemon.says("ready:"), "\(daemon.log)")
        return daemon
    }

    private func renews(_ daemon: Daemon, _ count: Int) throws -> Bool {
        // Promised within 10 s.
        try daemon.comes(within: .seconds(40)) { rows in
            rows.contains { row in
                guard case .component(.terminator, _, _, _, let status) = row else { return false }
                return status.hasPrefix("renewals=\(count) ") && status.contains(" files=2 ")
            }
        }
    }

    @Test("a pair that was renewed is handed over by itself, once, and no other with it")
    func renewed() throws {
        let daemon = try daemon()
        #expect(try daemon.component(.terminator).status.contains(" files=4 "))
        try Daemon.write("another chain", to: "\(daemon.folder)/1.pem")
        try Daemon.write("another key", to: "\(daemon.folder)/1.key")
        #expect(try renews(daemon, 1), "\(daemon.log)")
        // By a new file in its place, as certbot and editors do it.
        try Daemon.write("a third chain", to: "\(daemon.folder)/new")
        #expect(unsafe rename("\(daemon.folder)/new", "\(daemon.folder)/0.pem") == 0)
        #expect(try renews(daemon, 2))
        #expect(try daemon.conditions().isEmpty)
        #expect(!daemon.log.contains("cannot be read"))
        // A process that is started later begins with both.
        #expect(try daemon.ask(.restart(.terminator)) == [.done])
        #expect(try daemon.component(.terminator).status.contains(" files=4 "))
    }

    @Test("what cannot be read is told once, holds nobody up, and comes good by itself")
    func unreadable() throws {
        let daemon = try daemon()
        let path = "\(daemon.folder)/0.key"
        #expect(unsafe unlink(path) == 0)
        func isTold(_ word: String) throws -> Bool {
            try daemon.comes(within: .seconds(40)) { rows in
                Daemon.conditions(rows).contains {
                    $0.kind == .certificate
                        && $0.text.contains(
                            "tls.certificates[1].key: \(path) cannot be read (\(word)")
                        && $0.text.contains("the pair of before stays in use")
                }
            }
        }
        #expect(try isTold("No such file"))
        // A pipe makes who opens it wait; it is no file.
        #expect(unsafe mkfifo(path, 0o644) == 0)
        #expect(try isTold("it is no regular file"))
        #expect(daemon.says("No such file or directory") && daemon.says("no regular file"))
        // The other one goes on being renewed.
        try Daemon.write("another chain", to: "\(daemon.folder)/1.pem")
        #expect(try renews(daemon, 1))
        #expect(unsafe unlink(path) == 0)
        try Daemon.write("key", to: path)
        #expect(try renews(daemon, 2))
        #expect(try daemon.conditions().isEmpty)
        let records = daemon.log.split(separator: "\n").filter { $0.contains("cannot be read") }
        #expect(records.count == 2, "\(records)")
    }

    @Test("a pair whose files were both lost on their way is handed over again")
    func lost() throws {
        let daemon = try daemon()
        let pid = try daemon.component(.terminator).pid
        try daemon.limitDescriptorsToThoseOpen(of: pid)
        try Daemon.write("another chain", to: "\(daemon.folder)/1.pem")
        #expect(daemon.says("the certificate is lost"))
        try daemon.limit(descriptors: 64, of: pid)
        // After 10 s.
        #expect(try renews(daemon, 2), "\(daemon.log)")
        #expect(try daemon.component(.terminator).pid == pid)
    }

    @Test("renewals go on after a reload that tls-terminator has refused")
    func refusedReload() throws {
        let daemon = try daemon("refuse-once")
        guard case .failed(let why) = try daemon.ask(.reload).last else {
            Issue.record("the reload is not refused")
            return
        }
        #expect(why.contains("tls-terminator: refused"), "\(why)")
        // Until then the row tells of the refusal.
        #expect(try daemon.ask(.reload) == [.done])
        try Daemon.write("another chain", to: "\(daemon.folder)/1.pem")
        #expect(try renews(daemon, 1), "\(daemon.log)")
    }

    @Test(
        "a pair at which tls-terminator ends is tried three times, told, and keeps no other one back"
    )
    func ending() throws {
        let daemon = try daemon("ends-at-pair")
        try Daemon.write("another chain", to: "\(daemon.folder)/0.pem")
        try Daemon.write("another chain", to: "\(daemon.folder)/1.pem")
        #expect(
            daemon.says(
                "tls.certificates[1].certificate: tls-terminator ended 3 times",
                within: .seconds(60)))
        #expect(try renews(daemon, 1), "\(daemon.log)")
        #expect(try daemon.component(.terminator).restarts == 3)
        let told = try daemon.conditions()
        #expect(
            told.count == 1 && told[0].text.contains("the pair of before stays in use"), "\(told)")
        // Only other files are tried.
        try Daemon.write("a third chain", to: "\(daemon.folder)/0.pem")
        #expect(try daemon.comes(within: .seconds(40)) { Daemon.conditions($0).isEmpty })
    }

    @Test("a pair that is not used is tried again though nothing has changed")
    func again() throws {
        let daemon = try daemon("refuses-pairs")
        // After 10 s the first time.
        #expect(try renews(daemon, 2), "\(daemon.log)")
        #expect(try daemon.component(.terminator).restarts == 0)
    }
}
