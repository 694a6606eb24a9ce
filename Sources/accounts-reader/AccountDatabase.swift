// The account database in a SQLite file, over its life: opened, asked, seen to change, lost, found again.
internal import CSQLite
internal import Glibc
internal import Messages
internal import SQLite
internal import Sys

/// The account database in a SQLite file, opened read-only and opened again when it must be.
///
/// No transaction waits longer than `longestWait` for another program's lock. After one that waited in vain, the next
/// tries come from `tick` alone, over the same connection. So a locked database costs the loop at most that much a second.
///
/// Outside WAL, a commit of Asterisk waits for each transaction here. One of look-ups lasts for the first of them, for
/// `longestTransaction`, and for what is begun by then: about 50 ms, unless a single look-up takes longer.
final class AccountDatabase: AccountSource {
    private struct Connection {
        let tables: AccountTables
        let database: SQLiteRealtime
        var version: Int64
        /// The table that would have to have rows, and has none.
        var emptyTable: String?
        /// The file as it was before it was opened, or before its last change by SQLite.
        var stamp: FileStamp
        /// Whether a lock has outlasted a call, so that `tick` alone asks it.
        var isLockedOut = false
        /// Whether a lock has outlasted the last tick: the second one that finds it says so, though nobody looks anything up.
        var isTickLocked = false
    }

    private let settings: AccountSettings
    private var connection: Connection?
    private var backOff = BackOff(from: .seconds(1))
    private var complaint: String?
    /// Why the last look-up failed though the file can be read; nil when it did not.
    private var trouble: String?
    private var events: [AccountEvent] = []
    private var complaints = ListComplaints()

    /// How long the statements of a transaction wait for another program's lock.
    ///
    /// Asterisk writes to the same file, and on a slow disk each of its commits has the lock for some hundred
    /// milliseconds.
    private static let longestWait = Milliseconds(500)
    /// How long look-ups go on in one transaction after its first: another program's commit waits for its end.
    private static let longestTransaction = Milliseconds(50)

    /// The database of these settings, not opened before the first `tick`.
    init(_ settings: AccountSettings) { self.settings = settings }

    /// What the settings call it.
    private var source: String { settings.url.isEmpty ? "no source" : settings.url }

    /// Whether it can be read; nil before the first try to open it.
    var state: SourceState? {
        if let connection, !connection.isLockedOut {
            return .up(layout: connection.tables.name, source: source)
        }
        return complaint.map { .down(why: $0, source: source) }
    }

    /// That look-ups in a database that can be read fail, or that it has no account; nil when neither is so.
    var failing: String? {
        connection == nil ? nil : trouble.map { "look-ups in \(source) fail: \($0)" }
    }

    var lack: String? {
        connection?.emptyTable.map {
            "the source has no account: the table \($0) is empty. Fill it, or name in accounts.source the"
                + " database that Asterisk uses"
        }
    }

    /// What has happened since the last call.
    func drainEvents() -> [AccountEvent] {
        defer { events = [] }
        return events
    }

    /// Opens the database when it is time, or looks whether it has changed; to be called each second.
    func tick(_ now: Milliseconds) {
        if connection != nil {
            lookForChanges(now)
        } else if backOff.isOver(now) {
            open(now)
        }
    }

