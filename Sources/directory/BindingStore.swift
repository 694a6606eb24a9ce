// The phones' bindings on disk: what survives the death of any process.
internal import CSQLite
internal import Glibc
internal import Messages
internal import Sys

/// The bindings, and what is held against accounts, in a SQLite file of directory's own.
///
/// Changes are gathered and committed together by `commit`, once a second. The journal is a WAL
/// without fsync per commit: what was committed survives the death of any process, and a power
/// failure loses at most the last commits, never the file.
final class BindingStore {
    private struct Key: Hashable {
        let account: String
        let key: UInt64
    }

    private let folder: String?
    private var database: SQLiteDatabase
    private var statements: BindingStatements
    private var pending: [Key: BindingRecord?] = [:]
    private var pendingStandings: [String: AccountStanding] = [:]
    private var troubles: [String] = []
    private var isFailing = false
    private var saidUntimely = false

    private static let file = "bindings.sqlite"
    /// How many changes wait while the disk refuses them; beyond, the oldest state on disk stays.
    private static let pendingLimit = 200_000

    /// Opens the bindings in a folder, nil for none at all; never fails: a file that is no sound
    /// database is set aside, and without a file that can be written they are kept in memory.
    init(folder: String?) {
        self.folder = folder
        var troubles: [String] = []
        (database, statements) = Self.open(folder, &troubles)
        self.troubles = troubles
    }

    /// What has gone wrong since the last call, for the administrator.
    func takeTroubles() -> [String] {
        defer { troubles = [] }
        return troubles
    }

    /// Keeps a binding, in place of the one with the same account and key; one that ends later than any
    /// binding may, by the clock of now (since 1970), is not kept.
    func keep(_ record: BindingRecord, now: Milliseconds) {
        guard record.isTimely(now) else {
            if !saidUntimely {
                troubles.append(
                    "a binding of \(record.account) that ends later than registration.maximum permits"
                        + " was not kept: look at the machine's clock, and at sip-router")
            }
            saidUntimely = true
            return
        }
        change(Key(account: record.account, key: record.key), record)
    }

    /// Forgets a binding.
    func forget(account: String, key: UInt64) {
        change(Key(account: account, key: key), nil)
    }

    /// Keeps what is held against an account, in place of what was; a bar is on disk at once.
    func keep(_ standing: AccountStanding, now: Milliseconds) {
        guard pendingStandings.count < Self.pendingLimit else { return }
        pendingStandings[standing.account] = standing.held(within: now)
        if standing.barredSince.count > 0 { commit(now: now) }
    }

    private func change(_ key: Key, _ record: BindingRecord?) {
        guard pending.count < Self.pendingLimit || pending[key] != nil else { return }
        pending.updateValue(record, forKey: key)
    }

    /// Writes all changes in one transaction and forgets what has ended by `now`, since 1970.
    func commit(now: Milliseconds) {
        do {
            try write(now)
            isFailing = false
        } catch {
            // An error within a transaction may have ended it already.
            try? database.execute("ROLLBACK")
            if error.isCorrupt { return replace(error, now) }
            if !isFailing {
                troubles.append(
                    "bindings are not kept at the moment: \(error); "
                        + "see that the state folder has room and can be written")
            }
            isFailing = true
        }
    }

    private func write(_ now: Milliseconds) throws(SQLiteError) {
        guard !pending.isEmpty || !pendingStandings.isEmpty else {
            try statements.expire.run([.integer(now.count)])
            return
        }
        try database.execute("BEGIN IMMEDIATE")
        for (key, record) in pending {
            if let record {
                try statements.keep(record)
            } else {
                try statements.forget(account: key.account, key: key.key)
            }
        }
        for standing in pendingStandings.values { try statements.standings.keep(standing) }
        try statements.expire.run([.integer(now.count)])
        try database.execute("COMMIT")
        pending.removeAll(keepingCapacity: true)
        pendingStandings.removeAll(keepingCapacity: true)
    }

