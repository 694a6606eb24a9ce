import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3326: Reason") struct RFC3326Tests {
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
        let (desk, cell, asterisk) = try twoPhones()
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
        let (desk, _, asterisk) = try twoPhones()
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
}
