import Journal
import Testing

@Suite struct JournalTests {
    let journal = Journal(process: "sip-router", socket: nil)

    private func text(_ message: String, _ fields: [(Field, String)] = []) -> String {
        String(decoding: journal.nativeRecord(.banned, .notice, message, fields), as: UTF8.self)
    }

    @Test("a record carries its message, id, priority, process and fields")
    func native() {
        #expect(
            text("banned", [(.address, "192.0.2.1")]) == """
                MESSAGE=banned
                MESSAGE_ID=\(Record.banned.rawValue)
                PRIORITY=5
                SYSLOG_IDENTIFIER=rempart
                REMPART_PROCESS=sip-router
                REMPART_ADDRESS=192.0.2.1

                """)
    }

    @Test("text from the network adds no field and no line")
    func injection() {
        let hostile = "x\nPRIORITY=0\r\n\u{1B}[2J\u{7F}\u{85}\0"
        let lines = text(hostile, [(.userAgent, hostile)]).split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines.filter { $0.hasPrefix("PRIORITY=") } == ["PRIORITY=5"])
        let readable = journal.readable(.notice, hostile, [(.userAgent, hostile)])
        #expect(readable.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
    }

    @Test(
        "control characters are made visible, everything else is kept",
        arguments: [
            ("plain", "plain"), ("é…😀", "é…😀"), ("a\tb", "a\\x09b"), ("\u{1B}", "\\x1b"),
            ("\u{9B}", "\\x9b"), ("", ""),
        ])
    func clean(_ text: String, _ expected: String) {
        #expect(Journal.clean(text) == expected)
    }

    @Test("a long text is cut")
    func long() {
        let cut = Journal.clean(String(repeating: "a", count: 100_000))
        #expect(cut.hasSuffix("…") && cut.utf8.count <= 1030)
    }

    @Test("the readable line names an error, and only the fields that the message leaves out")
    func readable() {
        let line = journal.readable(
            .error, "192.0.2.1 banned", [(.address, "192.0.2.1"), (.reason, "scanner")])
        #expect(line == "rempart[sip-router]: error: 192.0.2.1 banned reason=scanner")
    }

    @Test("every record's id is 32 hexadecimal digits, and no two are alike")
    func identifiers() {
        #expect(Set(Record.allCases.map(\.rawValue)).count == Record.allCases.count)
        for record in Record.allCases {
            #expect(record.rawValue.count == 32 && record.rawValue.allSatisfy(\.isHexDigit))
        }
    }
}
