internal import Digest
internal import Journal
package import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPTransactions
internal import Sys

/// Who a request comes from.
extension Router {
    /// The account that a request proves to be of; nil when it was answered, dropped, or has to wait.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are.
    mutating func authenticate(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) -> Int32? {
        guard let header = credentials(bytes, index), let algorithm = header.algorithm,
            isComplete(header, bytes)
        else {
            if mayKnock(bytes, index, flow) { challenge(bytes, index, flow, stale: false) }
            return nil
        }
        // One that has waited for directory was looked at when it came; higher counts may have come since.
        guard replayed || isCurrent(header, bytes, index, flow) else { return nil }
        if !isRepetition { hasProven() }
        guard replayed || isFor(header.uri, bytes, index) else {
            offence(.malformed, flow)
            refuse(bytes, index, flow, 400, "Bad Digest URI", "digest-uri")
            return nil
        }
        let name = bytes.bytes(accountName(index))
        let mark = NameTable.hash(name)
        guard mayTry(mark, bytes, index, flow, replayed) else { return nil }
        guard name.count <= Accounts.longestName, !name.isEmpty,
            let account = accounts.number(name)
        else {
            wrong(bytes, index, flow, "unknown-account")
            return nil
        }
        guard mayLookUp(account, bytes, index, flow, replayed) else { return nil }
        if algorithm == .sha256 { keepSHA256() }
        let isRefreshing = accounts.isStale(account, now.monotonic) && !replayed
        if isRefreshing { ask(account) }
        if accounts[account].state == .asked {
            wait(bytes, index, flow, account)
            return nil
        }
        let isProven = verify(bytes, index, header, algorithm, account)
        // Who may not come from there is told no more than who does not know the password.
        if AccessList.admits(accounts.access(account), .source, flow.peer.ip), isProven {
            returnTry(flow)
            guard !isRepetition else { return account }
            defence.guards.succeeded(mark, flow.peer.ip, now.monotonic)
            defence.absolve(flow.peer.ip, mark, now.monotonic)
            if flow.transport.isStream { authenticatedConnections.insert(flow) }
            return takeRequest(of: account, bytes, index, flow) ? account : nil
        }
        if isRefreshing, accounts[account].state == .found {
            // The password may be new: the answer under way decides.
            wait(bytes, index, flow, account)
        } else {
            unproven(bytes, index, flow, account, isProven ? "acl" : "wrong-password")
        }
        return nil
    }

    /// Whether an account may be asked for, if it has to be; when not, the request was answered.
    private mutating func mayLookUp(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ replayed: Bool
    ) -> Bool {
        let state = accounts[account].state
        guard state != .found, !replayed else { return true }
        if isRepetition {
            // Its original has been looked up; a copy costs directory nothing.
            guard state != .asked else { return true }
            challenge(bytes, index, flow, stale: true)
        } else {
            guard !takeTry(flow) else { return true }
            refuseRecord("look-ups", 503, index, bytes, flow)
            answerLater(bytes, index, flow)
        }
        accounts.forgetIfIdle(account)
        return false
    }

    /// Where the account's name stands: To for a REGISTER, whose To is the address-of-record, else From.
    private func accountName(_ index: borrowing MessageIndex) -> Slice {
        index.method == .register ? index.to.uri.user : index.from.uri.user
    }

    private mutating func verify(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ header: DigestHeader,
        _ algorithm: DigestAlgorithm, _ account: Int32
    ) -> Bool {
        var ha1 = accounts.ha1(account, algorithm)
        // The same work for an account that does not exist.
        let known = accounts[account].state == .found && ha1.length > 0
        if !known { ha1 = HashValue(zeros: algorithm.length) }
        let expected = hashes.response(
            algorithm, ha1: ha1, method: bytes.bytes(index.methodSlice), header, in: bytes)
        let good = expected.matches(hex: bytes.bytes(header.response), nibble: Characters.hex)
        return good && known && bytes.bytes(header.username).equals(accounts.authUser(account))
    }

    /// Answers a request whose credentials do not prove the account; `fault` is what is wrong with those
    /// of one that stands.
    private mutating func unproven(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32,
        _ fault: String
    ) {
        let state = accounts[account].state
        accounts.forgetIfIdle(account)
        wrong(bytes, index, flow, state == .found ? fault : "unknown-account")
    }

