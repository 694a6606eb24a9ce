internal import SIP
package import Sys

/// The one question of STUN that a phone asks on its SIP socket: where it is seen (RFC 5626 section 3.5.2).
package enum STUN {
    private static let cookie: UInt32 = 0x2112_A442
    private static let headerLength = 20

    /// Whether a datagram may be STUN: its first two bits are zero, as no text begins (RFC 5389 section 8).
    ///
    /// That of before the cookie (RFC 3489 section 11.1) says its length.
    package static func mayBe(_ bytes: Span<UInt8>) -> Bool {
        bytes.count >= headerLength && bytes[0] < 0x02
            && (word(bytes, 4) == cookie || saysLength(bytes))
    }

    private static func saysLength(_ bytes: Span<UInt8>) -> Bool {
        Int(bytes[2]) << 8 | Int(bytes[3]) == bytes.count - headerLength
    }

    /// Whether it is a Binding Request whose attributes are whole, none of which has to be understood
    /// (RFC 5389 sections 6, 7.3.1 and 15).
    package static func isBindingRequest(_ bytes: Span<UInt8>) -> Bool {
        guard mayBe(bytes), bytes[0] == 0, bytes[1] == 1, word(bytes, 4) == cookie,
            saysLength(bytes)
        else { return false }
        var at = headerLength
        while at + 4 <= bytes.count {
            guard bytes[at] & 0x80 != 0 else { return false }
            let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
            at += 4 + (length + 3) / 4 * 4
        }
        return at == bytes.count
    }

    /// Writes the answer to a Binding Request: XOR-MAPPED-ADDRESS alone (RFC 5389 section 15.2).
    package static func writeAnswer(
        to request: Span<UInt8>, _ source: SocketAddress, into buffer: inout ByteBuffer
    ) {
        let first = source.ip.isV4 ? 12 : 0
        let length = 16 - first
        for byte: UInt8 in [0x01, 0x01, 0, UInt8(8 + length)] { buffer.append(byte) }
        // Cookie and transaction.
        buffer.append(request.extracting(4..<headerLength))
        let family: UInt8 = source.ip.isV4 ? 1 : 2
        for byte: UInt8 in [0, 0x20, 0, UInt8(4 + length), 0, family] { buffer.append(byte) }
        buffer.append(UInt8(source.port >> 8) ^ request[4])
        buffer.append(UInt8(truncatingIfNeeded: source.port) ^ request[5])
        for index in 0..<length {
            buffer.append(source.ip.byte(first + index) ^ request[4 + index])
        }
    }

    /// Whether a datagram only keeps the way through a NAT open; such are dropped, neither counted nor recorded.
    ///
    /// RFC 5626 section 3.5.1 has none over UDP but STUN. Phones send up to four bytes of any kind, a few zeros,
    /// line ends or dots.
    package static func isKeepAlive(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count > 4 else { return true }
        if mayBe(bytes) { return true }
        guard bytes.count <= 64 else { return false }
        for place in bytes.indices where Characters.lower(bytes[place]) &- 0x61 < 26 {
            return false
        }
        return true
    }

    private static func word(_ bytes: Span<UInt8>, _ at: Int) -> UInt32 {
        UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8
            | UInt32(bytes[at + 3])
    }
}
