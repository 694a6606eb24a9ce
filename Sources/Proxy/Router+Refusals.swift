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
            admission.offence(detector, message, &bench)
        }
    }

    /// Gives a message no answer, records it, and counts what it is evidence of.
    mutating func drop(_ message: borrowing Incoming, _ refusal: Refusal) {
        record(message, refusal, 0)
        if let detector = refusal.evidence {
            admission.offence(detector, message, &bench)
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
            admission.recordRefusal(
                refusal.code, refusal.status?.rawValue ?? 0, message, &bench)
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
            admission.decided(refusal.code, status, message, bench)
        } else {
            admission.recordRefusal(refusal.code, status, message, &bench)
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
            || !message.sender.isRepetition && !admission.takeTry(&message, bench)
        if counts, !isNobodyAsked, !message.sender.isRepetition {
            let name = accountName(message.bytes, message.index)
            let isOwnFlow = isRegistered(name.span, by: message)
            admission.countWrongPassword(
                message, refusal, of: name.span, isOwnFlow: isOwnFlow, &bench)
        }
        let isSent =
            !admission.isBanned(message.flow.peer.ip, bench)
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
}
