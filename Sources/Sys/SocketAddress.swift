package import CLinux

/// An IPv4 or IPv6 address, comparable in two machine words; IPv4 is stored mapped (::ffff:a.b.c.d).
package struct IPAddress: BitwiseCopyable, Hashable, Sendable {
    /// The first eight bytes in network order.
    package var high: UInt64
    /// The last eight bytes in network order.
    package var low: UInt64

    /// The address of the 16 bytes that the two words make.
    @inlinable
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The IPv4 address of the four bytes that `word` makes in network order.
    @inlinable
    package init(v4 word: UInt32) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(word))
    }

    /// Whether it is an IPv4 address.
    @inlinable
    package var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Whether it is an IPv6 address that means something on one link alone, fe80::/10 (RFC 4291 section 2.5.6).
    @inlinable
    package var isLinkLocal: Bool { high >> 54 == 0xFE80 >> 6 }

    /// Whether it is none in particular, 0.0.0.0 or ::.
    package var isUnspecified: Bool { isV4 ? low == 0xFFFF << 32 : high == 0 && low == 0 }

    /// Whether it is of the host itself, 127.0.0.0/8 or ::1: no network brings a packet from there.
    @inlinable
    package var isLoopback: Bool {
        isV4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1
    }

    /// Whether it is of a network of one's own, of this link or of this host (RFC 6890).
    package var isPrivate: Bool {
        guard isV4 else { return high >> 57 == 0xFC >> 1 || isLinkLocal || isLoopback }
        let word = UInt32(truncatingIfNeeded: low)
        return word >> 24 == 10 || word >> 24 == 127 || word >> 20 == 0xAC1
            || word >> 16 == 0xC0A8 || word >> 16 == 0xA9FE || word >> 22 == 0x191
    }

    /// Whether it stands for many hosts: 224.0.0.0/4, 255.255.255.255 or ff00::/8.
    package var isMulticast: Bool {
        guard isV4 else { return high >> 56 == 0xFF }
        let word = UInt32(truncatingIfNeeded: low)
        return word >> 28 == 0xE || word == .max
    }

    /// Byte `index` (0 to 15) of the mapped form.
    @inlinable
    package func byte(_ index: Int) -> UInt8 {
        let word = index < 8 ? high : low
        return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index & 7)))
    }
}

/// An IP address with a port, and the scope of a link-local address.
package struct SocketAddress: BitwiseCopyable, Hashable, Sendable {
    /// The address without its port.
    package var ip: IPAddress
    /// The interface index of a link-local IPv6 address, else 0.
    package var scope: UInt32
    /// The port, 0 where it is not known; the last, so that what stands behind it fills its word.
    package var port: UInt16

    /// The address of an IP, a port and a scope.
    @inlinable
    package init(_ ip: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.ip = ip
        self.port = port
        self.scope = scope
    }

    /// Whether its scope makes sense: a link-local address alone may have one, an interface's number.
    @inlinable
    package var isScopeGood: Bool {
        scope == 0 || ip.isLinkLocal && scope <= UInt32(Int32.max)
    }

    /// The address as the C edge returns it.
    package init(_ c: clinux_address) {
        let ip = c.ip
        let high =
            word(ip.0, ip.1, ip.2, ip.3) << 32 | word(ip.4, ip.5, ip.6, ip.7)
        let low =
            word(ip.8, ip.9, ip.10, ip.11) << 32 | word(ip.12, ip.13, ip.14, ip.15)
        self.init(IPAddress(high: high, low: low), port: c.port, scope: c.scope)
    }

    /// The address as the C edge takes it.
    package var c: clinux_address {
        var c = clinux_address()
        c.ip = (
            ip.byte(0), ip.byte(1), ip.byte(2), ip.byte(3), ip.byte(4), ip.byte(5), ip.byte(6),
            ip.byte(7), ip.byte(8), ip.byte(9), ip.byte(10), ip.byte(11), ip.byte(12), ip.byte(13),
            ip.byte(14), ip.byte(15)
        )
        c.port = port
        c.scope = scope
        c.family = ip.isV4 ? 4 : 6
        return c
    }
}

/// Four bytes in network order as the low half of a word.
private func word(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) -> UInt64 {
    UInt64(a) << 24 | UInt64(b) << 16 | UInt64(c) << 8 | UInt64(d)
}
