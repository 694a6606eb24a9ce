package import SIP

/// Who stands as the caller in a request as it goes to an Asterisk.
///
/// chan_sip takes a caller whose name is that of an account for that account, whatever address and port the
/// request comes from, and an old one takes the host when there is no user.
package enum WrittenCaller: UInt8, BitwiseCopyable, Sendable {
    /// Whom a trunk names.
    case asWritten
    /// The trunk, since an account might have the name.
    case trunk
    /// Nobody: what a trunk has written is no number.
    case anonymous
    /// The account of a phone, whatever the phone has written.
    case account
    /// The account, which is not to be shown to who is called.
    case hiddenAccount
    /// The account; who is called is shown what the phone has written.
    case shown
}

extension URI {
    /// Whether a caller's URI names nobody (RFC 3323 section 4.1.1.3).
    package func isAnonymous(in message: Span<UInt8>) -> Bool {
        message.bytes(user).isCaseless("anonymous")
            || message.bytes(host).isCaseless("anonymous.invalid")
    }
}

extension Span where Element == UInt8 {
    /// Whether the value of a Privacy field asks that the caller is not shown (RFC 3323 section 4.2, RFC 3325
    /// section 9.3).
    package var hidesCaller: Bool {
        var at = 0
        while at <= count {
            let end = first(UInt8(ascii: ";"), from: at) ?? count
            let word = bytes(Slice.from(at, to: end).trimmed(in: self))
            if word.isCaseless("id") || word.isCaseless("user") || word.isCaseless("header") {
                return true
            }
            at = end + 1
        }
        return false
    }
}
