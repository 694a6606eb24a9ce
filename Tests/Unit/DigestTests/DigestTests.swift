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

    private let key = [UInt8](repeating: 9, count: 32)

    private func made(_ nonces: inout Nonces, at now: Milliseconds? = nil) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 64)
        nonces.make(now ?? start, source, 1, into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func check(
        _ nonces: inout Nonces, _ nonce: [UInt8], count: UInt32 = 1, message: UInt64 = 1,
        at now: Milliseconds? = nil
    ) -> NonceVerdict {
        nonces.check(
            nonce.span, count: count, message: [UInt8(truncatingIfNeeded: message)].span,
            now ?? start, source, 1)
    }

    @Test("each count is good once, in whatever order, and by whichever it begins")
    func counts() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let steps: [(UInt32, UInt64, NonceVerdict)] = [
            (7, 1, .fresh), (7, 2, .used), (8, 3, .fresh), (5, 4, .fresh), (5, 5, .used),
            (6, 6, .fresh), (8, 7, .used), (5000, 8, .fresh), (8, 9, .used), (4937, 10, .fresh),
            (4936, 11, .used), (.max, 12, .fresh), (.max, 13, .used), (0, 14, .used),
        ]
        for (count, message, verdict) in steps {
            let said = check(&nonces, nonce, count: count, message: message)
            #expect(said == verdict, "count \(count)")
        }
    }

    @Test("the last four messages of a nonce are known again, with the time they came first")
    func repeated() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        for count in UInt32(1)...5 {
            let then = start + .seconds(Int64(count))
            let said = check(&nonces, nonce, count: count, message: UInt64(count) + 100, at: then)
            #expect(said == .fresh)
        }
        for count in UInt32(2)...5 {
            let then = start + .seconds(40)
            let said = check(&nonces, nonce, count: count, message: UInt64(count) + 100, at: then)
            #expect(said == .repeated(since: start + .seconds(Int64(count))))
        }
        let forgotten = check(&nonces, nonce, count: 1, message: 101)
        #expect(forgotten == .used)
        let other = check(&nonces, nonce, count: 5, message: 106)
        #expect(other == .used)
    }

    @Test(
        "a nonce is good for its lifetime by the passed clock, and not before it was made",
        arguments: [(Int64(0), NonceVerdict.fresh), (119, .fresh), (120, .stale), (-1, .stale)])
    func lifetime(_ seconds: Int64, _ verdict: NonceVerdict) {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let said = check(&nonces, nonce, at: start + .seconds(seconds))
        #expect(said == verdict)
    }

    @Test(
        "what an earlier process made is stale, used or not, though the clock was set back meanwhile"
    )
    func restart() {
        var earlier = Nonces(key: key, life: 1, began: start, places: 64)
        let nonce = made(&earlier)
        let used = made(&earlier)
        let said = check(&earlier, used)
        #expect(said == .fresh)
        var later = Nonces(key: key, life: 2, began: start - .seconds(3600), places: 64)
        for nonce in [nonce, used] {
            let said = check(&later, nonce, at: start + .seconds(1))
            #expect(said == .stale)
        }
        let own = made(&later, at: start + Milliseconds(1))
        let again = check(&later, own, at: start + .seconds(1))
        #expect(again == .fresh)
    }

    @Test("a used nonce that had to be forgotten is stale, and so is every unused one of before it")
    func forgotten() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 4)
        var old: [[UInt8]] = []
        for moment in 0..<5 {
            old.append(made(&nonces, at: start + Milliseconds(Int64(moment))))
        }
        for nonce in old {
            let said = check(&nonces, nonce, at: start + .seconds(1))
            #expect(said == .fresh)
        }
        // The first had to make room for the fifth.
        let first = check(&nonces, old[0], message: 1, at: start + .seconds(1))
        #expect(first == .stale)
        for nonce in old.dropFirst() {
            let said = check(&nonces, nonce, message: 9, at: start + .seconds(1))
            #expect(said == .used)
        }
        let young = made(&nonces, at: start + .seconds(2))
        let said = check(&nonces, young, count: 3, at: start + .seconds(2))
        #expect(said == .fresh)
    }

    @Test("nonces whose time is over make room without a loss")
    func expired() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 4)
        for minute in 0..<8 {
            let now = start + .seconds(Int64(minute) * 120)
            for _ in 0..<4 {
                let nonce = made(&nonces, at: now)
                let said = check(&nonces, nonce, at: now)
                #expect(said == .fresh)
            }
        }
    }

    @Test("a nonce of another source, transport or key, or with a letter changed, is foreign")
    func foreign() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
        var others = Nonces(
            key: [UInt8](repeating: 8, count: 32), life: 1, began: start, places: 64)
        let nonce = made(&nonces)
        let other = IPAddress(v4: 0xC633_6408)
        let moved = nonces.check(nonce.span, count: 1, message: [1].span, start, other, 1)
        let carried = nonces.check(nonce.span, count: 1, message: [1].span, start, source, 2)
        #expect(moved == .foreign && carried == .foreign)
        let elsewhere = check(&others, nonce)
        #expect(elsewhere == .foreign)
        for place in nonce.indices {
            var changed = nonce
            changed[place] = changed[place] == 0x41 ? 0x42 : 0x41
            let said = check(&nonces, changed)
            #expect(said == .foreign)
        }
        let longer = check(&nonces, nonce + [0x41])
        #expect(longer == .foreign)
    }

    @Test("two nonces of one millisecond are never the same")
    func unique() {
        var nonces = Nonces(key: key, life: 1, began: start, places: 64)
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

@Suite final class DialogTokenTests {
    private var seal = TokenSeal(key: [UInt8](repeating: 1, count: 32))

    private func sealed(
        _ plaintext: [UInt8], _ callID: String = "call", _ tag: String = "caller"
    ) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 512)
        let dialog = seal.dialog(callID: Array(callID.utf8).span, tag: Array(tag.utf8).span)
        seal.seal(plaintext.span, of: dialog, into: &buffer)
        return Array(buffer.span.text.utf8)
    }

    private func opened(
        _ token: [UInt8], _ callID: String = "call", _ first: String = "caller",
        _ second: String = "called"
    ) -> [UInt8]? {
        var buffer = ByteBuffer(capacity: 512)
        let found = seal.open(
            token.span, callID: Array(callID.utf8).span, Array(first.utf8).span,
            Array(second.utf8).span, into: &buffer)
        // The tag that it is bound to is the one of the caller.
        guard let found, found.isFirst == (first == "caller") else { return nil }
        return buffer.span.indices.map { buffer.span[$0] }
    }

    @Test("a dialog's token opens by its Call-ID and by whichever tag is that of who began it")
    func roundTrip() {
        for length in 1...TokenSeal.maximumPlaintext {
            let plaintext = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 31) }
            let token = sealed(plaintext)
            #expect(opened(token) == plaintext)
            #expect(opened(token, "call", "called", "caller") == plaintext)
        }
    }

    @Test(
        "it opens in no other dialog",
        arguments: [
            ("other", "caller", "called"), ("call", "other", "called"), ("call", "called", ""),
            ("cal", "lcaller", ""), ("", "callcaller", ""), ("caller", "call", ""),
        ])
    func otherDialog(_ callID: String, _ first: String, _ second: String) {
        #expect(opened(sealed([1, 2, 3]), callID, first, second) == nil)
    }

    @Test("it is no longer than one that is bound to nothing, and neither opens as the other")
    func unbound() {
        var unbound = ByteBuffer(capacity: 512)
        seal.seal([1, 2, 3].span, into: &unbound)
        let token = sealed([1, 2, 3])
        #expect(token.count == unbound.span.count)
        #expect(opened(Array(unbound.span.text.utf8)) == nil)
        var plain = ByteBuffer(capacity: 512)
        let isOpen = seal.open(token.span, into: &plain)
        #expect(!isOpen)
    }

    @Test("a token that is too long for any of ours is refused")
    func tooLong() {
        for count in 225...230 { #expect(opened([UInt8](repeating: 0x41, count: count)) == nil) }
    }
}

