internal import Messages
internal import Sys

/// The TCP connections of registered phones, kept open over a restart of sip-router.
///
/// The supervisor never reads or writes them. sip-router ends one by shutdown(2), which holds for every
/// descriptor, and then says that it is over.
struct KeptConnections {
    private var kept: [ConnectionHandle: (connection: KeptConnection, socket: Descriptor)] = [:]

    /// How many descriptors are left to everything else: starts, links, files and callers.
    private static let reserve: Int32 = 64

    /// Stores a connection; the reason why not, when what was sent is none of a phone.
    ///
    /// A connection is let go of that has ended meanwhile, or whose descriptor was lost on its way.
    /// So is one beyond the most that are kept, or that there are descriptors for.
    mutating func store(
        _ connection: KeptConnection, _ socket: Descriptor?, of listeners: [Listener]
    ) -> String? {
        guard let socket, let peer = try? Socket.peerAddress(socket.raw) else { return nil }
        guard peer == connection.peer, let own = Socket.adopted(socket.raw), own.kind == .stream,
            listeners.contains(where: { Self.accepted($0, connection, at: own.address) })
        else { return "sent a descriptor that is not the connection it names" }
        guard kept[connection.handle] == nil else { return "has a connection kept twice" }
        if kept.count < KeptConnection.most, Descriptor.areSpare(Self.reserve, beside: socket.raw) {
            kept[connection.handle] = (connection, socket)
        }
        return nil
    }

    /// Whether a listener has accepted a connection whose own end has this address.
    private static func accepted(
        _ listener: Listener, _ connection: KeptConnection, at own: SocketAddress
    ) -> Bool {
        let endpoint = listener.endpoint
        return listener.index == connection.listener && endpoint.transport == .tcp
            && endpoint.isReached(at: own)
    }

    /// A connection is over.
    mutating func letGo(_ handle: ConnectionHandle) { kept[handle] = nil }

    /// What the next sip-router is told of them.
    var messages: [SupervisorMessage] {
        kept.values.map { .connection($0.connection, $0.socket) }
    }
}
