package import Sys

/// What happens to a server transaction.
package enum ServerEvent: Sendable {
    /// The same request came again.
    case requestAgain
    /// An ACK for a failure came.
    case ack
    /// We answer with this status.
    case send(UInt16)
    /// The retransmission timer (G) fired.
    case retransmit
    /// The timer that ends the state (H, I, J or L) fired.
    case timeout
}

/// What a server transaction wants done.
package enum ServerAction: Equatable, Sendable {
    /// Nothing.
    case none
    /// Send the last answer again.
    case resend
    /// Send the last answer again and set the retransmission timer to this interval.
    case resendEvery(Milliseconds)
    /// Send the answer.
    case pass
    /// Send the answer; set the ending timer, and the retransmission timer unless nil.
    case passAndEnd(after: Milliseconds, retransmit: Milliseconds?)
    /// Stop retransmitting; set the ending timer.
    case endAfter(Milliseconds)
    /// Free everything.
    case terminate
}

/// The server side of an INVITE (RFC 3261 section 17.2.1 with RFC 6026 section 7.1).
package struct InviteServer: BitwiseCopyable, Sendable {
    /// Where the transaction stands.
    package enum State: UInt8, BitwiseCopyable, Sendable {
        case proceeding, accepted, completed, confirmed, terminated
    }

    /// Where it stands.
    package private(set) var state = State.proceeding
    private let reliable: Bool
    private var interval = Timers.t1

    /// A new transaction; `reliable` when the request came over a stream.
    package init(reliable: Bool) { self.reliable = reliable }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ServerEvent) -> ServerAction {
        switch (state, event) {
        case (.proceeding, .requestAgain): return .resend
        case (.proceeding, .send(let status)): return respond(status)
        // RFC 6026: further 2xx of forked branches and retransmitted ones pass in Accepted.
        case (.accepted, .send(let status)): return status / 100 == 2 ? .pass : .none
        case (.completed, .requestAgain): return .resend
        case (.completed, .ack):
            state = .confirmed
            return .endAfter(reliable ? Milliseconds(0) : Timers.t4)
        case (.completed, .retransmit):
            interval = Timers.doubled(interval)
            return .resendEvery(interval)
        case (.accepted, .timeout), (.completed, .timeout), (.confirmed, .timeout):
            state = .terminated
            return .terminate
        case (.proceeding, .ack), (.proceeding, .retransmit), (.proceeding, .timeout),
            (.accepted, .requestAgain), (.accepted, .ack), (.accepted, .retransmit),
            (.completed, .send), (.confirmed, .requestAgain), (.confirmed, .ack),
            (.confirmed, .send), (.confirmed, .retransmit), (.terminated, _):
            return .none
        }
    }

    private mutating func respond(_ status: UInt16) -> ServerAction {
        if status < 200 { return .pass }
        if status < 300 {
            state = .accepted
            return .passAndEnd(after: Timers.giveUp, retransmit: nil)
        }
        state = .completed
        return .passAndEnd(after: Timers.giveUp, retransmit: reliable ? nil : interval)
    }
}

/// The server side of any other request (RFC 3261 section 17.2.2).
package struct OtherServer: BitwiseCopyable, Sendable {
    /// Where the transaction stands; Trying and Proceeding differ only in whether there is something
    /// to send again, which the caller sees from what it holds.
    package enum State: UInt8, BitwiseCopyable, Sendable {
        case proceeding, completed, terminated
    }

    /// Where it stands.
    package private(set) var state = State.proceeding
    private let reliable: Bool

    /// A new transaction; `reliable` when the request came over a stream.
    package init(reliable: Bool) { self.reliable = reliable }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ServerEvent) -> ServerAction {
        switch (state, event) {
        case (.proceeding, .requestAgain), (.completed, .requestAgain): return .resend
        case (.proceeding, .send(let status)):
            guard status >= 200 else { return .pass }
            state = .completed
            let linger = reliable ? Milliseconds(0) : Timers.giveUp
            return .passAndEnd(after: linger, retransmit: nil)
        case (.completed, .timeout):
            state = .terminated
            return .terminate
        case (.proceeding, .ack), (.proceeding, .retransmit), (.proceeding, .timeout),
            (.completed, .ack), (.completed, .send), (.completed, .retransmit), (.terminated, _):
            return .none
        }
    }
}

/// The server side of any request.
package enum ServerTransaction: BitwiseCopyable, Sendable {
    case invite(InviteServer)
    case other(OtherServer)

    /// A new transaction; `reliable` when the request came over a stream.
    package init(isInvite: Bool, reliable: Bool) {
        self =
            isInvite
            ? .invite(InviteServer(reliable: reliable)) : .other(OtherServer(reliable: reliable))
    }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ServerEvent) -> ServerAction {
        switch self {
        case .invite(var machine):
            defer { self = .invite(machine) }
            return machine.handle(event)
        case .other(var machine):
            defer { self = .other(machine) }
            return machine.handle(event)
        }
    }

    /// Whether no final answer has been given yet.
    package var isOpen: Bool {
        switch self {
        case .invite(let machine): machine.state == .proceeding
        case .other(let machine): machine.state == .proceeding
        }
    }

    /// Whether an INVITE was accepted: only more 2xx follow.
    package var isAccepted: Bool {
        guard case .invite(let machine) = self else { return false }
        return machine.state == .accepted
    }

    /// Whether it waits for the ACK of a failure.
    package var awaitsACK: Bool {
        guard case .invite(let machine) = self else { return false }
        return machine.state == .completed || machine.state == .confirmed
    }
}
