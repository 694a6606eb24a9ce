import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3581: symmetric responses") struct RFC3581Tests {
    @Test("a phone without rport is answered at the port it sent from as well")
    func symmetric() throws {
        let alice = Phone(Edge(), "alice")
        alice.send(
            plain(
                alice, "OPTIONS", "sip:example.com",
                via: "SIP/2.0/UDP 192.168.1.7:5062;branch=z9hG4bKs"))
        let via = try alice.expect(200)["Via"]
        #expect(via == "SIP/2.0/UDP 192.168.1.7:5062;branch=z9hG4bKs;received=198.51.100.7")
    }
}
