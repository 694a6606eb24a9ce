import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3325: asserted identity") struct RFC3325Tests {
    @Test(
        "who calls is told to the phone as Asterisk asserts it, unless the caller wants privacy",
        arguments: [([], true), (["Privacy: id"], false)])
    func asserted(_ extra: [String], _ expected: Bool) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        Asterisk(edge).call(
            "alice",
            ["P-Asserted-Identity: <sip:300@example.com>", "Diversion: <sip:4@x>"] + extra)
        let invite = try alice.expect("INVITE")
        for name in ["P-Asserted-Identity", "Diversion"] { #expect(invite.has(name) == expected) }
    }
}
