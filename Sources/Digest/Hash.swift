internal import CCrypto

/// A digest algorithm (RFC 7616 section 3.3, RFC 8760 section 2.3).
package enum DigestAlgorithm: UInt8, Sendable {
    case md5
    case sha256

    /// The hash's length, in bytes.
    package var length: Int { self == .md5 ? 16 : 32 }

    /// The name in a challenge.
    package var name: StaticString { self == .md5 ? "MD5" : "SHA-256" }
}

/// A hash value of at most 32 bytes.
package struct HashValue: Sendable {
    /// The bytes; those past `length` are zero.
    package var bytes = InlineArray<32, UInt8>(repeating: 0)
    /// How many bytes count.
    package var length = 0

    /// An empty value.
    package init() {}

    /// The value of these bytes, of which the first 32 count.
    package init(_ source: [UInt8]) { self.init(source.span) }

    /// The value of these bytes, of which the first 32 count.
    package init(_ source: Span<UInt8>) {
        length = min(source.count, 32)
        for index in 0..<length { bytes[index] = source[index] }
    }

    /// A value of so many zero bytes, at most 32.
    package init(zeros count: Int) { length = min(count, 32) }

    /// Whether the hexadecimal text spells this value; every byte is looked at, whatever the first
    /// difference, so that the time tells nothing.
    package func matches(hex text: Span<UInt8>, nibble: (UInt8) -> UInt8?) -> Bool {
        guard text.count == 2 * length, length > 0 else { return false }
        var difference: UInt8 = 0
        for index in 0..<length {
            guard let high = nibble(text[2 * index]), let low = nibble(text[2 * index + 1]) else {
                return false
            }
            difference |= bytes[index] ^ (high << 4 | low)
        }
        return difference == 0
    }
}

/// MD5 and SHA-256 by libcrypto, over pieces; nothing is allocated.
package struct HashEngine: ~Copyable {
    private var md5 = MD5_CTX()
    private var sha256 = SHA256_CTX()
    private var current = DigestAlgorithm.md5

    /// An engine that has begun nothing.
    package init() {}

    /// Begins a hash.
    package mutating func begin(_ algorithm: DigestAlgorithm) {
        current = algorithm
        switch algorithm {
        case .md5: _ = unsafe MD5_Init(&md5)
        case .sha256: _ = unsafe SHA256_Init(&sha256)
        }
    }

    /// Adds bytes.
    package mutating func add(_ bytes: Span<UInt8>) {
        // In bounds: the span's own storage and length.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe add(buffer.baseAddress, buffer.count)
        }
    }

    /// Adds a literal.
    package mutating func add(_ text: StaticString) {
        // In bounds: a StaticString's storage is its length long.
        unsafe add(text.utf8Start, text.utf8CodeUnitCount)
    }

    @unsafe
    private mutating func add(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        switch current {
        case .md5: _ = unsafe MD5_Update(&md5, start, count)
        case .sha256: _ = unsafe SHA256_Update(&sha256, start, count)
        }
    }

    /// Adds a hash value as lower-case hexadecimal.
    package mutating func add(hex value: HashValue) {
        var text = InlineArray<64, UInt8>(repeating: 0)
        for index in 0..<value.length {
            let byte = value.bytes[index]
            text[2 * index] = Self.digit(byte >> 4)
            text[2 * index + 1] = Self.digit(byte & 15)
        }
        add(text.span.extracting(0..<2 * value.length))
    }

    /// Ends the hash.
    package mutating func finish() -> HashValue {
        var value = HashValue()
        value.length = current.length
        var output = value.bytes.mutableSpan
        // In bounds: the value has room for the longest of the two hashes.
        unsafe output.withUnsafeMutableBufferPointer { buffer in
            switch current {
            case .md5: _ = unsafe MD5_Final(buffer.baseAddress, &md5)
            case .sha256: _ = unsafe SHA256_Final(buffer.baseAddress, &sha256)
            }
        }
        return value
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? 0x30 + value : 0x61 + value - 10
    }
}
