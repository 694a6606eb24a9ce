internal import Messages
internal import Sys

/// The TCP connections of registered phones, held open over a restart of sip-router.
///
/// The supervisor never reads or writes them. sip-router ends one by shutdown(2), which holds for every
/// descriptor, and then says that it is over.
struct KeptConnections {
    private var kept: [ConnectionHandle: (connection: KeptConnection, socket: Descriptor)] = [:]

    /// How many descriptors are left to everything else: starts, links, files and callers.
    private static let reserve: Int32 = 64

    /// Keeps a connection; why not, when what was sent is none of a phone.
    ///
    /// One that has ended meanwhile, one whose descriptor was lost on its way, and one beyond the most that are
    /// kept, or that there are descriptors for, are let go of.
    mutating func keep(_ connection: KeptConnection, _ socket: Descriptor?) -> String? {
        guard let socket, let peer = try? Socket.peerAddress(socket.raw) else { return nil }
        guard peer == connection.peer, Socket.adopted(socket.raw)?.kind == .stream else {
            return "sent a descriptor that is not the connection it names"
        }
        guard kept[connection.handle] == nil else { return "has a connection kept twice" }
        if kept.count < KeptConnection.most, Descriptor.areSpare(Self.reserve, beside: socket.raw) {
            kept[connection.handle] = (connection, socket)
        }
        return nil
    }

    /// A connection is over.
    mutating func letGo(_ handle: ConnectionHandle) { kept[handle] = nil }

    /// What the next sip-router is told of them.
    var messages: [SupervisorMessage] {
        kept.values.map { .connection($0.connection, $0.socket) }
    }
}
