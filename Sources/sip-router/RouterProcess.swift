internal import Journal
internal import Messages
internal import Privsep
internal import Proxy
internal import ProxyBench
internal import Reactor
internal import Registrar
internal import SIP
internal import Sys

/// The sockets, links and timers of sip-router around its core; `ServiceLoop` drives it.
///
/// One turn of the loop takes what came, lets the core work, and then hands out what it wants done: first
/// to directory, so that a binding is on its way to disk before its phone is told, then to the network.
final class RouterProcess: Service {
    /// What its own tokens of the poller stand for.
    enum Watched {
        static let datagrams = ServiceLoop.firstOwnKind
        static let listener = ServiceLoop.firstOwnKind + 1
        static let stream = ServiceLoop.firstOwnKind + 2
    }

    /// How many batches of datagrams of one socket a turn takes.
    private static let batchesPerTurn = 4

    let loop: ServiceLoop
    let journal: Journal
    var router: Router
    /// The bound sockets by the listeners' numbers; nil for those of tls-terminator.
    let sockets: [Descriptor?]
    let listeners: [Listener]
    private var received = DatagramBatch(slots: 32)
    private var sending = DatagramBatch(slots: 32)
    let directory = PeerLink(.directory)
    let banner = PeerLink(.banner)
    let terminator = PlaintextLink(.terminator, framesPerTurn: 256)
    /// The record being written.
    private var recorded = ByteBuffer(capacity: 16_384)
    /// Messages to one TCP connection, to be written together.
    var gathered = ByteBuffer(capacity: 2 * 65_536)
    var streams = StreamTable()
    /// The TCP listeners' rest while there is no descriptor for a connection.
    var acceptance = Acceptance()
    var tlsPeers: [UInt64: StreamPeer] = [:]
    var unproven = UnprovenConnections()
    let started: Milliseconds
    var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// The moment of the turn.
    var now: Now {
        Now(
            monotonic: loop.now, sinceEpoch: loop.sinceEpoch,
            microseconds: loop.microseconds)
    }

    init(_ loop: ServiceLoop, _ start: StartSet) throws(ChildFailure) {
        self.loop = loop
        journal = loop.supervision.journal
        started = loop.now
        listeners = Listener.numbered(start.settings.compactMap(\.told.router))
        guard start.secret.count == SupervisorMessage.secretLength else {
            throw .setup("the supervisor handed over no secret")
        }
        guard listeners.contains(where: { $0.side == .inside && $0.endpoint.transport == .udp })
        else {
            throw .setup("inside: has no udp:// endpoint, by which the Asterisks are reached")
        }
        var sockets = [Descriptor?](repeating: nil, count: listeners.count)
        for (listener, socket) in start.listeners where Int(listener.index) < sockets.count {
            sockets[Int(listener.index)] = socket
        }
        self.sockets = sockets
        router = Router(
            settings: RouterSettings(start.settings.compactMap(\.told.router)),
            listeners: listeners, secret: start.secret, seed: Random.bytes(32),
            now: Now(monotonic: loop.now, sinceEpoch: loop.sinceEpoch))
        // Before the confinement: the time zone's file is read once.
        router.utcOffset = Clock.utcOffset
        do {
            try watch()
        } catch {
            throw .setup("\(error)")
        }
        router.follow(start.ways, now)
        learnAddresses()
        adopt(start.connections)
    }

    /// Learns which addresses this machine has, where endpoints are at wildcard addresses.
    ///
    /// After the confinement the kernel is not asked any more; further addresses become known when they are asked.
    private func learnAddresses() {
        guard router.hasWildcards else { return }
        router.learn(Socket.ownAddresses())
        for peer in router.callees {
            if let own = Socket.source(toward: peer) { router.leads(toward: peer.ip, from: own) }
        }
    }

    private func watch() throws(SystemError) {
        for (number, socket) in sockets.enumerated() {
            guard let socket else { continue }
            let isDatagram = listeners[number].endpoint.transport == .udp
            let kind = isDatagram ? Watched.datagrams : Watched.listener
            let token = Token(kind: kind, index: UInt32(number))
            guard isDatagram else {
                try acceptance.watch(socket.raw, token, loop.poller)
                continue
            }
            try loop.poller.add(socket.raw, token, .read)
            Socket.setBufferSizes(socket.raw, bytes: 4 << 20)
        }
    }

    // MARK: The loop's calls

    func handle(_ event: Event) {
        switch event.token.kind {
        case Watched.datagrams: receiveDatagrams(Int(event.token.index))
        case Watched.listener: accept(Int(event.token.index))
        default: streamIsReady(event)
        }
    }

    func follow(_ ways: [AsteriskWay]) -> Bool {
        router.follow(ways, now)
        return true
    }

