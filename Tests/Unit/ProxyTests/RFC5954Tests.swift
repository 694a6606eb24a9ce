import Messages
import Proxy
import ProxyBench
import SIP
import Sys
import Testing

@Suite("RFC 5954: IPv6") struct RFC5954Tests {
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("[2001:db8::5]:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("[2001:db8::5]:5060"))),
        Listener(index: 2, side: .outside, endpoint: Endpoint(.tls, address("[2001:db8::5]:5061"))),
        Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("[fd00::1]:5060"))),
    ]

    private func edge() -> Edge {
        let edge = Edge(asterisks: ["[fd00::10]:5060"])
        edge.router = Router(
            settings: RouterSettings(edge.settings), listeners: Self.listeners,
            secret: Edge.secret, seed: [UInt8](repeating: 44, count: 32), now: edge.now,
            timers: 20_000)
        edge.advance(Milliseconds(100))
        return edge
    }

    @Test("a phone's address is told without brackets in received, with its port in rport")
    func received() throws {
        let edge = edge()
        let alice = Phone(edge, "alice", at: "[2001:db8::7]:40000")
        let via = "SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bKv6;rport"
        alice.send(plain(alice, "OPTIONS", "sip:example.com", via: via))
        let answer = try alice.expect(200)
        #expect(answer["Via"].contains("UDP [2001:db8::9]:5062;"))
        #expect(answer["Via"].contains(";received=2001:db8::7;rport=40000"))
    }

    @Test("a whole call over IPv6, by tokens, and no inside address leaves")
    func call() throws {
        let edge = edge()
        let alice = Phone(edge, "alice", at: "[2001:db8::7]:40000")
        let uri = "sip:alice@[2001:db8::7]:5060"
        #expect(try alice.register(contacts: ["<\(uri)>"])["Contact"].hasPrefix("<\(uri)>"))
        let asterisk = Asterisk(edge, at: "[fd00::10]:5060")
        let sent = wire([
            "INVITE sip:alice@[fd00::1]:5060 SIP/2.0", "Via: \(asterisk.via)",
            "From: <sip:300@[fd00::10]>;tag=as9", "To: <sip:alice@[fd00::1]:5060>",
            "Call-ID: x@[fd00::10]:5060", "CSeq: 102 INVITE",
            "Contact: <sip:300@[fd00::10]:5060>", "X-Own: [fd00::10]",
        ])
        asterisk.send(sent)
        let invite = try alice.expect("INVITE")
        #expect(invite.uri == uri && !invite.description.contains("fd00"))
        #expect(invite["Via"].contains("[2001:db8::5]:5060"))
        #expect(invite.contactURI.hasSuffix("@[2001:db8::5]:5060"))
        alice.send(response(to: invite, 200, tag: "d", ["Contact: <\(uri)>"]))
        var dialog = Dialog(
            caller: try #require(Message(sent)), try asterisk.expect(200))
        #expect(dialog.route.count == 1 && dialog.route[0].contains("@[fd00::1]:5060;lr"))
        #expect(dialog.callID == "x@[fd00::10]:5060")
        asterisk.send(dialog.request("ACK", via: asterisk.via))
        _ = try alice.expect("ACK")
        var phoneSide = Dialog(called: invite, tag: "d")
        alice.send(phoneSide.request("BYE", via: alice.via))
        #expect(try asterisk.expect("BYE").uri == "sip:300@[fd00::10]:5060")
    }

    @Test("over IPv6 too a token leads nowhere in another dialog")
    func otherDialog() throws {
        let edge = edge()
        let alice = Phone(edge, "alice", at: "[2001:db8::7]:40000")
        try alice.register(contacts: ["<sip:alice@[2001:db8::7]:5060>"])
        let asterisk = Asterisk(edge, at: "[fd00::10]:5060")
        var calls = try ["one", "two"].map { callID in
            let sent = try alice.ask("INVITE", "sip:100@example.com", callID: callID)
            asterisk.answer(try asterisk.expect("INVITE"), 200)
            return Dialog(caller: sent, try alice.expect(200))
        }
        var forged = calls[0]
        forged.target = calls[1].target
        for method in dialogMethods {
            alice.send(forged.request(method, via: alice.via))
            #expect(alice.all().map(\.status) == (method == "ACK" ? [] : [481]), "\(method)")
        }
        #expect(asterisk.next() == nil)
        alice.send(calls[0].request("BYE", via: alice.via))
        _ = try asterisk.expect("BYE")
    }

    @Test("a registered phone hears by STUN where it is seen")
    func stun() throws {
        let edge = edge()
        let alice = Phone(edge, "alice", at: "[2001:db8::7]:40000")
        try alice.register(contacts: ["<sip:alice@[2001:db8::7]>"])
        let request: [UInt8] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42] + Array(1...12)
        let answer = try #require(edge.answers(request, alice.flow).first)
        let seen = zip(answer[28...], request[4...]).map { $0 ^ $1 }
        #expect(answer.prefix(4) == [1, 1, 0, 24] && answer[25] == 2)
        #expect(seen == [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7])
    }
}
