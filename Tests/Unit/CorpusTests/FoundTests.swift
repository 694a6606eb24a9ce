internal import FuzzProperties
internal import Messages
internal import SIP
internal import Sys
internal import Testing

@Suite("What was found")
struct FoundTests {
    /// The files of a fuzzer's kept corpus.
    private static func kept(_ name: String) -> [CorpusFile] {
        Corpus.list("Fuzz/corpus/\(name)").map {
            CorpusFile(name: "\(name)/\($0)", bytes: Corpus.read("Fuzz/corpus/\(name)/\($0)"))
        }
    }

    @Test("every property holds for the kept corpus of its fuzzer")
    func corpus() {
        for (name, check) in Properties.all {
            let files = Self.kept(name)
            #expect(!files.isEmpty, "no corpus for \(name)")
            for file in files { #expect(check(file.bytes.span) == nil, "\(file.name)") }
        }
    }

    @Test("the message property holds for every torture message", arguments: Corpus.messages)
    func torture(_ file: CorpusFile) {
        #expect(Properties.message(file.bytes.span) == nil)
    }

    @Test("a stream that begins with a broken keep-alive is closed, and does not grow without end")
    func brokenKeepAlive() {
        var framer = StreamFramer()
        framer.append(Array("\r\n\rX".utf8).span)
        #expect(framer.next() == .broken("line-end"))
    }

    private static func request(_ lines: [String]) -> [UInt8] {
        Array(
            (["OPTIONS sip:example.com SIP/2.0"] + lines + ["", ""]).joined(separator: "\r\n").utf8)
    }

    private static let identity = [
        "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1", "From: <sip:a@example.com>;tag=1",
        "To: <sip:a@example.com>", "Call-ID: 1", "CSeq: 1 OPTIONS", "Content-Length: 0",
    ]

    @Test(
        "a malformed field is answered with 400 wherever it stands, as long as its answer has a way back",
        arguments: [
            "Max-Forwards: x", "Min-SE: 90//", "To: <sip:b@example.com>", "Subject: \u{1}",
            "Sub ject: x",
        ])
    func order(_ line: String) {
        for place in 0...Self.identity.count {
            var lines = Self.identity
            lines.insert(line, at: place)
            let sent = TortureTests.answer(to: Self.request(lines), .udp, TortureTests.served)
            #expect(sent == "400", "line \(place)")
        }
    }

    @Test(
        "what the answer needs is malformed, so there is no answer",
        arguments: [
            "Via: SIP/2.0/UDP ;branch=x", "Via: SIP/2.0/UDP host;;", "From: <sip:\u{1}a@b>",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;x=\"open",
            "CSeq: 1 INVITE", "CSeq: 99999999999 OPTIONS", "Call-ID: a b",
        ])
    func unanswerable(_ line: String) {
        let name = line.prefix { $0 != ":" }
        let lines = Self.identity.map { $0.hasPrefix("\(name):") ? line : $0 }
        let answer = TortureTests.answer(to: Self.request(lines), .udp, TortureTests.served)
        #expect(answer == "silence")
    }

    @Test(
        "a From or To outside the grammar is repeated in the 400, as it came",
        arguments: [
            "From: <sip:a@b", "To: <sip:a@b>;x=\"open", "To: <sip:a@b>;x=\"\\\"", "To: <sip:a@b>;;",
            "To: \"a <sip:a@b>", "From: <sip:a@b>;tag=a b", "From: x", "To:",
        ])
    func repeated(_ line: String) {
        let name = line.prefix { $0 != ":" }
        let lines = Self.identity.map { $0.hasPrefix("\(name):") ? line : $0 }
        var edge = Edge(.udp, serving: ["example.com"])
        let sent = edge.receive(Self.request(lines)).map {
            String(decoding: $0.bytes, as: UTF8.self)
        }
        let short = "\(name.lowercased().prefix(1)):" + line.dropFirst(name.count + 1)
        #expect(sent.count == 1 && sent[0].hasPrefix("SIP/2.0 400 "))
        #expect(sent[0].contains(line) || sent[0].contains(short.replacing(": ", with: ":")))
        var elsewhere = Edge(.udp, serving: ["elsewhere.test"])
        #expect(elsewhere.receive(Self.request(lines)).isEmpty)
    }

    @Test(
        "a semicolon at the end of To is not repeated: our tag would stand behind an empty parameter"
    )
    func lastSemicolon() {
        let lines = Self.identity.map { $0.hasPrefix("To:") ? $0 + ";" : $0 }
        let answer = TortureTests.answer(to: Self.request(lines), .udp, TortureTests.served)
        #expect(answer == "200")
    }

    @Test(
        "a Via of commas makes no answer, let alone a longer one",
        arguments: [",", ",,,,", ", SIP/2.0/UDP h2,", ", x"])
    func commas(_ tail: String) {
        let lines = [Self.identity[0] + tail] + Self.identity.dropFirst()
        let answer = TortureTests.answer(to: Self.request(lines), .udp, TortureTests.served)
        #expect(answer == "silence")
    }

    @Test(
        "bytes outside ASCII are no part of a URI or Call-ID",
        arguments: [
            "From: <tel:\u{E9}>;tag=1", "From: <sip:a@b;x=\u{E9}>;tag=1", "Call-ID: caf\u{E9}",
            "To: <urn:\u{E9}>",
        ])
    func ascii(_ line: String) {
        let name = line.prefix { $0 != ":" }
        let lines = Self.identity.map { $0.hasPrefix("\(name):") ? line : $0 }
        #expect(TortureTests.parserVerdict(Self.request(lines)) != "accepted")
    }

    @Test("a binding crosses to directory whatever its phone calls itself")
    func binding() {
        let wide = String(repeating: "\u{FFFD}", count: 128)
        let record = BindingRecord(
            account: "alice", key: 1, contact: "sip:a@b", instance: wide, callID: wide,
            sequence: 1, userAgent: wide, expires: .seconds(1), q: 1000, transport: .udp,
            listener: 0, address: SocketAddress(IPAddress(v4: 1), port: 1), connection: 0)
        let frame = RouterToDirectory.bind(record).encoded()
        #expect(throws: Never.self) { _ = try RouterToDirectory(decoding: frame.span) }
    }

    @Test("a field as long as may be is accepted again when it is written with its long name")
    func longLine() {
        let value = String(repeating: "x", count: MessageParser.maximumLine - 3)
        let bytes = Self.request(Self.identity + ["s: \(value)"])
        #expect(TortureTests.parserVerdict(bytes) == "accepted")
        #expect(Properties.message(bytes.span) == nil)
    }

    @Test("a request with as many fields as may be is accepted again when it is passed on")
    func manyFields() {
        // Via and Content-Length are the edge's own, like what it adds.
        let surplus = MessageParser.maximumCarried - Self.identity.count + 2
        let lines = Self.identity + (0..<surplus).map { "X-\($0): y" }
        #expect(TortureTests.parserVerdict(Self.request(lines)) == "accepted")
        #expect(TortureTests.parserVerdict(Self.request(lines + ["X-A: y"])) != "accepted")
        let added = ["Max-Forwards: 70", "Record-Route: <sip:x>", "Proxy-Authorization: Digest x"]
        #expect(TortureTests.parserVerdict(Self.request(added + lines)) == "accepted")
    }
}
