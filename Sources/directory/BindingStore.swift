// The phones' bindings on disk: what survives the death of any process.
internal import CSQLite
internal import Glibc
internal import Messages
internal import SQLite
internal import Sys

/// The bindings, and the standings of accounts, in a SQLite file of directory's own.
///
/// Changes are gathered and committed together by `commit`, once a second. The journal is a WAL
/// without fsync per commit. What was committed survives the death of any process. A power failure
/// loses at most the last commits, never the file.
final class BindingStore {
    private struct Key: Hashable {
        let account: String
        let key: UInt64
    }

    /// All that a database holds.
    private struct Content {
        var bindings: [Key: BindingRecord] = [:]
        var standings: [String: AccountStanding] = [:]

        /// Nothing.
        init() {}

        /// What lives beyond a moment.
        init(_ statements: BindingStatements, now: Milliseconds) throws(SQLiteError) {
            var records: [BindingRecord] = []
            try statements.page.forEach([.integer(0), .integer(now.count), .integer(.max)]) { row in
                if let record = BindingRecord(row) { records.append(record) }
                return true
            }
            for record in records {
                bindings[Key(account: record.account, key: record.key)] = record
            }
            let others = try statements.standings.others(after: 0, limit: .max).standings
            for standing in try statements.standings.allBarred() + others {
                standings[standing.account] = standing
            }
        }
    }

    let folder: String?
    private(set) var database: SQLiteDatabase
    private var statements: BindingStatements
    private var pending: [Key: BindingRecord?] = [:]
    private var pendingStandings: [String: AccountStanding] = [:]
    private var troubles: [String] = []
    private var isFailing = false
    private var saidUntimely = false
    /// Why the file is not written, while the bindings are in memory alone.
    private(set) var fault: String?
    /// Whether that is because the file is of a newer version of Rempart.
    private(set) var isNewer = false
    /// Whether what is in memory is all that the file holds, and newer.
    private var isWhole = true
    /// What was read of the file without the changes beside it, which are newer.
    private var base: BindingStatements?
    /// When a copy for a backup is removed, since 1970: at once what a process before this one has left.
    var copyEnds: Milliseconds? = Milliseconds(0)
    /// When the file is tried again, since 1970.
    private var nextTry = Milliseconds(0)

    private static let file = "bindings.sqlite"
    /// How many changes wait while the disk refuses them; beyond, the oldest state on disk stays.
    private static let pendingLimit = 200_000
    /// How long a file that cannot be written is left alone.
    private static let retryAfter = Milliseconds.seconds(60)
    /// How much is kept in memory meanwhile, in pages of 4 KiB.
    private static let mostPages = 65_536

    /// Opens the bindings in a folder, nil for none at all; never fails.
    ///
    /// A file that is no sound database is set aside. Of a file that cannot be written what it has
    /// is read, and changes stay in memory until it can.
    init(folder: String?) {
        self.folder = folder
        (database, statements) = Self.memory()
        guard let folder else {
            troubles.append("bindings are kept in memory only: a restart of directory forgets them")
            return
        }
        do {
            (database, statements) = try openSound(folder)
        } catch {
            if error.isNewer { leaveAlone(error) } else { readKept(folder, error) }
        }
    }

    /// What has gone wrong since the last call, for the administrator.
    func drainTroubles() -> [String] {
        defer { troubles = [] }
        return troubles
    }

