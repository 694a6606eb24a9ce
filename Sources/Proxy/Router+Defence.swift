internal import Digest
internal import Journal
package import Messages
internal import Registrar
internal import SIP
internal import SIPWriting
package import Sys

/// What a source has shown of itself while its message is looked at.
enum Proof {
    /// Nothing: the sender's address may be forged.
    case none
    /// It has brought back a nonce that was sent to its address.
    case nonce
    /// It came by a connection.
    ///
    /// A way of UDP that a phone has registered by can be forged like any other.
    case way
}

/// Who is answered, who is counted, who is shut out.
extension Router {
    /// Whether a message from outside is looked at; says what its sender has proven so far.
    mutating func admits(_ bytes: Span<UInt8>, _ flow: Flow) -> Bool {
        let ip = flow.peer.ip
        if !flow.transport.isStream, insideSources.contains(ip) {
            dropped("inside-address", flow)
            guard settings.isObserving else { return false }
        }
        guard !defence.isBanned(ip, now.monotonic) else {
            dropped("banned", flow)
            return false
        }
        isStranger = !isRegistered(flow)
        proof = flow.transport.isStream ? .way : .none
        replyLimit = proof == .none && !isAllowed(ip) ? bytes.count : .max
        guard isStranger, defence.isHeld(ip, now.monotonic) else { return true }
        dropped("held", flow)
        return false
    }

    /// How many messages of a kind that comes in floods are remembered, so that a flood leaves the others known.
    static let keptRate = Rate(perSecond: 20, burst: 200)

    /// Keeps for `rempart explain` that a message was dropped without a look at it.
    private mutating func dropped(_ reason: String, _ flow: Flow) {
        guard droppedTokens.take(Self.keptRate, now.monotonic) else { return }
        keepDecision(reason, 0, 0, .other, flow)
    }

