internal import Messages
internal import Proxy
internal import ProxyBench
internal import Sys

/// What the defence asks of the loop.
extension RouterProcess {
    /// Ends the connections of sources that have been banned in this turn: a ban in the kernel leaves
    /// them half open until they time out.
    func closeBanned() {
        guard !router.bench.effects.closing.isEmpty else { return }
        let banned = Set(router.bench.effects.closing)
        router.bench.effects.closing.removeAll(keepingCapacity: true)
        for peer in streams.all + tlsPeers.values {
            let ip = peer.flow.peer.ip
            if banned.contains(.source(of: ip)) || banned.contains(.neighbourhood(of: ip)) {
                end(peer)
            }
        }
    }

    /// tls-terminator tells of a handshake that came to nothing.
    func handshakeFailed(_ payload: HandshakeFailedPayload) {
        let listener = listeners.first { $0.endpoint.transport == .tls }?.index ?? 0
        // A connection of no handle stands for one that never was.
        let flow = Flow(.tls, listener: listener, peer: payload.peer, connection: .max)
        router.handshakeFailed(flow, now)
    }
}
