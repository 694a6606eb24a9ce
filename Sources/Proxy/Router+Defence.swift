internal import Digest
internal import Journal
package import Messages
internal import Registrar
internal import SIP
package import Sys

/// Who is answered, who is counted, who is shut out.
extension Router {
    /// The sender of a message from outside that is looked at, with what it has proven so far; nil for one that is not.
    mutating func admit(_ message: borrowing Incoming) -> Sender? {
        let flow = message.flow
        let ip = flow.peer.ip
        if !flow.transport.isStream, insideSources.contains(ip) {
            dropped(.insideAddress, flow)
            guard bench.settings.isObserving else { return nil }
        }
        guard !defence.isBanned(ip, bench.now.monotonic) else {
            dropped(.banned, flow)
            return nil
        }
        var sender = message.sender
        sender.isStranger = !isRegistered(flow)
        sender.proof = flow.transport.isStream ? .connection : .none
        sender.replyLimit = sender.proof == .none && !isAllowed(ip) ? message.bytes.count : .max
        guard sender.isStranger, defence.isHeld(ip, bench.now.monotonic) else { return sender }
        dropped(.held, flow)
        return nil
    }

    /// How many messages of a kind that comes in floods are remembered, so that a flood leaves the others known.
    static let keptRate = Rate(perSecond: 20, burst: 200)

    /// Keeps for `rempart explain` that a message was dropped without a look at it.
    private mutating func dropped(_ refusal: Refusal, _ flow: Flow) {
        guard droppedTokens.take(Self.keptRate, bench.now.monotonic) else { return }
        keepDecision(refusal.code, 0, 0, .other, flow)
    }

    /// The addresses in whose name no datagram comes from outside: the edge's own and the Asterisks'.
    ///
    /// Those of the loopback are excepted: the kernel lets none in, and who tries the edge on one machine has no others.
    func sourcesOfInside() -> AddressRanges {
        let own = listeners.map(\.endpoint.address.ip) + bench.writer.wildcards.all
        let named = (own + bench.settings.asterisks.map(\.ip)).filter {
            !$0.isLoopback && !$0.isUnspecified
        }
        return AddressRanges(named.map { Network($0) })
    }

    /// Whether a phone has registered by this very way.
    private func isRegistered(_ flow: Flow) -> Bool {
        flow.transport.isStream
            ? connectionBindings[flow] != nil : bindings.hasFlow(flow)
    }

    /// Whether an account is registered by this very way.
    func isRegistered(_ account: Int32, by flow: Flow) -> Bool {
        var next = accounts[account].bindings
        while let binding = bindings[next] {
            if binding.reachable, binding.flow == flow { return true }
            next = binding.next
        }
        return false
    }

    /// Whether nothing is ever held against an address: Asterisks, trunks and `defence.allow`.
    func isTrusted(_ ip: IPAddress) -> Bool { isOurs(ip) || trunk(at: ip) != nil }

    /// Whether an address is an Asterisk's or one of `defence.allow`, in whose name nobody outside speaks.
    private func isOurs(_ ip: IPAddress) -> Bool { isAsterisk(ip) || isAllowed(ip) }

    private func isAllowed(_ ip: IPAddress) -> Bool {
        bench.settings.allow.contains { $0.contains(ip) }
    }

    // MARK: What proves nothing

    /// How many times as long as what was asked an answer may be to who has proven nothing.
    private static let growth = 3

    /// How many bytes "Content-Length: 0" and the empty line have.
    private static let endLength = 21
    /// How many bytes follow the lines of the request in an answer that says no more than Retry-After.
    static let plainRest = endLength + 17

    /// How many bytes follow them in a challenge in long form.
    func challengeRest(isRegister: Bool, isStale: Bool) -> Int {
        var rest = Self.endLength
        for algorithm in bench.settings.algorithms {
            // The name, `Digest realm="",nonce="",algorithm=,qop="auth"`, the line end, and what stands in them.
            rest += (isRegister ? 18 : 20) + 46 + 2
            rest += bench.settings.realm.count + 24 + algorithm.name.utf8CodeUnitCount
            if isStale { rest += 11 }
        }
        return rest
    }

    /// Whether the sender of a message has an answer in long form left.
    func mayBeLong(_ flow: Flow, _ sender: Sender) -> Bool {
        guard sender.isUnproven, !bench.settings.isObserving else { return true }
        let ip = flow.peer.ip
        return defence.mayBeLong(
            ip, isTrunk: trunk(at: ip) != nil, answerRates(ip), bench.now.monotonic)
    }

