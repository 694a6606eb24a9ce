internal import Messages
internal import SQLite
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

@Suite("AccountTables")
struct AccountTablesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func answer(
        _ account: String, realm: String = "asterisk", in sql: String, _ domains: [String] = []
    ) throws -> AccountAnswer {
        try read(account, realm: realm, in: sql, domains).answer
    }

    private func read(
        _ account: String, realm: String = "asterisk", in sql: String, _ domains: [String] = []
    ) throws -> ReadAccount {
        let path = try folder.database("accounts.sqlite", sql)
        let database = SQLiteRealtime(
            try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        let tables = try AccountTables.find(.automatic, in: database)
        return try tables.lookUp(
            LookUp(account: account, realm: realm, ownRealm: "asterisk", domains: domains))
    }

    private func found(
        _ account: String, realm: String = "asterisk", in sql: String, _ domains: [String] = []
    ) throws -> Account {
        guard case .found(let found) = try answer(account, realm: realm, in: sql, domains) else {
            throw Missing()
        }
        return found
    }

    private struct Missing: Error {}

    /// How SQLite reads a page of names.
    private func plan(_ sql: String) throws -> [String] {
        let path = try folder.database("accounts.sqlite", sql)
        let database = try SQLiteDatabase(path: path, .reading, busyTimeout: 0)
        let realtime = SQLiteRealtime(database)
        let tables = try AccountTables.find(.automatic, in: realtime)
        let (table, key) = tables.name == "pjsip" ? ("ps_endpoints", "id") : ("sippeers", "name")
        let column = try #require(realtime.columns(of: table).first { $0.name == key })
        let query = SQLiteRealtime.namesQuery(column, of: table)
        var steps: [String] = []
        try database.prepare("EXPLAIN QUERY PLAN \(query)").forEach([.text(""), .integer(9)]) {
            steps.append($0.text(3))
            return true
        }
        return steps
    }

    @Test(
        "a page of names is read by the index that Asterisk's own tables have, and sorts nothing",
        arguments: [
            "CREATE TABLE sippeers (id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE, type, host, secret)",
            "CREATE TABLE sippeers (name TEXT PRIMARY KEY, type, host, secret) WITHOUT ROWID",
            "CREATE TABLE ps_endpoints (id VARCHAR(255), aors, auth);"
                + "CREATE INDEX i ON ps_endpoints (id);" + Tables.pjsipBeside,
            "CREATE TABLE ps_endpoints (id VARCHAR(255) NOT NULL UNIQUE, aors, auth);"
                + Tables.pjsipBeside,
        ])
    func pageByIndex(_ sql: String) throws {
        let steps = try plan(sql)
        #expect(steps.count == 1 && steps[0].hasPrefix("SEARCH"), "\(steps)")
    }

    @Test(
        "names are told once each, in the order of their bytes, whatever the column is declared as",
        arguments: [
            "", "VARCHAR(40)", "TEXT COLLATE NOCASE", "INTEGER", "NUMERIC", "VARCHAR(40) UNIQUE",
        ])
    func names(_ type: String) throws {
        let again = type.hasSuffix("UNIQUE") ? "" : ", ('a'), (9)"
        let path = try folder.database(
            "accounts.sqlite",
            "CREATE TABLE sippeers (name \(type), type, host, secret); "
                + "INSERT INTO sippeers (name) VALUES ('a'), ('B'), ('b'), (10), (9), ('ä'), (NULL), ('') \(again)"
        )
        let database = SQLiteRealtime(
            try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        let tables = try AccountTables.find(.automatic, in: database)
        var names: [String] = []
        while let next = try tables.names(after: names.last ?? "", limit: 1, in: database).first {
            names.append(next)
        }
        #expect(names == ["10", "9", "B", "a", "b", "ä"])
    }

    @Test("a chan_sip secret gives both HA1s, for any realm")
    func chanSipSecret() throws {
        let account = try found("1001", realm: "edge", in: Tables.chanSip)
        // printf 1001:edge:one | md5sum, sha256sum
        #expect(hex(account.ha1MD5) == "97cdc7fa9759fd238bd5c39a01589f34")
        #expect(
            hex(account.ha1SHA256)
                == "e8478cb1cd1da1632df7943469420459aeca19154c87b845be1b7436a5d68a1b")
        #expect(account.authUser == "1001")
        #expect(account.aor == "1001")
        #expect(account.mayRegister)
    }

    @Test("md5secret wins over secret, and holds for Asterisk's own realm alone")
    func md5secret() throws {
        let own = try found("1002", in: Tables.chanSip)
        #expect(hex(own.ha1MD5) == "aabbccddeeff00112233445566778899")
        #expect(own.ha1SHA256.isEmpty)
        let foreign = try found("1002", realm: "edge", in: "SELECT 1")
        #expect(foreign.ha1MD5.isEmpty && foreign.ha1SHA256.isEmpty)
    }

    @Test(
        "type=user and a fixed host may authenticate but not register", arguments: ["1003", "1004"])
    func mayNotRegister(account: String) throws {
        let account = try found(account, in: Tables.chanSip)
        #expect(!account.mayRegister)
        #expect(account.ha1MD5.count == 16)
    }

    @Test("the word dynamic counts in any case")
    func dynamicInAnyCase() throws {
        #expect(try found("Anna", in: Tables.chanSip).mayRegister)
    }

    @Test(
        "no secret, a broken hash, another case, a blank, a wild card and SQL are all unknown",
        arguments: [
            "1005", "1006", "9999", "anna", "1001 ", "%", "' OR 1=1 --", "", "1001\0",
            "1001\r\n", String(repeating: "1001", count: 1000), "１００１",
        ])
    func unknownChanSip(account: String) throws {
        #expect(try answer(account, in: Tables.chanSip) == .unknown)
    }

    @Test("names in a numeric column are compared as the texts they are")
    func numericNames() throws {
        let sql = """
            CREATE TABLE sippeers (name INTEGER, type TEXT, host TEXT, secret INTEGER);
            INSERT INTO sippeers VALUES (1001, 'friend', 'dynamic', 4711);
            """
        #expect(hex(try found("1001", in: sql).ha1MD5) == "4c274702d17303a13aa2765d4627ea6a")
        #expect(try answer("01001", in: "SELECT 1") == .unknown)
        #expect(try answer("1001.0", in: "SELECT 1") == .unknown)
    }

    @Test("names whose collation ignores case are still told apart")
    func noCaseCollation() throws {
        let sql = """
            CREATE TABLE sippeers (name TEXT COLLATE NOCASE UNIQUE, type TEXT, host TEXT, secret TEXT);
            INSERT INTO sippeers VALUES ('bob', 'friend', 'dynamic', 'x');
            """
        #expect(try answer("BOB", in: sql) == .unknown)
        #expect(try found("bob", in: "SELECT 1").aor == "bob")
    }

    @Test("a PJSIP endpoint authenticates as the user of its auth")
    func userpass() throws {
        let account = try found("2001", in: Tables.pjsip)
        // printf phone:asterisk:two | md5sum
        #expect(hex(account.ha1MD5) == "54adb274742f337e454292850a93a57d")
        #expect(account.ha1SHA256.count == 32)
        #expect(account.authUser == "phone")
        #expect(account.aor == "2001")
        #expect(account.mayRegister)
    }

    @Test("md5_cred holds for the realm of its own row")
    func md5Cred() throws {
        let sql = Tables.pjsip
        let account = try found("2002", realm: "elsewhere", in: sql)
        #expect(hex(account.ha1MD5) == "00112233445566778899aabbccddeeff")
        #expect(account.ha1SHA256.isEmpty)
        #expect(try found("2002", in: "SELECT 1").ha1MD5.isEmpty)
    }

    @Test("password_digest gives the hashes it lists")
    func passwordDigest() throws {
        let account = try found("2003", in: Tables.pjsip)
        #expect(hex(account.ha1MD5) == "000102030405060708090a0b0c0d0e0f")
        #expect(account.ha1SHA256.count == 32)
    }

    /// PJSIP's tables with one account, and what its row of ps_auths has behind the id.
    private static func auth(_ values: String) -> String {
        Tables.pjsipBeside + """
            CREATE TABLE ps_endpoints (id, aors, auth);
            INSERT INTO ps_endpoints VALUES ('7', '7', '7');
            INSERT INTO ps_aors VALUES ('7', 1);
            INSERT INTO ps_auths VALUES ('7', \(values));
            """
    }

    private static let digest = "000102030405060708090a0b0c0d0e0f"

    @Test(
        "a password_digest counts before a password that contradicts it, as in Asterisk 22, for its algorithm and realm",
        arguments: ["'userpass'", "'digest'", "NULL"])
    func digestAndPassword(kind: String) throws {
        let sql = Self.auth("\(kind), '7', 'other', NULL, NULL, 'MD5:\(Self.digest)'")
        let account = try found("7", in: sql)
        #expect(hex(account.ha1MD5) == Self.digest)
        // printf 7:asterisk:other | sha256sum
        #expect(
            hex(account.ha1SHA256)
                == "622b6f6acd645525d9486f9fa8d2520d6080952aaef50d7af3d3ae3fcbd3dd94")
        #expect(try found("7", realm: "edge", in: "SELECT 1").ha1MD5.isEmpty)
    }

    @Test(
        "a password_digest that is none lets nobody in by the password beside it",
        arguments: ["MD5:12", "nonsense", "SHA-256:\(Self.digest)", "MD4:\(Self.digest)", "MD5:"])
    func brokenDigest(digest: String) throws {
        let sql = Self.auth("'userpass', '7', 'other', NULL, NULL, '\(digest)'")
        #expect(try answer("7", in: sql) == .unknown)
    }

    @Test(
        "an empty password lets nobody in, and an algorithm that no phone is asked for changes nothing"
    )
    func emptyPassword() throws {
        #expect(try answer("7", in: Self.auth("'userpass', '7', '', '', '', ''")) == .unknown)
        let sql = "UPDATE ps_auths SET password = 'x', password_digest = 'SHA-512-256:00'"
        #expect(try found("7", in: sql).ha1MD5.count == 16)
    }

    @Test(
        "an endpoint that Asterisk never finds by a name is another exchange, and so is one that only proves itself",
        arguments: [
            ("'ip', NULL", "'7'", AccountAbsence.trunk), ("'ip,header', ''", "'7'", .trunk),
            ("NULL, 'out'", "''", .trunk), ("NULL, NULL", "''", .noSecret),
            ("'username,ip', 'out'", "'7'", nil), ("'auth_username', NULL", "'7'", nil),
            ("'', ''", "'7'", nil),
        ] as [(String, String, AccountAbsence?)])
    func trunks(_ values: String, _ auth: String, _ why: AccountAbsence?) throws {
        let sql =
            Tables.pjsipBeside + """
                CREATE TABLE ps_endpoints (id, aors, auth, identify_by, outbound_auth);
                INSERT INTO ps_endpoints VALUES ('7', '7', \(auth), \(values));
                INSERT INTO ps_aors VALUES ('7', 1);
                INSERT INTO ps_auths VALUES ('7', 'userpass', '7', 'x', NULL, NULL, NULL);
                """
        #expect(try read("7", in: sql).why == why)
    }

    @Test("of two rows for one name the first that the database tells counts, and no other")
    func twoRows() throws {
        let sql = """
            CREATE TABLE sippeers (name, type, host, secret);
            INSERT INTO sippeers VALUES ('7', 'friend', 'dynamic', 'x'), ('7', 'friend', 'dynamic', 'y');
            """
        // printf 7:asterisk:x | md5sum
        #expect(hex(try found("7", in: sql).ha1MD5) == "1b7655819289336b1cc9f200e7d5c359")
    }

    @Test(
        "a secret is its bytes, whatever they are",
        arguments: [
            ("a\"b`c", "235ce7013419c47f80fa4b82f8cc6949"),
            (":a:b:", "6d86120ebffb76dc89f83385593354c5"),
            ("a;b^3B", "d8d63d05b92ad202333fd236994c5f8d"),
            ("  a ", "3ed27bf9164a7c0e6f2767b7dd6aefa5"),
            ("Zoë🔑", "38ae8d6ae8a49216d6647bd9637662e4"),
        ])
    func secretBytes(secret: String, digest: String) throws {
        let account = try found(
            "7", in: Self.auth("'userpass', '7', '\(secret)', NULL, NULL, NULL"))
        #expect(hex(account.ha1MD5) == digest)
    }

    @Test("a secret that is no UTF-8 is its bytes too")
    func secretNoText() throws {
        let account = try found(
            "7", in: Self.auth("'userpass', '7', CAST(x'ff3afe' AS TEXT), NULL, NULL, NULL"))
        // printf '7:asterisk:\xff:\xfe' | md5sum
        #expect(hex(account.ha1MD5) == "1c89e7869b086bd813a3fa26fb19b099")
    }

    @Test("of a list, the auth that can be used and the AOR of the account's name are taken")
    func lists() throws {
        let account = try found("2004", in: Tables.pjsip)
        #expect(account.authUser == "phone")
        #expect(account.aor == "2004")
        #expect(account.mayRegister)
    }

    @Test("an endpoint that names no auth is unknown")
    func noAuth() throws {
        #expect(try answer("2005", in: Tables.pjsip) == .unknown)
    }

    @Test("an id with a served domain is found by its user part, with any other it is not")
    func domainIds() throws {
        let account = try found("2006", in: Tables.pjsip, ["sip.example.com"])
        #expect(account.aor == "2006@sip.example.com")
        #expect(try answer("2006", in: "SELECT 1", ["other.example.com"]) == .unknown)
    }

    @Test("max_contacts of 0 lets nobody register")
    func maxContactsZero() throws {
        #expect(try !found("2007", in: Tables.pjsip).mayRegister)
    }

    @Test("missing columns are named with their table")
    func missingColumns() throws {
        let cases = [
            (
                "CREATE TABLE sippeers (name, type, secret)",
                "table sippeers lacks the column host: add each as Asterisk's own table has it, or name "
                    + "another table in accounts.tables.sippeers"
            ),
            (
                "DROP TABLE sippeers; CREATE TABLE sippeers (name, secret)",
                "table sippeers lacks the columns type, host: add each as Asterisk's own table has it, or "
                    + "name another table in accounts.tables.sippeers"
            ),
            (
                "DROP TABLE sippeers; CREATE TABLE sippeers (name, type, host)",
                "table sippeers lacks the column secret or md5secret: add one as Asterisk's own table has "
                    + "it, or name another table in accounts.tables.sippeers"
            ),
            (
                "DROP TABLE sippeers; CREATE TABLE ps_endpoints (id, auth, aors)",
                "it lacks the table ps_auths: correct accounts.schema, or name the table in "
                    + "accounts.tables.ps_auths, or let the login of a server SELECT from it"
            ),
        ]
        for (sql, text) in cases {
            #expect(throws: AccountTablesError.layout(text)) { try answer("1001", in: sql) }
        }
    }

    @Test("with both layouts in one database, the one that holds rows is read")
    func bothLayouts() throws {
        let empty = "CREATE TABLE ps_endpoints (id, auth, aors);"
        #expect(try found("1001", in: Tables.chanSip + empty).mayRegister)
        #expect(throws: AccountTablesError.self) {
            try answer("1001", in: "INSERT INTO ps_endpoints VALUES ('a', 'a', 'a')")
        }
    }
}
