// What the accounts of a database are read by: one of the two table layouts of Asterisk Realtime, or a query.
internal import Messages

/// Why the tables cannot be used; the text names the table and the column.
enum AccountTablesError: Error, Equatable, CustomStringConvertible {
    /// The database failed.
    case database(RealtimeError)
    /// Tables or columns are missing.
    case layout(String)
    /// Both drivers have accounts, and the settings do not choose.
    case undecided(String)

    /// What is wrong, for the administrator.
    var description: String {
        switch self {
        case .database(let error): error.description
        case .layout(let text), .undecided(let text): text
        }
    }
}

/// The account tables of an open database.
enum AccountTables {
    /// chan_sip's `sippeers`.
    case chanSip(ChanSipTables)
    /// PJSIP's `ps_endpoints`, `ps_auths`, `ps_aors`.
    case pjsip(PjsipTables)
    /// What `accounts.query` finds.
    case query(QueryTable)
    /// FreePBX's `devices` and `sip`.
    case freePBX(FreePBXTables)

    /// The layout's name in the settings.
    var name: String {
        switch self {
        case .chanSip: AccountSchema.chanSip.name
        case .pjsip: AccountSchema.pjsip.name
        case .query: SourceState.query
        case .freePBX(let tables): tables.schema.name
        }
    }

    /// The account of a name, with its HA1s for the asked realm.
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        switch self {
        case .chanSip(let tables): try tables.lookUp(query)
        case .pjsip(let tables): try tables.lookUp(query)
        case .query(let table): try table.lookUp(query)
        case .freePBX(let tables): try tables.lookUp(query)
        }
    }

    /// The names after one, in the order of their bytes, at most so many; empty: from the first on.
    ///
    /// Names that no message can tell whole are left out: no phone can have one. A query tells none.
    func names(
        after name: String, limit: Int, in database: any RealtimeDatabase
    ) throws(RealtimeError) -> [String] {
        let (columns, family, key): (TableColumns, AccountFamily, String)
        switch self {
        case .chanSip(let tables): (columns, family, key) = (tables.columns, .sippeers, "name")
        case .pjsip(let tables): (columns, family, key) = (tables.columns, .endpoints, "id")
        case .query: return []
        case .freePBX(let tables):
            return try tables.names(after: name, limit: limit, in: database)
        }
        guard let column = columns.column(family, key) else { return [] }
        return try database.names(
            in: column, of: columns.names[family], after: name, limit: limit)
    }

    /// The name of the first table without rows, of those of which each account has one; nil when all have some.
    func emptyTable(in database: any RealtimeDatabase) throws(RealtimeError) -> String? {
        let (columns, needed): (TableColumns, [AccountFamily])
        switch self {
        case .chanSip(let tables): (columns, needed) = (tables.columns, [.sippeers])
        case .pjsip(let tables): (columns, needed) = (tables.columns, [.endpoints, .auths])
        case .query: return nil
        case .freePBX(let tables): return try tables.emptyTable(in: database)
        }
        for family in needed {
            let table = columns.names[family]
            guard try database.hasRows(table) else { return table }
        }
        return nil
    }

    /// Whether both are read by the same columns: others mean that the tables have to be found again.
    func isSame(as other: AccountTables) -> Bool {
        switch (self, other) {
        case (.chanSip(let one), .chanSip(let another)): one.columns == another.columns
        case (.pjsip(let one), .pjsip(let another)): one.columns == another.columns
        case (.query(let one), .query(let another)): one.columns == another.columns
        case (.freePBX(let one), .freePBX(let another)):
            one.columns == another.columns && one.schema == another.schema
        case (.chanSip, _), (.pjsip, _), (.query, _), (.freePBX, _): false
        }
    }

    /// Whose accounts they are; nil for a query.
    var schema: AccountSchema? {
        switch self {
        case .chanSip: .chanSip
        case .pjsip: .pjsip
        case .query: nil
        case .freePBX(let tables): tables.schema
        }
    }

    /// What the settings want the accounts to be read by, and what is undecided meanwhile.
    ///
    /// Where the other driver has got accounts too, those go on that were read before (`known`).
    static func find(
        by settings: AccountSettings, known: AccountTables?, in database: any RealtimeDatabase
    ) throws(AccountTablesError) -> (tables: AccountTables, undecided: String?) {
        do throws(AccountTablesError) {
            return (try find(by: settings, in: database), nil)
        } catch {
            guard case .undecided(let why) = error, let schema = known?.schema else { throw error }
            var settings = settings
            settings.schema = schema
            return (
                try find(by: settings, in: database),
                "\(why). Until then those of \(schema.name) serve, which were there before"
            )
        }
    }

    private static func find(
        by settings: AccountSettings, in database: any RealtimeDatabase
    ) throws(AccountTablesError) -> AccountTables {
        guard settings.query.isEmpty else {
            return .query(try QueryTable(settings.query, settings.access, in: database))
        }
        guard settings.freePBXFile == nil else { return try findFreePBX(settings, in: database) }
        return try find(
            settings.schema, settings.access, named: settings.tables, in: database)
    }

    /// Finds the tables by looking at the columns: an installation follows no one version's sample.
    static func find(
        _ schema: AccountSchema, _ rules: AccessRules = AccessRules(),
        named names: TableNames = TableNames(), in database: any RealtimeDatabase
    ) throws(AccountTablesError) -> AccountTables {
        try failing {
            let columns = try TableColumns(names, in: database)
            switch try schema == .automatic ? detect(columns, in: database) : schema {
            case .chanSip: return .chanSip(try ChanSipTables(database, columns, rules))
            case .pjsip, .automatic: return .pjsip(try PjsipTables(database, columns, rules))
            }
        }
    }

    private static func findFreePBX(
        _ settings: AccountSettings, in database: any RealtimeDatabase
    ) throws(AccountTablesError) -> AccountTables {
        try failing {
            .freePBX(try FreePBXTables(settings.schema, settings.access, in: database))
        }
    }

    /// What a look at the database gives, with its errors as those of the tables.
    private static func failing(
        _ look: () throws -> AccountTables
    ) throws(AccountTablesError) -> AccountTables {
        do {
            return try look()
        } catch let error as RealtimeError {
            throw .database(error)
        } catch let error as AccountTablesError {
            throw error
        } catch {
            throw .layout("\(error)")
        }
    }

    /// Asterisk's own scripts make both layouts in one database, so that only the rows tell.
    private static func detect(
        _ columns: TableColumns, in database: any RealtimeDatabase
    ) throws -> AccountSchema {
        let (peers, endpoints) = (columns.names[.sippeers], columns.names[.endpoints])
        let chanSip = columns.exists(.sippeers)
        let pjsip = columns.exists(.endpoints)
        guard chanSip || pjsip else {
            throw AccountTablesError.layout(
                "it has neither a table \(peers) (chan_sip) nor \(endpoints) (PJSIP): point "
                    + "accounts.source at Asterisk's Realtime database, or name its tables in "
                    + "accounts.tables, or let the login of a server SELECT from them")
        }
        guard chanSip, pjsip else { return chanSip ? .chanSip : .pjsip }
        let hasPeers = try database.hasRows(peers)
        let hasEndpoints = try database.hasRows(endpoints)
        guard hasPeers, hasEndpoints else { return hasEndpoints ? .pjsip : .chanSip }
        throw AccountTablesError.undecided(
            "both \(peers) (chan_sip) and \(endpoints) (PJSIP) hold accounts: "
                + "set accounts.schema to chan_sip or pjsip")
    }
}
