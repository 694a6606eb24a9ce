import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3966: tel URIs") struct RFC3966Tests {
    @Test("a tel URI is a number dialled by whoever proves an account of a served domain")
    func tel() throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("INVITE", "tel:+33123456;phone-context=example.com")
        #expect(
            try Asterisk(alice.edge).expect("INVITE").uri == "sip:+33123456@10.0.0.10:5060")
    }
}
