import SIP
import Testing

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
