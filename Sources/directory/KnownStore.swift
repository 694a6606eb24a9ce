// The accounts that directory knows, on disk: what serves while their source does not answer.
internal import CSQLite
internal import Glibc
internal import Messages
internal import SQLite
internal import Sys

/// The rows in a SQLite file of directory's own, for this user alone; what is in memory is always whole.
///
/// Changes are gathered and written once a second. The file is a cache: one that is damaged, or of a
/// newer Rempart, is set aside and a new one begun. What is deleted is overwritten in it.
final class KnownStore {
    /// The table's version, kept as the file's user_version.
    static let version: Int64 = 1
    /// The file's name, and what one that is set aside is called.
    static let file = "accounts.sqlite", aside = "accounts.sqlite.aside"

    private let folder: String?
    private var statements: KnownStatements?
    private var pending: [AccountQuery: KnownRow?] = [:]
    private var troubles: [String] = []
    /// When the file is tried again, since 1970.
    private var nextTry = Milliseconds(0)
    /// Why nothing is written, nil while it is.
    private(set) var fault: String?
    /// Whether the file holds nothing yet of what is in memory.
    private(set) var isBlank = false

    /// How long a file that cannot be written is left alone.
    private static let retryAfter = Milliseconds.seconds(60)
    /// How many changes are written in one turn of the loop.
    private static let mostOfTurn = 2000

    /// Opens the file in a folder, nil for none at all; never fails.
    init(folder: String?) {
        self.folder = folder
        if let folder { open(folder) }
    }

    /// What has gone wrong since the last call, for the administrator.
    func drainTroubles() -> [String] {
        defer { troubles = [] }
        return troubles
    }

    /// The rows that were confirmed after a moment since 1970, at most so many; older ones are deleted.
    func load(
        after oldest: Milliseconds, most: Int, _ now: Moment
    ) -> [AccountQuery: KnownRow] {
        do {
            return try statements?.rows(after: oldest, most: most, now.monotonic) ?? [:]
        } catch {
            failed(error, now.sinceEpoch)
            return [:]
        }
    }

    /// Keeps a row in place of the one before.
    func store(_ query: AccountQuery, _ row: KnownRow) {
        if folder != nil { pending.updateValue(row, forKey: query) }
    }

    /// Forgets a row.
    func forget(_ query: AccountQuery) {
        if folder != nil { pending.updateValue(nil, forKey: query) }
    }

    /// Writes what has changed, a part of it when that is much; `now` is since 1970.
    func commit(now: Milliseconds) { write(now, most: Self.mostOfTurn) }

    /// Writes all that has changed: the process is about to end.
    func close(now: Milliseconds) {
        nextTry = now
        write(now, most: .max)
    }

    /// All that is in memory is about to be stored.
    func fill() { isBlank = false }

    private func write(_ now: Milliseconds, most: Int) {
        guard let folder else { return }
        if statements == nil {
            guard now >= nextTry || nextTry - now > Self.retryAfter else { return }
            open(folder, now)
        }
        guard let statements, !pending.isEmpty || fault != nil && !isBlank else { return }
        let part = pending.prefix(most).map { (query: $0.key, row: $0.value) }
        do {
            try statements.write(part)
            for (query, _) in part { pending.removeValue(forKey: query) }
            if fault != nil {
                troubles.append("the accounts' file is written again: they outlive a restart")
                fault = nil
            }
        } catch {
            failed(error, now)
        }
    }

    private func open(_ folder: String, _ now: Milliseconds = Milliseconds(0)) {
        do {
            statements = try openSound(folder)
            if fault != nil { isBlank = true }
        } catch {
            failed(error, now)
        }
    }

    /// Opens the file; one that is of no use is set aside, and a new one begun.
    private func openSound(_ folder: String) throws(SQLiteError) -> KnownStatements {
        do {
            return try KnownStatements(folder)
        } catch  where error.isCorrupt || error.isNewer {
            setAside(folder, error)
            isBlank = true
            return try KnownStatements(folder)
        }
    }

    private func setAside(_ folder: String, _ why: SQLiteError) {
        OwnDatabase.setAside("\(folder)/\(Self.file)", as: "\(folder)/\(Self.aside)")
        troubles.append(
            "the accounts' file cannot be used (\(why)): it was renamed to \(Self.aside) and a new one"
                + " begun; it is of use to nobody, remove it")
    }

    private func failed(_ why: SQLiteError, _ now: Milliseconds) {
        statements = nil
        nextTry = now + (why.isCorrupt ? Milliseconds(0) : Self.retryAfter)
        guard !why.isCorrupt else { return }
        if fault == nil {
            troubles.append(
                "the accounts that are known are not kept on disk (\(why)): after a restart of directory"
                    + " they serve only once their source answers. See that \(Role.directory.user) may"
                    + " write its folder in the state folder, and that there is room")
        }
        fault = "\(why)"
    }
}

