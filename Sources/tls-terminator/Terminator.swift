// The terminator's state, what it accepts, and what is due in the course of time.

internal import Journal
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

/// Accepts TLS connections and passes their plaintext to sip-router and back.
///
/// It is driven by `ServiceLoop`; the clocks are passed in, so that a test can let time pass.
final class Terminator: Service {
    /// What its own tokens of the poller stand for.
    enum Watched {
        static let listener = ServiceLoop.firstOwnKind
        static let connection = ServiceLoop.firstOwnKind + 1
    }

    let loop: ServiceLoop
    let limits: Limits
    let records: HandshakeRecords
    let journal: Journal
    private let wallClock: () -> Milliseconds
    private let listeners: [(listener: Listener, socket: Descriptor)]

    var table: ConnectionTable
    var sources = SourceCounts()
    var handshakeDeadlines = DeadlineQueue()
    var closingDeadlines = DeadlineQueue()
    /// What handshakes are made with.
    var certificates: Certificates
    /// A few frames a turn: each may be 64 KiB to be encrypted.
    let router = PlaintextLink(.router, framesPerTurn: 8)
    /// Whether the hello of the router that is linked has come.
    var isGreeted = false
    /// Connections that had bytes when the router could not take them.
    var parked: [ConnectionHandle] = []
    /// Where the bytes of connections that are over go.
    var buffer = [UInt8](repeating: 0, count: 16_384)
    var acceptance = Acceptance()
    private var ticketsRenewed: Milliseconds

    /// How often the keys of session tickets are replaced.
    private static let ticketKeyLife = Milliseconds.seconds(12 * 3600)
    /// How many connections of a listener are taken in a turn.
    static let share = 64
    /// How many records of a client are taken in a turn.
    static let recordShare = 4

    /// A terminator of bound sockets; without any it idles.
    init(
        _ loop: ServiceLoop, listeners: [(listener: Listener, socket: Descriptor)],
        certificates: Certificates, limits: Limits = Limits(),
        wallClock: @escaping () -> Milliseconds = { Clock.sinceEpoch }
    ) throws(SystemError) {
        self.loop = loop
        self.listeners = listeners
        self.certificates = certificates
        journal = loop.supervision.journal
        self.limits = limits
        self.wallClock = wallClock
        records = HandshakeRecords(journal: journal, perSecond: limits.recordsPerSecond)
        table = ConnectionTable(capacity: limits.connections)
        ticketsRenewed = loop.now
        try watchListeners()
    }

    private func watchListeners() throws(SystemError) {
        for (index, each) in listeners.enumerated() {
            let token = Token(kind: Watched.listener, index: UInt32(index))
            try acceptance.watch(each.socket.raw, token, loop.poller)
        }
    }

    /// Whether there is anything to accept.
    var isIdle: Bool { listeners.isEmpty }

    func handle(_ event: Event) {
        switch event.token.kind {
        case Watched.listener: accept(Int(event.token.index))
        default: connectionIsReady(event)
        }
    }

    func endOfTurn() {
        expire()
        unpark()
        router.flush()
    }

    /// How long to the next deadline.
    var patience: Milliseconds? {
        // A client had more than its share, and its bytes are here already.
        if !parked.isEmpty, canRouterTake { return Milliseconds(0) }
        guard let next = [handshakeDeadlines.next, closingDeadlines.next].compactMap(\.self).min()
        else { return nil }
        return max(next - loop.now, Milliseconds(0))
    }

    func second() -> String {
        records.tick()
        acceptance.tick(loop.now, loop.poller)
        sayShortage()
        if loop.now - ticketsRenewed >= Self.ticketKeyLife {
            ticketsRenewed = loop.now
            certificates.served?.renewTicketKeys()
        }
        lookAtDates()
        return status
    }

    /// Looks whether a certificate in use is near its end.
    func lookAtDates() { certificates.look(uptime: loop.now, now: wallClock(), journal) }

    // MARK: Accepting

    private func accept(_ index: Int) {
        let (listener, socket) = listeners[index]
        for _ in 0..<Self.share {
            guard
                let (accepted, peer) = acceptance.accept(
                    socket.raw, loop.now, loop.poller, Socket.accept)
            else { return sayShortage() }
            begin(accepted, peer, listener)
        }
    }

    private func sayShortage() {
        journal.write(acceptance.dequeueNews(), of: .terminator, accepting: "TLS connections")
    }

    /// Begins the handshake of an accepted connection, or closes it when a limit forbids it.
    private func begin(_ socket: Descriptor, _ peer: SocketAddress, _ listener: Listener) {
        // sip-router cannot be told of a peer without a port.
        guard let served = certificates.served else {
            // No offence of the phone's, and nothing to wait for: it hears of it at once.
            return
        }
        guard peer.port > 0, sources.begin(peer, limits) else { return records.refused(peer) }
        guard let session = served.session(on: socket.raw) else {
            return undo(peer)
        }
        let connection = Connection(
            socket: socket, session: session, peer: peer, listener: listener)
        guard let handle = table.insert(connection) else { return undo(peer) }
        guard (try? loop.poller.add(socket.raw, table.token(of: handle), .read)) != nil else {
            table.remove(handle)
            return undo(peer)
        }
        handshakeDeadlines.append(handle, at: loop.now + limits.handshakeTime)
    }

    private func undo(_ peer: SocketAddress) {
        sources.endHandshake(peer)
        sources.end(peer)
        records.refused(peer)
    }

    // MARK: Time

    private func expire() {
        while let handle = handshakeDeadlines.popDue(loop.now) {
            guard let connection = table[handle], connection.phase == .handshaking else { continue }
            failHandshake(connection, handle, .timeout, "not done in time")
        }
        while let handle = closingDeadlines.popDue(loop.now) {
            guard let connection = table[handle], connection.phase == .closing else { continue }
            drop(connection, handle)
        }
    }
}
