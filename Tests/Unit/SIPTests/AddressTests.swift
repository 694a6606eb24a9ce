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

@Suite struct NameAddressTests {
    private func read(_ text: String) -> (NameAddress, [UInt8])? {
        let bytes = Array(text.utf8)
        guard let address = try? NameAddress(Slice(0, bytes.count), in: bytes.span) else {
            return nil
        }
        return (address, bytes)
    }

    @Test(
        "name, URI and tag are told apart",
        arguments: [
            ("<sip:a@b>;tag=1", "", "a", "1"), ("sip:a@b;tag=1", "", "a", "1"),
            ("Anna Li <sip:a@b>", "Anna Li", "a", ""),
            ("\"a \\\"<sip:x@y>\\\" b\" <sip:a@b>;tag=t", "\"a \\\"<sip:x@y>\\\" b\"", "a", "t"),
            ("\"Ünal\"<sip:a@b>;x=\";tag=no\";TAG=yes", "\"Ünal\"", "a", "yes"),
            ("<sip:a@b;tag=inside>;tag=out", "", "a", "out"),
            ("<sip:a@b>;tag=1;", "", "a", "1"), ("<sip:a@b> ; ", "", "a", ""),
            ("<sip:a@b>;x=1;y=\"\u{E9};\\\\\";z=;tag=1", "", "a", "1"),
        ])
    func parts(_ text: String, _ name: String, _ user: String, _ tag: String) throws {
        let (address, bytes) = try #require(read(text))
        let part = { (slice: Slice) in bytes.span.bytes(slice).text }
        #expect(part(address.displayName) == name)
        #expect(part(address.uri.user) == user && part(address.tag) == tag)
    }

    @Test(
        "what can be read in two ways is refused",
        arguments: [
            "<sip:a@b", "sip:a@b>", "\"open <sip:a@b>", "\"a\" b <sip:a@b>", "a,b <sip:a@b>",
            "sip:a@b?X=y", "sip:a@b,c", "<sip:a@b>x", "<sip:a@b>;tag", "<sip:a@b>;tag=1;tag=2",
            "<sip:a@b>;=x", "<sip:a@b>;t g=1", "<sip:a@b>;tag=a\"b", "<>", "",
            "<sip:a@b>;;", "<sip:a@b>;;tag=1", "<sip:a@b>;q=0.5<sip:c@d>", "<sip:a@b>;x=a=b",
            "<sip:a@b>;x=a\"b\"", "<sip:a@b>;x=\"a\"b", "<sip:a@b>;x=\u{E9}", "<sip:a@b>;x=a b",
            "<sip:a@b>;x=a,b", "<sip:a@b>;x=[::1", "<sip:a@b>;x=[::1]",
            "<urn:>", "<urn:{a}>", "<urn:a|b>", "<sip:a@b>;x=(a)", "<h'p:a>",
        ])
    func refused(_ text: String) { #expect(read(text) == nil) }

    /// What of a value goes on, its name, or nil when it is refused.
    private func goesOn(_ bytes: [UInt8], mayHaveComma: Bool) -> (whole: String, name: String)? {
        let part = Slice(0, bytes.count)
        guard let address = try? NameAddress(part, in: bytes.span, mayHaveComma: mayHaveComma)
        else { return nil }
        return (
            bytes.span.bytes(address.whole).text, bytes.span.bytes(address.displayName).text
        )
    }

    @Test(
        "a name with a comma outside quotes is left out where there is no list, and refused in one",
        arguments: ["Bond, James <sip:a@b>;tag=1", ", <sip:a@b>;tag=1", "a,b<sip:a@b>;tag=1"])
    func comma(_ text: String) throws {
        let inList = goesOn(Array(text.utf8), mayHaveComma: false)
        #expect(inList == nil)
        let alone = try #require(goesOn(Array(text.utf8), mayHaveComma: true))
        #expect(alone == ("<sip:a@b>;tag=1", ""))
        let quoted = try #require(goesOn(Array("\"a, b\" <sip:a@b>".utf8), mayHaveComma: true))
        #expect(quoted == ("\"a, b\" <sip:a@b>", "\"a, b\""))
    }

    @Test(
        "a name that hides where it ends is refused, with a comma too",
        arguments: [
            "a \"b\" <sip:a@b>", "a\\ <sip:a@b>", "a > <sip:a@b>", "a, \"b <sip:a@b>",
            "a <b <sip:a@b>", "a; <sip:a@b>", "<sip:a@b>, <sip:c@d>", "a <sip:a@b>, c <sip:c@d>",
            "sip:a@b, c <sip:c@d>", "sip:a@b,c",
        ])
    func hiding(_ text: String) {
        let read = goesOn(Array(text.utf8), mayHaveComma: true)
        #expect(read == nil)
    }

    /// Bytes that are no UTF-8: a lone one, one cut off, surrogates, longer than need be, beyond Unicode.
    static let noUTF8: [[UInt8]] = [
        [0xE9], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xE0, 0x80, 0xAF],
        [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xC3, 0xA9, 0x80],
    ]

    @Test("a name that is no UTF-8 is left out, quoted or not", arguments: noUTF8)
    func bytes(_ name: [UInt8]) throws {
        for quote in [[], [UInt8(ascii: "\"")]] {
            let value = quote + name + quote + Array("<sip:a@b>;tag=1;".utf8)
            let read = try #require(goesOn(value, mayHaveComma: false))
            #expect(read == ("<sip:a@b>;tag=1", ""))
        }
    }

    @Test("bytes that are no UTF-8 are refused in a URI, a tag and a parameter", arguments: noUTF8)
    func refusedBytes(_ bytes: [UInt8]) {
        for (before, after) in [
            ("<sip:a", "@b>"), ("<sip:a@b", ">"), ("<sip:a@b;x=", ">"), ("<sip:a@b>;tag=1", ""),
            ("<sip:a@b>;x=", ""), ("<sip:a@b>;x=\"", "\""),
        ] {
            let read = goesOn(
                Array(before.utf8) + bytes + Array(after.utf8), mayHaveComma: true)
            #expect(read == nil, "\(before)")
        }
    }

    @Test(
        "every name that is UTF-8 goes on",
        arguments: ["\u{E9}", "\u{20AC} a", "\u{1F600}\u{D7FF}"])
    func names(_ name: String) throws {
        for value in ["\(name) <sip:a@b>", "\"\(name)\" <sip:a@b>"] {
            let read = try #require(goesOn(Array(value.utf8), mayHaveComma: false))
            #expect(read.whole == value && !read.name.isEmpty)
        }
    }
}

@Suite struct ValueListTests {
    @Test(
        "values end at commas that stand in no quotes and no brackets",
        arguments: [
            ("a, b ,c", ["a", "b", "c"]), ("\"x,y\" <sip:a,b@c>, d", ["\"x,y\" <sip:a,b@c>", "d"]),
            ("one", ["one"]), ("a,,b", ["a", "", "b"]), ("\"\\\",\",z", ["\"\\\",\"", "z"]),
        ])
    func splits(_ text: String, _ expected: [String]) {
        let bytes = Array(text.utf8)
        var list = ValueList(Slice(0, bytes.count))
        var found: [String] = []
        while let value = list.next(in: bytes.span) { found.append(bytes.span.bytes(value).text) }
        #expect(found == expected)
    }
}

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
