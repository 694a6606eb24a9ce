import Checkout
import Glibc
import Journal
import Messages
import Spawning
import Sys
import Testing

@testable import supervisor

private func read(_ name: String) throws -> String { try Checkout.text(of: "systemd/\(name)") }

@Suite struct SystemdTests {
    @Test("the journal catalogue explains every record, and no other")
    func catalogue() throws {
        let lines = try read("rempart.catalog").split(
            separator: "\n", omittingEmptySubsequences: false)
        let heads = lines.indices.filter { lines[$0].hasPrefix("-- ") }
        #expect(
            Set(heads.map { String(lines[$0].dropFirst(3)) })
                == Set(Record.allCases.map(\.rawValue)))
        #expect(heads.count == Record.allCases.count)
        for head in heads {
            #expect(lines[head + 1].hasPrefix("Subject: "))
            #expect(lines[head + 2] == "Defined-By: Rempart")
            #expect(lines[head + 3].isEmpty && !lines[head + 4].isEmpty)
        }
    }

    @Test("the catalogue prints of each record only fields that every record of the kind has")
    func fields() throws {
        var count = 0
        for entry in try read("rempart.catalog").split(separator: "-- ").dropFirst() {
            let record = try #require(Record(rawValue: String(entry.prefix(32))))
            let required = record.required.map(\.rawValue)
            for (place, part) in entry.split(separator: "@").enumerated()
            where place % 2 == 1 {
                #expect(required.contains(String(part)), "\(record): \(part)")
                count += 1
            }
        }
        #expect(count > 20)
    }

    @Test("the catalogue speaks of fields and commands that there are")
    func words() throws {
        let text = try read("rempart.catalog")
        let commands = [
            "status", "accounts", "calls", "release", "bans", "ban", "unban", "why", "explain",
            "allow", "phones", "restart", "reload", "check", "settings",
        ]
        for word in text.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" })
        where word.hasPrefix("REMPART_") {
            #expect(Field(rawValue: String(word)) != nil, "\(word)")
        }
        let lines = text.split(separator: "\n").joined(separator: " ")
        for part in lines.split(separator: "`") where part.hasPrefix("rempart ") {
            let command = String(part.split(separator: " ")[1])
            #expect(commands.contains(command), "\(part)")
        }
    }

    @Test("every component's user is made by systemd-sysusers", arguments: Role.children)
    func users(_ role: Role) throws {
        let lines = try read("sysusers.d/rempart.conf").split(separator: "\n")
        #expect(
            lines.contains {
                $0.split(separator: " ").prefix(2).map(String.init) == ["u", role.user]
            })
    }

    @Test("systemd accepts the units")
    func verified() throws {
        guard unsafe access("/usr/bin/systemd-analyze", X_OK) == 0 else { return }
        let copies = "/tmp/rempart-units-\(String(Random.word, radix: 16))"
        #expect(unsafe mkdir(copies, 0o755) == 0)
        defer { _ = try? Daemon.run("/bin/rm", ["-rf", copies]) }
        let names = [
            ("rempart.service", "rempart.service"), ("rempart.socket", "rempart.socket"),
            ("rempart@.service", "rempart@sip-router.service"),
        ]
        for (name, copy) in names {
            // The programs need not be installed where the test runs.
            let lines = try read(name).split(separator: "\n", omittingEmptySubsequences: false)
            let text = lines.map { line in
                line.hasPrefix("Exec") ? "\(line.split(separator: "=")[0])=/bin/true" : String(line)
            }
            try Daemon.write(text.joined(separator: "\n"), to: "\(copies)/\(copy)")
        }
        // Nor need the man pages.
        let arguments = ["verify", "--man=no"] + names.map { "\(copies)/\($0.1)" }
        #expect(try Daemon.run("/usr/bin/systemd-analyze", arguments) == 0)
    }

    @Test("an exit that another try does not mend is one that systemd does not try again")
    func exits() throws {
        let lines = try read("rempart.service").split(separator: "\n")
        let prevented = lines.first { $0.hasPrefix("RestartPreventExitStatus=") } ?? ""
        #expect(prevented.split(separator: "=")[1].split(separator: " ") == ["2", "78"])
        // Or systemctl start would fail after some tries, whatever was corrected.
        #expect(lines.contains("StartLimitIntervalSec=0"))
        #expect(StartFailure("a port is taken").exitCode == 1)
        do {
            _ = try Spawner(folder: "/usr/bin", isRoot: true).user("rempart-no-such-user")
            Issue.record("a user that is missing was found")
        } catch {
            #expect(error.exitCode == 78)
        }
    }
}
