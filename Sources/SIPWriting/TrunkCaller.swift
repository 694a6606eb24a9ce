/// Who stands as the caller in a trunk's request as it goes to an Asterisk.
///
/// chan_sip takes a caller whose name is that of an account for that account, whatever address and port the
/// request comes from, and an old one takes the host when there is no user.
package enum TrunkCaller: UInt8, BitwiseCopyable, Sendable {
    /// Whom the trunk names.
    case asWritten
    /// The trunk, since an account might have the name.
    case trunk
    /// Nobody: what the trunk has written is no number.
    case anonymous
}
