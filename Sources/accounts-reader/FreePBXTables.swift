// FreePBX's and Issabel's accounts: a row of `devices` each, and rows of `sip` with a keyword and a value.
internal import Messages

/// FreePBX's `devices`, `emergencydevices` and `sip`, or a view of them.
struct FreePBXTables {
    /// Whose accounts are read.
    let schema: AccountSchema
    /// The columns that were found, by their tables.
    let columns: [String: [String]]
    private let rows: Rows
    private let rules: AccessRules

    /// What finds a device.
    private enum Rows {
        /// The row of each table of devices, and the values.
        case tables(devices: [KeyedStatement], values: KeyedStatement)
        /// All in one row, with these keywords.
        case view(KeyedStatement, keywords: [String])
    }

    /// The view that is read in place of the tables where the login sees it.
    static let view = "rempart_accounts"
    /// Where the devices are; the second one is not in every version.
    private static let devices = ["devices", "emergencydevices"]
    private static let values = "sip"

    /// What the view has to have for PJSIP's accounts: without one of them an older secret or another name would be good.
    private static let neededOfView = [
        "id", "tech", "account", "username", "secret", "md5_cred", "sipdriver",
    ]
    /// And for chan_sip's: without a list everybody would come in whom it shuts out.
    private static let neededOfChanSip = ["deny", "permit", "type", "host"]

    /// Prepares the statements; throws when a table is missing, or when both drivers have accounts and the settings choose
    /// neither.
    init(
        _ wanted: AccountSchema, _ rules: AccessRules, in database: any RealtimeDatabase
    ) throws {
        self.rules = rules
        var columns: [String: [String]] = [:]
        for table in [Self.view] + Self.devices + [Self.values] {
            columns[table] = try database.columns(of: table).map(\.name)
        }
        let view = columns[Self.view] ?? []
        let tables = view.isEmpty ? Self.devices.filter { columns[$0] != [] } : [Self.view]
        self.columns = columns
        if view.isEmpty {
            try Self.require(["id", "tech"], of: Self.devices[0], columns)
            try Self.require(["id", "keyword", "data"], of: Self.values, columns)
        } else {
            try Self.require(Self.neededOfView, of: Self.view, columns)
        }
        schema = try wanted == .automatic ? Self.detect(tables, in: database) : wanted
        if view.isEmpty {
            rows = .tables(
                devices: try tables.map { try Self.select(["tech"], of: $0, in: database) },
                values: try Self.select(["keyword", "data"], of: Self.values, in: database))
        } else {
            if schema == .chanSip {
                try Self.require(Self.neededOfChanSip, of: Self.view, columns)
            }
            let keywords = FreePBXDevice.keywords.filter(view.contains)
            rows = .view(
                try Self.select(["tech"] + keywords, of: Self.view, in: database),
                keywords: keywords)
        }
    }

    private static func require(
        _ wanted: [String], of table: String, _ columns: [String: [String]]
    ) throws(AccountTablesError) {
        let present = columns[table] ?? []
        let missing = wanted.filter { !present.contains($0) }
        guard !missing.isEmpty else { return }
        guard table != view else {
            throw .layout(
                "the view \(view) lacks \(missing.joined(separator: ", ")), or the login may not read it: make the"
                    + " view as docs/ACCOUNTS.md has it")
        }
        let what = present.isEmpty ? "the table" : "\(missing.joined(separator: ", ")) of the table"
        throw .layout(
            "it lacks \(what) \(table), or the login may not read it: name FreePBX's database in"
                + " \(FreePBXFile.Key.database.rawValue), or GRANT SELECT on devices and sip to the login"
        )
    }

    private static func select(
        _ columns: [String], of table: String, in database: any RealtimeDatabase
    ) throws(RealtimeError) -> KeyedStatement {
        KeyedStatement(
            what: "\(table) id",
            statement: try database.prepare(
                RealtimeSelection(table: table, columns: columns, key: "id")))
    }

