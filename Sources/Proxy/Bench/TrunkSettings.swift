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
    package mutating func adopt(_ rule: TrunkRule) {
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
