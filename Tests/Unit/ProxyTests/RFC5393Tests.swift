import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 5393: loops and Max-Breadth") struct RFC5393Tests {
    @Test("Max-Breadth is 60 unless given, and is divided among the phones")
    func breadth() throws {
        let (desk, cell, asterisk) = try twoPhones()
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
        let (desk, _, asterisk) = try twoPhones()
        asterisk.call("alice", ["Max-Breadth: 1"])
        #expect(try asterisk.expect(440).start == "SIP/2.0 440 Max-Breadth Exceeded")
        #expect(desk.next() == nil)
    }

    @Test("a request that comes back as it was sent is refused with 482; a changed one goes on")
    func loop() throws {
        let alice = Phone(Edge(), "alice")
        try alice.register()
        let asterisk = Asterisk(alice.edge)
        try alice.ask("INVITE", "sip:alice@example.com")
        let sent = try asterisk.expect("INVITE")
        func back(_ uri: String) -> [UInt8] {
            wire(
                ["INVITE \(uri) SIP/2.0", "Via: \(asterisk.via)", "Via: \(sent["Via"])"]
                    + ["From", "To", "Call-ID", "CSeq"].map { "\($0): \(sent[$0])" }
                    + ["Max-Forwards: 60"])
        }
        asterisk.send(back(sent.uri))
        #expect(try asterisk.expect(482).start == "SIP/2.0 482 Loop Detected")
        asterisk.send(back("sip:alice@10.0.0.1:5060"))
        #expect(try alice.expect("INVITE").uri == alice.contact)
    }
}
