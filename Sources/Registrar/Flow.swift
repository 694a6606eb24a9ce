package import Messages
package import Sys

/// The way to a peer: the socket it came by and where it is (RFC 5626 section 3.3).
package struct Flow: BitwiseCopyable, Hashable, Sendable {
    /// The peer.
    package var peer: SocketAddress
    /// How SIP is carried.
    package var transport: Transport
    /// The number of our listener.
    package var listener: UInt8
    /// The connection's handle, 0 for UDP.
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
}
