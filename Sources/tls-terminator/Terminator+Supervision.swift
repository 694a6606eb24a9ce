// The terminator under its supervisor: start, heartbeat, reload, stop.

internal import COpenSSL
internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Reactor
internal import Sys

extension Terminator {
    /// A terminator of a start set; without a certificate and key that can be used it refuses connections.
    convenience init(_ start: StartSet, _ journal: Journal) throws(ChildFailure) {
        let listeners = start.listeners.filter { $0.listener.endpoint.transport == .tls }
        var context: TLSContext?
        var refusal: CertificateRefusal?
        if !listeners.isEmpty {
            do {
                context = try TLSContext.reading(start.files, journal)
            } catch {
                refusal = error
            }
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
            try self.init(listeners: listeners, context: context, journal: journal)
        } catch {
            throw .supervisor("\(error)")
        }
        self.refusal = refusal
        lookAtDates()
        if let peer = start.peers[.router] { attach(peer) }
    }

    /// What is wrong now, beside what the supervisor says of files that it could not open.
    var conditions: [Condition] {
        var words: [String] = []
        if let refusal, !refusal.isMissing {
            words.append(
                context == nil
                    ? "TLS connections are refused: \(refusal); correct it, then reload"
                    : "the new certificate is not used, the one of before stays: \(refusal)")
        }
        if !dates.words.isEmpty { words.append(dates.words) }
        return words.map { Condition(.certificate, $0) }
            + acceptance.conditions(accepting: "TLS connections")
    }

    /// Beside the connections: standard streams, listeners, links, the poller, files of a reload.
    private static let otherFiles = 64

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
                case .peer, .client: break
                case .stop:
                    supervision.stopping()
                    return stop()
                }
            }
        }
    }

    private var status: String {
        guard !isIdle else { return "no tls:// endpoint, idle" }
        guard let context else { return "no certificate that can be used: connections are closed" }
        return "\(table.count) connections, \(sources.handshakes) of them in handshake, "
            + "certificate \(context.subject) until \(context.notAfter)"
    }

    private func reload(_ set: StartSet, _ supervision: Supervision) {
        if let unused = take(set) { supervision.unused(unused) }
        supervision.report(conditions)
        supervision.ready()
    }

    /// Takes the files of a reload; why they are not used, if so.
    ///
    /// Those that cannot be used change nothing, and the reload's other settings are in force all the same.
    func take(_ set: StartSet) -> String? {
        guard !isIdle else { return nil }
        defer { lookAtDates() }
        do {
            context = try TLSContext.reading(set.files, journal)
            refusal = nil
            return nil
        } catch {
            refusal = error
            let rest =
                context.map { "the certificate of before stays in use, valid until \($0.notAfter)" }
                ?? "TLS connections are refused"
            return "\(error); \(rest)"
        }
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

extension TLSContext {
    /// The longest certificate or key file that is read, in bytes.
    private static let longestFile = 1 << 20

    /// The context of the two files that the supervisor has opened; journals what came of it.
    static func reading(
        _ files: [FileKind: Descriptor], _ journal: Journal
    ) throws(CertificateRefusal) -> TLSContext {
        do {
            let chain = try bytes(of: .certificate, files)
            var key = try bytes(of: .key, files)
            // Not left behind in freed memory; OpenSSL wipes its own copy.
            defer { wipe(&key) }
            let identity = try Identity(certificate: chain, key: key, at: Clock.sinceEpoch)
            let context = try TLSContext(identity)
            journal.write(
                .certificateLoaded, .notice,
                "certificate \(context.subject), \(context.chainLength) in the chain, "
                    + "valid until \(context.notAfter)")
            for warning in context.warnings {
                journal.write(
                    .certificateEnds, .warning, warning, [(.file, "tls.certificate")])
            }
            return context
        } catch {
            journal.write(.certificateRefused, .error, "\(error)", [(.file, error.setting)])
            throw error
        }
    }

    private static func bytes(
        of file: FileKind, _ files: [FileKind: Descriptor]
    ) throws(CertificateRefusal) -> [UInt8] {
        guard let descriptor = files[file] else {
            throw CertificateRefusal(
                file,
                "a tls:// endpoint needs it, but the file is missing or cannot be opened; "
                    + "name an existing file that root can read", isMissing: true)
        }
        // The supervisor may hand the same open file to the next terminator as well.
        _ = lseek(descriptor.raw, 0, SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 16_384)
        var length = 0
        while true {
            if length == bytes.count { bytes += [UInt8](repeating: 0, count: bytes.count) }
            switch Stream.read(descriptor.raw, into: &bytes, at: length) {
            case .moved(let count): length += count
            case .ended: return Array(bytes[..<length])
            case .wouldBlock: throw CertificateRefusal(file, "is not a regular file")
            case .failed(let code):
                throw CertificateRefusal(file, "\(SystemError("reading it", code: code))")
            }
            guard length <= longestFile else {
                throw CertificateRefusal(file, "is longer than 1 MiB, so it is no PEM file")
            }
        }
    }
}

/// Overwrites secret bytes in a way that the compiler keeps.
func wipe(_ bytes: inout [UInt8]) {
    // In bounds: the array's own storage and length.
    unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count)
    }
}
