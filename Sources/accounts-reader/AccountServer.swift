// The accounts in a database server, over its life: connected, asked, lost, connected again.
internal import Messages
internal import ODBC
internal import Sys

/// The account database of a server that unixODBC leads to.
///
/// Nothing tells here that rows have changed: directory asks again by itself (`SourceState.tellsOfChanges`). `tick` alone
/// connects. A call waits for the driver. One that waits for ever, as PostgreSQL's for a server that is frozen, is seen by directory, which
/// has this process replaced.
final class AccountServer: AccountSource {
    private struct Connection {
        let realtime: ODBCRealtime
        var tables: AccountTables
        /// Why the settings have to choose between two drivers; nil when they need not.
        let undecided: String?
        /// The table that would have to have rows, and has none.
        var emptyTable: String?
        /// When the tables are looked at again.
        var nextLook: Milliseconds
        /// When it was used last.
        var used: Milliseconds
    }

    private let settings: AccountSettings
    private let login: ServerLogin
    private var connection: Connection?
    private var backOff = BackOff()
    /// When the try to connect has begun that goes on, on the clock itself.
    private var tryBegan: Milliseconds?
    private var complaint: String?
    /// Why the last look-up could not be read over a connection that stands; nil when it could.
    private var trouble: String?
    /// Why a look-up has lost its connection, as by a server that logs in and does not answer; nil when one has
    /// succeeded since.
    private var loss: String?
    /// The tables as they were found last, also before an outage.
    private var known: AccountTables?
    private var events: [AccountEvent] = []
    private var complaints = ListComplaints()

    /// How often the tables are looked at: for columns that have come or gone.
    private static let lookEvery = Milliseconds.seconds(60)
    /// How long a connection is not used before it is tried.
    private static let idle = Milliseconds.seconds(30)

    /// The database of a login, not connected to before it is first needed.
    init(_ settings: AccountSettings, _ login: ServerLogin) {
        self.settings = settings
        self.login = login
    }

    var state: SourceState? {
        if let connection { return up(connection.tables) }
        return complaint.map { .down(why: $0, source: login.name) }
    }

    private func up(_ tables: AccountTables) -> SourceState {
        .up(layout: tables.name, source: login.name, tellsOfChanges: false)
    }

    var failing: String? { (trouble ?? loss).map { "look-ups in \(login.name) fail: \($0)" } }

    var lack: String? {
        connection?.emptyTable.map {
            "the source has no account: the table \($0) is empty. Fill it, or name the database that"
                + " Asterisk uses in \(login.placeOfDataSource ?? login.placeOfLogin)"
        }
    }

    var unread: [String] { [connection?.undecided].compactMap(\.self) }

    func drainEvents() -> [AccountEvent] {
        defer { events = [] }
        return events
    }

