import Messages
import Proxy
import Sys
import Testing

@Suite("Access lists") struct AccessTests {
    private static func rule(_ permits: Bool, _ text: String, _ target: AccessTarget = .source)
        -> AccessRule
    {
        guard let network = Network(text) else { preconditionFailure(text) }
        return AccessRule(permits, network, target)
    }

    private static let office = AccessList([
        rule(false, "0.0.0.0/0"), rule(false, "::/0"), rule(true, "198.51.100.0/24"),
        rule(true, "2001:db8:1::/48"),
    ])

    @Test(
        "an account is registered from where its list lets it",
        arguments: ["198.51.100.7:5060", "[2001:db8:1::7]:5060"])
    func permitted(source: String) throws {
        let edge = Edge()
        edge.access["alice"] = Self.office
        #expect(try Phone(edge, "alice", at: source).register().status == 200)
    }

    @Test(
        "from elsewhere the right password is as good as a wrong one, for calls too",
        arguments: ["192.0.2.7:5060", "[2001:db8:2::7]:5060"])
    func denied(source: String) throws {
        let edge = Edge()
        edge.access["alice"] = Self.office
        let alice = Phone(edge, "alice", at: source)
        #expect(try alice.register().status == 401)
        try alice.ask("INVITE", "sip:100@example.com")
        #expect(alice.next()?.status == 407)
        #expect(edge.kept.isEmpty && Asterisk(edge).next() == nil)
        let said = edge.router.explain("call-1").map { "\($0)" }.joined()
        #expect(said.contains("acl, 407"))
    }

    @Test("a list that changes holds from the next request on")
    func changed() throws {
        let edge = Edge()
        edge.access["alice"] = Self.office
        let alice = Phone(edge, "alice", at: "192.0.2.7:5060")
        #expect(try alice.register().status == 401)
        edge.access["alice"] = nil
        edge.update("alice")
        #expect(try alice.register().status == 200)
        edge.access["alice"] = Self.office
        edge.update("alice")
        #expect(try alice.register().status == 401)
    }

    @Test("a Contact that its list denies is refused, by name as well, and nothing is bound")
    func contacts() throws {
        let edge = Edge()
        edge.access["alice"] = AccessList([
            Self.rule(false, "0.0.0.0/0", .contact), Self.rule(true, "192.168.0.0/16", .contact),
        ])
        let alice = Phone(edge, "alice", at: "192.0.2.7:5060")
        for contact in ["<sip:a@10.0.0.9>", "<sip:a@phone.example>", "<sip:a@[::ffff:10.0.0.9]>"] {
            #expect(try alice.register(contacts: [contact]).status == 403, "\(contact)")
        }
        #expect(edge.kept.isEmpty)
        #expect(try alice.register(contacts: ["<sip:a@192.168.7.7>"]).status == 200)
    }

    @Test("a Contact that is the edge itself is refused, by IPv6 as well")
    func ownContact() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        #expect(try alice.register(contacts: ["<sip:a@203.0.113.5>"]).status == 400)
        #expect(try alice.register(contacts: ["<sip:a@[::ffff:203.0.113.5]>"]).status == 400)
    }

    @Test("the longest names and lists are kept whole")
    func longest() throws {
        let edge = Edge()
        let rules = (0..<AccessList.most).map { number in
            Self.rule(true, "2001:db8:\(number)::/48")
        }
        let name = String(repeating: "n", count: 64)
        edge.passwords[name] = "x"
        edge.access[name] = AccessList([Self.rule(false, "::/0")] + rules.dropFirst())
        let phone = Phone(edge, name, at: "[2001:db8:17::1]:5060")
        #expect(try phone.register().status == 200)
        #expect(edge.kept.values.first?.account == name)
        #expect(try Phone(edge, name, at: "[2001:db8:99::1]:5060").register().status == 401)
    }
}
