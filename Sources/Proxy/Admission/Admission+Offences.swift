internal import Journal
package import Messages
package import ProxyBench
internal import SIP
package import Sys

/// What sources do that phones do not, and what follows at the limit.
extension Admission {
    // MARK: Requests

    /// Whether a request has the marks of a scanner, which gets no answer.
    package func checkWriter(
        _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> Verdict<Void> {
        guard message.sender.isStranger, !message.sender.standing.isTrusted,
            Scanner.wrote(message.bytes, message.index)
        else { return .pass }
        return bench.settings.isObserving ? .observed((), .scanner) : .silence(.scanner)
    }

    /// Counts a call that names no password: phones do that too, once, and then authenticate.
    package mutating func countKnock(_ message: borrowing Incoming, _ bench: inout Bench) {
        let sender = message.sender
        guard message.index.method == .invite, sender.isStranger, !sender.standing.isTrusted,
            // What can be forged is bounded by the answers it gets. And who has authenticated before may
            // begin many calls at once, as a PBX does that never registers.
            sender.proof != .none, !hasAuthenticated(message.flow.peer.ip)
        else { return }
        let number = NameTable.hash(
            UserPart(message.bytes.bytes(message.index.requestURI.user)).span)
        offence(.numbersSwept, message, mark: number, &bench)
        offence(.strangerCalls, message, &bench)
    }

    /// Counts what looks like a token and is none of ours for its dialog, once.
    package mutating func countForgedToken(_ message: borrowing Incoming, _ bench: inout Bench) {
        guard message.sender.isStranger, !message.isResumed else { return }
        offence(.forgedToken, message, &bench)
    }

    // MARK: Counting

    /// Counts an offence against the sender of a message.
    package mutating func offence(
        _ detector: Detector, _ message: borrowing Incoming, name: Span<UInt8> = Span(),
        mark: UInt64? = nil, _ bench: inout Bench
    ) {
        offence(detector, message.flow.peer.ip, message.sender, name: name, mark: mark, &bench)
    }

    /// Counts an offence against a source that has proven its address; what has not costs nothing here.
    ///
    /// With a `mark`, a keyed hash, the same thing counts once within the window. `name` is the account's that the
    /// evidence tells of. At the limit the source is banned. One that phones are registered from, or that has an
    /// address of ours, is not: the flows by which none has registered get no answer for a while, and its phones notice
    /// nothing.
    package mutating func offence(
        _ detector: Detector, _ ip: IPAddress, _ sender: Sender, name: Span<UInt8> = Span(),
        mark: UInt64? = nil, _ bench: inout Bench
    ) {
        guard sender.proof != .none, !sender.standing.isTrusted else { return }
        let limit = limit(detector, ip, sender.standing, bench)
        guard
            let count = sources.offence(detector, ip, limit, mark: mark, bench.now.monotonic)
        else { return }
        var evidence = "\(count) \(detector.counted) within \(limit.window.seconds) s"
        if !name.isEmpty { evidence += ", the last for \(name.text)" }
        if let why = neverBanned(ip, bench) {
            hold(ip, why, detector, evidence, &bench)
            return
        }
        let order = BanOrder(
            address: ip, reason: detector.code, evidence: evidence, count: count,
            firstSeen: firstSeen(ip, bench), lastSeen: bench.now.sinceEpoch,
            profile: profile(of: ip, sender.standing, bench).name, atLeast: detector.leastBan)
        bench.effects.toBanner.append(.ban(order))
        guard !bench.settings.isObserving else { return }
        let now = bench.now.monotonic
        bans.ban(ip, until: now + max(bench.settings.ban, detector.leastBan), now)
        bench.effects.closing.append(.source(of: ip))
    }

    private func limit(
        _ detector: Detector, _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> Limit {
        var limit = bench.settings.limit(detector)
        if detector == .wrongPassword, bench.settings.profiles.areWritten,
            let failures = profile(of: ip, standing, bench).failures
        {
            limit.count = failures
        }
        return limit
    }

    /// When a source was first seen, since 1970.
    private func firstSeen(_ ip: IPAddress, _ bench: borrowing Bench) -> Milliseconds {
        guard let first = sources.firstSeen(ip) else { return bench.now.sinceEpoch }
        return bench.now.sinceEpoch - (bench.now.monotonic - first)
    }

    private mutating func hold(
        _ ip: IPAddress, _ why: String, _ detector: Detector, _ evidence: String,
        _ bench: inout Bench
    ) {
        let verb = bench.settings.isObserving ? "would hold" : "hold"
        bench.effects.journal.add(
            .held, .warning,
            "\(verb) what is not a registered phone at \(ip), \(why):"
                + " \(detector.code) (\(evidence))",
            [
                (.address, "\(ip)"), (.reason, detector.code),
                (.seconds, "\(bench.settings.ban.seconds)"),
            ])
        guard !bench.settings.isObserving else { return }
        sources.hold(ip, until: bench.now.monotonic + bench.settings.ban, bench.now.monotonic)
    }

    // MARK: banner

    /// Takes over what banner says; the source whose country has become known, when it says that.
    package mutating func receive(_ message: BannerToRouter, _ bench: inout Bench) -> IPAddress? {
        let now = bench.now.monotonic
        switch message {
        case .banned(let network, let until):
            guard !bench.settings.isObserving else { return nil }
            // One that was decided here has lost its connections already.
            let isNew = network.isWide || !bans.isBanned(network.address, now)
            let left = min(until - bench.now.sinceEpoch, Bounds.longestBan)
            bans.ban(network, until: now + left, now)
            if isNew { bench.effects.closing.append(network) }
        case .unbanned(let network):
            bans.unban(network)
            if !network.isWide { sources.forgive(network.address) }
        case .cleared:
            bans.unbanAll()
            sources.forgiveAll()
        case .located(let ip, let country):
            sources.setWhereabouts(
                of: ip,
                Whereabouts(country: Country(country), isAsked: true, isLocated: true))
            return ip
        case .all: break
        }
        return nil
    }
}
