package import Sys

/// The way to a peer: the socket it came by and where it is (RFC 5626 section 3.3).
package struct Flow: BitwiseCopyable, Hashable, Sendable {
    /// The peer.
    package var peer: SocketAddress
    /// How SIP is carried.
    package var transport: Transport
    /// The number of our listener.
    package var listener: UInt8
    /// The connection's handle (`ConnectionHandle`).
    ///
    /// Of UDP at a wildcard endpoint it is the mark (`OwnMark`) of this machine's address that the
    /// peer asks, and from which answers leave. Else it is 0.
    package var connection: UInt64

    /// A flow of its parts.
    package init(
        _ transport: Transport, listener: UInt8, peer: SocketAddress, connection: UInt64 = 0
    ) {
        self.transport = transport
        self.listener = listener
        self.peer = peer
        self.connection = connection
    }

    /// Whether two flows are one: of connections handle, transport, listener, address and port.
    ///
    /// A connection's descriptor knows the scope, and a token does not carry it; so it is compared by UDP alone.
    package static func == (one: Flow, other: Flow) -> Bool {
        one.connection == other.connection && one.peer.ip == other.peer.ip
            && one.peer.port == other.peer.port && one.transport == other.transport
            && one.listener == other.listener
            && (one.transport.isStream || one.peer.scope == other.peer.scope)
    }

    /// A hash by the standard library's seeded SipHash, so that nobody outside can make two collide.
    package var keyedHash: UInt64 {
        var hasher = Hasher()
        hash(into: &hasher)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    package func hash(into hasher: inout Hasher) {
        // A handle is random, so it tells connections apart by itself.
        hasher.combine(connection)
        guard !transport.isStream else { return }
        hasher.combine(peer)
        hasher.combine(transport)
        hasher.combine(listener)
    }
}
