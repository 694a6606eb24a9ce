internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import SIPWriting
internal import Sys

/// Answers to credentials that prove nothing: alike and at the same time, whatever is wrong with them.
extension Router {
    /// Answers a request whose credentials do not prove the account; `fault` is what is wrong with those
    /// of one that stands.
    mutating func unproven(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32,
        _ fault: String
    ) {
        let state = accounts[account].state
        accounts.forgetIfIdle(account)
        wrong(bytes, index, flow, state == .found ? fault : "unknown-account")
    }

    /// Whether a password is looked at: by the ways that the account is registered by it always is.
    ///
    /// When not, the answer is that to a wrong one, at its time. What has waited for directory was let in
    /// before, and had its look at an account under guard.
    mutating func mayTry(
        _ mark: UInt64, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ replayed: Bool
    ) -> Bool {
        let ip = flow.peer.ip
        guard !isTrusted(ip), !settings.isObserving,
            isStranger || !isRegistered(accountName(bytes, index).span, by: flow)
        else { return true }
        if defence.isPairHeld(ip, mark, now.monotonic) {
            refuseLater("account-held", bytes, index, flow)
            return false
        }
        // A copy costs the account nobody's look.
        let isOpen =
            replayed
            || (arrival.isRepetition
                ? defence.guards.isOpen(mark, ip, now.monotonic)
                : defence.guards.admits(mark, ip, now.monotonic))
        guard !isOpen else { return true }
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
    mutating func wrong(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ reason: String,
        isLookedAt: Bool = true
    ) {
        let ip = flow.peer.ip
        // While the database is down nobody's password can be wrong; and anybody can repeat what he has seen.
        guard !isNobodyAsked(bytes.count), !arrival.isRepetition else {
            let down = accounts.areUnavailable ? "database-down" : "look-ups"
            refuseLater(isNobodyAsked(bytes.count) ? down : reason, bytes, index, flow)
            return
        }
        let isUnavailable = isUnavailable(bytes.count, flow)
        let account = accountName(bytes, index)
        let name = account.span
        let mark = NameTable.hash(name)
        if let why = neverBanned(ip), !isTrusted(ip), !isRegistered(name, by: flow) {
            let limit = settings.limit(.wrongPassword)
            if defence.pairFailed(ip, mark, limit, hold: settings.ban, now.monotonic) {
                heldRecord(name, "from \(ip), \(why),", ip)
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
        let isSent =
            !defence.isBanned(ip, now.monotonic)
            && answerLater(bytes, index, flow, isUnavailable: isUnavailable)
        laterRecord(reason, index, bytes, flow, isSent: isSent, isUnavailable: isUnavailable)
    }

    /// Answers and records credentials that nobody looks at, which count for nothing.
    mutating func refuseLater(
        _ code: String, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        let isUnavailable = isUnavailable(bytes.count, flow)
        let isSent = answerLater(bytes, index, flow, isUnavailable: isUnavailable)
        laterRecord(code, index, bytes, flow, isSent: isSent, isUnavailable: isUnavailable)
    }

    /// Records a refusal whose answer, if one will be sent, is kept for its time.
    private mutating func laterRecord(
        _ code: String, _ index: borrowing MessageIndex, _ bytes: Span<UInt8>, _ flow: Flow,
        isSent: Bool, isUnavailable: Bool
    ) {
        let challenge: UInt16 = index.method == .register ? 401 : 407
        refuseRecord(
            code, isSent ? isUnavailable ? 503 : challenge : 0, index, bytes, flow)
    }

    /// Whether what is not proven right gets 503: nobody can be asked for now, or too many names were tried.
    private mutating func isUnavailable(_ length: Int, _ flow: Flow) -> Bool {
        isNobodyAsked(length) || !arrival.isRepetition && !takeTry(flow)
    }

    /// Whether passwords cannot be looked at now, whoever asks by a message of such a length: were only those refused
    /// for whom there is no room, the others would be known to be accounts.
    private func isNobodyAsked(_ length: Int) -> Bool {
        accounts.areUnavailable || accounts.isFull || lookUps.count >= Self.mostQuestions
            || parkedCount >= Self.mostParked || !blocks.hasRoom(length)
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

    /// Answers a wrong password, a fixed span after it came; false when no answer will be sent.
    @discardableResult
    mutating func answerLater(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, isUnavailable: Bool
    ) -> Bool {
        if isUnavailable {
            beginReply(bytes, index, flow, 503, "Service Unavailable")
            writer.retryAfter()
        } else {
            beginChallenge(bytes, index, flow, stale: false)
        }
        writer.endEmpty()
        // To copies there are as many answers as to whatever proves nothing.
        guard writer.isWhole, !arrival.isRepetition || mayAnswer(flow) else { return false }
        let block = blocks.store(writer.buffer)
        guard block.exists else {
            outbox.append(writer.buffer, to: flow)
            return true
        }
        makeRoomForHeld()
        let first = held.due
        held.add(block, to: flow, due: arrival.moment + HeldAnswers.span, arrival: arrival.number)
        if held.due != first { setHeldTimer() }
        return true
    }

    private mutating func setHeldTimer() {
        timers.cancel(&heldTimer)
        guard let due = held.due else { return }
        heldTimer = timers.set(Handle.none.payload(.held), at: due)
    }

    /// Lets the first answer leave before its time when all places are taken.
    private mutating func makeRoomForHeld() {
        guard !held.hasRoom, let first = held.next(Milliseconds(.max)) else { return }
        shortages.count(.held)
        sendHeld(first.block, first.flow)
    }

    /// Sends the answers that are due.
    mutating func sendHeld() {
        // The rest follows once the loop has taken these.
        while !outbox.isHalfFull, let next = held.next(now.monotonic) {
            sendHeld(next.block, next.flow)
        }
        setHeldTimer()
    }

    private mutating func sendHeld(_ block: Block, _ flow: Flow) {
        var block = block
        outbox.append(block, of: blocks, to: flow)
        blocks.release(&block)
    }
}
