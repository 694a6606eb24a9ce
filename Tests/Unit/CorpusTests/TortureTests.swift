internal import Messages
internal import SIP
internal import Testing

/// What must come of a message, as a row of Tests/Corpus/verdicts.tsv says.
struct Verdict: Sendable, CustomTestStringConvertible {
    let file: CorpusFile
    /// "accepted", or the code of the `ParseError`.
    let parser: String
    /// The answers by UDP, TCP and TLS, each with the domains served and then with none of them.
    let answers: [String]
    /// What comes of it over UDP with credentials.
    let authenticated: String
    /// Why.
    let reason: String

    /// Whether the edge does not do yet what the row says.
    var isDeparture: Bool { reason.hasPrefix("Departure: ") }

    var testDescription: String { file.name }

    /// Every row of the table.
    static let all: [Verdict] = Corpus.table("verdicts.tsv").compactMap { row in
        guard row.count == 10 else { return nil }
        return Verdict(
            file: Corpus.message(row[0]), parser: row[1], answers: Array(row[2...7]),
            authenticated: row[8], reason: row[9])
    }
}

@Suite("Torture messages")
struct TortureTests {
    /// The hosts of the messages' Request-URIs and address-of-records.
    static let served = [
        "example.com", "example.net", "example.org", "chair-dnrc.example.com", "company.com",
        "registrar.example.com", "host.example.net", "[2001:db8::10]", "[2001:db8::192.0.2.1]",
        "[2001:db8:::192.0.2.1]", "[2001:db8::10:5070]",
    ]
    static let foreign = ["elsewhere.test"]

    @Test("every message has its row, and every row its message")
    func complete() {
        #expect(Corpus.messages.count == 66)
        #expect(Verdict.all.map(\.file.name) == Corpus.messages.map(\.name))
    }

    @Test("the parser's verdict is that of the table", arguments: Verdict.all)
    func parse(_ verdict: Verdict) {
        #expect(Self.parserVerdict(verdict.file.bytes) == verdict.parser, "\(verdict.reason)")
    }

    @Test(
        "the answer is that of the table, and the next good request is answered",
        arguments: Verdict.all)
    func answer(_ verdict: Verdict) {
        var actual: [String] = []
        for transport in [Transport.udp, .tcp, .tls] {
            for domains in [Self.served, Self.foreign] {
                actual.append(Self.answer(to: verdict.file.bytes, transport, domains))
            }
        }
        #expect(actual == verdict.answers, "\(verdict.reason)")
    }

    @Test("with credentials, the outcome is that of the table", arguments: Verdict.all)
    func authenticated(_ verdict: Verdict) {
        let outcome = Self.authenticatedOutcome(verdict.file.bytes)
        if verdict.isDeparture {
            // Fails as soon as the edge does what the row says: then the word goes from the table.
            withKnownIssue { #expect(outcome == verdict.authenticated, "\(verdict.reason)") }
        } else {
            #expect(outcome == verdict.authenticated, "\(verdict.reason)")
        }
    }

    static func parserVerdict(_ bytes: [UInt8]) -> String {
        var index = MessageIndex()
        do {
            try MessageParser().parse(bytes.span, into: &index)
            return "accepted"
        } catch {
            return error.code
        }
    }

    /// "407", "silence", "401+407" for two answers, "closed: CODE", "waits" for the rest of a stream.
    static func answer(to bytes: [UInt8], _ transport: Transport, _ domains: [String]) -> String {
        var edge = Edge(transport, serving: domains)
        let sent = edge.receive(bytes)
        for message in sent {
            #expect(!message.isInward, "sent to the inside without credentials")
            #expect(
                parserVerdict(message.bytes) == "accepted" || parserVerdict(bytes) != "accepted",
                "an answer that we would refuse: \(String(decoding: message.bytes, as: UTF8.self))")
            #expect(message.bytes.count <= bytes.count + 512, "amplified")
        }
        var words = sent.compactMap(\.status).map(String.init)
        if let reason = edge.closed { words.append("closed: \(reason)") }
        if edge.isWaiting { words.append("waits") }
        if edge.closed != nil || edge.isWaiting { edge.reconnect() }
        let next = edge.receive(goodRequest(domains[0], transport))
        #expect(next.map(\.status) == [200], "the next good request is not answered")
        return words.isEmpty ? "silence" : words.joined(separator: "+")
    }

    /// The answers to the request with credentials; "forward" for what goes on to the Asterisk.
    static func authenticatedOutcome(_ bytes: [UInt8]) -> String {
        var edge = Edge(.udp, serving: served)
        guard let challenge = edge.challenge(to: bytes) else {
            return "never asked for"
        }
        guard let request = Edge.authenticated(bytes, by: challenge) else { return "unreadable" }
        let words = edge.receive(request).compactMap { message -> String? in
            guard message.isInward else { return message.status.map(String.init) }
            // The edge's own registration at the Asterisk, and its question whether that answers, say
            // nothing of the message.
            let isOwn = ["REGISTER sip:10.", "OPTIONS sip:10."].contains {
                message.bytes.starts(with: Array($0.utf8))
            }
            return isOwn ? nil : "forward"
        }
        let contacts = edge.contacts().map { " <\($0)>" }.joined()
        return words.joined(separator: "+") + contacts
    }

    static func goodRequest(_ domain: String, _ transport: Transport) -> [UInt8] {
        Array(
            """
            OPTIONS sip:\(domain) SIP/2.0\r
            Via: SIP/2.0/\(transport.name.uppercased()) 198.51.100.7;branch=z9hG4bKnext\r
            Max-Forwards: 70\r
            From: <sip:alice@\(domain)>;tag=1\r
            To: <sip:\(domain)>\r
            Call-ID: next\r
            CSeq: 1 OPTIONS\r
            Content-Length: 0\r
            \r

            """.utf8)
    }
}

extension Sent {
    /// Whether it asks for credentials.
    var isChallenge: Bool { status == 401 || status == 407 }
}
