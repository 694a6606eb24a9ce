internal import Messages
internal import Testing

@Suite("No amplifier")
struct AmplificationTests {
    /// Every message that is kept: torture messages, and what the fuzzers have found worth keeping.
    private static let all: [CorpusFile] =
        Corpus.messages
        + ["message", "framing", "router", "uri", "digest", "settings", "stun", "origin", "token"]
        .flatMap { folder in
            Corpus.list("Fuzz/corpus/\(folder)").map {
                CorpusFile(name: "\(folder)/\($0)", bytes: Corpus.read("Fuzz/corpus/\(folder)/\($0)"))
            }
        }

    /// What leaves for a stranger who has sent this by UDP, within a minute.
    private func answers(_ bytes: [UInt8], _ domains: [String]) -> [Sent] {
        var edge = Edge(.udp, serving: domains)
        var sent = edge.receive(bytes)
        for _ in 0..<70 { sent += edge.later() }
        #expect(sent.allSatisfy { $0.isInward == $0.bytes.starts(with: Array("OPTIONS".utf8)) })
        return sent.filter { !$0.isInward }
    }

    @Test(
        "before proof there is at most one answer, no longer than what was asked, whatever that is",
        arguments: all)
    func whole(_ file: CorpusFile) {
        for domains in [TortureTests.served, TortureTests.foreign] {
            let sent = answers(file.bytes, domains)
            #expect(sent.count <= 1, "\(sent.count) answers")
            for answer in sent {
                #expect(answer.bytes.count <= file.bytes.count)
                #expect(domains != TortureTests.foreign, "a foreign domain got an answer")
            }
        }
    }

    @Test("the same for what is left when a message is cut off or loses a line", arguments: all)
    func parts(_ file: CorpusFile) {
        let bytes = file.bytes
        var parts: [[UInt8]] = stride(from: 0, to: bytes.count, by: max(bytes.count / 40, 1)).map {
            Array(bytes[..<$0])
        }
        var start = 0
        for place in bytes.indices where bytes[place] == 0x0A {
            parts.append(Array(bytes[..<start] + bytes[(place + 1)...]))
            start = place + 1
        }
        var edge = Edge(.udp, serving: TortureTests.served)
        for part in parts {
            for answer in edge.receive(part) where !answer.isInward {
                #expect(answer.bytes.count <= part.count)
            }
        }
    }
}