    /// Whether an answer of such a length may go to the sender of a message.
    func fits(_ length: Int, _ sender: Sender) -> Bool {
        !sender.isUnproven || length <= Self.growth * sender.replyLimit
    }

    /// Whether the answer in the writer may go out: to who has proven nothing it is at most three times as
    /// long as what was asked, and there is one left for him.
    ///
    /// Whoever has proven his address is always answered.
    mutating func mayAnswer(_ flow: Flow, _ sender: Sender) -> Bool {
        mayAnswer(
            flow, sender, length: bench.writer.buffer.count, isCompact: bench.writer.isCompact)
    }

    /// The same of an answer of such a length.
    mutating func mayAnswer(
        _ flow: Flow, _ sender: Sender, length: Int, isCompact: Bool
    ) -> Bool {
        guard sender.isUnproven else { return true }
        guard fits(length, sender) else { return false }
        let ip = flow.peer.ip
        return bench.settings.isObserving
            || defence.maySpend(
                ip, way: sender.isStranger ? nil : flow.keyedHash, isTrunk: trunk(at: ip) != nil,
                isLong: !isCompact || length > sender.replyLimit, answerRates(ip),
                bench.now.monotonic)
    }

    private func answerRates(_ ip: IPAddress) -> AnswerRates {
        guard bench.settings.profiles.areWritten, let replies = profile(of: ip).replies else {
            return rates
        }
        // What all have together does not depend on who asks.
        var rates = rates
        rates.long = AnswerRates.long(replies)
        return rates
    }

    // MARK: Profiles

    /// The profile that a source falls into, and why.
    func classify(_ ip: IPAddress) -> (profile: Int, cause: Profiles.Cause) {
        bench.settings.profiles.classify(
            ip, trunk: trunk(at: ip).map { trunks[$0].settings.name },
            isResident: defence.isResident(ip, bench.now.monotonic),
            country: defence.whereabouts(of: ip)?.country ?? .unknown)
    }

    private func profile(of ip: IPAddress) -> Profile {
        bench.settings.profiles.all[classify(ip).profile]
    }

    /// Whether a request may go on under its source's profile.
    func checkProfile(_ message: borrowing Incoming) -> Verdict<Void> {
        guard bench.settings.profiles.areWritten else { return .pass }
        let profile = profile(of: message.flow.peer.ip)
        guard !profile.allows(message.index.method, message.flow.transport) else { return .pass }
        if bench.settings.isObserving { return .observed((), .profile) }
        return profile.answer == .silence ? .silence(.profile) : .refuse(.profile)
    }

    /// What is answered to a source before it has authenticated.
    func firstAnswer(_ flow: Flow) -> ProfileAnswer {
        bench.settings.profiles.areWritten ? profile(of: flow.peer.ip).answer : .challenge
    }

    // MARK: Offences

    /// Whether a request has the marks of a scanner, which gets no answer.
    func checkWriter(_ message: borrowing Incoming) -> Verdict<Void> {
        guard message.sender.isStranger, !isTrusted(message.flow.peer.ip),
            Scanner.wrote(message.bytes, message.index)
        else { return .pass }
        return bench.settings.isObserving ? .observed((), .scanner) : .silence(.scanner)
    }

    /// Counts a call that names no password: phones do that too, once, and then authenticate.
    mutating func countKnock(_ message: borrowing Incoming) {
        let ip = message.flow.peer.ip
        let proof = message.sender.proof
        guard message.index.method == .invite, message.sender.isStranger, !isTrusted(ip),
            // What can be forged is bounded by the answers it gets. And who has authenticated before may
            // begin many calls at once, as a PBX does that never registers.
            proof != .none, !defence.hasAuthenticated(ip)
        else { return }
        let number = NameTable.hash(
            UserPart(message.bytes.bytes(message.index.requestURI.user)).span)
        offence(.numbersSwept, message.flow, proof, mark: number)
        offence(.strangerCalls, message.flow, proof)
    }

    /// Counts an offence against a source that has proven its address; what has not costs nothing here.
    ///
    /// At the limit the source is banned. One that phones are registered from, or that has an address of ours, is
    /// not: the ways by which none has registered get no answer for a while, and its phones notice nothing.
    mutating func offence(
        _ detector: Detector, _ flow: Flow, _ proof: Proof, name: Span<UInt8> = Span(),
        mark: UInt64? = nil
    ) {
        let ip = flow.peer.ip
        guard proof != .none, !isTrusted(ip) else { return }
        let limit = limit(detector, ip)
        guard
            case .reached(let count) = defence.offence(
                detector, ip, limit, mark: mark, bench.now.monotonic)
        else { return }
        var evidence = "\(count) \(detector.counted) within \(limit.window.seconds) s"
        if !name.isEmpty { evidence += ", the last for \(name.text)" }
        if let why = neverBanned(ip) {
            hold(ip, why, detector, evidence)
            return
        }
        ban(ip, detector, count: count, evidence)
    }

