package import Sys
internal import Wire

/// A TCP connection of a registered phone, whose descriptor the supervisor keeps for the next sip-router.
package struct KeptConnection: Hashable, Sendable {
    /// How many are kept at most; those of further phones end with their sip-router.
    package static let most = 16_384

    /// The connection's name, which stays with it.
    package let handle: ConnectionHandle
    /// The listener that it came by.
    package let listener: UInt8
    /// The phone's address and port.
    package let peer: SocketAddress

    /// A connection by its columns.
    package init(handle: ConnectionHandle, listener: UInt8, peer: SocketAddress) {
        self.handle = handle
        self.listener = listener
        self.peer = peer
    }

    func write(to writer: inout WireWriter) {
        writer.u64(handle.raw)
        writer.u8(listener)
        writer.address(peer)
    }

    init(from reader: inout WireReader) throws(WireError) {
        handle = ConnectionHandle(raw: try reader.u64())
        guard handle.transport == .tcp else { throw .badValue("handle") }
        listener = try reader.listener()
        peer = try reader.reachable("peer")
    }
}
