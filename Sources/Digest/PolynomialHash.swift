/// A keyed hash of long messages in a few instructions a word (Carter and Wegman, 1979).
///
/// It is the value of the polynomial whose coefficients are the words of the message, at a secret
/// point modulo 2^61 - 1.
///
/// An attacker who knows neither the point nor a value makes two messages of n words collide with a
/// probability of at most n / 2^61. It is no MAC: values are compared in secret, and never leave
/// the process.
package struct PolynomialHash: Sendable {
    private static let prime: UInt64 = (1 << 61) - 1
    /// How many bytes a word has, so that each is below the prime.
    private static let wordLength = 7

    private let point: UInt64

    /// A hash of a secret, unpredictable number.
    package init(secret: UInt64) { point = max(secret & Self.prime, 2) % Self.prime }

    /// The value of a message, 61 bits.
    package func hash(_ message: Span<UInt8>) -> UInt64 {
        // The length first: a message and the same with zeros behind it differ.
        var value = UInt64(message.count)
        var place = 0
        // In bounds: eight bytes are read where at least eight are left.
        unsafe message.withUnsafeBytes { bytes in
            while place + 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                value = step(value, word & 0xFF_FFFF_FFFF_FFFF)
                place += Self.wordLength
            }
        }
        while place < message.count {
            value = step(value, UInt64(message[place]))
            place += 1
        }
        // Once more, or the last word would show in the lowest bits alone.
        return step(value, 0)
    }

    private func step(_ value: UInt64, _ word: UInt64) -> UInt64 {
        let (high, low) = value.multipliedFullWidth(by: point)
        // 2^61 is 1 here, so the parts above it are added.
        let sum = (low & Self.prime) + (low >> 61 | high << 3) + word
        let folded = (sum & Self.prime) + (sum >> 61)
        return folded >= Self.prime ? folded - Self.prime : folded
    }
}
