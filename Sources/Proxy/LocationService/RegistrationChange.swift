package import Messages
package import ProxyBench
package import Sys

/// What a REGISTER, a binding that ran out, or one that directory had stored makes of an account.
package struct RegistrationChange: BitwiseCopyable, Sendable {
    /// The account.
    package let account: AccountID
    /// Whether it has a binding now; else it has none any more.
    package let isRegistered: Bool
    /// Where its phone is; nil when nothing was bound.
    package let residence: Residence?
    /// Whether a Contact is new, or its phone was started anew: Asterisk has to tell it what it tells a phone that
    /// registers, as how many messages wait.
    package let isNewPhone: Bool
}

/// From where a phone is registered.
package struct Residence: BitwiseCopyable, Sendable {
    /// The flow that leads to it.
    package let flow: Flow
    /// Until when, on the monotonic clock.
    package let until: Milliseconds
}
