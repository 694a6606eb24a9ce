package import Digest
package import Messages
internal import SIP
package import Sys

/// What a phone's in-dialog requests carry as their Request-URI's user part: the way to the Asterisk.
package struct AsteriskToken: Equatable, Sendable {
    /// The Asterisk.
    package var asterisk: SocketAddress
    /// How much higher the CSeq is on the inner side.
    package var sequenceShift: UInt16
    /// The account whose dialog it is.
    package var account: TokenAccount
    /// A hash of the phone's IP address: from another one, the request must authenticate.
    package var source: UInt32
    /// The user part of the Asterisk's Contact.
    package var user: TokenText
    /// What the tokens of the dialog are bound to.
    package var dialog = StringVector()
    /// Whether it was sealed before tokens were bound to dialogs.
    package var isOld = false
}

/// What an Asterisk's in-dialog requests carry in their Route: the way to the phone.
package struct PhoneToken: Equatable, Sendable {
    /// The way.
    package var flow: Flow
    /// The account, whose other bindings serve when the way is closed.
    package var account: TokenText
    /// How much higher the CSeq of the phone's requests is on the inner side.
    package var sequenceShift: UInt16 = 0
    /// What the tokens of the dialog are bound to.
    package var dialog = StringVector()
    /// Who began the dialog, in a request of an Asterisk.
    package var owner = DialogOwner.unknown
}

/// What stands as the user part of a Contact that an Asterisk registers at a trunk.
package struct RegistrationToken: Equatable, Sendable {
    /// The Asterisk.
    package var asterisk: SocketAddress
    /// The row of the trunk.
    package var account: TokenAccount
    /// The user part of the Asterisk's Contact.
    package var user: TokenText

    /// What stands for a Contact of its parts.
    package init(asterisk: SocketAddress, account: TokenAccount, user: TokenText) {
        self.asterisk = asterisk
        self.account = account
        self.user = user
    }
}

/// A text out of a token, in place: no longer than a token's plaintext.
package struct TokenText: BitwiseCopyable, Equatable, Sendable {
    private var bytes = InlineArray<160, UInt8>(repeating: 0)
    private var count = 0

    /// The text of these bytes, of which the first 160 count (`TokenSeal.maximumPlaintext`).
    package init(_ source: Span<UInt8>) {
        count = min(source.count, 160)
        for index in 0..<count { bytes[index] = source[index] }
    }

    /// The bytes.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(0..<count) }
    }

    package static func == (left: TokenText, right: TokenText) -> Bool {
        left.span.equals(right.span)
    }
}