    /// The credentials for our realm, or nil.
    private func credentials(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> DigestHeader?
    {
        let name: HeaderName = index.method == .register ? .authorization : .proxyAuthorization
        let realm = settings.realm
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            if let header = DigestHeader(index[position].value, in: bytes),
                bytes.bytes(header.realm).equals(realm.span)
            {
                return header
            }
        }
        return nil
    }

    /// Whether everything is there that the answer is computed from.
    private func isComplete(_ header: DigestHeader, _ bytes: Span<UInt8>) -> Bool {
        guard !header.username.isEmpty, !header.response.isEmpty, !header.uri.isEmpty else {
            return false
        }
        guard !header.qop.isEmpty else { return true }
        return bytes.bytes(header.qop).isCaseless("auth") && !header.cnonce.isEmpty
            && header.nonceCount.length == 8
    }

    /// For how long a REGISTER that is repeated in every byte may be a retransmission (RFC 3261 section 17.1.2.2).
    private static let longestRepetition = Timers.giveUp

    /// Whether credentials answer a nonce of ours that was not used so before; what does not is challenged anew.
    ///
    /// A datagram that comes again in every byte may be the phone's own retransmission or anybody's copy of it. Its
    /// transaction has absorbed it, if that still stands. What is left is a REGISTER whose answer was lost: that one
    /// is let through as a repetition, which changes nothing and proves nothing. A stream repeats nothing.
    private mutating func isCurrent(
        _ header: DigestHeader, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        // Eight digits, as `isComplete` has seen.
        let written = bytes.bytes(header.nonceCount).hexadecimal() ?? 0
        let count = header.qop.isEmpty ? 1 : UInt32(truncatingIfNeeded: written)
        let verdict = nonces.check(
            bytes.bytes(header.nonce), count: count, message: NameTable.hash(bytes),
            now.sinceEpoch, flow.peer.ip, flow.transport.rawValue)
        switch verdict {
        case .fresh: return true
        case .repeated(let since)
        where flow.transport == .udp && index.method == .register
            && now.sinceEpoch - since < Self.longestRepetition:
            isRepetition = true
            return true
        case .repeated, .used:
            offence(.nonceReplay, flow)
            challenge(bytes, index, flow, stale: true)
        case .stale: challenge(bytes, index, flow, stale: true)
        case .foreign: challenge(bytes, index, flow, stale: false)
        }
        return false
    }

    private mutating func beginChallenge(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, stale: Bool
    ) {
        let isRegister = index.method == .register
        if isRegister {
            beginReply(bytes, index, flow, 401, "Unauthorized")
        } else {
            beginReply(bytes, index, flow, 407, "Proxy Authentication Required")
        }
        let realm = settings.realm
        for algorithm in settings.algorithms {
            // What has to be short offers MD5 alone, which every phone can do.
            if writer.isCompact, algorithm != .md5, settings.algorithms.contains(.md5) { continue }
            let name: StaticString = isRegister ? "WWW-Authenticate" : "Proxy-Authenticate"
            writer.begin(name, name)
            writer.append("Digest realm=\"")
            writer.append(realm.span)
            writer.append("\",nonce=\"")
            writer.append(nonceOf: &nonces, now.sinceEpoch, flow)
            writer.append("\"")
            // MD5 is meant where none is named (RFC 7616 section 3.3).
            if !writer.isCompact || algorithm != .md5 {
                writer.append(",algorithm=")
                writer.append(algorithm.name)
            }
            writer.append(",qop=\"auth\"")
            if stale { writer.append(",stale=true") }
            writer.endLine()
        }
    }

    /// The source has brought back a nonce of ours: it receives what is sent to its address.
    private mutating func hasProven() {
        if proof == .none { proof = .nonce }
        replyLimit = .max
    }

    /// Challenges a request that has proven nothing, without remembering it, or answers it as the source's profile
    /// says.
    private mutating func challenge(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, stale: Bool
    ) {
        switch firstAnswer(flow) {
        case .challenge:
            if isStranger { offence(.flood, flow) }
            beginChallenge(bytes, index, flow, stale: stale)
            endReply(flow)
        case .refuse: refuse(bytes, index, flow, 403, "Forbidden", "profile")
        case .silence: refuseRecord("profile", 0, index, bytes, flow)
        }
    }

