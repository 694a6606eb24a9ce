// The terminator under its supervisor: start, heartbeat, reload, stop.

internal import Journal
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

extension Terminator {
    /// A terminator of a start set; without a certificate and key that can be used it refuses connections.
    convenience init(_ start: StartSet, _ journal: Journal) throws(ChildFailure) {
        let listeners = start.listeners.filter { $0.listener.endpoint.transport == .tls }
        var certificates = Certificates()
        if !listeners.isEmpty {
            _ = certificates.take(
                CertificatePaths.of(start.settings.compactMap(\.told.terminator)),
                start.certificates, at: Clock.sinceEpoch,
                journal)
        }
        let wanted = Limits().connections
        let affordable = Self.affordable(wanted)
        if !listeners.isEmpty, affordable < wanted {
            journal.write(
                .degraded, .warning,
                "at most \(affordable) TLS connections at a time, not \(wanted): raise the "
                    + "limit of open files (LimitNOFILE=) to \(wanted + Self.otherFiles)")
        }
        do {
            try self.init(listeners: listeners, certificates: certificates, journal: journal)
        } catch {
            throw .supervisor("\(error)")
        }
        lookAtDates()
        if let peer = start.peers[.router] { attach(peer) }
    }

    /// What is wrong now, beside what the supervisor says of files that it could not open.
    var conditions: [Condition] {
        certificates.conditions + acceptance.conditions(accepting: "TLS connections")
    }

    /// Beside the connections: standard streams, listeners, links, the poller, callers, files of a reload.
    private static let otherFiles = 64 + 2 * Bounds.mostCertificates

    /// How many connections the limit of open files allows, once it is raised as far as permitted.
    private static func affordable(_ wanted: Int) -> Int {
        guard let limit = Descriptor.raiseLimit() else { return wanted }
        let others = UInt(otherFiles)
        return Int(min(UInt(wanted), limit > others ? limit - others : 1))
    }

    /// Serves until the supervisor says stop or is gone.
    func serve(_ supervision: Supervision) throws(ChildFailure) {
        do {
            try poller.add(supervision.raw, Token(kind: Watched.supervisor.rawValue), .read)
        } catch {
            throw .supervisor("\(error)")
        }
        var beat = Clock.monotonic
        var said = ""
        while true {
            if now >= beat {
                beat = now + .seconds(1)
                supervision.report(conditions)
                supervision.heartbeat()
                if status != said {
                    said = status
                    supervision.status(said)
                }
            }
            journal.flush()
            let longest = max(beat - Clock.monotonic, Milliseconds(0))
            guard turn(longest: journal.patience(longest)) else { continue }
            while let notice = try supervision.next() {
                switch notice {
                case .reload(let set): reload(set, supervision)
                case .peer(.router, let descriptor): attach(descriptor)
                case .renew(let place, let files):
                    renew(place, files)
                    tellUse(supervision)
                case .client(let request, let caller): answer(request, caller)
                case .peer: break
                case .stop:
                    supervision.stopping()
                    return stop()
                }
            }
        }
    }

    private var status: String {
        guard !isIdle else { return "no tls:// endpoint, idle" }
        guard let served = certificates.served else {
            return "no certificate that can be used: connections are closed"
        }
        let others = served.count > 1 ? ", and \(served.count - 1) more" : ""
        return "\(table.count) connections, \(sources.handshakes) of them in handshake, "
            + "certificate \(served.first.subject) until \(served.first.notAfter)\(others)"
    }

    private func reload(_ set: StartSet, _ supervision: Supervision) {
        if let unused = take(set) { supervision.unused(unused) }
        tellUse(supervision)
        supervision.ready()
    }

    /// Takes the files of a reload; why they are not used, if so.
    ///
    /// Those that cannot be used change nothing, and the reload's other settings are in force all the same.
    func take(_ set: StartSet) -> String? {
        guard !isIdle else { return nil }
        let unused = certificates.take(
            CertificatePaths.of(set.settings.compactMap(\.told.terminator)), set.certificates,
            at: Clock.sinceEpoch, journal)
        lookAtDates()
        return unused.isEmpty ? nil : unused.joined(separator: "; ")
    }

    /// Takes the files of a certificate that was renewed; those that cannot be used change nothing.
    func renew(_ place: Int, _ files: [FileKind: Descriptor]) {
        guard !isIdle else { return }
        certificates.renew(place, files, at: Clock.sinceEpoch, journal)
        lookAtDates()
    }

    /// Tells which certificates are served by the newest files, and what is wrong with the others.
    func tellUse(_ supervision: Supervision) {
        supervision.report(conditions)
        supervision.inUse(certificates.inUse)
    }

    private func answer(_ request: ControlRequest, _ caller: Descriptor) {
        var rows: [ControlReply] = []
        if request == .certificates { rows = certificates.rows(at: Clock.sinceEpoch) }
        answers.answer(rows + [.done], to: caller, poller)
    }

    /// Takes leave of every client and of the router.
    func stop() {
        for handle in table.handles {
            guard let connection = table[handle] else { continue }
            if connection.phase == .open { connection.shut() }
            finish(connection, handle)
        }
        router?.flush()
    }
}
