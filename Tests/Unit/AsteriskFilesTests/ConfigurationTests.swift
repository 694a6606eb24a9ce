import AsteriskFiles
import Testing

/// What Asterisk 16 and 22 say of the same files by AMI's GetConfig; `Tests/Lab/test_asterisk_files.py` asks them.
@Suite("a file of Asterisk's is read as Asterisk reads it")
struct ConfigurationTests {
    private typealias Case = (text: String, sections: [String])

    private static let sectionCases: [Case] = [
        ("[a]\nb=c\n[t](!)\nx=1\n[u](t)\ny=2\n", ["[a] b=c", "[t]! x=1", "[u] x=1 | y=2"]),
        // Names of sections are compared without regard to capitals.
        ("[A]\nx=1\n[a](+)\ny=2\n[b](a)\n", ["[A] x=1 | y=2", "[b] x=1 | y=2"]),
        ("[a]\nx=1\n[a]\nx=2\n", ["[a] x=1", "[a] x=2"]),
        ("[a]\nx=1\n[b](a,a)\nx+=2\n", ["[a] x=1", "[b] x=12 | x=1"]),
        ("[a]\nx=1\n[b](a)\n[a](+)\ny=1\n", ["[a] x=1 | y=1", "[b] x=1"]),
        // An empty name means the first section there is.
        ("[a]\nx=1\n[b]()\ny=2\n", ["[a] x=1", "[b] x=1 | y=2"]),
        ("[a]\nx=1\n[b](a,)\ny=2\n", ["[a] x=1", "[b] x=1 | x=1 | y=2"]),
        ("[]\nx=1\n[a]\ny=1\n[](+)\nz=1\n", ["[] x=1 | z=1", "[a] y=1"]),
        // Options apply from the left, and what was inherited before (+) goes with it.
        ("[a]\nx=1\n[c]\nq=1\n[c](a,+)\nz=1\n", ["[a] x=1", "[c] q=1 | x=1 | z=1"]),
        ("[c]\nq=1\n[c](!,+)\nz=1\n", ["[c]! q=1 | z=1"]),
        ("[c]\nq=1\n[c](+,!)\nz=1\n", ["[c]! q=1 | z=1"]),
        // A blank before the bracket makes no options.
        ("[a] (!)\nx=1\n[b](!)junk\n[c]junk\nz=1\n", ["[a] x=1", "[b]! ", "[c] z=1"]),
        ("[a]x=5\ny=1\n", ["[a] y=1"]),
    ]

    @Test("sections, templates and inheritance", arguments: sectionCases.indices)
    func sectionsAndTemplates(index: Int) throws {
        let (text, expected) = Self.sectionCases[index]
        #expect(try sections(text) == expected)
    }

    private static let filterCases: [Case] = [
        ("[a]\nt=e\n[a]\nt=f\n[a](+t=f)\ny=2\n", ["[a] t=e", "[a] t=f | y=2"]),
        ("[a]\nt=f\n[a]\nt=f\nx=1\n[a](+t=f&x=1)\ny=2\n", ["[a] t=f", "[a] t=f | x=1 | y=2"]),
        ("[a]\ntype=e\n[a](+ t.p = ^e$ )\nz=1\n", ["[a] type=e | z=1"]),
        (
            "[t](!)\nt=e\n[t]\nt=f\n[t](+TEMPLATES=include&t=e)\nz=1\n[t](+TEMPLATES=restrict)\nw=1\n",
            ["[t]! t=e | z=1 | w=1", "[t] t=f"]
        ),
    ]

    @Test("filters of (+)", arguments: filterCases.indices)
    func filters(index: Int) throws {
        let (text, expected) = Self.filterCases[index]
        #expect(try sections(text) == expected)
    }

    private static let variableCases: [Case] = [
        ("[a]\nz=\nq=>3\nr=>\ns = > 4\nx\n=y\n", ["[a] z= | q=3 | r= | s=> 4"]),
        ("[a]\nx= a b \t\ny\t=\"q\" \nz=a#b\n", ["[a] x=a b | y=\"q\" | z=a#b"]),
        ("[a]\nx=1\nx+=2\ny+= 3 \ny += 4\n", ["[a] x=12 | y=3 4"]),
        ("[a]\nx=1\nX=\nx=1\nx+=5\nX+=7\n", ["[a] X=7 | X= | x=1"]),
        (
            "[a]\n\\x=2\n\\#y=3\n\\[z]=4\n\\=w=5\n\\\\v=6\n",
            ["[a] x=2 | #y=3 | [z]=4 | =w=5 | \\v=6"]
        ),
        ("[a]\nx=\\n\\t\\\\\n", ["[a] x=\\n\\t\\\\"]),
        // No line goes on in the next one.
        ("[a]\nx=1\\\ny=2\n", ["[a] x=1\\ | y=2"]),
        ("[a]\npass=p:a=s,s\"'%41^3B\n", ["[a] pass=p:a=s,s\"'%41^3B"]),
        ("[a]\nname=grüße\nü=1\n", ["[a] name=grüße | ü=1"]),
    ]

