internal import Messages
internal import Privsep
internal import Proxy
internal import ProxyBench
internal import Reactor
internal import SIP
internal import Sys

/// The connections of TCP and TLS, and what comes and goes by them.
extension RouterProcess {
    /// How long a message may take from its first byte to its last.
    private static var messageTime: Milliseconds { .seconds(5) }
    /// How long a connection may stay without a message on which nobody has authenticated.
    private static var silenceTime: Milliseconds { .seconds(15) }
    /// How long a connection may stay after its last message: longer than any binding without a keep-alive.
    private static var idleTime: Milliseconds { .seconds(4 * 3600) }

    func accept(_ number: Int) {
        guard let listener = sockets[number] else { return }
        for _ in 0..<64 {
            guard
                let accepted = acceptance.accept(
                    listener.raw, loop.now, loop.poller, Socket.accept)
            else { return sayShortage() }
            // Nothing can be said of a peer without a port, neither to it nor to another process.
            guard accepted.peer.port > 0 else { continue }
            let isWanted =
                listeners[number].side == .outside
                ? mayOpen(accepted.peer.ip) : router.answers(accepted.peer.ip)
            guard isWanted,
                let (peer, token) = streams.add(
                    accepted.connection, listener: UInt8(number), peer: accepted.peer,
                    now: loop.now)
            else { continue }
            guard (try? loop.poller.add(accepted.connection.raw, token, .read)) != nil else {
                streams.remove(peer)
                continue
            }
            begin(peer, at: own(UInt8(number), of: accepted.connection))
        }
    }

    /// The address of this machine that a connection to a wildcard endpoint has; nil of another one.
    func own(_ listener: UInt8, of connection: Descriptor) -> IPAddress? {
        let endpoint = listeners[Int(listener)].endpoint
        return endpoint.isWildcard ? endpoint.own(of: connection).ip : nil
    }

    func streamIsReady(_ event: Event) {
        guard let peer = streams[event.token], let socket = peer.socket else { return }
        if event.writable {
            guard peer.flush() else { return end(peer) }
            if !peer.isWaiting { try? loop.poller.modify(socket.raw, event.token, .read) }
        }
        guard event.readable else { return }
        switch Stream.read(socket.raw, into: &buffer, at: 0) {
        case .moved(let count):
            let bytes = buffer
            take(bytes.span.extracting(0..<count), from: peer)
        case .wouldBlock: break
        case .ended, .failed: end(peer)
        }
    }

    /// Takes bytes of a stream and lets the core have the messages that are whole.
    func take(_ bytes: Span<UInt8>, from peer: StreamPeer) {
        peer.framer.append(bytes)
        var pings = 0
        while !peer.isOver {
            // The rest of a message that an earlier sip-router began to read is nobody's fault.
            if peer.mayBeginWithin, peer.framer.beginsMessage == false { return end(peer) }
            switch peer.framer.next() {
            case .incomplete:
                peer.began = peer.framer.isPartial ? peer.began ?? loop.now : nil
                if peer.began == nil { isAlive(peer) }
                answer(&pings, of: peer)
                return
            case .ping(let length):
                peer.framer.consume(length)
                pings += 1
            case .message(let length):
                if peer.mayBeginWithin, peer.framer.beginsMessage != true { return end(peer) }
                answer(&pings, of: peer)
                guard !peer.isOver else { return }
                let all = peer.framer.bytes
                let start = peer.framer.head
                peer.framer.consume(length)
                peer.began = nil
                peer.lastHeard = loop.now
                peer.hasSpoken = true
                peer.mayBeginWithin = false
                router.receive(all.span.extracting(start..<start + length), peer.flow, now)
                forgetIfProven(peer)
                if router.bench.effects.outbox.isHalfFull { handOut() }
            case .broken(let reason):
                answer(&pings, of: peer)
                if !peer.mayBeginWithin { router.brokenStream(peer.flow, reason, now) }
                handOut()
                end(peer)
                return
            }
        }
    }

    /// The peer at the other end of a flow, nil when the connection is over or was another one.
    func peer(by flow: Flow) -> StreamPeer? {
        if flow.transport == .tcp { return streams[flow] }
        guard let peer = tlsPeers[flow.connection], peer.flow == flow else { return nil }
        return peer
    }

    /// Notes a keep-alive: it keeps nobody alive who has not said who he is.
    private func isAlive(_ peer: StreamPeer) {
        if !peer.isUnproven { peer.lastHeard = loop.now }
    }

    /// Answers keep-alives that came together by as many pongs, in one write.
    private func answer(_ pings: inout Int, of peer: StreamPeer) {
        guard pings > 0 else { return }
        defer { pings = 0 }
        isAlive(peer)
        gathered.removeAll()
        for _ in 0..<pings { gathered.append("\r\n") }
        Self.send(gathered, to: peer, of: self)
    }

    /// Writes to a TCP connection, or adds to what goes to tls-terminator.
    func send(_ bytes: Span<UInt8>, to peer: StreamPeer) {
        guard let socket = peer.socket else {
            terminator.send(bytes, to: peer.flow.connection)
            return
        }
        guard peer.write(bytes) else { return end(peer) }
        if peer.isWaiting {
            try? loop.poller.modify(socket.raw, streams.token(of: peer), [.read, .write])
        }
    }

    /// Ends a connection, whatever carries it.
    func end(_ peer: StreamPeer) {
        router.closed(peer.flow)
        peer.isOver = true
        forget(peer)
        if peer.socket == nil {
            guard tlsPeers.removeValue(forKey: peer.flow.connection) != nil else { return }
            terminator.send(.closed, connection: peer.flow.connection)
        } else {
            streams.remove(peer)
            if peer.isKept { letGo(peer) }
            peer.socket?.close()
            acceptance.freed(loop.now, loop.poller)
        }
    }

    func sayShortage() {
        journal.write(acceptance.dequeueNews(), of: .router, accepting: "TCP connections")
    }

    /// Ends connections that keep a message or themselves open too long.
    func sweepStreams() {
        for peer in streams.all + tlsPeers.values {
            forgetIfProven(peer)
            let isLate = peer.began.map { loop.now - $0 > Self.messageTime } ?? false
            let silence = loop.now - peer.lastHeard
            let isMute = peer.isUnproven && silence > Self.silenceTime
            guard isLate || isMute || silence > Self.idleTime else { continue }
            // Who has asked for something and then left it at that has offended nobody.
            if isLate && !peer.mayBeginWithin || !peer.hasSpoken {
                router.brokenStream(peer.flow, isLate ? "message-too-slow" : Router.idle, now)
            }
            end(peer)
        }
    }
}
