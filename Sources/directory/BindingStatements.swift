// The bindings' table, and its statements.
internal import Messages
internal import SQLite
internal import Sys

/// The prepared statements of the bindings' table.
struct BindingStatements {
    private let upsert: SQLiteStatement
    private let delete: SQLiteStatement
    /// Deletes the bindings that have ended by ?1.
    let expire: SQLiteStatement
    /// The bindings after row ?1 that live beyond ?2, at most ?3.
    let page: SQLiteStatement
    /// How many bindings of account ?1 live beyond ?2.
    let live: SQLiteStatement
    private let accounts: SQLiteStatement
    private let ofAccount: SQLiteStatement
    private let all: SQLiteStatement
    /// The other table of the file.
    let standings: StandingStatements

    /// The table's version, kept as the file's user_version.
    static let version = StateFile.bindings.format

    private static let columns =
        "account, key, contact, instance, call_id, sequence, user_agent, expires, q, transport, "
        + "listener, address, scope, connection, secret, has_answered"

    /// Makes the table where it is missing.
    init(_ database: SQLiteDatabase) throws(SQLiteError) {
        try database.execute(
            """
            CREATE TABLE IF NOT EXISTS bindings (
                account TEXT NOT NULL, key INTEGER NOT NULL, contact TEXT NOT NULL,
                instance TEXT NOT NULL, call_id TEXT NOT NULL, sequence INTEGER NOT NULL,
                user_agent TEXT NOT NULL, expires INTEGER NOT NULL, q INTEGER NOT NULL,
                transport INTEGER NOT NULL, listener INTEGER NOT NULL, address TEXT NOT NULL,
                scope INTEGER NOT NULL, connection INTEGER NOT NULL,
                secret INTEGER NOT NULL DEFAULT 0, has_answered INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (account, key));
            CREATE INDEX IF NOT EXISTS bindings_expires ON bindings (expires)
            """)
        // Setting it writes, which a full disk refuses.
        let version = try database.prepare("PRAGMA user_version").first([]) { $0.integer(0) }
        if version != Self.version {
            try Self.migrate(database)
            try database.execute("PRAGMA user_version=\(Self.version)")
        }
        try Self.sign(database)
        // An update in place, not REPLACE: the row keeps its number, by which pages go on.
        upsert = try database.prepare(
            "INSERT INTO bindings (\(Self.columns)) "
                + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                + "?16) "
                + "ON CONFLICT (account, key) DO UPDATE SET contact=?3, instance=?4, call_id=?5, "
                + "sequence=?6, user_agent=?7, expires=?8, q=?9, transport=?10, listener=?11, "
                + "address=?12, scope=?13, connection=?14, secret=?15, has_answered=?16")
        delete = try database.prepare("DELETE FROM bindings WHERE account = ?1 AND key = ?2")
        expire = try database.prepare("DELETE FROM bindings WHERE expires <= ?1")
        page = try database.prepare(
            "SELECT rowid, \(Self.columns) FROM bindings WHERE rowid > ?1 AND expires > ?2 "
                + "ORDER BY rowid LIMIT ?3")
        live = try database.prepare(
            "SELECT COUNT(*) FROM bindings WHERE account = ?1 AND expires > ?2")
        accounts = try database.prepare(
            "SELECT DISTINCT account FROM bindings WHERE expires > ?1")
        ofAccount = try database.prepare(
            "SELECT rowid, \(Self.columns) FROM bindings WHERE account = ?1 AND expires > ?2")
        all = try database.prepare("SELECT count(*) FROM bindings")
        standings = try StandingStatements(database)
    }

    /// Adds what a file of format 1 lacks, which secret proved the phone, and one of format 2, whether the phone answers.
    private static func migrate(_ database: SQLiteDatabase) throws(SQLiteError) {
        let columns = try database.prepare(
            "SELECT count(*) FROM pragma_table_info('bindings') WHERE name = ?1")
        for name in ["secret", "has_answered"] {
            let count = try columns.first([.text(name)]) { $0.integer(0) }
            guard count == 0 else { continue }
            try database.execute(
                "ALTER TABLE bindings ADD COLUMN \(name) INTEGER NOT NULL DEFAULT 0")
        }
    }

    /// Names this version as the writer, which an older one tells when it finds a newer file.
    private static func sign(_ database: SQLiteDatabase) throws(SQLiteError) {
        let version = productVersion
        try database.execute("CREATE TABLE IF NOT EXISTS writer (version TEXT NOT NULL)")
        let before = try database.prepare("SELECT version FROM writer").first([]) { $0.text(0) }
        guard before != version else { return }
        try database.execute("DELETE FROM writer")
        try database.prepare("INSERT INTO writer VALUES (?1)").run([.text(version)])
    }

    /// Writes a binding, in place of the one with the same account and key.
    func store(_ record: BindingRecord) throws(SQLiteError) {
        try upsert.run([
            .text(record.account), .integer(Int64(bitPattern: record.key)),
            .text(record.contact), .text(record.instance), .text(record.callID),
            .integer(Int64(record.sequence)), .text(record.userAgent),
            .integer(record.expires.count), .integer(Int64(record.q)),
            .integer(Int64(record.transport.rawValue)), .integer(Int64(record.listener)),
            .text("\(record.address)"), .integer(Int64(record.address.scope)),
            .integer(Int64(bitPattern: record.connection)), .integer(Int64(record.secret)),
            .integer(record.hasAnswered ? 1 : 0),
        ])
    }

    /// The accounts with bindings that live beyond a moment since 1970.
    func boundAccounts(_ now: Milliseconds) throws(SQLiteError) -> [String] {
        var names: [String] = []
        try accounts.forEach([.integer(now.count)]) { row in
            names.append(row.text(0))
            return true
        }
        return names
    }

    /// An account's bindings that live beyond a moment since 1970.
    func bindings(
        of account: String, _ now: Milliseconds
    ) throws(SQLiteError) -> [BindingRecord] {
        var records: [BindingRecord] = []
        try ofAccount.forEach([.text(account), .integer(now.count)]) { row in
            if let record = BindingRecord(row) { records.append(record) }
            return true
        }
        return records
    }

    /// How many bindings the table has.
    func count() throws(SQLiteError) -> Int { try all.first([]) { Int($0.integer(0)) } ?? 0 }

    /// Deletes a binding.
    func forget(account: String, key: UInt64) throws(SQLiteError) {
        try delete.run([.text(account), .integer(Int64(bitPattern: key))])
    }
}

extension BindingRecord {
    /// The binding of a row of `page`, or nil when a column holds what may not be told.
    init?(_ row: SQLiteRow) {
        guard let sequence = UInt32(exactly: row.integer(6)),
            let q = UInt16(exactly: row.integer(9)),
            let transport = UInt8(exactly: row.integer(10)).flatMap(Transport.init(rawValue:)),
            let listener = UInt8(exactly: row.integer(11)),
            var address = SocketAddress(row.text(12)),
            let scope = UInt32(exactly: row.integer(13)),
            let secret = UInt32(exactly: row.integer(15))
        else { return nil }
        address.scope = scope
        self.init(
            account: row.text(1), key: UInt64(bitPattern: row.integer(2)), secret: secret,
            contact: row.text(3), instance: row.text(4), callID: row.text(5), sequence: sequence,
            userAgent: row.text(7), expires: Milliseconds(row.integer(8)), q: q,
            transport: transport, listener: listener, address: address,
            connection: UInt64(bitPattern: row.integer(14)), hasAnswered: row.integer(16) != 0)
        guard (try? check()) != nil else { return nil }
    }
}