/// The prepared statements of the accounts' table.
private struct KnownStatements {
    private let database: SQLiteDatabase
    private let upsert: SQLiteStatement
    private let delete: SQLiteStatement
    private let expire: SQLiteStatement
    private let all: SQLiteStatement

    private static let columns =
        "name, realm, md5, sha256, auth_user, aor, may_register, access, version, confirmed"

    /// Opens the file in a folder, and makes the table where it is missing.
    init(_ folder: String) throws(SQLiteError) {
        database = try OwnDatabase.open("\(folder)/\(KnownStore.file)")
        let sound = try database.prepare("PRAGMA quick_check(1)").first([]) { $0.text(0) }
        let found = try database.prepare("PRAGMA user_version").first([]) { $0.integer(0) } ?? 0
        guard sound == "ok" else {
            throw SQLiteError(code: SQLITE_CORRUPT, description: "damaged: \(sound ?? "")")
        }
        guard found <= KnownStore.version else {
            throw .newer("it is of format \(found), which a newer Rempart has written")
        }
        try database.execute("PRAGMA secure_delete=ON")
        if found == 0 {
            try database.execute(
                """
                CREATE TABLE IF NOT EXISTS accounts (
                    name TEXT NOT NULL, realm TEXT NOT NULL, md5 BLOB, sha256 BLOB,
                    auth_user TEXT NOT NULL, aor TEXT NOT NULL, may_register INTEGER NOT NULL,
                    access BLOB, version INTEGER NOT NULL, confirmed INTEGER NOT NULL,
                    PRIMARY KEY (name, realm)) WITHOUT ROWID;
                PRAGMA user_version=\(KnownStore.version)
                """)
        }
        upsert = try database.prepare(
            "INSERT OR REPLACE INTO accounts (\(Self.columns)) "
                + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
        delete = try database.prepare("DELETE FROM accounts WHERE name = ?1 AND realm = ?2")
        expire = try database.prepare("DELETE FROM accounts WHERE confirmed < ?1")
        all = try database.prepare("SELECT \(Self.columns) FROM accounts LIMIT ?1")
    }

    /// The rows that are younger, at most so many; older ones are deleted where the file can be written.
    func rows(
        after oldest: Milliseconds, most: Int, _ now: Milliseconds
    ) throws(SQLiteError) -> [AccountQuery: KnownRow] {
        var rows: [AccountQuery: KnownRow] = [:]
        try? expire.run([.integer(oldest.count)])
        try all.forEach([.integer(Int64(most))]) { row in
            if let known = KnownRow(row, now), known.confirmed >= oldest {
                rows[AccountQuery(name: row.text(0), realm: row.text(1))] = known
            }
            return true
        }
        return rows
    }

    /// Writes rows, and deletes those that are nil, in one transaction.
    func write(_ rows: [(query: AccountQuery, row: KnownRow?)]) throws(SQLiteError) {
        try database.execute("BEGIN IMMEDIATE")
        do {
            for (query, row) in rows {
                if let row { try store(query, row) } else { try forget(query) }
            }
            try database.execute("COMMIT")
        } catch {
            // An error within a transaction may have ended it already.
            try? database.execute("ROLLBACK")
            throw error
        }
    }

    private func store(_ query: AccountQuery, _ row: KnownRow) throws(SQLiteError) {
        let account = row.account
        try upsert.run([
            .text(query.name), .text(query.realm), .blob(account.ha1MD5),
            .blob(account.ha1SHA256), .text(account.authUser), .text(account.aor),
            .integer(account.mayRegister ? 1 : 0), .blob(account.access.bytes),
            .integer(Int64(bitPattern: row.version)), .integer(row.confirmed.count),
        ])
    }

    private func forget(_ query: AccountQuery) throws(SQLiteError) {
        try delete.run([.text(query.name), .text(query.realm)])
    }
}

extension KnownRow {
    /// The row of one of the table, or nil when a column holds what may not be told.
    fileprivate init?(_ row: SQLiteRow, _ now: Milliseconds) {
        let (md5, sha256) = (row.bytes(2), row.bytes(3))
        let (authUser, aor) = (row.text(4), row.text(5))
        guard md5.isEmpty || md5.count == 16, sha256.isEmpty || sha256.count == 32,
            authUser.utf8.count <= 255, aor.utf8.count <= 255,
            let access = AccessList(stored: row.bytes(7))
        else { return nil }
        let confirmed = Milliseconds(row.integer(9))
        self.init(
            account: Account(
                ha1MD5: md5, ha1SHA256: sha256, authUser: authUser, aor: aor,
                mayRegister: row.integer(6) != 0, access: access),
            version: UInt64(bitPattern: row.integer(8)), confirmed: confirmed,
            written: confirmed, asked: now)
    }
}
