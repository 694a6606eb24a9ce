internal import SIPTransactions
internal import Sys

/// The transaction machines, in any order of events and with the timers that they themselves ask for.
extension Properties {
    /// Each machine hands on one final response or takes one final answer, sets no timer once it has ended, and
    /// ends by its timers alone when nothing more comes.
    ///
    /// The first byte chooses machine and transport, each further one an event.
    package static func transaction(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return nil }
        let isInvite = bytes[0] & 1 == 1
        let reliable = bytes[0] & 2 == 2
        let events = bytes.extracting(1..<bytes.count)
        return bytes[0] & 4 == 0
            ? client(isInvite, reliable, events) : server(isInvite, reliable, events)
    }

    /// A status for a byte: every class, and those that the machines tell apart.
    private static func status(_ byte: UInt8) -> UInt16 {
        let all: [UInt16] = [100, 180, 183, 199, 200, 202, 299, 300, 401, 407, 408, 487, 503, 699]
        return all[Int(byte) % all.count]
    }

    private static func client(
        _ isInvite: Bool, _ reliable: Bool, _ events: Span<UInt8>
    ) -> String? {
        var machine = ClientTransaction(isInvite: isInvite, reliable: reliable)
        var timers = ModelTimers()
        if let first = machine.firstInterval { timers.retransmit = first.count }
        timers.end = Timers.giveUp.count
        var finals = 0
        var isOver = false
        /// Takes one event; what is wrong with what the machine wants, or nil.
        func take(_ event: ClientEvent) -> String? {
            let wasUnanswered = machine.isUnanswered
            let action = machine.handle(event)
            if isOver { return action == .none ? nil : "\(action) after the end" }
            switch action {
            case .none: break
            case .resend(let next):
                guard !reliable, next.count > 0, finals == 0 else { return "sent again: \(event)" }
                timers.retransmit = timers.now + next.count
            case .provisional:
                guard finals == 0 else { return "a provisional response after a final one" }
                // Timer B is the time without any response; timer C of the proxy comes after it.
                if isInvite, wasUnanswered { timers.end = nil }
            case .final(let after, let ack):
                finals += 1
                guard finals == 1, ack == (isInvite && isFailure(event)) else {
                    return "final number \(finals), acknowledged: \(ack)"
                }
                timers.retransmit = nil
                timers.end = timers.now + after.count
            case .again, .acknowledge:
                guard isInvite, finals == 1 else { return "\(action) before a final response" }
            case .timedOut, .terminate:
                guard (action == .timedOut) == (finals == 0) else { return "\(action)" }
                isOver = true
                timers = ModelTimers()
            }
            return nil
        }
        for place in events.indices {
            let byte = events[place]
            let fault: String?
            if byte & 3 == 3, let due = timers.pass() {
                fault = take(due == .end ? .timeout : .retransmit)
            } else {
                fault = take(.response(status(byte >> 2)))
            }
            if let fault { return fault }
        }
        var left = 1000
        while let due = timers.pass(), left > 0 {
            left -= 1
            if let fault = take(due == .end ? .timeout : .retransmit) { return fault }
        }
        // An INVITE that rings is ended by the proxy's timer C.
        return isOver || isInvite && machine.isProceeding ? nil : "no end"
    }

    private static func isFailure(_ event: ClientEvent) -> Bool {
        if case .response(let status) = event { return status >= 300 }
        return false
    }

    private static func server(
        _ isInvite: Bool, _ reliable: Bool, _ events: Span<UInt8>
    ) -> String? {
        var machine = ServerTransaction(isInvite: isInvite, reliable: reliable)
        var timers = ModelTimers()
        var final: UInt16 = 0
        var isOver = false
        /// Takes one event; what is wrong with what the machine wants, or nil.
        func take(_ event: ServerEvent) -> String? {
            let action = machine.handle(event)
            if isOver { return action == .none ? nil : "\(action) after the end" }
            switch action {
            case .none, .resend: break
            case .resendEvery(let next):
                guard isInvite, !reliable, final >= 300 else { return "sent again" }
                timers.retransmit = timers.now + next.count
            case .pass:
                guard case .send(let status) = event,
                    final == 0 && status < 200 || final / 100 == 2 && status / 100 == 2
                else { return "\(event) after \(final)" }
            case .passAndEnd(let after, let retransmit):
                guard case .send(let status) = event, final == 0, status >= 200 else {
                    return "\(event) after \(final)"
                }
                final = status
                timers.end = timers.now + after.count
                timers.retransmit = retransmit.map { timers.now + $0.count }
            case .endAfter(let after):
                guard isInvite, final >= 300, case .ack = event else { return "\(event)" }
                timers = ModelTimers(
                    now: timers.now, retransmit: nil, end: timers.now + after.count)
            case .terminate:
                guard final > 0 else { return "an end without an answer" }
                isOver = true
                timers = ModelTimers()
            }
            return nil
        }
        for place in events.indices {
            let byte = events[place]
            let fault: String?
            switch byte & 3 {
            case 0: fault = take(.requestAgain)
            case 1: fault = take(.ack)
            case 2: fault = take(.send(status(byte >> 2)))
            default:
                guard let due = timers.pass() else { continue }
                fault = take(due == .end ? .timeout : .retransmit)
            }
            if let fault { return fault }
        }
        // The proxy answers every request in the end.
        if let fault = take(.send(408)) { return fault }
        var left = 1000
        while let due = timers.pass(), left > 0 {
            left -= 1
            if let fault = take(due == .end ? .timeout : .retransmit) { return fault }
        }
        return isOver ? nil : "no end"
    }
}

/// The two timers of a transaction, on a clock that leaps to the next one; in milliseconds.
private struct ModelTimers {
    enum Due { case retransmit, end }

    var now: Int64 = 0
    var retransmit: Int64?
    var end: Int64?

    /// Leaps to the timer that is due next and takes it away; nil when none is set.
    mutating func pass() -> Due? {
        guard let end, end <= retransmit ?? .max else {
            guard let retransmit else { return nil }
            now = max(now, retransmit)
            self.retransmit = nil
            return .retransmit
        }
        now = max(now, end)
        self.end = nil
        return .end
    }
}
