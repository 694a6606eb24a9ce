internal import Messages
internal import Sys

/// Who ended a call, and for what.
enum CallEnd: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The account's phone.
    case phone = 1
    /// The trunk.
    case trunk
    /// The Asterisk.
    case asterisk
    /// An administrator.
    case byHand
    /// A limit: its account is barred.
    case barred
    /// A limit: its account is gone, or shut out, or has another secret.
    case revoked
    /// A limit: its account is in a country in which it never was.
    case newCountry
    /// A limit: the phone may not send it on to where it wanted.
    case forwarding
    /// The edge, which had nobody else's answer to give.
    case unanswered
    /// The edge: nobody has acknowledged the answer.
    case unacknowledged
    /// The edge: nothing was heard of it for long.
    case silent

    /// The word for who it was.
    var endedBy: StaticString {
        switch self {
        case .phone: "phone"
        case .trunk: "trunk"
        case .asterisk: "asterisk"
        case .byHand: "administrator"
        case .barred, .revoked, .newCountry, .forwarding: "limit"
        case .unanswered, .unacknowledged, .silent: "edge"
        }
    }

    /// Why a request is refused whose call it ends; nil of one that no request ends.
    var refusal: Refusal? {
        switch self {
        case .barred: .accountBarred
        case .revoked: .accountRevoked
        default: nil
        }
    }

    /// The reason code; empty when the one that ended it has given none but its cause.
    var reason: String {
        switch self {
        case .phone, .trunk, .asterisk, .unanswered: ""
        case .byHand: "by-hand"
        case .barred: Refusal.accountBarred.code
        case .revoked: Refusal.accountRevoked.code
        case .newCountry: Refusal.newCountry.code
        case .forwarding: "forwarding"
        case .unacknowledged: "not-acknowledged"
        case .silent: "nothing-heard"
        }
    }
}
