package import Sys

/// One line of a trunk: a provider, or another exchange, that calls without an account.
package enum TrunkRule: Equatable, Sendable {
    /// The edge's own socket toward the Asterisks for this trunk alone; UDP.
    case inside(Endpoint)
    /// Where calls to it go, by UDP, in this order; calls come from there too.
    case server(SocketAddress)
    /// Another network that its calls come from.
    case network(Network)
    /// What stands for it in a Request-URI, lower case; its first server when there is none.
    case domain(String)
    /// How many requests of it may begin something in a second; 0: any.
    case perSecond(UInt32)

    /// The addresses that calls from the trunk come from, as far as this line names them.
    package var sources: Network? {
        switch self {
        case .server(let address): Network(address.ip)
        case .network(let network): network
        case .inside, .domain, .perSecond: nil
        }
    }
}

extension Setting {
    /// The rows of a trunk.
    package static let trunks = TrunkRows()
}

/// The keys under the name of a trunk, in the group `trunks`.
package struct TrunkRows: Sendable {
    package let inside = SettingRow(
        "trunks.NAME.inside", 41, .trunkInside, .always, example: "udp://10.0.0.1:5071",
        isFixedAtStart: true, for: .trunk { .inside($0) },
        meaning: """
            The edge's own socket toward the Asterisks for this trunk alone, a provider or another \
            exchange that calls without an account. Its calls reach an Asterisk from this address and \
            port, and what an Asterisk sends there goes to the trunk. So in Asterisk the trunk is a \
            peer with this address and port. chan_sip: type=peer, host=10.0.0.1, port=5071. PJSIP, \
            from Asterisk 16.7: contact=sip:10.0.0.1:5071 in the AOR, match=10.0.0.1:5071 in an \
            identify of the endpoint. NAME is yours: 1 to \(Bounds.longestGroupName) letters, digits, \
            `-`, `_` and `.`, and not that of an account; at most \(Bounds.mostTrunks) trunks. A name \
            or socket that comes, goes or changes needs a restart.
            """)
    package let servers = SettingRow(
        "trunks.NAME.servers", 42, .trunkServer, .always, items: 1...16,
        example: "[198.51.100.5, 198.51.100.6:5080]", for: .trunk { .server($0) },
        meaning: """
            Where calls to the trunk go: to the first, and to the next when one does not answer. What \
            comes from these addresses, from any port, is the trunk's, needs no password and is never \
            banned. Asterisk registers and authenticates there by itself, through `inside` as its \
            proxy: outboundproxy=10.0.0.1:5071 in chan_sip, outbound_proxy=sip:10.0.0.1:5071\\;lr in \
            PJSIP. Without a port: 5060.
            """)
    package let networks = SettingRow(
        "trunks.NAME.networks", 43, .trunkNetwork, items: 1...256, example: "[198.51.100.0/28]",
        for: .trunk { .network($0) },
        meaning: """
            Where else the trunk's calls come from. A caller with an address in these networks needs \
            no password: name no more than the provider says.
            """)
    package let domain = SettingRow(
        "trunks.NAME.domain", 44, .domain, example: "sip.telco.example",
        for: .trunk { .domain($0) },
        meaning: """
            What stands after the @ in calls to the trunk. A call of an Asterisk to this domain goes \
            to the trunk by whatever inside socket it comes. Left out: the first server's address.
            """)
    package let perSecond = SettingRow(
        "trunks.NAME.per-second", 45, .count(0...10_000), standard: 50,
        for: .trunk { .perSecond($0) },
        meaning: """
            How many calls and other requests of the trunk may begin in a second, four times as many \
            at once; 0: any. More gets 503 by TCP and TLS, and no answer by UDP. So a trunk that asks \
            again is heard in the midst of a flood in its name. How many calls it may have at a time \
            stands in `profiles`.
            """)
}
