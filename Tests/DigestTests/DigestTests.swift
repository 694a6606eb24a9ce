import Digest
import SIP
import Sys
import Testing

/// The lower-case hexadecimal digits of a hash.
func hexadecimal(_ value: HashValue) -> String {
    var text = ByteBuffer(capacity: 64)
    for index in 0..<value.length { text.append(hex: value.bytes[index]) }
    return text.span.text
}

/// The hash of a text.
func hash(_ algorithm: DigestAlgorithm, _ text: String) -> HashValue {
    var engine = HashEngine()
    engine.begin(algorithm)
    engine.add(Array(text.utf8).span)
    return engine.finish()
}

@Suite struct HashTests {
    @Test(
        "the hashes are those of RFC 1321 and FIPS 180-4",
        arguments: [
            (DigestAlgorithm.md5, "", "d41d8cd98f00b204e9800998ecf8427e"),
            (.md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (.sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ])
    func vectors(_ algorithm: DigestAlgorithm, _ text: String, _ expected: String) {
        #expect(hexadecimal(hash(algorithm, text)) == expected)
    }

    @Test("a hash matches its own digits in either case, and nothing else")
    func matches() {
        let value = hash(.md5, "abc")
        let text = hexadecimal(value)
        func matches(_ text: String) -> Bool {
            value.matches(hex: Array(text.utf8).span, nibble: Characters.hex)
        }
        #expect(matches(text) && matches(text.uppercased()))
        for place in 0..<32 {
            var letters = Array(text)
            letters[place] = letters[place] == "0" ? "1" : "0"
            #expect(!matches(String(letters)))
        }
        #expect(!matches("") && !matches(text + "00") && !matches(String(text.dropLast()) + "g"))
    }
}

@Suite struct DigestHeaderTests {
    /// The examples of RFC 2617 section 3.5 and RFC 7616 section 3.9.1.
    static let examples: [(String, DigestAlgorithm, String, String)] = [
        (
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
                + "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
                + "qop=auth, nc=00000001, cnonce=\"0a4f113b\", "
                + "response=\"6629fae49393a05397450978507c4ef1\", "
                + "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            .md5, "Mufasa:testrealm@host.com:Circle Of Life", "testrealm@host.com"
        ),
        (
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                + "uri=\"/dir/index.html\", algorithm=MD5, "
                + "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
                + "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
                + "response=\"8ca523f5e9506fed4657c9700eebdbec\", "
                + "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            .md5, "Mufasa:http-auth@example.org:Circle of Life", "http-auth@example.org"
        ),
        (
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                + "uri=\"/dir/index.html\", algorithm=SHA-256, "
                + "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
                + "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
                + "response=\"753927fa0e85d155564e2e272a28d1802ca10daf449"
                + "6794697cf8db5856cb6c1\", "
                + "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            .sha256, "Mufasa:http-auth@example.org:Circle of Life", "http-auth@example.org"
        ),
    ]

    private func read(_ text: String) -> (DigestHeader, [UInt8])? {
        let bytes = Array(text.utf8)
        return DigestHeader(Slice(0, bytes.count), in: bytes.span).map { ($0, bytes) }
    }

    @Test("the examples of the RFCs compute to what they say", arguments: examples)
    func computes(
        _ text: String, _ algorithm: DigestAlgorithm, _ secret: String, _ realm: String
    ) throws {
        let (header, bytes) = try #require(read(text))
        #expect(header.algorithm == algorithm)
        #expect(bytes.span.bytes(header.realm).text == realm)
        var engine = HashEngine()
        let response = engine.response(
            algorithm, ha1: hash(algorithm, secret), method: Array("GET".utf8).span, header,
            in: bytes.span)
        #expect(hexadecimal(response) == bytes.span.bytes(header.response).text)
    }

    @Test(
        "a header of another scheme, or with a part twice, is none",
        arguments: [
            "Basic abc", "Digest", "Digest ", "Digestrealm=\"a\"", "Digest realm=\"a\",realm=\"b\"",
            "Digest nonce=a, REALM=x, Nonce=b",
        ])
    func refused(_ text: String) { #expect(read(text) == nil) }

    @Test(
        "an algorithm that is not spoken here is none; without one it is MD5",
        arguments: [
            ("Digest realm=\"a\"", DigestAlgorithm.md5), ("Digest algorithm=md5", .md5),
            ("Digest algorithm=\"SHA-256\"", .sha256), ("Digest algorithm=MD5-sess", nil),
            ("Digest algorithm=SHA-512-256", nil),
        ])
    func algorithm(_ text: String, _ expected: DigestAlgorithm?) throws {
        #expect(try #require(read(text)).0.algorithm == expected)
    }

    @Test(
        "auth is found in a list of qop, and nowhere else",
        arguments: [("auth", true), ("auth-int,auth", true), ("auth-int", false)])
    func qop(_ list: String, _ isOffered: Bool) throws {
        let (header, bytes) = try #require(read("Digest qop=\"\(list)\", stale=TRUE"))
        let offers = header.offersAuth(in: bytes.span)
        #expect(offers == isOffered && header.stale)
    }
}

@Suite struct NoncesTests {
    private let source = IPAddress(v4: 0xC633_6407)
    private let start = Milliseconds.seconds(1_700_000_000)

    private func made(_ nonces: inout Nonces, at now: Milliseconds? = nil) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 64)
        nonces.make(now ?? start, source, 1, into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func key() -> [UInt8] { [UInt8](repeating: 9, count: 32) }

    @Test("a nonce is fresh once for each count; a retransmission of the last request is fresh too")
    func counts() {
        var nonces = Nonces(key: key(), places: 64)
        let nonce = made(&nonces)
        // The count, the request, and what is to be said.
        let steps: [(UInt32, UInt64, NonceVerdict)] = [
            (2, 1, .replayed), (1, 1, .fresh), (1, 1, .fresh), (1, 2, .replayed), (2, 2, .fresh),
            (5, 5, .fresh), (3, 3, .fresh), (3, 3, .replayed), (4, 4, .fresh), (5, 6, .replayed),
            (1029, 7, .fresh), (2054, 8, .replayed), (965, 9, .replayed), (966, 9, .fresh),
        ]
        for (count, request, verdict) in steps {
            let said = nonces.check(nonce.span, count: count, request: request, start, source, 1)
            #expect(said == verdict, "count \(count)")
        }
    }

    @Test("a count of 0 was never given, hence is none that is fresh")
    func zero() {
        var nonces = Nonces(key: key(), places: 64)
        let nonce = made(&nonces)
        for (count, verdict) in [(UInt32(0), NonceVerdict.replayed), (1, .fresh), (0, .replayed)] {
            let said = nonces.check(nonce.span, count: count, request: 3, start, source, 1)
            #expect(said == verdict)
        }
    }

    @Test(
        "a nonce is good for its lifetime by the passed clock, and not before it was made",
        arguments: [(Int64(0), NonceVerdict.fresh), (119, .fresh), (120, .stale), (-1, .stale)])
    func lifetime(_ seconds: Int64, _ verdict: NonceVerdict) {
        var nonces = Nonces(key: key(), places: 64)
        let nonce = made(&nonces)
        let then = start + .seconds(seconds)
        #expect(nonces.check(nonce.span, count: 1, request: 1, then, source, 1) == verdict)
    }

    @Test("a nonce of another source, transport or key, or with a letter changed, is foreign")
    func foreign() {
        var nonces = Nonces(key: key(), places: 64)
        var others = Nonces(key: [UInt8](repeating: 8, count: 32), places: 64)
        let nonce = made(&nonces)
        let other = IPAddress(v4: 0xC633_6408)
        #expect(nonces.check(nonce.span, count: 1, request: 1, start, other, 1) == .foreign)
        #expect(nonces.check(nonce.span, count: 1, request: 1, start, source, 2) == .foreign)
        #expect(others.check(nonce.span, count: 1, request: 1, start, source, 1) == .foreign)
        for place in nonce.indices {
            var changed = nonce
            changed[place] = changed[place] == 0x41 ? 0x42 : 0x41
            let said = nonces.check(changed.span, count: 1, request: 1, start, source, 1)
            #expect(said == .foreign)
        }
        let longer = nonce + [0x41]
        #expect(nonces.check(longer.span, count: 1, request: 1, start, source, 1) == .foreign)
    }

    @Test("two nonces of one second are never the same")
    func unique() {
        var nonces = Nonces(key: key(), places: 64)
        var seen: Set<[UInt8]> = []
        for _ in 0..<1000 { seen.insert(made(&nonces)) }
        #expect(seen.count == 1000)
    }
}

@Suite struct TokenSealTests {
    private func sealed(_ plaintext: [UInt8], key: UInt8 = 1) -> [UInt8] {
        var seal = TokenSeal(key: [UInt8](repeating: key, count: 32))
        var buffer = ByteBuffer(capacity: 512)
        seal.seal(plaintext.span, into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func opened(_ token: [UInt8], key: UInt8 = 1) -> [UInt8]? {
        var seal = TokenSeal(key: [UInt8](repeating: key, count: 32))
        var buffer = ByteBuffer(capacity: 512)
        guard seal.open(token.span, into: &buffer) else { return nil }
        return buffer.span.indices.map { buffer.span[$0] }
    }

    @Test("what was sealed is opened, of every length, and by another process of the same key")
    func roundTrip() {
        for length in 1...TokenSeal.maximumPlaintext {
            let plaintext = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 31) }
            #expect(opened(sealed(plaintext)) == plaintext)
        }
    }

    @Test("equal plaintexts give equal tokens, different ones nothing alike")
    func deterministic() {
        #expect(sealed([1, 2, 3]) == sealed([1, 2, 3]))
        #expect(sealed([1, 2, 3]).prefix(8) != sealed([1, 2, 4]).prefix(8))
    }

    @Test("a token with any bit changed, cut, or lengthened is refused")
    func forged() {
        let token = sealed(Array("10.0.0.10:5060 alice".utf8))
        for place in token.indices {
            for bit in 0..<8 {
                var changed = token
                changed[place] ^= 1 << UInt8(bit)
                #expect(opened(changed) == nil)
            }
        }
        for length in 0..<token.count { #expect(opened(Array(token[..<length])) == nil) }
        #expect(opened(token + [0x41]) == nil)
        #expect(opened([UInt8](repeating: 0x41, count: 1000)) == nil)
    }

    @Test("another key opens nothing")
    func otherKey() { #expect(opened(sealed([1, 2, 3]), key: 2) == nil) }
}

@Suite struct Base64URLTests {
    @Test(
        "the texts are those of RFC 4648, without padding",
        arguments: [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("", "")])
    func vectors(_ text: String, _ expected: String) {
        var buffer = ByteBuffer(capacity: 32)
        Base64URL.append(Array(text.utf8).span, to: &buffer)
        #expect(buffer.span.text == expected)
        var data = InlineArray<176, UInt8>(repeating: 0)
        let count = Base64URL.decode(Array(expected.utf8).span, into: &data)
        #expect(count == text.utf8.count)
    }

    @Test(
        "there is one text for each value: left-over bits, padding and other letters are refused",
        arguments: ["Zh", "Zm9", "Z", "Zg==", "Zm+v", "Zm/v", "Zm v", "Zm9vA"])
    func canonical(_ text: String) {
        var data = InlineArray<176, UInt8>(repeating: 0)
        let count = Base64URL.decode(Array(text.utf8).span, into: &data)
        #expect(count == nil)
    }
}