    /// The addresses in whose name no datagram comes from outside: the edge's own and the Asterisks'.
    ///
    /// Those of the loopback are excepted: the kernel lets none in, and who tries the edge on one machine has no others.
    func sourcesOfInside() -> AddressRanges {
        let own = listeners.map(\.endpoint.address.ip) + writer.wildcards.all
        let named = (own + settings.asterisks.map(\.ip)).filter {
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

    private func isAllowed(_ ip: IPAddress) -> Bool { settings.allow.contains { $0.contains(ip) } }

    // MARK: What proves nothing

    /// How many times as long as what was asked an answer may be to who has proven nothing.
    private static let growth = 3

    /// Whether the sender has proven nothing, and is not one of `defence.allow`.
    private var isUnproven: Bool { proof == .none && replyLimit < .max }

    /// Why an answer was sent in short form, and why none was.
    static let shortAnswer = "short-answer"
    static let noAnswerLeft = "answers-used-up"

    /// How many bytes "Content-Length: 0" and the empty line have.
    private static let endLength = 21
    /// How many bytes follow the lines of the request in an answer that says no more than Retry-After.
    static let plainRest = endLength + 17

    /// How many bytes follow them in a challenge in long form.
    func challengeRest(isRegister: Bool, isStale: Bool) -> Int {
        var rest = Self.endLength
        for algorithm in settings.algorithms {
            // The name, `Digest realm="",nonce="",algorithm=,qop="auth"`, the line end, and what stands in them.
            rest += (isRegister ? 18 : 20) + 46 + 2
            rest += settings.realm.count + 24 + algorithm.name.utf8CodeUnitCount
            if isStale { rest += 11 }
        }
        return rest
    }

    /// Whether the sender of the message in hand has an answer in long form left.
    func mayBeLong(_ flow: Flow) -> Bool {
        guard isUnproven, !settings.isObserving else { return true }
        let ip = flow.peer.ip
        return defence.mayBeLong(
            ip, isTrunk: trunk(at: ip) != nil, answerRates(ip), now.monotonic)
    }

    /// Whether an answer of such a length may go to the sender of the message in hand.
    func fits(_ length: Int) -> Bool { !isUnproven || length <= Self.growth * replyLimit }

    /// Whether the answer in the writer may go out: to who has proven nothing it is at most three times as
    /// long as what was asked, and there is one left for him.
    ///
    /// Whoever has proven his address is always answered.
    mutating func mayAnswer(_ flow: Flow) -> Bool {
        mayAnswer(flow, length: writer.buffer.count, isCompact: writer.isCompact)
    }

    /// The same of an answer of such a length.
    mutating func mayAnswer(_ flow: Flow, length: Int, isCompact: Bool) -> Bool {
        guard isUnproven else { return true }
        guard fits(length) else { return false }
        let ip = flow.peer.ip
        return settings.isObserving
            || defence.maySpend(
                ip, way: isStranger ? nil : flow.keyedHash, isTrunk: trunk(at: ip) != nil,
                isLong: !isCompact || length > replyLimit, answerRates(ip), now.monotonic)
    }

    private func answerRates(_ ip: IPAddress) -> AnswerRates {
        guard settings.profiles.areWritten, let replies = profile(of: ip).replies else {
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
        settings.profiles.classify(
            ip, trunk: trunk(at: ip).map { trunks[$0].settings.name },
            isResident: defence.isResident(ip, now.monotonic),
            country: defence.whereabouts(of: ip)?.country ?? .unknown)
    }

    private func profile(of ip: IPAddress) -> Profile {
        settings.profiles.all[classify(ip).profile]
    }

    /// Whether a request may go on under its source's profile; one that may not was answered as it says.
    mutating func passesProfile(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard settings.profiles.areWritten else { return true }
        let profile = profile(of: flow.peer.ip)
        guard !profile.allows(index.method, flow.transport) else { return true }
        if profile.answer == .silence {
            refuseRecord("profile", 0, index, bytes, flow)
        } else {
            refuse(bytes, index, flow, 403, "Forbidden", "profile")
        }
        return settings.isObserving
    }

    /// What is answered to a source before it has authenticated.
    func firstAnswer(_ flow: Flow) -> ProfileAnswer {
        settings.profiles.areWritten ? profile(of: flow.peer.ip).answer : .challenge
    }

    // MARK: Offences

    /// Whether a request has the marks of a scanner, which gets no answer.
    mutating func isScanner(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard isStranger, !isTrusted(flow.peer.ip), Scanner.wrote(bytes, index) else {
            return false
        }
        refuseRecord("scanner", 0, index, bytes, flow)
        offence(.scanner, flow)
        return !settings.isObserving
    }

    /// A call that names no password: phones do that too, once, and then authenticate.
    ///
    /// Whether it is still answered.
    mutating func mayKnock(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow)
        -> Bool
    {
        guard index.method == .invite, isStranger, !isTrusted(flow.peer.ip),
            // What can be forged is bounded by the answers it gets. And who has authenticated before may
            // begin many calls at once, as a PBX does that never registers.
            proof != .none, !defence.hasAuthenticated(flow.peer.ip)
        else { return true }
        let number = NameTable.hash(UserPart(bytes.bytes(index.requestURI.user)).span)
        offence(.numbersSwept, flow, mark: number)
        offence(.strangerCalls, flow)
        return !defence.isBanned(flow.peer.ip, now.monotonic)
    }

    /// Counts an offence against a source that has proven its address; what has not costs nothing here.
    ///
    /// At the limit the source is banned. One that phones are registered from, or that has an address of ours, is
    /// not: the ways by which none has registered get no answer for a while, and its phones notice nothing.
    mutating func offence(
        _ detector: Detector, _ flow: Flow, name: Span<UInt8> = Span(), mark: UInt64? = nil
    ) {
        let ip = flow.peer.ip
        guard proof != .none, !isTrusted(ip) else { return }
        let limit = limit(detector, ip)
        guard
            case .reached(let count) = defence.offence(
                detector, ip, limit, mark: mark, now.monotonic)
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
        if defence.isResident(ip, now.monotonic) { return "where phones are registered" }
        guard ownSources.contains(ip.source) else { return nil }
        return isOutside(ip)
            ? "the edge's own address" : "in the /64 of an address of the edge's own"
    }

    private func limit(_ detector: Detector, _ ip: IPAddress) -> Limit {
        var limit = settings.limit(detector)
        if detector == .wrongPassword, settings.profiles.areWritten,
            let failures = profile(of: ip).failures
        {
            limit.count = failures
        }
        return limit
    }

    private mutating func hold(
        _ ip: IPAddress, _ why: String, _ detector: Detector, _ evidence: String
    ) {
        let verb = settings.isObserving ? "would hold" : "hold"
        audit.add(
            .held, .warning,
            "\(verb) what is not a registered phone at \(ip), \(why):"
                + " \(detector.code) (\(evidence))",
            [
                (.address, "\(ip)"), (.reason, detector.code),
                (.seconds, "\(settings.ban.seconds)"),
            ])
        guard !settings.isObserving else { return }
        defence.hold(ip, until: now.monotonic + settings.ban, now.monotonic)
    }

    private mutating func ban(
        _ ip: IPAddress, _ detector: Detector, count: UInt32, _ evidence: String
    ) {
        let first = defence.sources.find(ip.source).map {
            defence.sources[$0].firstSeen
        }
        let age = first.map { now.monotonic - $0 } ?? Milliseconds(0)
        toBanner.append(
            .ban(
                BanOrder(
                    address: ip, reason: detector.code, evidence: evidence, count: count,
                    firstSeen: now.sinceEpoch - age, lastSeen: now.sinceEpoch,
                    profile: settings.profiles.all[classify(ip).profile].name,
                    atLeast: detector.leastBan)))
        guard !settings.isObserving else { return }
        let span = max(settings.ban, detector.leastBan)
        defence.ban(ip, until: now.monotonic + span, now.monotonic)
        closing.append(.source(of: ip))
    }

    // MARK: Connections

    /// How many connections a source may have by which nobody has authenticated.
    ///
    /// An office behind one address may have more: its phones come back all at once after a power cut.
    package func openingsAllowed(_ ip: IPAddress) -> Int {
        isTrusted(ip) || settings.isObserving ? .max : 20 + 4 * defence.accounts(of: ip)
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
        defence.guards.succeeded(account, ip, now.monotonic)
        defer { notice(binding.account, at: ip) }
        guard defence.reside(ip, until: binding.expires, account: account, now.monotonic) else {
            return
        }
        _ = defence.ask(ip)
        let until = binding.expires + Bounds.announcement - now.monotonic + now.sinceEpoch
        toBanner.append(.protect(ip, until: until))
        toBanner.append(.locate(ip))
    }

    // MARK: What the loop sees

    /// A TLS handshake came to nothing.
    package mutating func handshakeFailed(_ flow: Flow, _ now: Now) {
        self.now = now
        proof = .way
        offence(.tlsFailures, flow)
    }

    // MARK: banner

    /// Takes what banner says.
    package mutating func take(_ message: BannerToRouter, _ now: Now) {
        self.now = now
        switch message {
        case .banned(let network, let until):
            guard !settings.isObserving else { return }
            // One that was decided here has lost its connections already.
            let isNew = network.isWide || !defence.isListed(network.address, now.monotonic)
            let left = min(until - now.sinceEpoch, Bounds.longestBan)
            defence.ban(network, until: now.monotonic + left, now.monotonic)
            if isNew { closing.append(network) }
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
