internal import Messages
internal import SIP
internal import Testing

/// What a message's Request-URI is read as.
struct Reading: Sendable, CustomTestStringConvertible {
    let name: String
    let user: String
    let host: String
    let port: UInt16
    let parameters: String

    init(
        _ name: String, _ user: String, _ host: String, _ port: UInt16 = 0,
        _ parameters: String = ""
    ) {
        self.name = name
        self.user = user
        self.host = host
        self.port = port
        self.parameters = parameters
    }

    var testDescription: String { name }
}

@Suite("Reading")
struct ReadingTests {
    @Test(
        "the Request-URI is read as the RFC reads it",
        arguments: [
            Reading("rfc4475/esc01", "sips%3Auser%40example.com", "example.net"),
            Reading("rfc4475/semiuri", "user;par=u%40example.net", "example.com"),
            Reading("rfc4475/escruri", "user", "example.com"),
            Reading(
                "variants/wsinv-colons", "vivekg", "chair-dnrc.example.com", 0, "unknownparam"),
            Reading(
                "variants/intmeth-printable",
                "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", "example.com"),
            Reading("rfc5118/port-ambiguous", "", "[2001:db8::10:5070]"),
            Reading("rfc5118/port-unambiguous", "", "[2001:db8::10]", 5070),
            Reading("rfc5118/ipv6-correct-abnf-2-colons", "user", "[2001:db8::192.0.2.1]"),
        ])
    func requestURI(_ reading: Reading) throws {
        let bytes = Corpus.message(reading.name).bytes
        var index = MessageIndex()
        try MessageParser().parse(bytes.span, into: &index)
        #expect(bytes.span.bytes(index.requestURI.user).text == reading.user)
        #expect(bytes.span.bytes(index.requestURI.host).text == reading.host)
        #expect(index.requestURI.port == reading.port)
        #expect(bytes.span.bytes(index.requestURI.parameters).text == reading.parameters)
    }

    @Test("the short tortuous INVITE is read through its folds and blanks")
    func tortuous() throws {
        let bytes = Corpus.message("variants/wsinv-colons").bytes
        var index = MessageIndex()
        try MessageParser().parse(bytes.span, into: &index)
        #expect(bytes.span.bytes(index.via.host).text == "192.0.2.2")
        #expect(bytes.span.bytes(index.via.branch).text == "390skdjuw")
        #expect(bytes.span.bytes(index.to.tag).text == "1918181833n")
        #expect(bytes.span.bytes(index.from.tag).text == "98asjd8")
        #expect(bytes.span.bytes(index.from.displayName).text == #""J Rosenberg \\\"""#)
        #expect(index.sequence == 9)
        #expect(index.maxForwards == 68)
        #expect(index.body.length == 150)
    }

    @Test("an answer repeats every Via of a request in its order")
    func vias() throws {
        let bytes = Corpus.message("variants/longreq-colons").bytes
        var edge = Edge(.udp, serving: TortureTests.served)
        let answer = try #require(edge.receive(bytes).first)
        let lines = String(decoding: answer.bytes, as: UTF8.self).split(separator: "\r\n")
        let vias = lines.filter { $0.hasPrefix("Via: ") }
        #expect(vias.count == 34)
        for (place, via) in vias.dropLast().enumerated() {
            #expect(via.hasPrefix("Via: SIP/2.0/TCP sip\(33 - place).example.com"))
        }
    }
}
