import Messages
import Proxy
import Sys
import Testing

@Suite struct LifetimeTests {
    @Test(
        "a lifetime of digits is a number however many they are, anything else is an hour",
        arguments: [
            ("600", 600), ("000000000000000000000000600", 600), ("4294967296", 7200),
            ("18446744073709551616", 7200), ("99999999999999999999999999", 7200),
            ("\"600\"", 3600), ("\"0\"", 3600), ("-1", 3600), ("3600.0", 3600), ("60s", 3600),
            ("0x10", 3600), ("\"Thu, 01 Dec 2026 16:00:00 GMT\"", 3600),
        ])
    func contact(_ written: String, _ seconds: Int) throws {
        let edge = Edge([.maximumExpires(.seconds(7200))])
        let alice = Phone(edge, "alice")
        let answer = try alice.register(
            expires: 900, contacts: ["<\(alice.contact)>;expires=\(written)"])
        #expect(answer.all("Contact") == ["<\(alice.contact)>;expires=\(seconds)"])
    }

    @Test(
        "so it is in the header field, which may be empty or a date",
        arguments: [
            ("600", 600), ("0000000000000000000000600", 600), ("18446744073709551616", 7200),
            ("", 3600), ("Thu, 01 Dec 2026 16:00:00 GMT", 3600), ("\"0\"", 3600), ("-60", 3600),
            ("3600.0", 3600),
        ])
    func header(_ written: String, _ seconds: Int) throws {
        let edge = Edge([.maximumExpires(.seconds(7200))])
        let alice = Phone(edge, "alice")
        let answer = try alice.register(expires: nil, ["Expires: \(written)"])
        #expect(answer.all("Contact") == ["<\(alice.contact)>;expires=\(seconds)"])
    }

    @Test("a Contact's lifetime without a value is an hour, and without either the longest counts")
    func nothing() throws {
        let edge = Edge([.maximumExpires(.seconds(7200))])
        let alice = Phone(edge, "alice")
        for (contact, seconds) in [(";expires", 3600), (";expires=", 3600), ("", 7200)] {
            let answer = try alice.register(
                expires: nil, contacts: ["<\(alice.contact)>\(contact)"])
            #expect(answer["Contact"].hasSuffix(";expires=\(seconds)"))
        }
    }

    @Test(
        "an hour is cut to what the settings allow, and never too brief",
        arguments: [(60, 600, 600), (7200, 86_400, 7200)] as [(Int64, Int64, Int)])
    func hour(_ shortest: Int64, _ longest: Int64, _ seconds: Int) throws {
        let edge = Edge([
            .minimumExpires(.seconds(shortest)), .maximumExpires(.seconds(longest)),
        ])
        let alice = Phone(edge, "alice")
        let answer = try alice.register(contacts: ["<\(alice.contact)>;expires=soon"])
        #expect(answer.status == 200 && answer["Contact"].hasSuffix(";expires=\(seconds)"))
    }

    @Test(
        "all bindings end by exactly 0, and by nothing that is no number",
        arguments: ["\"0\"", "", "-0", "0.0", "Thu, 01 Dec 1994 16:00:00 GMT", "1"])
    func star(_ written: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let answer = try alice.register(
            expires: nil, contacts: ["*"], ["Expires: \(written)"])
        #expect(answer.status == 400 && edge.kept.count == 1)
        #expect(try alice.register(expires: 0, contacts: ["*"]).status == 200)
        #expect(edge.kept.isEmpty)
    }
}

@Suite struct ContactTests {
    private static let instance = ";+sip.instance=\"<urn:uuid:0c67e339>\";reg-id=1"
    private static let outbound = ["Supported: outbound, path"]

    /// A Contact of so many bytes, as phones that are woken by push have it.
    private func long(_ count: Int, _ host: String = "192.168.1.7") -> String {
        let start = "sip:alice@\(host);pn-prid="
        return start + String(repeating: "p", count: count - start.utf8.count)
    }

