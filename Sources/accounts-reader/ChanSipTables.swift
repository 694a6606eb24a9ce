// chan_sip's accounts: one row of `sippeers` each.
internal import Messages

/// chan_sip's `sippeers`.
struct ChanSipTables {
    /// The columns that were found.
    let columns: TableColumns
    private let peer: KeyedStatement
    private let access: AccessTables

    private struct Row {
        var secret: [UInt8]
        var md5secret: [UInt8]
        var type: String
        var host: String
        var dynamic: String
        var access: [String]

        /// What chan_sip lets its phones do.
        var abilities: ChanSipAbilities {
            let isDynamic =
                host == "dynamic" || ["yes", "true", "on", "1", "y", "t"].contains(dynamic)
            return ChanSipAbilities(type: type, host: host, isDynamic: isDynamic)
        }
    }

    /// The columns that are read beside the name and the access lists.
    private static let wanted = ["secret", "md5secret", "type", "host", "dynamic"]

    /// Prepares the statement; throws when a column it cannot do without is missing.
    init(
        _ database: any RealtimeDatabase, _ columns: TableColumns, _ rules: AccessRules
    ) throws {
        self.columns = columns
        try columns.requireReadable(.sippeers, ["name"] + Self.wanted, in: database)
        access = try AccessTables(database, columns, of: .sippeers, rules)
        try columns.require(
            .sippeers, ["name", "type", "host"], oneOf: ["secret", "md5secret"])
        peer = try columns.select(
            Self.wanted + access.names, from: .sippeers, key: "name", in: database)
    }

    /// The account of a name.
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        let row = try peer.first(query.account, query.steps) { row in
            Row(
                secret: row.plain(0), md5secret: row.bytes(1), type: row.text(2).lowercased(),
                host: row.text(3).lowercased(), dynamic: row.text(4).lowercased(),
                access: access.texts(row, from: 5))
        }
        var credentials = Credentials(user: query.account, boundRealm: query.ownRealm)
        if let row {
            credentials.setChanSip(secret: row.secret, md5: row.md5secret)
            query.steps?.remark(row.abilities.words)
        }
        return credentials.account(
            realm: query.realm, aor: query.account,
            mayRegister: row.map { $0.abilities.whyNotRegister == nil } ?? false,
            access: try access.list(row?.access ?? [], query.steps),
            table: columns.names[.sippeers], hasRow: row != nil)
    }
}
