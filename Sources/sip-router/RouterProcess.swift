internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Proxy
internal import Reactor
internal import Registrar
internal import SIP
internal import Sys
internal import Wire

/// The sockets, links and timers of sip-router around its core.
///
/// One turn of the loop takes what came, lets the core work, and then hands out what it wants done: first
/// to directory, so that a binding is on its way to disk before its phone is told, then to the network.
final class RouterProcess {
    /// What a token of the poller stands for.
    enum Watched: UInt8 {
        case supervisor = 1
        case answers
        case signal
        case datagrams
        case listener
        case stream
        case terminator
        case directory
        case banner
    }

    /// How many batches of datagrams of one socket a turn takes.
    private static let batchesPerTurn = 4

    let supervision: Supervision
    let journal: Journal
    var poller: Poller
    var router: Router
    private var signals: Signals
    private var answers = ControlAnswers(tokenKind: Watched.answers.rawValue)
    /// The bound sockets by the listeners' numbers; nil for those of tls-terminator.
    let sockets: [Descriptor?]
    let listeners: [Listener]
    private var received = DatagramBatch(slots: 32)
    private var sending = DatagramBatch(slots: 32)
    let directory = PeerLink()
    let banner = PeerLink()
    let terminator = PeerLink()
    /// What goes to tls-terminator in this turn.
    var plaintext = PlaintextParcel()
    /// The record being written.
    private var recorded = ByteBuffer(capacity: 16_384)
    /// Messages to one TCP connection, to be written together.
    var gathered = ByteBuffer(capacity: 2 * 65_536)
    /// Counts the links there have been, so that an event of an older one is recognised.
    var generations: [Role: UInt32] = [:]
    var streams = StreamTable()
    /// The TCP listeners' rest while there is no descriptor for a connection.
    var acceptance = Acceptance()
    var tlsPeers: [UInt64: StreamPeer] = [:]
    var unproven = UnprovenConnections()
    let started = Clock.monotonic
    var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    var now = Now(monotonic: Clock.monotonic, sinceEpoch: Clock.sinceEpoch)
    private var nextSecond = Clock.monotonic
    private var status = ""

