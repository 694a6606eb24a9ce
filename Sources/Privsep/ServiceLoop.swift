internal import Glibc
internal import Journal
package import Messages
package import Reactor
package import Sys
internal import Wire

/// The event loop of every child: supervisor, peers, callers, one tick a second, and the service's own descriptors.
///
/// A turn takes what came, lets the service work once a second and at its end, and then asks to be told
/// when links that are full have room.
///
/// DIAGNOSTICS: records `degraded` when a peer breaks the protocol of its link, which is then closed. Ends
/// the process with 0 when told to stop (or by SIGTERM), else with a code of `ChildExit`.
package final class ServiceLoop {
    private enum Kind {
        static var supervisor: UInt8 { 1 }
        static var signal: UInt8 { 2 }
        static var caller: UInt8 { 3 }
        static var peer: UInt8 { 4 }
    }

    /// The kinds of token that are the service's own begin here.
    package static let firstOwnKind: UInt8 = 16

    /// The child's end of its link to the supervisor.
    package let supervision: Supervision
    /// What the child waits for; a service adds its own descriptors with tokens of its own kinds.
    package var poller: Poller
    /// The moment of the last wake-up.
    package private(set) var now: Milliseconds
    /// The same moment since 1970.
    package private(set) var sinceEpoch = Clock.sinceEpoch
    /// The same moment of the clock that never jumps, in microseconds: for what is measured.
    package private(set) var microseconds = Clock.microseconds
    private let clock: () -> Milliseconds
    private let signals: Signals
    private var peers: [PeerLink] = []
    private var answers = ControlAnswers(tokenKind: Kind.caller)
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    private var hasMore = false
    private var asked: [(request: ControlRequest, caller: Descriptor)] = []
    /// The callers whose answer comes later.
    private var late: [(answer: LateAnswer, caller: Descriptor)] = []
    private var nextSecond: Milliseconds
    private var status = ""

    /// Runs a child from its start set to its end: `make` initialises the service and confines the
    /// process.
    package static func run<S: Service>(
        role: Role, _ make: (ServiceLoop, StartSet) throws(ChildFailure) -> S
    ) -> Never {
        let supervision = Supervision(role: role)
        do throws(ChildFailure) {
            let set = try supervision.receiveStartSet()
            let loop = try ServiceLoop(supervision)
            let service = try make(loop, set)
            loop.begin(service, set.peers)
            supervision.ready()
            try loop.serve(service)
            exit(0)
        } catch {
            supervision.fail(error)
        }
    }

    /// A loop of a child whose start set has come; `clock` is monotonic.
    package init(
        _ supervision: Supervision, clock: @escaping () -> Milliseconds = { Clock.monotonic }
    ) throws(ChildFailure) {
        self.supervision = supervision
        self.clock = clock
        now = clock()
        nextSecond = now
        // A peer, a client or a standard error that is gone is an error of the write, not the end; OpenSSL
        // writes without MSG_NOSIGNAL.
        _ = signal(SIGPIPE, SIG_IGN)
        do {
            // SIGINT and SIGHUP of a terminal are the supervisor's to act on.
            signals = try Signals([SIGTERM, SIGINT, SIGHUP])
            poller = try Poller(capacity: 256)
            try poller.add(supervision.raw, Token(kind: Kind.supervisor), .read)
            try poller.add(signals.raw, Token(kind: Kind.signal), .read)
        } catch {
            throw .supervisor("\(error)")
        }
    }

    /// Attaches the peers of the start set.
    package func begin(_ service: some Service, _ sockets: [Role: Descriptor]) {
        peers = service.peers
        for link in peers {
            if let socket = sockets[link.role] { attach(link, socket, service) }
        }
    }

    /// Takes turns until told to stop.
    package func serve(_ service: some Service) throws(ChildFailure) {
        try untilStopped(service)
        supervision.stopping()
    }

    private func untilStopped(_ service: some Service) throws(ChildFailure) {
        defer { service.stop() }
        while try turn(service) {}
    }

    /// Waits for what comes, for at most `longest`, and handles it; false when the process shall end.
    package func turn(
        _ service: some Service, longest: Milliseconds = .seconds(1)
    ) throws(ChildFailure) -> Bool {
        let count = poller.wait(supervision.journal.patience(patience(service, longest)))
        now = clock()
        sinceEpoch = Clock.sinceEpoch
        microseconds = Clock.microseconds
        for index in 0..<count {
            guard try handle(poller.event(index), service) else { return false }
        }
        if now >= nextSecond { second(service) }
        service.endOfTurn()
        answerCallers(service)
        answerLate()
        hasMore = service.whenSpare()
        supervision.journal.flush()
        for link in peers { watchForRoom(link) }
        return true
    }

    private func patience(_ service: some Service, _ longest: Milliseconds) -> Milliseconds {
        if hasMore { return Milliseconds(0) }
        let untilSecond = min(nextSecond - clock(), longest)
        return service.patience.map { min($0, untilSecond) } ?? untilSecond
    }

    private func second(_ service: some Service) {
        nextSecond = now + .seconds(1)
        let line = service.second()
        if line != status { supervision.status(line) }
        status = line
        supervision.report(service.conditions)
        supervision.heartbeat()
    }

    /// Handles one event; false when the process shall end.
    private func handle(_ event: Event, _ service: some Service) throws(ChildFailure) -> Bool {
        switch event.token.kind {
        case Kind.supervisor: return try takeNotices(service)
        case Kind.signal:
            while let signal = signals.next() {
                if signal.number == SIGTERM { return false }
            }
        case Kind.caller: answers.flush(event.token)
        case Kind.peer: peerIsReady(event, service)
        default: service.handle(event)
        }
        return true
    }

    private func takeNotices(_ service: some Service) throws(ChildFailure) -> Bool {
        while let notice = try supervision.next() {
            switch notice {
            case .reload(let set):
                if let why = service.reload(set) {
                    supervision.refused(why)
                } else {
                    supervision.ready()
                }
            case .peer(let role, let socket):
                guard let link = peers.first(where: { $0.role == role }) else {
                    throw .supervisor("a link to \(role.name) does not belong here")
                }
                attach(link, socket, service)
            case .client(let request, let socket): asked.append((request, socket))
            case .renew(let place, let files):
                guard service.renew(place, files) else {
                    throw .supervisor("certificates do not belong here")
                }
            case .ways(let ways):
                guard service.follow(ways) else {
                    throw .supervisor("ways to Asterisks do not belong here")
                }
            case .stop: return false
            }
        }
        return true
    }

    /// Carries out what callers ask, and lets them know when it has come to be.
    private func answerCallers(_ service: some Service) {
        guard !asked.isEmpty else { return }
        for (request, caller) in asked {
            if let answer = service.lateAnswer(to: request) {
                late.append((answer, caller))
                service.endOfTurn()
                continue
            }
            let rows = service.replies(to: request)
            service.endOfTurn()
            answers.answer(rows, to: caller, poller)
        }
        asked.removeAll()
    }

    /// Gives the callers whose answers have come to be theirs.
    private func answerLate() {
        guard !late.isEmpty else { return }
        for (answer, caller) in late {
            if let rows = answer.rows { answers.answer(rows, to: caller, poller) }
        }
        late.removeAll { $0.answer.rows != nil }
    }

    // MARK: Peers

    private func token(_ link: PeerLink) -> Token {
        Token(kind: Kind.peer, index: UInt32(link.role.rawValue), generation: link.generation)
    }

    private func attach(_ link: PeerLink, _ socket: Descriptor, _ service: some Service) {
        link.attach(socket)
        guard (try? poller.add(socket.raw, token(link), .read)) != nil else { return link.close() }
        service.linked(link.role)
    }

    private func peerIsReady(_ event: Event, _ service: some Service) {
        for link in peers where token(link) == event.token {
            if event.writable { link.flush() }
            if event.readable { takeFrames(link, service) }
        }
    }

    private func takeFrames(_ link: PeerLink, _ service: some Service) {
        for _ in 0..<link.framesPerTurn {
            guard let standing = link.link else { return }
            do {
                switch try standing.receive(into: &buffer) {
                case .nothing: return
                case .ended: return link.close()
                case .frame(let length, nil):
                    try take(length, link.role, service)
                    // If there is more after all, the poller says so again.
                    if length < link.leastFull { return }
                case .frame, .cut: throw WireError.descriptor
                }
            } catch {
                link.close()
                supervision.journal.write(
                    .degraded, .error,
                    "\(link.role.name) broke the protocol of its link (\(error)); the link is closed "
                        + "until a restart: rempart restart \(link.role.name)",
                    [(.component, link.role.name)])
            }
        }
    }

    // `frame` holds the same storage, uncopied: a span of a stored property may not be lent to a call
    // that throws.
    private func take(
        _ length: Int, _ role: Role, _ service: some Service
    ) throws(WireError) {
        let frame = buffer
        try service.receive(frame.span.extracting(0..<length), from: role)
    }

    private func watchForRoom(_ link: PeerLink) {
        guard let standing = link.link else { return }
        let wanted: Interest = standing.isWaiting ? [.read, .write] : .read
        guard wanted != link.interest,
            (try? poller.modify(standing.descriptor.raw, token(link), wanted)) != nil
        else { return }
        link.interest = wanted
    }
}