    /// Why a source loses single ways and accounts instead of everything; nil when it does not: phones are registered
    /// there, or it has an address of ours outside, in which phones behind the same NAT may come.
    func neverBanned(_ ip: IPAddress) -> String? {
        if defence.isResident(ip, bench.now.monotonic) { return "where phones are registered" }
        guard ownSources.contains(ip.source) else { return nil }
        return isOutside(ip)
            ? "the edge's own address" : "in the /64 of an address of the edge's own"
    }

    private func limit(_ detector: Detector, _ ip: IPAddress) -> Limit {
        var limit = bench.settings.limit(detector)
        if detector == .wrongPassword, bench.settings.profiles.areWritten,
            let failures = profile(of: ip).failures
        {
            limit.count = failures
        }
        return limit
    }

    private mutating func hold(
        _ ip: IPAddress, _ why: String, _ detector: Detector, _ evidence: String
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
        defence.hold(ip, until: bench.now.monotonic + bench.settings.ban, bench.now.monotonic)
    }

    private mutating func ban(
        _ ip: IPAddress, _ detector: Detector, count: UInt32, _ evidence: String
    ) {
        let first = defence.sources.find(ip.source).map {
            defence.sources[$0].firstSeen
        }
        let age = first.map { bench.now.monotonic - $0 } ?? Milliseconds(0)
        bench.effects.toBanner.append(
            .ban(
                BanOrder(
                    address: ip, reason: detector.code, evidence: evidence, count: count,
                    firstSeen: bench.now.sinceEpoch - age, lastSeen: bench.now.sinceEpoch,
                    profile: bench.settings.profiles.all[classify(ip).profile].name,
                    atLeast: detector.leastBan)))
        guard !bench.settings.isObserving else { return }
        let span = max(bench.settings.ban, detector.leastBan)
        defence.ban(ip, until: bench.now.monotonic + span, bench.now.monotonic)
        bench.effects.closing.append(.source(of: ip))
    }

    // MARK: Connections

    /// How many connections a source may have by which nobody has authenticated.
    ///
    /// An office behind one address may have more: its phones come back all at once after a power cut.
    package func openingsAllowed(_ ip: IPAddress) -> Int {
        isTrusted(ip) || bench.settings.isObserving ? .max : 20 + 4 * defence.accounts(of: ip)
    }

    /// Whether an account has authenticated by a connection, or is registered by it.
    package func hasAuthenticated(by flow: Flow) -> Bool {
        authenticatedConnections.contains(flow) || connectionBindings[flow] != nil
    }

    // MARK: Residents

    /// A phone's binding stands until a moment: its source is a resident until then.
    mutating func reside(_ binding: Binding) {
        let ip = binding.flow.peer.ip
        let account = NameTable.hash(accounts.name(binding.account))
        defence.guards.succeeded(account, ip, bench.now.monotonic)
        defer { notice(binding.account, at: ip) }
        guard defence.reside(ip, until: binding.expires, account: account, bench.now.monotonic)
        else {
            return
        }
        _ = defence.ask(ip)
        let until =
            binding.expires + Bounds.announcement - bench.now.monotonic + bench.now.sinceEpoch
        bench.effects.toBanner.append(.protect(ip, until: until))
        bench.effects.toBanner.append(.locate(ip))
    }

    // MARK: What the loop sees

    /// A TLS handshake came to nothing.
    package mutating func handshakeFailed(_ flow: Flow, _ now: Now) {
        self.bench.now = now
        offence(.tlsFailures, flow, .connection)
    }

    // MARK: banner

    /// Takes what banner says.
    package mutating func take(_ message: BannerToRouter, _ now: Now) {
        self.bench.now = now
        switch message {
        case .banned(let network, let until):
            guard !bench.settings.isObserving else { return }
            // One that was decided here has lost its connections already.
            let isNew = network.isWide || !defence.isListed(network.address, now.monotonic)
            let left = min(until - now.sinceEpoch, Bounds.longestBan)
            defence.ban(network, until: now.monotonic + left, now.monotonic)
            if isNew { bench.effects.closing.append(network) }
        case .unbanned(let network): defence.unban(network)
        case .cleared: defence.unbanAll()
        case .located(let ip, let country):
            let whereabouts = Whereabouts(
                country: Country(country), isAsked: true, isLocated: true)
            defence.setWhereabouts(of: ip, whereabouts)
            located(ip)
        case .all: break
        }
    }
}
