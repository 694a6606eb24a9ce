/// The user part of a URI as it is meant: without parameters and password, and with its escapes read.
///
/// It is split before it is unescaped, and unescaped once (RFC 3261 sections 19.1.2 and 19.1.6). Asterisks do
/// either in another order, or not at all; so they are given what every one of them reads alike.
package struct UserPart: BitwiseCopyable, Sendable {
    /// The longest one that is kept whole, in bytes; no account's name and no number that is dialled is longer.
    package static let longest = 64

    private var bytes = InlineArray<64, UInt8>(repeating: 0)
    private var count: UInt8 = 0
    /// Whether it is whole, not empty, and safe for any dialplan.
    ///
    /// What could be taken for a channel, a separator or an expression there is not.
    package private(set) var isDialable = true
    /// Whether it is whole, not empty, and may be the name of an account.
    ///
    /// Signs that no dialplan takes may stand in one as they are, but no escape may hide them.
    package private(set) var isName = true

    /// The user part that bytes mean; of one that is too long the beginning.
    package init(_ part: Span<UInt8>) {
        let user = part.extracting(0..<part.lengthOfUser)
        var at = 0
        while at < user.count {
            guard count < Self.longest else {
                isDialable = false
                isName = false
                return
            }
            let isEscaped = user[at] == UInt8(ascii: "%")
            let (byte, next) = user.unescaped(at: at)
            if !Characters.isDialable(byte) {
                isDialable = false
                if isEscaped { isName = false }
            }
            bytes[Int(count)] = byte
            count += 1
            at = next
        }
        guard count == 0 else { return }
        isDialable = false
        isName = false
    }

    /// Whether there is none.
    package var isEmpty: Bool { count == 0 }

    /// Its bytes.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(0..<Int(count)) }
    }
}

extension Span where Element == UInt8 {
    /// How many bytes of a user part stand before its parameters and password.
    package var lengthOfUser: Int {
        var at = 0
        while at < count, self[at] != UInt8(ascii: ";"), self[at] != UInt8(ascii: ":") { at += 1 }
        return at
    }
}