    /// Whether a password is looked at: by the ways that the account is registered by it always is.
    ///
    /// When not, the answer is that to a wrong one, at its time. What has waited for directory was let in
    /// before, and had its look at an account under guard.
    private mutating func mayTry(
        _ mark: UInt64, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ replayed: Bool
    ) -> Bool {
        let ip = flow.peer.ip
        guard !isTrusted(ip), !settings.isObserving,
            !isRegistered(bytes.bytes(accountName(index)), by: flow)
        else { return true }
        if defence.isPairHeld(ip, mark, now.monotonic) {
            refuseRecord("account-held", 401, index, bytes, flow)
            answerLater(bytes, index, flow)
            return false
        }
        guard !replayed, !defence.guards.admits(mark, ip, now.monotonic) else { return true }
        wrong(bytes, index, flow, "account-guarded", isLookedAt: false)
        return false
    }

    /// Whether the account of a name is registered by this very way.
    private func isRegistered(_ name: Span<UInt8>, by flow: Flow) -> Bool {
        guard !isStranger, let account = accounts.find(name) else { return false }
        return isRegistered(account, by: flow)
    }

    /// A wrong answer to a nonce that was made for this very source: proof that it is there, and counted.
    ///
    /// One that is not looked at counts against its source as if it were wrong: a guesser that was left
    /// uncounted for the one right password would learn it by the ban that does not come.
    private mutating func wrong(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ reason: String,
        isLookedAt: Bool = true
    ) {
        let ip = flow.peer.ip
        refuseRecord(reason, 401, index, bytes, flow)
        // While the database is down nobody's password can be wrong; and anybody can repeat what he has seen.
        guard !isDirectoryDown, !isRepetition else {
            answerLater(bytes, index, flow)
            return
        }
        let name = bytes.bytes(accountName(index))
        let mark = NameTable.hash(name)
        let isResident = defence.isResident(ip, now.monotonic)
        if isResident, !isTrusted(ip), !isRegistered(name, by: flow) {
            let limit = settings.limit(.wrongPassword)
            if defence.pairFailed(ip, mark, limit, hold: settings.ban, now.monotonic) {
                heldRecord(name, "from \(ip), where phones are registered", ip)
            }
        }
        if isLookedAt, !isTrusted(ip), defence.guards.failed(mark, ip, now.monotonic) {
            heldRecord(name, "for sources that it is not known from", ip)
        }
        if reason == "unknown-account", isTrap(name) {
            offence(.honeyAccount, flow, name: name)
        }
        offence(.namesSwept, flow, name: name, mark: mark)
        for detector in [Detector.wrongPassword, .wrongPasswordSlow, .wrongPasswordSlower] {
            offence(detector, flow, name: name)
        }
        guard !defence.isBanned(ip, now.monotonic) else { return }
        answerLater(bytes, index, flow)
    }

    /// Whether passwords cannot be looked at now, whoever asks.
    private var isDirectoryDown: Bool {
        accounts.areUnavailable || lookUps.count >= Self.mostQuestions
    }

    private func isTrap(_ name: Span<UInt8>) -> Bool {
        !settings.traps.isEmpty && settings.traps.contains([UInt8](name))
    }

    private mutating func heldRecord(
        _ name: Span<UInt8>, _ whom: String, _ ip: IPAddress
    ) {
        let account = name.text
        let verb = settings.isObserving ? "would look" : "looks"
        audit.add(
            .held, .warning,
            "passwords for \(account) \(whom) fail too often: nobody \(verb) at them for a while",
            [(.account, account), (.address, "\(ip)"), (.reason, "wrong-password")])
    }

    /// Answers a wrong password, a fixed span after it came.
    private mutating func answerLater(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        guard held.hasRoom else { return }
        if isDirectoryDown || !isRepetition && !takeTry(flow) {
            beginReply(bytes, index, flow, 503, "Service Unavailable")
            writer.retryAfter()
        } else {
            beginChallenge(bytes, index, flow, stale: false)
        }
        writer.endEmpty()
        guard writer.isWhole else { return }
        let block = blocks.store(writer.buffer)
        guard block.exists else { return }
        let first = held.due
        held.add(block, to: flow, due: received + HeldAnswers.span, arrival: arrival)
        if held.due != first { setHeldTimer() }
    }

