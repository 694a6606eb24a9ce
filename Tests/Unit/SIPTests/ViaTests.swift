import SIP
import Testing

@Suite struct ViaTests {
    private func read(_ text: String) -> (Via, [UInt8])? {
        let bytes = Array(text.utf8)
        guard let via = try? Via(Slice(0, bytes.count), in: bytes.span) else { return nil }
        return (via, bytes)
    }

    @Test(
        "transport, sent-by and branch are told apart, white space or not",
        arguments: [
            ("SIP/2.0/UDP a.b:5062;branch=z9hG4bKx", "UDP", "a.b", 5062, "z9hG4bKx"),
            (
                "SIP / 2.0 / TLS [2001:db8::9]:443 ; branch = z9hG4bKy", "TLS", "[2001:db8::9]",
                443,
                "z9hG4bKy"
            ),
            ("sip/2.0/TCP host", "TCP", "host", 0, ""),
        ])
    func parts(
        _ text: String, _ transport: String, _ host: String, _ port: Int, _ branch: String
    ) throws {
        let (via, bytes) = try #require(read(text))
        let part = { (slice: Slice) in bytes.span.bytes(slice).text }
        #expect(part(via.transport) == transport && part(via.host) == host)
        #expect(Int(via.port) == port && part(via.branch) == branch)
    }

    @Test(
        "what is no Via is refused",
        arguments: [
            "", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/3.0/UDP a", "HTTP/2.0/UDP a", "SIP/2.0 UDP a",
            "SIP/2.0/UDP a:", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a b", "SIP/2.0/UDP a;branch",
            "SIP/2.0/UDP a;branch=1;branch=2", "SIP/2.0/UDP a;=1", "SIP/2.0/UDP [::1",
        ])
    func refused(_ text: String) { #expect(read(text) == nil) }

    @Test(
        "the cookie of RFC 3261 is looked for at the beginning of the branch, with something after it"
    )
    func cookie() throws {
        for (branch, isNew) in [("z9hG4bK1", true), ("z9hG4bK", false), ("Z9HG4BK1", false)] {
            let (via, bytes) = try #require(read("SIP/2.0/UDP a;branch=\(branch)"))
            let hasCookie = via.hasCookie(in: bytes.span)
            #expect(hasCookie == isNew)
        }
    }
}
