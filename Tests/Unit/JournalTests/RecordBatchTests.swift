import Foundation
import Journal
import Sys
import Testing

@Suite struct RecordBatchTests {
    // 2026-11-28T22:44:00.123Z
    private static let moment = Milliseconds(1_795_905_840_123)

    private func line(_ message: String, _ fields: [(Field, String)] = []) -> [UInt8] {
        var batch = RecordBatch(capacity: 131_072, records: 1)
        batch.add(.degraded, .notice, message, fields)
        return line(batch)
    }

    private func line(_ batch: borrowing RecordBatch) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 16_384)
        batch.writeJSON(0, process: "sip-router", at: Self.moment, into: &buffer)
        return [UInt8](copying: buffer.span)
    }

    private func parsed(_ line: [UInt8]) throws -> [String: any Sendable] {
        #expect(line.count <= 4096 && line.last == 0x0A && !line.dropLast().contains(0x0A))
        let object = try JSONSerialization.jsonObject(with: Data(line))
        return try #require(object as? [String: any Sendable])
    }

    @Test("a line has the moment, the priority as a number, and the fields by their short names")
    func members() {
        let text = line("banned", [(.address, "192.0.2.1"), (.callID, "a@b")])
        #expect(
            String(decoding: text, as: UTF8.self) == """
                {"time":"2026-11-28T22:44:00.123Z","priority":5,"message_id":"\(Record.degraded.rawValue)",\
                "process":"sip-router","message":"banned","address":"192.0.2.1","call_id":"a@b"}

                """)
    }

    @Test(
        "what JSON or a terminal would act on reads as in the journal",
        arguments: [
            "plain", "é…😀", "a\tb\nc\r\0", "\u{1B}[2J\u{7F}\u{85}", "\"},{\"priority\":0,\"", "\\",
            "\\\"\\",
            "a\u{202E}b\u{2028}", "",
        ])
    func escapes(_ text: String) throws {
        let object = try parsed(line(text, [(.userAgent, text)]))
        #expect(object["message"] as? String == Journal.clean(text))
        #expect(object["user_agent"] as? String == Journal.clean(text))
        #expect(object["priority"] as? Int == 5 && object.count == 6)
    }

    @Test("bytes that are no UTF-8 read as in the journal")
    func invalid() throws {
        var batch = RecordBatch(capacity: 1024, records: 1)
        batch.begin(.degraded, .notice)
        batch.append([0x61, 0xFF, 0xC0, 0x80, 0xED, 0xA0, 0x80].span)
        batch.end()
        #expect(try parsed(line(batch))["message"] as? String == "a\\xff\\xc0\\x80\\xed\\xa0\\x80")
    }

    @Test(
        "a line of the longest values is whole, and no longer than a pipe takes at once",
        arguments: ["a", "\"", "\0", "\u{202E}", "😀"])
    func long(_ piece: String) throws {
        let text = String(repeating: piece, count: 1500)
        let fields: [Field] = [
            .account, .address, .port, .transport, .reason, .status, .method, .callID, .contact,
            .userAgent, .asterisk, .number, .direction, .cause, .command,
        ]
        let object = try parsed(line(text, fields.map { ($0, text) }))
        #expect((object["message"] as? String)?.hasSuffix("…") == true)
        #expect((object["account"] as? String)?.hasSuffix("…") == true)
        #expect((object["reason"] as? String)?.hasSuffix("…") == true)
    }

    @Test(
        "moments are those of the calendar, leap days among them",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (-1, "1970-01-01T00:00:00.000Z"),
        ])
    func calendar(_ count: Int64, _ expected: String) {
        var buffer = ByteBuffer(capacity: 64)
        buffer.append(timestamp: Milliseconds(count))
        #expect(String(decoding: [UInt8](copying: buffer.span), as: UTF8.self) == expected)
    }
}
