package import Sys

/// An endpoint toward the Internet.
package struct OutsideEndpoint: Hashable, Sendable {
    /// What we are bound to.
    package let endpoint: Endpoint
    /// The address that a NAT before this machine has for it, of the same family, if there is one.
    package let advertised: SocketAddress?

    /// An endpoint, and the address that a NAT has for it.
    package init(_ endpoint: Endpoint, advertised: SocketAddress? = nil) {
        self.endpoint = endpoint
        self.advertised = advertised
    }
}

extension Setting {
    /// The rows of what the edge stands between.
    package static let sides = SideRows()
}

/// What the edge stands between: the keys at the top of the file, and the group `asterisk`.
package struct SideRows: Sendable {
    package let domains = SettingRow(
        "domains", 1, .domain, .always, items: 1...256, example: "[sip.example.com]",
        for: .router { .domain($0) }, .accountsReader { .domain($0) },
        meaning: """
            The SIP domains served here: what stands after the @ in the phones' addresses. Requests \
            for any other domain are refused.
            """)
    package let outside = SettingRow(
        "outside", 2, .outside, .always, items: 1...Bounds.mostOutside,
        example: "[udp://203.0.113.5:5060]", isFixedAtStart: true,
        for: .router { .outside($0.endpoint, advertised: $0.advertised) },
        .banner { .outside($0.endpoint, advertised: $0.advertised) },
        meaning: """
            Where the Internet reaches the edge. Without a port: 5060, for tls 5061. 0.0.0.0 and [::] \
            stand for every address of the machine. Behind NAT the address of this machine, then `as` \
            and the address that the Internet sees: `udp://172.31.5.10:5060 as 203.0.113.5`; with a \
            port when that differs. A change needs a restart.
            """)
    package let localNetworks = SettingRow(
        "local-networks", 40, .network, items: 0...1024, example: "[192.168.1.0/24]",
        for: .router { .localNetwork($0) },
        meaning: """
            Networks that reach the edge at its own address, with no NAT between. Phones and providers \
            there are shown that address, all others the one after `as`.
            """)
    package let inside = SettingRow(
        "inside", 3, .inside, .always, items: 1...Bounds.mostInside,
        example: "[udp://10.0.0.1:5060]", isFixedAtStart: true,
        for: .router { .inside($0) }, .accountsReader { .inside($0) }, .banner { .inside($0) },
        meaning: """
            Where the Asterisks reach the edge; only they are answered there. Each is called from the \
            udp endpoint that this machine's route to it uses, so several networks have an endpoint \
            each. Without a port: 5060. A change needs a restart.
            """)
    package let asterisks = SettingRow(
        "asterisk.servers", 4, .server, .always, items: 1...Bounds.mostAsterisks,
        example: "[10.0.0.10:5060]",
        for: .router { .asterisk($0) }, .banner { .asterisk($0) },
        meaning: "The Asterisks that calls are shared out to. Without a port: 5060.")
}
