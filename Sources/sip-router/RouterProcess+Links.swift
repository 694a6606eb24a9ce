internal import ProxyBench
internal import Journal
internal import Messages
internal import Privsep
internal import Proxy
internal import Reactor
internal import SIP
internal import Sys
internal import Wire

/// The links to the other children.
extension RouterProcess {
    private func link(_ role: Role) -> PeerLink {
        switch role {
        case .directory: directory
        case .banner: banner
        default: terminator
        }
    }

    private func watched(_ role: Role) -> Watched {
        switch role {
        case .directory: .directory
        case .banner: .banner
        default: .terminator
        }
    }

    private func token(_ role: Role) -> Token {
        Token(kind: watched(role).rawValue, generation: generations[role, default: 0])
    }

    /// Takes a new link in place of an older one, and says hello.
    func attach(_ role: Role, _ socket: Descriptor) {
        generations[role, default: 0] += 1
        guard (try? poller.add(socket.raw, token(role), .read)) != nil else { return }
        link(role).attach(socket)
        switch role {
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
            plaintext.removeAll()
            tellTerminator(.hello, connection: 0, [messagesVersion])
            sendPlaintext()
        }
    }

    func linkIsReady(_ role: Role, _ event: Event) {
        guard event.token == token(role) else { return }
        let link = link(role)
        if event.writable {
            link.flush()
            if !link.isWaiting, let raw = link.link?.descriptor.raw {
                try? poller.modify(raw, token(role), .read)
            }
        }
        guard event.readable else { return }
        for _ in 0..<256 {
            guard let standing = link.link else { return }
            do {
                switch try standing.receive(into: &buffer) {
                case .nothing: return
                case .ended: return link.close()
                case .frame(let length, nil):
                    try take(role, length)
                    // If there is more after all, the poller says so again.
                    if role == .terminator, PlaintextParcel.isLast(length: length) { return }
                case .frame, .cut: throw WireError.descriptor
                }
            } catch {
                link.close()
                journal.write(
                    .degraded, .error,
                    "\(role.name) broke the protocol of its link (\(error)): rempart restart \(role.name)",
                    [(.component, role.name)])
            }
            if router.effects.outbox.isHalfFull { handOut() }
        }
    }

    /// Asks to be told when a link that is full has room.
    func watchForRoom() {
        for role in [Role.directory, .banner, .terminator] {
            let link = link(role)
            guard link.isWaiting, let raw = link.link?.descriptor.raw else { continue }
            try? poller.modify(raw, token(role), [.read, .write])
        }
    }

    // `frame` holds the same storage, uncopied: a span of a stored property may not be lent to a call
    // that throws.
    private func take(_ role: Role, _ length: Int) throws(WireError) {
        let frame = buffer
        let bytes = frame.span.extracting(0..<length)
        switch role {
        case .directory: router.receive(try DirectoryToRouter(decoding: bytes), now)
        case .banner:
            try Parcel.forEach(in: bytes) { (message: Span<UInt8>) throws(WireError) in
                router.receive(try BannerToRouter(decoding: message), now)
            }
        default:
            try PlaintextParcel.forEach(in: bytes) {
                (head: PlaintextHeader, payload: Span<UInt8>) throws(WireError) in
                try takePlaintext(head, payload)
                if router.effects.outbox.isHalfFull { handOut() }
            }
        }
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
                tellTerminator(.closed, connection: head.connection)
                return
            }
            let peer = StreamPeer(flow, socket: nil, now: now.monotonic)
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
        case .pause, .resume: throw .notPermitted
        }
    }

    /// Adds a message of a short payload to what goes to tls-terminator in this turn.
    func tellTerminator(
        _ kind: PlaintextKind, connection: UInt64, _ payload: [UInt8] = []
    ) {
        if !plaintext.hasRoom { sendPlaintext() }
        plaintext.add(kind, connection: connection, payload.span)
    }

    /// Adds plaintext, in messages of at most a record's length.
    func sendTLS(_ bytes: Span<UInt8>, to peer: StreamPeer) {
        var start = 0
        while start < bytes.count {
            let end = min(start + PlaintextHeader.maximumPayload, bytes.count)
            if !plaintext.hasRoom { sendPlaintext() }
            plaintext.add(
                .data, connection: peer.flow.connection, bytes.extracting(start..<end))
            start = end
        }
    }

    /// Hands tls-terminator what there is for it.
    func sendPlaintext() {
        guard !plaintext.isEmpty else { return }
        terminator.send(plaintext.frame)
        plaintext.removeAll()
    }
}
