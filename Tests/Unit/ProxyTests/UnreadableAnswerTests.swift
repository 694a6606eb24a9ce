import Messages
import Proxy
import SIP
import Sys
import Testing

/// Answers to the edge's own requests.
@Suite struct UnreadableAnswerTests {
    /// A call from inside that rings at alice's phone.
    private func ringing(
        _ transport: Transport = .udp
    ) throws -> (edge: Edge, alice: Phone, asterisk: Asterisk, invite: Message, sent: Message) {
        let edge = Edge()
        let alice = Phone(edge, "alice", transport, connection: transport.isStream ? 9 : 0)
        try alice.register()
        let asterisk = Asterisk(edge)
        let sent = asterisk.call("alice")
        _ = try asterisk.expect(100)
        return (edge, alice, asterisk, try alice.expect("INVITE"), sent)
    }

    private static let session = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"

    private func answer(
        _ invite: Message, _ phone: Phone, _ changes: [(from: String, to: String)] = [],
        _ extra: [String] = [], status: Int = 200
    ) -> [UInt8] {
        let lines = ["Contact: <\(phone.contact)>", "Content-Type: application/sdp"] + extra
        let bytes = response(to: invite, status, reason: "OK", tag: "z1", lines, body: Self.session)
        return changed(bytes, changes)
    }

    @Test("a phone's answer without a phrase, or with an idle field twice, is the answer")
    func liberal() throws {
        let doubled = ["Server: a", "Server: b", "Date: x", "Date: x", "Date: y", "Subject: s"]
        for (changes, extra) in [([(from: "200 OK", to: "200")], []), ([], doubled)] {
            let (_, alice, asterisk, invite, _) = try ringing()
            alice.send(answer(invite, alice, changes, extra))
            let result = try asterisk.expect(200)
            #expect(result.start.hasPrefix("SIP/2.0 200 ") && result.body == Self.session)
            #expect(!result.has("Server") && !result.has("Date"))
            #expect(result["Subject"] == (extra.isEmpty ? "" : "s"))
        }
    }

    /// Ways to write an answer that cannot be read.
    static let unreadable: [(from: String, to: String)] = [
        (";tag=z1", ";tag=z\"1"), (";tag=z1", ";tag=z1;tag=z2"), ("application/sdp", "x/"),
        ("Call-ID: ", "Call-Id : a b "), ("From: ", "From: a\"b "), ("Contact: <", "Contact: "),
        ("Content-Length: 37", "Content-Length: 500"), ("Content-Length: 37", "X: a\u{1}b"),
        ("From: ", "X-From: "), ("200 OK", "200 O\u{1}K"), ("200 OK", "200\tOK"),
        ("From: ", "X: a\nFrom: "), ("Call-ID: ", "X: a\rb\r\nCall-ID: "),
        ("Content-Type:", "Min-SE: 90\r\nMin-SE: 90\r\nContent-Type:"),
    ]

