import Checkout
import Testing

/// What documents and comments name is there: files, and what the sources declare.
@Suite struct NameTests {
    /// Every document but the one that tells what has been.
    private static let named = Known.checkout.files.filter {
        $0.hasSuffix(".md") && $0 != "CHANGELOG.md"
    }

    private static let scripts = Known.checkout.files.filter { file in
        [".sh", ".py", "Makefile", ".ci/run"].contains(where: file.hasSuffix)
    }

    @Test("every file and declaration that a document names exists", arguments: named)
    func documents(_ document: String) throws {
        var check = NameCheck(document)
        check.read(document: try Checkout.text(of: document))
        for fault in check.faults { Issue.record("\(fault)") }
    }

    @Test("every file and declaration that a comment names exists")
    func comments() {
        for (file, names) in Known.checkout.sources.sorted(by: { $0.key < $1.key }) {
            var check = NameCheck(file, own: names)
            check.readComments()
            for fault in check.faults { Issue.record("\(fault)") }
        }
    }

    @Test("every path of the checkout that a script names exists")
    func paths() throws {
        for script in Self.scripts {
            var check = NameCheck(script)
            check.read(script: try Checkout.text(of: script))
            for fault in check.faults { Issue.record("\(fault)") }
        }
    }

    @Test("a word that is known to be another's is named somewhere")
    func foreign() throws {
        let documents = try Self.named.map { try Checkout.text(of: $0) }
        let comments = Known.checkout.sources.values.flatMap { $0.comments.map(\.text) }
        for word in NameCheck.foreign {
            #expect(
                (documents + comments).contains { $0.contains("`\(word)") }, "nothing names \(word)"
            )
        }
    }

    @Test(
        "what is not there is told with its document, line and name",
        arguments: [
            ("see `Sources/Sys/Fraem.swift`", "file", "Sources/Sys/Fraem.swift"),
            ("see Fraem.swift.", "file", "Fraem.swift"),
            ("run `scripts/tset.sh`", "file", "scripts/tset.sh"),
            ("all of Tests/Scenarios/lab", "file or folder", "Tests/Scenarios/lab"),
            ("[it](Tests/RAEDME.md#rows)", "file", "Tests/RAEDME.md"),
            ("by `Frame.sendAll`", "declaration", "Frame.sendAll"),
            ("by `Fraem.send(_:)`", "declaration", "Fraem.send"),
            ("a `StreamFraemr` of bytes", "declaration", "StreamFraemr"),
            ("then `seqpacketPiar()` makes it", "declaration", "seqpacketPiar"),
            ("`send` in `Sys/Socket.swift`", "declaration in Sys/Socket.swift", "send"),
            ("`clinux_send_fraem`", "declaration", "clinux_send_fraem"),
            ("`test_clals.py` and `make tset`", "file", "test_clals.py"),
            ("`make tset`", "recipe", "make tset"),
        ])
    func absent(_ line: String, _ kind: String, _ name: String) {
        var check = NameCheck("it.md")
        check.read(document: "# It\n\n\(line)\n")
        #expect(
            check.faults.contains(Fault(document: "it.md", line: 3, name: name, kind: kind)),
            "\(check.faults)")
    }

    @Test(
        "what is there is found",
        arguments: [
            "`Sources/Sys/Frame.swift`, `Sys/Frame.swift`, Frame.swift, `Sources/Messages/Reason*.swift`",
            "`Frame.send(_:passing:on:)`, `send` in `Sys/Frame.swift`, `seqpacketPair()`",
            "`SysTests`, `Fuzz/corpus/NAME`, [lint](scripts/lint.sh), `make test`",
            "/usr/include/x.h, <linux/filter.h>, `$folder/it.sh`, `calls.outside-line`, `N passed`",
        ])
    func present(_ line: String) {
        var check = NameCheck("it.md")
        check.read(document: line)
        #expect(check.faults.isEmpty, "\(check.faults)")
    }

    @Test("types, members and cases are declared, what is local to a function is not")
    func scopes() {
        let names = SwiftSource.names(
            Array(
                #"""
                /* `A.gone` */ let top = "\(inner({ "}" })) {" // a brace: {
                extension A.B where C: D {
                    static func f(_ x: Int) { let local = 1; func g() {} }
                    enum E { case one, two(Int, [F: G]), three; var h: Int { switch self { case .one: 1 } } }
                    let (p, q) = (1, 2)
                }
                """#.utf8))
        #expect(
            names.declared == ["top", "f", "E", "one", "two", "three", "h", "p", "q"])
        #expect(names.members.isSuperset(of: ["B.f", "B.E", "E.two", "E.h", "B.q"]))
        #expect(names.comments.map(\.line) == [1, 1] && !names.words.contains("gone"))
    }
}
