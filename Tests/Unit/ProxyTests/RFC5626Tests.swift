import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 5626: outbound") struct RFC5626Tests {
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
        #expect(
            edge.router.load.transactions == before.transactions && edge.router.load.contexts == 0)
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
        #expect(
            edge.router.load.transactions == before.transactions && edge.router.load.contexts == 0)
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
}
