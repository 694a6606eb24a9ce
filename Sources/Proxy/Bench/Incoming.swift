package import Messages
package import SIP
package import Sys

/// What a sender has shown of itself while its message is looked at.
package enum Proof: BitwiseCopyable, Sendable {
    /// Nothing: the sender's address may be forged.
    case none
    /// It has brought back a nonce that was sent to its address.
    case nonce
    /// It came by a connection.
    ///
    /// A flow of UDP that a phone has registered by can be forged like any other.
    case connection
}

/// What is known of a message's sender beside its flow; a message that waits for directory keeps it.
package struct Sender: BitwiseCopyable {
    /// Who it is by the settings.
    package var standing = Standing()
    /// What it has proven.
    package var proof = Proof.connection
    /// Whether no phone has registered by the flow.
    package var isStranger = false
    /// How many bytes the message has, which bounds the answer to it; the greatest number when nothing does.
    package var replyLimit = Int.max
    /// Whether its credentials answer a nonce of ours for its own Request-URI, which is looked at once.
    package var isAnswered = false
    /// Whether the message came before, in every byte: its credentials prove nothing then, and it changes nothing.
    package var isRepetition = false
    /// Whether it has proven an account by a row whose source had not confirmed it for a minute.
    package var isUnconfirmed = false
    /// Whether a try of a name has been taken for it.
    package var isCharged = false
    /// Whether the source of accounts has been asked about its names, since its credentials prove none of them.
    package var isSourceAsked = false
    /// Whether its wrong password has been counted for the pair of its address and username, and for the account's guard.
    package var isGuessCounted = false
    /// Why its password is not looked at; nil when it is.
    package var guarded: Refusal?
    /// Whether directory has said meanwhile that no account has the name of its From.
    package var isCallerNobody = false

    /// A sender by a connection, of whom nothing else is known but who it is by the settings.
    package init(standing: Standing = Standing()) { self.standing = standing }

    /// Whether the sender has proven nothing, and is not one of `defence.allow`.
    package var isUnproven: Bool { proof == .none && replyLimit < .max }

    /// The sender has brought back a nonce of ours: it receives what is sent to its address.
    package mutating func recordNonce() {
        if proof == .none { proof = .nonce }
        replyLimit = .max
    }
}

/// The message at hand: made where it comes in, lent down, and gone at the end.
package struct Incoming: ~Copyable, ~Escapable {
    /// The message.
    package let bytes: Span<UInt8>
    /// Where its parts lie; of one that cannot be read as far as that is known.
    package var index = MessageIndex()
    /// The flow that it came by.
    package let flow: Flow
    /// When it came, on the monotonic clock: earlier than now when it has waited.
    package let moment: Milliseconds
    /// Its number among all that came.
    package let number: UInt64
    /// Whether it has waited for directory.
    package let isResumed: Bool
    /// What is known of its sender.
    package var sender: Sender
    /// The username of its credentials, once they have answered a nonce of ours.
    package var username = Slice.empty

    /// A message that is not parsed yet.
    @_lifetime(copy bytes)
    package init(
        _ bytes: Span<UInt8>, _ flow: Flow, moment: Milliseconds, number: UInt64,
        isResumed: Bool = false, sender: Sender = Sender()
    ) {
        self.bytes = bytes
        self.flow = flow
        self.moment = moment
        self.number = number
        self.isResumed = isResumed
        self.sender = sender
    }
}
