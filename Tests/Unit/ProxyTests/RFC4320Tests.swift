import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 4320: requests other than INVITE") struct RFC4320Tests {
    @Test("no 408 is passed on for a request other than INVITE, whoever made it")
    func timeout() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        let before = edge.router.load
        for answers in [true, false] {
            asterisk.send(
                wire([
                    "MESSAGE sip:alice@10.0.0.1 SIP/2.0", "Via: \(asterisk.via)",
                    "From: <sip:300@10.0.0.10>;tag=1", "To: <sip:alice@10.0.0.1>",
                    "Call-ID: m\(answers)", "CSeq: 1 MESSAGE",
                ]))
            let message = try alice.expect("MESSAGE")
            if answers { alice.send(response(to: message, 408, tag: "t")) }
            edge.advance(.seconds(40))
            _ = alice.all()
            #expect(asterisk.next() == nil)
        }
        #expect(
            edge.router.load.contexts == 0 && edge.router.load.transactions == before.transactions)
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
}
