/// What is counted, limited and banned as one, alike in every process.
extension IPAddress {
    /// The source that an address belongs to: an IPv4 address itself, of an IPv6 address its /64, which one
    /// host can use in full.
    @inlinable
    package var source: IPAddress { isV4 ? self : IPAddress(high: high, low: 0) }

    /// A hash of the address by the standard library's seeded SipHash, so that nobody outside can make two collide.
    package var keyedHash: UInt64 {
        var hasher = Hasher()
        hasher.combine(self)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

extension Network {
    /// The source of an address: the IPv4 address, or the IPv6 /64.
    package static func source(of address: IPAddress) -> Network {
        Network(address.source, prefix: sourcePrefix(address))
    }

    /// The neighbourhood of a source: the IPv4 /24, or the IPv6 /48.
    package static func neighbourhood(of address: IPAddress) -> Network {
        Network(address, prefix: address.isV4 ? 24 : 48)
    }

    /// Whether it is wider than one source.
    package var isWide: Bool { prefix < Self.sourcePrefix(address) }

    private static func sourcePrefix(_ address: IPAddress) -> UInt8 { address.isV4 ? 32 : 64 }
}