    @Test("names and values", arguments: variableCases.indices)
    func variables(index: Int) throws {
        let (text, expected) = Self.variableCases[index]
        #expect(try sections(text) == expected)
    }

    private static let commentCases: [Case] = [
        ("[a]\nx=a\\;b;c\ny=\\\\;z\n; all\nw=1;\n", ["[a] x=a;b | y=\\;z | w=1"]),
        ("[a]\n;-- x\ny=1\n--;\nz=1 ;-- c --; w\n", ["[a] z=1  w"]),
        ("[a]\nz=1 ;-- c\nq=1\n--; w=2\ne=3;---\nr=4\n", ["[a] z=1 | w=2 | e=3 | r=4"]),
        ("[a]\nx=;--\n --; 5\n;-- ;-- --; --; y=2\n", ["[a] x= | y=2"]),
        ("[a]\nx=a;--b;--c--;d--;e\n", ["[a] x=ae"]),
        ("[a]\nx=a;--b\\;--;c\n", ["[a] x=ac"]),
        // An end without a beginning swallows the next beginning.
        ("[a]\nx=1 --; y\n;-- unended\ny=2\n", ["[a] x=1 --; y | y=2"]),
        ("[a]\nx=a--;b;--c--;d\ny=1\n", ["[a] x=a--;b"]),
        ("[a]\nx=1\n;--\ny=1\n", ["[a] x=1"]),
        (
            "[a]\n" + String(repeating: ";--\n", count: 128) + "x=1\n"
                + String(repeating: "--;\n", count: 128) + "y=1\n", ["[a] y=1"]
        ),
    ]

    @Test("comments and escaped semicolons", arguments: commentCases.indices)
    func comments(index: Int) throws {
        let (text, expected) = Self.commentCases[index]
        #expect(try sections(text) == expected)
    }

    private static let byteCases: [Case] = [
        ("", []), ("; nothing\n", []), ("[a]\nx=1", ["[a] x=1"]),
        ("\u{FEFF}[a]\nx=1\n", ["[a] x=1"]), ("\u{FEFF}\n[a]\n", ["[a] "]),
        ("[a]\r\nx=1\r\n[b]\r\nz=3\r", ["[a] x=1", "[b] z=3"]),
        // A carriage return alone ends no line.
        ("[a]\rx=1\ry=2", ["[a] "]), ("[a]\nx=1\ry=2\n", ["[a] x=1\ry=2"]),
        ("[a]\nx= \u{1}\u{2} a\u{1F} \n", ["[a] x=a"]),
        // A NUL ends the text of a line.
        ("[a]\nx=1\0yy\ny=2\n", ["[a] x=1 | y=2"]),
    ]

    @Test("ends of lines, control characters, a byte order mark", arguments: byteCases.indices)
    func lineEnds(index: Int) throws {
        let (text, expected) = Self.byteCases[index]
        #expect(try sections(text) == expected)
    }

    @Test("bytes that are no UTF-8 stay as they are")
    func invalidUTF8() throws {
        let secret: [UInt8] = [0xFE, 0xFF, 0xC3, 0x28]
        var folder = folder(bytes: ["m.conf": bytes("[a]\nsecret=") + secret + bytes(" \n")])
        let read = try folder.configuration("m.conf")
        #expect(read?.section("a")?.value("secret") == secret)
    }

    @Test("a line of up to 8,191 bytes with its end is read, a longer one is skipped")
    func longLines() throws {
        func valueLengths(_ count: Int, end: String = "\ny=2\n") throws -> [Int] {
            var folder = folder(["m.conf": "[a]\nx=" + String(repeating: "1", count: count) + end])
            let read = try folder.configuration("m.conf")
            return try #require(read).sections[0].variables.map(\.value.count)
        }
        #expect(try valueLengths(4_000) == [4_000, 1])
        #expect(try valueLengths(8_188) == [8_188, 1])
        #expect(try valueLengths(8_189) == [1])
        #expect(try valueLengths(20_000) == [1])
        #expect(try valueLengths(8_189, end: "") == [])
    }

    @Test("a section's name is cut after 79 bytes")
    func longName() throws {
        let long = String(repeating: "n", count: 100)
        let cut = String(long.prefix(79))
        #expect(try sections("[\(long)]\nx=1\n[\(cut)](+)\ny=2\n") == ["[\(cut)] x=1 | y=2"])
        #expect(fault("[\(long)]\n[\(long)](+)\n") != nil)
    }

    @Test("every variable knows its line, an inherited one that of its template")
    func places() throws {
        var folder = folder(["m.conf": "; c\n[t](!)\nx=1\n[a](t)\n\ny=2\n"])
        let read = try folder.configuration("m.conf")
        let section = try #require(read?.section("A"))
        #expect(section.place.description == "/ast/m.conf:4")
        #expect(section.variables.map(\.place.line) == [3, 6])
    }
}
