internal import Glibc
internal import Journal
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// What the descriptors of the loop are; the first byte of a token.
enum TokenKind: UInt8 {
    case signals = 1
    case settings = 2
    case control = 3
    case caller = 4
    case child = 5
    case errors = 6
    case look = 7
}

/// The root process: binds, starts, watches; it never reads a network byte or a line of text.
final class Supervisor {
    let options: Options
    let spawner: Spawner
    /// The sockets that systemd handed over, until they are taken or closed.
    var inherited: [Descriptor]
    private let signals: Signals
    var poller: Poller
    var notify = Notify()

    /// journald's socket, nil when records go to standard error.
    private let journalSocket: Descriptor?
    let journal: Journal

    var now = Clock.monotonic
    /// The reader of the settings that runs now.
    var reader: SettingsReader?
    /// The settings in force, nil until they have been read for the first time.
    var configuration: Configuration?
    var sockets: Sockets?
    var state: StateFolder?
    /// When the secret that the disk had no room for is written again.
    var nextStateTry: Milliseconds?
    var children: [Child] = []
    var pendingLinks = PendingLinks()
    /// The phones' TCP connections, for the next sip-router.
    var keptConnections = KeptConnections()
    var control: ControlSocket?
    /// The name of the table that banner keeps in the kernel's firewall.
    var firewallTable = FirewallTable.standard
    /// The control socket's rest while there is no descriptor for a caller; all there are may be used for one.
    var acceptance = Acceptance(reserve: 0)
    /// The reload that goes on.
    var reload: Reload?
    /// Why the settings file was refused at the last reload; nil when it was taken.
    var refusal: String?
    /// Callers that wait until a child is ready again.
    var restartCallers: [Role: [ControlSocket.Caller]] = [:]
    /// Whether READY=1 was said.
    var isReady = false
    /// When it is said at the latest; nil while the settings are read.
    var readyBy: Milliseconds?
    /// The addresses of the settings, once they are bound.
    var addresses: AddressWatch?
    /// The kernel's routes to the Asterisks of the settings, once sip-router was told of them.
    var routes: RouteWatch?
    /// The files that the children are started from.
    var programs: ProgramWatch
    /// Which conditions have been recorded as begun.
    var conditionRecords = ConditionRecords()
    /// The looks at the certificates' files.
    var certificateWatch = CertificateWatch()
    var isStopping = false
    /// How the process ends, once it does.
    var exitCode: Int32?
    private var nextAlive: Milliseconds?
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// Makes the loop; nothing is bound or started yet.
    init(_ options: Options) throws(StartFailure) {
        self.options = options
        // Every folder and file is made with the mode it is to have; the caller's mask must not
        // close the folders that components pass through.
        _ = umask(0o022)
        // Connections of phones are kept here, thousands of them.
        _ = Descriptor.raiseLimit()
        spawner = try Spawner()
        programs = ProgramWatch(spawner.folder, at: now)
        // Before the settings are read, which takes another user already.
        if options.isContainer, let failure = ContainerNeeds.failure(isRoot: spawner.isRoot) {
            throw failure
        }
        journalSocket = options.log == .json ? nil : Self.journalConnection()
        journal = Journal(options.log, socket: journalSocket?.raw)
        inherited = Notify.inheritedSockets()
        do {
            // SIGPIPE is blocked so that a closed standard error is an error of write(2).
            signals = try Signals([SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE])
            poller = try Poller()
            try poller.add(signals.raw, Token(kind: TokenKind.signals.rawValue), .read)
        } catch {
            throw StartFailure("cannot make the event loop: \(error)")
        }
        nextAlive = notify.interval.map { now + $0 }
    }

    /// A connection to journald of its own for one process, when systemd started the daemon.
    private static func journalConnection() -> Descriptor? {
        guard unsafe getenv("JOURNAL_STREAM") != nil else { return nil }
        return try? Socket.unixDatagram(path: Journal.path)
    }

    /// Where a child's records go, and in what form; nil: to standard error, readable.
    func recordOutput() -> (RecordForm, Descriptor)? {
        switch options.log {
        case .json: StandardError.copy().map { (.json, $0) }
        case .text: Self.journalConnection().map { (.native, $0) }
        }
    }

    /// Whether what a program writes to its standard error goes to ours as it is, among readable records.
    var isReadable: Bool { options.log == .text && journalSocket == nil }

    /// Goes round the loop until the daemon ends, and returns its exit code.
    func run() -> Int32 {
        beginFirstReading()
        while exitCode == nil {
            let wanted = timeout
            let before = now
            let count = poller.wait(wanted)
            now = Clock.monotonic
            for index in 0..<count { dispatch(poller.event(index)) }
            if let wanted { excuseChildren(late: now - before - wanted) }
            expire()
            considerReady()
            report()
            journal.flush()
        }
        control?.remove()
        journal.finish()
        return exitCode ?? 0
    }

