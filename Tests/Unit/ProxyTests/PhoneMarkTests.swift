import Messages
import Proxy
import Sys
import Testing

@Suite struct DatagramKeepAliveTests {
    private static let old: [UInt8] = [0, 1, 0, 0] + Array("ABCDEFGHIJKLMNOP".utf8)

    private static let keepAlives: [[UInt8]] = [
        [UInt8](repeating: 0, count: 8), [UInt8](repeating: 0, count: 64), Array("\r\n\r\n".utf8),
        Array("\r\n\r\n\r\n".utf8), Array("jaK\0".utf8), Array("........".utf8), [],
        [UInt8](repeating: 0xFF, count: 32), old, oldWithAttribute,
    ]
    private static let oldWithAttribute: [UInt8] =
        [0, 1, 0, 8] + old[4...] + [0x80, 0x22, 0, 4, 65, 66, 67, 68]
    private static let others: [[UInt8]] = [
        [UInt8](repeating: 0, count: 65), Array("hello".utf8), [0, 0, 0, 0, 0, 0, 0, 65],
        [0, 1, 0, 9] + old[4...],
    ]

    @Test(
        "datagrams that keep a way open are ignored, neither counted nor recorded",
        arguments: keepAlives)
    func ignored(_ bytes: [UInt8]) throws {
        let edge = Edge([.limit(.malformed, Limit(3, in: .seconds(60)))])
        let alice = Phone(edge, "alice")
        for isRegistered in [false, true] {
            if isRegistered { try alice.register() }
            edge.records = []
            for _ in 0..<30 { alice.send(bytes) }
            #expect(alice.next() == nil && edge.records.isEmpty && edge.banOrders.isEmpty)
        }
        let said = edge.router.explain("198.51.100.7").map { "\($0)" }.joined()
        #expect(!said.contains("malformed"))
        // The office's other phones register as before.
        #expect(try Phone(edge, "bob", at: "198.51.100.7:7000").register().status == 200)
    }

    @Test("what is longer or has a letter is looked at, and recorded", arguments: others)
    func looked(_ bytes: [UInt8]) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(bytes)
        #expect(alice.next() == nil)
        #expect(edge.records.contains { $0.contains("refused a message") })
    }

    @Test("STUN of before its cookie is not answered, also to a registered phone")
    func silent() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.receive(Self.old, alice.flow)
        #expect(alice.next() == nil)
    }
}

@Suite struct ScannerMarkTests {
    private func register(
        _ phone: Phone, _ uri: String = "sip:example.com", agent: String, branch: String? = nil
    ) -> [UInt8] {
        let via = branch.map { phone.via.replacing(/branch=[^;]*/, with: $0) } ?? phone.via
        return wire([
            "REGISTER \(uri) SIP/2.0", "Via: \(via)", "Max-Forwards: 70",
            "From: <sip:alice@example.com>;tag=1", "To: <sip:alice@example.com>",
            "Call-ID: scan", "CSeq: 1 REGISTER", "Contact: <sip:alice@192.168.1.7>",
            "User-Agent: \(agent)", "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE",
            "X-Filling: \(String(repeating: "x", count: 200))",
        ])
    }

    private static let borrowed = [
        "Elite 1.0 Brcm Callctrl/1.5.1.0 MxSF/v3.2.6.26", "VaxSIPUserAgent/3.1", "Conaito SIP",
    ]

    @Test(
        "a phone whose name scanners have borrowed is answered", arguments: borrowed, [true, false])
    func borrowedName(_ agent: String, _ isDatagram: Bool) throws {
        let edge = Edge()
        let phone = Phone(
            edge, "alice", isDatagram ? .udp : .tcp, connection: isDatagram ? 0 : 7)
        for _ in 0..<3 {
            phone.send(register(phone, agent: agent))
            #expect(phone.next()?.status == 401)
        }
        #expect(edge.banOrders.isEmpty)
    }

    @Test(
        "a phone of before RFC 3261, with a user in its REGISTER and no cookie, is answered",
        arguments: [true, false])
    func oldPhone(_ isDatagram: Bool) throws {
        let edge = Edge()
        let phone = Phone(
            edge, "alice", isDatagram ? .udp : .tcp, connection: isDatagram ? 0 : 7)
        for branch in ["x", "branch=1", "branch=z9hG4bKfine"] {
            phone.send(
                register(phone, "sip:alice@example.com", agent: "Old phone", branch: branch))
            #expect(phone.next()?.status == 401)
        }
        #expect(edge.banOrders.isEmpty)
    }

    @Test("a borrowed name with either of those marks is a scanner's", arguments: borrowed)
    func together(_ agent: String) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        phone.send(register(phone, "sip:alice@example.com", agent: agent))
        phone.send(register(phone, agent: agent, branch: "branch=1"))
        #expect(phone.next() == nil)
    }

    @Test(
        "a scanner's own name, its letters in place of a cookie, and its made-up host are not answered",
        arguments: [
            ("friendly-scanner", "branch=z9hG4bKx"), ("sipsak 0.9.8", "branch=z9hG4bKx"),
            ("phone", "branch=" + String(repeating: "a", count: 71)),
        ])
    func scanners(_ agent: String, _ branch: String) throws {
        let phone = Phone(Edge(), "alice")
        phone.send(register(phone, agent: agent, branch: branch))
        #expect(phone.next() == nil)
    }

    @Test("an administrator's sipsak is answered from an address of defence.allow")
    func allowed() throws {
        let network = try #require(Network("198.51.100.0/24"))
        let phone = Phone(Edge([.allow(network)]), "alice")
        phone.send(register(phone, agent: "sipsak 0.9.8"))
        #expect(phone.next()?.status == 401)
        let other = Phone(phone.edge, "alice", at: "192.0.2.1:5060")
        other.send(register(other, agent: "sipsak 0.9.8"))
        #expect(other.next() == nil)
    }
}

@Suite struct NonceCountTests {
    @Test("a phone that begins to count at five, and one that leaves counts out, is let in")
    func first() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "n", sequence: 1))
        let challenge = try alice.expect(401)
        for (sequence, count, status) in [(2, 5, 200), (3, 6, 200), (4, 9, 200), (5, 9, 401)] {
            let proof = alice.credentials(
                challenge, "REGISTER", "sip:example.com", count: count)
            alice.send(
                alice.request(
                    "REGISTER", "sip:example.com", callID: "n", sequence: sequence, [proof]))
            #expect(alice.next()?.status == status)
        }
    }
}
