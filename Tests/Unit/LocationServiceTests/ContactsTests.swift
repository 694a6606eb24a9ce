import BenchHarness
import LocationService
import Messages
import Sys
import Testing

/// What a REGISTER may say of Contacts, and what its answer lists.
@Suite struct ContactsTests {
    private let flow = Flow(.udp, listener: 0, peer: address("198.51.100.7:40000"))

    @Test("the answer lists the bindings with what is left of them, and the date")
    func answer() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.7>", "Expires: 600"])
        #expect(bench.contacts == ["<sip:alice@192.168.1.7>;expires=600"])
        #expect(bench.answer.contains { $0.hasPrefix("Date: ") })
        bench.advance(.seconds(100))
        let fetch = bench.register(alice, flow, [], sequence: 2)
        #expect(fetch.refusal == nil && fetch.change == nil)
        #expect(bench.contacts == ["<sip:alice@192.168.1.7>;expires=500"])
    }

    @Test(
        "a lifetime is that of the Contact, of Expires or the longest, within its bounds",
        arguments: [
            ([";expires=120"], 120), ([";expires=120", "Expires: 300"], 120),
            (["", "Expires: 300"], 300),
            ([""], 3600), ([";expires=86400"], 3600), (["", "Expires: soon"], 3600),
        ])
    func lifetime(_ parts: [String], _ seconds: Int) {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(
            alice, flow, ["Contact: <sip:alice@192.168.1.7>\(parts[0])"] + parts.dropFirst())
        #expect(bench.contacts == ["<sip:alice@192.168.1.7>;expires=\(seconds)"])
    }

    @Test(
        "what cannot be bound is refused, and nothing is changed",
        arguments: [
            (["Contact: <sip:alice@192.168.1.8>;expires=59"], Refusal.intervalTooBrief),
            (["Contact: <sip:alice@203.0.113.5>"], .ownContact),
            (["Contact: <sip:alice@203.0.113.5:5061>"], .ownContact),
            (["Contact: <sip:alice@10.0.0.10>"], .ownContact),
            (["Contact: <sips:alice@192.168.1.8>"], .contact),
            (["Contact: <tel:+43123>"], .contact),
            (["Contact: *", "Expires: 60"], .contact),
            (["Contact: *", "Contact: <sip:alice@192.168.1.8>", "Expires: 0"], .contact),
            (["Contact: <sip:alice@192.168.1.8>", "Contact: *", "Expires: 0"], .contact),
            ((1...11).map { "Contact: <sip:alice@192.168.1.\($0)>" }, .contact),
        ])
    func refused(_ lines: [String], _ refusal: Refusal) {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.7>"])
        #expect(bench.register(alice, flow, lines, sequence: 2).refusal == refusal)
        #expect(bench.count == 1 && bench.stored.count == 1)
    }

    @Test("Contact * with Expires 0 ends every binding")
    func wildcard() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(
            alice, flow, ["Contact: <sip:alice@192.168.1.7>, <sip:alice@192.168.1.8>"])
        #expect(bench.count == 2 && bench.timers == 2)
        let outcome = bench.register(alice, flow, ["Contact: *", "Expires: 0"], sequence: 2)
        #expect(outcome.change?.isRegistered == false && outcome.change?.residence == nil)
        #expect(bench.count == 0 && bench.timers == 0 && bench.stored.isEmpty)
        #expect(bench.contacts.isEmpty)
    }

    @Test("two writings of one host are one binding")
    func comparable() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, ["Contact: <sip:alice@Phone.Example>"])
        bench.register(alice, flow, ["Contact: <SIP:alice@phone.example.>"], sequence: 2)
        #expect(bench.count == 1)
        bench.register(alice, flow, ["Contact: <sip:ALICE@phone.example>"], sequence: 3)
        #expect(bench.count == 2)
    }

    @Test("a 200 by UDP that lists many bindings has the phone's own, and stays in one piece")
    func long() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        let other = Flow(.udp, listener: 0, peer: address("198.51.100.8:40000"))
        let user = String(repeating: "x", count: 400)
        for number in 1...6 {
            bench.register(alice, other, ["Contact: <sip:\(user)@192.168.1.\(number)>"])
        }
        bench.register(alice, flow, ["Contact: <sip:\(user)@192.168.1.7>"])
        #expect(bench.contacts.count < 7)
        #expect(bench.contacts.first?.contains("@192.168.1.7>") == true)
        let length = bench.answer.map { $0.utf8.count + 2 }.reduce(0, +)
        #expect(length <= 1300)
    }

    @Test("an account that phones may not register is refused")
    func mayNotRegister() {
        let bench = LocationBench()
        let alice = bench.account("alice", mayRegister: false)
        let outcome = bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.7>"])
        #expect(outcome.refusal == .mayNotRegister && bench.count == 0)
    }

    @Test(
        "where an account's lists say something of Contacts, a host has to be an address they let in",
        arguments: [
            ("192.168.1.7", nil), ("192.168.2.7", Refusal.contactAccess),
            ("phone.example", .contactAccess),
        ])
    func access(_ host: String, _ refusal: Refusal?) {
        let bench = LocationBench()
        let everywhere = Network(IPAddress(v4: 0), prefix: 0)
        let home = Network(address("192.168.1.0:1").ip, prefix: 24)
        let access = AccessList([
            AccessRule(false, everywhere, .contact), AccessRule(true, home, .contact),
        ])
        let alice = bench.account("alice", access: access)
        let outcome = bench.register(alice, flow, ["Contact: <sip:alice@\(host)>"])
        #expect(outcome.refusal == refusal)
    }

    @Test("a phone that can do outbound is told that it is used, and how often to ping")
    func outbound() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        let contact = "Contact: <sip:alice@192.168.1.7>;+sip.instance=\"<urn:uuid:1>\";reg-id=1"
        bench.register(alice, flow, [contact, "Supported: path, outbound"])
        #expect(bench.answer.contains("Require: outbound"))
        #expect(bench.answer.contains("Flow-Timer: 25"))
        #expect(bench.contacts.first?.hasSuffix(";+sip.instance=\"<urn:uuid:1>\";reg-id=1") == true)
        bench.register(alice, flow, [contact], sequence: 2)
        #expect(!bench.answer.contains("Require: outbound"))
    }

    @Test("outbound is refused behind another proxy, and for two flows at once")
    func noOutbound() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        func contact(_ flow: Int) -> String {
            "Contact: <sip:alice@192.168.1.7>;+sip.instance=\"<urn:uuid:1>\";reg-id=\(flow)"
        }
        let behind = bench.register(
            alice, flow, [contact(1), "Supported: outbound"], via: ["192.0.2.1", "198.51.100.7"])
        #expect(behind.refusal == .notFirstHop)
        let two = bench.register(alice, flow, [contact(1), contact(2), "Supported: outbound"])
        #expect(two.refusal == .contact && bench.count == 0)
    }
}
