import Messages
import Proxy
import Sys
import Testing

@Suite struct EmergencyServiceTests {
    @Test(
        "an emergency service is dialled as the first emergency number",
        arguments: ["urn:service:sos", "urn:service:sos.fire", "URN:Service:SOS.police"])
    func called(_ uri: String) throws {
        for (rules, number) in [
            ([], "112"),
            ([RouterSetting.calls(.emergency("15")), .calls(.emergency("112"))], "15"),
        ] {
            let alice = Phone(Edge(rules), "alice")
            let asterisk = Asterisk(alice.edge)
            let sent = try alice.ask("INVITE", uri, body: "v=0\r\n")
            let invite = try asterisk.expect("INVITE")
            #expect(invite.uri == "sip:\(number)@10.0.0.10:5060")
            #expect(invite["To"] == "<sip:\(number)@example.com>")
            asterisk.answer(invite, 200)
            let answer = try alice.expect(200)
            #expect(answer["To"].hasPrefix("<\(uri)>;tag="))
            var dialog = Dialog(caller: sent, answer)
            alice.send(dialog.request("ACK", via: alice.via))
            #expect(try asterisk.expect("ACK")["To"].hasPrefix("<sip:\(number)@example.com>;tag="))
            alice.send(dialog.request("BYE", via: alice.via))
            asterisk.answer(try asterisk.expect("BYE"), 200)
            _ = try alice.expect(200)
            #expect(alice.edge.router.load.calls == 0)
        }
    }

    @Test("it may be given up like any call")
    func cancelled() throws {
        let alice = Phone(Edge(), "alice")
        let asterisk = Asterisk(alice.edge)
        let sent = try alice.ask("INVITE", "urn:service:sos")
        asterisk.answer(try asterisk.expect("INVITE"), 180)
        alice.cancel(sent)
        #expect(try alice.expect(200).sequenceMethod == "CANCEL")
        #expect(try asterisk.expect("CANCEL").uri == "sip:112@10.0.0.10:5060")
    }

    @Test("it needs the password like any call, and credentials for it alone")
    func proven() throws {
        let edge = Edge()
        let thief = Phone(edge, "alice", password: "guess")
        try thief.ask("INVITE", "urn:service:sos")
        #expect(try thief.expect(407).status == 407)
        let alice = Phone(edge, "alice")
        alice.send(alice.request("INVITE", "urn:service:sos", callID: "s", sequence: 1))
        let proof = alice.credentials(try alice.expect(407), "INVITE", "sip:112@example.com")
        alice.send(alice.request("INVITE", "urn:service:sos", callID: "s", sequence: 2, [proof]))
        #expect(try alice.expect(400).status == 400)
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("a barred account calls it too")
    func barred() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        for number in 0..<5 {
            try alice.ask("INVITE", "sip:00881612345\(number)00@example.com", callID: "n\(number)")
        }
        _ = alice.all()
        try alice.ask("INVITE", "sip:100@example.com", callID: "x")
        #expect(try alice.expect(403).status == 403)
        try alice.ask("INVITE", "urn:service:sos", callID: "y")
        #expect(try Asterisk(edge).expect("INVITE").uri == "sip:112@10.0.0.10:5060")
    }

    @Test(
        "other services, other methods and whoever names no domain of ours are refused",
        arguments: [
            ("INVITE", "urn:service:counseling"), ("INVITE", "urn:service:sosx"),
            ("INVITE", "urn:service:sos."), ("INVITE", "urn:service"),
            ("MESSAGE", "urn:service:sos"), ("REGISTER", "urn:service:sos"),
            ("REFER", "urn:service:sos"), ("OPTIONS", "urn:service:sos"),
        ])
    func refused(_ method: String, _ uri: String) throws {
        let alice = Phone(Edge(), "alice")
        alice.send(
            alice.request(method, uri, callID: "s", sequence: 1, to: "sip:x@example.com"))
        #expect(alice.next()?.status == 416)
        let stranger = Phone(alice.edge, "x", at: "192.0.2.66:5060")
        stranger.send(
            wire([
                "INVITE urn:service:sos SIP/2.0", "Via: \(stranger.via)", "Max-Forwards: 70",
                "From: <sip:x@192.0.2.66>;tag=v", "To: <urn:service:sos>", "Call-ID: s",
                "CSeq: 7 INVITE",
            ]))
        #expect(stranger.next() == nil)
    }

    @Test("a trunk's is refused")
    func trunk() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call("urn:service:sos")
        #expect(try trunk.carrier.expect(416).status == 416)
        #expect(trunk.asterisk.next() == nil)
    }
}
