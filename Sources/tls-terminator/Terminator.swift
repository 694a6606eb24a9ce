// The terminator's state, and one turn of its event loop.

internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

/// Accepts TLS connections and passes their plaintext to sip-router and back.
///
/// It is driven by `turn`; the clock is passed in, so that a test can let time pass.
final class Terminator {
    /// What a token of the poller stands for.
    enum Watched: UInt8 {
        case supervisor = 1
        case router = 2
        case listener = 3
        case connection = 4
        case caller = 5
    }

    let limits: Limits
    let records: HandshakeRecords
    let journal: Journal
    private let clock: () -> Milliseconds
    private let wallClock: () -> Milliseconds
    private let listeners: [(listener: Listener, socket: Descriptor)]

    var poller: Poller
    var table: ConnectionTable
    var sources = SourceCounts()
    var handshakeDeadlines = DeadlineQueue()
    var closingDeadlines = DeadlineQueue()
    /// What handshakes are made with.
    var certificates: Certificates
    /// The answers to callers of the control socket.
    var answers = ControlAnswers(tokenKind: Watched.caller.rawValue)
    var router: RouterLink?
    /// Counts the routers there have been, so that an event of an older one is recognised.
    var routerGeneration: UInt32 = 0
    /// Connections that had bytes when the router could not take them.
    var parked: [ConnectionHandle] = []
    /// Where the bytes of connections that are over go.
    var buffer = [UInt8](repeating: 0, count: 16_384)
    /// The moment of the last wake-up.
    var now: Milliseconds
    var acceptance = Acceptance()
    private var nextTick: Milliseconds
    private var ticketsRenewed: Milliseconds

    /// How often the keys of session tickets are replaced.
    private static let ticketKeyLife = Milliseconds.seconds(12 * 3600)
    /// How many connections of a listener are taken in a turn.
    static let share = 64
    /// How many records of a client are taken in a turn.
    static let recordShare = 4

    /// A terminator of bound sockets; without any it idles.
    init(
        listeners: [(listener: Listener, socket: Descriptor)], certificates: Certificates,
        journal: Journal, limits: Limits = Limits(),
        clock: @escaping () -> Milliseconds = { Clock.monotonic },
        wallClock: @escaping () -> Milliseconds = { Clock.sinceEpoch }
    ) throws(SystemError) {
        self.listeners = listeners
        self.certificates = certificates
        self.journal = journal
        self.limits = limits
        self.clock = clock
        self.wallClock = wallClock
        records = HandshakeRecords(journal: journal, perSecond: limits.recordsPerSecond)
        // OpenSSL writes without MSG_NOSIGNAL: a client that is gone must be an error, not the end.
        _ = signal(SIGPIPE, SIG_IGN)
        poller = try Poller(capacity: 256)
        table = ConnectionTable(capacity: limits.connections)
        now = clock()
        nextTick = now + .seconds(1)
        ticketsRenewed = now
        try watchListeners()
    }

    private func watchListeners() throws(SystemError) {
        for (index, each) in listeners.enumerated() {
            let token = Token(kind: Watched.listener.rawValue, index: UInt32(index))
            try acceptance.watch(each.socket.raw, token, poller)
        }
    }

    /// Whether there is anything to accept.
    var isIdle: Bool { listeners.isEmpty }

    /// Waits for events, at most `longest`, and handles them; true when the supervisor has spoken.
    func turn(longest: Milliseconds) -> Bool {
        let count = poller.wait(patience(longest))
        now = clock()
        var hasSupervisorSpoken = false
        for index in 0..<count {
            let event = poller.event(index)
            switch Watched(rawValue: event.token.kind) {
            case .supervisor: hasSupervisorSpoken = true
            case .router: routerIsReady(event)
            case .listener: accept(Int(event.token.index))
            case .connection: connectionIsReady(event)
            case .caller: answers.flush(event.token)
            case nil: break
            }
        }
        expire()
        tick()
        settleRouter()
        return hasSupervisorSpoken
    }

    /// How long to wait: to the next deadline, at most `longest`.
    private func patience(_ longest: Milliseconds) -> Milliseconds {
        // A client had more than its share, and its bytes are here already.
        if !parked.isEmpty, canRouterTake { return Milliseconds(0) }
        let deadlines = [handshakeDeadlines.next, closingDeadlines.next].compactMap { $0 }
        guard let next = deadlines.min() else { return longest }
        return min(longest, max(next - clock(), Milliseconds(0)))
    }

    private func tick() {
        guard now >= nextTick else { return }
        nextTick = now + .seconds(1)
        records.tick()
        acceptance.tick(now, poller)
        sayShortage()
        if now - ticketsRenewed >= Self.ticketKeyLife {
            ticketsRenewed = now
            certificates.served?.renewTicketKeys()
        }
        lookAtDates()
    }

    /// Looks whether a certificate in use is near its end.
    func lookAtDates() { certificates.look(uptime: now, now: wallClock(), journal) }

    // MARK: Accepting

    private func accept(_ index: Int) {
        let (listener, socket) = listeners[index]
        for _ in 0..<Self.share {
            guard
                let (accepted, peer) = acceptance.accept(socket.raw, now, poller, Socket.accept)
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
        guard (try? poller.add(socket.raw, table.token(of: handle), .read)) != nil else {
            table.remove(handle)
            return undo(peer)
        }
        handshakeDeadlines.append(handle, at: now + limits.handshakeTime)
    }

    private func undo(_ peer: SocketAddress) {
        sources.endHandshake(peer)
        sources.end(peer)
        records.refused(peer)
    }

    // MARK: Time

    private func expire() {
        while let handle = handshakeDeadlines.popDue(now) {
            guard let connection = table[handle], connection.phase == .handshaking else { continue }
            failHandshake(connection, handle, .timeout, "not done in time")
        }
        while let handle = closingDeadlines.popDue(now) {
            guard let connection = table[handle], connection.phase == .closing else { continue }
            drop(connection, handle)
        }
    }
}
