package import Sys

/// What a timer of the router is for.
package enum TimerKind: UInt8, Sendable {
    /// Timer H, I, J or L of a response context's server side.
    case serverEnd = 1
    /// Timer G.
    case serverRetransmit
    /// Timer C, or the deadline of another forwarded request.
    case context
    /// Timer A or E.
    case clientRetransmit
    /// Timer B, D, F, K or M.
    case clientEnd
    /// An Asterisk has not answered an INVITE at all: try the next.
    case noAnswer
    /// A binding runs out.
    case binding
    /// An account is to be registered again at an Asterisk.
    case registration
    /// The Asterisks are to be asked whether they answer.
    case probe
    /// The Asterisks are to be asked whether they have lost their contacts.
    case contacts
    /// Answers to wrong credentials are due.
    case delayed
    /// Requests have waited for directory for long enough.
    case overdue
    /// directory is to be asked again whether trunks have the names of accounts.
    case trunkNames
    /// Phones are to be asked whether they are there.
    case keepAlive
}

extension Handle {
    /// The handle with a kind in the highest byte.
    package func payload(_ kind: TimerKind) -> UInt64 {
        UInt64(kind.rawValue) << 56 | UInt64(generation) << 32 | UInt64(index)
    }
}
