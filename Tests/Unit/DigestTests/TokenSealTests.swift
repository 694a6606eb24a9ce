import Digest
import SIP
import Sys
import Testing

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
