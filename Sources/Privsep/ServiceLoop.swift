internal import Glibc
internal import Journal
package import Messages
internal import Reactor
internal import Sys
package import Wire

/// What a child does whose only peer is sip-router; `ServiceLoop` calls it.
package protocol Service: AnyObject {
    /// Where the service writes its frames to sip-router; the loop attaches and flushes it.
    var router: PeerLink { get }

    /// A new link to sip-router stands; its first frame must be the hello.
    func linked()

    /// Takes one frame of sip-router; the error closes the link.
    func receive(_ frame: Span<UInt8>) throws(WireError)

    /// Takes the settings and files of a reload; returns why it cannot, else nil.
    func reload(_ set: StartSet) -> String?

    /// The rows that answer a caller of the control socket, the last one `done` or `failed`.
    ///
    /// They are asked for after the end of the turn, as the caller takes them.
    func answer(_ request: ControlRequest) -> AnyIterator<ControlReply>

    /// Does what is due, once a second; returns the status line.
    func second() -> String

    /// All that is wrong now; asked for after each `second()`.
    var conditions: [Condition] { get }

    /// Carries out what the events of one turn of the loop have gathered.
    func endOfTurn()

    /// Does a piece of what may wait, for at most a millisecond; whether there is more of it.
    func whenSpare() -> Bool

    /// Makes durable what is not yet: the process is about to end.
    func stop()
}

