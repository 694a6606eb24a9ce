// The account database over its life: opened, asked, seen to change, lost, found again.
internal import CSQLite
internal import Glibc
internal import Messages
internal import Sys

/// Which database holds the accounts, and how it is read.
struct AccountSettings: Equatable {
    /// `accounts.database`; empty when the settings name none.
    var url = ""
    /// `accounts.schema`.
    var schema = Setting.accounts.schema.standard
    /// `accounts.realm`.
    var realm = Setting.accounts.realm.standard
    /// `domains`.
    var domains: [String] = []
    /// `accounts.acl-order`, and the addresses of `inside`.
    var access = AccessRules()

    /// The addresses of this machine, asked for once: a reload changes no endpoint, and comes after the confinement.
    private static let ownAddresses = Socket.ownAddresses()

    /// The settings of a start set.
    init(_ settings: [DirectorySetting] = []) {
        for setting in settings {
            switch setting {
            case .database(let url): self.url = url
            case .schema(let schema): self.schema = schema
            case .realm(let realm): self.realm = realm
            case .domain(let domain): domains.append(domain)
            case .accessOrder(let order): access.order = order
            case .inside(let endpoint):
                access.own += endpoint.isWildcard ? Self.ownAddresses : [endpoint.address.ip]
            }
        }
    }

    /// The database file's path, or nil when the URL is not `sqlite:///path`.
    var path: String? {
        let scheme = "sqlite://"
        guard url.hasPrefix(scheme + "/") else { return nil }
        return String(url.dropFirst(scheme.count))
    }
}

/// What happened to the account database.
enum AccountEvent: Equatable {
    /// It can be read; the layout's name.
    case up(String)
    /// It cannot be read; what is wrong and what to do.
    case down(String)
    /// Rows have, or may have, changed.
    case changed
    /// An account's access lists let nobody in.
    case nobody(String)
}

/// The account database, opened read-only and opened again when it must be.
///
/// No call waits longer than `busyTimeout`. After one that did, the next tries come from `tick`
/// alone. So a locked database costs the loop at most that much a second.
final class AccountDatabase {
    private struct Connection {
        let tables: AccountTables
        let database: SQLiteDatabase
        let dataVersion: SQLiteStatement
        var version: Int64
        /// The file as it was before it was opened, or before its last change by SQLite.
        var stamp: FileStamp
    }

    private let settings: AccountSettings
    private var connection: Connection?
    private var nextTry = Milliseconds(0)
    private var backOff = Milliseconds.seconds(1)
    private var complaint: String?
    private var events: [AccountEvent] = []
    /// The accounts whose lists have been complained of since the rows last changed.
    private var complainedOf: Set<String> = []

    /// How long a statement waits for another program's lock, in milliseconds.
    ///
    /// Asterisk writes to the same file, and on a slow disk each of its commits has the lock for
    /// some hundred.
    static let busyTimeout: Int32 = 500
    /// How many accounts are complained of at most, until rows change.
    private static let mostComplaints = 100
    /// The longest time between two tries to open the database.
    private static let longestBackOff = Milliseconds.seconds(10)

    /// The database of these settings, not opened before the first `tick`.
    init(_ settings: AccountSettings) { self.settings = settings }

    /// The database's file, or what the settings say in its place.
    var source: String { settings.path ?? (settings.url.isEmpty ? "no database" : settings.url) }

    /// What has happened since the last call.
    func drainEvents() -> [AccountEvent] {
        defer { events = [] }
        return events
    }

    /// One line for `rempart status`.
    var status: String {
        if let connection {
            return "accounts: \(connection.tables.name) in \(settings.url)"
        }
        return "no accounts: \(complaint ?? "not opened yet")"
    }

    /// Why the accounts cannot be read and what to do about it, nil while they can.
    var trouble: String? { connection == nil ? complaint : nil }

