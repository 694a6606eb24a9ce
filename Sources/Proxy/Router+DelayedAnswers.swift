internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import Sys

/// Answers to credentials that prove nothing: alike and at the same time, whatever is wrong with them.
extension Router {
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
            !message.sender.isRepetition || admission.takeAnswer(to: message, bench)
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
