internal import Messages
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

@Suite("QueryTable")
struct QueryTableTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let byName =
        "SELECT name, login AS auth_user, secret, md5 AS HA1_MD5, sha AS ha1_sha256, most AS max_contacts,"
        + " deny, permit FROM phones WHERE name = ?"

    /// A table of no Asterisk, with these rows: name, login, secret, md5, sha, most, deny, permit.
    private func phones(_ rows: String...) -> String {
        "CREATE TABLE phones (name TEXT COLLATE NOCASE, login, secret, md5, sha, most, deny, permit);"
            + rows.map { "INSERT INTO phones VALUES (\($0));" }.joined()
    }

    private func table(
        _ query: String = Self.byName, of sql: String, _ order: AccessOrder = .asAsterisk
    ) throws -> QueryTable {
        let path = try folder.database("accounts.sqlite", sql)
        let database = SQLiteRealtime(try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        return try QueryTable(query, AccessRules(order: order), in: database)
    }

    private func read(
        _ name: String, _ table: QueryTable, realm: String = "asterisk", _ steps: TraceSteps? = nil
    ) throws -> ReadAccount {
        try table.lookUp(
            LookUp(account: name, realm: realm, ownRealm: "asterisk", domains: [], steps: steps))
    }

    private func found(
        _ name: String, _ table: QueryTable, realm: String = "asterisk"
    ) throws -> Account? {
        if case .found(let account) = try read(name, table, realm: realm).answer {
            account
        } else {
            nil
        }
    }

    /// Why a query cannot serve.
    private func fault(_ query: String, of sql: String) throws -> String {
        let error = #expect(throws: AccountTablesError.self) { try table(query, of: sql) }
        return error?.description ?? ""
    }

    // MARK: Accounts

    @Test(
        "an account is its row: user, secret, contacts; what is NULL or left out is as if it were not there"
    )
    func account() throws {
        let table = try table(
            of: phones(
                "'1001', 'ph1', 'one', NULL, '', NULL, NULL, NULL",
                "'1002', NULL, 'two', '', NULL, 0, '', ''",
                "'1003', '', 'three', NULL, NULL, 2, NULL, NULL"
            ))
        let first = try #require(try found("1001", table))
        #expect(first.authUser == "ph1" && first.aor == "1001" && first.mayRegister)
        #expect(first.ha1MD5 == HA1.md5(user: "ph1", realm: "asterisk", secret: Array("one".utf8)))
        #expect(
            first.ha1SHA256 == HA1.sha256(user: "ph1", realm: "asterisk", secret: Array("one".utf8))
        )
        #expect(first.access == AccessList())
        let second = try #require(try found("1002", table))
        #expect(second.authUser == "1002" && !second.mayRegister)
        #expect(try found("1003", table)?.mayRegister == true)
        let none = try read("1004", table)
        #expect(none.answer == .unknown && none.why == .noRow && none.source == "accounts.query")
    }

    @Test("two columns are enough")
    func shortest() throws {
        let table = try table(
            "SELECT name, secret FROM phones WHERE name = ?",
            of: phones("'7', 0, 's', 0, 0, 0, 0, 0"))
        let account = try #require(try found("7", table))
        #expect(account.authUser == "7" && account.mayRegister)
    }

    @Test(
        "the digest is over the bytes of the secret",
        arguments: [
            "o'ne", "a\"b", "a:b:c", "a;b", " blanks ", "\ttab\r\n", "pässwörd", "密码", "%_", "\\n",
            String(repeating: "x", count: 4000),
        ])
    func secrets(secret: String) throws {
        let quoted = secret.replacing("'", with: "''")
        let table = try table(of: phones("'1001', NULL, '\(quoted)', NULL, NULL, NULL, NULL, NULL"))
        let expected = HA1.md5(user: "1001", realm: "asterisk", secret: Array(secret.utf8))
        #expect(try found("1001", table)?.ha1MD5 == expected)
    }

    @Test("a secret of bytes that are no text is taken as it is; a number is its digits")
    func bytes() throws {
        let table = try table(
            of: phones(
                "'1001', NULL, X'00FF', NULL, NULL, NULL, NULL, NULL",
                "'1002', NULL, 1234, NULL, NULL, NULL, NULL, NULL"))
        let bytes = HA1.md5(user: "1001", realm: "asterisk", secret: [0, 0xFF])
        #expect(try found("1001", table)?.ha1MD5 == bytes)
        let digits = HA1.md5(user: "1002", realm: "asterisk", secret: Array("1234".utf8))
        #expect(try found("1002", table)?.ha1MD5 == digits)
    }

    private static let md5 = "00112233445566778899aAbBcCdDeEfF"
    private static let sha256 = md5 + md5

    @Test("a hash is for the realm of the settings, and wins over a secret")
    func hashes() throws {
        let table = try table(
            of: phones(
                "'1001', NULL, 'old', '\(Self.md5)', NULL, NULL, NULL, NULL",
                "'1002', NULL, NULL, NULL, '\(Self.sha256)', NULL, NULL, NULL"))
        let first = try #require(try found("1001", table))
        #expect(hex(first.ha1MD5) == Self.md5.lowercased() && first.ha1SHA256.isEmpty)
        let second = try #require(try found("1002", table))
        #expect(second.ha1MD5.isEmpty && hex(second.ha1SHA256) == Self.sha256.lowercased())
        let other = try read("1001", table, realm: "elsewhere")
        #expect(other.why == .realmBound)
        #expect(try found("1001", table, realm: "elsewhere")?.ha1MD5 == [])
    }

    @Test(
        "what is no hash is nobody's, whatever stands beside it",
        arguments: [
            "'good', 'no hash', NULL", "'good', '\(md5)00', NULL", "NULL, NULL, '\(md5)'",
            "NULL, '\(md5)', 'zz'", "NULL, ' \(md5)', NULL",
        ])
    func brokenHash(values: String) throws {
        let table = try table(of: phones("'1001', NULL, \(values), NULL, NULL, NULL"))
        let read = try read("1001", table)
        #expect(read.answer == .unknown && read.why == .brokenHash)
    }

    @Test("an empty secret is nobody's", arguments: ["NULL", "''", "X''"])
    func noSecret(secret: String) throws {
        let table = try table(of: phones("'1001', NULL, \(secret), NULL, '', NULL, NULL, NULL"))
        let read = try read("1001", table)
        #expect(read.answer == .unknown && read.why == .noSecret)
    }

    @Test(
        "a number of contacts that is none registers nobody",
        arguments: [
            ("1", true), ("'5'", true), ("0", false), ("-1", false), ("'none'", false),
            ("''", true),
        ])
    func contacts(value: String, may: Bool) throws {
        let table = try table(of: phones("'1001', NULL, 's', NULL, NULL, \(value), NULL, NULL"))
        #expect(try found("1001", table)?.mayRegister == may)
    }

    // MARK: Names

    @Test("a row is taken for its own name alone, byte by byte, whatever the database thinks")
    func exactName() throws {
        let table = try table(of: phones("'anna', NULL, 's', NULL, NULL, NULL, NULL, NULL"))
        #expect(try found("anna", table) != nil)
        for name in [
            "Anna", "ANNA", "anna ", "ann", "anna\u{0}", "\u{0}", "ånna", "", "%", "' OR '1'='1",
        ] {
            #expect(try read(name, table).why == .noRow, "\(name)")
        }
        let numbers = try self.table(
            "SELECT n AS name, secret FROM numbers WHERE n = ?",
            of: "CREATE TABLE numbers (n INTEGER, secret); INSERT INTO numbers VALUES (1001, 's')")
        #expect(try found("1001", numbers) != nil)
        #expect(try found("01001", numbers) == nil)
    }

    @Test(
        "a name that no account has is no fault, however it looks",
        arguments: [
            String(repeating: "n", count: 4000), "a\r\nb", "a\u{0}b", "\u{FFFD}\u{FFFD}", "😀", "?",
            "a;b", "-- ", "\\",
        ])
    func strangeNames(name: String) throws {
        let table = try table(of: phones("'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL"))
        #expect(try read(name, table).why == .noRow)
        #expect(try found("1001", table) != nil)
    }

    @Test(
        "of a statement that finds others too the row of the name is taken, and a pattern finds nobody"
    )
    func pattern() throws {
        let table = try table(
            "SELECT name, secret FROM phones WHERE name LIKE ?",
            of: phones(
                "'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL",
                "'1002', NULL, 't', NULL, NULL, NULL, NULL, NULL"))
        #expect(try found("1002", table) != nil)
        #expect(try found("100%", table) == nil && found("%", table) == nil)
    }

    @Test(
        "several rows of one name are no account, and that is said; rows of names that are alike are none of them"
    )
    func severalRows() throws {
        let table = try table(
            of: phones(
                "'1001', NULL, 'one', NULL, NULL, NULL, NULL, NULL",
                "'1001', NULL, 'two', NULL, NULL, NULL, NULL, NULL",
                "'anna', NULL, 'a', NULL, NULL, NULL, NULL, NULL",
                "'Anna', NULL, 'b', NULL, NULL, NULL, NULL, NULL"))
        let steps = TraceSteps()
        let read = try read("1001", table, steps)
        #expect(read.answer == .unknown && read.why == .severalRows)
        #expect(steps.all.map(\.remark) == ["several rows have this name"])
        let expected = HA1.md5(user: "anna", realm: "asterisk", secret: Array("a".utf8))
        #expect(try found("anna", table)?.ha1MD5 == expected)
    }

    // MARK: Access lists

    @Test("deny and permit apply in the order of the result columns, or as accounts.acl-order says")
    func access() throws {
        let sql = phones("'1001', NULL, 's', NULL, NULL, NULL, '0.0.0.0/0', '192.0.2.0/24'")
        let (inside, outside) = (IPAddress("192.0.2.7"), IPAddress("198.51.100.7"))
        func permits(_ query: String, _ order: AccessOrder, _ ip: IPAddress?) throws -> Bool {
            let account = try #require(try found("1001", table(query, of: "", order)))
            let bytes = account.access.bytes
            return AccessList.admits(bytes.span, .source, try #require(ip))
        }
        _ = try folder.database("accounts.sqlite", sql)
        let turned = "SELECT permit, deny, name, secret FROM phones WHERE name = ?"
        #expect(try permits(Self.byName, .asAsterisk, inside))
        #expect(try !permits(Self.byName, .asAsterisk, outside))
        #expect(try !permits(turned, .asAsterisk, inside))
        #expect(try permits(turned, .denyThenPermit, inside))
        #expect(try permits(turned, .ignore, outside))
    }

    @Test(
        "a list that does not parse lets nobody in",
        arguments: ["'10.0.0.0/33', NULL", "NULL, 'pbx.example'"])
    func brokenList(values: String) throws {
        let table = try table(of: phones("'1001', NULL, 's', NULL, NULL, NULL, \(values)"))
        let read = try read("1001", table)
        #expect(read.why == .unreadableAccessList)
        #expect(try found("1001", table)?.access == .nobody)
    }

    // MARK: Statements

    @Test(
        "what a statement lacks, or has too much, is told",
        arguments: [
            ("SELECT secret FROM phones WHERE name = ?", "lacks the result column name"),
            (
                "SELECT name, deny FROM phones WHERE name = ?",
                "lacks a result column secret or ha1_md5"
            ),
            (
                "SELECT name, secret, deny AS denny FROM phones WHERE name = ?",
                "has a result column denny"
            ),
            ("SELECT * FROM phones WHERE name = ?", "has a result column login"),
            (
                "SELECT name, secret, login AS name FROM phones WHERE name = ?",
                "has two result columns name"
            ),
            ("SELECT name, secret FROM phones WHERE name = '?'", "has 0 parameters"),
            ("SELECT name, secret FROM phones WHERE name = ? OR name = :other", "has 2 parameters"),
            ("SELECT name, secret FROM phones WHERE name = ?2", "has 2 parameters"),
            (
                "SELECT name, secret FROM phones WHERE ? <> ''",
                "has a row for a name that nobody has"
            ),
            ("SELECT ? AS name, secret FROM phones", "has a row for a name that nobody has"),
            (
                "SELECT name, secret FROM phone WHERE name = ?",
                "refused by the database: no such table: phone"
            ),
            (
                "SELECT name, secret FROM phones WHERE nam = ?",
                "refused by the database: no such column: nam"
            ),
            (
                "SELECT name, secret FROM phones WHERE = ?",
                "refused by the database: near \"=\": syntax error"
            ),
            (
                "WITH w AS (SELECT 1) DELETE FROM phones WHERE name = ? RETURNING name, secret",
                "writes, and may only read"
            ),
            (
                "SELECT name, secret FROM phones WHERE json(?)",
                "refused by the database: malformed JSON"
            ),
        ])
    func faults(query: String, words: String) throws {
        let told = try fault(query, of: phones("'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL"))
        #expect(told.hasPrefix("accounts.query ") && told.contains(words), "\(told)")
    }

    @Test("a statement of several lines, with comments and a WITH, is one")
    func lines() throws {
        let table = try table(
            """
            WITH ours AS (SELECT * FROM phones WHERE deny IS NULL)  -- those of ours
            SELECT /* all of them */ name, secret
            FROM ours WHERE name = ?
            """, of: phones("'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL"))
        #expect(try found("1001", table) != nil)
    }

    @Test("the steps of a look-up name the query, what its row says, and no secret")
    func trace() throws {
        let table = try table(
            of: phones(
                "'1001', 'ph1', 'one', NULL, NULL, 0, NULL, NULL",
                "'1002', NULL, NULL, 'none', NULL, NULL, NULL, NULL"))
        func remarks(_ name: String) throws -> [String] {
            let steps = TraceSteps()
            _ = try read(name, table, steps)
            #expect(steps.all.map(\.what) == ["accounts.query name=\(name)"])
            return steps.all.map(\.remark)
        }
        let registers = "phones may not register: max_contacts=0"
        #expect(try remarks("1001") == ["username=ph1, a secret; \(registers)"])
        #expect(try remarks("1002") == ["its hash is none"])
        #expect(try remarks("1003") == [""])
    }

    // MARK: The source

    private func source(_ query: String = Self.byName) -> AccountDatabase {
        AccountDatabase(
            AccountSettings([.source("sqlite://\(folder.path)/accounts.sqlite"), .query(query)]))
    }

    private func isFound(_ source: AccountDatabase, _ name: String, _ now: Int64) -> Bool {
        let read = source.lookUp(account: name, realm: "asterisk", now: .seconds(now))
        if case .found = read.answer { return true }
        return false
    }

    @Test(
        "a source with a query is up without a name to list, and a changed row is seen by the next tick"
    )
    func changes() throws {
        try folder.database("accounts.sqlite", phones())
        let source = source()
        source.tick(.seconds(0))
        let place = "sqlite://\(folder.path)/accounts.sqlite"
        #expect(source.drainEvents() == [.source(.up(layout: "query", source: place)), .changed])
        #expect(source.state?.listsAccounts == false && source.lack == nil)
        #expect(source.names(after: "", limit: 9, now: .seconds(0)) == [])
        #expect(!isFound(source, "1001", 0))
        try folder.database(
            "accounts.sqlite", "INSERT INTO phones (name, secret) VALUES ('1001', 'one')")
        source.tick(.seconds(1))
        #expect(source.drainEvents() == [.changed])
        #expect(isFound(source, "1001", 1))
    }

    @Test("a table that has lost what the query names is told, and read again when it has it back")
    func lost() throws {
        try folder.database(
            "accounts.sqlite", phones("'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL"))
        let source = source()
        source.tick(.seconds(0))
        _ = source.drainEvents()
        try folder.database("accounts.sqlite", "ALTER TABLE phones RENAME COLUMN deny TO dany")
        source.tick(.seconds(1))
        guard case .source(.down(let why, _))? = source.drainEvents().first else {
            Issue.record("expected a complaint")
            return
        }
        #expect(why.contains("accounts.query is refused by the database: no such column: deny"))
        #expect(source.lookUp(account: "1001", realm: "asterisk", now: .seconds(1)) == .unavailable)
        try folder.database("accounts.sqlite", "ALTER TABLE phones RENAME COLUMN dany TO deny")
        for second in 2..<14 { source.tick(.seconds(Int64(second))) }
        #expect(isFound(source, "1001", 14))
    }

    @Test("columns that have changed under the statement let nobody in by another's values")
    func shifted() throws {
        try folder.database(
            "accounts.sqlite",
            "CREATE TABLE ours (name, deny, secret); INSERT INTO ours VALUES ('1001', '0.0.0.0/0', 's')"
        )
        let source = source("SELECT * FROM ours WHERE name = ?")
        source.tick(.seconds(0))
        #expect(isFound(source, "1001", 0))
        try folder.database(
            "accounts.sqlite",
            "CREATE TABLE new AS SELECT name, secret, deny FROM ours; DROP TABLE ours;"
                + "ALTER TABLE new RENAME TO ours")
        #expect(source.lookUp(account: "1001", realm: "asterisk", now: .seconds(0)) == .unavailable)
        source.tick(.seconds(2))
        #expect(isFound(source, "1001", 2))
    }

    @Test("a view that fails for a row lets nobody in by it, and is no end of the others")
    func failingView() throws {
        try folder.database(
            "accounts.sqlite",
            phones(
                "'1001', NULL, 's', NULL, NULL, NULL, NULL, NULL",
                "'1002', NULL, 's', NULL, NULL, -9223372036854775808, NULL, NULL")
                + "CREATE VIEW ours AS SELECT name, secret, abs(most) AS most FROM phones")
        let source = source("SELECT name, secret, most AS max_contacts FROM ours WHERE name = ?")
        source.tick(.seconds(0))
        #expect(isFound(source, "1001", 0))
        let queries = ["1002", "1001"].map { AccountQuery(name: $0, realm: "asterisk") }
        let answers = source.lookUp(queries, now: .seconds(0))
        #expect(answers[0] == .unavailable && answers[1].why == nil)
        #expect(source.lookUp(account: "1002", realm: "asterisk", now: .seconds(0)) == .unavailable)
        #expect(source.failing?.contains("fail: integer overflow") == true)
        source.tick(.seconds(1))
        #expect(isFound(source, "1001", 1))
        #expect(source.failing == nil)
    }
}
