import Messages
import Proxy
import SIP
import SIPWriting
import Sys
import Testing

@Suite("RFC 3261 sections 8.2.2 and 16.3: which requests are valid") struct RFC3261RequestTests {
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

    @Test("a 503 of ours says when to come again")
    func retryAfter() throws {
        let edge = Edge()
        edge.helpful = []
        edge.advance(.seconds(10))
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:100@example.com")
        #expect(try alice.expect(503)["Retry-After"] == "30")
    }
}
