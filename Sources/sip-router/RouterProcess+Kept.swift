internal import Messages
internal import Privsep
internal import Proxy
internal import ProxyBench
internal import Reactor
internal import Sys

/// The TCP connections of registered phones, which outlive this process: the supervisor keeps a descriptor of
/// each.
extension RouterProcess {
    /// Takes over the connections that an earlier sip-router had accepted.
    func adopt(_ connections: [(connection: KeptConnection, socket: Descriptor)]) {
        let adopted = streams.adopt(connections, now: loop.now)
        let places = Set(adopted.map(\.flow.connection))
        for (connection, socket) in connections where !places.contains(connection.handle.raw) {
            Socket.end(socket.raw)
            loop.supervision.letGo(connection.handle)
        }
        for peer in adopted {
            peer.isKept = true
            peer.hasSpoken = true
            peer.mayBeginWithin = true
            guard let socket = peer.socket,
                Descriptor.areSpare(Acceptance.reserve, beside: socket.raw),
                (try? loop.poller.add(socket.raw, streams.token(of: peer), .read)) != nil
            else {
                end(peer)
                continue
            }
            router.opened(peer.flow, at: own(peer.flow.listener, of: socket))
        }
    }

    /// Has the supervisor keep the connections by which phones have newly registered: before the phones are told.
    func keepBound() {
        guard !router.bench.effects.boundConnections.isEmpty else { return }
        for flow in router.bench.effects.boundConnections {
            guard let peer = streams[flow], let socket = peer.socket, !peer.isKept else { continue }
            peer.isKept = true
            loop.supervision.retain(
                KeptConnection(
                    handle: ConnectionHandle(raw: flow.connection), listener: flow.listener,
                    peer: flow.peer), socket)
        }
        router.bench.effects.boundConnections.removeAll(keepingCapacity: true)
    }

    /// Ends the connections whose last message is half written, as this process ends: another could not go on
    /// within it.
    func endHalfWritten() {
        for peer in streams.all where peer.isKept && peer.isWaiting { end(peer) }
    }

    /// Ends a connection that the supervisor keeps, here and there.
    func letGo(_ peer: StreamPeer) {
        if let socket = peer.socket { Socket.end(socket.raw) }
        loop.supervision.letGo(ConnectionHandle(raw: peer.flow.connection))
    }
}
