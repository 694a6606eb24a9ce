internal import Glibc

/// The character classes of RFC 3261 section 25, and the comparisons SIP needs, on bytes.
@usableFromInline
package enum Characters {
    /// Whether the byte may stand in a token (RFC 3261 section 25.1).
    ///
    /// These are letters, digits and -.!%*_+`'~
    @inlinable
    package static func isToken(_ byte: UInt8) -> Bool {
        contains(byte, 0x03FF_6CA2_0000_0000, 0x47FF_FFFF_87FF_FFFE)
    }

    /// Whether the byte may stand anywhere in a URI (RFC 3986 section 2).
    ///
    /// These are printable ASCII without what ends a quoted string or a name-addr, which is "<>\
    @inlinable
    package static func isURI(_ byte: UInt8) -> Bool {
        contains(byte, 0xAFFF_FFFA_0000_0000, 0x7FFF_FFFF_EFFF_FFFF)
    }

    /// Whether the byte may stand unescaped in the user part of a SIP URI.
    ///
    /// These are letters, digits and -_.!~*'()&=+$,;?/%#
    @inlinable
    package static func isUser(_ byte: UInt8) -> Bool {
        contains(byte, 0xABFF_FFFA_0000_0000, 0x47FF_FFFE_87FF_FFFE)
    }

    /// Whether the byte may stand in a parameter of a SIP URI, its name or its value.
    ///
    /// These are letters, digits and -_.!~*'()[]/:&+$%
    static func isParameter(_ byte: UInt8) -> Bool {
        contains(byte, 0x07FF_EFF2_0000_0000, 0x47FF_FFFE_AFFF_FFFE)
    }

    /// Whether the byte may stand in a host that is a name or an IPv4 address.
    ///
    /// These are letters, digits and -._
    @inlinable
    package static func isHost(_ byte: UInt8) -> Bool {
        contains(byte, 0x03FF_6000_0000_0000, 0x07FF_FFFE_87FF_FFFE)
    }

    /// Whether the byte may stand in what is dialled, whatever the dialplan.
    ///
    /// These are letters, digits and -_.+*#
    @inlinable
    package static func isDialable(_ byte: UInt8) -> Bool {
        contains(byte, 0x03FF_6C08_0000_0000, 0x07FF_FFFE_87FF_FFFE)
    }

    /// Whether the bit of a byte is set in a class: bytes below 64 in `low`, below 128 in `high`.
    ///
    /// A bit test, where a `switch` over single characters becomes a jump that is hard to predict.
    @inlinable
    package static func contains(_ byte: UInt8, _ low: UInt64, _ high: UInt64) -> Bool {
        byte < 0x80 && (byte < 0x40 ? low : high) >> UInt64(byte & 63) & 1 == 1
    }

    /// Whether the byte, one of -.(), only makes a telephone number legible (RFC 3966 section 3).
    @inlinable
    package static func isVisualSeparator(_ byte: UInt8) -> Bool {
        contains(byte, 0x0000_6300_0000_0000, 0)
    }

    /// The byte in lower case, for ASCII letters.
    @inlinable
    package static func lower(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
    }

    /// The value of a hexadecimal digit, or nil.
    @inlinable
    package static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

extension Span<UInt8> {
    /// Whether the bytes are those of a lower-case literal, in any case.
    @inlinable
    package func isCaseless(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        for index in indices {
            // In bounds: both are `count` long.
            if unsafe Characters.lower(self[index]) != literal.utf8Start[index] { return false }
        }
        return true
    }

    /// Whether the bytes are those of a literal.
    package func isExactly(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        // In bounds: both are `count` long.
        return unsafe withUnsafeBufferPointer { own in
            guard let start = own.baseAddress else { return true }
            return unsafe memcmp(start, literal.utf8Start, count) == 0
        }
    }

    /// Whether the bytes are those of a literal in any case, which may have capitals itself.
    func isSpelled(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        for index in indices {
            // In bounds: both are `count` long.
            let letter = unsafe literal.utf8Start[index]
            if Characters.lower(self[index]) != Characters.lower(letter) { return false }
        }
        return true
    }

    /// Whether the bytes are the same.
    package func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        return unsafe withUnsafeBufferPointer { own in
            unsafe other.withUnsafeBufferPointer { others in
                guard let left = own.baseAddress, let right = others.baseAddress else {
                    return true
                }
                // In bounds: both are `count` long.
                return unsafe memcmp(left, right, count) == 0
            }
        }
    }

    /// Whether the bytes are the same but for the case of ASCII letters.
    package func equalsCaseless(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        // Most are the same in every byte, which is seen sooner.
        guard !equals(other) else { return true }
        for index in indices
        where Characters.lower(self[index]) != Characters.lower(other[index]) { return false }
        return true
    }

    /// The number that the bytes spell in decimal, at most `limit`; nil for anything else.
    @inlinable
    package func decimal(limit: UInt64 = UInt64(UInt32.max)) -> UInt64? {
        guard count > 0, count <= 19 else { return nil }
        var value: UInt64 = 0
        for index in indices {
            let digit = self[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        return value <= limit ? value : nil
    }

    /// The number that the bytes spell in decimal, at most `limit` however many digits there are; nil for
    /// anything else.
    package func decimal(cutTo limit: UInt32) -> UInt32? {
        guard count > 0 else { return nil }
        var value: UInt64 = 0
        for index in indices {
            let digit = self[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = min(value * 10 + UInt64(digit), UInt64(limit))
        }
        return UInt32(value)
    }

    /// The number that the bytes spell in hexadecimal, at most 16 digits; nil for anything else.
    package func hexadecimal() -> UInt64? {
        guard count > 0, count <= 16 else { return nil }
        var value: UInt64 = 0
        for index in indices {
            guard let digit = Characters.hex(self[index]) else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    /// The place of the first such byte from `start`, or nil.
    package func first(_ byte: UInt8, from start: Int = 0) -> Int? {
        guard start >= 0, start < count else { return nil }
        return unsafe withUnsafeBytes { bytes in
            // In bounds: from a place of the bytes to their end.
            guard let base = bytes.baseAddress,
                let found = unsafe memchr(base + start, Int32(byte), count - start)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    /// The place of the first control character (below 0x20, or 0x7F) from `start`; `count` when there is
    /// none.
    ///
    /// Eight bytes at a time: in `word - n * 0x0101...` a byte's top bit is borrowed from just
    /// where a byte is below n. It is exactly so for the lowest such byte, which is the first on a
    /// little-endian machine.
    package func firstControl(from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let blanks = ones &* 0x20
        let deletes = ones &* 0x7F
        let tops = ones &* 0x80
        var index = start
        while index + 8 <= count {
            // In bounds by the loop's condition.
            let word = unsafe withUnsafeBytes { bytes in
                unsafe UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            }
            // Zero where there is a DEL.
            let other = word ^ deletes
            let hits = ((word &- blanks) & ~word | (other &- ones) & ~other) & tops
            guard hits == 0 else { return index + hits.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count, self[index] >= 0x20, self[index] != 0x7F { index += 1 }
        return index
    }

    /// The bytes as a text; for journals and messages between processes.
    package var text: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in indices { bytes.append(self[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Whether the byte is white space of a header value: a space or a tab.
package func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

extension Slice {
    /// The part without the blanks at its end, which is a header's name before its colon
    /// (HCOLON in RFC 3261 section 25.1).
    @inline(__always)
    func withoutBlanks(in message: Span<UInt8>) -> Slice {
        var to = end
        while to > start, isBlank(message[to - 1]) { to -= 1 }
        return .from(start, to: to)
    }

    /// The part without white space, folds included, at either end.
    package func trimmed(in message: Span<UInt8>) -> Slice {
        func isSpace(_ byte: UInt8) -> Bool { isBlank(byte) || byte == 0x0D || byte == 0x0A }
        var from = start
        var to = end
        while from < to, isSpace(message[from]) { from += 1 }
        while to > from, isSpace(message[to - 1]) { to -= 1 }
        return .from(from, to: to)
    }
}
