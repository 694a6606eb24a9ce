package import Sys

/// Marks of this machine's addresses, which stand in the place of a connection's handle in a flow of UDP.
///
/// A mark is made of the address alone, so that it means the same in every process, in a kept binding and in a
/// token.
package enum OwnMark {
    /// The mark of an address, never 0: of IPv4 the address itself, of IPv6 a hash beyond all those.
    package static func of(_ ip: IPAddress) -> UInt64 {
        guard !ip.isV4 else { return ip.low }
        return (ip.high &* 0x9E37_79B9_7F4A_7C15 ^ ip.low) & (1 << 62 - 1) | 1 << 62
    }

    /// Whether a number can be the mark of an address at which a peer asks, or is 0, which is none.
    static func isGood(_ mark: UInt64, toward peer: IPAddress) -> Bool {
        mark == 0 || (peer.isV4 ? mark >> 32 == 0xFFFF : mark >> 62 == 1)
    }
}
