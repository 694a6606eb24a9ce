import Messages
import Proxy
import Registrar
import SIP
import Sys
import Testing

@Suite struct OutboundTests {
    private static let instance = "+sip.instance=\"<urn:uuid:0001>\""

    private func contact(_ phone: Phone, _ flow: Int = 1) -> String {
        "<\(phone.contact);ob>;reg-id=\(flow);\(Self.instance)"
    }

    @Test(
        "a phone that can do outbound is told that it is used, and how often to ping",
        arguments: [(Transport.udp, "25"), (.tcp, "120"), (.tls, "120")])
    func used(_ transport: Transport, _ timer: String) throws {
        let edge = Edge()
        let alice = Phone(
            edge, "alice", at: "198.51.100.7:40000", transport,
            connection: transport.isStream ? 5 : 0)
        let answer = try alice.register(contacts: [contact(alice)], ["Supported: path, outbound"])
        #expect(answer.status == 200)
        #expect(answer.all("Require") == ["outbound"] && answer["Flow-Timer"] == timer)
        #expect(answer["Contact"].hasSuffix(";expires=3600;\(Self.instance);reg-id=1"))
    }

    @Test("a phone that does not say it can do outbound is registered as any other")
    func unused() throws {
        let alice = Phone(Edge(), "alice")
        let answer = try alice.register(contacts: [contact(alice)])
        #expect(answer.status == 200)
        #expect(!answer.has("Require") && !answer.has("Flow-Timer"))
        #expect(answer["Contact"] == "<\(alice.contact);ob>;expires=3600")
    }

    @Test("a new flow of the same instance and reg-id takes the place of the old one")
    func replaces() throws {
        let edge = Edge()
        let old = Phone(edge, "alice", at: "198.51.100.7:40000", .tcp, connection: 5)
        try old.register(contacts: [contact(old)], ["Supported: outbound"])
        let new = Phone(edge, "alice", at: "198.51.100.7:41000", .tcp, connection: 6)
        let answer = try new.register(contacts: [contact(new)], ["Supported: outbound"])
        #expect(answer.all("Contact").count == 1)
        Asterisk(edge).call("alice")
        #expect(try new.expect("INVITE").method == "INVITE")
        #expect(old.next() == nil)
    }

    @Test("of two flows of one phone the later rings, and the other when that has closed")
    func twoFlows() throws {
        let edge = Edge()
        let one = Phone(edge, "alice", at: "198.51.100.7:40000", .tcp, connection: 5)
        let two = Phone(edge, "alice", at: "198.51.100.7:41000", .tcp, connection: 6)
        try one.register(contacts: [contact(one, 1)], ["Supported: outbound"])
        edge.advance(.seconds(1))
        let answer = try two.register(contacts: [contact(two, 2)], ["Supported: outbound"])
        #expect(answer.all("Contact").count == 2)
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        #expect(try two.expect("INVITE").method == "INVITE")
        #expect(one.next() == nil)
        edge.router.closed(two.flow)
        asterisk.call("alice", callID: "c2@10.0.0.10")
        #expect(try one.expect("INVITE").method == "INVITE")
    }

    @Test(
        "a call that fails by one flow of a phone is sent by the other",
        arguments: ["closed", "silent", "430"])
    func flowFails(_ how: String) throws {
        let edge = Edge()
        let one = Phone(edge, "alice", at: "198.51.100.7:40000", .tcp, connection: 5)
        let two = Phone(edge, "alice", at: "198.51.100.7:41000", .tcp, connection: 6)
        try one.register(contacts: [contact(one, 1)], ["Supported: outbound"])
        edge.advance(.seconds(1))
        try two.register(contacts: [contact(two, 2)], ["Supported: outbound"])
        edge.advance(.seconds(10))
        let before = edge.router.load
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try two.expect("INVITE")
        #expect(one.next() == nil)
        switch how {
        case "closed":
            edge.router.closed(two.flow)
            edge.advance(Milliseconds(20))
        case "silent": edge.advance(.seconds(33))
        default: two.send(response(to: invite, 430, tag: "t"))
        }
        one.send(response(to: try one.expect("INVITE"), 486, tag: "t"))
        #expect(asterisk.all().map(\.status) == [100, 486])
        edge.advance(.seconds(70))
        #expect(edge.router.load.clients == before.clients && edge.router.load.exchanges == 0)
        #expect(edge.router.load.freeBlocks == before.freeBlocks)
    }

    @Test("flows that all stay silent are tried once each")
    func allSilent() throws {
        let edge = Edge()
        let flows = (0..<3).map { Phone(edge, "alice", at: "198.51.100.7:\(41000 + $0)") }
        for (number, flow) in flows.enumerated() {
            let answer = try flow.register(
                contacts: [contact(flow, number + 1)], ["Supported: outbound"])
            #expect(answer.all("Contact").count == number + 1)
        }
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        edge.advance(.seconds(100))
        for flow in flows {
            #expect(Set(flow.all().filter(\.isRequest).map(\.branch)).count == 1)
        }
        #expect(try asterisk.expect(408).status == 408)
    }

