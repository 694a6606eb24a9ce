internal import FuzzProperties
internal import Messages
internal import RouterHarness
internal import SIP
internal import Testing

/// Three readers, one opinion: our parser, libosip2, and chan_sip of Asterisk 1.4 as it is described by `OldAsterisk`.
@Suite("Three readers, one opinion", .serialized)
struct ThreeReadersTests {
    @Test("whatever is passed on for a torture message is read in one way")
    func torture() {
        var read = 0
        for file in Corpus.messages {
            let messages = Self.passedOn(file.bytes)
            read += messages.count
            Self.judge(messages, file.name)
        }
        #expect(read > 10, "\(read)")
    }

    @Test(
        "whatever is passed on for a message of the field is read in one way",
        arguments: FieldRow.all.filter { $0.sender != .many })
    func field(_ row: FieldRow) throws {
        let stage = FieldStage(row, .udp)
        _ = try stage.outcome()
        Self.judge(stage.inward, row.file.name)
    }

    @Test(
        "whatever is passed on for what the fuzzers have kept is read in one way",
        arguments: ["message", "framing", "uri", "digest", "body", "token", "router"])
    func kept(_ folder: String) {
        for name in Corpus.list("Fuzz/corpus/\(folder)") {
            let bytes = Corpus.read("Fuzz/corpus/\(folder)/\(name)")
            Self.judge(Self.passedOn(bytes), "\(folder)/\(name)")
        }
    }

    @Test(
        "what one reader could take for another caller, callee or tag goes on without it",
        arguments: [
            #"From: "a;tag=evil" <sip:alice@example.com>;tag=1"#,
            #"From: "%22%3Csip:evil@x%3E" <sip:alice@example.com>;tag=1"#,
            #"From: "%00" <sip:alice@example.com>;tag=1"#,
            #"From: "\"<sip:evil@x>" <sip:alice@example.com>;tag=1"#,
            #"From: "<sip:evil@x>" <sip:alice@example.com>;tag=1"#,
            #"From: <sip:alice@example.com>;x=";tag=evil";tag=1"#,
            #"From: <sip:alice@example.com;tag=evil>;tag=1"#,
            #"From: <sip:alice:secret@example.com> ; tag = 1"#,
            #"From: sip:alice@example.com;tag=1"#,
            #"To: "b;tag=evil" <sip:600@example.com>"#,
            #"To: "%22%3Csip:evil@x%3E" <sip:600@example.com>"#,
            #"To: <sip:600@example.com>;x=";tag=evil""#,
            #"To: <sip:600@example.com;tag=evil>"#,
            #"To: sip:600@example.com;x=y"#, #"To: <foo:bar;tag=evil>"#,
            #"To: <http://evil@x/%3Btag=evil>"#,
        ])
    func hostile(_ line: String) {
        let messages = Self.passedOn(Self.request(line))
        #expect(messages.count == 1)
        Self.judge(messages, line)
        for message in messages {
            #expect(!String(decoding: message, as: UTF8.self).contains("evil"))
        }
    }

    @Test(
        "a caller without a user part, an escaped bracket in a bare name, and a line of two names do not go on",
        arguments: [
            "From: %3Csip:evil@x%3E <sip:alice@example.com>;tag=1",
            "From: <sip:example.com>;tag=1", "From: <sip:alice>;tag=1",
            "f: <sip:evil@example.com>;tag=2", "t: <sip:evil@example.com>", "i: 2", "l: 3",
        ])
    func refused(_ line: String) {
        #expect(Self.passedOn(Self.request(line)).isEmpty)
    }

    @Test("a caller with a sips URI is a sip URI to an Asterisk, which may know no other")
    func secure() throws {
        let bytes = Self.request("From: <sips:2001@example.test>;tag=1")
        let file = CorpusFile(name: "sips", bytes: bytes)
        let secure = FieldRow(
            file: file, sender: .phone, account: "2001", outcomes: [], reason: "")
        let stage = FieldStage(secure, .tls)
        #expect(try stage.outcome() == "407, MESSAGE 600 from <sip:2001@example.test>")
        Self.judge(stage.inward, "sips")
    }

    /// A request of alice's with one line in the place of that of the same name, or beside the others.
    private static func request(_ line: String) -> [UInt8] {
        let lines = [
            "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1", "From: <sip:alice@example.com>;tag=1",
            "To: <sip:600@example.com>", "Call-ID: 1", "CSeq: 1 MESSAGE", "Max-Forwards: 70",
        ]
        let name = line.prefix { $0 != ":" }
        let isThere = lines.contains { $0.hasPrefix("\(name):") }
        let all =
            lines.map { $0.hasPrefix("\(name):") ? line : $0 } + (isThere ? [] : [line])
            + ["Content-Length: 0"]
        return Array(
            (["MESSAGE sip:600@example.com SIP/2.0"] + all + ["", ""]).joined(separator: "\r\n")
                .utf8)
    }

    /// All that the edge sends to the Asterisk for a request with credentials.
    private static func passedOn(_ bytes: [UInt8]) -> [[UInt8]] {
        var edge = Edge(.udp, serving: TortureTests.served)
        let first = edge.receive(bytes)
        guard let challenge = first.first(where: { $0.isChallenge }),
            let request = Edge.authenticated(bytes, by: challenge)
        else { return [] }
        return edge.receive(request).filter(\.isInward).map(\.bytes).filter { bytes in
            // The edge's own question whether the Asterisk answers is for no message.
            !bytes.starts(with: Array("OPTIONS sip:10.".utf8))
        }
    }

    /// Complains of messages that are not read alike.
    private static func judge(_ messages: [[UInt8]], _ name: String) {
        let complaints = messages.flatMap { differences($0) }
        #expect(complaints.isEmpty, "\(name)")
    }

    /// What the readers find otherwise than we do in a message.
    private static func differences(_ message: [UInt8]) -> [String] {
        let text = String(decoding: message, as: UTF8.self)
        guard let ours = Opinion.ours(message) else { return ["our parser refuses\n\(text)"] }
        var found: [String] = []
        for isPedantic in [false, true] {
            let theirs = OldAsterisk(message, isPedantic: isPedantic).opinion
            guard theirs != ours else { continue }
            found.append("chan_sip, pedantic=\(isPedantic): \(theirs), ours: \(ours)\n\(text)")
        }
        return found + (OtherParser.difference(message).map { ["\($0)\n\(text)"] } ?? [])
    }
}
