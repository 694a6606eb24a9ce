import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite struct SecurityTests {
    @Test(
        "a request for somebody else's domain is met with silence on UDP, with 403 on TCP",
        arguments: ["REGISTER", "INVITE", "OPTIONS"])
    func foreignDomain(_ method: String) {
        let edge = Edge()
        let scanner = Phone(edge, "alice", at: "192.0.2.66:5060")
        scanner.send(scanner.request(method, "sip:203.0.113.5", callID: "s", sequence: 1))
        #expect(scanner.next() == nil)
        let stream = Phone(edge, "alice", at: "192.0.2.66:5061", .tcp, connection: 5)
        stream.send(stream.request(method, "sip:203.0.113.5", callID: "s", sequence: 1))
        #expect(stream.next()?.status == 403)
    }

    @Test("an unknown method gets 501, and a method that needs a dialog 481 without one")
    func methods() {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        for (method, status) in [
            ("BREW", 501), ("invite", 501), ("BYE", 481), ("UPDATE", 481), ("INFO", 481),
            ("PRACK", 481), ("NOTIFY", 481), ("CANCEL", 481),
        ] {
            phone.send(phone.request(method, "sip:1@example.com", callID: "m", sequence: 1))
            #expect(phone.next()?.status == status, "\(method)")
        }
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("an ACK that belongs to nothing is never answered")
    func strayACK() {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        phone.send(phone.request("ACK", "sip:1@example.com", callID: "m", sequence: 1))
        #expect(phone.next() == nil)
    }

    @Test("a request without hops left gets 483")
    func hops() {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let text = String(
            decoding: phone.request("INVITE", "sip:1@example.com", callID: "m", sequence: 1),
            as: UTF8.self)
        phone.send(Array(text.replacing("Max-Forwards: 70", with: "Max-Forwards: 0").utf8))
        #expect(phone.next()?.status == 483)
    }

    @Test(
        "what cannot be read gets 400 when it names a domain of ours or comes by a stream, else silence",
        arguments: [Transport.udp, .tcp, .tls])
    func malformed(_ transport: Transport) {
        let edge = Edge()
        let phone = Phone(
            edge, "alice", transport, connection: transport.isStream ? 9 : 0)
        for bad in ["X\u{1}: y", "X: y\u{0}", "X: y\rZ: z", "X: y\nZ: z", "X : y", "To: <sip:b@x>"]
        {
            for uri in ["sip:example.com", "sip:198.51.100.9"] {
                phone.send(
                    phone.request("OPTIONS", uri, callID: "m", sequence: 1, to: uri, [bad]))
                let isAnswered = transport.isStream || uri == "sip:example.com"
                #expect(phone.next()?.status == (isAnswered ? 400 : nil), "\(bad) \(uri)")
                let said = edge.router.explain("m").first.map { "\($0)" } ?? ""
                #expect(said.contains(isAnswered ? ", 400" : ", no answer"), "\(said)")
            }
        }
    }

    @Test("a request whose Via cannot be read gets no answer, since there is no telling where to")
    func brokenVia() {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        phone.send(
            wire([
                "OPTIONS sip:example.com SIP/2.0", "From: <sip:a@b>;tag=1", "To: <sip:a@b>",
                "Call-ID: v", "CSeq: 1 OPTIONS", "Via: SIP/2.0/UDP ;branch=z9hG4bK1",
            ]))
        #expect(phone.next() == nil)
    }

    /// An answered call of alice: her side of it, and the Asterisk.
    private func answered(
        _ edge: Edge
    ) throws -> (alice: Phone, asterisk: Asterisk, dialog: Dialog) {
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        return (alice, asterisk, Dialog(caller: sent, try alice.expect(200)))
    }

    @Test("a token with any letter changed leads nowhere")
    func forged() throws {
        let edge = Edge()
        let (alice, asterisk, dialog) = try answered(edge)
        let user = between(dialog.target, "sip:", "@")
        for place in 0..<user.count {
            var letters = Array(user)
            letters[place] = letters[place] == "A" ? "B" : "A"
            var forged = dialog
            forged.target = "sip:\(String(letters))@example.com"
            alice.send(forged.request("BYE", via: alice.via))
            #expect(alice.next()?.status == 481)
        }
        #expect(asterisk.next() == nil)
    }

    @Test("whoever has read a token cannot end the call from another address without the password")
    func stolen() throws {
        let edge = Edge()
        var (_, asterisk, dialog) = try answered(edge)
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060")
        thief.send(dialog.request("BYE", via: thief.via))
        #expect(thief.next()?.status == 407)
        thief.send(dialog.request("ACK", via: thief.via))
        #expect(asterisk.next() == nil)
    }

    @Test("a phone whose address has changed proves who it is, and its call goes on")
    func moved() throws {
        let edge = Edge()
        var (_, asterisk, dialog) = try answered(edge)
        let alice = Phone(edge, "alice", at: "198.51.100.200:1234")
        alice.send(dialog.request("BYE", via: alice.via))
        let challenge = try alice.expect(407)
        let proof = alice.credentials(challenge, "BYE", dialog.target)
        alice.send(dialog.request("BYE", via: alice.via, [proof]))
        #expect(try asterisk.expect("BYE").has("Proxy-Authorization") == false)
    }

    @Test(
        "a token opens no new dialog, and registers nobody",
        arguments: ["INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "REFER", "OPTIONS"])
    func tokenWithoutDialog(_ method: String) throws {
        let edge = Edge()
        let (alice, asterisk, dialog) = try answered(edge)
        try alice.register()
        _ = alice.all()
        alice.send(
            alice.request(
                method, dialog.target, callID: "new", sequence: 1, to: "sip:bob@example.com"))
        #expect(asterisk.all().isEmpty)
        #expect(alice.next()?.status == 481)
    }

    @Test("a REGISTER with a token and a To tag does not pass either")
    func registerInDialog() throws {
        let edge = Edge()
        var (alice, asterisk, dialog) = try answered(edge)
        _ = alice.all()
        alice.send(dialog.request("REGISTER", via: alice.via))
        #expect(asterisk.all().isEmpty)
        #expect((alice.next()?.status ?? 0) >= 400)
    }

    @Test("an Asterisk's token is of no use from outside as a way to a phone")
    func tokenKinds() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        let token = between(invite["Record-Route"], "sip:", "@")
        _ = alice.all()
        alice.send(alice.request("BYE", "sip:\(token)@example.com", callID: "x", sequence: 9))
        #expect(alice.next()?.status == 481)
        #expect(asterisk.next() == nil)
    }

    @Test("a response that nobody waits for goes nowhere, and one from elsewhere is not believed")
    func strayResponse() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        _ = asterisk.all()
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060")
        thief.send(response(to: invite, 200, tag: "t", ["Contact: <sip:t@192.0.2.66>"]))
        #expect(asterisk.next() == nil)
        alice.send(response(to: invite, 486, tag: "t"))
        #expect(asterisk.next()?.status == 486)
    }

    @Test("a phone that authenticates as itself calls as itself, though From names another account")
    func borrowedName() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let uri = "sip:100@example.com"
        alice.send(alice.request("INVITE", uri, callID: "b", sequence: 1))
        let proof = alice.credentials(try alice.expect(407), "INVITE", uri)
        let text = String(
            decoding: alice.request("INVITE", uri, callID: "b", sequence: 2, [proof]),
            as: UTF8.self)
        alice.send(
            Array(text.replacing("From: <sip:alice@", with: "From: <sip:bob@").utf8))
        let invite = try Asterisk(edge).expect("INVITE")
        #expect(invite["From"].hasPrefix("<sip:alice@example.com>;tag="))
        #expect(!"\(invite)".contains("bob"))
    }

    @Test("a REGISTER of Asterisk is refused: it registers nobody here")
    func registerFromInside() {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        asterisk.send(
            wire([
                "REGISTER sip:10.0.0.1 SIP/2.0", "Via: \(asterisk.via)",
                "From: <sip:x@10.0.0.10>;tag=q", "To: <sip:x@10.0.0.1>", "Call-ID: q",
                "CSeq: 1 REGISTER",
            ]))
        #expect(asterisk.next()?.status == 405)
    }
}
