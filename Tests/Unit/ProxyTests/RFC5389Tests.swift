import Messages
import Proxy
import Registrar
import SIP
import Sys
import Testing

@Suite("RFC 5389: STUN") struct RFC5389Tests {
    private static let request: [UInt8] =
        [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42] + Array(1...12)

    @Test("a registered phone hears where it is seen; nobody else hears anything")
    func binding() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
        try alice.register()
        // 198.51.100.7:40000, each byte XORed with the cookie.
        var expected: [UInt8] = [1, 1, 0, 12]
        expected += Self.request[4...]
        expected += bytes(hex: "002000080001bd52e721c045")
        #expect(edge.answers(Self.request, alice.flow) == [expected])
        let other = Phone(edge, "alice", at: "198.51.100.7:40001")
        #expect(edge.answers(Self.request, other.flow).isEmpty)
        try alice.register(expires: 0)
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
    }

    @Test("two accounts behind one address: it is answered until the last is gone")
    func shared() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let bob = Phone(edge, "bob")
        try alice.register()
        try bob.register()
        try alice.register(expires: 0)
        #expect(edge.answers(Self.request, alice.flow).count == 1)
        edge.advance(.seconds(3601))
        #expect(edge.answers(Self.request, alice.flow).isEmpty)
    }

    @Test(
        "what is not a whole Binding Request is met with silence",
        arguments: [
            "000100042112a442", "001100002112a442", "010100002112a442", "0001000001010101",
            "000100082112a442 0006000401020304", "000100082112a442 8022000801020304",
            "000100022112a442 8022",
        ])
    func malformed(_ text: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let parts = text.split(separator: " ").map { bytes(hex: String($0)) }
        let identity = [UInt8](1...12)
        let datagram = parts[0] + identity + (parts.count > 1 ? parts[1] : [])
        #expect(edge.answers(datagram, alice.flow).isEmpty)
        #expect(edge.answers(Array(Self.request.prefix(19)), alice.flow).isEmpty)
        let polite = bytes(hex: "000100082112a442") + identity + bytes(hex: "8022000301020300")
        #expect(edge.answers(polite, alice.flow).count == 1)
    }
}
