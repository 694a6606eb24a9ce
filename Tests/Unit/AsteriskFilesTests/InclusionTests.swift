import AsteriskFiles
import Testing

@Suite("a file includes others as in Asterisk")
struct InclusionTests {
    @Test("with quotes, angle brackets or without, from Asterisk's folder")
    func names() throws {
        let text = """
            [a]
            #include i.conf
            #Include "i.conf" ; c
            #tryinclude <i.conf>
            #include\t/ast/i.conf
            z=1
            """
        #expect(try sections(text, ["i.conf": "y=1"]) == ["[a] y=1 | y=1 | y=1 | y=1 | z=1"])
    }

    @Test("the lines after an inclusion go on in the section before it")
    func sectionGoesOn() throws {
        let text = "[a]\n[b]\n#include i\n#include j\nz=1\n"
        let read = try sections(text, ["i": "y=1\n[a](+)\nq=1\n", "j": "w=1\n"])
        #expect(read == ["[a] q=1 | w=1", "[b] y=1 | z=1"])
    }

    @Test("the files of a pattern are read as one, comments and section going on")
    func patterns() throws {
        let files = [
            "d/1.conf": "[b]\nw=1\n;--\n", "d/2.conf": "z=1\n--;\nq=1\n", "d/3.txt": "x=1",
        ]
        #expect(
            try sections("[a]\n#include d/*.conf\ny=2\n", files) == ["[a] y=2", "[b] w=1 | q=1"])
    }

    @Test("a byte order mark counts in the first file of a pattern alone")
    func byteOrderMarks() throws {
        let files = ["d/1": "\u{FEFF}x=1\n", "d/2": "\u{FEFF}y=1\n"]
        #expect(try sections("[a]\n#include d/*\n", files) == ["[a] x=1 | \u{FEFF}y=1"])
    }

    @Test("a missing file is a fault, with #tryinclude none")
    func missing() throws {
        #expect(
            fault("[a]\n\n#include nowhere\n")
                == "/ast/m.conf:3: there is no file nowhere to include: write #tryinclude where it may be missing"
        )
        #expect(
            fault("[a]\n#include none/*\n")?.hasPrefix("/ast/m.conf:2: there is no file") == true)
        #expect(try sections("[a]\n#tryinclude nowhere\n#tryinclude none/*\nx=1\n") == ["[a] x=1"])
    }

    @Test("of a broken included file counts what stands above the fault, and a finding says so")
    func brokenInclusion() throws {
        var folder = folder([
            "m.conf": "[a]\n#include i\ny=2\n", "i": "[b]\nq=1\n[bad\nr=2\n",
        ])
        #expect(written(try folder.configuration("m.conf")) == ["[a] y=2", "[b] q=1"])
        #expect(folder.findings.map(\.kind) == [.missing])
        #expect(folder.findings.first?.description.hasPrefix("/ast/i:3: ") == true)
    }

    @Test("ten files deep, and no deeper")
    func depth() throws {
        func chain(_ count: Int) -> [String: String] {
            let links = (1...count).map {
                ("i\($0)", $0 == count ? "[deep]\n" : "#include i\($0 + 1)\n")
            }
            return Dictionary(uniqueKeysWithValues: links)
        }
        #expect(try sections("[a]\n#include i1\n", chain(10)) == ["[a] ", "[deep] "])
        #expect(try sections("[a]\n#include i1\n", chain(11)) == ["[a] "])
    }

    @Test("a file that includes itself ends")
    func itself() throws {
        let read = try sections("[a]\nx=1\n#include m.conf\ny=2\n")
        #expect(read == Array(repeating: "[a] x=1 | y=2", count: 10) + ["[a] x=1"])
    }

    @Test("a file of which nothing is left says that it is too deep")
    func tooDeep() {
        let found = fault("#include m.conf\n#include m.conf\n")
        #expect(
            found == "/ast/m.conf:2: files include each other too deep: let none include itself")
    }

    @Test("one that includes itself twice runs into the limits")
    func explosion() {
        var limits = ConfigurationLimits()
        limits.files = 500
        let twice = "[a]\n#tryinclude m.conf\n#tryinclude m.conf\n"
        var folder = folder(["m.conf": twice], limits: limits)
        let error = #expect(throws: ConfigurationFault.self) {
            try folder.configuration("m.conf")
        }
        #expect(error?.sentence.contains("more inclusions") == true)
    }

    @Test("a program is never run: a finding names file, line and remedy")
    func programs() throws {
        var own = folder(["m.conf": "[a]\n#exec /usr/bin/confgen\nx=1\n"])
        #expect(written(try own.configuration("m.conf")) == ["[a] x=1"])
        let finding = try #require(own.findings.first)
        #expect(finding.kind == .missing)
        #expect(finding.place.description == "/ast/m.conf:2")
        #expect(finding.sentence.contains("save the program"))

        let without = try configuration([
            "asterisk.conf": "[options]\nexecincludes=no\n", "sip.conf": "[a]\n#exec x\n",
        ])
        #expect(without.findings.first?.kind == .ignored)
    }

    @Test("what Asterisk passes over is a finding, without any value")
    func passedOver() throws {
        var folder = folder(["m.conf": "[a]\n#other x\n#include\nsecret word\n=secret\n"])
        _ = try folder.configuration("m.conf")
        #expect(folder.findings.map(\.place.line) == [2, 3, 4, 5])
        #expect(
            folder.findings.allSatisfy { $0.kind == .ignored && !$0.sentence.contains("secret") })
    }
}