    @Test(
        "a phone whose network has changed keeps its new Contact and gives back the old one",
        arguments: [true, false])
    func networkChange(_ isNewFirst: Bool) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let old = "<sip:alice@10.9.8.7:11653;ob>" + Self.instance
        let new = "<sip:alice@192.168.1.7;ob>" + Self.instance
        try alice.register(contacts: [old], Self.outbound)
        let both = [new, old + ";expires=0"]
        let answer = try alice.register(
            contacts: isNewFirst ? both : both.reversed(), Self.outbound)
        #expect(answer.status == 200 && answer.all("Contact").count == 1)
        #expect(answer.contactURI == "sip:alice@192.168.1.7;ob")
        #expect(answer["Require"] == "outbound")
        Asterisk(edge).call("alice")
        #expect(try alice.expect("INVITE").uri == "sip:alice@192.168.1.7;ob")
        #expect(edge.kept.count == 1)
        // Given back alone it is gone.
        let gone = try alice.register(contacts: [new + ";expires=0"], Self.outbound)
        #expect(gone.status == 200 && !gone.has("Contact") && edge.kept.isEmpty)
    }

    @Test(
        "the same Contact bound and given back in one REGISTER is bound", arguments: [true, false])
    func sameURI(_ isBoundFirst: Bool) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let both = ["<\(alice.contact)>", "<\(alice.contact)>;expires=0"]
        for _ in 0..<2 {
            let answer = try alice.register(contacts: isBoundFirst ? both : both.reversed())
            #expect(answer.all("Contact") == ["<\(alice.contact)>;expires=3600"])
        }
        let twice = try alice.register(contacts: [both[1], both[1]])
        #expect(twice.status == 200 && edge.kept.isEmpty)
    }

    @Test("the same Contact bound twice in one REGISTER takes the room of one")
    func twice() throws {
        let edge = Edge([.contacts(1)])
        let alice = Phone(edge, "alice")
        let both = ["<\(alice.contact)>;expires=600", "<\(alice.contact)>;expires=900"]
        for contacts in [both, [both[0], "<\(alice.contact)>;expires=0", both[1]]] {
            let answer = try alice.register(contacts: contacts)
            #expect(answer.all("Contact") == ["<\(alice.contact)>;expires=900"])
            #expect(try alice.register(expires: 0, contacts: ["*"]).status == 200)
        }
    }

    @Test("a Contact that is given back makes room for another one, and one that stays does not")
    func room() throws {
        let edge = Edge([.contacts(1)])
        let alice = Phone(edge, "alice")
        try alice.register(contacts: ["<sip:a@192.0.2.1>"])
        let stays = ["<sip:a@192.0.2.1>;expires=0", "<sip:a@192.0.2.1>", "<sip:a@192.0.2.2>"]
        #expect(try alice.register(contacts: stays).status == 403)
        #expect(try alice.register(contacts: [stays[0], stays[2]]).status == 200)
        #expect(edge.kept.count == 1)
    }

    @Test(
        "a Contact of up to 2,048 bytes is bound, kept and rung",
        arguments: [513, 600, 1024, 1025, 2048])
    func longContact(_ count: Int) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", .tcp, connection: 4)
        let contact = long(count)
        #expect(try alice.register(contacts: ["<\(contact)>"]).contactURI == contact)
        #expect(edge.kept.values.map(\.contact) == [contact])
        let shown = edge.router.phones().contains {
            if case .phone(let row) = $0 { row.contact == contact } else { false }
        }
        #expect(shown)
        edge.restart(standing: [alice.flow])
        Asterisk(edge).call("alice")
        #expect(try alice.expect("INVITE").uri == contact)
    }

    @Test("a longer one is refused, and counts against nobody")
    func tooLong() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", .tcp, connection: 4)
        for _ in 0..<20 {
            #expect(try alice.register(contacts: ["<\(long(2049))>"]).status == 400)
        }
        #expect(edge.banOrders.isEmpty && edge.kept.isEmpty)
    }

    @Test("a Contact at a served domain is reached by the way it came")
    func ownDomain() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let answer = try alice.register(contacts: ["<sip:alice@example.com>"])
        #expect(answer.all("Contact") == ["<sip:alice@example.com>;expires=3600"])
        Asterisk(edge).call("alice")
        #expect(try alice.expect("INVITE").uri == "sip:alice@example.com")
    }

    @Test(
        "a Contact that cannot be bound gets 400, and counts against nobody",
        arguments: [
            "mailto:alice@example.com", "<tel:+4930>", "<sips:alice@192.168.1.7>",
            "<sip:alice@192.168.1.7?Route=x>",
        ])
    func unbindable(_ contact: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", .tcp, connection: 4)
        for _ in 0..<20 {
            #expect(try alice.register(contacts: [contact]).status == 400)
        }
        #expect(edge.banOrders.isEmpty && edge.kept.isEmpty)
        #expect(edge.router.explain(alice.callID).map { "\($0)" }.joined().contains("contact, 400"))
    }

    @Test(
        "Contacts that lead to the edge or to an Asterisk ban their source",
        arguments: ["203.0.113.5", "203.0.113.5:5061", "10.0.0.10", "10.0.0.1"])
    func injected(_ host: String) throws {
        let edge = Edge()
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060", .tcp, connection: 4)
        for _ in 0..<20 { _ = try? thief.register(contacts: ["<sip:alice@\(host)>"]) }
        #expect(edge.banOrders.map(\.reason) == ["contact-injection"])
    }

    @Test(
        "the answer by UDP lists the phone's own Contact first, and others as far as 1,300 bytes go"
    )
    func list() throws {
        let edge = Edge([.contacts(12)])
        let own = "sip:alice@192.0.2.1"
        let alice = Phone(edge, "alice")
        try alice.register(contacts: ["<\(own)>"])
        let desk = Phone(edge, "alice", at: "198.51.100.8:5060", .tcp, connection: 5)
        for number in 1...8 {
            try desk.register(contacts: ["<\(long(300, "192.0.2.1\(number)"))>"])
        }
        for contacts in [["<\(own)>"], []] {
            let answer = try alice.register(contacts: contacts)
            #expect(answer.length <= 1300 && answer.contactURI == own)
            #expect((2...4).contains(answer.all("Contact").count))
            #expect(answer["Date"] != "" && answer["Content-Length"] == "0")
        }
        #expect(try desk.register(contacts: []).all("Contact").count == 9)
        // Its own one stands there however long it is.
        let mobile = Phone(edge, "alice", at: "198.51.100.9:5060")
        let contact = long(1500)
        let answer = try mobile.register(contacts: ["<\(contact)>"])
        #expect(answer.all("Contact").count == 1 && answer.contactURI == contact)
    }
}
