internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import Sys

/// Answers to credentials that prove nothing: alike and at the same time, whatever is wrong with them.
extension Router {
    /// Why a password is not looked at; nil when it is, as it always is by the ways that its account is registered by.
    ///
    /// What has waited for directory was let in before, and had its look at an account under guard.
    mutating func guardedReason(_ mark: UInt64, _ message: borrowing Incoming) -> Refusal? {
        let ip = message.flow.peer.ip
        let name = accountName(message.bytes, message.index)
        guard !isTrusted(ip), !bench.settings.isObserving,
            message.sender.isStranger || !isRegistered(name.span, by: message)
        else { return nil }
        if defence.isPairHeld(ip, mark, bench.now.monotonic) { return .accountHeld }
        // A copy costs the account nobody's look.
        let isOpen =
            message.isResumed
            || (message.sender.isRepetition
                ? defence.guards.isOpen(mark, ip, bench.now.monotonic)
                : defence.guards.admits(mark, ip, bench.now.monotonic))
        return isOpen ? nil : .accountGuarded
    }

    /// Whether the account of a name is registered by this very way.
    private func isRegistered(_ name: Span<UInt8>, by message: borrowing Incoming) -> Bool {
        guard !message.sender.isStranger, let account = accounts.find(name) else { return false }
        return isRegistered(account, by: message.flow)
    }

    /// Counts a wrong answer to a nonce that was made for this very source: proof that it is there.
    mutating func countWrongPassword(_ message: borrowing Incoming, _ refusal: Refusal) {
        let ip = message.flow.peer.ip
        let account = accountName(message.bytes, message.index)
        let name = account.span
        let mark = NameTable.hash(name)
        if let why = neverBanned(ip), !isTrusted(ip), !isRegistered(name, by: message) {
            let limit = bench.settings.limit(.wrongPassword)
            if defence.pairFailed(ip, mark, limit, hold: bench.settings.ban, bench.now.monotonic) {
                heldRecord(name, "from \(ip), \(why),", ip)
            }
        }
        if refusal.isLookedAt, !isTrusted(ip), defence.guards.failed(mark, ip, bench.now.monotonic)
        {
            heldRecord(name, "for sources that it is not known from", ip)
        }
        let (flow, proof) = (message.flow, message.sender.proof)
        if refusal == .unknownAccount, isTrap(name) {
            offence(.honeyAccount, flow, proof, name: name)
        }
        offence(.namesSwept, flow, proof, name: name, mark: mark)
        for detector in [Detector.wrongPassword, .wrongPasswordSlow, .wrongPasswordSlower] {
            offence(detector, flow, proof, name: name)
        }
    }

    private func isTrap(_ name: Span<UInt8>) -> Bool {
        !bench.settings.traps.isEmpty && bench.settings.traps.contains([UInt8](name))
    }

    private mutating func heldRecord(
        _ name: Span<UInt8>, _ whom: String, _ ip: IPAddress
    ) {
        let account = name.text
        let verb = bench.settings.isObserving ? "would look" : "looks"
        bench.effects.journal.add(
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
            beginReply(message, .serviceUnavailable)
            bench.writer.retryAfter()
        } else {
            beginChallenge(message, stale: false)
        }
        bench.writer.endEmpty()
        // To copies there are as many answers as to whatever proves nothing.
        guard bench.writer.isWhole,
            !message.sender.isRepetition || mayAnswer(message.flow, message.sender)
        else { return false }
        let block = bench.blocks.store(bench.writer.buffer)
        guard block.exists else {
            bench.effects.outbox.append(bench.writer.buffer, to: message.flow)
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
        bench.timers.cancel(&heldTimer)
        guard let due = held.due else { return }
        heldTimer = bench.timers.set(Handle.none.payload(.held), at: due)
    }

    /// Lets the first answer leave before its time when all places are taken.
    private mutating func makeRoomForHeld() {
        guard !held.hasRoom, let first = held.next(Milliseconds(.max)) else { return }
        bench.shortages.count(.held)
        sendHeld(first.block, first.flow)
    }

    /// Sends the answers that are due.
    mutating func sendHeld() {
        // The rest follows once the loop has taken these.
        while !bench.effects.outbox.isHalfFull, let next = held.next(bench.now.monotonic) {
            sendHeld(next.block, next.flow)
        }
        setHeldTimer()
    }

    private mutating func sendHeld(_ block: Block, _ flow: Flow) {
        var block = block
        bench.effects.outbox.append(block, of: bench.blocks, to: flow)
        bench.blocks.release(&block)
    }
}
