internal import Journal
internal import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import Sys

/// Answers to credentials that prove nothing: alike and at the same time, whatever is wrong with them.
extension Router {
    /// Answers a request whose credentials do not prove the account; `fault` is what is wrong with those
    /// of one that stands.
    mutating func unproven(
        _ message: inout Incoming, _ account: Int32,
        _ fault: String
    ) {
        let state = accounts[account].state
        accounts.forgetIfIdle(account)
        wrong(&message, state == .found ? fault : "unknown-account")
    }

    /// Whether a password is looked at: by the ways that the account is registered by it always is.
    ///
    /// When not, the answer is that to a wrong one, at its time. What has waited for directory was let in
    /// before, and had its look at an account under guard.
    mutating func mayTry(
        _ mark: UInt64, _ message: inout Incoming
    ) -> Bool {
        let ip = message.flow.peer.ip
        guard !isTrusted(ip), !settings.isObserving,
            message.sender.isStranger
                || !isRegistered(accountName(message.bytes, message.index).span, by: message)
        else { return true }
        if defence.isPairHeld(ip, mark, now.monotonic) {
            refuseLater("account-held", &message)
            return false
        }
        // A copy costs the account nobody's look.
        let isOpen =
            message.isResumed
            || (message.sender.isRepetition
                ? defence.guards.isOpen(mark, ip, now.monotonic)
                : defence.guards.admits(mark, ip, now.monotonic))
        guard !isOpen else { return true }
        wrong(&message, "account-guarded", isLookedAt: false)
        return false
    }

    /// Whether the account of a name is registered by this very way.
    private func isRegistered(_ name: Span<UInt8>, by message: borrowing Incoming) -> Bool {
        guard !message.sender.isStranger, let account = accounts.find(name) else { return false }
        return isRegistered(account, by: message.flow)
    }

    /// A wrong answer to a nonce that was made for this very source: proof that it is there, and counted.
    ///
    /// One that is not looked at counts against its source as if it were wrong: a guesser that was left
    /// uncounted for the one right password would learn it by the ban that does not come.
    mutating func wrong(
        _ message: inout Incoming, _ reason: String,
        isLookedAt: Bool = true
    ) {
        let ip = message.flow.peer.ip
        // While the database is down nobody's password can be wrong; and anybody can repeat what he has seen.
        guard !isNobodyAsked(message.bytes.count), !message.sender.isRepetition else {
            let down = accounts.areUnavailable ? "database-down" : "look-ups"
            refuseLater(isNobodyAsked(message.bytes.count) ? down : reason, &message)
            return
        }
        let isUnavailable = isUnavailable(&message)
        let account = accountName(message.bytes, message.index)
        let name = account.span
        let mark = NameTable.hash(name)
        if let why = neverBanned(ip), !isTrusted(ip), !isRegistered(name, by: message) {
            let limit = settings.limit(.wrongPassword)
            if defence.pairFailed(ip, mark, limit, hold: settings.ban, now.monotonic) {
                heldRecord(name, "from \(ip), \(why),", ip)
            }
        }
        if isLookedAt, !isTrusted(ip), defence.guards.failed(mark, ip, now.monotonic) {
            heldRecord(name, "for sources that it is not known from", ip)
        }
        if reason == "unknown-account", isTrap(name) {
            offence(.honeyAccount, message.flow, message.sender.proof, name: name)
        }
        offence(.namesSwept, message.flow, message.sender.proof, name: name, mark: mark)
        for detector in [Detector.wrongPassword, .wrongPasswordSlow, .wrongPasswordSlower] {
            offence(detector, message.flow, message.sender.proof, name: name)
        }
        let isSent =
            !defence.isBanned(ip, now.monotonic)
            && answerLater(message, isUnavailable: isUnavailable)
        laterRecord(reason, message, isSent: isSent, isUnavailable: isUnavailable)
    }

    /// Answers and records credentials that nobody looks at, which count for nothing.
    mutating func refuseLater(
        _ code: String, _ message: inout Incoming
    ) {
        let isUnavailable = isUnavailable(&message)
        let isSent = answerLater(message, isUnavailable: isUnavailable)
        laterRecord(code, message, isSent: isSent, isUnavailable: isUnavailable)
    }

    /// Records a refusal whose answer, if one will be sent, is kept for its time.
    private mutating func laterRecord(
        _ code: String, _ message: borrowing Incoming,
        isSent: Bool, isUnavailable: Bool
    ) {
        let challenge: UInt16 = message.index.method == .register ? 401 : 407
        refuseRecord(
            code, isSent ? isUnavailable ? 503 : challenge : 0, message)
    }

    /// Whether what is not proven right gets 503: nobody can be asked for now, or too many names were tried.
    private mutating func isUnavailable(_ message: inout Incoming) -> Bool {
        isNobodyAsked(message.bytes.count) || !message.sender.isRepetition && !takeTry(&message)
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
        _ message: borrowing Incoming, isUnavailable: Bool
    ) -> Bool {
        if isUnavailable {
            beginReply(message, 503, "Service Unavailable")
            writer.retryAfter()
        } else {
            beginChallenge(message, stale: false)
        }
        writer.endEmpty()
        // To copies there are as many answers as to whatever proves nothing.
        guard writer.isWhole,
            !message.sender.isRepetition || mayAnswer(message.flow, message.sender)
        else { return false }
        let block = blocks.store(writer.buffer)
        guard block.exists else {
            outbox.append(writer.buffer, to: message.flow)
            return true
        }
        makeRoomForHeld()
        let first = held.due
        held.add(
            block, to: message.flow, due: message.moment + HeldAnswers.span, arrival: message.number
        )
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
