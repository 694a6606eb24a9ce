import Messages
import Proxy
import Sys
import Testing

@Suite struct PassingTests {
    @Test(
        "what only the ends of a call understand passes both ways as it is",
        arguments: [
            "Session-ID: 47755a9de7794ba387653f2099600ef2;remote=0", "Session-Expires: 1800",
            "Min-SE: 90", "Require: timer", "Replaces: x;to-tag=1;from-tag=2",
            "Answer-Mode: Auto", "Resource-Priority: ets.0", "Geolocation: <cid:x>",
        ])
    func unknown(_ line: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        let name = String(line.prefix { $0 != ":" })
        let value = String(line.drop { $0 != ":" }.dropFirst(2))
        asterisk.call("alice", [line])
        #expect(try alice.expect("INVITE").all(name) == [value])
        try alice.ask("INVITE", "sip:100@example.com", [line])
        #expect(try asterisk.expect("INVITE").all(name) == [value])
    }

    @Test(
        "who calls is told to the phone as Asterisk asserts it, unless the caller wants privacy",
        arguments: [([], true), (["Privacy: id"], false)])
    func asserted(_ extra: [String], _ expected: Bool) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        Asterisk(edge).call(
            "alice",
            ["P-Asserted-Identity: <sip:300@example.com>", "Diversion: <sip:4@x>"] + extra)
        let invite = try alice.expect("INVITE")
        for name in ["P-Asserted-Identity", "Diversion"] { #expect(invite.has(name) == expected) }
    }

    @Test("a phone's Route decides nothing, and goes no further")
    func route() throws {
        let alice = Phone(Edge(), "alice")
        let routes = ["Route: <sip:10.0.0.66;lr>", "Route: <sip:203.0.113.5;lr>"]
        try alice.ask("INVITE", "sip:100@example.com", routes)
        let invite = try Asterisk(alice.edge).expect("INVITE")
        #expect(invite.uri == "sip:100@10.0.0.10:5060" && !invite.has("Route"))
    }

    @Test("provisional answers above 100 are passed on, and no 100 but for an INVITE")
    func provisional() throws {
        let alice = Phone(Edge(), "alice")
        let asterisk = Asterisk(alice.edge)
        try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        for status in [100, 181, 182, 183, 199] { asterisk.answer(invite, status) }
        #expect(alice.all().map(\.status) == [100, 181, 182, 183, 199])
        try alice.ask("MESSAGE", "sip:100@example.com", callID: "m")
        alice.edge.advance(.seconds(5))
        #expect(alice.next() == nil)
    }

    @Test("a phone without rport is answered at the port it sent from as well")
    func symmetric() throws {
        let alice = Phone(Edge(), "alice")
        alice.send(
            plain(
                alice, "OPTIONS", "sip:example.com",
                via: "SIP/2.0/UDP 192.168.1.7:5062;branch=z9hG4bKs"))
        let via = try alice.expect(200)["Via"]
        #expect(via == "SIP/2.0/UDP 192.168.1.7:5062;branch=z9hG4bKs;received=198.51.100.7")
    }
}
