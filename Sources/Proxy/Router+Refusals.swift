internal import Journal
internal import Messages
internal import SIP
internal import Sys

/// Carrying verdicts out: the one place where a refused message is answered, counted and recorded.
extension Router {
    /// What a verdict lets pass; nil when the message goes no further, and then what follows from that is done.
    mutating func carryOut<Pass>(_ verdict: Verdict<Pass>, _ message: inout Incoming) -> Pass? {
        switch verdict {
        case .pass(let pass): return pass
        case .observed(let pass, let refusal):
            drop(message, refusal)
            return pass
        case .challenge(let challenge): self.challenge(message, challenge)
        case .refuse(let refusal):
            if refusal.isDelayed {
                refusePassword(&message, refusal)
            } else {
                refuse(message, refusal)
            }
        case .silence(let refusal): drop(message, refusal)
        case .refuseCall(let call):
            recordRefusedCall(call, message)
            reply(message, .forbidden)
        case .observedCall(let pass, let call):
            recordRefusedCall(call, message)
            return pass
        case .later: break
        }
        return nil
    }

    /// Answers a refused message, records it, and counts what it is evidence of; an ACK is never answered.
    mutating func refuse(_ message: borrowing Incoming, _ refusal: Refusal) {
        let isSent = message.index.method != .ack && answer(message, refusal)
        record(message, refusal, isSent ? refusal.status?.rawValue ?? 0 : 0)
        if let detector = refusal.evidence {
            offence(detector, message.flow, message.sender.proof)
        }
    }

    /// Gives a message no answer, records it, and counts what it is evidence of.
    mutating func drop(_ message: borrowing Incoming, _ refusal: Refusal) {
        record(message, refusal, 0)
        if let detector = refusal.evidence {
            offence(detector, message.flow, message.sender.proof)
        }
    }

    /// Whether an answer may send its call elsewhere; one that may not is recorded, and its caller hears of it when
    /// all branches have ended.
    mutating func carryOutForwarding(
        _ verdict: Verdict<Dialled>, _ message: borrowing Incoming
    ) -> Bool {
        switch verdict {
        case .observedCall(_, let call):
            recordRefusedCall(call, message)
            return true
        case .refuseCall(let call):
            recordRefusedCall(call, message)
            return false
        case .refuse(let refusal):
            refuseRecord(refusal.code, refusal.status?.rawValue ?? 0, message)
            return false
        default: return true
        }
    }

    private mutating func answer(_ message: borrowing Incoming, _ refusal: Refusal) -> Bool {
        guard let status = refusal.status else { return false }
        // The line of unsupported extensions is hardly longer than the request, which has them all.
        let rest = refusal == .unsupportedExtension ? message.bytes.count : 0
        beginReply(message, status, refusal.phrase, rest: Self.plainRest + rest)
        switch refusal {
        case .unsupportedExtension: writeUnsupported(message)
        case .intervalTooBrief:
            bench.writer.append("Min-Expires: ")
            bench.writer.append(decimal: UInt64(bench.settings.minimumExpires.seconds))
            bench.writer.endLine()
        default: if status == .serviceUnavailable { bench.writer.retryAfter() }
        }
        return endReply(message)
    }

    /// Records a refusal; of a table that is full the journal is told once, not for each request (`tellShortages`).
    private mutating func record(
        _ message: borrowing Incoming, _ refusal: Refusal, _ status: UInt16
    ) {
        if refusal == .tableFull || refusal == .waitingRoomFull {
            decided(refusal.code, status, message)
        } else {
            refuseRecord(refusal.code, status, message)
        }
    }

    // MARK: Credentials that prove nothing

    /// Answers credentials that do not prove their account: alike and at the same time, whatever is wrong with them.
    private mutating func refusePassword(_ message: inout Incoming, _ refusal: Refusal) {
        var refusal = refusal
        // While the database is down nobody's password can be wrong; and anybody can repeat what was seen.
        let isNobodyAsked = isNobodyAsked(message.bytes.count)
        let counts = refusal.countsAsWrongPassword
        if counts, isNobodyAsked {
            refusal = accounts.areUnavailable ? .databaseDown : .lookUps
        }
        let isUnavailable =
            refusal == .waitingRoomFull || isNobodyAsked
            || !message.sender.isRepetition && !takeTry(&message)
        if counts, !isNobodyAsked, !message.sender.isRepetition {
            countWrongPassword(message, refusal)
        }
        let isSent =
            !defence.isBanned(message.flow.peer.ip, bench.now.monotonic)
            && answerLater(message, isUnavailable: isUnavailable)
        let challenge: UInt16 = message.index.method == .register ? 401 : 407
        record(message, refusal, isSent ? isUnavailable ? 503 : challenge : 0)
    }

    /// Whether passwords cannot be looked at now, whoever asks by a message of such a length: were only those refused
    /// for whom there is no room, the others would be known to be accounts.
    private func isNobodyAsked(_ length: Int) -> Bool {
        accounts.areUnavailable || accounts.isFull || lookUps.count >= Self.mostQuestions
            || parkedCount >= Self.mostParked || !bench.blocks.hasRoom(length)
    }

    // MARK: Recording

    /// Keeps what was decided about a message, for `rempart explain`.
    mutating func decided(_ reason: String, _ status: UInt16, _ message: borrowing Incoming) {
        keepDecision(
            reason, status, NameTable.hash(message.bytes.bytes(message.index.callID)),
            message.index.isRequest ? message.index.method : message.index.sequenceMethod,
            message.flow)
    }

    mutating func keepDecision(
        _ reason: String, _ status: UInt16, _ callID: UInt64, _ method: Method, _ flow: Flow
    ) {
        recent.add(
            Recent.Decision(
                moment: bench.now.sinceEpoch, source: flow.peer.ip, callID: callID, method: method,
                transport: flow.transport, reason: reason, status: status))
    }

    /// Records that a message was refused; `status` is 0 when no answer was sent.
    mutating func refuseRecord(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming
    ) {
        decided(reason, status, message)
        guard bench.effects.journal.allowsRefusal(bench.now.monotonic) else { return }
        let method = message.bytes.bytes(message.index.methodSlice)
        bench.effects.journal.records.begin(.refused, .notice)
        bench.effects.journal.records.append("refused ")
        if method.isEmpty {
            bench.effects.journal.records.append("a message")
        } else {
            bench.effects.journal.records.append(method)
        }
        bench.effects.journal.records.append(" from ")
        bench.effects.journal.records.append(message.flow.peer.ip)
        bench.effects.journal.records.append(": ")
        bench.effects.journal.records.append(text: reason)
        bench.effects.journal.records.source(message.flow)
        bench.effects.journal.records.field(.reason)
        bench.effects.journal.records.append(text: reason)
        if status > 0 {
            bench.effects.journal.records.field(.status)
            bench.effects.journal.records.append(decimal: UInt64(status))
        }
        bench.effects.journal.records.field(.method)
        bench.effects.journal.records.append(method)
        bench.effects.journal.records.field(.account)
        bench.effects.journal.records.append(message.bytes.bytes(message.index.from.uri.user))
        bench.effects.journal.records.field(.callID)
        bench.effects.journal.records.append(message.bytes.bytes(message.index.callID))
        if let agent = message.index.value(.userAgent) {
            bench.effects.journal.records.field(.userAgent)
            bench.effects.journal.records.append(message.bytes.bytes(agent))
        }
        bench.effects.journal.records.end()
    }
}
