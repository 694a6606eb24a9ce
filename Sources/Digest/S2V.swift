/// What strings have come to on their way through S2V: 128 bits.
package struct StringVector: BitwiseCopyable, Equatable, Sendable {
    fileprivate var high: UInt64 = 0
    fileprivate var low: UInt64 = 0

    /// 128 bits of zero.
    package init() {}

    fileprivate init(_ bytes: borrowing InlineArray<32, UInt8>) {
        for index in 0..<8 {
            high = high << 8 | UInt64(bytes[index])
            low = low << 8 | UInt64(bytes[index + 8])
        }
    }

    /// Doubled in the field of 2^128 elements (RFC 5297 section 2.3).
    fileprivate var doubled: StringVector {
        var result = StringVector()
        result.high = high << 1 | low >> 63
        result.low = low << 1 ^ (high >> 63 == 1 ? 0x87 : 0)
        return result
    }

    /// One of the 16 bytes, the highest first.
    fileprivate func byte(_ index: Int) -> UInt8 {
        let word = index < 8 ? high : low
        return UInt8(truncatingIfNeeded: word >> UInt64(56 - index % 8 * 8))
    }

    fileprivate static func ^ (left: StringVector, right: StringVector) -> StringVector {
        var result = left
        result.high ^= right.high
        result.low ^= right.low
        return result
    }
}

/// S2V, the pseudo-random function of a vector of strings over AES-CMAC (RFC 5297 section 2.4).
///
/// The vector is taken string by string, so what many vectors begin with is computed once.
package struct S2V: ~Copyable {
    /// The longest last string, in bytes.
    package static let longestLast = 160

    private var mac: KeyedHash
    /// Of no string yet: the CMAC of 16 zero bytes.
    package let start: StringVector

    /// S2V under a key of 32 bytes, or of 16 as in the examples of RFC 5297.
    package init(key: [UInt8]) {
        mac = KeyedHash(key: key)
        let zero = InlineArray<16, UInt8>(repeating: 0)
        start = StringVector(mac.hash(zero.span).bytes)
    }

    /// What a vector comes to with one more string, which is not its last.
    package mutating func adding(_ string: Span<UInt8>, to vector: StringVector) -> StringVector {
        vector.doubled ^ StringVector(mac.hash(string).bytes)
    }

    /// The value, 16 bytes long, of a vector with its last string of at most `longestLast` bytes.
    package mutating func finish(_ vector: StringVector, _ last: Span<UInt8>) -> HashValue {
        precondition(last.count <= Self.longestLast)
        var text = InlineArray<160, UInt8>(repeating: 0)
        for index in last.indices { text[index] = last[index] }
        guard last.count < 16 else {
            let from = last.count - 16
            for index in 0..<16 { text[from + index] ^= vector.byte(index) }
            return mac.hash(text.span.extracting(0..<last.count))
        }
        text[last.count] = 0x80
        let doubled = vector.doubled
        for index in 0..<16 { text[index] ^= doubled.byte(index) }
        return mac.hash(text.span.extracting(0..<16))
    }
}
