import Digest
import SIP
import Sys
import Testing

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
