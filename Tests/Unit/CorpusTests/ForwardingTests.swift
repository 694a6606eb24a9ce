internal import FuzzProperties
internal import Messages
internal import SIP
internal import Testing

@Suite("Forwarding")
struct ForwardingTests {
    /// The requests that go on to an Asterisk when they come with credentials.
    static let forwarded = Verdict.all.filter { $0.authenticated.hasSuffix("forward") }

    @Test("what goes on to an Asterisk says what came", arguments: forwarded)
    func says(_ verdict: Verdict) throws {
        let bytes = verdict.file.bytes
        var came = MessageIndex()
        try MessageParser().parse(bytes.span, into: &came)
        let sent = try #require(Self.sent(for: bytes))
        var went = MessageIndex()
        try MessageParser().parse(sent.span, into: &went)
        var before = Model(bytes.span, came)
        let user = Self.withoutParameters(bytes.span.bytes(came.requestURI.user).text)
        // The host is the edge's choice, and nothing but the user part goes on.
        before.rest = Array("sip:\(user)@10.0.0.10:5060".utf8)
        before.from = Self.party(came.from, bytes)
        before.to = Self.party(came.to, bytes)
        #expect(Model(sent.span, went) == before)
        #expect(went.maxForwards == min(came.maxForwards ?? 70, 70) - 1)
        #expect(went.maxBreadth == min(came.maxBreadth ?? 60, 60))
        #expect(went.contentLength == Int(came.body.length))
    }

    /// The user that is meant: what follows a semicolon are its parameters.
    private static func withoutParameters(_ user: String) -> String {
        String(user.prefix { $0 != ";" })
    }

    /// From or To as every Asterisk reads it in one way: a name without brackets and escapes, user and host
    /// in brackets, and the header's parameters.
    private static func party(_ party: NameAddress, _ bytes: [UInt8]) -> [UInt8] {
        func text(_ slice: Slice) -> String { bytes.span.bytes(slice).text }
        let name = text(party.displayName)
        let isPlain = !name.isEmpty && !name.contains { "\\<>".contains($0) }
        let user = withoutParameters(text(party.uri.user))
        let port = party.uri.port == 0 ? "" : ":\(party.uri.port)"
        let whole =
            [.sip, .sips].contains(party.uri.scheme)
            ? "sip:\(user.isEmpty ? "" : user + "@")\(text(party.uri.host))\(port)"
            : text(party.uri.whole)
        let parameters = text(party.parameters)
        return Array(
            ((isPlain ? name + " " : "") + "<\(whole)>"
                + (parameters.isEmpty ? "" : ";\(parameters)")).utf8)
    }

    @Test("nothing of the outside's routing, trust or credentials goes on", arguments: forwarded)
    func drops(_ verdict: Verdict) throws {
        let sent = try #require(Self.sent(for: verdict.file.bytes))
        var went = MessageIndex()
        try MessageParser().parse(sent.span, into: &went)
        for name in [
            HeaderName.route, .proxyRequire, .authorization, .proxyAuthorization, .path,
            .pAssertedIdentity, .remotePartyID,
        ] {
            let wentOn = went.has(name)
            #expect(!wentOn, "\(name) went on")
        }
        let vias = (0..<went.count).count { went[$0].name == .via }
        #expect(vias == 1, "the Vias of the outside went on")
        #expect(!sent.span.bytes(went.requestURI.whole).text.contains("?"))
    }

    @Test(
        "nothing sent has a fold, a compact name, or white space before a colon",
        arguments: forwarded)
    func canonical(_ verdict: Verdict) throws {
        let sent = try #require(Self.sent(for: verdict.file.bytes))
        var went = MessageIndex()
        try MessageParser().parse(sent.span, into: &went)
        for position in 0..<went.count {
            let field = went[position]
            #expect(!sent.span.bytes(field.value).text.contains("\r"))
            #expect(field.nameSlice.length > 1)
            if field.name != .other {
                #expect(sent.span.bytes(field.nameSlice).text == "\(field.name.text)")
            }
        }
    }

    /// The request as it goes to the Asterisk, when it comes with credentials.
    private static func sent(for bytes: [UInt8]) -> [UInt8]? {
        var edge = Edge(.udp, serving: TortureTests.served)
        guard let challenge = edge.challenge(to: bytes),
            let request = Edge.authenticated(bytes, by: challenge)
        else { return nil }
        return edge.receive(request).first { $0.isInward }?.bytes
    }
}