    func reload(_ set: StartSet) -> String? {
        router.adopt(RouterSettings(set.settings.compactMap(\.told.router)))
        router.follow(set.ways, now)
        return nil
    }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        AnyIterator(rows(request).makeIterator())
    }

    private func rows(_ request: ControlRequest) -> [ControlReply] {
        switch request {
        case .phones: router.phones() + [.done]
        case .asterisks:
            router.asteriskRows() + router.insideMediaRows() + router.trunkRows()
                + router.standingRows() + [.done]
        case .explain(let what): router.explain(what) + [.done]
        case .explainAccount(let name): router.explain(account: name) + [.done]
        case .calls: router.callRows() + [.done]
        case .endCall(let callID): [router.endCalls(callID, now)]
        case .release(let account): [router.release(account, now)]
        default: [.failed("sip-router does not answer this")]
        }
    }

    func second() -> String {
        router.utcOffset = Clock.utcOffset
        sweepStreams()
        acceptance.tick(loop.now, loop.poller)
        sayShortage()
        let up = router.asterisksUp
        return "\(router.phoneCount.counted("phone")), \(up.up) of \(up.all) Asterisks answer"
    }

    var conditions: [Condition] {
        router.conditions + acceptance.conditions(accepting: "TCP connections")
    }

    var patience: Milliseconds? { router.patience }

    func endOfTurn() {
        router.advance(now)
        handOut()
    }

    func stop() {
        while router.reportRegistrations() { handOut() }
        handOut()
        endHalfWritten()
    }

    // MARK: Datagrams

    private func receiveDatagrams(_ number: Int) {
        guard let socket = sockets[number] else { return }
        let isWildcard = listeners[number].endpoint.isWildcard
        let now = now
        for _ in 0..<Self.batchesPerTurn {
            let count = received.receive(socket.raw, isWildcard: isWildcard)
            for slot in 0..<count where !received.isCut(slot) {
                let peer = received.source(slot)
                let flow =
                    isWildcard
                    ? router.flow(UInt8(number), from: peer, at: received.asked(slot))
                    : Flow(.udp, listener: UInt8(number), peer: peer)
                // Without a port (RFC 768) there is nobody to answer.
                if flow.peer.port == 0 { continue }
                Self.receive(&router, received, slot, flow, now)
                if router.bench.effects.outbox.isHalfFull { handOut() }
            }
            if count < 32 { return }
        }
    }

    private static func receive(
        _ router: inout Router, _ batch: borrowing DatagramBatch, _ slot: Int, _ flow: Flow,
        _ now: Now
    ) {
        router.receive(batch.bytes(slot), flow, now)
    }

    // MARK: Handing out

    /// Hands out what the core wants done.
    func handOut() {
        // First of all, since every packet that comes before the kernel drops them costs a turn.
        for message in router.bench.effects.toBanner {
            let frame = message.encoded()
            banner.gather(frame.span)
        }
        router.bench.effects.toBanner.removeAll(keepingCapacity: true)
        banner.sendGathered()
        closeBanned()
        for index in 0..<router.bench.effects.toDirectory.count {
            Self.gather(router.bench.effects.toDirectory, index, to: directory)
        }
        router.bench.effects.toDirectory.removeAll()
        directory.sendGathered()
        keepBound()
        Self.write(router.bench.effects.journal, to: journal, using: &recorded)
        router.bench.effects.journal.removeAll()
        sendMessages()
    }

    private static func write(
        _ audit: borrowing Audit, to journal: Journal, using buffer: inout ByteBuffer
    ) {
        journal.write(audit.records, using: &buffer)
    }

    private static func gather(
        _ queue: borrowing DirectoryQueue, _ index: Int, to link: PeerLink
    ) {
        link.gather(queue.message(index))
    }

    private func sendMessages() {
        var at = 0
        let count = router.bench.effects.outbox.count
        while at < count {
            let listener = Int(router.bench.effects.outbox.flow(at).listener)
            guard router.bench.effects.outbox.flow(at).transport == .udp else {
                at = sendStream(at)
                continue
            }
            // A run of datagrams by the same socket goes in one call.
            while at < count, !sending.isFull,
                router.bench.effects.outbox.flow(at).transport == .udp,
                Int(router.bench.effects.outbox.flow(at).listener) == listener
            {
                let flow = router.bench.effects.outbox.flow(at)
                let own = flow.connection == 0 ? nil : router.source(of: flow)
                Self.fill(&sending, router.bench.effects.outbox, at, from: own)
                at += 1
            }
            if let socket = sockets[listener] { sending.send(socket.raw) }
        }
        router.bench.effects.outbox.removeAll()
        terminator.flush()
    }

    /// Sends message `first` of the outbox to its stream, and those that follow it to the same one;
    /// returns the number of the next message.
    private func sendStream(_ first: Int) -> Int {
        let flow = router.bench.effects.outbox.flow(first)
        var next = first
        gathered.removeAll()
        while next < router.bench.effects.outbox.count,
            router.bench.effects.outbox.flow(next) == flow,
            next == first
                || gathered.count + router.bench.effects.outbox.message(next).count
                    <= gathered.capacity
        {
            Self.gather(&gathered, router.bench.effects.outbox, next)
            next += 1
        }
        if let peer = peer(by: flow) { Self.send(gathered, to: peer, of: self) }
        return next
    }

    static func send(
        _ bytes: borrowing ByteBuffer, to peer: StreamPeer, of process: RouterProcess
    ) {
        process.send(bytes.span, to: peer)
    }

    private static func gather(
        _ buffer: inout ByteBuffer, _ outbox: borrowing Outbox, _ at: Int
    ) {
        buffer.append(outbox.message(at))
    }

    private static func fill(
        _ batch: inout DatagramBatch, _ outbox: borrowing Outbox, _ at: Int, from own: IPAddress?
    ) {
        batch.add(outbox.message(at), to: outbox.flow(at).peer, from: own)
    }
}
