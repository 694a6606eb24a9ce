import Settings
import Testing

@Suite struct DiagnosticTests {
    private func shown(_ text: String, _ line: Int, _ column: Int) -> String {
        let diagnostic = Diagnostic(.error, at: Position(line: line, column: column), "wrong")
        return SourceLines(text).rendered(diagnostic, file: "f.yaml")
    }

    @Test("a diagnostic shows file, line, column, the line, and a caret under the place")
    func caret() {
        #expect(
            shown("a: 1\nkey: value\n", 2, 6)
                == "f.yaml:2:6: error: wrong\n    key: value\n         ^")
    }

    @Test("a tab before the place takes one column, so that the caret is right")
    func tab() {
        #expect(shown("\tx", 1, 2) == "f.yaml:1:2: error: wrong\n     x\n     ^")
    }

    @Test("what a terminal would act on is spelt out, and the caret moves along")
    func control() {
        #expect(
            shown("\u{1B}[2Jx", 1, 5)
                == "f.yaml:1:5: error: wrong\n    \\u{1B}[2Jx\n             ^")
    }

    @Test("of a long line the part around the place is shown")
    func long() {
        let text = String(repeating: "a", count: 300) + "!" + String(repeating: "b", count: 300)
        let lines = shown(text, 1, 301).split(separator: "\n")
        #expect(lines[1].count == 104)
        #expect(lines[1].dropFirst(lines[2].count - 1).first == "!")
    }

    @Test("a place behind the text is shown at its end")
    func behind() {
        #expect(shown("", 9, 9) == "f.yaml:9:9: error: wrong\n    \n    ^")
    }

    @Test("lines are counted as YAML counts them")
    func lines() {
        #expect(shown("a\r\nb\rc\u{85}d", 4, 1).contains("\n    d\n"))
    }
}
