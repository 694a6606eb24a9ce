internal import Messages
internal import Privsep
internal import Proxy
internal import ProxyBench
internal import Reactor
internal import Registrar
internal import SIP
internal import Sys
internal import Wire

/// The links to the other children.
extension RouterProcess {
    var peers: [PeerLink] { [directory, banner, terminator.peer] }

    func linked(_ peer: Role) {
        switch peer {
        case .directory:
            directory.send(RouterToDirectory.hello.encoded())
            router.directoryLinked(now)
        case .banner:
            banner.send(RouterToBanner.hello.encoded())
            router.bannerLinked(now)
        default:
            // Whatever connections the old one had are gone with it; a new router is told of those
            // that stand.
            for peer in Array(tlsPeers.values) { router.closed(peer.flow) }
            for peer in tlsPeers.values { forget(peer) }
            tlsPeers = [:]
            terminator.linked()
        }
    }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        switch peer {
        case .directory: router.receive(try DirectoryToRouter(decoding: frame), now)
        case .banner:
            try Parcel.forEach(in: frame) { (message: Span<UInt8>) throws(WireError) in
                router.receive(try BannerToRouter(decoding: message), now)
            }
        default:
            try PlaintextParcel.forEach(in: frame) {
                (head: PlaintextHeader, payload: Span<UInt8>) throws(WireError) in
                try takePlaintext(head, payload)
                if router.bench.effects.outbox.isHalfFull { handOut() }
            }
        }
        if router.bench.effects.outbox.isHalfFull { handOut() }
    }

    // MARK: tls-terminator

    private func takePlaintext(
        _ head: PlaintextHeader, _ payload: Span<UInt8>
    ) throws(WireError) {
        switch head.kind {
        case .hello:
            guard payload[0] == messagesVersion else { throw .version(payload[0]) }
        case .opened:
            let opened = try OpenedPayload(decoding: payload)
            guard Int(opened.listener) < listeners.count,
                listeners[Int(opened.listener)].endpoint.transport == .tls
            else { throw .badValue("listener") }
            // A handle names one connection, and none of those that are accepted here.
            guard tlsPeers[head.connection] == nil, tlsPeers.count < Bounds.mostConnections,
                ConnectionHandle(raw: head.connection).transport == .tls
            else { throw .badValue("connection") }
            let flow = Flow(
                .tls, listener: opened.listener, peer: opened.peer, connection: head.connection)
            guard mayOpen(opened.peer.ip) else {
                terminator.send(.closed, connection: head.connection)
                return
            }
            let peer = StreamPeer(flow, socket: nil, now: loop.now)
            tlsPeers[head.connection] = peer
            let isWildcard = listeners[Int(opened.listener)].endpoint.isWildcard
            begin(peer, at: isWildcard ? opened.own.ip : nil)
        case .data:
            if let peer = tlsPeers[head.connection] { take(payload, from: peer) }
        case .closed:
            if let peer = tlsPeers.removeValue(forKey: head.connection) {
                forget(peer)
                router.closed(peer.flow)
            }
        case .handshakeFailed: handshakeFailed(try HandshakeFailedPayload(decoding: payload))
        }
    }
}
