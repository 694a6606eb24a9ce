import AsteriskFiles
import Glibc
import TemporaryFolder
import Testing

@Suite("a folder on the disk")
struct FolderTests {
    private let disk: TemporaryFolder

    init() throws { disk = try TemporaryFolder() }

    private func write(_ name: String, _ text: String) throws { try disk.write(name, bytes(text)) }

    private func make(folder name: String) {
        // The path is a string of ours, which lives through the call.
        #expect(unsafe mkdir("\(disk.path)/\(name)", 0o755) == 0)
    }

    @Test("patterns, braces and folders are those of glob(3)")
    func patterns() throws {
        make(folder: "d")
        try write("d/b.conf", "y=1\n")
        try write("d/a.conf", "x=1\n")
        try write("d/c.txt", "z=1\n")
        try write(
            "m.conf", "[a]\n#include d/*.conf\n#include d/{c,a}.*\n#tryinclude d\n#tryinclude d/[\n"
        )
        var folder = AsteriskFolder(disk.path + "/")
        #expect(written(try folder.configuration("m.conf")) == ["[a] x=1 | y=1 | z=1 | x=1"])
        #expect(folder.findings.map(\.kind) == [.ignored])
    }

    @Test(
        "a pattern that could name every file of the machine is refused",
        arguments: ["*/*/*", "{a,b}{a,b}{a,b}"])
    func wide(pattern: String) throws {
        try write("m.conf", "[a]\n#tryinclude \(pattern)\n")
        var folder = AsteriskFolder(disk.path)
        let error = #expect(throws: ConfigurationFault.self) {
            try folder.configuration("m.conf")
        }
        #expect(error?.place.line == 2)
        #expect(error?.sentence.contains("names too much") == true)
    }

    @Test("a pipe, which would never end, is passed over")
    func pipe() throws {
        // The path is a string of ours, which lives through the call.
        #expect(unsafe mkfifo("\(disk.path)/p", 0o600) == 0)
        try write("m.conf", "[a]\n#tryinclude p\nx=1\n")
        var folder = AsteriskFolder(disk.path)
        #expect(written(try folder.configuration("m.conf")) == ["[a] x=1"])
    }

    @Test("what leads out of the folder is not read, and is a finding")
    func outside() throws {
        let other = try TemporaryFolder()
        try other.write("o.conf", bytes("z=1\n"))
        // The paths are strings of ours, which live through the call.
        #expect(unsafe symlink("\(other.path)/o.conf", "\(disk.path)/link.conf") == 0)
        #expect(unsafe symlink("m.conf", "\(disk.path)/inside.conf") == 0)
        try write(
            "m.conf",
            "[a]\n#include \(other.path)/o.conf\n#include ../*.conf\n#include link.conf\nx=1\n")
        var folder = AsteriskFolder(disk.path)
        #expect(written(try folder.configuration("inside.conf")) == ["[a] x=1"])
        #expect(folder.findings.map(\.place.line) == [2, 3, 4])
        #expect(folder.findings.allSatisfy { $0.kind == .missing })
        #expect(written(try folder.configuration("link.conf")) == [])
        #expect(folder.stamp.isCurrent)
        #expect(unsafe unlink("\(disk.path)/link.conf") == 0)
        try write("link.conf", "y=1\n")
        #expect(!folder.stamp.isCurrent)
    }

    @Test("the stamp is current until a file changes, comes or goes")
    func stamp() throws {
        make(folder: "d")
        try write("pjsip.conf", "[a]\ntype=endpoint\n#include d/*.conf\n#tryinclude later.conf\n")
        try write("d/1.conf", "x=1\n")
        func read() throws -> AsteriskConfiguration { try AsteriskConfiguration(folder: disk.path) }

        var good = try read()
        #expect(good.stamp.isCurrent)
        #expect(good.pjsip.endpoints.count == 1)
        try write("d/1.conf", "x=22\n")
        #expect(!good.stamp.isCurrent)
        good = try read()
        try write("d/2.conf", "y=1\n")
        #expect(!good.stamp.isCurrent)
        good = try read()
        // A file that is not read does not count.
        try write("d/other.txt", "y=1\n")
        #expect(good.stamp.isCurrent)
        try write("later.conf", "z=1\n")
        #expect(!good.stamp.isCurrent)
        good = try read()
        try write("sip.conf", "[general]\n")
        #expect(!good.stamp.isCurrent)
        good = try read()
        // The path is a string of ours, which lives through the call.
        #expect(unsafe unlink("\(disk.path)/d/2.conf") == 0)
        #expect(!good.stamp.isCurrent)
    }

    @Test("a broken file is a fault, and the reading before stays what it was")
    func lastGood() throws {
        try write("pjsip.conf", "[a]\ntype=endpoint\n")
        let good = try AsteriskConfiguration(folder: disk.path)
        try write("pjsip.conf", "[b]\ntype=endpoint\n[c\n")
        let error = #expect(throws: ConfigurationFault.self) {
            try AsteriskConfiguration(folder: disk.path)
        }
        #expect(
            error?.description
                == "\(disk.path)/pjsip.conf:3: the section's name does not end with ]")
        #expect(good.pjsip.endpoint(bytes("a")) != nil)
        #expect(!good.stamp.isCurrent)
    }

    @Test("thousands of accounts are read")
    func many() throws {
        let accounts = (0..<3_000).map {
            "[\($0)](phone)\nauth=\($0)\naors=\($0)\n[\($0)]\ntype=auth\nusername=\($0)\npassword=p\($0)\n"
                + "[\($0)]\ntype=aor\nmax_contacts=1\n"
        }
        let text = "[phone](!)\ntype=endpoint\ncontext=phones\n" + accounts.joined()
        try write("pjsip.conf", text)
        let read = try AsteriskConfiguration(folder: disk.path)
        #expect(read.pjsip.endpoints.count == 3_000)
        #expect(read.pjsip.auth(bytes("2999"))?.password == bytes("p2999"))
        #expect(read.findings.isEmpty)
    }
}
