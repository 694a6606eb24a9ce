// What sip-router says, and what happens when it comes and goes.

internal import Messages
internal import Privsep
internal import Sys
internal import Wire

extension Terminator {
    var peers: [PeerLink] { [router.peer] }

    /// A router comes in place of an older one; the connections follow after its hello.
    func linked(_ peer: Role) {
        isGreeted = false
        router.linked()
    }

    /// Whether there is a router that takes plaintext now; no client is read until there is.
    var canRouterTake: Bool {
        isGreeted && router.peer.link != nil && !router.peer.isWaiting
    }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        try PlaintextParcel.forEach(in: frame) {
            (head: PlaintextHeader, payload: Span<UInt8>) throws(WireError) in
            try take(head, payload)
        }
    }

    private func take(_ head: PlaintextHeader, _ payload: Span<UInt8>) throws(WireError) {
        let handle = ConnectionHandle(raw: head.connection)
        switch (head.kind, isGreeted) {
        case (.hello, false):
            guard payload[0] == messagesVersion else { throw .version(payload[0]) }
            isGreeted = true
            announceAll()
        case (.data, true): write(payload, to: handle)
        case (.closed, true): close(handle)
        default: throw .notPermitted
        }
    }

    private func announceAll() {
        for handle in table.handles {
            if let connection = table[handle], connection.phase == .open {
                announce(connection, handle)
            }
        }
    }

    /// Tells the router of a connection whose handshake is done.
    func announce(_ connection: Connection, _ handle: ConnectionHandle) {
        guard isGreeted else { return }
        let payload = OpenedPayload(
            listener: connection.listener, peer: connection.peer, own: connection.own)
        router.send(.opened, connection: handle.raw, payload.encoded())
    }

    /// The open connection of a message, which may have crossed the connection's end.
    private func open(_ handle: ConnectionHandle) -> Connection? {
        guard let connection = table[handle], connection.phase == .open else { return nil }
        return connection
    }

    private func write(_ payload: Span<UInt8>, to handle: ConnectionHandle) {
        guard let connection = open(handle) else { return }
        if connection.write(payload, limit: limits.outgoing) != .done {
            finish(connection, handle)
        }
        rewatch(connection, handle)
    }

    /// Ends a connection in good order, as the router wants it.
    private func close(_ handle: ConnectionHandle) {
        guard let connection = open(handle) else { return }
        connection.phase = .closing
        closingDeadlines.append(handle, at: loop.now + limits.closingTime)
        connection.shut()
        rewatch(connection, handle)
    }

    /// Reads the clients that waited, now that the router takes their bytes.
    func unpark() {
        guard !parked.isEmpty, canRouterTake else { return }
        let waiting = parked
        parked.removeAll(keepingCapacity: true)
        for handle in waiting {
            guard let connection = table[handle] else { continue }
            connection.isParked = false
            if connection.phase == .open, connection.session.hasPending {
                read(connection, handle)
            }
            rewatch(connection, handle)
        }
    }
}
