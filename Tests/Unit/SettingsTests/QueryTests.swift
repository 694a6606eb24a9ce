import Messages
import Settings
import Testing

/// `accounts.query`: what of it the settings can tell without the database.
@Suite struct QueryTests {
    private func told(_ query: String, _ more: String = "") -> [String] {
        faults("\(shortest)  query: \(query)\n\(more)")
    }

    private func query(_ text: String) -> String? {
        let file = SettingsFile(Array("\(shortest)  query: \(text)\n".utf8))
        let settings = file.settings.compactMap(\.told.accountsReader)
        return settings.lazy.compactMap { setting in
            if case .query(let query) = setting { query } else { nil }
        }.first
    }

    @Test(
        "a SELECT or a WITH in any letters is taken, in one line or several",
        arguments: [
            (
                "SELECT name, secret FROM p WHERE name = ?",
                "SELECT name, secret FROM p WHERE name = ?"
            ),
            ("'  select(?)  '", "select(?)"),
            ("\"With a AS (SELECT 1)\\n\\tSELECT ?\\r\\n\"", "With a AS (SELECT 1)\n\tSELECT ?"),
            ("|\n    SELECT 1  -- one\n    WHERE a = ?\n\n", "SELECT 1  -- one\nWHERE a = ?"),
            (">-\n    SELECT 1\n    WHERE a = ?\n", "SELECT 1 WHERE a = ?"),
        ])
    func good(text: String, query: String) {
        #expect(told(text).isEmpty)
        #expect(self.query(text) == query)
    }

    @Test(
        "what is no statement with one parameter that reads is told",
        arguments: [
            ("UPDATE p SET a = ?", "a query begins with SELECT or WITH"),
            ("SELECTED ?", "a query begins with SELECT or WITH"),
            ("'/* x */ SELECT ?'", "a query begins with SELECT or WITH"),
            ("'(SELECT ?)'", "a query begins with SELECT or WITH"),
            ("SELECT ?;", "a query is one statement: leave out `;`, also at its end and in quotes"),
            (
                "\"SELECT ? ;\\u0301\"",
                "a query is one statement: leave out `;`, also at its end and in quotes"
            ),
            (
                "SELECT name FROM p",
                "a query has one `?`, which stands for the account's name, and this one has 0: one in quotes counts too"
            ),
            (
                "SELECT name FROM p WHERE a = ? AND b = '?'",
                "a query has one `?`, which stands for the account's name, and this one has 2: one in quotes counts too"
            ),
            ("\"SELECT ?\\0\"", "control characters other than line ends are not allowed here"),
            (
                "\"SELECT ?\\u0085 \\e[2J\"",
                "control characters other than line ends are not allowed here"
            ),
        ])
    func refused(text: String, why: String) {
        #expect(told(text) == ["8:10: `accounts.query`: \(why)"])
    }

    @Test("4096 bytes are as many as it may have")
    func length() {
        let head = "SELECT '"
        let tail = "' WHERE a = ?"
        func filled(_ length: Int) -> String {
            head + String(repeating: "x", count: length - head.utf8.count - tail.utf8.count) + tail
        }
        #expect(told(filled(4096)).isEmpty)
        #expect(told(filled(4097)) == ["8:10: `accounts.query`: longer than 4096 bytes"])
    }

    @Test("it stands in place of accounts.schema and accounts.tables")
    func beside() {
        let told = told(
            "SELECT name, secret FROM p WHERE name = ?", "  schema: pjsip\n  tables: {ps_aors: a}\n"
        )
        let rest =
            "stands beside `accounts.query`, which says itself where the accounts are: leave one of them out"
        #expect(told == ["9:3: `accounts.schema` \(rest)", "10:3: `accounts.tables` \(rest)"])
    }

    @Test("Asterisk, its files and FreePBX's have no query, and a database server has one")
    func sources() {
        func told(_ source: String) -> [String] {
            faults(
                shortest.replacing("sqlite:///var/lib/asterisk/realtime.sqlite3", with: source)
                    + "  query: SELECT name, secret FROM p WHERE name = ?\n  user: a\n  secret-file: /b\n"
            )
        }
        #expect(told("odbc://ombutel").isEmpty)
        for (source, what) in [
            ("asterisk:///etc/asterisk", "Asterisk's files"),
            ("freepbx:///etc/freepbx.conf", "FreePBX's file"),
            ("ari://10.0.0.10:8088", "Asterisk itself"),
            ("ari+https://pbx.example.com:8089", "Asterisk itself"),
        ] {
            #expect(
                told(source) == [
                    "8:3: `accounts.query` is asked of a database, and `accounts.source` names \(what): name"
                        + " sqlite:///PATH or odbc://DSN there, or leave the query out"
                ])
        }
    }
}
