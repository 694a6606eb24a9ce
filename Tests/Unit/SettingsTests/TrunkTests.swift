import Messages
import Settings
import Sys
import Testing

/// The lines of the smallest trunk that is right.
private let telco = "trunks:\n  telco: {inside: udp://10.0.0.1:5071, servers: [198.51.100.5]}\n"

@Suite struct TrunkTests {
    @Test("a trunk's lines carry its name, servers get SIP's port, and its profile is told")
    func whole() throws {
        let text =
            shortest + """
                trunks:
                  telco:
                    inside: udp://10.0.0.1:5071
                    servers: [198.51.100.5, "[2001:db8::5]:5080"]
                    networks: [198.51.100.0/28]
                    domain: SIP.telco.example
                  other.exchange-2: {inside: udp://10.0.0.2, servers: [198.51.100.99]}
                profiles:
                  carriers: {trunks: [telco], calls: 30}
                  trunks: {methods: [INVITE]}

                """
        let file = SettingsFile(
            Array(text.replacing("outside: [", with: "outside: [\"udp://[2001:db8::1]\", ").utf8))
        #expect(file.diagnostics == [])
        let inside = try #require(SocketAddress("10.0.0.1:5071"))
        let servers = ["198.51.100.5:5060", "[2001:db8::5]:5080"].compactMap { SocketAddress($0) }
        let network = try #require(Network("198.51.100.0/28"))
        let rules = file.settings.compactMap { setting in
            if case .trunk("telco", let rule) = setting.told.router { rule } else { nil }
        }
        #expect(
            rules
                == [.inside(Endpoint(.udp, inside))] + servers.map { .server($0) }
                + [.network(network), .domain("sip.telco.example")])
        let others = file.settings.compactMap { setting in
            if case .trunk("other.exchange-2", let rule) = setting.told.router { rule } else { nil }
        }
        #expect(others.count == 2)
        for setting: RouterSetting in [
            .profile("carriers", .trunk("telco")), .profile("carriers", .calls(30)),
            .profile("trunks", .method("INVITE")),
        ] {
            #expect(file.settings.contains { $0.told.router == setting }, "\(setting)")
        }
        #expect(file.summary.hasSuffix(", 1 Asterisk, 2 trunks"))
        #expect(
            Listener.numbered(file.settings.compactMap(\.told.router)).map(\.side).count {
                $0 == .inside
            } == 3)
    }

    @Test("what every trunk needs is told to be missing under its own name, unless it is misspelt")
    func missing() {
        let text = shortest + "trunks:\n  one: {servers: [198.51.100.5]}\n  two: {insde: 1}\n"
        #expect(
            faults(text) == [
                "9:3: `trunks.one.inside` is missing: add `inside: udp://10.0.0.1:5071`",
                "10:3: `trunks.two.servers` is missing: add `servers: [198.51.100.5,"
                    + " 198.51.100.6:5080]`",
                "10:9: unknown key `insde` in `trunks.two`; did you mean `inside`?",
            ])
    }

    @Test(
        "what is no trunk is told with what would be right",
        arguments: [
            ("trunks:", "`trunks` holds names of yours"),
            ("trunks: [telco]", "`telco:` with `inside: udp://10.0.0.1:5071`"),
            ("trunks: {telco: }", "the trunk `telco` holds keys of its own, such as `inside: "),
            (
                "trunks: {servers: [198.51.100.5]}",
                "`servers` stands under the name of a trunk: `telco:` with `servers: ["
            ),
            ("trunk: {telco: 1}\nprofiles: {a: {trunks: [telco]}}", "did you mean `trunks`?"),
            ("trunks.NAME: {domain: a}", "unknown key `trunks.NAME`"),
            ("calls.at-once: 5", "did you mean `at-once` under `calls:`?"),
        ])
    func form(lines: String, complaint: String) {
        let told = faults(shortest + lines + "\n")
        #expect(told.count == 1 && told[0].contains(complaint), "\(told)")
    }

    @Test(
        "a trunk's wrong values are told",
        arguments: [
            ("telco", "\"tel co\"", "`tel co` is not the name of a trunk: 1 to 32 letters"),
            ("telco", String(repeating: "a", count: 33), "is not the name of a trunk"),
            ("udp://10", "tls://10", "`tls://10.0.0.1:5071` is not udp://"),
            ("udp://10", "10", "write `udp://10.0.0.1:5071`"),
            ("[198.51.100.5]", "198.51.100.5", "`trunks.telco.servers` is a list, such as"),
            ("[198.51.100.5]", "[]", "`trunks.telco.servers` has 0 items: it takes 1 to 16"),
            ("198.51.100.5", "198.51.100.500", "is not an IP address"),
            (
                "198.51.100.5", "sip.telco.example:5080",
                "is a name, and names are not looked up: give the addresses that the provider says,"
                    + " and `domain: sip.telco.example` beside them"
            ),
            ("198.51.100.5", "198.51.100.5, 198.51.100.5:5060", "is given twice"),
            ("5]", "5], networks: [0.0.0.0/0]", "`0.0.0.0/0` is everybody"),
            ("5]", "5], domain: \"sip:telco\"", "is not a domain"),
            ("5]", "5], calls: 30", "did you mean `calls` under `profiles.NAME:`?"),
        ])
    func values(text: String, replacement: String, complaint: String) {
        expectOneFault(text, replacement, complaint)
    }

    @Test(
        "a trunk that cannot work beside the rest is told",
        arguments: [
            ("10.0.0.1:5071", "10.0.0.1", "(line 3, inside) are the same port"),
            ("10.0.0.1:5071", "203.0.113.5:5060", "(line 2, outside) are the same port"),
            (
                "udp://10.0.0.1:5071", "\"udp://[2001:db8::1]:5071\"",
                "does not reach the Asterisk `10.0.0.10:5060` (line 5): take an IPv4 address"
            ),
            ("198.51.100.5", "203.0.113.5", "is an endpoint of the edge itself"),
            ("198.51.100.5", "10.0.0.1:5071", "is an endpoint of the edge itself"),
            (
                "198.51.100.5", "10.0.0.10:5090",
                "`10.0.0.10` is the address of an Asterisk (line 5)"
            ),
            ("5]", "5], networks: [10.0.0.0/24]", "`10.0.0.0/24` holds the address of an Asterisk"),
            (
                "198.51.100.5", "\"[2001:db8::5]\"",
                "`outside` has no udp:// endpoint of IPv6 to reach `[2001:db8::5]:5060` from"
            ),
            ("5]", "5], domain: Sip.example.com", "is in `domains` (line 1)"),
        ])
    func together(text: String, replacement: String, complaint: String) {
        expectOneFault(text, replacement, complaint)
    }

    /// The shortest file with a trunk, in which one text stands for another, has one fault, and that says so.
    private func expectOneFault(
        _ text: String, _ replacement: String, _ complaint: String,
        at place: SourceLocation = #_sourceLocation
    ) {
        let told = faults(shortest + telco.replacing(text, with: replacement))
        #expect(told.count == 1 && told[0].contains(complaint), "\(told)", sourceLocation: place)
    }

    @Test("a trunk's endpoint needs an Asterisk of its family, not every one")
    func families() {
        let both =
            shortest.replacing("servers: [", with: "servers: [\"[2001:db8::10]:5060\", ")
            .replacing("inside: [", with: "inside: [\"udp://[2001:db8::1]\", ")
        #expect(faults(both + telco) == [])
        let six = telco.replacing("udp://10.0.0.1:5071", with: "\"udp://[2001:db8::1]:5071\"")
        #expect(faults(both + six) == [])
    }

    @Test(
        "two trunks share no socket, address or domain",
        arguments: [
            (
                "inside: udp://10.0.0.1:5071, servers: [198.51.100.6]",
                "(line 9, trunks.telco.inside) are the same port"
            ),
            (
                "inside: udp://10.0.0.1:5072, servers: [198.51.100.5:5080]",
                "`198.51.100.5` shares addresses with the trunk `telco` (line 9)"
            ),
            (
                "inside: udp://10.0.0.1:5072, servers: [203.0.113.99], networks: [198.51.0.0/16]",
                "`198.51.0.0/16` shares addresses with the trunk `telco` (line 9)"
            ),
            (
                "inside: udp://10.0.0.1:5072, servers: [198.51.100.6], domain: A.example",
                "`a.example` leads to the trunk `telco` (line 9) already"
            ),
            (
                "inside: udp://10.0.0.1:5072, servers: [198.51.100.6], domain: 198.51.100.5",
                "`198.51.100.5` leads to the trunk `telco` (line 9) already"
            ),
        ])
    func twoTrunks(second: String, complaint: String) {
        let first = telco.replacing("5]", with: "5], domain: a.example")
        let told = faults(shortest + first + "  other: {\(second)}\n")
        #expect(told.count == 1, "\(told)")
        #expect(told.first?.hasPrefix("10:") == true && told[0].contains(complaint), "\(told)")
    }

    @Test("networks apart, and one trunk's own that hold one another, are no fault")
    func networks() {
        let text =
            shortest
            + telco.replacing("5]", with: "5], networks: [198.51.100.0/24, 198.51.100.128/25]")
            + "  other: {inside: udp://10.0.0.1:5072, servers: [198.51.101.0],"
            + " networks: [198.51.99.0/24, 198.51.102.0/23]}\n"
        #expect(faults(text) == [])
        // A network far before in the order still holds the other trunk's address.
        let wide = text.replacing("198.51.99.0/24", with: "198.51.0.0/16")
        #expect(faults(wide).count == 1)
        #expect(faults(wide).allSatisfy { $0.contains("shares addresses") })
    }

    @Test("a profile names trunks that are there, and a trunk has one profile")
    func profiles() {
        let text =
            shortest + telco + """
                profiles:
                  a: {trunks: [telko]}
                  b: {trunks: [elsewhere]}
                  c: {trunks: [telco]}
                  d: {trunks: [telco]}

                """
        #expect(
            faults(text) == [
                "11:16: there is no trunk `telko`; did you mean `telco`?",
                "12:16: there is no trunk `elsewhere`: they are telco",
                "14:16: the trunk `telco` is in the profile `c` (line 13) already: it is in one",
            ])
        #expect(
            faults(shortest + "profiles: {a: {trunks: [telco]}}\n")
                == ["8:25: there is no trunk `telco`: `trunks` has none"])
    }

    @Test("there are at most 32 trunks")
    func count() {
        var text = shortest + "trunks:\n"
        for number in 1...32 {
            text +=
                "  t\(number): {inside: udp://10.0.1.\(number), servers: [198.51.100.\(number)]}\n"
        }
        #expect(faults(text) == [])
        text += "  t33: {inside: udp://10.0.1.33, servers: [198.51.100.33]}\n"
        #expect(faults(text) == ["8:1: `trunks` has 33 names: it takes at most 32"])
    }
}
