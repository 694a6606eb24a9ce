import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 5630: sips") struct RFC5630Tests {
    @Test("sips over a transport in clear is refused with 416")
    func sips() {
        let alice = Phone(Edge(), "alice")
        alice.send(plain(alice, "INVITE", "sips:100@example.com"))
        #expect(alice.next()?.status == 416)
        let secure = Phone(alice.edge, "alice", at: "198.51.100.7:5061", .tls, connection: 3)
        secure.send(plain(secure, "INVITE", "sips:100@example.com"))
        #expect(secure.next()?.status == 407)
    }
}
