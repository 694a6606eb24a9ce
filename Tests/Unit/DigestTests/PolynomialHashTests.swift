import Digest
import Testing

@Suite struct PolynomialHashTests {
    @Test(
        "messages that differ in a byte, in their length or in the order of words have other values"
    )
    func differs() {
        let hash = PolynomialHash(secret: 0x1234_5678_9ABC_DEF0)
        let message = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var values: Set<UInt64> = []
        for place in message.indices {
            var other = message
            other[place] ^= 1
            values.insert(hash.hash(other.span))
            values.insert(hash.hash(Array(message[..<place]).span))
        }
        let longer = message + [0]
        let swapped = Array(message[7..<14] + message[..<7] + message[14...])
        values.insert(hash.hash(longer.span))
        values.insert(hash.hash(swapped.span))
        values.insert(hash.hash(message.span))
        #expect(values.count == 603)
        let other = PolynomialHash(secret: 0x1234_5678_9ABC_DEF1)
        #expect(other.hash(message.span) != hash.hash(message.span))
    }

    @Test("the value is that of the polynomial modulo 2^61 - 1")
    func value() {
        let hash = PolynomialHash(secret: 3)
        #expect(hash.hash([5, 7].span) == ((2 * 3 + 5) * 3 + 7) * 3)
        #expect(PolynomialHash(secret: 1 << 60).hash([1].span) == 1729382256910270464)
        #expect(PolynomialHash(secret: 1 << 60).hash([1, 1].span) == 1)
    }
}
