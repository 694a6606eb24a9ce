// The two table layouts of Asterisk Realtime: which are there, and what an account's rows say.
internal import Messages

/// Why the tables cannot be used; the text names the table and the column.
enum AccountTablesError: Error, Equatable, CustomStringConvertible {
    /// SQLite failed.
    case database(SQLiteError)
    /// Tables or columns are missing, or it is not clear which tables are meant.
    case layout(String)

    /// What is wrong, for the administrator.
    var description: String {
        switch self {
        case .database(let error): error.description
        case .layout(let text): text
        }
    }
}

/// The account tables of an open database.
enum AccountTables {
    /// chan_sip's `sippeers`.
    case chanSip(ChanSipTables)
    /// PJSIP's `ps_endpoints`, `ps_auths`, `ps_aors`.
    case pjsip(PjsipTables)

    /// The layout's name in the settings.
    var name: String {
        switch self {
        case .chanSip: AccountSchema.chanSip.name
        case .pjsip: AccountSchema.pjsip.name
        }
    }

    /// The account of a name, with its HA1s for the asked realm.
    func lookUp(_ query: AccountQuery) throws(SQLiteError) -> AccountAnswer {
        switch self {
        case .chanSip(let tables): try tables.lookUp(query)
        case .pjsip(let tables): try tables.lookUp(query)
        }
    }

    /// The columns that were found: others mean that the tables have to be found again.
    var columns: TableColumns {
        switch self {
        case .chanSip(let tables): tables.columns
        case .pjsip(let tables): tables.columns
        }
    }

    /// Finds the tables by looking at the columns: an installation follows no one version's sample.
    static func find(
        _ schema: AccountSchema, _ rules: AccessRules = AccessRules(), in database: SQLiteDatabase
    ) throws(AccountTablesError) -> AccountTables {
        do {
            let columns = try TableColumns(database)
            switch try schema == .automatic ? detect(columns, in: database) : schema {
            case .chanSip: return .chanSip(try ChanSipTables(database, columns, rules))
            case .pjsip, .automatic: return .pjsip(try PjsipTables(database, columns, rules))
            }
        } catch let error as SQLiteError {
            throw .database(error)
        } catch let error as AccountTablesError {
            throw error
        } catch {
            throw .layout("\(error)")
        }
    }

    /// Asterisk's own scripts make both layouts in one database, so that only the rows tell.
    private static func detect(
        _ columns: TableColumns, in database: SQLiteDatabase
    ) throws -> AccountSchema {
        let chanSip = columns.exists("sippeers")
        let pjsip = columns.exists("ps_endpoints")
        guard chanSip || pjsip else {
            throw AccountTablesError.layout(
                "it has neither a table sippeers (chan_sip) nor ps_endpoints (PJSIP): "
                    + "point accounts.database at Asterisk's Realtime database")
        }
        guard chanSip, pjsip else { return chanSip ? .chanSip : .pjsip }
        let hasPeers = try hasRows("sippeers", database)
        let hasEndpoints = try hasRows("ps_endpoints", database)
        guard hasPeers, hasEndpoints else { return hasEndpoints ? .pjsip : .chanSip }
        throw AccountTablesError.layout(
            "both sippeers (chan_sip) and ps_endpoints (PJSIP) hold accounts: "
                + "set accounts.schema to chan_sip or pjsip")
    }

    private static func hasRows(
        _ table: String, _ database: SQLiteDatabase
    ) throws(SQLiteError) -> Bool {
        let statement = try database.prepare("SELECT EXISTS(SELECT 1 FROM \(table))")
        return try statement.first([]) { $0.integer(0) != 0 } ?? false
    }
}

/// Which columns the tables and views of a database have, in their order.
struct TableColumns: Equatable {
    private var names: [String: [String]] = [:]

    /// The tables that matter; no name of the database's own ever gets into a statement.
    private static let tables = ["sippeers", "ps_endpoints", "ps_auths", "ps_aors", "acls"]

    /// Looks at the tables of an open database.
    init(_ database: SQLiteDatabase) throws(SQLiteError) {
        let statement = try database.prepare(
            "SELECT lower(name) FROM pragma_table_info(?1) ORDER BY cid")
        for table in Self.tables {
            try statement.forEach([.text(table)]) { row in
                names[table, default: []].append(row.text(0))
                return true
            }
        }
    }

    /// Whether there is such a table or view.
    func exists(_ table: String) -> Bool { names[table] != nil }

    /// The columns of a table, in its order.
    func all(_ table: String) -> [String] { names[table] ?? [] }

    /// Throws unless the table has each of the columns, and at least one of `oneOf`.
    func require(
        _ table: String, _ columns: [String], oneOf: [String] = []
    ) throws(AccountTablesError) {
        guard let present = names[table] else { throw .layout("it lacks the table \(table)") }
        let missing = columns.filter { !present.contains($0) }
        guard missing.isEmpty else {
            throw .layout("table \(table) lacks the column \(missing.joined(separator: ", "))")
        }
        guard oneOf.isEmpty || oneOf.contains(where: present.contains) else {
            throw .layout("table \(table) lacks the column \(oneOf.joined(separator: " or "))")
        }
    }

    /// The expression that reads an optional column: its name, or NULL where it is missing.
    func expression(_ table: String, _ column: String) -> String {
        names[table]?.contains(column) == true ? column : "NULL"
    }

    /// A statement that reads columns, where they exist, of the rows with that exact key.
    ///
    /// The second comparison undoes what a numeric column's affinity does to the first, which alone
    /// would find the row 1001 for the name 01001.
    func select(
        _ columns: [String], from table: String, key: String, in database: SQLiteDatabase
    ) throws(SQLiteError) -> SQLiteStatement {
        let expressions = columns.map { expression(table, $0) }.joined(separator: ", ")
        return try database.prepare(
            "SELECT \(expressions) FROM \(table) WHERE \(key) = ?1 COLLATE BINARY "
                + "AND CAST(\(key) AS TEXT) = ?1 COLLATE BINARY")
    }
}
