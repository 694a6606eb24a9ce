// The account database over its life: opened, asked, seen to change, lost, found again.
internal import CSQLite
internal import Glibc
internal import Messages
internal import SQLite
internal import Sys

/// What happened to the account database.
enum AccountEvent: Equatable {
    /// Whether it can be read: told when that changes.
    case source(SourceState)
    /// Rows have, or may have, changed.
    case changed
    /// An account's access lists let nobody in.
    case nobody(String)
}

/// The account database, opened read-only and opened again when it must be.
///
/// No call waits longer than `longestWait` for another program's lock. After one that waited in vain, the next tries
/// come from `tick` alone, over the same connection. So a locked database costs the loop at most that much a second.
final class AccountDatabase {
    private struct Connection {
        let tables: AccountTables
        let database: SQLiteDatabase
        let dataVersion: SQLiteStatement
        var version: Int64
        /// The table that would have to have rows, and has none.
        var emptyTable: String?
        /// The file as it was before it was opened, or before its last change by SQLite.
        var stamp: FileStamp
    }

    private let settings: AccountSettings
    private var connection: Connection?
    /// Whether a lock has outlasted a call, so that `tick` alone asks the open database.
    private var isLockedOut = false
    /// Whether a lock has outlasted the last tick: the second one that finds it says so, though nobody looks anything up.
    private var isTickLocked = false
    private var nextTry = Milliseconds(0)
    private var backOff = Milliseconds.seconds(1)
    private var complaint: String?
    private var events: [AccountEvent] = []
    /// The accounts whose lists have been complained of since the rows last changed.
    private var complainedOf: Set<String> = []

    /// How long the statements of a call wait for another program's lock.
    ///
    /// Asterisk writes to the same file, and on a slow disk each of its commits has the lock for some hundred
    /// milliseconds.
    private static let longestWait = Milliseconds(500)
    /// How many accounts are complained of at most, until rows change.
    private static let mostComplaints = 100
    /// The longest time between two tries to open the database.
    private static let longestBackOff = Milliseconds.seconds(10)

    /// The database of these settings, not opened before the first `tick`.
    init(_ settings: AccountSettings) { self.settings = settings }

    /// What the settings call it.
    private var source: String { settings.url.isEmpty ? "no source" : settings.url }

    /// Whether it can be read; nil before the first try to open it.
    var state: SourceState? {
        if let connection, !isLockedOut {
            return .up(layout: connection.tables.name, source: source)
        }
        return complaint.map { .down(why: $0, source: source) }
    }

    /// The table in which no account is, of a database that can be read; nil when there are accounts.
    var emptyTable: String? { connection?.emptyTable }

    /// What has happened since the last call.
    func drainEvents() -> [AccountEvent] {
        defer { events = [] }
        return events
    }

    /// Opens the database when it is time, or looks whether it has changed; to be called each second.
    func tick(_ now: Milliseconds) {
        if connection != nil {
            lookForChanges(now)
        } else if now >= nextTry {
            open(now)
        }
    }

    /// What the rows say of a name, with its HA1s for a realm; each step is told to `steps`.
    func lookUp(
        account: String, realm: String, now: Milliseconds, steps: TraceSteps? = nil
    ) -> ReadAccount {
        let query = AccountQuery(name: account, realm: realm)
        return lookUp([query], within: .seconds(1), now: now, steps: steps).first ?? .unavailable
    }

