import Journal
import Sys
import Testing

@Suite struct JournalTests {
    private func batch(
        _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) -> RecordBatch {
        var batch = RecordBatch(capacity: 16_384, records: 4)
        batch.add(.degraded, priority, message, fields)
        return batch
    }

    private func text(_ buffer: borrowing ByteBuffer) -> String {
        var bytes: [UInt8] = []
        for index in buffer.span.indices { bytes.append(buffer.span[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func native(_ message: String, _ fields: [(Field, String)] = []) -> String {
        var buffer = ByteBuffer(capacity: 16_384)
        batch(.notice, message, fields).writeNative(0, process: "sip-router", into: &buffer)
        return text(buffer)
    }

    private func readable(
        _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) -> String {
        var buffer = ByteBuffer(capacity: 16_384)
        batch(priority, message, fields).writeReadable(0, process: "sip-router", into: &buffer)
        return text(buffer)
    }

    @Test("a record carries its message, id, priority, process and fields")
    func fields() {
        #expect(
            native("banned", [(.address, "192.0.2.1")]) == """
                MESSAGE=banned
                MESSAGE_ID=\(Record.degraded.rawValue)
                PRIORITY=5
                SYSLOG_IDENTIFIER=rempart
                REMPART_PROCESS=sip-router
                REMPART_ADDRESS=192.0.2.1

                """)
    }

    @Test("text from the network adds no field and no line")
    func injection() {
        let hostile = "x\nPRIORITY=0\r\n\u{1B}[2J\u{7F}\u{85}\0"
        let lines = native(hostile, [(.userAgent, hostile)]).split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines.filter { $0.hasPrefix("PRIORITY=") } == ["PRIORITY=5"])
        let line = readable(.notice, hostile, [(.userAgent, hostile)]).dropLast()
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
    }

    @Test(
        "control characters are made visible, everything else is kept",
        arguments: [
            ("plain", "plain"), ("é…😀", "é…😀"), ("a\tb", "a\\x09b"), ("\u{1B}", "\\x1b"),
            ("\u{9B}", "\\x9b"), ("", ""), ("a\u{202E}b", "a\\u{202E}b"),
            ("\u{2028}\u{2067}\u{200F}", "\\u{2028}\\u{2067}\\u{200F}"),
            ("\u{2027}\u{FEFF}", "\u{2027}\u{FEFF}"),
        ])
    func clean(_ text: String, _ expected: String) {
        #expect(Journal.clean(text) == expected)
    }

    @Test(
        "bytes that are no UTF-8 are made visible one by one",
        arguments: [
            ([0x61, 0xFF, 0x62], "a\\xffb"), ([0xC2], "\\xc2"), ([0xE2, 0x82], "\\xe2\\x82"),
            ([0xC0, 0x80], "\\xc0\\x80"), ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"),
            ([0xF4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"), ([0xE2, 0x82, 0xAC], "€"),
        ] as [([UInt8], String)])
    func invalid(_ bytes: [UInt8], _ expected: String) {
        var buffer = ByteBuffer(capacity: 64)
        Journal.clean(bytes.span, into: &buffer)
        #expect(text(buffer) == expected)
    }

    @Test("what finds no room is left out and counted, and what follows is written again")
    func overflow() {
        var batch = RecordBatch(capacity: 100, records: 2)
        batch.add(.degraded, .notice, String(repeating: "a", count: 101), [])
        let whole = batch.count
        batch.add(.degraded, .notice, "one", [(.reason, "x")])
        batch.add(.degraded, .notice, "two", [])
        batch.add(.degraded, .notice, "three", [])
        let (count, lost) = (batch.count, batch.lost)
        #expect(whole == 0 && count == 2 && lost == 2)
        var buffer = ByteBuffer(capacity: 16_384)
        batch.writeReadable(0, process: "banner", into: &buffer)
        batch.writeReadable(1, process: "banner", into: &buffer)
        #expect(text(buffer) == "rempart[banner]: one reason=x\nrempart[banner]: two\n")
    }

    @Test("a long text is cut")
    func long() {
        let cut = Journal.clean(String(repeating: "a", count: 100_000))
        #expect(cut.hasSuffix("…") && cut.utf8.count <= 1030)
    }

    @Test("the readable line names an error, and only the fields that the message leaves out")
    func line() {
        let line = readable(
            .error, "192.0.2.1 banned", [(.address, "192.0.2.1"), (.reason, "scanner")])
        #expect(line == "rempart[sip-router]: error: 192.0.2.1 banned reason=scanner\n")
    }

    #if DEBUG
        @Test("a record that lacks a field which its kind requires stops a debug build")
        func lacking() async {
            await #expect(processExitsWith: .failure) {
                var batch = RecordBatch(capacity: 1024, records: 1)
                batch.add(.banned, .notice, "banned", [(.address, "192.0.2.1")])
            }
        }
    #endif

    @Test("every record's id is 32 hexadecimal digits, and no two are alike")
    func identifiers() {
        #expect(Set(Record.allCases.map(\.rawValue)).count == Record.allCases.count)
        for record in Record.allCases {
            #expect(record.rawValue.count == 32 && record.rawValue.allSatisfy(\.isHexDigit))
        }
    }
}
