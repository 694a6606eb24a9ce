import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3261 sections 16.4 and 16.6: what is passed on") struct RFC3261PassingTests {
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

    @Test("a phone's Route decides nothing, and goes no further")
    func route() throws {
        let alice = Phone(Edge(), "alice")
        let routes = ["Route: <sip:10.0.0.66;lr>", "Route: <sip:203.0.113.5;lr>"]
        try alice.ask("INVITE", "sip:100@example.com", routes)
        let invite = try Asterisk(alice.edge).expect("INVITE")
        #expect(invite.uri == "sip:100@10.0.0.10:5060" && !invite.has("Route"))
    }
}