    /// What the rows say of names, with their HA1s for realms, in that order; those that are not read within a span are
    /// unavailable, and all when one cannot be read.
    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds, now: Milliseconds,
        steps: TraceSteps? = nil
    ) -> [ReadAccount] {
        let none = Array(repeating: ReadAccount.unavailable, count: queries.count)
        let end = Clock.monotonic + span
        let answers = reading(now) { (connection) throws(SQLiteError) in
            // One read transaction: the lock is waited for once, and the rows fit together.
            try connection.database.execute("BEGIN")
            var answers: [ReadAccount] = []
            for query in queries {
                guard Clock.monotonic < end else { break }
                answers.append(
                    try connection.tables.lookUp(
                        LookUp(
                            account: query.name, realm: query.realm, ownRealm: settings.realm,
                            domains: settings.domains, steps: steps)))
            }
            try connection.database.execute("COMMIT")
            return answers
        }
        guard let answers else { return none }
        for (query, answer) in zip(queries, answers) where answer.why == .unreadableAccessList {
            complain(query.name)
        }
        return answers + none.dropFirst(answers.count)
    }

    /// The names after one, in the order of their bytes, at most so many; nil while nothing can be read.
    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        reading(now) { (connection) throws(SQLiteError) in
            try connection.tables.names(after: name, limit: limit, in: connection.database)
        }
    }

    /// What `body` reads; nil when nothing can be read.
    private func reading<Value>(
        _ now: Milliseconds, _ body: (Connection) throws(SQLiteError) -> Value
    ) -> Value? {
        guard let connection, !isLockedOut else { return nil }
        connection.database.waitForLocks(Self.longestWait)
        do throws(SQLiteError) {
            return try body(connection)
        } catch {
            fail(error, now)
            return nil
        }
    }

    private func complain(_ account: String) {
        guard complainedOf.count < Self.mostComplaints, complainedOf.insert(account).inserted
        else { return }
        events.append(.nobody(account))
    }

    private func open(_ now: Milliseconds, known: String? = nil) {
        guard let path = settings.path else {
            return fail(
                settings.url.isEmpty
                    ? "the settings name no source: set accounts.source to sqlite:///path"
                    : "\(settings.url) is no source that this build can read: "
                        + "accounts.source takes sqlite:///path",
                now)
        }
        do {
            guard let stamp = FileStamp(path), unsafe access(path, R_OK) == 0 else {
                return fail(DatabaseRights.unreadable(path, errno), now)
            }
            // To open a FIFO would wait for its writer.
            guard stamp.isRegular else {
                return fail(
                    "\(path) is no regular file: name Asterisk's SQLite file in accounts.source",
                    now)
            }
            let database = try SQLiteDatabase(path: path, .reading, busyTimeout: 0)
            database.waitForLocks(Self.longestWait)
            // One read transaction: each would read the first page anew, for which a slow disk takes its time.
            try database.execute("BEGIN")
            let dataVersion = try database.prepare("PRAGMA data_version")
            let version = try dataVersion.first([]) { $0.integer(0) } ?? 0
            let tables = try AccountTables.find(
                settings.schema, settings.access, named: settings.tables, in: database)
            let emptyTable = try tables.emptyTable(in: database)
            try database.execute("COMMIT")
            connection = Connection(
                tables: tables, database: database, dataVersion: dataVersion, version: version,
                emptyTable: emptyTable, stamp: stamp)
            backOff = .seconds(1)
            complaint = nil
            if tables.name != known {
                events.append(.source(.up(layout: tables.name, source: source)))
            }
            events.append(.changed)
            complainedOf = []
        } catch let error as SQLiteError {
            fail(error, now)
        } catch AccountTablesError.database(let error) {
            fail(error, now)
        } catch {
            fail("\(path) cannot serve: \(error)", now)
        }
    }

    private func lookForChanges(_ now: Milliseconds) {
        guard let connection, let path = settings.path else { return }
        connection.database.waitForLocks(Self.longestWait)
        do {
            guard let stamp = FileStamp(path), stamp.isSameFile(connection.stamp) else {
                return reopen(now)
            }
            try connection.database.execute("BEGIN")
            defer { try? connection.database.execute("COMMIT") }
            let version = try connection.dataVersion.first([]) { $0.integer(0) }
            isTickLocked = false
            guard version != connection.version else {
                // Written past SQLite, as by cp(1): it would go on with the pages that it remembers.
                if stamp != connection.stamp {
                    reopen(now, known: isLockedOut ? nil : connection.tables.name)
                } else if isLockedOut {
                    lockIsGone(connection)
                }
                return
            }
            // The change may be of the tables themselves, or of which of them hold rows.
            guard try isSameLayout(connection) else { return reopen(now) }
            self.connection?.emptyTable =
                try connection.tables.emptyTable(in: connection.database)
            // Not before: a change during whose look a lock comes is seen by the next tick.
            self.connection?.version = version ?? 0
            self.connection?.stamp = stamp
            if isLockedOut { return lockIsGone(connection) }
            events.append(.changed)
            complainedOf = []
        } catch {
            // A lock that lasts a moment too long is no news here: the next look-up or tick finds out.
            guard !error.isLocked || isTickLocked else { return isTickLocked = true }
            fail(error, now)
        }
    }

    /// The database can be read again, by which rows may have changed.
    private func lockIsGone(_ connection: Connection) {
        isLockedOut = false
        complaint = nil
        complainedOf = []
        events.append(.source(.up(layout: connection.tables.name, source: source)))
        events.append(.changed)
    }

    private func isSameLayout(_ connection: Connection) throws(SQLiteError) -> Bool {
        do {
            let found = try AccountTables.find(
                settings.schema, settings.access, named: settings.tables,
                in: connection.database)
            return found.name == connection.tables.name
                && found.columns == connection.tables.columns
        } catch .database(let error) {
            throw error
        } catch {
            return false
        }
    }

    /// Opens the file anew; a layout that is known already is not announced.
    private func reopen(_ now: Milliseconds, known: String? = nil) {
        connection = nil
        isLockedOut = false
        open(now, known: known)
    }

    private func fail(_ error: SQLiteError, _ now: Milliseconds) {
        guard error.isLocked else { return fail(explain(error), now) }
        // It is down, not lost: what is open stays so, without what the failed call has begun.
        isLockedOut = connection != nil
        try? connection?.database.execute("ROLLBACK")
        announce(explain(error))
    }

    private func fail(_ why: String, _ now: Milliseconds) {
        connection = nil
        isLockedOut = false
        nextTry = now + backOff
        backOff = min(Milliseconds(backOff.count * 2), Self.longestBackOff)
        announce(why)
    }

    private func announce(_ why: String) {
        guard why != complaint else { return }
        complaint = why
        events.append(.source(.down(why: why, source: source)))
    }

    private func explain(_ error: SQLiteError) -> String {
        let path = settings.path ?? settings.url
        if error.isLocked {
            let wait = Self.longestWait.count
            return "\(path) is locked by another program for longer than \(wait) ms: find it"
                + " with 'fuser \(path)'"
        }
        switch error.code {
        case SQLITE_CANTOPEN where DatabaseRights.lacksWriter(path),
            SQLITE_READONLY where DatabaseRights.lacksWriter(path):
            return
                "\(path) is in WAL mode and no program has it open, so that a reader lacks \(path)-shm. "
                + "Start Asterisk, or leave that mode with sqlite3 \(path) 'PRAGMA "
                + "journal_mode=DELETE'. It is opened within \(Self.longestBackOff.seconds) s then"
        case SQLITE_CANTOPEN: return DatabaseRights.unreadable(path, EACCES)
        default: return "\(path) cannot be read: \(error)"
        }
    }
}
