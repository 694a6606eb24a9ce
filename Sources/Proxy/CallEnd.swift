internal import Dialling
internal import SIP
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
        case .barred, .newCountry, .forwarding: "limit"
        case .unanswered, .unacknowledged, .silent: "edge"
        }
    }

    /// The reason code; empty when the one who ended it has given no other than his cause.
    var reason: String {
        switch self {
        case .phone, .trunk, .asterisk, .unanswered: ""
        case .byHand: "by-hand"
        case .barred: CallRefusal.barred.code
        case .newCountry: CallRefusal.newCountry.code
        case .forwarding: "forwarding"
        case .unacknowledged: "not-acknowledged"
        case .silent: "nothing-heard"
        }
    }
}

/// Why a call ended, in the numbers of SIP or of ISDN (RFC 3326 section 2).
struct EndCause: BitwiseCopyable, Sendable {
    /// The status code of SIP, or the cause of Q.850; 0 when nobody has given one.
    private(set) var code: UInt16 = 0
    /// Whether it is of Q.850.
    private(set) var isQ850 = false

    /// No cause.
    init() {}

    /// The cause that a final answer is.
    init(status: UInt16) { code = status }

    /// The first cause that a message's Reason gives in numbers of SIP or Q.850.
    init(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) {
        var values = FieldValues(.reason)
        while code == 0, let value = values.next(bytes, index) { take(value, bytes) }
    }

    private mutating func take(_ value: Slice, _ bytes: Span<UInt8>) {
        let text = bytes.bytes(value)
        let end = text.first(UInt8(ascii: ";")) ?? text.count
        let name = bytes.bytes(Slice.from(value.start, to: value.start + end).trimmed(in: bytes))
        let rest = Slice.from(min(value.start + end + 1, value.end), to: value.end)
        isQ850 = name.isCaseless("q.850")
        guard isQ850 || name.isCaseless("sip"),
            let cause = Parameters(rest).value("cause", in: bytes),
            let number = bytes.bytes(cause).decimal(limit: 999)
        else { return }
        code = UInt16(number)
    }
}
