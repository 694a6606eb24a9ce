import Glibc
import Journal
import Messages
import Sys
import Testing

@testable import supervisor

/// The repository's folder systemd/.
private let folder: String = {
    let file = #filePath
    let end = file.range(of: "/Tests/")?.lowerBound ?? file.endIndex
    return file[..<end] + "/systemd"
}()

extension String {
    /// Where a text begins and ends; the first place.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

private func read(_ name: String) throws -> String {
    let raw = unsafe open("\(folder)/\(name)", O_RDONLY)
    let file = Descriptor(owning: try SystemError.check(raw, name))
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    guard case .moved(let count) = Stream.read(file.raw, into: &buffer, at: 0) else { return "" }
    return String(decoding: buffer[..<count], as: UTF8.self)
}

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

    @Test("the catalogue names only fields that records have")
    func fields() throws {
        let parts = try read("rempart.catalog").split(separator: "@").filter {
            $0.hasPrefix("REMPART_") && !$0.contains(" ")
        }
        #expect(!parts.isEmpty)
        for part in parts { #expect(Field(rawValue: String(part)) != nil, "\(part)") }
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
        let arguments = ["verify", "--man=no"] + names.map { "\(copies)/\($0.1)" }
        #expect(try Daemon.run("/usr/bin/systemd-analyze", arguments) == 0)
    }
}
