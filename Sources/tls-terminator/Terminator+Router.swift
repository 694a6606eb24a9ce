// What sip-router says, and what happens when it comes and goes.

internal import Journal
internal import Messages
internal import Reactor
internal import Sys

extension Terminator {
    /// Takes a link to a router in place of an older one; its connections follow after its hello.
    func attach(_ descriptor: Descriptor) {
        detach()
        let link = RouterLink(descriptor)
        routerGeneration += 1
        let token = Token(kind: Watched.router.rawValue, generation: routerGeneration)
        guard (try? poller.add(link.raw, token, .read)) != nil else { return }
        router = link
    }

    /// Lets go of the router; connections stay, unread.
    private func detach() {
        guard let router else { return }
        poller.remove(router.raw)
        self.router = nil
        // A pause was the old router's wish; without one at all, reading is parked anyway.
        for handle in table.handles {
            guard let connection = table[handle] else { continue }
            connection.isPaused = false
            if connection.session.hasPending { park(connection, handle) }
            rewatch(connection, handle)
        }
    }

    /// Whether there is a router that takes plaintext now.
    var canRouterTake: Bool {
        guard let router else { return false }
        return router.isGreeted && !router.hasEnded && !router.isFull
    }

    /// Goes on with the router's link.
    func routerIsReady(_ event: Event) {
        guard event.token.generation == routerGeneration & 0xFF_FFFF, let router else { return }
        if event.writable { router.flush() }
        guard event.readable else { return }
        while true {
            switch router.next() {
            case .nothing: return
            case .ended: return detach()
            case .greeted: announceAll()
            case .frame(let kind, let handle, let length):
                take(kind, handle, length, from: router)
            case .broken(let why):
                journal.write(
                    .degraded, .error,
                    "sip-router broke the protocol of its link (\(why)); TLS connections wait for "
                        + "a new one: rempart restart sip-router",
                    [(.component, Role.router.name)])
                return detach()
            }
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
        guard let router, router.isGreeted else { return }
        let payload = OpenedPayload(
            listener: connection.listener, peer: connection.peer, own: connection.own)
        router.send(.opened, connection: handle.raw, payload.encoded())
    }

    private func take(
        _ kind: PlaintextKind, _ handle: ConnectionHandle, _ length: Int, from router: RouterLink
    ) {
        // A frame may cross the end of its connection; then there is nobody to give it to.
        guard let connection = table[handle], connection.phase == .open else { return }
        switch kind {
        case .data:
            let written = router.withPayload(length) { payload in
                connection.write(payload, limit: limits.outgoing)
            }
            if written != .done { finish(connection, handle) }
        case .closed: close(connection, handle)
        case .pause: connection.isPaused = true
        case .resume:
            connection.isPaused = false
            if connection.session.hasPending { read(connection, handle) }
        case .hello, .opened, .handshakeFailed: break
        }
        rewatch(connection, handle)
    }

    /// Ends a connection in good order, as the router wants it.
    private func close(_ connection: Connection, _ handle: ConnectionHandle) {
        connection.phase = .closing
        closingDeadlines.append(handle, at: now + limits.closingTime)
        connection.shut()
    }

    /// At the end of a turn: reads the clients that waited, sends the router what there is for it, and
    /// watches it for room when it is full.
    func settleRouter() {
        unpark()
        guard let router else { return }
        router.flush()
        if router.hasEnded { return detach() }
        let wanted: Interest = router.isFull ? [.read, .write] : .read
        guard wanted != router.interest else { return }
        let token = Token(kind: Watched.router.rawValue, generation: routerGeneration)
        guard (try? poller.modify(router.raw, token, wanted)) != nil else { return detach() }
        router.interest = wanted
    }

    private func unpark() {
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
