import Messages
import Proxy
import SIP
import SIPWriting
import Sys
import Testing

/// A request of alice with header fields given.
func plain(
    _ phone: Phone, _ method: String, _ uri: String, to: String = "sip:bob@example.com",
    forwards: Int = 70, callID: String = "v1", via: String? = nil, _ extra: [String] = []
) -> [UInt8] {
    wire(
        [
            "\(method) \(uri) SIP/2.0", "Via: \(via ?? phone.via)", "Max-Forwards: \(forwards)",
            "From: <sip:alice@example.com>;tag=v", "To: <\(to)>", "Call-ID: \(callID)",
            "CSeq: 7 \(method)", "User-Agent: \(String(repeating: "x", count: 100))",
        ] + extra)
}

@Suite struct RequestValidityTests {
    @Test(
        "what a request wants of every proxy or of the registrar and is not known is refused with 420 and named",
        arguments: [
            ("INVITE", "sip:bob@example.com", "Proxy-Require: sec-agree, foo", "sec-agree, foo"),
            ("OPTIONS", "sip:example.com", "Proxy-Require: foo", "foo"),
            ("OPTIONS", "sip:example.com", "Require: foo", "foo"),
            ("REGISTER", "sip:example.com", "Require: gruu,\r\n\tfoo", "gruu, foo"),
        ])
    func extensions(_ method: String, _ uri: String, _ line: String, _ expected: String) throws {
        let alice = Phone(Edge(), "alice")
        alice.send(plain(alice, method, uri, [line]))
        let answer = try #require(alice.next())
        #expect(answer.status == 420 && answer.all("Unsupported") == [expected])
        #expect(alice.next() == nil)
    }

    @Test("what a call requires of the other end is passed on, and an ACK is never refused")
    func requirePassed() throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("INVITE", "sip:100@example.com", ["Require: 100rel"])
        #expect(try Asterisk(alice.edge).expect("INVITE")["Require"] == "100rel")
        _ = alice.all()
        alice.send(plain(alice, "ACK", "sip:bob@example.com", ["Proxy-Require: foo"]))
        #expect(alice.next() == nil)
    }

    @Test(
        "a scheme that is not known is refused with 416 for whoever names a served domain",
        arguments: ["isbn:2983792873", "http://example.com/", "unknown:x"])
    func scheme(_ uri: String) throws {
        let alice = Phone(Edge(), "alice")
        alice.send(plain(alice, "INVITE", uri))
        #expect(alice.next()?.status == 416)
        // A scan that names nobody learns nothing by UDP.
        let scanner = Phone(alice.edge, "x", at: "192.0.2.66:5060")
        scanner.send(
            wire([
                "OPTIONS \(uri) SIP/2.0", "Via: \(scanner.via)", "Max-Forwards: 70",
                "From: <sip:x@192.0.2.66>;tag=v", "To: <sip:x@192.0.2.66>", "Call-ID: s",
                "CSeq: 7 OPTIONS",
            ]))
        #expect(scanner.next() == nil)
    }

    @Test("a tel URI is a number dialled by whoever proves an account of a served domain")
    func tel() throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("INVITE", "tel:+33123456;phone-context=example.com")
        #expect(
            try Asterisk(alice.edge).expect("INVITE").uri == "sip:+33123456@10.0.0.10:5060")
    }

    @Test(
        "with Max-Forwards 0 what goes on is refused with 483, and an OPTIONS for the edge is answered",
        arguments: [
            ("INVITE", "sip:bob@example.com", 483), ("OPTIONS", "sip:bob@example.com", 483),
            ("OPTIONS", "sip:example.com", 200), ("REGISTER", "sip:example.com", 401),
        ])
    func forwards(_ method: String, _ uri: String, _ status: Int) {
        let alice = Phone(Edge(), "alice")
        alice.send(plain(alice, method, uri, forwards: 0))
        #expect(alice.next()?.status == status)
    }

    @Test("a request that comes back as it was sent is refused with 482; a changed one goes on")
    func loop() throws {
        let alice = Phone(Edge(), "alice")
        try alice.register()
        let asterisk = Asterisk(alice.edge)
        try alice.ask("INVITE", "sip:alice@example.com")
        let sent = try asterisk.expect("INVITE")
        func back(_ uri: String) -> [UInt8] {
            wire(
                ["INVITE \(uri) SIP/2.0", "Via: \(asterisk.via)", "Via: \(sent["Via"])"]
                    + ["From", "To", "Call-ID", "CSeq"].map { "\($0): \(sent[$0])" }
                    + ["Max-Forwards: 60"])
        }
        asterisk.send(back(sent.uri))
        #expect(try asterisk.expect(482).start == "SIP/2.0 482 Loop Detected")
        asterisk.send(back("sip:alice@10.0.0.1:5060"))
        #expect(try alice.expect("INVITE").uri == alice.contact)
    }

    @Test(
        "the same call that comes by a second way while the first is under way is refused with 482")
    func merged() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let asterisk = Asterisk(edge)
        let invite = try asterisk.expect("INVITE")
        _ = alice.all()
        alice.send(alice.request("MESSAGE", "sip:1@example.com", callID: "m", sequence: 1))
        let challenge = try alice.expect(407)
        let proof = alice.credentials(challenge, "INVITE", sent.uri)
        let second = alice.request(
            "INVITE", sent.uri, callID: sent["Call-ID"], sequence: 2, [proof])
        alice.send(second)
        #expect(try alice.expect(482).status == 482)
        #expect(asterisk.next() == nil)
        asterisk.answer(invite, 486)
        #expect(try alice.expect(486).status == 486)
    }
}

@Suite struct RegistrarStandardsTests {
    @Test("the 200 to a REGISTER has the date and time of the edge")
    func date() throws {
        let edge = Edge()
        let answer = try Phone(edge, "alice").register()
        #expect(answer["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT")
    }

    @Test(
        "dates are right across months and leap years",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ])
    func dates(_ seconds: Int64, _ expected: String) {
        var writer = MessageWriter(listeners: Edge.listeners, key: Array(Edge.secret.prefix(32)))
        writer.begin(to: IPAddress(v4: 0xC633_6407))
        writer.date(.seconds(seconds))
        #expect([UInt8](writer.buffer.span) == Array("Date: \(expected)\r\n".utf8))
    }
}
