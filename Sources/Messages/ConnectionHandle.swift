internal import Sys

/// A connection's name in every process, made by the one that accepts the connection.
///
/// The highest bit says who keeps the descriptor (1: sip-router, TCP; 0: tls-terminator, TLS). Then come 47
/// bits of the kernel's random source, drawn anew for each connection, and 16 bits of the place in the
/// keeper's table. So neither a later connection nor a process that was started anew gives a handle again.
/// A handle is never 0, which is none, and never `UInt64.max`.
///
/// It stays with the descriptor for as long as the connection stands. It is believed only together
/// with the peer's address and port and the listener: what a router knows of another peer is not
/// this one's.
package struct ConnectionHandle: BitwiseCopyable, Hashable, Sendable {
    /// How many places a keeper's table may have.
    package static let places = 65_536

    private static let randomBits: UInt64 = (1 << 47) - 1

    /// The packed form.
    package let raw: UInt64

    /// The handle of its packed form.
    package init(raw: UInt64) { self.raw = raw }

    /// A handle that was never given before, for a connection of TCP or TLS at a place of its keeper's table.
    package init(_ transport: Transport, place: UInt16) {
        var random: UInt64
        repeat {
            random = Random.word & Self.randomBits
        } while random == 0
            || random == Self.randomBits
        raw = (transport == .tcp ? 1 << 63 : 0) | random << 16 | UInt64(place)
    }

    /// How the connection carries SIP, which tells who keeps it.
    package var transport: Transport { raw >> 63 == 1 ? .tcp : .tls }

    /// The place in the keeper's table, whose handle may be another one by now.
    package var place: Int { Int(raw & 0xFFFF) }
}
