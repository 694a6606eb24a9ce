/// The character classes of RFC 3261 section 25, and the comparisons SIP needs, on bytes.
@usableFromInline
package enum Characters {
    /// Whether the byte may stand in a token (RFC 3261 section 25.1).
    @inlinable
    package static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "%"),
            UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "`"),
            UInt8(ascii: "'"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Whether the byte may stand anywhere in a URI: printable ASCII, without what ends a quoted string or
    /// a name-addr (RFC 3986 section 2).
    @inlinable
    package static func isURI(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"): false
        default: byte > 0x20 && byte < 0x7F
        }
    }

    /// Whether the byte may stand unescaped in the user part of a SIP URI.
    @inlinable
    package static func isUser(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "!"),
            UInt8(ascii: "~"), UInt8(ascii: "*"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "&"), UInt8(ascii: "="), UInt8(ascii: "+"),
            UInt8(ascii: "$"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "?"),
            UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "#"):
            true
        default: false
        }
    }

    /// Whether the byte may stand in a host: a name, an IPv4 address, or an IPv6 in brackets.
    @inlinable
    package static func isHost(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
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
    @inlinable
    package func isExactly(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        for index in indices {
            // In bounds: both are `count` long.
            if unsafe self[index] != literal.utf8Start[index] { return false }
        }
        return true
    }

    /// Whether the bytes are the same.
    @inlinable
    package func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// Whether the bytes are the same but for the case of ASCII letters.
    @inlinable
    package func equalsCaseless(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
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
    @inlinable
    package func first(_ byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
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
