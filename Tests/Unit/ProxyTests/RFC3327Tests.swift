import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3327: Path") struct RFC3327Tests {
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
}