    private mutating func setHeldTimer() {
        timers.cancel(&heldTimer)
        guard let due = held.due else { return }
        heldTimer = timers.set(Handle.none.payload(.held), at: due)
    }

    /// Sends the answers that are due.
    mutating func sendHeld() {
        while let next = held.next(now.monotonic) {
            var block = next.block
            outbox.append(block, of: blocks, to: next.flow)
            blocks.release(&block)
        }
        setHeldTimer()
    }

    // MARK: directory

    /// How many questions to directory may be under way.
    private static let mostQuestions = 4096

    /// Asks directory about an account; with too many questions under way the account counts as one that
    /// the database could not be asked for.
    mutating func ask(_ account: Int32) {
        let isAsked = lookUp(account, realm: settings.realm)
        guard accounts[account].state != .found else { return }
        accounts[account].state = isAsked ? .asked : .unavailable
    }

    /// Asks for an account's HA1s for a realm, unless that is under way; false when it cannot be asked now.
    @discardableResult
    mutating func lookUp(_ account: Int32, realm: [UInt8]) -> Bool {
        if lookUps.values.contains(where: { $0.account == account && $0.realm == realm }) {
            return true
        }
        guard lookUps.count < Self.mostQuestions else { return false }
        nextLookUp &+= 1
        lookUps[nextLookUp] = (account, realm)
        let name = accounts.name(account).text
        toDirectory.append(
            .lookUp(id: nextLookUp, account: name, realm: String(decoding: realm, as: UTF8.self)))
        return true
    }

    /// Has a request wait for directory; when too many of its account do, it is answered as if it were wrong,
    /// as it would be for an account that need not be asked for.
    private mutating func wait(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32
    ) {
        guard !park(bytes, index, flow, account) else { return }
        wrong(bytes, index, flow, "too-many-at-once", isLookedAt: false)
    }

    /// Keeps a message until directory has answered; false when too many of its account wait already.
    ///
    /// When all places are taken it is lost, and comes again.
    mutating func park(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32
    ) -> Bool {
        let waiting = parked[account] ?? []
        // A retransmission is the same in every byte; it must not count twice when it turns out wrong.
        for message in waiting where message.flow == flow {
            if blocks.span(message.block).equals(bytes) { return true }
        }
        guard parkedCount < 2048 else { return true }
        guard waiting.count < 16 else { return false }
        let block = blocks.store(bytes)
        guard block.exists else { return true }
        parked[account, default: []].append(
            ParkedMessage(
                block: block, flow: flow, received: received, arrival: arrival,
                isRepetition: isRepetition, isCharged: isCharged))
        parkedCount += 1
        return true
    }

    /// Takes what directory says.
    package mutating func take(_ message: DirectoryToRouter, _ now: Now) {
        self.now = now
        switch message {
        case .account(let id, let answer): account(id, answer)
        case .binding(let record): restore(record)
        case .bindings: restored()
        case .standing(let standing): restore(standing)
        case .changed:
            accounts.forgetAnswers()
            foreignHA1 = [:]
            askForTrunkNames()
        }
    }

    private mutating func account(_ id: UInt32, _ answer: AccountAnswer) {
        guard let question = lookUps.removeValue(forKey: id) else { return }
        guard question.realm == settings.realm else {
            if case .found(let found) = answer {
                keepForeign(question.account, question.realm, found)
            }
            return
        }
        accounts.take(answer, for: question.account, now.monotonic)
        if !trunks.isEmpty { noteTrunkName(question.account) }
        let waiting = parked.removeValue(forKey: question.account) ?? []
        parkedCount -= waiting.count
        for message in waiting {
            var block = message.block
            let copy = Array(blocks.span(block))
            blocks.release(&block)
            received = message.received
            arrival = message.arrival
            isRepetition = message.isRepetition
            isCharged = message.isCharged
            receive(copy.span, message.flow, replayed: true)
        }
        if accounts[question.account].state == .found {
            refreshPresences(question.account)
        } else {
            accounts.forgetIfIdle(question.account)
        }
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func directoryLinked(_ now: Now) {
        self.now = now
        let questions = lookUps
        lookUps = [:]
        for question in questions.values { lookUp(question.account, realm: question.realm) }
    }
}
