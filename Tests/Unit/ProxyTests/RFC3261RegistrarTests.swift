import Messages
import Proxy
import SIP
import SIPWriting
import Sys
import Testing

@Suite("RFC 3261 section 10.3: the registrar") struct RFC3261RegistrarTests {
    /// alice with two bindings of the same Call-ID.
    private func two(_ settings: [RouterSetting] = []) throws -> (edge: Edge, alice: Phone) {
        let edge = Edge(settings)
        let alice = Phone(edge, "alice")
        alice.sequence = 10
        let contacts = ["<sip:a@192.0.2.1>", "<sip:a@192.0.2.2>"]
        #expect(try alice.register(contacts: contacts).status == 200)
        return (edge, alice)
    }

    @Test(
        "a REGISTER with one wrong Contact changes nothing at all",
        arguments: [
            (["<sip:a@192.0.2.3>", "<sip:a@192.0.2.1>;expires=5"], 423),
            (["<sip:a@192.0.2.1>;expires=0", "<mailto:a@192.0.2.1>"], 400),
            (["<sip:a@192.0.2.1>;expires=0", "<sip:a@192.0.2.3>;expires=x", "x"], 400),
            (["<sip:a@192.0.2.1>;expires=0", "<sip:a@192.0.2.3?Route=x>"], 400),
            (["<sip:a@192.0.2.3>", "*"], 400), (["*", "<sip:a@192.0.2.3>"], 400),
            (["<sip:a@192.0.2.3>, <sip:a@192.0.2.4>"], 403),
        ])
    func allOrNothing(_ contacts: [String], _ status: Int) throws {
        let (edge, alice) = try two([.contacts(3)])
        let before = edge.kept.mapValues(\.expires)
        edge.advance(.seconds(1))
        #expect(try alice.register(contacts: contacts).status == status)
        #expect(edge.kept.mapValues(\.expires) == before)
    }

    @Test("Contact * needs Expires 0 and nothing else, and an older one is refused")
    func star() throws {
        let (edge, alice) = try two()
        #expect(try alice.register(expires: nil, contacts: ["*"]).status == 400)
        #expect(try alice.register(expires: 0, contacts: ["*", "*"]).status == 400)
        alice.sequence = 2
        #expect(try alice.register(expires: 0, contacts: ["*"]).status == 500)
        #expect(edge.kept.count == 2)
    }

    @Test("an older REGISTER is refused for one binding it touches, and adds none")
    func outOfOrder() throws {
        let (edge, alice) = try two()
        alice.sequence = 2
        let contacts = ["<sip:a@192.0.2.3>", "<sip:a@192.0.2.1>"]
        #expect(try alice.register(contacts: contacts).status == 500)
        #expect(edge.kept.count == 2)
        // Another Call-ID is another phone, or the same one started anew: no order holds between them.
        alice.callID = "anew"
        alice.sequence = 1
        #expect(try alice.register(contacts: contacts).all("Contact").count == 3)
    }

    @Test("one Contact is ended by its own expires, and the answer lists the others")
    func one() throws {
        let (edge, alice) = try two()
        let answer = try alice.register(contacts: ["<sip:a@192.0.2.1>;expires=0"])
        #expect(answer.all("Contact") == ["<sip:a@192.0.2.2>;expires=3600"])
        #expect(edge.kept.count == 1)
    }

    @Test("scheme and host of a Contact are the same in any case, its user is not")
    func equality() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register(contacts: ["<sip:A@Phone.Example.NET>"])
        let answer = try alice.register(contacts: ["<SIP:A@phone.example.net>"])
        #expect(answer.all("Contact").count == 1)
        #expect(
            try alice.register(contacts: ["<sip:a@phone.example.net>"]).all("Contact").count == 2)
    }

    @Test("an address-of-record of another domain, or of another account, is refused")
    func authorised() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(plain(alice, "REGISTER", "sip:example.com", to: "sip:alice@elsewhere.example"))
        #expect(alice.next()?.status == 404)
        alice.send(plain(alice, "REGISTER", "sip:example.com", to: "sip:bob@example.com"))
        let proof = alice.credentials(try alice.expect(401), "REGISTER", "sip:example.com")
        alice.send(
            plain(
                alice, "REGISTER", "sip:example.com", to: "sip:bob@example.com",
                [proof, "Contact: <\(alice.contact)>"]))
        #expect(alice.next()?.status == 403)
        #expect(edge.kept.isEmpty)
    }

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
        #expect([UInt8](copying: writer.buffer.span) == Array("Date: \(expected)\r\n".utf8))
    }
}
