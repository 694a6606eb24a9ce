package import Sys

/// The settings that show in messages.
package struct WriterSettings: Sendable {
    /// The served domains, lower case; the first one stands for hosts that must not leave.
    package var domains: [[UInt8]] = []
    /// The networks whose peers are shown what we are bound to.
    package var localNetworks: [Network] = []
    /// The Asterisks, whose addresses never leave.
    package var asterisks: [SocketAddress] = []
    /// Where calls of trunks come from.
    package var trunkSources: [Network] = []
    /// What stands for trunks in Request-URIs; empty for one without.
    package var trunkDomains: [[UInt8]] = []
    /// What is dialled for an emergency service that is named by its URN.
    package var emergency: [UInt8] = []

    /// No setting.
    package init() {}
}
