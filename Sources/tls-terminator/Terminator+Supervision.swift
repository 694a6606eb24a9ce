// The terminator under its supervisor: start, heartbeat, reload, stop.

internal import Journal
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

extension Terminator {
    /// A terminator of a start set; without a certificate and key that can be used it refuses connections.
    convenience init(_ loop: ServiceLoop, _ start: StartSet) throws(ChildFailure) {
        let journal = loop.supervision.journal
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
            try self.init(loop, listeners: listeners, certificates: certificates)
        } catch {
            throw .supervisor("\(error)")
        }
        lookAtDates()
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

    /// The line in `rempart status`.
    var status: String {
        guard !isIdle else { return "no tls:// endpoint, idle" }
        guard let served = certificates.served else {
            return "no certificate that can be used: connections are closed"
        }
        let others = served.count > 1 ? ", and \(served.count - 1) more" : ""
        return "\(table.count) connections, \(sources.handshakes) of them in handshake, "
            + "certificate \(served.first.subject) until \(served.first.notAfter)\(others)"
    }

    func reload(_ set: StartSet) -> String? {
        if let unused = take(set) { loop.supervision.unused(unused) }
        tellUse()
        return nil
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

    func renew(_ place: Int, _ files: [FileKind: Descriptor]) -> Bool {
        if !isIdle {
            certificates.renew(place, files, at: Clock.sinceEpoch, journal)
            lookAtDates()
        }
        tellUse()
        return true
    }

    /// Tells which certificates are served by the newest files, and what is wrong with the others.
    func tellUse() {
        loop.supervision.report(conditions)
        loop.supervision.inUse(certificates.inUse)
    }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        let rows = request == .certificates ? certificates.rows(at: Clock.sinceEpoch) : []
        return AnyIterator((rows + [.done]).makeIterator())
    }

    /// Takes leave of every client and of the router.
    func stop() {
        for handle in table.handles {
            guard let connection = table[handle] else { continue }
            if connection.phase == .open { connection.shut() }
            finish(connection, handle)
        }
        router.flush()
    }
}
