package import Sys

/// What happens to a client transaction.
package enum ClientEvent: Sendable {
    /// A response of this status came.
    case response(UInt16)
    /// The retransmission timer (A or E) fired.
    case retransmit
    /// The timer that ends the state (B, D, F, K or M) fired.
    case timeout
}

/// What a client transaction wants done.
package enum ClientAction: Equatable, Sendable {
    /// Nothing.
    case none
    /// Send the request again and set the retransmission timer to this interval.
    case resend(next: Milliseconds)
    /// Hand the response on; it is provisional.
    case provisional
    /// Hand the response on; it is final. Set the ending timer, acknowledge when `ack`.
    case final(endAfter: Milliseconds, ack: Bool)
    /// Hand on a further 2xx.
    case again
    /// Acknowledge the retransmitted failure.
    case acknowledge
    /// Nobody answered: hand on a 408 and free everything.
    case timedOut
    /// Free everything.
    case terminate
}

/// The client side of an INVITE (RFC 3261 section 17.1.1 with RFC 6026 section 7.2).
package struct InviteClient: BitwiseCopyable, Sendable {
    /// Where the transaction stands.
    package enum State: UInt8, BitwiseCopyable, Sendable {
        case calling, proceeding, accepted, completed, terminated
    }

    /// Where it stands.
    package private(set) var state = State.calling
    private let reliable: Bool
    private var interval = Timers.t1

    /// A new transaction; `reliable` when the request goes over a stream.
    package init(reliable: Bool) { self.reliable = reliable }

    /// The first interval of timer A, nil over a stream.
    package var firstInterval: Milliseconds? { reliable ? nil : Timers.t1 }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ClientEvent) -> ClientAction {
        switch (state, event) {
        case (.calling, .response(let status)), (.proceeding, .response(let status)):
            return receive(status)
        case (.calling, .retransmit):
            // Timer A doubles without a bound (section 17.1.1.2); timer B ends it.
            interval = Milliseconds(interval.count * 2)
            return .resend(next: interval)
        case (.calling, .timeout):
            state = .terminated
            return .timedOut
        case (.accepted, .response(let status)): return status / 100 == 2 ? .again : .none
        case (.completed, .response(let status)): return status >= 300 ? .acknowledge : .none
        case (.accepted, .timeout), (.completed, .timeout):
            state = .terminated
            return .terminate
        // Proceeding is ended by timer C of the proxy, not by the transaction.
        case (.proceeding, .retransmit), (.proceeding, .timeout), (.accepted, .retransmit),
            (.completed, .retransmit), (.terminated, _):
            return .none
        }
    }

    private mutating func receive(_ status: UInt16) -> ClientAction {
        if status < 200 {
            state = .proceeding
            return .provisional
        }
        if status < 300 {
            state = .accepted
            return .final(endAfter: Timers.giveUp, ack: false)
        }
        state = .completed
        return .final(endAfter: reliable ? Milliseconds(0) : Timers.d, ack: true)
    }
}

/// The client side of any other request (RFC 3261 section 17.1.2).
package struct OtherClient: BitwiseCopyable, Sendable {
    /// Where the transaction stands.
    package enum State: UInt8, BitwiseCopyable, Sendable {
        case trying, proceeding, completed, terminated
    }

    /// Where it stands.
    package private(set) var state = State.trying
    private let reliable: Bool
    private var interval = Timers.t1

    /// A new transaction; `reliable` when the request goes over a stream.
    package init(reliable: Bool) { self.reliable = reliable }

    /// The first interval of timer E, nil over a stream.
    package var firstInterval: Milliseconds? { reliable ? nil : Timers.t1 }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ClientEvent) -> ClientAction {
        switch (state, event) {
        case (.trying, .response(let status)), (.proceeding, .response(let status)):
            guard status >= 200 else {
                state = .proceeding
                return .provisional
            }
            state = .completed
            return .final(endAfter: reliable ? Milliseconds(0) : Timers.t4, ack: false)
        case (.trying, .retransmit):
            interval = Timers.doubled(interval)
            return .resend(next: interval)
        case (.proceeding, .retransmit): return .resend(next: Timers.t2)
        case (.trying, .timeout), (.proceeding, .timeout):
            state = .terminated
            return .timedOut
        case (.completed, .timeout):
            state = .terminated
            return .terminate
        case (.completed, .response), (.completed, .retransmit), (.terminated, _):
            return .none
        }
    }
}

/// The client side of any request.
package enum ClientTransaction: BitwiseCopyable, Sendable {
    case invite(InviteClient)
    case other(OtherClient)

    /// A new transaction; `reliable` when the request goes over a stream.
    package init(isInvite: Bool, reliable: Bool) {
        self =
            isInvite
            ? .invite(InviteClient(reliable: reliable)) : .other(OtherClient(reliable: reliable))
    }

    /// The first interval of timer A or E, nil over a stream.
    package var firstInterval: Milliseconds? {
        switch self {
        case .invite(let machine): machine.firstInterval
        case .other(let machine): machine.firstInterval
        }
    }

    /// Takes an event and says what to do.
    package mutating func handle(_ event: ClientEvent) -> ClientAction {
        switch self {
        case .invite(var machine):
            defer { self = .invite(machine) }
            return machine.handle(event)
        case .other(var machine):
            defer { self = .other(machine) }
            return machine.handle(event)
        }
    }

    /// Whether no response at all has come.
    package var isUnanswered: Bool {
        switch self {
        case .invite(let machine): machine.state == .calling
        case .other(let machine): machine.state == .trying
        }
    }

    /// Whether a provisional response has come and no final one.
    package var isProceeding: Bool {
        switch self {
        case .invite(let machine): machine.state == .proceeding
        case .other(let machine): machine.state == .proceeding
        }
    }
}