    init(_ supervision: Supervision, _ start: StartSet) throws(ChildFailure) {
        self.supervision = supervision
        journal = supervision.journal
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
            listeners: listeners, secret: start.secret,
            seed: Random.bytes(32), now: now)
        // Before the confinement: the time zone's file is read once.
        router.utcOffset = Clock.utcOffset
        do {
            signals = try Signals([SIGTERM, SIGINT, SIGHUP, SIGPIPE])
            poller = try Poller(capacity: 256)
            try watch()
        } catch {
            throw .setup("\(error)")
        }
        learnAddresses()
        adopt(start.connections)
        for role in [Role.directory, .banner, .terminator] {
            if let socket = start.peers[role] { attach(role, socket) }
        }
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
        try poller.add(supervision.raw, Token(kind: Watched.supervisor.rawValue), .read)
        try poller.add(signals.raw, Token(kind: Watched.signal.rawValue), .read)
        for (number, socket) in sockets.enumerated() {
            guard let socket else { continue }
            let isDatagram = listeners[number].endpoint.transport == .udp
            let kind = isDatagram ? Watched.datagrams : .listener
            let token = Token(kind: kind.rawValue, index: UInt32(number))
            guard isDatagram else {
                try acceptance.watch(socket.raw, token, poller)
                continue
            }
            try poller.add(socket.raw, token, .read)
            Socket.setBufferSizes(socket.raw, bytes: 4 << 20)
        }
    }

    // MARK: The loop

    /// Serves until told to stop.
    func serve() throws(ChildFailure) {
        while true {
            let untilSecond = nextSecond - Clock.monotonic
            let longest = router.patience.map { min($0, untilSecond) } ?? untilSecond
            let count = poller.wait(journal.patience(longest))
            now = Now(monotonic: Clock.monotonic, sinceEpoch: Clock.sinceEpoch)
            for index in 0..<count {
                guard try handle(poller.event(index)) else {
                    while router.tellRegistrations(all: true) { handOut() }
                    handOut()
                    endHalfWritten()
                    supervision.stopping()
                    return
                }
            }
            router.advance(now)
            if now.monotonic >= nextSecond { second() }
            handOut()
            journal.flush()
        }
    }

    private func handle(_ event: Event) throws(ChildFailure) -> Bool {
        switch Watched(rawValue: event.token.kind) {
        case .supervisor: return try takeNotices()
        case .answers: answers.flush(event.token)
        case .signal:
            while let signal = signals.next() {
                if signal.number == SIGTERM { return false }
            }
        case .datagrams: receiveDatagrams(Int(event.token.index))
        case .listener: accept(Int(event.token.index))
        case .stream: streamIsReady(event)
        case .terminator: linkIsReady(.terminator, event)
        case .directory: linkIsReady(.directory, event)
        case .banner: linkIsReady(.banner, event)
        case nil: break
        }
        return true
    }

    private func takeNotices() throws(ChildFailure) -> Bool {
        while let notice = try supervision.next() {
            switch notice {
            case .reload(let set):
                router.adopt(RouterSettings(set.settings.compactMap(\.told.router)))
                supervision.ready()
            case .peer(let role, let socket): attach(role, socket)
            case .client(let request, let socket):
                answers.answer(rows(request), to: socket, poller)
            case .renew: throw .supervisor("certificates do not belong here")
            case .stop: return false
            }
        }
        return true
    }

    private func rows(_ request: ControlRequest) -> [ControlReply] {
        switch request {
        case .phones: router.phones() + [.done]
        case .asterisks:
            router.asteriskRows() + router.insideMediaRows() + router.trunkRows()
                + router.standingRows() + [.done]
        case .explain(let what): router.explain(what) + [.done]
        case .calls: router.callRows() + [.done]
        case .endCall(let callID): [router.endCalls(callID, now)]
        case .release(let account): [router.release(account, now)]
        default: [.failed("sip-router does not answer this")]
        }
    }

    private func second() {
        nextSecond = now.monotonic + .seconds(1)
        router.utcOffset = Clock.utcOffset
        sweepStreams()
        acceptance.tick(now.monotonic, poller)
        sayShortage()
        let up = router.asterisksUp
        let line = "\(router.phoneCount) phones, \(up.up) of \(up.all) Asterisks answer"
        if line != status { supervision.status(line) }
        status = line
        supervision.report(
            router.conditions + acceptance.conditions(accepting: "TCP connections"))
        supervision.heartbeat()
    }

    // MARK: Datagrams

    private func receiveDatagrams(_ number: Int) {
        guard let socket = sockets[number] else { return }
        let isWildcard = listeners[number].endpoint.isWildcard
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
                if router.outbox.isHalfFull { handOut() }
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
        for message in router.toBanner {
            let frame = message.encoded()
            banner.gather(frame.span)
        }
        router.toBanner.removeAll(keepingCapacity: true)
        banner.sendGathered()
        closeBanned()
        for index in 0..<router.toDirectory.count {
            Self.gather(router.toDirectory, index, to: directory)
        }
        router.toDirectory.removeAll()
        directory.sendGathered()
        keepBound()
        Self.write(router.audit, to: journal, using: &recorded)
        router.audit.removeAll()
        sendMessages()
        watchForRoom()
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
        let count = router.outbox.count
        while at < count {
            let listener = Int(router.outbox.flow(at).listener)
            guard router.outbox.flow(at).transport == .udp else {
                at = sendStream(at)
                continue
            }
            // A run of datagrams by the same socket goes in one call.
            while at < count, !sending.isFull, router.outbox.flow(at).transport == .udp,
                Int(router.outbox.flow(at).listener) == listener
            {
                let flow = router.outbox.flow(at)
                let own = flow.connection == 0 ? nil : router.source(of: flow)
                Self.fill(&sending, router.outbox, at, from: own)
                at += 1
            }
            if let socket = sockets[listener] { sending.send(socket.raw) }
        }
        router.outbox.removeAll()
        sendPlaintext()
    }

    /// Sends message `first` of the outbox to its stream, and those that follow it to the same one;
    /// returns the number of the next message.
    private func sendStream(_ first: Int) -> Int {
        let flow = router.outbox.flow(first)
        var next = first
        gathered.removeAll()
        while next < router.outbox.count, router.outbox.flow(next) == flow,
            next == first || gathered.count + router.outbox.message(next).count <= gathered.capacity
        {
            Self.gather(&gathered, router.outbox, next)
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
