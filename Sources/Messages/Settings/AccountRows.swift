package import Sys

extension Setting {
    /// The rows of the group `accounts`.
    package static let accounts = AccountRows()
}

/// The group `accounts`: where accounts are read, and how their phones authenticate.
package struct AccountRows: Sendable {
    package let source = SettingRow(
        "accounts.source", 200, .source, .alwaysUnless(older: "accounts.database"),
        example: "sqlite:///var/lib/asterisk/realtime.sqlite3",
        for: .accountsReader { .source($0) },
        meaning: """
            Where Asterisk has its accounts; it is only ever read. That is the folder of its own files, \
            such as asterisk:///etc/asterisk, or the database that Asterisk Realtime uses. A database is a \
            SQLite file, or a DSN of unixODBC in /etc/odbc.ini that leads to MariaDB, MySQL or PostgreSQL. \
            For FreePBX and Issabel it is the file with the login to their database, such as \
            freepbx:///etc/freepbx.conf. Or it is Asterisk itself, asked through its REST interface, such \
            as ari://10.0.0.10:8088. Several Asterisks with the same accounts stand in one URL with commas \
            between: the next one is asked where one does not answer.
            """)
    package let database = SettingRow(
        "accounts.database", 5, .source, example: "sqlite:///var/lib/asterisk/realtime.sqlite3",
        for: .accountsReader { .source($0) },
        meaning: "The older name of accounts.source; a file has one of them.")
    package let user = SettingRow(
        "accounts.user", 209, .login, example: "rempart", for: .accountsReader { .user($0) },
        meaning: """
            As whom a database server is asked, or Asterisk itself: then it is a user of ari.conf, and has \
            to be there. Left out: as whom the DSN in /etc/odbc.ini says, or Asterisk's or FreePBX's own \
            file that leads there.
            """)
    package let secretFile = SettingRow(
        "accounts.secret-file", 210, .path, example: "/etc/rempart/accounts.secret",
        for: .accountsReader { .secretFile($0) },
        meaning: """
            The file with the password of accounts.user, which is its first line. root reads it at the \
            start and at each reload; others may neither read nor write it. Without it the password \
            counts that the DSN, or Asterisk's or FreePBX's own file, has.
            """)
    package let query = SettingRow(
        "accounts.query", 211, .query,
        example: "SELECT name, secret FROM phones WHERE name = ?",
        for: .accountsReader { .query($0) },
        meaning: """
            A SELECT of your own that finds an account in the database of a sqlite:// or odbc:// source, \
            where its tables are not Asterisk's. Its one `?` is the account's name. Its result columns \
            are name, and secret, ha1_md5 or ha1_sha256; auth_user, max_contacts, deny and permit may be \
            there too. It stands in place of accounts.schema and accounts.tables.
            """)
    package let manager = SettingRow(
        "accounts.ami", 212, .tcpServer(port: 5038), example: "10.0.0.10:5038",
        for: .accountsReader { .manager($0) },
        meaning: """
            Asterisk's manager interface (AMI) beside an ari:// source, with the login of accounts.user. \
            By it Rempart hears of reloads at once, lists accounts in Realtime, and reads what ARI does \
            not tell: access lists, and chan_sip's accounts. Left out: an account with an access list \
            lets nobody in, and changes count within 60 s and the time of one round.
            """)
    package let schema = SettingRow(
        "accounts.schema", 6, .word(AccountSchema.self, "schema"), standard: .automatic,
        example: AccountSchema.pjsip.name, for: .accountsReader { .schema($0) },
        meaning: "Whose tables hold the accounts; automatic finds out by looking at them.")
    package let accessOrder = SettingRow(
        "accounts.acl-order", 18, .word(AccessOrder.self, "order"), standard: .asAsterisk,
        example: AccessOrder.denyThenPermit.name, for: .accountsReader { .accessOrder($0) },
        meaning: """
            In which order an account's permit and deny columns apply to its phones' addresses: the \
            last rule that fits decides. as-asterisk takes the order of the columns in the table; \
            chan_sip's own tables have permit before deny, so that deny=0.0.0.0/0 shuts out everybody \
            there. ignore applies none of them.
            """)
    package let realm = SettingRow(
        "accounts.realm", 7, .realm, standard: "asterisk",
        for: .router { .realm($0) }, .directory { .realm($0) }, .accountsReader { .realm($0) },
        meaning: """
            The digest realm. Asterisk's own unless you changed it there; stored MD5 hashes fit no \
            other.
            """)
    package let algorithms = SettingRow(
        "accounts.algorithms", 17, .word(OfferedAlgorithm.self, "algorithm"),
        items: 1...OfferedAlgorithm.allCases.count, standard: [.md5], example: "[MD5, SHA-256]",
        for: .router { .algorithm($0) },
        meaning: """
            The digest algorithms that phones are offered, the preferred one first. Many phones give \
            up at a challenge they do not know, even beside one they do; hence the default. An answer \
            by SHA-256 is always accepted.
            """)
    package let callers = SettingRow(
        "accounts.callers.NAME", 208, .word(ShownCallers.self, "choice"), example: "any",
        for: .callers { $0 },
        meaning: """
            Whether the account NAME, such as a gateway or another exchange, may show callers of its \
            own: `callers: {gw1: any}`. Then the number and display name of its From go to Asterisk as \
            P-Asserted-Identity and Remote-Party-ID, unless an account has the number. Asterisk shows \
            them where it trusts the account (PJSIP: trust_id_inbound=yes, chan_sip: trustrpid=yes). \
            From itself is always the account. Left out: who is called sees the account.
            """)
    package let requests = SettingRow(
        "accounts.requests", 19, .count(1...100_000), standard: 50,
        for: .router { .requests($0) },
        meaning: """
            How many requests a second an account may make, ten times as many at once after a rest; \
            more get 503 and ban nobody. What belongs to a call under way does not count, but each \
            call has 20 requests a second of its own.
            """)
    package let stale = SettingRow(
        "accounts.stale", 207, .span(.seconds(60)...Bounds.longestStale),
        standard: .seconds(86_400), for: .router { .stale($0) }, .directory { .stale($0) },
        meaning: """
            How long an account serves whose source does not answer, from when the source last \
            confirmed it; what is kept of it outlives restarts. A row that is confirmed serves at \
            once, an older one after 150 ms without an answer.
            """)
}

extension Setting {
    /// The rows of the group `accounts.tables`.
    package static let tables = TableRows()
}

/// The group `accounts.tables`: how the tables are called that have the accounts.
package struct TableRows: Sendable {
    package let sippeers = TableRows.row(
        .sippeers, 201, example: "sip_buddies", "chan_sip has its peers")
    package let endpoints = TableRows.row(
        .endpoints, 202, example: "my_endpoints", "PJSIP has its endpoints")
    package let auths = TableRows.row(
        .auths, 203, example: "my_auths", "PJSIP has the secrets of its endpoints")
    package let aors = TableRows.row(
        .aors, 204, example: "my_aors", "PJSIP has its addresses of record")
    package let accessLists = TableRows.row(
        .accessLists, 205, example: "my_acls", "the named access lists are")

    private static func row(
        _ family: AccountFamily, _ number: UInt8, example: String, _ what: String
    ) -> SettingRow<String, String> {
        SettingRow(
            "accounts.tables.\(family.rawValue)", number, .table, standard: family.rawValue,
            example: example, for: .accountsReader { .table(family, $0) },
            meaning: "The table or view in which \(what), as extconfig.conf of Asterisk names it.")
    }
}
