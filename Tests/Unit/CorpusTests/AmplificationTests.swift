internal import Messages
internal import Sys
internal import Testing

@Suite("No amplifier")
struct AmplificationTests {
    /// Every message that is kept: torture messages, and what the fuzzers have found worth keeping.
    private static let all: [CorpusFile] =
        Corpus.messages
        + ["message", "framing", "router", "uri", "digest", "settings", "stun", "body", "token"]
        .flatMap { folder in
            Corpus.list("Fuzz/corpus/\(folder)").map {
                CorpusFile(
                    name: "\(folder)/\($0)", bytes: Corpus.read("Fuzz/corpus/\(folder)/\($0)"))
            }
        }

    @Test(
        "before proof there is at most one answer, at most three times as long as what was asked, whatever that is"
    )
    func whole() {
        for domains in [TortureTests.served, TortureTests.foreign] {
            var edge = Edge(.udp, serving: domains)
            for file in Self.all {
                var sent = edge.receive(file.bytes)
                // Nothing is said again later, either: a minute is longer than any transaction.
                for _ in 0..<70 { sent += edge.later() }
                let answers = sent.filter { !$0.isInward }
                #expect(answers.count <= 1, "\(file.name): \(answers.count) answers")
                #expect(
                    answers.allSatisfy { $0.bytes.count <= 3 * file.bytes.count }, "\(file.name)")
                #expect(answers.isEmpty || domains == TortureTests.served, "\(file.name)")
                // The edge's own questions to the Asterisk are all that goes inside.
                let inward = sent.filter(\.isInward)
                #expect(inward.allSatisfy { $0.bytes.starts(with: Array("OPTIONS".utf8)) })
            }
        }
    }

    @Test("the same for what is left when a message is cut off or loses a line")
    func parts() {
        var edge = Edge(.udp, serving: TortureTests.served)
        for file in Self.all {
            for part in Self.parts(of: file.bytes) {
                for answer in edge.receive(part) where !answer.isInward {
                    #expect(answer.bytes.count <= 3 * part.count, "\(file.name)")
                }
            }
        }
    }

    @Test(
        "the answers of a flood are no longer than what was asked, but for those of its beginning")
    func flood() {
        var edge = Edge(.udp, serving: TortureTests.served)
        let short = Self.all.filter { Self.isLonger(edge.receive($0.bytes), than: $0.bytes) }
        var long = 0
        for number in 0..<2000 {
            let bytes = short[number % short.count].bytes
            if Self.isLonger(edge.receive(bytes, after: Milliseconds(5)), than: bytes) { long += 1 }
        }
        // What is saved, and what the ten seconds of the flood have.
        #expect(long > 240 && long <= 240 + 30 * 10)
    }

    private static func isLonger(_ sent: [Sent], than request: [UInt8]) -> Bool {
        sent.contains { !$0.isInward && $0.bytes.count > request.count }
    }

    /// The first bytes of a message, in forty lengths, and it without each of its lines.
    private static func parts(of bytes: [UInt8]) -> [[UInt8]] {
        var parts: [[UInt8]] = stride(from: 0, to: bytes.count, by: max(bytes.count / 40, 1)).map {
            Array(bytes[..<$0])
        }
        var start = 0
        for place in bytes.indices where bytes[place] == 0x0A {
            parts.append(Array(bytes[..<start] + bytes[(place + 1)...]))
            start = place + 1
        }
        return parts
    }
}
