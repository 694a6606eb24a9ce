import SIP
import Testing

@Suite struct URITests {
    private func read(_ text: String) -> (URI, [UInt8])? {
        let bytes = Array(text.utf8)
        guard let uri = try? URI(Slice(0, bytes.count), in: bytes.span) else { return nil }
        return (uri, bytes)
    }

    @Test(
        "the parts of a URI are told apart",
        arguments: [
            ("sip:example.com", "", "example.com", 0, "", ""),
            ("sips:a@b.c:5061;transport=tls;lr", "a", "b.c", 5061, "transport=tls;lr", ""),
            ("SIP:a:password@b", "a", "b", 0, "", ""),
            ("sip:a@[2001:db8::1]:70;x", "a", "[2001:db8::1]", 70, "x", ""),
            ("sip:a@[2001:db8::1]", "a", "[2001:db8::1]", 0, "", ""),
            ("sip:a;b=c?d@host?X=y&Z=w", "a;b=c?d", "host", 0, "", "X=y&Z=w"),
            ("sip:a@host;maddr=1.2.3.4?h=v", "a", "host", 0, "maddr=1.2.3.4", "h=v"),
            ("tel:+331234;phone-context=fr", "+331234", "", 0, "phone-context=fr", ""),
            ("urn:service:sos", "", "", 0, "", ""),
            ("sip:a@example.com.", "a", "example.com", 0, "", ""),
            ("sip:a@example.com.:5070;lr", "a", "example.com", 5070, "lr", ""),
            ("sip:localhost.", "", "localhost", 0, "", ""),
            ("sip:1.a-b.c2.?h=v", "", "1.a-b.c2", 0, "", "h=v"),
            ("sip:a@b;x=[::1]:5%3B&+$/;y;z=", "a", "b", 0, "x=[::1]:5%3B&+$/;y;z=", ""),
            ("a+b-c.1:x", "", "", 0, "", ""),
        ])
    func parts(
        _ text: String, _ user: String, _ host: String, _ port: Int, _ parameters: String,
        _ headers: String
    ) throws {
        let (uri, bytes) = try #require(read(text))
        let part = { (slice: Slice) in bytes.span.bytes(slice).text }
        #expect(part(uri.user) == user && part(uri.host) == host && Int(uri.port) == port)
        #expect(part(uri.parameters) == parameters && part(uri.headers) == headers)
    }

    @Test(
        "what is no URI is refused",
        arguments: [
            "", "sip", "sip:", ":a", "sip:@host", "sip:a@", "sip:a@b@c", "sip:a b@c", "sip:a@b:",
            "sip:a@b:65536", "sip:a@b:5x", "sip:a@[::1", "sip:a@[]", "sip:a@[fe80::1%25eth0]",
            "sip:a@b c", "sip:a\u{7F}@b", "sip:a<@b", "sip:\"a\"@b", "sip:é@b", "s p:a@b",
            "sip:a@host>", "sip:a@example.com..", "sip:a@.", "sip:a@192.0.2.1.",
            "sip:a@192.0.2.1.:5060", "sip:a@[::1].", "sip:a@example.5.", "sip:a@b..c.",
            "sip:a@b;x=1=2", "sip:a@b;=x", "sip:a@b;x=1,2", "sip:a@b;x=%n1", "sip:a@b;x={}",
            "si!p:a", "s'ip:a", "1a:b", "%6eip:a", "s%n:a", "+a:b",
        ])
    func refused(_ text: String) { #expect(read(text) == nil) }

    @Test("a parameter is found in any case, with and without value")
    func parameter() throws {
        let (uri, bytes) = try #require(read("sip:a@b;LR;Transport=tcp"))
        let lr = uri.parameter("lr", in: bytes.span)
        let transport = uri.parameter("transport", in: bytes.span)
        let maddr = uri.parameter("maddr", in: bytes.span)
        #expect(lr?.isEmpty == true && maddr == nil)
        #expect(transport.map { bytes.span.bytes($0).text } == "tcp")
    }
}