    /// Whose devices there are.
    private static func detect(
        _ tables: [String], in database: any RealtimeDatabase
    ) throws -> AccountSchema {
        let found = try [AccountSchema.chanSip, .pjsip].filter { schema in
            var hasOne = false
            for table in tables {
                try forEachId(of: schema, in: table, of: database) { _ in
                    hasOne = true
                    return false
                }
            }
            return hasOne
        }
        guard found.count < 2 else {
            throw AccountTablesError.undecided(
                "both chan_sip (tech sip) and PJSIP (tech pjsip) have devices: set accounts.schema to the one that"
                    + " phones use, chan_sip or pjsip")
        }
        return found.first ?? .pjsip
    }

    /// Gives the id of each device of a driver to `body`, until that returns false.
    private static func forEachId(
        of schema: AccountSchema, in table: String, of database: any RealtimeDatabase,
        _ body: (String) -> Bool
    ) throws(RealtimeError) {
        let selection = RealtimeSelection(table: table, columns: ["id"], key: "tech")
        try database.prepare(selection).forEach(FreePBXDevice.tech(of: schema)) {
            body($0.text(0))
        }
    }

    /// The tables with the devices.
    private var tables: [String] {
        switch rows {
        case .tables(let devices, _): Array(Self.devices.prefix(devices.count))
        case .view: [Self.view]
        }
    }

    /// The names after one, in the order of their bytes, at most so many.
    func names(
        after name: String, limit: Int, in database: any RealtimeDatabase
    ) throws(RealtimeError) -> [String] {
        var names: Set<String> = []
        for table in tables {
            try Self.forEachId(of: schema, in: table, of: database) { id in
                if (1...Bounds.longestName).contains(id.utf8.count), !FreePBXDevice.isReserved(id),
                    name.utf8.lexicographicallyPrecedes(id.utf8)
                {
                    names.insert(id)
                }
                return true
            }
        }
        return Array(
            names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.prefix(limit))
    }

    /// The table of devices when it has no row; nil when it has one.
    func emptyTable(in database: any RealtimeDatabase) throws(RealtimeError) -> String? {
        for table in tables where try database.hasRows(table) { return nil }
        return tables.first
    }

    /// The account of a name; an unknown name costs the same statements.
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        let found = try device(query)
        let device = found.flatMap { $0.schema == schema ? $0 : nil }
        let credentials =
            device?.credentials(ownRealm: query.ownRealm)
            ?? Credentials(user: query.account, boundRealm: query.ownRealm)
        if let device { query.steps?.remark("\(device.words); \(credentials.words)") }
        return credentials.account(
            realm: query.realm, aor: query.account, mayRegister: device?.mayRegister ?? false,
            access: device?.access(rules) ?? rules.list([]),
            table: "\(tables[0]) (tech \(FreePBXDevice.tech(of: schema)))", hasRow: device != nil)
    }

    private func device(_ query: LookUp) throws(RealtimeError) -> FreePBXDevice? {
        var device: FreePBXDevice?
        switch rows {
        case .view(let statement, let keywords):
            try statement.forEach(query.account, query.steps) { row in
                var values: [String: [UInt8]] = [:]
                // To a view what no row says is NULL.
                for (index, keyword) in keywords.enumerated() where !row.bytes(index + 1).isEmpty {
                    values[keyword] = row.bytes(index + 1)
                }
                let isSecond = device != nil
                device = FreePBXDevice(
                    id: query.account, tech: row.text(0), values: values, isAmbiguous: isSecond)
                return !isSecond
            }
        case .tables(let devices, let statement):
            var tech: String?
            for devices in devices {
                let read = try devices.first(query.account, query.steps) { $0.text(0) }
                if let read { query.steps?.remark("tech=\(read)") }
                tech = tech ?? read
            }
            var found = FreePBXDevice(id: query.account, tech: tech ?? "", values: [:])
            try statement.forEach(query.account, query.steps) { row in
                let keyword = row.text(0)
                guard FreePBXDevice.keywords.contains(keyword) else { return true }
                found.isAmbiguous =
                    found.values.updateValue(row.bytes(1), forKey: keyword) != nil
                    || found.isAmbiguous
                return true
            }
            // Without a row there it is a trunk, or what a device has left behind.
            if tech != nil { device = found }
        }
        if let device, device.schema != schema { query.steps?.remark(device.words) }
        return device
    }
}
