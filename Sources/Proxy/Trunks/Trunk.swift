internal import Messages
internal import ProxyBench
internal import SIP
internal import Sys

/// A server of a trunk.
struct TrunkServer: Sendable {
    /// How long one that did not answer is only called when no other is left.
    static let avoidance = Milliseconds.seconds(60)

    /// Its address.
    let address: SocketAddress
    /// Whether it answers, as far as requests to it have shown.
    var state = AsteriskState.unknown
    /// Until when others are called first.
    var avoidedUntil = Milliseconds(0)
}

/// A trunk that the settings name, or have named.
struct Trunk: Sendable {
    /// What the settings say, or said last.
    var settings: TrunkSettings
    /// How tokens and the writer name it.
    let tokenName: Text
    /// The listener toward the Asterisks; nil while the settings do not name the trunk.
    var inside: UInt8?
    /// Where its calls come from.
    var sources = AddressRanges()
    /// Whether the database has an account of its name that phones may register: its name then protects
    /// nobody from being taken for that account.
    var isAccountName = false
    /// Whether the journal has been told of that since the settings were last adopted.
    var isAccountNameTold = false
    /// How many of its requests may begin something now.
    var tokens = TokenBucket()
    /// The servers, in their order.
    var servers: [TrunkServer] = []

    /// Whether a host is what stands for it in a Request-URI: its domain, or the address of a server.
    func isNamed(_ host: Span<UInt8>, _ ip: IPAddress?) -> Bool {
        if !settings.domain.isEmpty, host.equalsCaseless(settings.domain.span) { return true }
        guard let ip else { return false }
        return servers.contains { $0.address.ip == ip }
    }
}
