package import Sys

/// The timer values of RFC 3261 section 17 and appendix A.
package enum Timers {
    /// T1: the round-trip estimate.
    package static let t1 = Milliseconds(500)
    /// T2: the longest interval between retransmissions of other requests than INVITE.
    package static let t2 = Milliseconds(4000)
    /// T4: the longest a message stays in the network.
    package static let t4 = Milliseconds(5000)
    /// Timers B, F, H, J, L and M: 64 * T1.
    package static let giveUp = Milliseconds(32_000)
    /// Timer D: how long retransmitted failures of an INVITE are absorbed over UDP.
    package static let d = Milliseconds(32_000)
    /// Timer C: how long a forwarded INVITE may ring, more than 3 minutes (section 16.6 item 11).
    package static let c = Milliseconds(185_000)

    /// The interval after `last`, doubled up to T2.
    package static func doubled(_ last: Milliseconds) -> Milliseconds {
        Milliseconds(min(last.count * 2, t2.count))
    }
}
