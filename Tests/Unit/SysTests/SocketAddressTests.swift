import Sys
import Testing

@Suite struct SocketAddressTests {
    @Test(
        "an address with a port is read back from what is written",
        arguments: ["192.0.2.1:5060", "[2001:db8::1]:5061", "[::]:1", "0.0.0.0:65535"])
    func roundTrip(_ text: String) {
        #expect(SocketAddress(text)?.description == text)
    }

    @Test(
        "what is no address with a port is refused",
        arguments: [
            "", "192.0.2.1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:65536", "192.0.2.1:-1",
            "[::1]", "[::1", "[::1]x", "[::1]:", "[192.0.2.1]:1", "::1:5060", "host:5060",
        ])
    func refused(_ text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test("a port that is left out is the default one, where there is one")
    func defaultPort() {
        #expect(SocketAddress("192.0.2.1", defaultPort: 5060)?.port == 5060)
        #expect(SocketAddress("[::1]", defaultPort: 5060)?.port == 5060)
        #expect(SocketAddress("192.0.2.1:1", defaultPort: 5060)?.port == 1)
    }
}
