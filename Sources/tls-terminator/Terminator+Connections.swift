// What happens on a client's connection.

internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

extension Terminator {
    /// Goes on with a connection whose socket is ready.
    func connectionIsReady(_ event: Event) {
        guard let handle = table.handle(of: event.token), let connection = table[handle] else {
            return
        }
        switch connection.phase {
        case .handshaking: handshake(connection, handle)
        case .open:
            if event.writable, !connection.flush() {
                return finish(connection, handle)
            }
            // Nobody would read the error off it, and the poller would report it for ever.
            if event.hungUp, !connection.interest.contains(.read) {
                return finish(connection, handle)
            }
            if event.readable || event.writable { read(connection, handle) }
        case .closing: linger(connection, handle, event)
        }
        rewatch(connection, handle)
    }

    /// Watches a connection for what it wants now; nothing for one that is over.
    func rewatch(_ connection: Connection, _ handle: ConnectionHandle) {
        let wanted = connection.wanted
        guard wanted != connection.interest, table[handle] === connection else { return }
        let token = table.token(of: handle)
        guard (try? loop.poller.modify(connection.socket.raw, token, wanted)) != nil else {
            return finish(connection, handle)
        }
        connection.interest = wanted
    }

    private func handshake(_ connection: Connection, _ handle: ConnectionHandle) {
        connection.wantsWrite = false
        switch connection.session.handshake() {
        case .moved:
            connection.phase = .open
            sources.endHandshake(connection.peer)
            announce(connection, handle)
            if connection.session.hasPending { read(connection, handle) }
        case .wantsRead: break
        case .wantsWrite: connection.wantsWrite = true
        case .finished, .ended: failHandshake(connection, handle, .closed, "the client went away")
        case .broken(let reason): failHandshake(connection, handle, .protocolError, reason)
        }
    }

    /// Ends a handshake that came to nothing, and says so to the router and the journal.
    func failHandshake(
        _ connection: Connection, _ handle: ConnectionHandle, _ failure: HandshakeFailure,
        _ reason: String
    ) {
        records.failed(connection.peer, failure, reason)
        if isGreeted {
            let payload = HandshakeFailedPayload(peer: connection.peer, reason: failure)
            router.send(.handshakeFailed, connection: 0, payload.encoded())
        }
        drop(connection, handle)
    }

    /// Reads records and passes them on, as long as the router takes them.
    func read(_ connection: Connection, _ handle: ConnectionHandle) {
        for _ in 0..<Self.recordShare {
            guard !connection.isParked else { return }
            guard canRouterTake else { return park(connection, handle) }
            switch router.read(connection.session, of: handle.raw) {
            case .moved:
                // The poller tells of what is still in the socket.
                if !connection.session.hasPending { return }
            case .wantsRead: return
            case .wantsWrite:
                connection.wantsWrite = true
                return
            case .finished:
                connection.session.sendCloseNotify()
                return finish(connection, handle)
            case .ended, .broken: return finish(connection, handle)
            }
        }
        if connection.session.hasPending { park(connection, handle) }
    }

    /// Lets a connection wait with what it has read ahead, or has in its socket.
    func park(_ connection: Connection, _ handle: ConnectionHandle) {
        guard !connection.isParked else { return }
        connection.isParked = true
        parked.append(handle)
    }

    /// Writes what is left of a connection that the router has ended, then awaits the client's end.
    private func linger(_ connection: Connection, _ handle: ConnectionHandle, _ event: Event) {
        if event.writable, !connection.flush() { return drop(connection, handle) }
        connection.shut()
        guard event.readable else { return }
        for _ in 0..<Self.recordShare {
            switch Stream.read(connection.socket.raw, into: &buffer, at: 0) {
            case .moved: continue
            case .wouldBlock: return
            case .ended, .failed: return drop(connection, handle)
            }
        }
    }

    /// Ends a connection that is over on the client's side, and tells the router.
    func finish(_ connection: Connection, _ handle: ConnectionHandle) {
        if connection.phase == .open, isGreeted {
            router.send(.closed, connection: handle.raw)
        }
        drop(connection, handle)
    }

    /// Ends a connection without a word.
    func drop(_ connection: Connection, _ handle: ConnectionHandle) {
        guard table[handle] === connection else { return }
        if connection.phase == .handshaking { sources.endHandshake(connection.peer) }
        sources.end(connection.peer)
        table.remove(handle)
        // Now, not with the last reference: a closed socket leaves the poller.
        connection.socket.close()
        acceptance.freed(loop.now, loop.poller)
    }
}

extension PlaintextLink {
    /// Reads a record of a session into the parcel, uncopied.
    fileprivate func read(_ session: TLSSession, of connection: UInt64) -> TLSProgress {
        makeRoom()
        let progress = session.read(
            into: &parcel.storage, at: parcel.payloadStart, limit: PlaintextHeader.maximumPayload)
        if case .moved(let count) = progress {
            parcel.seal(.data, connection: connection, payload: count)
        }
        return progress
    }
}
