package import Messages
package import Sys

/// A trunk of the settings: a provider, or another exchange, that calls without an account.
package struct TrunkSettings: Equatable, Sendable {
    /// Its name.
    package var name: String
    /// Our socket toward the Asterisks for it alone.
    package var inside: Endpoint?
    /// Where calls to it go, over UDP, in this order.
    package var servers: [SocketAddress] = []
    /// Where its calls come from.
    package var sources: [Network] = []
    /// What stands for it in a Request-URI; empty when its first server's address does.
    package var domain: [UInt8] = []
    /// How often a request of it may begin something; nil: as it likes.
    package var rate: Rate? = Self.rate(Setting.trunks.perSecond.standard)

    /// A trunk of which nothing else is known.
    package init(_ name: String) { self.name = name }

    /// Takes one line of the settings.
    mutating func take(_ rule: TrunkRule) {
        if let source = rule.sources { sources.append(source) }
        switch rule {
        case .inside(let endpoint): inside = endpoint
        case .server(let address): servers.append(address)
        case .network: break
        case .domain(let name): domain = Array(name.utf8)
        case .perSecond(let count): rate = Self.rate(count)
        }
    }

    private static func rate(_ count: UInt32) -> Rate? {
        count == 0 ? nil : Rate(perSecond: count, burst: 4 * count)
    }
}

/// A server of a trunk as the router sees it.
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

/// A trunk in use.
struct Trunk: Sendable {
    /// What the settings say.
    let settings: TrunkSettings
    /// The row of `Accounts` that stands for it; its name is one that no user part of a URI can have, so
    /// nobody can ask for it or be taken for it.
    let account: Int32
    /// The listener toward the Asterisks.
    let inside: UInt8
    /// Where its calls come from.
    let sources: AddressRanges
    /// Whether the database has an account of its name that phones may register: its name then protects
    /// nobody from being taken for that account.
    var isAccountName = false
    /// How many of its requests may begin something now.
    var tokens = TokenBucket()
    /// The servers, in their order.
    var servers: [TrunkServer]

    /// What stands before the name in that of the row: a colon would end a user part (RFC 3261 section 19.1.1).
    static let prefix = "trunk:"

    /// The name of the row that stands for a trunk.
    static func accountName(_ name: String) -> [UInt8] { Array((prefix + name).utf8) }
}

/// Who stands as the caller in a trunk's request as it goes to an Asterisk.
///
/// chan_sip takes a caller whose name is that of an account for that account, whatever address and port the
/// request comes from, and an old one takes the host when there is no user.
enum TrunkCaller: UInt8, BitwiseCopyable, Sendable {
    /// Whom the trunk names.
    case asWritten
    /// The trunk, since an account might have the name.
    case trunk
    /// Nobody: what the trunk has written is no number.
    case anonymous
}