    private var timeout: Milliseconds? {
        var deadlines = children.compactMap(\.life.deadline)
        if let next = nextAlive { deadlines.append(next) }
        if journal.isWaiting { deadlines.append(now + journal.patience(.seconds(1))) }
        if let reader { deadlines.append(reader.deadline) }
        if let deadline = reload?.deadline { deadlines.append(deadline) }
        if let deadline = control?.deadline { deadlines.append(deadline) }
        if let next = nextStateTry { deadlines.append(next) }
        if let deadline = readyBy, !isReady { deadlines.append(deadline) }
        if let next = addresses?.next { deadlines.append(next) }
        if let next = routes?.next { deadlines.append(next) }
        deadlines.append(programs.next)
        if let next = certificateWatch.next { deadlines.append(next) }
        if let due = acceptance.due { deadlines.append(due) }
        // How late a turn is tells how long the machine stood still, whatever the next deadline is.
        if !children.isEmpty { deadlines.append(now + Self.tolerance) }
        return deadlines.min().map { max($0 - now, Milliseconds(0)) }
    }

    /// How late a turn of the loop may be without a doubt that the machine, and not a child, has stood still.
    private static let tolerance = Milliseconds(500)

    /// The machine stood still (a virtual machine that was moved, a frozen control group): the children could
    /// give no heartbeat either.
    private func excuseChildren(late: Milliseconds) {
        guard late > Self.tolerance else { return }
        for child in children { child.life.excuse(late) }
    }

    /// Says READY=1 once sip-router serves and every other component does so or has failed.
    ///
    /// What is left is told by the status line. It comes without any of them after `readyLimit`, for systemd
    /// would only end what serves.
    private func considerReady() {
        guard !isReady, !isStopping, exitCode == nil, let readyBy else { return }
        let areSettled = children.allSatisfy {
            $0.role == .router ? $0.life.isServing : $0.isSettled
        }
        guard areSettled || readyBy <= now else { return }
        isReady = true
        notify.status(statusLine)
        notify.ready()
        journal.write(
            .daemonReady, conditions.isEmpty ? .notice : .warning, "ready: \(statusLine)")
    }

    /// From the start of the components to READY=1: far below TimeoutStartSec=.
    static let readyLimit = Milliseconds.seconds(20)

    private func dispatch(_ event: Event) {
        switch TokenKind(rawValue: event.token.kind) {
        case .signals: readSignals()
        case .settings: readSettings()
        case .control: acceptCallers()
        case .caller: hear(event.token)
        case .child: serve(event)
        case .errors: readErrors(event.token)
        case .look: finishLook()
        case nil: break
        }
    }

    private func readSignals() {
        while let signal = signals.next() {
            let asker = Asker(sender: signal.sender, uid: signal.uid)
            switch signal.number {
            case SIGCHLD: reap()
            case SIGHUP:
                record("SIGHUP", "reload", of: asker)
                reloadOnSignal(asker)
            case SIGPIPE: break
            default:
                record(signal.number == SIGTERM ? "SIGTERM" : "SIGINT", "stop", of: asker)
                stop()
            }
        }
    }

    private func reap() {
        while let end = Spawner.reap() {
            if let reader, reader.pid == end.pid {
                reader.ended(code: end.code, signal: end.signal)
                readSettings()
            } else if let child = children.first(where: { $0.pid == end.pid }) {
                // What it said last comes before its end, all of it.
                receive(from: child, atMost: .max)
                processEnded(child, code: end.code, signal: end.signal)
            }
        }
    }

    private func expire() {
        for child in children {
            guard let deadline = child.life.deadline, deadline <= now else { continue }
            handle(.deadline, of: child)
        }
        if let reader, reader.deadline <= now { settingsTookTooLong(reader) }
        lookAtAddresses()
        lookAtRoutes()
        if programs.next <= now { lookAtPrograms() }
        lookAtCertificates()
        if let deadline = reload?.deadline, deadline <= now { reloadTookTooLong() }
        if let next = nextStateTry, next <= now { retryState() }
        for caller in control?.expired(at: now) ?? [] { forget(caller) }
        endShortage()
    }

    private func serve(_ event: Event) {
        let index = Int(event.token.index)
        guard index < children.count,
            children[index].generation & 0xFF_FFFF == event.token.generation
        else { return }
        let child = children[index]
        if event.writable, let link = child.link {
            _ = link.flush()
            watch(child)
        }
        if event.readable { receive(from: child) }
    }

    /// How many frames of a child one turn takes, so that no child keeps the others waiting.
    private static let framesPerTurn = 256

    /// Takes the frames that wait on a child's link.
    private func receive(from child: Child, atMost limit: Int = framesPerTurn) {
        var count = 0
        while count < limit, let link = child.link {
            count += 1
            switch Result(catching: { () throws(SystemError) in try link.receive(into: &buffer) }) {
            case .success(.nothing): return
            case .success(.ended):
                poller.remove(link.descriptor.raw)
                child.closeLink()
                handle(.leaving, of: child)
            case .success(.frame(let length, let passed)):
                if let event = event(of: child, length, passed) { handle(event, of: child) }
            case .success(.cut(let length)):
                if let event = event(of: child, length, nil) { handle(event, of: child) }
            case .failure(let error):
                handle(.broken("sent a bad frame (\(error))"), of: child)
                return
            }
        }
    }