@Suite struct S2VTests {
    private static let digits = Array("0123456789abcdef".utf8)

    private func bytes(_ text: String) -> [UInt8] {
        let letters = Array(text.utf8)
        return stride(from: 0, to: letters.count, by: 2).map { place in
            let pair = letters[place...place + 1].map { UInt8(Self.digits.firstIndex(of: $0) ?? 0) }
            return pair[0] << 4 | pair[1]
        }
    }

    private func value(_ key: String, _ strings: [[UInt8]]) -> [UInt8] {
        var s2v = S2V(key: bytes(key))
        var vector = s2v.start
        for string in strings.dropLast() { vector = s2v.adding(string.span, to: vector) }
        let last = strings.last ?? []
        let hash = s2v.finish(vector, last.span)
        return (0..<hash.length).map { hash.bytes[$0] }
    }

    @Test("the values are those of RFC 5297, appendix A, for a short and for a long last string")
    func published() {
        let ad = "101112131415161718191a1b1c1d1e1f2021222324252627"
        #expect(
            value(
                "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0",
                [bytes(ad), bytes("112233445566778899aabbccddee")])
                == bytes("85632d07c6e8f37f950acd320a2ecc93"))
        let first =
            "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"
        let strings = [first, "102030405060708090a0", "09f911029d74e35bd84156c5635688c0"]
        #expect(
            value(
                "7f7e7d7c7b7a79787776757473727170",
                strings.map(bytes) + [Array("this is some plaintext to encrypt using SIV-AES".utf8)]
            )
                == bytes("7bdb6e3b432667eb06f4d14bff2fbd0f"))
    }

    @Test("with a key of 32 bytes the values are those of another implementation")
    func longKey() {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        let callID = Array("a84b4c76e66710".utf8)
        #expect(
            value(key, [callID, Array("1928301774".utf8), Array(100..<130)])
                == bytes("c0cad12e60d5ac0040fdd3ad80db6a73"))
        #expect(
            value(key, [callID, [], Array("short".utf8)])
                == bytes("4f15b78de65e0a8db0c91d548bbf511a"))
    }
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