    func tick(_ now: Milliseconds) {
        guard let connection else { return connect(now) }
        guard now >= connection.nextLook || now - connection.used >= Self.idle else { return }
        do {
            try find(in: connection.realtime, now)
        } catch {
            fail(error, now)
        }
    }

    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds,
        steps: TraceSteps?
    ) -> [ReadAccount] {
        let end = span.map { Clock.monotonic + $0 }
        var answers: [ReadAccount] = []
        while let connection, answers.count < queries.count {
            if let end, !answers.isEmpty, Clock.monotonic >= end { break }
            answers.append(lookUp(queries[answers.count], in: connection, now, steps))
        }
        events += complaints.events(queries, answers)
        let missing = queries.count - answers.count
        return answers + Array(repeating: .unavailable, count: missing)
    }

    private func lookUp(
        _ query: AccountQuery, in connection: Connection, _ now: Milliseconds, _ steps: TraceSteps?
    ) -> ReadAccount {
        do throws(RealtimeError) {
            let answer = try connection.tables.lookUp(
                LookUp(query, settings, steps))
            try connection.realtime.endTransaction()
            self.connection?.used = now
            (trouble, loss) = (nil, nil)
            backOff.succeeded()
            return answer
        } catch {
            if error.isLost { loss = "\(error)" }
            failed(error, now)
            return .unavailable
        }
    }

    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        guard let connection else { return nil }
        do throws(RealtimeError) {
            let names = try connection.tables.names(
                after: name, limit: limit, in: connection.realtime)
            try connection.realtime.endTransaction()
            self.connection?.used = now
            return names
        } catch {
            failed(error, now)
            return nil
        }
    }

    /// A statement has failed: the connection stands, unless it is lost.
    ///
    /// The tables are looked at by the next tick, since they may have changed.
    private func failed(_ error: RealtimeError, _ now: Milliseconds) {
        guard let connection, !error.isLost else { return fail(.database(error), now) }
        do throws(RealtimeError) {
            try connection.realtime.endTransaction()
            trouble = "\(error)"
            self.connection?.nextLook = now
        } catch {
            fail(.database(error), now)
        }
    }

    // MARK: The connection

    private func connect(_ now: Milliseconds) {
        guard backOff.isOver(now) else { return }
        tryBegan = Clock.monotonic
        defer { tryBegan = nil }
        do {
            var string = try connectionString()
            let connection = try ODBCConnection(
                &string, loginTimeout: ODBCRealtime.timeout)
            try find(in: try ODBCRealtime(connection), now)
            if loss == nil { backOff.succeeded() }
        } catch let error as ODBCError {
            fail(.database(.odbc(error)), now)
        } catch let error as RealtimeError {
            fail(.database(error), now)
        } catch {
            fail(error as? AccountTablesError ?? .layout("\(error)"), now)
        }
    }

    /// Looks at the tables, and reads them from now on as they are.
    private func find(
        in realtime: ODBCRealtime, _ now: Milliseconds
    ) throws(AccountTablesError) {
        let (tables, undecided) = try AccountTables.find(
            by: settings, known: known, in: realtime)
        var emptyTable: String?
        do throws(RealtimeError) {
            emptyTable = try tables.emptyTable(in: realtime)
            try realtime.endTransaction()
        } catch {
            throw .database(error)
        }
        let isNews = connection == nil || connection?.tables.name != tables.name
        connection = Connection(
            realtime: realtime, tables: tables, undecided: undecided, emptyTable: emptyTable,
            nextLook: now + Self.lookEvery, used: now)
        complaint = nil
        if isNews { events.append(.source(up(tables))) }
        // After an outage rows are old, and are asked for as such.
        if let known, known.isSame(as: tables) { return }
        known = tables
        events.append(.changed)
        complaints.forget()
    }

    private func fail(_ error: AccountTablesError, _ now: Milliseconds) {
        connection = nil
        trouble = nil
        // A try that has waited for the server is no rest from it.
        backOff.failed(now, took: tryBegan.map { Clock.monotonic - $0 } ?? Milliseconds(0))
        let why = explain(error)
        guard why != complaint else { return }
        complaint = why
        events.append(.source(.down(why: why, source: login.name)))
    }

    /// The DSN and the login, and the limits of time that MariaDB's driver takes in no other way; others pass over them.
    private func connectionString() throws(AccountTablesError) -> [UInt8] {
        let limit = ODBCRealtime.timeout
        let limits = ["CONN_TIMEOUT", "READ_TIMEOUT", "WRITE_TIMEOUT"].map { "\($0)=\(limit)" }
        return try login.connectionString(with: ["CHARSET=utf8mb4"] + limits)
    }

    private func explain(_ error: AccountTablesError) -> String {
        guard case .database(.odbc(let failure)) = error else {
            return "\(login.name) cannot serve: \(error)"
        }
        let place = login.placeOfDataSource ?? login.placeOfLogin
        let remedy =
            switch failure.state {
            case "IM002":
                "name in \(place) a section of /etc/odbc.ini, which \(Role.accountsReader.user) may read"
            case "01000", "IM003":
                "install the driver that /etc/odbcinst.ini names: for MariaDB odbc-mariadb, for PostgreSQL"
                    + " odbc-postgresql"
            case "28000", "28P01":
                "correct the login of \(login.placeOfLogin)"
                    + (login.isOfSettings ? ", and type 'rempart reload'" : "")
            case _ where failure.isOfGrant:
                "GRANT SELECT on the tables to the login of \(login.placeOfLogin)"
            case _ where failure.isOfAddress:
                "let the database server take that login from this machine's address (CREATE USER, or pg_hba.conf)"
            case _ where failure.isLost || failure.isUnreachable:
                "see whether the database server answers, and takes the login of \(login.placeOfLogin)"
            default: "try the same login with `isql -v`, or with the database's own client"
            }
        return "\(login.name) cannot be read: \(failure): \(remedy)"
    }
}
