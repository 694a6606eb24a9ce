internal import Messages
internal import RouterHarness
internal import Testing

/// A message that phones, providers and Asterisks send in the field, and what must come of it.
struct FieldRow: Sendable, CustomTestStringConvertible {
    let file: CorpusFile
    let sender: FieldSender
    /// The account whose password the sender knows.
    let account: String
    /// What must come of it by UDP, TCP and TLS; "-" where it cannot come.
    let outcomes: [String]
    /// Why.
    let reason: String

    var testDescription: String { file.name }

    /// Every row of Tests/Corpus/field.tsv.
    static let all: [FieldRow] = Corpus.table("field.tsv").compactMap { row in
        guard row.count == 7, let sender = FieldSender(rawValue: row[1]) else { return nil }
        return FieldRow(
            file: CorpusFile(name: row[0], bytes: Corpus.read("Tests/Corpus/field/\(row[0])")),
            sender: sender, account: row[2], outcomes: Array(row[3...5]), reason: row[6])
    }

    /// The message as it is sent: its blanks filled, its lines ended by CRLF, its length written, and with the line
    /// of credentials.
    func message(_ blanks: [(String, String)], proof: String? = nil) -> [UInt8] {
        var bytes = file.bytes
        let hasPlace = place(of: Array("[[auth]]".utf8), in: bytes, from: 0) != nil
        if !bytes.contains(0x0D) { bytes = Self.replacing("\n", by: "\r\n", in: bytes) }
        if let proof, !hasPlace, let end = bytes.firstIndex(of: 0x0A) {
            bytes.insert(contentsOf: Array("\(proof)\r\n".utf8), at: end + 1)
        }
        for (blank, value) in blanks + [("[[auth]]", proof.map { "\($0)\r\n" } ?? "")] {
            bytes = Self.replacing(blank, by: value, in: bytes)
        }
        let head = place(of: Array("\r\n\r\n".utf8), in: bytes, from: 0) ?? bytes.count
        return Self.replacing("[[cl]]", by: "\(max(0, bytes.count - head - 4))", in: bytes)
    }

    private static func replacing(_ part: String, by text: String, in bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var start = 0
        while let found = place(of: Array(part.utf8), in: bytes, from: start) {
            result += bytes[start..<found] + Array(text.utf8)
            start = found + part.utf8.count
        }
        return result + bytes[start...]
    }
}

@Suite("What the field sends")
struct FieldTests {
    @Test("every message of the field has its row, and every row its message")
    func complete() {
        #expect(FieldRow.all.map(\.file.name) == Corpus.list("Tests/Corpus/field"))
    }

    @Test(
        "what comes of a message of the field is what the table says",
        arguments: FieldRow.all, [Transport.udp, .tcp, .tls])
    func outcome(_ row: FieldRow, _ transport: Transport) throws {
        let expected = row.outcomes[Transport.allCases.firstIndex(of: transport) ?? 0]
        guard expected != "-" else { return }
        let outcome = try FieldStage(row, transport).outcome()
        #expect(outcome == expected, "\(row.reason)")
    }
}