/// The event loop of a `Service`: supervisor, sip-router, callers, one tick a second.
///
/// DIAGNOSTICS: records `degraded` when sip-router breaks the protocol of the link, which is then
/// closed. Ends the process with 0 when told to stop (or by SIGTERM), with 111 when the supervisor is
/// gone or breaks the protocol, with 100 when what was handed over cannot be used.
package final class ServiceLoop<S: Service> {
    private enum Kind {
        static var supervisor: UInt8 { 1 }
        static var router: UInt8 { 2 }
        static var caller: UInt8 { 3 }
        static var signal: UInt8 { 4 }
    }

    private let supervision: Supervision
    private let service: S
    private let signals: Signals
    private var poller: Poller
    private var answers = ControlAnswers(tokenKind: Kind.caller)
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    private var generation: UInt32 = 0
    private var wantsRoom = false
    private var hasMore = false
    private var asked: [(request: ControlRequest, caller: Descriptor)] = []
    private var nextSecond = Clock.monotonic
    private var status = ""

    /// How many frames of sip-router one turn takes, so that the supervisor is always heard.
    private static var framesPerTurn: Int { 256 }

    /// Runs a child from its start set to its end: `make` initialises the service and confines the
    /// process.
    package static func run(
        role: Role, _ make: (Supervision, StartSet) throws(ChildFailure) -> S
    ) -> Never {
        let supervision = Supervision(role: role)
        do {
            let set = try supervision.receiveStartSet()
            let service = try make(supervision, set)
            try serve(supervision, service, router: set.peers[.router])
            exit(0)
        } catch {
            supervision.fail(error)
        }
    }

    private static func serve(
        _ supervision: Supervision, _ service: S, router: Descriptor?
    ) throws(ChildFailure) {
        do {
            let loop = try ServiceLoop(supervision, service, router: router)
            supervision.ready()
            try loop.untilStopped()
        } catch let failure as ChildFailure {
            throw failure
        } catch {
            throw .supervisor("\(error)")
        }
    }

    private init(
        _ supervision: Supervision, _ service: S, router: Descriptor?
    ) throws(SystemError) {
        self.supervision = supervision
        self.service = service
        // SIGINT and SIGHUP of a terminal are the supervisor's to act on; SIGPIPE is blocked so that a
        // closed standard error is an error of write(2).
        signals = try Signals([SIGTERM, SIGINT, SIGHUP, SIGPIPE])
        poller = try Poller()
        try poller.add(supervision.raw, Token(kind: Kind.supervisor), .read)
        try poller.add(signals.raw, Token(kind: Kind.signal), .read)
        if let router { attach(router) }
    }

    private func untilStopped() throws(ChildFailure) {
        defer { service.stop() }
        while true {
            let longest = hasMore ? Milliseconds(0) : nextSecond - Clock.monotonic
            let count = poller.wait(supervision.journal.patience(longest))
            for index in 0..<count {
                guard try handle(poller.event(index)) else {
                    supervision.stopping()
                    return
                }
            }
            if Clock.monotonic >= nextSecond { second() }
            service.endOfTurn()
            answerCallers()
            hasMore = service.whenSpare()
            supervision.journal.flush()
            watchForRoom()
        }
    }

    private func second() {
        nextSecond = Clock.monotonic + .seconds(1)
        let line = service.second()
        if line != status { supervision.status(line) }
        status = line
        supervision.report(service.conditions)
        supervision.heartbeat()
    }

    /// Handles one event; false when the process shall end.
    private func handle(_ event: Event) throws(ChildFailure) -> Bool {
        switch event.token.kind {
        case Kind.supervisor: return try takeNotices()
        case Kind.signal:
            while let signal = signals.next() {
                if signal.number == SIGTERM { return false }
            }
        case Kind.caller: answers.flush(event.token)
        case Kind.router where event.token.generation == generation & 0xFF_FFFF:
            if event.writable { service.router.flush() }
            if event.readable { takeFrames() }
        default: break
        }
        return true
    }

    private func takeNotices() throws(ChildFailure) -> Bool {
        while let notice = try supervision.next() {
            switch notice {
            case .reload(let set):
                if let why = service.reload(set) {
                    supervision.refused(why)
                } else {
                    supervision.ready()
                }
            case .peer(.router, let socket): attach(socket)
            case .peer(let role, _):
                throw .supervisor("a link to \(role.name) does not belong here")
            case .client(let request, let socket): asked.append((request, socket))
            case .renew: throw .supervisor("certificates do not belong here")
            case .stop: return false
            }
        }
        return true
    }

    /// Carries out what callers ask, and lets them know when it has come to be.
    private func answerCallers() {
        for (request, caller) in asked {
            let rows = service.answer(request)
            service.endOfTurn()
            answers.answer(rows, to: caller, poller)
        }
        asked.removeAll()
    }

    private func attach(_ socket: Descriptor) {
        generation += 1
        wantsRoom = false
        let token = Token(kind: Kind.router, generation: generation)
        guard (try? poller.add(socket.raw, token, .read)) != nil else { return }
        service.router.attach(socket)
        service.linked()
    }

    private func takeFrames() {
        for _ in 0..<Self.framesPerTurn {
            guard let link = service.router.link else { return }
            do {
                switch try link.receive(into: &buffer) {
                case .nothing: return
                case .ended: return service.router.close()
                case .frame(let length, nil): try take(length)
                case .frame, .cut: throw WireError.descriptor
                }
            } catch {
                service.router.close()
                supervision.journal.write(
                    .degraded, .error,
                    "sip-router broke the protocol of its link (\(error)); the link is closed until "
                        + "a restart: rempart restart sip-router",
                    [(.component, Role.router.name)])
            }
        }
    }

    // `frame` holds the same storage, uncopied: a span of a stored property may not be lent to a call
    // that throws.
    private func take(_ length: Int) throws(WireError) {
        let frame = buffer
        try service.receive(frame.span.extracting(0..<length))
    }

    private func watchForRoom() {
        guard let link = service.router.link, link.isWaiting != wantsRoom else { return }
        let token = Token(kind: Kind.router, generation: generation)
        let interest: Interest = link.isWaiting ? [.read, .write] : .read
        guard (try? poller.modify(link.descriptor.raw, token, interest)) != nil else { return }
        wantsRoom = link.isWaiting
    }
}