    /// Up to `limit` bindings that live beyond `now` (since 1970), from `cursor` (0 to begin) on.
    ///
    /// `next` is the cursor to go on with, nil after the last binding.
    func page(
        after cursor: Int64, limit: Int, now: Milliseconds
    ) -> (records: [BindingRecord], next: Int64?) {
        commit(now: now)
        var records: [BindingRecord] = []
        var last = cursor
        var rows = 0
        do {
            try statements.page.forEach(
                [.integer(cursor), .integer(now.count), .integer(Int64(limit))]
            ) { row in
                rows += 1
                last = row.integer(0)
                if let record = BindingRecord(row), record.isTimely(now) { records.append(record) }
                return true
            }
        } catch {
            troubles.append("the kept bindings cannot be read: \(error)")
            return (records, nil)
        }
        return (records, rows == limit ? last : nil)
    }

    /// What is held against the barred accounts.
    func barred(now: Milliseconds) -> [AccountStanding] {
        commit(now: now)
        do {
            return try statements.standings.allBarred()
        } catch {
            troubles.append("the barred accounts cannot be read: \(error)")
            return []
        }
    }

    /// What is kept of up to `limit` other accounts, from `cursor` (0 to begin) on, as `page`.
    func standings(
        after cursor: Int64, limit: Int
    ) -> (standings: [AccountStanding], next: Int64?) {
        do {
            return try statements.standings.others(after: cursor, limit: limit)
        } catch {
            troubles.append("the countries of accounts cannot be read: \(error)")
            return ([], nil)
        }
    }

    /// Sets the broken file aside and goes on with a new one, and with what still waits.
    private func replace(_ error: SQLiteError, _ now: Milliseconds) {
        (database, statements) = Self.open(nil, &troubles)
        if let folder { Self.setAside(folder, "\(error)", &troubles) }
        (database, statements) = Self.open(folder, &troubles)
        do {
            try write(now)
        } catch {
            troubles.append("bindings are not kept: \(error)")
        }
    }
}

extension BindingStore {
    private static func open(
        _ folder: String?, _ troubles: inout [String]
    ) -> (SQLiteDatabase, BindingStatements) {
        if let folder {
            for _ in 0..<2 {
                do {
                    return try openFile("\(folder)/\(file)")
                } catch  where error.isCorrupt {
                    setAside(folder, "\(error)", &troubles)
                } catch {
                    troubles.append(
                        "the bindings' file cannot be used: \(error); \(Role.directory.user) must be "
                            + "able to enter the state folder and to write its own folder in it")
                    break
                }
            }
        }
        troubles.append("bindings are kept in memory only: a restart of directory forgets them")
        do {
            return try openFile(":memory:")
        } catch {
            // Nothing but the lack of memory makes a database in memory fail.
            fatalError("a database in memory cannot be opened: \(error)")
        }
    }

    private static func openFile(
        _ path: String
    ) throws(SQLiteError) -> (SQLiteDatabase, BindingStatements) {
        let database = try SQLiteDatabase(
            path: path, .writing, busyTimeout: AccountDatabase.busyTimeout)
        // Exclusive before WAL: no shared memory file, and no second process by mistake.
        try database.execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL")
        try database.execute("PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304")
        let sound = try database.prepare("PRAGMA quick_check(1)").first([]) { $0.text(0) }
        let version = try database.prepare("PRAGMA user_version").first([]) { $0.integer(0) }
        guard sound == "ok", let version, version == 0 || version == BindingStatements.version
        else {
            throw SQLiteError(
                code: SQLITE_CORRUPT, description: "damaged, or of another version: \(sound ?? "")")
        }
        return (database, try BindingStatements(database))
    }

    /// Renames the file, with its WAL, which would otherwise be replayed into the new file.
    private static func setAside(_ folder: String, _ why: String, _ troubles: inout [String]) {
        let path = "\(folder)/\(file)"
        let aside = "\(path).corrupt"
        for suffix in ["", "-wal", "-journal"] {
            if unsafe rename(path + suffix, aside + suffix) != 0 {
                _ = unsafe unlink(path + suffix)
            }
        }
        troubles.append(
            "the bindings' file is damaged (\(why)): it was renamed to \(file).corrupt and a new one "
                + "begun; phones are known again when they next register")
    }
}