    @Test("a call whose only phone loses its connection fails with 430 at once")
    func connectionLost() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:40000", .tls, connection: 5)
        try alice.register()
        let before = edge.router.load
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        alice.send(response(to: try alice.expect("INVITE"), 180, tag: "t"))
        edge.router.closed(alice.flow)
        edge.advance(Milliseconds(20))
        #expect(asterisk.all().map(\.status) == [100, 180, 430])
        edge.advance(.seconds(70))
        #expect(edge.router.load.clients == before.clients && edge.router.load.exchanges == 0)
    }

    @Test(
        "what RFC 5626 section 6 forbids is refused and changes nothing",
        arguments: [
            (
                [
                    "<sip:a@192.0.2.1>;reg-id=1;+sip.instance=\"<urn:x>\"",
                    "<sip:a@192.0.2.1>;reg-id=2;+sip.instance=\"<urn:x>\"",
                ], 400
            ),
            (["<sip:a@192.0.2.1>;reg-id=0;+sip.instance=\"<urn:x>\""], 400),
            (["<sip:a@192.0.2.1>;reg-id=one;+sip.instance=\"<urn:x>\""], 400),
            (["<sip:a@192.0.2.1>;reg-id=1;+sip.instance=\"<urn:\r\n x>\""], 400),
            (["<sips:a@192.0.2.1>"], 400),
        ])
    func refused(_ contacts: [String], _ status: Int) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let answer = try alice.register(contacts: contacts, ["Supported: outbound"])
        #expect(answer.status == status)
        #expect(edge.kept.isEmpty)
    }

    @Test("outbound through another proxy is refused with 439: its flow is not the phone's")
    func notFirstHop() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let through = ["Supported: outbound", "Via: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKx"]
        #expect(try alice.register(contacts: [contact(alice)], through).status == 439)
        #expect(edge.kept.isEmpty)
    }

    @Test("what a proxy before the phone says in Path is not needed: the flow leads through it")
    func path() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let answer = try alice.register(
            contacts: nil, ["Path: <sip:p@192.0.2.9;lr>", "Supported: path"])
        #expect(answer.status == 200 && !answer.has("Path"))
        Asterisk(edge).call("alice")
        #expect(try alice.expect("INVITE").has("Route") == false)
        alice.send(plain(alice, "REGISTER", "sip:example.com", ["Require: path"]))
        #expect(try alice.expect(420)["Unsupported"] == "path")
    }

    @Test("sips over a transport in clear is refused with 416")
    func sips() {
        let alice = Phone(Edge(), "alice")
        alice.send(plain(alice, "INVITE", "sips:100@example.com"))
        #expect(alice.next()?.status == 416)
        let secure = Phone(alice.edge, "alice", at: "198.51.100.7:5061", .tls, connection: 3)
        secure.send(plain(secure, "INVITE", "sips:100@example.com"))
        #expect(secure.next()?.status == 407)
    }

    @Test("a 503 of ours says when to come again")
    func retryAfter() throws {
        let edge = Edge()
        edge.helpful = []
        edge.advance(.seconds(10))
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:100@example.com")
        #expect(try alice.expect(503)["Retry-After"] == "30")
    }
}

extension Edge {
    /// What goes out for a datagram, which need not be SIP.
    func answers(_ bytes: [UInt8], _ flow: Flow) -> [[UInt8]] {
        router.receive(bytes.span, flow, now)
        var sent: [[UInt8]] = []
        for index in 0..<router.outbox.count { sent.append(Array(router.outbox.message(index))) }
        router.outbox.removeAll()
        return sent
    }
}

@Suite struct STUNTests {
    private static let request: [UInt8] =
        [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42] + Array(1...12)

    @Test("a registered phone hears where it is seen; nobody else hears anything")
    func binding() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
        try alice.register()
        // 198.51.100.7:40000, each byte XORed with the cookie.
        var expected: [UInt8] = [1, 1, 0, 12]
        expected += Self.request[4...]
        expected += bytes(hex: "002000080001bd52e721c045")
        #expect(edge.answers(Self.request, alice.flow) == [expected])
        let other = Phone(edge, "alice", at: "198.51.100.7:40001")
        #expect(edge.answers(Self.request, other.flow).isEmpty)
        try alice.register(expires: 0)
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
    }

    @Test("two accounts behind one address: it is answered until the last is gone")
    func shared() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let bob = Phone(edge, "bob")
        try alice.register()
        try bob.register()
        try alice.register(expires: 0)
        #expect(edge.answers(Self.request, alice.flow).count == 1)
        edge.advance(.seconds(3601))
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
    }

    @Test(
        "what is not a whole Binding Request is met with silence",
        arguments: [
            "000100042112a442", "001100002112a442", "010100002112a442", "0001000001010101",
            "000100082112a442 0006000401020304", "000100082112a442 8022000801020304",
            "000100022112a442 8022",
        ])
    func malformed(_ text: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let parts = text.split(separator: " ").map { bytes(hex: String($0)) }
        let identity = [UInt8](1...12)
        let datagram = parts[0] + identity + (parts.count > 1 ? parts[1] : [])
        #expect(edge.answers(datagram, alice.flow).isEmpty)
        #expect(edge.answers(Array(Self.request.prefix(19)), alice.flow).isEmpty)
        let polite = bytes(hex: "000100082112a442") + identity + bytes(hex: "8022000301020300")
        #expect(edge.answers(polite, alice.flow).count == 1)
    }
}

@Suite struct IPv6Tests {
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
