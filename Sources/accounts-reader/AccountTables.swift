// The two table layouts of Asterisk Realtime: which are there, and what an account's rows say.
internal import Messages

/// Why the tables cannot be used; the text names the table and the column.
enum AccountTablesError: Error, Equatable, CustomStringConvertible {
    /// The database failed.
    case database(RealtimeError)
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
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        switch self {
        case .chanSip(let tables): try tables.lookUp(query)
        case .pjsip(let tables): try tables.lookUp(query)
        }
    }

    /// The names after one, in the order of their bytes, at most so many; empty: from the first on.
    ///
    /// Names that no message can tell whole are left out: no phone can have one.
    func names(
        after name: String, limit: Int, in database: any RealtimeDatabase
    ) throws(RealtimeError) -> [String] {
        let (family, key): (AccountFamily, String) =
            switch self {
            case .chanSip: (.sippeers, "name")
            case .pjsip: (.endpoints, "id")
            }
        guard let column = columns.column(family, key) else { return [] }
        return try database.names(
            in: column, of: columns.names[family], after: name, limit: limit)
    }

    /// The name of the first table without rows, of those of which each account has one; nil when all have some.
    func emptyTable(in database: any RealtimeDatabase) throws(RealtimeError) -> String? {
        let needed: [AccountFamily] =
            switch self {
            case .chanSip: [.sippeers]
            case .pjsip: [.endpoints, .auths]
            }
        for family in needed {
            let table = columns.names[family]
            guard try database.hasRows(table) else { return table }
        }
        return nil
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
        _ schema: AccountSchema, _ rules: AccessRules = AccessRules(),
        named names: TableNames = TableNames(), in database: any RealtimeDatabase
    ) throws(AccountTablesError) -> AccountTables {
        do {
            let columns = try TableColumns(names, in: database)
            switch try schema == .automatic ? detect(columns, in: database) : schema {
            case .chanSip: return .chanSip(try ChanSipTables(database, columns, rules))
            case .pjsip, .automatic: return .pjsip(try PjsipTables(database, columns, rules))
            }
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
                    + "accounts.tables")
        }
        guard chanSip, pjsip else { return chanSip ? .chanSip : .pjsip }
        let hasPeers = try database.hasRows(peers)
        let hasEndpoints = try database.hasRows(endpoints)
        guard hasPeers, hasEndpoints else { return hasEndpoints ? .pjsip : .chanSip }
        throw AccountTablesError.layout(
            "both \(peers) (chan_sip) and \(endpoints) (PJSIP) hold accounts: "
                + "set accounts.schema to chan_sip or pjsip")
    }
}
