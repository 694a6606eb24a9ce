internal import FuzzProperties
internal import Messages
internal import RouterHarness
internal import SIP
internal import Sys
internal import Testing

/// What the edge writes is read alike by our parser and by another's.
@Suite("Two parsers, one opinion", .serialized)
struct OtherParserTests {
    /// Requests whose From or To the other parser cannot read, or neither can: an answer repeats it as it came.
    private static let repeated = [
        "rfc4475/badaspec", "rfc4475/baddn", "rfc4475/quotbal", "variants/baddn-terminated",
        "comma-in-name",
    ]

    @Test("everything written for a torture message, by its way through the router")
    func torture() {
        var read = 0
        for verdict in Verdict.all {
            for message in Self.written(for: verdict.file.bytes) {
                if !message.isInward, Self.repeated.contains(verdict.file.name) { continue }
                read += 1
                Self.judge(message.bytes, verdict.file.name)
            }
        }
        #expect(read > 50)
    }

    @Test("everything written for the kept corpus of the message fuzzer")
    func kept() {
        for name in Corpus.list("Fuzz/corpus/message") {
            let bytes = Corpus.read("Fuzz/corpus/message/\(name)")
            let isRepeated = Self.repeated.contains(name)
            for message in Self.written(for: bytes) where message.isInward || !isRepeated {
                Self.judge(message.bytes, name)
            }
        }
    }

    @Test(
        "thousands of calls and messages in both directions, written in every way the grammar allows"
    )
    func generated() throws {
        let edge = SimulatedEdge([.replies(100_000)], asterisks: ["10.0.0.10:5060"]) {
            Issue.record("\($0)")
        }
        var seen: [[UInt8]] = []
        edge.observe = { bytes, _ in seen.append(bytes) }
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = PBX(edge)
        var generator = Generator(seed: 20_261)
        var read = 0
        for number in 0..<1500 {
            let lines = generator.fields() + ["c: text/plain"]
            let method = ["INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS"][number % 4]
            let callID = "g\(number)"
            let uri = "sip:\(generator.user())@example.com"
            try alice.ask(method, uri, callID: callID, lines, body: generator.body())
            for request in asterisk.all() where request.isRequest && request.method != "ACK" {
                let contact = ["Contact: <\(asterisk.contact)>"]
                let answer = response(
                    to: request, generator.status(), reason: generator.words(), tag: "as",
                    contact + generator.fields() + ["Content-Type: text/plain"],
                    body: generator.body())
                asterisk.send(answer)
            }
            _ = alice.all()
            asterisk.call("alice", callID: "in\(number)@10.0.0.10:5060", generator.fields())
            for request in alice.all() where request.isRequest && request.method != "ACK" {
                let contact = ["Contact: <\(alice.contact)>"]
                alice.send(
                    response(
                        to: request, generator.status(), reason: generator.words(), tag: "al",
                        contact + generator.fields()))
            }
            _ = asterisk.all()
            edge.leap(.seconds(20))
            for message in seen {
                read += 1
                Self.judge(message, "number \(number)")
            }
            seen = []
            edge.inboxes = [:]
        }
        #expect(read > 6000, "\(read)")
    }

    /// All that the edge sends for a request, without and with credentials.
    private static func written(for bytes: [UInt8]) -> [Sent] {
        var edge = Edge(.udp, serving: TortureTests.served)
        let first = edge.receive(bytes)
        guard let challenge = first.first(where: { $0.isChallenge }),
            let request = Edge.authenticated(bytes, by: challenge)
        else { return first }
        return first + edge.receive(request)
    }

    private static func judge(_ message: [UInt8], _ name: String) {
        if let difference = OtherParser.difference(message) {
            Issue.record("\(name): \(difference)\n\(String(decoding: message, as: UTF8.self))")
        }
    }
}

/// Header fields, user parts and bodies at random, the same ones for the same seed.
private struct Generator {
    private var word: UInt64

    init(seed: UInt64) { word = seed }

    private mutating func below(_ bound: Int) -> Int {
        word ^= word << 13
        word ^= word >> 7
        word ^= word << 17
        return Int((word >> 8) % UInt64(bound))
    }

    private mutating func one(_ list: [String]) -> String { list[below(list.count)] }

    mutating func user() -> String { one(["100", "bob", "a.b", "+4912345", "*21#", "x-y_z"]) }

    mutating func words() -> String {
        one(["Fine", "Not so good", "Caf\u{E9}", "A \"quoted\" one", "semi;colon, comma"])
    }

    /// Never 401 or 407, which the edge would answer itself.
    mutating func status() -> Int { [180, 183, 200, 202, 302, 404, 480, 486, 500, 603][below(10)] }

    mutating func body() -> String {
        one(["", "v=0\r\n", "text", "\r\n\r\nBYE sip:x SIP/2.0\r\n\r\n", "<a>\u{FC}</a>"])
    }

    /// Fields that may stand in any message, with compact names, folds, blanks and odd values.
    mutating func fields() -> [String] {
        let choices: [String] = [
            "s: short", "Subject:\tlong  one", "SUBJECT: many\r\n\tfolds\r\n  here", "Subject:",
            "k: a, b,c", "Supported: timer", "Server: Phone/1.0 (x; \"y\") z",
            "X-Odd!%*_+`'~.-: value", "X-Eight: gr\u{FC}n", "Date: Sat, 13 Nov 2010 23:29:00 GMT",
            "x: 1800;refresher=uas", "Min-SE: 90", "Allow: INVITE , ACK,\r\n BYE",
            "Warning: 370 example.com \"Choose, a \\\"bigger\\\" pipe\"", "Priority: urgent",
            "Organization: A; B, C \"D\"", "Reason: SIP ;cause=200 ;text=\"Call, completed\"",
            "b: <sip:x@example.com>;a=\"b\\\\\"", "Privacy: none", "Timestamp: 54.2", "o: dialog",
        ]
        var result: [String] = []
        var names: Set<String> = []
        for _ in 0..<below(7) {
            let line = choices[below(choices.count)]
            let name = line.prefix { $0 != ":" }.lowercased()
            if names.insert(name == "s" ? "subject" : name).inserted { result.append(line) }
        }
        return result
    }
}