    /// Stores a binding, in place of the one with the same account and key.
    ///
    /// One that ends later than any binding may, by the clock of now (since 1970), is not stored.
    func store(_ record: BindingRecord, now: Milliseconds) {
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

    /// Stores the standing of an account, in place of the one before; a bar is on disk at once.
    func store(_ standing: AccountStanding, now: Milliseconds) {
        guard pendingStandings.count < Self.pendingLimit else { return }
        pendingStandings[standing.account] = standing.bounded(at: now)
        if standing.barredSince.count > 0 { commit(now: now) }
    }

    private func change(_ key: Key, _ record: BindingRecord?) {
        guard pending.count < Self.pendingLimit || pending[key] != nil else { return }
        pending.updateValue(record, forKey: key)
    }

    /// Writes all changes in one transaction and forgets what has ended by `now`, since 1970.
    func commit(now: Milliseconds) {
        removeOldCopy(now)
        returnToFile(now)
        do {
            try write(now)
            isFailing = false
        } catch {
            // An error within a transaction may have ended it already.
            try? database.execute("ROLLBACK")
            if error.isCorrupt { return replace(error, now) }
            if fault == nil, leaveFile(error, now) { return }
            if !isFailing { troubles.append("bindings are not kept at the moment: \(error)") }
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
                try statements.store(record)
            } else {
                try statements.forget(account: key.account, key: key.key)
            }
        }
        for standing in pendingStandings.values { try statements.standings.store(standing) }
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

    /// How many bindings of an account live beyond `now` (since 1970), and its standing; as of the last
    /// `commit`.
    func kept(of account: String, now: Milliseconds) -> (phones: UInt32, standing: AccountStanding)
    {
        do {
            let count = try statements.live.first([.text(account), .integer(now.count)]) {
                $0.integer(0)
            }
            return (UInt32(clamping: count ?? 0), try statements.standings.standing(of: account))
        } catch {
            troubles.append("what is kept of \(account) cannot be read: \(error)")
            return (0, AccountStanding(account: account))
        }
    }

    /// The standings of the barred accounts.
    func barred(now: Milliseconds) -> [AccountStanding] {
        commit(now: now)
        do {
            return try statements.standings.allBarred()
        } catch {
            troubles.append("the barred accounts cannot be read: \(error)")
            return []
        }
    }

    /// The accounts that have bindings which live beyond `now` (since 1970).
    func boundAccounts(now: Milliseconds) -> [String] {
        commit(now: now)
        return read("which accounts are registered") { () throws(SQLiteError) in
            try statements.boundAccounts(now)
        }
    }

    /// The bindings of an account that live beyond `now` (since 1970).
    func bindings(of account: String, now: Milliseconds) -> [BindingRecord] {
        commit(now: now)
        return read("the bindings of \(account)") { () throws(SQLiteError) in
            try statements.bindings(of: account, now)
        }
    }

    /// How many bindings there are.
    func count(now: Milliseconds) -> Int {
        commit(now: now)
        return read("how many phones are registered") { () throws(SQLiteError) in
            [try statements.count()]
        }.first ?? 0
    }

    private func read<Value>(
        _ what: String, _ body: () throws(SQLiteError) -> [Value]
    ) -> [Value] {
        do {
            return try body()
        } catch {
            troubles.append("it cannot be read \(what): \(error)")
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
        (database, statements) = Self.memory()
        do {
            if let folder {
                setAside(folder, "\(error)")
                (database, statements) = try openSound(folder)
            }
            try write(now)
        } catch {
            troubles.append("bindings are not kept: \(error)")
        }
    }
}

extension BindingStore {
    /// Opens the file; one that is no sound database is set aside, and a new one begun.
    private func openSound(
        _ folder: String
    ) throws(SQLiteError) -> (SQLiteDatabase, BindingStatements) {
        do {
            return try Self.openFile("\(folder)/\(Self.file)")
        } catch  where error.isCorrupt {
            setAside(folder, "\(error)")
            return try Self.openFile("\(folder)/\(Self.file)")
        }
    }

    private static func openFile(
        _ path: String
    ) throws(SQLiteError) -> (SQLiteDatabase, BindingStatements) {
        try refuseNewer(path)
        let database = try OwnDatabase.open(path)
        return (database, try sound(database))
    }

    /// The statements of a database that is no damaged one.
    private static func sound(_ database: SQLiteDatabase) throws(SQLiteError) -> BindingStatements {
        let sound = try database.prepare("PRAGMA quick_check(1)").first([]) { $0.text(0) }
        let version = try database.prepare("PRAGMA user_version").first([]) { $0.integer(0) }
        guard sound == "ok", let version, (0...BindingStatements.version).contains(version) else {
            throw SQLiteError(
                code: SQLITE_CORRUPT, description: "damaged, or of another version: \(sound ?? "")")
        }
        return try BindingStatements(database)
    }

    /// Renames the file.
    private func setAside(_ folder: String, _ why: String) {
        let path = "\(folder)/\(Self.file)"
        OwnDatabase.setAside(path, as: "\(path).corrupt")
        troubles.append(
            "the bindings' file is damaged (\(why)): it was renamed to \(Self.file).corrupt and a new one "
                + "begun; phones are known again when they next register")
    }
}

/// While the file cannot be written.
extension BindingStore {
    /// A new database in memory.
    private static func memory() -> (SQLiteDatabase, BindingStatements) {
        do {
            let database = try SQLiteDatabase(path: ":memory:", .writing, busyTimeout: 0)
            try database.execute("PRAGMA max_page_count=\(mostPages)")
            return (database, try BindingStatements(database))
        } catch {
            // Nothing but the lack of memory makes a database in memory fail.
            fatalError("a database in memory cannot be opened: \(error)")
        }
    }

    /// A copy in memory of a database.
    private static func copy(
        of other: SQLiteDatabase
    ) throws(SQLiteError) -> (SQLiteDatabase, BindingStatements) {
        let (database, _) = memory()
        try database.copy(other)
        return (database, try sound(database))
    }

    /// Goes on in memory beside a file of a newer version, which nothing here may touch.
    private func leaveAlone(_ why: SQLiteError) {
        (fault, isNewer, isWhole) = ("\(why)", true, false)
        troubles.append(
            "bindings are kept in memory only, and a restart of directory forgets them: \(why); it is"
                + " looked at again each minute")
    }

    /// Takes up what the file holds without writing to it.
    private func readKept(_ folder: String, _ why: SQLiteError) {
        let path = "\(folder)/\(Self.file)"
        fault = "\(why)"
        isWhole = false
        // Where not even a WAL can be made beside the file, it is read as it stands.
        for access in [SQLiteDatabase.Access.alone, .frozen] where !isWhole {
            do {
                let file = try SQLiteDatabase(path: path, access, busyTimeout: 0)
                try file.execute("PRAGMA locking_mode=EXCLUSIVE")
                let copy = try Self.copy(of: file)
                if access == .frozen, Self.lacksChanges(path) {
                    base = try Self.copy(of: file).1
                } else {
                    isWhole = true
                }
                (database, statements) = copy
            } catch {
                continue
            }
        }
        troubles.append(
            "the bindings' file cannot be written (\(why)): "
                + (isWhole
                    ? "what it holds is read"
                    : base == nil
                        ? "what it holds cannot be read either"
                        : "what it holds is read, but not the last changes, which lie beside it")
                + Self.remedy)
    }

    /// Whether there are changes beside a file, which are missing when it is read as it stands.
    private static func lacksChanges(_ path: String) -> Bool {
        ["-wal", "-journal"].contains { suffix in
            unsafe access(path + suffix, F_OK) == 0 || errno != ENOENT
        }
    }

    private static let remedy =
        "; changes are in memory only, and a restart of directory forgets them. See that"
        + " \(Role.directory.user) may write its folder in the state folder, and that there is room. It is"
        + " tried again each minute, and then all is written"

    /// Goes on in memory with what the file holds; false when that cannot be.
    private func leaveFile(_ why: SQLiteError, _ now: Milliseconds) -> Bool {
        guard folder != nil, let copy = try? Self.copy(of: database) else { return false }
        (database, statements) = copy
        (fault, isWhole, nextTry) = ("\(why)", true, now + Self.retryAfter)
        troubles.append("the bindings' file cannot be written (\(why))" + Self.remedy)
        // Into memory, which takes it.
        commit(now: now)
        return true
    }

    /// Writes what is not written yet: the process is about to end, whatever the last try came to.
    func close(now: Milliseconds) {
        nextTry = now
        commit(now: now)
    }

    /// Tries again to write the file, all of it, when it is time.
    private func returnToFile(_ now: Milliseconds) {
        guard fault != nil, let folder, now >= nextTry || nextTry - now > Self.retryAfter else {
            return
        }
        nextTry = now + Self.retryAfter
        do {
            let (file, kept) = try openSound(folder)
            if isWhole {
                try file.copy(database)
            } else {
                try add(to: file, kept, now)
            }
            (database, statements) = (file, kept)
            (fault, base, isNewer) = (nil, nil, false)
            troubles.append("the bindings' file is written again: bindings outlive a restart")
        } catch {
            fault = "\(error)"
            isNewer = error.isNewer
        }
    }

    /// Adds what has changed in memory to a file that could not be read before, or not all of it.
    private func add(
        to file: SQLiteDatabase, _ kept: BindingStatements, _ now: Milliseconds
    ) throws(SQLiteError) {
        let own = try Content(statements, now: now)
        var before = Content()
        if let base { before = try Content(base, now: now) }
        try file.execute("BEGIN IMMEDIATE")
        do {
            for (key, record) in own.bindings where before.bindings[key] != record {
                try kept.store(record)
            }
            for key in before.bindings.keys where own.bindings[key] == nil {
                try kept.forget(account: key.account, key: key.key)
            }
            for (account, standing) in own.standings where before.standings[account] != standing {
                try kept.standings.store(standing)
            }
            for account in before.standings.keys where own.standings[account] == nil {
                try kept.standings.store(AccountStanding(account: account))
            }
            try file.execute("COMMIT")
        } catch {
            try? file.execute("ROLLBACK")
            throw error
        }
    }
}
