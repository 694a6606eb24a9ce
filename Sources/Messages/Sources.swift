package import Sys

/// What a ban may cover, alike for who decides it and who carries it out.
extension Network {
    /// The source that a ban of an address covers: the IPv4 address, or the IPv6 /64.
    package static func source(of address: IPAddress) -> Network {
        Network(address, prefix: address.isV4 ? 32 : 64)
    }

    /// The neighbourhood of a source: the IPv4 /24, or the IPv6 /48.
    package static func neighbourhood(of address: IPAddress) -> Network {
        Network(address, prefix: address.isV4 ? 24 : 48)
    }

    /// Whether it is wider than one source.
    package var isWide: Bool { prefix < (address.isV4 ? 32 : 64) }
}
