import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite struct ForkingStandardsTests {
    /// Two phones of alice and an Asterisk.
    private func two() throws -> (desk: Phone, cell: Phone, asterisk: Asterisk) {
        let edge = Edge()
        let desk = Phone(edge, "alice")
        let cell = Phone(edge, "alice", at: "198.51.100.99:6000")
        try desk.register()
        try cell.register(contacts: ["<sip:alice@10.9.9.9:6000>"])
        return (desk, cell, Asterisk(edge))
    }

    private func cancel(_ sent: Message, _ extra: [String]) -> [UInt8] {
        wire(
            ["CANCEL \(sent.uri) SIP/2.0", "Via: \(sent["Via"])"]
                + ["From", "To", "Call-ID"].map { "\($0): \(sent[$0])" }
                + ["CSeq: \(sent.sequence) CANCEL"] + extra)
    }

    @Test(
        "the phones that were too late hear why they are cancelled",
        arguments: [
            (200, "SIP;cause=200;text=\"Call completed elsewhere\""),
            (603, "SIP;cause=600;text=\"Busy Everywhere\""),
        ])
    func reason(_ status: Int, _ expected: String) throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        cell.send(response(to: try cell.expect("INVITE"), 180, tag: "c"))
        let contact = ["Contact: <\(desk.contact)>"]
        desk.send(response(to: try desk.expect("INVITE"), status, tag: "d", contact))
        #expect(try cell.expect("CANCEL").all("Reason") == [expected])
        // A CANCEL that was lost is the same when it is sent again.
        desk.edge.advance(Milliseconds(600))
        #expect(try cell.expect("CANCEL").all("Reason") == [expected])
    }

    @Test(
        "the reasons of Asterisk's CANCEL reach the phones, without inside addresses",
        arguments: [
            ([], []), (["Reason: Q.850;cause=16"], ["Q.850;cause=16"]),
            (
                ["Reason: SIP;cause=200", "Reason: Q.850;cause=26;text=\"by 10.0.0.10\""],
                ["SIP;cause=200, Q.850;cause=26;text=\"by example.com\""]
            ),
        ])
    func carried(_ lines: [String], _ expected: [String]) throws {
        let (desk, _, asterisk) = try two()
        let sent = asterisk.call("alice")
        desk.send(response(to: try desk.expect("INVITE"), 180, tag: "d"))
        asterisk.send(cancel(sent, lines))
        #expect(try desk.expect("CANCEL").all("Reason") == expected)
    }

    @Test("the reason of a phone's CANCEL reaches Asterisk")
    func carriedInward() throws {
        let alice = Phone(Edge(), "alice")
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let asterisk = Asterisk(alice.edge)
        asterisk.answer(try asterisk.expect("INVITE"), 180)
        alice.send(cancel(sent, ["Reason: SIP;cause=487"]))
        #expect(try asterisk.expect("CANCEL").all("Reason") == ["SIP;cause=487"])
    }

    @Test(
        "a phone's challenge ends at the edge: Asterisk could not answer it",
        arguments: [([401, 407], 403), ([401, 486], 403), ([407, 600], 600), ([401, 503], 403)])
    func challenges(_ statuses: [Int], _ expected: Int) throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        for (phone, status) in zip([desk, cell], statuses) {
            let challenge = ["WWW-Authenticate: Digest realm=\"phone\", nonce=\"x\""]
            phone.send(response(to: try phone.expect("INVITE"), status, tag: "t", challenge))
        }
        let answer = try asterisk.expect(expected)
        #expect(!answer.has("WWW-Authenticate"))
    }

    @Test(
        "of failures of one class the one that says more is passed on",
        arguments: [
            ([486, 484], 484), ([404, 415], 415), ([480, 420], 420), ([487, 486], 486),
            ([481, 480], 480), ([302, 404], 302), ([500, 486], 486), ([603, 302], 603),
        ])
    func best(_ statuses: [Int], _ expected: Int) throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        for (phone, status) in zip([desk, cell], statuses) {
            phone.send(response(to: try phone.expect("INVITE"), status, tag: "t"))
        }
        #expect(try asterisk.expect(expected).status == expected)
    }

    @Test("a phone that was silent does not hide the failure of another one")
    func silent() throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        let ringing = try desk.expect("INVITE")
        desk.send(response(to: ringing, 180, tag: "t"))
        desk.edge.advance(.seconds(33))
        _ = cell.all()
        desk.send(response(to: ringing, 486, tag: "t"))
        #expect(asterisk.all().map(\.status) == [100, 180, 486])
    }

    @Test("every 2xx is passed on, also the second one of a fork")
    func twoAnswers() throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        let first = try desk.expect("INVITE")
        let second = try cell.expect("INVITE")
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        cell.send(response(to: second, 200, tag: "c", ["Contact: <sip:alice@10.9.9.9:6000>"]))
        #expect(asterisk.all().compactMap { $0.status == 200 ? $0.toTag : nil } == ["d", "c"])
        // Sent again by the phone, it is sent again to Asterisk; after its time it is nobody's.
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        #expect(asterisk.all().map(\.toTag) == ["d"])
        desk.edge.advance(.seconds(40))
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        #expect(asterisk.next() == nil)
    }

    @Test("Max-Breadth is 60 unless given, and is divided among the phones")
    func breadth() throws {
        let (desk, cell, asterisk) = try two()
        asterisk.call("alice")
        #expect(try desk.expect("INVITE")["Max-Breadth"] == "30")
        asterisk.call("alice", callID: "c2@10.0.0.10", ["Max-Breadth: 5"])
        #expect(try desk.expect("INVITE").all("Max-Breadth") == ["2"])
        #expect(try cell.expect("INVITE").has("Max-Breadth"))
        desk.send(
            plain(desk, "INVITE", "sip:100@example.com", callID: "b0", ["Max-Breadth: 0"]))
        #expect(try desk.expect(440).status == 440)
        try desk.ask("INVITE", "sip:100@example.com", ["Max-Breadth: 7"])
        #expect(try asterisk.expect("INVITE").all("Max-Breadth") == ["7"])
    }

    @Test("a call that may not be split as often as there are phones is refused with 440")
    func tooBroad() throws {
        let (desk, _, asterisk) = try two()
        asterisk.call("alice", ["Max-Breadth: 1"])
        #expect(try asterisk.expect(440).start == "SIP/2.0 440 Max-Breadth Exceeded")
        #expect(desk.next() == nil)
    }
}