    /// Opens the database when it is time, or looks whether it has changed; to be called each second.
    func tick(_ now: Milliseconds) {
        if connection != nil {
            lookForChanges(now)
        } else if now >= nextTry {
            open(now)
        }
    }

    /// The account of a name with its HA1s for a realm.
    func lookUp(account: String, realm: String, now: Milliseconds) -> AccountAnswer {
        guard let connection else { return .unavailable }
        let query = AccountQuery(
            account: account, realm: realm, ownRealm: settings.realm, domains: settings.domains)
        do {
            // One read transaction: the lock is waited for once, and the rows fit together.
            try connection.database.execute("BEGIN")
            let answer = try connection.tables.lookUp(query)
            try connection.database.execute("COMMIT")
            if case .found(let found) = answer, found.access == .nobody { complain(account) }
            return answer
        } catch {
            fail(explain(error), now)
            return .unavailable
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
                    ? "the settings name no database: set accounts.database to sqlite:///path"
                    : "\(settings.url) is not a database this build can read: "
                        + "accounts.database takes sqlite:///path",
                now)
        }
        do {
            guard let stamp = FileStamp(path), unsafe access(path, R_OK) == 0 else {
                return fail(DatabaseRights.unreadable(path, errno), now)
            }
            // To open a FIFO would wait for its writer.
            guard stamp.isRegular else {
                return fail(
                    "\(path) is no regular file: name Asterisk's SQLite file in accounts.database",
                    now)
            }
            let database = try SQLiteDatabase(
                path: path, .reading, busyTimeout: Self.busyTimeout)
            let dataVersion = try database.prepare("PRAGMA data_version")
            let version = try dataVersion.first([]) { $0.integer(0) } ?? 0
            let tables = try AccountTables.find(
                settings.schema, settings.access, in: database)
            connection = Connection(
                tables: tables, database: database, dataVersion: dataVersion, version: version,
                stamp: stamp)
            backOff = .seconds(1)
            complaint = nil
            if tables.name != known { events.append(.up(tables.name)) }
            events.append(.changed)
            complainedOf = []
        } catch let error as SQLiteError {
            fail(explain(error), now)
        } catch AccountTablesError.database(let error) {
            fail(explain(error), now)
        } catch {
            fail("\(path) cannot serve: \(error)", now)
        }
    }

    private func lookForChanges(_ now: Milliseconds) {
        guard let connection, let path = settings.path else { return }
        do {
            guard let stamp = FileStamp(path), stamp.isSameFile(connection.stamp) else {
                return reopen(now)
            }
            let version = try connection.dataVersion.first([]) { $0.integer(0) }
            guard version != connection.version else {
                // Written past SQLite, as by cp(1): it would go on with the pages that it remembers.
                if stamp != connection.stamp { reopen(now, known: connection.tables.name) }
                return
            }
            self.connection?.version = version ?? 0
            self.connection?.stamp = stamp
            // The change may be of the tables themselves, or of which of them hold rows.
            guard try isSameLayout(connection) else { return reopen(now) }
            events.append(.changed)
            complainedOf = []
        } catch {
            // A lock that lasts a moment too long is no news here: the next look-up or tick finds out.
            if !error.isLocked { fail(explain(error), now) }
        }
    }

    private func isSameLayout(_ connection: Connection) throws(SQLiteError) -> Bool {
        do {
            let found = try AccountTables.find(
                settings.schema, settings.access, in: connection.database)
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
        open(now, known: known)
    }

    private func fail(_ why: String, _ now: Milliseconds) {
        connection = nil
        nextTry = now + backOff
        backOff = min(Milliseconds(backOff.count * 2), Self.longestBackOff)
        guard why != complaint else { return }
        complaint = why
        events.append(.down(why))
    }

    private func explain(_ error: SQLiteError) -> String {
        let path = settings.path ?? settings.url
        if error.isLocked {
            return "\(path) is locked by another program for longer than \(Self.busyTimeout) ms: "
                + "find it with 'fuser \(path)'"
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