    /// What a frame means for the child's life; nil when nothing.
    private func event(of child: Child, _ length: Int, _ passed: Descriptor?) -> ChildEvent? {
        // The same storage, uncopied: a span of a class's property may not be lent to a call that
        // throws.
        let frame = buffer
        do {
            let message = try ChildMessage(decoding: frame.span.extracting(0..<length))
            guard passed == nil || message.carriesDescriptor else {
                return .broken("sent a descriptor")
            }
            switch message {
            case .hello(child.role): return .hello
            case .hello(let other): return .broken("said that it is \(other.name)")
            case .ready: return .ready
            case .watchdog: return .watchdog
            case .status(let text):
                child.statusLine = Journal.clean(text)
                return .status
            case .stopping: return .leaving
            case .refused(let why):
                child.refusal = "refused the last reload: \(Journal.clean(why))"
                return .refused
            case .conditions(let conditions):
                child.conditions = conditions.map {
                    Condition($0.kind, Journal.clean($0.text), recorded: $0.recorded)
                }
                return .status
            case .unused(let what):
                guard child.role == .terminator, reload?.pending.contains(.terminator) == true
                else { return .broken("does not use what nobody gave it") }
                notUsed(by: child, Journal.clean(what))
                return .status
            case .retain, .letGo:
                guard child.role == .router else { return .broken("keeps connections") }
                return changeKept(message, passed).map { .broken($0) }
            case .inUse(let places):
                guard child.role == .terminator, certificateWatch.unanswered > 0 else {
                    return .broken("tells of certificates that nobody gave it")
                }
                useCertificates(places)
                return .watchdog
            case .hangs(let peer):
                guard child.role == .directory, peer == .accountsReader else {
                    return .broken("says that \(peer.name) hangs")
                }
                replaceHung(peer)
                return .watchdog
            case .lostLink(let peer):
                guard Self.peers(of: child.role).contains(peer) else {
                    return .broken("wants a link to \(peer.name)")
                }
                relink(child, to: peer)
                return .watchdog
            }
        } catch {
            return .broken("sent a bad frame (\(error))")
        }
    }

    /// Stores a connection or lets it go; the reason when it cannot be one of a phone.
    private func changeKept(_ message: ChildMessage, _ passed: Descriptor?) -> String? {
        switch message {
        case .retain(let connection):
            let listeners = sockets?.bound.map(\.listener) ?? []
            return keptConnections.store(connection, passed, of: listeners)
        case .letGo(let handle): keptConnections.letGo(handle)
        default: break
        }
        return nil
    }

    /// Tells systemd what has changed in this turn of the loop.
    ///
    /// Only a sip-router that hangs in the kernel is worth the end of the whole. Where another
    /// component does so, for a disk that is gone, the next daemon's would as well.
    private func report() {
        guard exitCode == nil else { return }
        recordConditions()
        notify.status(statusLine)
        guard let due = nextAlive, due <= now, let interval = notify.interval else { return }
        nextAlive = now + interval
        if children.allSatisfy({ $0.life.isInHand || $0.role != .router }) { notify.alive() }
    }

    /// One line that a person can read.
    var statusLine: String {
        if isStopping { return "Stopping" }
        guard let configuration else { return "Reading the settings" }
        let away = children.filter { !$0.life.isServing }.map(\.role.name)
        guard isReady || away.isEmpty else {
            return "Starting; waiting for \(away.joined(separator: ", "))"
        }
        let domains = configuration.domains.counted("domain")
        let found = conditions
        guard let worst = found.first?.condition else {
            return "Serving \(domains); \(children.count) components ready"
        }
        let others = found.count > 1 ? ", and \(found.count - 1) more: rempart status" : ""
        let head = worst.kind == .noSIP ? "No SIP" : "Serving \(domains), degraded"
        return "\(head): \(worst.text)\(others)"
    }

    /// Ends the daemon before it serves.
    func fail(_ why: StartFailure) {
        journal.write(.daemonFailed, .critical, "cannot start: \(why)")
        notify.status("Cannot start: \(why)")
        exitCode = why.exitCode
    }

    /// Ends every child in good order, then the daemon.
    func stop() {
        guard !isStopping else { return }
        isStopping = true
        notify.stopping()
        journal.write(.daemonStopping, .notice, "stopping")
        reader?.cancel()
        for child in children { handle(.stop, of: child) }
        endWhenAlone()
    }

    /// Ends the daemon once no child is left.
    func endWhenAlone() {
        if isStopping, children.allSatisfy({ $0.life.state == .ended }) { exitCode = 0 }
    }
}