    @Test(
        "a 200 that cannot be read is a 500 to the caller, and the phone's call is acknowledged and ended",
        arguments: unreadable, [Transport.udp, .tcp])
    func phone(_ change: (from: String, to: String), _ transport: Transport) throws {
        let (edge, alice, asterisk, invite, _) = try ringing(transport)
        edge.repeatsUnreadable = true
        let before = edge.router.load
        let bytes = answer(invite, alice, [change])
        alice.send(bytes)
        #expect(try asterisk.expect(500).status == 500)
        let ack = try alice.expect("ACK")
        #expect(ack.sequence == invite.sequence && ack["Call-ID"] == invite["Call-ID"])
        #expect(ack["From"] == invite["From"] && ack.branch != invite.branch)
        let bye = try alice.expect("BYE")
        #expect(bye.sequence == invite.sequence + 1 && bye["To"] == ack["To"])
        #expect(ack.uri == bye.uri && bye.uri == alice.contact)
        // The phone has lost the ACK.
        alice.send(bytes)
        #expect(try alice.expect("ACK")["To"] == ack["To"])
        #expect(throws: Missing.self) { try alice.expect("BYE") }
        alice.send(response(to: bye, 200))
        #expect(throws: Missing.self) { try asterisk.expect(200) }
        edge.advance(.seconds(70))
        #expect(
            edge.router.load.transactions <= before.transactions && edge.router.load.contexts == 0)
        #expect(edge.router.load.calls == 0)
    }

    @Test("an Asterisk's 200 that cannot be read is a 500 to the phone, and ended at the Asterisk")
    func asterisk() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200, ["Session-Expires: x"])
        #expect(try alice.expect(500).status == 500)
        #expect(try asterisk.expect("ACK").uri == asterisk.contact)
        let bye = try asterisk.expect("BYE")
        #expect(bye["To"] == "\(invite["To"]);tag=as1" && bye["From"] == invite["From"])
        #expect(edge.router.load.calls == 0)
    }

    @Test("a trunk's 200 that cannot be read is ended by the way its proxies want")
    func trunk() throws {
        let trunk = try TrunkEdge()
        try trunk.callOut()
        let invite = try trunk.carrier.expect("INVITE")
        let routes = ["Record-Route: <sip:p2;lr>, <sip:p1;lr>", "Min-SE: x"]
        trunk.carrier.answer(invite, 200, routes)
        #expect(try trunk.asterisk.expect(500).status == 500)
        for method in ["ACK", "BYE"] {
            let request = try trunk.carrier.expect(method)
            #expect(request["Route"] == "<sip:p1;lr>, <sip:p2;lr>")
            #expect(request.uri == trunk.carrier.contact)
        }
    }

    @Test("a failure that cannot be read is acknowledged, and is a 500 to the caller")
    func failure() throws {
        let (edge, alice, asterisk, invite, _) = try ringing()
        edge.repeatsUnreadable = true
        alice.send(answer(invite, alice, [(";tag=z1", ";tag=z\"1")], status: 486))
        let ack = try alice.expect("ACK")
        #expect(ack.branch == invite.branch && ack["To"].hasSuffix(";tag=z\"1"))
        #expect(try asterisk.expect(500).status == 500)
        #expect(throws: Missing.self) { try alice.expect("BYE") }
    }

    @Test("a ringing that cannot be read is not passed on, and the call goes on ringing")
    func provisional() throws {
        let (edge, alice, asterisk, invite, _) = try ringing()
        alice.send(answer(invite, alice, [(";tag=z1", ";tag=z\"1")], status: 180))
        #expect(asterisk.next() == nil)
        edge.advance(.seconds(40))
        #expect(throws: Missing.self) { try alice.expect("INVITE") }
        alice.send(answer(invite, alice))
        #expect(try asterisk.expect(200).body == Self.session)
    }

    @Test("another phone's good answer is the answer, after one that could not be read")
    func fork() throws {
        let edge = Edge()
        let desk = Phone(edge, "alice")
        let cell = Phone(edge, "alice", at: "198.51.100.99:6000")
        try desk.register()
        try cell.register(contacts: ["<sip:alice@10.9.9.9:6000>"])
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let (one, other) = (try desk.expect("INVITE"), try cell.expect("INVITE"))
        let bad = answer(one, desk, [("application/sdp", "x/")])
        desk.send(bad)
        _ = try desk.expect("BYE")
        desk.send(bad)
        #expect(asterisk.all().map(\.status) == [100])
        cell.send(answer(other, cell))
        #expect(try asterisk.expect(200).toTag == "z1")
    }

    @Test("inside a dialog an answer that cannot be read leaves the call as it was")
    func dialog() throws {
        let (edge, alice, asterisk, invite, sent) = try ringing()
        alice.send(answer(invite, alice))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        asterisk.send(dialog.request("ACK", via: asterisk.via))
        asterisk.send(
            dialog.request("INVITE", via: asterisk.via, ["Contact: <\(asterisk.contact)>"]))
        let again = try alice.expect("INVITE")
        alice.send(answer(again, alice, [("application/sdp", "x/")]))
        #expect(try asterisk.expect(500).status == 500)
        #expect(try alice.expect("ACK").sequence == again.sequence)
        #expect(throws: Missing.self) { try alice.expect("BYE") }
        #expect(edge.router.load.calls == 1)
    }

    @Test("an answer to no request of ours is dropped, and counts as malformed")
    func stranger() throws {
        let (_, alice, asterisk, invite, _) = try ringing()
        let forged = (from: invite.branch, to: "z9hG4bK000000010123456789abcdef")
        alice.send(answer(invite, alice, [forged, (";tag=z1", ";tag=z\"1")]))
        #expect(asterisk.next() == nil && alice.next() == nil)
    }
}
