package import Dialling
package import Messages
internal import Sys

/// What a check says of a message; `Paths.carryOut` alone does what follows from it.
package enum Verdict<Pass> {
    /// It may go on.
    case pass(Pass)
    /// It may go on, since the defence only observes: that it would be refused is recorded.
    case observed(Pass, Refusal)
    /// It is asked for credentials.
    case challenge(Challenge)
    /// It is answered as the table of refusals says.
    case refuse(Refusal)
    /// It gets no answer.
    case silence(Refusal)
    /// It is refused for the call that it would begin.
    case refuseCall(RefusedCall)
    /// It may go on, since the defence only observes.
    case observedCall(Pass, RefusedCall)
    /// It waits, or its answer is under way: nothing is to be done for now.
    case later

    /// Whether what was judged goes on.
    package var goesOn: Bool {
        switch self {
        case .pass, .observed, .observedCall: true
        default: false
        }
    }

    /// A refusal, or while the defence only observes what lets the message go on.
    package static func refuse(_ refusal: Refusal, unless isObserving: Bool, _ pass: Pass)
        -> Verdict
    {
        isObserving ? .observed(pass, refusal) : .refuse(refusal)
    }
}

extension Verdict where Pass == Void {
    /// It may go on.
    package static var pass: Verdict { .pass(()) }

    /// A refusal when a condition holds.
    package static func refuse(_ refusal: Refusal, if isRefused: Bool) -> Verdict {
        isRefused ? .refuse(refusal) : .pass
    }
}

/// Why a message is asked for credentials.
package enum Challenge: Sendable {
    /// It has none.
    case first
    /// Its nonce is none of ours.
    case foreign
    /// Its nonce is too old.
    case stale
    /// Its nonce was used with this count.
    case used

    /// Whether the credentials may be right but for their nonce (RFC 7616 section 3.3).
    package var isStale: Bool { self == .stale || self == .used }
}

/// A call that an account or a trunk may not make.
package struct RefusedCall {
    /// Why; nil for the retransmission of a request that was refused, which is recorded once.
    package var refusal: Refusal?
    /// Whose.
    package var party: Party
    /// To whom.
    package var number: [UInt8]
    /// How many refused calls bar the account by now; nil when they do not.
    package var barring: UInt32?

    /// A call that a guard has judged; nil when it passed.
    package init?(_ verdict: CallVerdict, of party: Party, to number: Span<UInt8>) {
        switch verdict {
        case .pass: return nil
        case .again: refusal = nil
        case .refuse(let reason): refusal = reason
        case .trip(let reason, let count): (refusal, barring) = (reason, count)
        }
        self.party = party
        self.number = [UInt8](copying: number)
    }
}
