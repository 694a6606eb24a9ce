import Messages
import Settings
import Sys
import Testing

@Suite struct SettingsFileTests {
    /// The settings without the defaults of the defence and of calls, which are many and have tests of
    /// their own.
    private func withoutDefence(_ settings: [Setting]) -> [Setting] {
        settings.filter { setting in
            switch setting.told.router {
            case .limit, .replies, .calls: false
            default: setting.path != "defence.growth"
            }
        }
    }

    @Test("every detector has its limit among the defaults, and a profile's lines carry its name")
    func profiles() throws {
        let file = SettingsFile(
            Array(
                (shortest + """
                    limits: {names-swept: 7 in 2h}
                    profiles:
                      office: {networks: [192.0.2.0/24], methods: [register, INVITE]}
                      world: {answer: silence}
                    """).utf8))
        #expect(file.diagnostics == [])
        let network = try #require(Network("192.0.2.0/24"))
        let rows = Setting.profiles
        for wanted: Setting in [
            .limit(.namesSwept)(Limit(7, in: .seconds(7200))),
            .limit(.malformed)(Detector.malformed.standard), rows.networks(network, of: "office"),
            rows.methods("REGISTER", of: "office"), rows.methods("INVITE", of: "office"),
            rows.answer(.silence, of: "world"),
        ] {
            #expect(file.settings.contains(wanted), "\(wanted)")
            let frame = wanted.encoded()
            #expect(try Setting(decoding: frame.span) == wanted)
        }
    }

