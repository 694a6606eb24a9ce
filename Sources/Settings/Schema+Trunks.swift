internal import Messages
internal import Sys

/// The keys of trunks: providers, or other exchanges, that call without an account.
extension Schema {
    /// The group that holds the trunks by name.
    static let trunkNames = NamedGroup(
        name: "trunks", what: "trunk", limit: 32, example: "telco",
        range: "1 to 32 letters, digits, `-`, `_` and `.`", isName: Value.isTrunkName)

    static let trunks: [SettingKey] = [
        SettingKey(
            "trunks.NAME.inside", .always, range: "udp://ADDRESS:PORT",
            example: "udp://10.0.0.1:5071",
            meaning:
                "The edge's own socket toward the Asterisks for this trunk alone, a provider or another"
                + " exchange that calls without an account. Its calls reach an Asterisk from this"
                + " address and port, and what an Asterisk sends there goes to the trunk. So in Asterisk"
                + " the trunk is a peer with this address and port. chan_sip: type=peer, host=10.0.0.1,"
                + " port=5071. PJSIP, from Asterisk 16.7: contact=sip:10.0.0.1:5071 in the AOR,"
                + " match=10.0.0.1:5071 in an identify of the endpoint. NAME is yours: 1 to 32 letters,"
                + " digits, `-`, `_` and `.`, and not that of an account; at most 32 trunks. A name or"
                + " socket that comes, goes or changes needs a restart.",
            read: { text throws(ValueError) in .trunk("", .inside(try Value.trunkInside(text))) }),
        SettingKey(
            "trunks.NAME.servers", .always, items: 1...16,
            range: "1 to 16 of ADDRESS:PORT, over UDP",
            example: "[198.51.100.5, 198.51.100.6:5080]",
            meaning:
                "Where calls to the trunk go: to the first, and to the next when one does not answer."
                + " What comes from these addresses, from any port, is the trunk's, needs no password"
                + " and is never banned. Asterisk registers and authenticates there by itself, through"
                + " `inside` as its proxy: outboundproxy=10.0.0.1:5071 in chan_sip,"
                + " outbound_proxy=sip:10.0.0.1:5071\\;lr in PJSIP. Without a port: 5060.",
            read: { text throws(ValueError) in .trunk("", .server(try Value.trunkServer(text))) }),
        SettingKey(
            "trunks.NAME.networks", items: 1...256, range: "1 to 256 networks or addresses",
            example: "[198.51.100.0/28]",
            meaning:
                "Where else the trunk's calls come from. Whoever has an address in them calls without a"
                + " password: name no more than the provider says.",
            read: { text throws(ValueError) in .trunk("", .network(try Value.trunkNetwork(text))) }),
        SettingKey(
            "trunks.NAME.domain", range: "a host name or IP address", example: "sip.telco.example",
            meaning:
                "What stands after the @ in calls to the trunk. A call of an Asterisk to this domain goes"
                + " to the trunk by whatever inside socket it comes. Left out: the first server's"
                + " address.",
            read: { text throws(ValueError) in .trunk("", .domain(try Value.domain(text))) }),
        SettingKey(
            "trunks.NAME.per-second", range: "0 to 10000", example: "50",
            meaning:
                "How many calls and other requests of the trunk may begin in a second, four times as many"
                + " at once; 50 when left out, 0: any. More gets no answer by UDP, so that a trunk which asks again is"
                + " heard in the midst of a flood in its name, and 503 by TCP and TLS. How many calls"
                + " it may have at a time stands in `profiles`.",
            read: { text throws(ValueError) in
                .trunk("", .perSecond(try Value.count(text, in: 0...10_000)))
            }),
    ]
}

extension Value {
    /// Whether a text can be a trunk's name, which stands in a SIP URI as it is.
    static func isTrunkName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                    || "-_.".utf8.contains(byte)
            }
    }

    /// The name of a trunk.
    static func trunkName(_ text: String) throws(ValueError) -> String {
        guard isTrunkName(text) else {
            throw ValueError("`\(text)` is not the name of a trunk: \(Schema.trunkNames.range)")
        }
        return text
    }

    /// A trunk's own socket, which is UDP.
    static func trunkInside(_ text: String) throws(ValueError) -> Endpoint {
        guard text.hasPrefix("udp://") else {
            let parts = text.split(separator: "://", maxSplits: 1)
            throw ValueError(
                "`\(text)` is not udp://, as a trunk's inside is: write `udp://\(parts.last ?? "")`"
            )
        }
        return try endpoint(text)
    }

    /// The address of a trunk's server; a name is answered with where it belongs.
    static func trunkServer(_ text: String) throws(ValueError) -> SocketAddress {
        let host = text.prefix { $0 != ":" }
        if let name = try? domain(String(host)), IPAddress(name) == nil {
            throw ValueError(
                "`\(text)` is a name, and names are not looked up: give the addresses that the provider"
                    + " says, and `domain: \(name)` beside them")
        }
        return try address(text, port: 5060)
    }

    /// A network of a trunk, which is not everybody.
    static func trunkNetwork(_ text: String) throws(ValueError) -> Network {
        let network = try network(text)
        guard network.prefix > 0 else {
            throw ValueError("`\(text)` is everybody, who would call without a password")
        }
        return network
    }
}