    /// What the rows say of names, with their HA1s for realms, in that order.
    ///
    /// All are unavailable when one cannot be read, and those that are not begun within a span (nil: however long it
    /// takes), but not the first. The rows of one account fit together.
    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds? = nil, now: Milliseconds,
        steps: TraceSteps? = nil
    ) -> [ReadAccount] {
        let none = Array(repeating: ReadAccount.unavailable, count: queries.count)
        let end = span.map { Clock.monotonic + $0 }
        let answers = reading(now) { (connection) throws(RealtimeError) in
            var answers: [ReadAccount] = []
            while answers.count < queries.count {
                if let end, !answers.isEmpty, Clock.monotonic >= end { break }
                try lookUp(queries, until: end, in: connection, steps, &answers)
            }
            return answers
        }
        guard let answers else { return none }
        events += complaints.events(queries, answers)
        return answers + none.dropFirst(answers.count)
    }

    /// Looks up what has no answer yet, until one transaction has lasted long enough.
    private func lookUp(
        _ queries: [AccountQuery], until end: Milliseconds?, in connection: Connection,
        _ steps: TraceSteps?, _ answers: inout [ReadAccount]
    ) throws(RealtimeError) {
        connection.database.waitForLocks(Self.longestWait)
        try connection.database.execute("BEGIN")
        var last: Milliseconds?
        for query in queries.dropFirst(answers.count) {
            if let last, Clock.monotonic >= min(last, end ?? last) { break }
            answers.append(
                try lookUp(
                    LookUp(query, settings, steps), in: connection.tables))
            // From now on: a slow disk takes its time for the first page, which the next look-ups have then.
            last = last ?? Clock.monotonic + Self.longestTransaction
        }
        try connection.database.execute("COMMIT")
    }

    /// Looks one name up: where a view or a query fails for its row alone, the others are read all the same.
    private func lookUp(
        _ query: LookUp, in tables: AccountTables
    ) throws(RealtimeError) -> ReadAccount {
        do throws(RealtimeError) {
            let answer = try tables.lookUp(query)
            trouble = nil
            return answer
        } catch {
            guard error.isOfStatement else { throw error }
            trouble = "\(error)"
            return .unavailable
        }
    }

    /// The names after one, in the order of their bytes, at most so many; nil while nothing can be read.
    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        reading(now) { (connection) throws(RealtimeError) in
            try connection.tables.names(after: name, limit: limit, in: connection.database)
        }
    }

    /// What `body` reads; nil when nothing can be read.
    private func reading<Value>(
        _ now: Milliseconds, _ body: (Connection) throws(RealtimeError) -> Value
    ) -> Value? {
        guard let connection, !connection.isLockedOut else { return nil }
        connection.database.waitForLocks(Self.longestWait)
        do throws(RealtimeError) {
            return try body(connection)
        } catch {
            fail(error, now)
            return nil
        }
    }

    private func open(_ now: Milliseconds, known: String? = nil) {
        guard let path = settings.path else {
            return fail(
                settings.url.isEmpty
                    ? "the settings name no source: set accounts.source"
                    : "accounts.source is none that this build can read: `rempart settings` names those that"
                        + " there are",
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
            let database = SQLiteRealtime(
                try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
            database.waitForLocks(Self.longestWait)
            // One read transaction: each would read the first page anew, for which a slow disk takes its time.
            try database.execute("BEGIN")
            let version = try database.dataVersion()
            let tables = try AccountTables.find(by: settings, in: database)
            let emptyTable = try tables.emptyTable(in: database)
            try database.execute("COMMIT")
            connection = Connection(
                tables: tables, database: database, version: version, emptyTable: emptyTable,
                stamp: stamp)
            backOff.succeeded()
            complaint = nil
            if tables.name != known {
                events.append(.source(.up(layout: tables.name, source: source)))
            }
            events.append(.changed)
            complaints.forget()
        } catch let error as SQLiteError {
            fail(.sqlite(error), now)
        } catch let error as RealtimeError {
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
            let version = try connection.database.dataVersion()
            self.connection?.isTickLocked = false
            guard version != connection.version else {
                // Written past SQLite, as by cp(1): it would go on with the pages that it remembers.
                if stamp != connection.stamp {
                    reopen(now, known: connection.isLockedOut ? nil : connection.tables.name)
                } else if connection.isLockedOut {
                    lockIsGone(connection)
                }
                return
            }
            // The change may be of the tables themselves, or of which of them hold rows.
            guard try isSameLayout(connection) else { return reopen(now) }
            self.connection?.emptyTable =
                try connection.tables.emptyTable(in: connection.database)
            // Not before: a change during whose look a lock comes is seen by the next tick.
            self.connection?.version = version
            self.connection?.stamp = stamp
            if connection.isLockedOut { return lockIsGone(connection) }
            events.append(.changed)
            complaints.forget()
        } catch {
            // A lock that lasts a moment too long is no news here: the next look-up or tick finds out.
            guard !error.isLocked || self.connection?.isTickLocked == true else {
                self.connection?.isTickLocked = true
                return
            }
            fail(error, now)
        }
    }

    /// The database can be read again, by which rows may have changed.
    private func lockIsGone(_ connection: Connection) {
        self.connection?.isLockedOut = false
        complaint = nil
        complaints.forget()
        events.append(.source(.up(layout: connection.tables.name, source: source)))
        events.append(.changed)
    }

    private func isSameLayout(_ connection: Connection) throws(RealtimeError) -> Bool {
        do {
            return try AccountTables.find(by: settings, in: connection.database)
                .isSame(as: connection.tables)
        } catch .database(let error) {
            throw error
        } catch {
            return false
        }
    }

    /// Opens the file anew; a layout that is known already is not announced.
    private func reopen(_ now: Milliseconds, known: String? = nil) {
        connection = nil
        open(now, known: known)
    }

    private func fail(_ error: RealtimeError, _ now: Milliseconds) {
        guard error.isLocked else { return fail(explain(error), now) }
        // It is down, not lost: what is open stays so, without what the failed call has begun.
        connection?.isLockedOut = true
        try? connection?.database.execute("ROLLBACK")
        announce(explain(error))
    }

    private func fail(_ why: String, _ now: Milliseconds) {
        connection = nil
        backOff.failed(now)
        announce(why)
    }

    private func announce(_ why: String) {
        guard why != complaint else { return }
        complaint = why
        events.append(.source(.down(why: why, source: source)))
    }

    private func explain(_ failure: RealtimeError) -> String {
        let path = settings.path ?? settings.url
        guard case .sqlite(let error) = failure else {
            return "\(path) cannot be read: \(failure)"
        }
        if error.isLocked {
            let wait = Self.longestWait.count
            return "\(path) is locked by another program for longer than \(wait) ms: find it"
                + " with 'fuser -v \(path)', which lists \(Role.accountsReader.name), Rempart's own, too"
        }
        switch error.code {
        case SQLITE_CANTOPEN where DatabaseRights.lacksWriter(path),
            SQLITE_READONLY where DatabaseRights.lacksWriter(path):
            return
                "\(path) is in WAL mode and no program has it open, so that a reader lacks \(path)-shm. "
                + "Start Asterisk, or leave that mode with sqlite3 \(path) 'PRAGMA "
                + "journal_mode=DELETE'. It is opened within \(BackOff.longest.seconds) s then"
        case SQLITE_NOTADB:
            return
                "\(path) cannot be read: it is no SQLite database. Name in accounts.source the one of Asterisk's"
        case SQLITE_CANTOPEN: return DatabaseRights.unreadable(path, EACCES)
        default: return "\(path) cannot be read: \(error)"
        }
    }
}
