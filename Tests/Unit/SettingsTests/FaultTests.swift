import Messages
import Settings
import Testing

@Suite struct FaultTests {
    @Test("every fault of a file is told, in the order of its lines")
    func all() {
        let text = """
            domain: [sip.example.com]
            outside: [udp://203.0.113.5:99999, tcq://203.0.113.5]
            inside: udp://10.0.0.1
            inside: [udp://10.0.0.1]
            asterisk:
              server: [10.0.0.10]
            accounts:
              database: ldap:///etc/asterisk
            registration:
              contacts: 99
            """
        #expect(
            faults(text) == [
                "1:1: unknown key `domain`; did you mean `domains`?",
                "2:11: `outside`: `203.0.113.5:99999` is not an IP address with a port from 1 to"
                    + " 65535, such as `203.0.113.5:5060` or `[2001:db8::5]:5060`",
                "2:36: `outside`: unknown transport `tcq`; did you mean `tcp`?",
                "3:1: `inside` is a list, such as `inside: [udp://10.0.0.1:5060]`",
                "4:1: `inside` is given twice, first in line 3: leave one out",
                "6:3: unknown key `server` in `asterisk`; did you mean `servers`?",
                "8:13: `accounts.database`: `ldap` is no source of accounts: this version reads"
                    + " asterisk:///FOLDER, ari://HOST:PORT, ari+https://HOST:PORT, sqlite:///PATH,"
                    + " odbc://DSN and freepbx:///FILE",
                "10:13: `registration.contacts`: 99 is out of range: 1 to 32",
            ])
    }

    @Test("keys given twice are each told where they stand, at every level and in quotes")
    func twice() {
        let text = shortest + "  source: sqlite:///b\n\"domains\": [a]\ndomains: [b]\n"
        #expect(
            faults(text) == [
                "8:3: `source` is given twice, first in line 7: leave one out",
                "9:1: `domains` is given twice, first in line 1: leave one out",
                "10:1: `domains` is given twice, first in line 1: leave one out",
            ])
    }

    @Test("a source by both of its names is told")
    func sources() {
        #expect(
            faults(shortest + "  database: sqlite:///b\n") == [
                "8:3: `accounts.database` is the older name of `accounts.source`, and both are there:"
                    + " leave `accounts.database` out"
            ])
    }

    @Test("what is no name of a table, and no table of Asterisk's, is told")
    func tables() {
        #expect(
            faults(shortest + "  tables: {sippeers: a-b, ps_endpoint: x}\n") == [
                "8:22: `accounts.tables.sippeers`: `a-b` is not the name of a table: 1 to 64 letters,"
                    + " digits, `_` and `.`, such as `sip_buddies`; what begins with `sqlite_` is SQLite's own",
                "8:27: unknown key `ps_endpoint` in `accounts.tables`; did you mean `ps_endpoints`?",
            ])
        #expect(
            faults(shortest + "  tables: sip_buddies\n") == [
                "8:3: `accounts.tables` holds keys of its own, each on a line:"
                    + " `sippeers: sip_buddies`"
            ])
    }

    @Test(
        "SQLite's own tables and names with quotes hold no accounts",
        arguments: ["sqlite_master", "SQLite_Sequence", "'a\"b'", "\"a'b\"", "'`a`'"])
    func noTables(name: String) {
        let told = faults(shortest + "  tables: {ps_auths: \(name)}\n")
        #expect(told.count == 1 && told[0].contains("8:22: `accounts.tables.ps_auths`"), "\(told)")
        #expect(told.first?.contains("such as `sip_buddies`") == true)
    }

    @Test("an empty file is told every key that must be there, and how to write it")
    func empty() {
        let told = faults("# nothing\n")
        #expect(told.count == 5)
        #expect(told[0] == "1:1: `domains` is missing: add `domains: [sip.example.com]`")
        #expect(
            told[3]
                == "1:1: `asterisk.servers` is missing: add `asterisk:` with"
                + " `servers: [10.0.0.10:5060]`")
    }

    @Test("what is no YAML is told with line and column")
    func notYAML() {
        #expect(faults("outside: [\n").count == 1)
        #expect(faults("outside: [\n")[0].contains("not YAML"))
        let tab = faults("accounts:\n\tdatabase: x\n")
        #expect(tab.count == 1)
        #expect(tab[0].hasPrefix("2:1: not YAML"))
        #expect(tab[0].contains("indent with spaces"))
        #expect(faults("- a\n- b\n")[0].contains("`key: value` lines"))
        #expect(faults("a: 1\n--- \nb: 2\n").count == 1)
    }

    @Test("a key of another group is found there")
    func elsewhere() {
        #expect(
            faults(shortest + "database: sqlite:///b\n")
                == ["8:1: unknown key `database`; did you mean `database` under `accounts:`?"])
    }

    @Test(
        "an endpoint is one host's, and needs no link beside it",
        arguments: [
            ("224.0.1.75", "many hosts"), ("255.255.255.255", "many hosts"),
            ("[ff02::1]", "many hosts"), ("[fe80::1]", "one link alone"),
        ])
    func oneHost(_ address: String, _ reason: String) {
        let endpoint = "\"udp://\(address):5060\""
        let told = faults(shortest.replacing("udp://203.0.113.5:5060", with: endpoint))
        #expect(told.count == 1)
        #expect(told[0].hasPrefix("2:11: ") && told[0].contains(reason))
    }

    @Test(
        "what stands behind `as` is an address of the endpoint's family",
        arguments: [
            ("udp://172.31.5.10 as sip.example.com", "is a name, which a later version"),
            ("udp://172.31.5.10 as SIP.example.com:5070", "is a name, which a later version"),
            ("udp://172.31.5.10 as 203.0.113", "is not an IP address"),
            ("udp://172.31.5.10 as 203.0.113.5:0", "port 0"),
            ("udp://172.31.5.10 as 203.0.113.5:70000", "is not an IP address"),
            ("udp://172.31.5.10 as 0.0.0.0", "stands for every address"),
            ("udp://172.31.5.10 as 224.0.1.75", "many hosts"),
            ("udp://172.31.5.10 as 2001:db8::5", "is not of the family"),
            ("udp://172.31.5.10 as [2001:db8::5]", "is not of the family"),
            ("udp://[fd00::5] as 203.0.113.5", "is not of the family"),
            ("udp://172.31.5.10 as", "is not an endpoint"),
            ("udp://172.31.5.10 ass 203.0.113.5", "is not an endpoint"),
            ("udp://172.31.5.10 as 203.0.113.5 5060", "is not an endpoint"),
            ("udp://172.31.5.10 as udp://203.0.113.5", "is not an IP address"),
        ])
    func advertised(_ endpoint: String, _ reason: String) {
        let told = faults(shortest.replacing("udp://203.0.113.5:5060", with: "\"\(endpoint)\""))
            .filter { !$0.contains("has no udp://") }
        #expect(told.count == 1, "\(told)")
        #expect(told[0].hasPrefix("2:11: ") && told[0].contains(reason), "\(told)")
    }

    @Test("one endpoint has one address behind `as`, and the edge calls none of its addresses")
    func faces() {
        func told(_ outside: String, server: String = "10.0.0.10:5060") -> [String] {
            faults(
                shortest.replacing("udp://203.0.113.5:5060", with: outside)
                    .replacing("10.0.0.10:5060", with: server))
        }
        let one = "udp://172.31.5.10 as 203.0.113.5"
        #expect(told(one) == [])
        #expect(told("\(one), udp://172.31.5.10:5060 as 203.0.113.5:5060")[0].contains("twice"))
        #expect(told("\(one), udp://172.31.5.10 as 203.0.113.6")[0].contains("are the same port"))
        #expect(told("\(one), udp://172.31.5.10")[0].contains("are the same port"))
        #expect(told(one, server: "203.0.113.5")[0].contains("is an endpoint of the edge itself"))
    }

    @Test("networks without an address behind `as` are a warning")
    func unusedNetworks() {
        let text = shortest + "local-networks: [192.168.1.0/24]\n"
        #expect(faults(text) == [])
        #expect(
            faults(text, warnings: true)
                == ["8:18: `local-networks` is not used: no endpoint of `outside` has an `as`"])
        let behind = text.replacing("203.0.113.5:5060", with: "172.31.5.10 as 203.0.113.5")
        #expect(faults(behind, warnings: true) == [])
    }

    @Test("a key that resembles none is answered with the keys there are")
    func unlike() {
        #expect(
            faults(shortest + "tls:\n  protocols: x\n  certificate: /c\n  key: /k\n")
                == [
                    "9:3: unknown key `protocols` in `tls`; the keys here are certificate, key, certificates"
                ])
    }

    @Test("a tls:// endpoint needs a certificate and its key")
    func certificate() {
        let text = shortest.replacing("udp://203.0.113.5:5060", with: "tls://203.0.113.5")
        let told = faults(text)
        #expect(told.count == 2)
        #expect(told.allSatisfy { $0.hasPrefix("2:11: ") })
        #expect(told[0].contains("`tls.certificate` is missing"))
        #expect(told[0].contains("or leave tls:// out"))
        #expect(told[1].contains("`tls.key` is missing"))
    }

    private static let withTLS =
        shortest.replacing("udp://203.0.113.5:5060", with: "udp://203.0.113.5, tls://203.0.113.5")

    @Test("several certificates are read in their order, each with its key")
    func certificates() {
        let text =
            Self.withTLS
            + "tls:\n  certificates:\n    - {key: /k1, certificate: /c1}\n    - certificate: /c2\n      key: /k2\n"
        #expect(faults(text, warnings: true) == [])
        let paths = CertificatePaths.of(
            SettingsFile(Array(text.utf8)).settings.compactMap(\.told.terminator))
        #expect(paths.map(\.certificate) == ["/c1", "/c2"] && paths.map(\.key) == ["/k1", "/k2"])
        let short = Self.withTLS + "tls: {certificate: /c, key: /k}\n"
        let single = SettingsFile(Array(short.utf8)).settings.compactMap(\.told.terminator)
        #expect(CertificatePaths.of(single).map(\.key) == ["/k"])
    }

    @Test(
        "what is wrong in a list of certificates is told at its place",
        arguments: [
            (["{certificate: /c}"], "10:7: `tls.certificates[1].key` is missing: add `key: "),
            (
                ["{certificate: /c, key: /k}", "{key: k2, certificate: /d}"],
                "11:13: `tls.certificates[2].key`: `k2` is not an absolute path"
            ),
            (
                ["{certificate: /c, kye: /k}"],
                "10:25: unknown key `kye` in `tls.certificates[1]`; did you mean `key`?"
            ),
            (
                ["/c"],
                "10:7: a certificate of `tls.certificates` holds keys of its own: `- {certificate: "
            ),
            (
                ["{certificate: /c, key: /k}", "{certificate: /c, key: /j}"],
                "11:21: `/c` is given twice, first in line 10: leave one out"
            ),
            (
                ["{certificate: [/c], key: /k}"],
                "10:8: `tls.certificates[1].certificate` is one value"
            ),
            (
                [],
                "9:3: `tls.certificates` is a list, each item with keys of its own: `- {certificate: "
            ),
        ])
    func badCertificates(_ items: [String], _ expected: String) {
        let lines = items.map { "    - \($0)\n" }.joined()
        let told = faults(Self.withTLS + "tls:\n  certificates:\n" + lines)
        #expect(told.count == 1 && told.first?.hasPrefix(expected) == true, "\(told)")
    }

    @Test("the list has 1 to 32 items, and no certificate stands beside it")
    func certificateForms() {
        func list(_ count: Int) -> String {
            let items = (0..<count).map { "{certificate: /c\($0), key: /k}" }
            return "certificates: [\(items.joined(separator: ", "))]"
        }
        #expect(faults(Self.withTLS + "tls: {\(list(32))}\n") == [])
        for count in [0, 33] {
            let told = faults(Self.withTLS + "tls: {\(list(count))}\n")
            #expect(told.count == 1 && told[0].contains("has \(count) items: it takes 1 to 32"))
        }
        let both = faults(Self.withTLS + "tls: {certificate: /c, key: /k, \(list(1))}\n")
        #expect(both.count == 2)
        #expect(
            both[0].hasPrefix(
                "8:7: `tls.certificate` stands beside `tls.certificates`: take it out"))
        #expect(both[1].hasPrefix("8:24: `tls.key` stands beside `tls.certificates`: take it out"))
    }

    @Test("a certificate that no endpoint uses is a warning")
    func unused() {
        let text = shortest + "tls: {certificate: /c, key: /k}\n"
        #expect(faults(text) == [])
        #expect(
            faults(text, warnings: true)
                == ["8:1: `tls` is not used: `outside` has no tls:// endpoint"])
    }

    @Test(
        "endpoints that cannot work together are told",
        arguments: [
            ("inside: [tls://10.0.0.1]", "tls is for outside"),
            ("inside: [udp://203.0.113.5:5060]", "are the same port"),
            ("inside: [tcp://10.0.0.1]", "has no udp:// endpoint of IPv4"),
            (
                "inside: [\"udp://[2001:db8::1]:5060\"]",
                "to reach `10.0.0.10:5060` from: add one with an IPv4 address of this machine, as in"
                    + " `udp://10.0.0.1`"
            ),
            ("inside: [\"udp://[2001:db8::1]\"]", "has no udp:// endpoint of IPv4"),
            ("inside: [udp://10.0.0.10:5060]", "is an endpoint of the edge itself"),
            ("inside: [udp://10.0.0.1, udp://10.0.0.1:5060]", "is given twice"),
            ("inside: [udp://0.0.0.0]", "(line 2, outside) are the same port"),
            ("inside: [udp://0.0.0.0:5061, \"udp://[::]:5061\", udp://10.0.0.1:5061]", "same port"),
            ("inside: [udp://224.0.0.1]", "is the address of many hosts"),
            ("inside: [udp://10.0.0.1:0]", "port 0"),
            ("inside: [10.0.0.1]", "lacks its transport"),
            ("inside: []", "has 0 items: it takes 1 to 8"),
            ("inside: [~]", "is one value"),
            ("inside:", "is a list"),
        ])
    func endpoints(line: String, complaint: String) {
        let told = faults(shortest.replacing("inside: [udp://10.0.0.1:5060]", with: line))
        #expect(told.count == 1)
        #expect(told.first?.contains(complaint) == true)
    }

    @Test("Asterisks of both families need an inside endpoint of each, and no more")
    func families() {
        let mixed = shortest.replacing(
            "servers: [", with: "servers: [\"[2001:db8::10]:5060\", ")
        let told = faults(mixed)
        #expect(told.count == 1)
        #expect(
            told[0].hasSuffix(
                "`inside` has no udp:// endpoint of IPv6 to reach `[2001:db8::10]:5060` from: add one with"
                    + " an IPv6 address of this machine, as in `udp://[2001:db8::1]`"))
        let both = mixed.replacing("inside: [", with: "inside: [\"udp://[2001:db8::1]\", ")
        #expect(faults(both) == [])
    }

    @Test("the same port over UDP and TCP is two endpoints, over TCP and TLS one")
    func ports() {
        let both = shortest.replacing(
            "outside: [", with: "outside: [tcp://203.0.113.5:5060, ")
        #expect(faults(both) == [])
        let clash = both.replacing("outside: [", with: "outside: [tls://203.0.113.5:5060, ")
        let told = faults(clash + "tls: {certificate: /c, key: /k}\n")
        #expect(told.count == 1)
        #expect(told[0].contains("are the same port"))
    }

    @Test(
        "values out of bounds are told with the bounds",
        arguments: [
            ("defence: {failures: 0}", "0 is out of range: 1 to 1000"),
            ("defence: {failures: many}", "`many` is not a whole number"),
            ("defence: {failures: [5]}", "is one value"),
            ("defence: {window: 30}", "`30` is not a duration, such as `30s`"),
            ("defence: {window: 0s}", "0s is out of range: 1s to 1d"),
            ("defence: {window: 25h}", "25h is out of range: 1s to 1d"),
            ("defence: {ban: 366d}", "366d is out of range: 1s to 365d"),
            ("defence: {ban: 9999999999d}", "is not a duration"),
            ("defence: {allow: [10.0.0.0/33]}", "is not a network"),
            ("defence: {allow: [10.0.0.0/8, 10.1.0.0/8]}", "is given twice"),
            ("registration: {minimum: 29s}", "29s is out of range: 30s to 1d"),
            ("registration: {minimum: 2h}", "is longer than `registration.maximum` (1h)"),
            ("registration: {minimum: 2h, maximum: 90m}", "`registration.maximum` (90m)"),
            ("registration: {maximum: 8d}", "8d is out of range: 1m to 7d"),
            ("registration: 5", "`registration` holds keys of its own"),
            ("tls: {certificate: c.pem, key: /k}", "is not an absolute path"),
            ("? [a, b]\n: c", "a key is one word"),
        ])
    func bounds(line: String, complaint: String) {
        let told = faults(shortest + line + "\n")
        #expect(told.count == 1)
        #expect(told.first?.contains(complaint) == true)
    }

    @Test(
        "sources that cannot be read are told why",
        arguments: [
            ("odbc://", "names no DSN"), ("odbc://a;UID=root", "names no DSN"),
            ("odbc:// a", "names no DSN"),
            ("odbc://\(String(repeating: "a", count: 33))", "names no DSN"),
            ("ari://", "names no Asterisk"), ("ari://10.0.0.1:0", "names no Asterisk"),
            ("ari://10.0.0.1:8088/ari", "names no Asterisk"),
            ("ari://root:p4ssw0rd@10.0.0.1", "names no Asterisk"),
            ("ari://10.0.0.1,10.0.0.1:8088", "names no Asterisk"),
            ("ari://10.0.0.1,", "names no Asterisk"), ("ari+https://0.0.0.0", "names no Asterisk"),
            ("ari://1.2.3", "names no Asterisk"), ("ari://a_b", "names no Asterisk"),
            ("mysql://db", "is no source"),
            ("/var/lib/a.sqlite3", "is no source"), ("sqlite://a.db", "three slashes"),
            ("sqlite:///", "three slashes"), ("asterisk://etc", "three slashes"),
        ])
    func databases(url: String, complaint: String) {
        let told = faults(
            shortest.replacing("sqlite:///var/lib/asterisk/realtime.sqlite3", with: url))
        #expect(told.count == 1)
        #expect(told.first?.contains(complaint) == true)
    }

    @Test("a password in the URL of a source that cannot be read is told nobody")
    func secretURL() {
        let url = "mysql://root:p4ssw0rd@h/db"
        let told = faults(
            shortest.replacing("sqlite:///var/lib/asterisk/realtime.sqlite3", with: url))
        #expect(told.count == 1 && told.first?.contains("`mysql` is no source") == true)
        #expect(told.first?.contains("p4ss") == false)
    }

    @Test(
        "what is no domain is refused",
        arguments: [
            "-a.example", "a..b", "a_b", "sip:x", "300.1.1.1", "1.2.3", "a.example.",
            "\"[::1\"", "\"[10.0.0.1]\"", "\"\"",
        ])
    func domains(name: String) {
        #expect(faults(shortest.replacing("[sip.example.com]", with: "[\(name)]")).count == 1)
    }
}
