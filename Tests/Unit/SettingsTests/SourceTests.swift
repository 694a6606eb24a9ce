import Messages
import Settings
import Testing

/// `accounts.source` and the keys beside it, as far as the settings can tell without the source.
@Suite struct SourceTests {
    private static let login = "  user: rempart\n  secret-file: /etc/rempart/accounts.secret\n"

    private func text(_ source: String, _ more: String) -> String {
        shortest.replacing("sqlite:///var/lib/asterisk/realtime.sqlite3", with: source) + more
    }

    @Test(
        "a key that the source has no use for is told",
        arguments: [
            ("sqlite:///a", "a SQLite file", ["ami", "user", "secret-file"]),
            ("odbc://a", "a DSN", ["ami"]),
            ("asterisk:///a", "Asterisk's files", ["tables", "ami"]),
            ("freepbx:///a", "FreePBX's file", ["tables", "ami"]),
            ("ari://10.0.0.10:8088", "Asterisk itself", ["tables"]),
            ("ari+https://10.0.0.10:8089", "Asterisk itself", ["tables"]),
        ])
    func unused(_ source: String, _ what: String, _ keys: [String]) {
        let lines = [
            "tables": "tables: {ps_aors: a}", "ami": "ami: 10.0.0.10", "user": "user: rempart",
            "secret-file": "secret-file: /a",
        ]
        let needed = source.hasPrefix("ari") ? Self.login : ""
        for (key, line) in lines where !needed.contains("\(key):") {
            let told = SettingsFile(Array(text(source, needed + "  \(line)\n").utf8)).diagnostics
            let expected =
                keys.contains(key)
                ? ["`accounts.\(key)` is not used: `accounts.source` names \(what)"] : []
            #expect(told.map(\.message) == expected, "\(source) \(key)")
            #expect(told.allSatisfy { $0.severity == .warning })
        }
    }

    @Test(
        "Asterisk itself is not asked without a login, nor for chan_sip without its manager interface"
    )
    func needed() {
        let told = faults(text("ari://10.0.0.10:8088", ""))
        let words = "`accounts.source` names Asterisk itself, which takes a login: add"
        #expect(
            told == [
                "7:11: \(words) `accounts.user`, for a user of ari.conf",
                "7:11: \(words) `accounts.secret-file`, for a user of ari.conf",
            ])
        let chanSIP = text("ari+https://10.0.0.10:8089", Self.login + "  schema: chan_sip\n")
        #expect(
            faults(chanSIP) == [
                "10:3: ARI does not tell chan_sip's accounts: add `accounts.ami`, or name another schema"
            ])
        #expect(faults(chanSIP + "  ami: 10.0.0.10\n").isEmpty)
    }
}