    @Test("the shortest right file gives its settings, then every default")
    func defaults() throws {
        let file = SettingsFile(Array(shortest.utf8))
        #expect(file.diagnostics == [])
        let outside = try #require(SocketAddress("203.0.113.5:5060"))
        let inside = try #require(SocketAddress("10.0.0.1:5060"))
        let server = try #require(SocketAddress("10.0.0.10:5060"))
        #expect(
            withoutDefence(file.settings) == [
                .sides.domains("sip.example.com"),
                .sides.outside(OutsideEndpoint(Endpoint(.udp, outside))),
                .sides.inside(Endpoint(.udp, inside)), .sides.asterisks(server),
                .accounts.source("sqlite:///var/lib/asterisk/realtime.sqlite3"),
                .accounts.schema(.automatic), .accounts.accessOrder(.asAsterisk),
                .accounts.realm("asterisk"),
                .accounts.algorithms(.md5),
                .accounts.requests(50), .accounts.stale(.seconds(86_400)),
                .tables.sippeers("sippeers"),
                .tables.endpoints("ps_endpoints"), .tables.auths("ps_auths"),
                .tables.aors("ps_aors"), .tables.accessLists("acls"), .defence.mode(.enforce),
                .defence.failures(5),
                .defence.window(.seconds(30)),
                .defence.ban(.seconds(300)),
                .defence.packets(400), .defence.connections(20), .defence.cleanup(false),
                .registration.minimum(.seconds(60)),
                .registration.maximum(.seconds(3600)),
                .registration.contacts(10),
            ])
        #expect(
            file.summary == "1 domain, 1 outside endpoint, 1 inside endpoint, 1 Asterisk")
    }

    @Test("values that are given replace the defaults, in the order of the text")
    func given() throws {
        let text =
            shortest + """
                  realm: pbx.example
                  schema: pjsip
                defence: {failures: 3, window: 1m, ban: 1d, allow: [192.0.2.7/24, "2001:db8::1"]}
                registration:
                  minimum: 2m
                  maximum: 7d
                  contacts: 1
                """
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        let first = try #require(Network("192.0.2.0/24"))
        let second = try #require(Network("2001:db8::1/128"))
        #expect(
            Array(withoutDefence(file.settings).dropFirst(5)) == [
                .accounts.realm("pbx.example"), .accounts.schema(.pjsip), .defence.failures(3),
                .defence.window(.seconds(60)),
                .defence.ban(.seconds(86_400)), .defence.allow(first), .defence.allow(second),
                .registration.minimum(.seconds(120)), .registration.maximum(.seconds(604_800)),
                .registration.contacts(1),
                .accounts.accessOrder(.asAsterisk), .accounts.algorithms(.md5),
                .accounts.requests(50), .accounts.stale(.seconds(86_400)),
                .tables.sippeers("sippeers"),
                .tables.endpoints("ps_endpoints"), .tables.auths("ps_auths"),
                .tables.aors("ps_aors"), .tables.accessLists("acls"), .defence.mode(.enforce),
                .defence.packets(400),
                .defence.connections(20),
                .defence.cleanup(false),
            ])
    }

    @Test("accounts.database is the older name of accounts.source, without a word about it")
    func olderName() throws {
        let file = SettingsFile(Array(shortest.replacing("source:", with: "database:").utf8))
        #expect(file.diagnostics == [])
        let older = Setting.accounts.database("sqlite:///var/lib/asterisk/realtime.sqlite3")
        #expect(file.settings.contains(older))
        let newer = Setting.accounts.source("sqlite:///var/lib/asterisk/realtime.sqlite3")
        #expect(older.told == newer.told)
    }

    @Test("tables of other names are read in a group of their own")
    func tables() throws {
        let text = shortest + "  tables: {sippeers: sip_buddies, ps_auths: pbx.auths}\n"
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        #expect(file.settings.contains(.tables.sippeers("sip_buddies")))
        #expect(file.settings.contains(.tables.auths("pbx.auths")))
        #expect(file.settings.contains(.tables.aors("ps_aors")))
    }

    @Test("what may be called is read in every form that it has")
    func calls() throws {
        let text =
            shortest + """
                calls:
                  at-once: 5
                  home: [FR, MC]
                  never: ["+881", 0899, KP]
                  prefixes: [+, 00]
                  outside-line: 0
                  hours: [mon-fri 07:00-20:00, Sat-mon 00:00-24:00, wed 12:30-12:31]
                  new-country: 0s
                  trip-never: 3 in 1h
                """
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        let rules = file.settings.compactMap { setting in
            if case .calls(let rule) = setting.told.router { rule } else { nil }
        }
        #expect(
            rules.prefix(12) == [
                .atOnce(5), .home("FR"), .home("MC"), .never("+881"), .never("0899"), .never("KP"),
                .prefix("+"), .prefix("00"), .outsideLine("0"),
                .hours(OpenHours(days: 0b001_1111, from: 420, to: 1200)),
                .hours(OpenHours(days: 0b110_0001, from: 0, to: 1440)),
                .hours(OpenHours(days: 0b000_0100, from: 750, to: 751)),
            ])
        #expect(rules.contains(.newCountry(.seconds(0))))
        #expect(rules.contains(.tripNever(Limit(3, in: .seconds(3600)))))
    }

    @Test(
        "what is no such form is told with what would be right",
        arguments: [
            ("hours: [mon 7-8]", "`7-8` is not from one time to a later one: `07:00-20:00`"),
            ("hours: [mon 08:00-07:00]", "`08:00-07:00` is not from one time to a later one"),
            ("hours: [day 07:00-08:00]", "is not days and hours, such as `mon-fri 07:00-20:00`"),
            ("never: [+]", "`` is not 1 to 15 digits"), ("never: [france]", "not a country code"),
            ("prefixes: [0x]", "`0x` is not 1 to 8 digits"),
            ("trip-abroad: 41 in 1h", "41 is out of range: 1 to 40"),
            ("emergency: [9]", "`9` is not 2 to 8 digits"),
        ])
    func wrongCalls(_ line: String, _ told: String) {
        let all = faults(shortest + "calls:\n  \(line)\n")
        #expect(all.count == 1 && all.allSatisfy { $0.contains(told) }, "\(all)")
    }

    @Test("an endpoint without a port gets SIP's own, with a name its lower case")
    func ports() throws {
        let text = """
            domains: [SIP.Example.COM, 198.51.100.7, "[2001:DB8::7]"]
            outside: ["udp://[2001:db8::5]", tls://203.0.113.5, tcp://203.0.113.5]
            inside: [udp://10.0.0.1]
            asterisk: {servers: [10.0.0.10]}
            accounts: {database: sqlite:///a}
            tls: {certificate: /c, key: /k}
            """
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        #expect(file.settings.contains(.sides.domains("sip.example.com")))
        #expect(file.settings.contains(.sides.domains("198.51.100.7")))
        #expect(file.settings.contains(.sides.domains("[2001:db8::7]")))
        let endpoints = file.settings.compactMap { setting in
            if case .outside(let endpoint, _) = setting.told.router {
                endpoint.description
            } else {
                nil
            }
        }
        #expect(
            endpoints == [
                "udp://[2001:db8::5]:5060", "tls://203.0.113.5:5061", "tcp://203.0.113.5:5060",
            ])
    }

    @Test("an endpoint behind NAT has the port that it is bound to, unless `as` names another")
    func advertised() throws {
        let text = """
            domains: [sip.example.com]
            outside:
              - udp://172.31.5.10:5060 as 203.0.113.5
              - tcp://172.31.5.10   as   203.0.113.5:5070
              - tls://172.31.5.10 as 203.0.113.5
              - udp://[fd00::5]:5080 as [2001:db8::5]:5070
              - udp://[fd00::5] as [2001:db8::5]
            local-networks: [192.168.1.7/24, "fd00::/8"]
            inside: [udp://10.0.0.1]
            asterisk: {servers: [10.0.0.10]}
            accounts: {database: sqlite:///a}
            tls: {certificate: /c, key: /k}
            """
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        let listeners = Listener.numbered(file.settings.compactMap(\.told.router)).filter {
            $0.side == .outside
        }
        #expect(
            listeners.map { "\($0.endpoint) as \($0.advertised.map { "\($0)" } ?? "")" } == [
                "udp://172.31.5.10:5060 as 203.0.113.5:5060",
                "tcp://172.31.5.10:5060 as 203.0.113.5:5070",
                "tls://172.31.5.10:5061 as 203.0.113.5:5061",
                "udp://[fd00::5]:5080 as [2001:db8::5]:5070",
                "udp://[fd00::5]:5060 as [2001:db8::5]:5060",
            ])
        for text in ["192.168.1.0/24", "fd00::/8"] {
            #expect(file.settings.contains(.sides.localNetworks(try #require(Network(text)))))
        }
    }

    @Test("a wrong file gives no settings at all")
    func wrong() {
        let file = SettingsFile(Array((shortest + "colour: red\n").utf8))
        #expect(!file.isGood)
        #expect(file.settings == [])
    }

    @Test("a country is two capital letters")
    func countries() {
        let file = SettingsFile(Array((shortest + "defence:\n  countries: [FR, NO]\n").utf8))
        #expect(file.diagnostics.isEmpty)
        #expect(
            file.settings.contains(.defence.countries("FR"))
                && file.settings.contains(.defence.countries("NO")))
        #expect(
            faults(shortest + "defence:\n  countries: [fr]\n")
                == [
                    "9:15: `defence.countries`: `fr` is not a country code: two capital letters,"
                        + " such as `FR`"
                ])
    }

    @Test(
        "a code that no country has is refused wherever countries are named, with the one that is meant",
        arguments: [
            "defence:\n  countries: [FR, UK]", "calls:\n  home: [UK]",
            "calls:\n  allowed: [FR, UK]",
            "calls:\n  never: [+881, UK]", "profiles:\n  shop:\n    countries: [UK]",
        ])
    func unknownCountry(_ text: String) {
        let all = faults(shortest + text + "\n")
        #expect(all.count == 1)
        #expect(
            all.first?.hasSuffix("no country has the code `UK`; did you mean `GB`?") == true,
            "\(all)")
        #expect(faults(shortest + text.replacing("UK", with: "GB") + "\n") == [])
        let unlike = faults(shortest + text.replacing("UK", with: "ZZ") + "\n")
        #expect(unlike.first?.contains("no country has the code `ZZ`; the codes are") == true)
    }

    @Test("a byte order mark before the first key is no part of it, and moves no place")
    func byteOrderMark() {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let file = SettingsFile(mark + Array(shortest.utf8))
        #expect(file.isGood && file.settings == SettingsFile(Array(shortest.utf8)).settings)
        let wrong = SettingsFile(mark + Array(("colour: red\n" + shortest).utf8))
        #expect(wrong.diagnostics.map(\.position) == [Position(line: 1, column: 1)])
        // In another place it is a fault as before.
        #expect(!SettingsFile(mark + mark + Array(shortest.utf8)).isGood)
    }

    @Test("a frame of every setting is accepted by its reader")
    func frames() throws {
        let text =
            shortest
            + "  realm: x\ndefence: {allow: [10.0.0.0/8]}\ntls: {certificate: /c, key: /k}\n"
        for setting in SettingsFile(Array(text.utf8)).settings {
            let frame = setting.encoded()
            #expect(try Setting(decoding: frame.span) == setting)
        }
    }

    @Test("what is not UTF-8 is told with its place")
    func encoding() {
        let file = SettingsFile(Array("domains: [a]\nx: ".utf8) + [0xFF, 0x0A])
        #expect(file.diagnostics.map(\.message) == ["not UTF-8 text"])
        #expect(file.diagnostics[0].position == Position(line: 2, column: 4))
    }

    @Test("a file of more than 1 MiB is refused unread")
    func length() {
        let file = SettingsFile([UInt8](repeating: 0x23, count: SettingsFile.maximumLength + 1))
        #expect(!file.isGood)
    }
}
