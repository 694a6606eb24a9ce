// What of the tables is there: their names by the settings, their columns by looking.
internal import Messages

/// The names of the tables (`accounts.tables`).
struct TableNames: Equatable {
    private var names: [AccountFamily: String] = [:]

    /// The table of a family: its own name, unless the settings give another one.
    subscript(family: AccountFamily) -> String {
        get { names[family] ?? family.rawValue }
        set { names[family] = newValue }
    }
}

/// Which columns the tables and views of a database have, in their order.
struct TableColumns: Equatable {
    /// The names of the tables.
    let names: TableNames
    private var columns: [AccountFamily: [RealtimeColumn]] = [:]

    /// Looks at the tables of these names in an open database.
    init(_ names: TableNames, in database: any RealtimeDatabase) throws(RealtimeError) {
        self.names = names
        for family in AccountFamily.allCases {
            columns[family] = try database.columns(of: names[family])
        }
    }

    /// Whether there is such a table or view.
    func exists(_ family: AccountFamily) -> Bool { !all(family).isEmpty }

    /// The names of the columns of a table, in its order.
    func all(_ family: AccountFamily) -> [String] { (columns[family] ?? []).map(\.name) }

    /// A column of a table; nil when it has no such one.
    func column(_ family: AccountFamily, _ name: String) -> RealtimeColumn? {
        columns[family]?.first { $0.name == name }
    }

    /// Throws unless the table has each of the columns, and at least one of `oneOf`.
    func require(
        _ family: AccountFamily, _ wanted: [String], oneOf: [String] = []
    ) throws(AccountTablesError) {
        let table = names[family]
        let present = all(family)
        guard !present.isEmpty else {
            throw .layout(
                table == family.rawValue
                    ? "it lacks the table \(table): correct accounts.schema, or name the table in "
                        + "accounts.tables.\(family.rawValue), or let the login of a server SELECT from it"
                    : "it lacks the table \(table), which accounts.tables.\(family.rawValue) names: correct "
                        + "that name, or accounts.schema, or let the login of a server SELECT from it"
            )
        }
        let missing = wanted.filter { !present.contains($0) }
        let remedy =
            "as Asterisk's own table has it, or name another table in accounts.tables.\(family.rawValue)"
        guard missing.isEmpty else {
            let columns = missing.joined(separator: ", ")
            let noun = missing.count == 1 ? "column" : "columns"
            throw .layout("table \(table) lacks the \(noun) \(columns): add each \(remedy)")
        }
        guard oneOf.isEmpty || oneOf.contains(where: present.contains) else {
            let columns = oneOf.joined(separator: " or ")
            throw .layout("table \(table) lacks the column \(columns): add one \(remedy)")
        }
    }

    /// Throws when one of the columns is there and may not be read.
    ///
    /// Without it a row would say something else than it says to Asterisk: that its phones may come from everywhere, or
    /// that an older secret is good.
    func requireReadable(
        _ family: AccountFamily, _ wanted: [String], in database: any RealtimeDatabase
    ) throws(RealtimeError) {
        guard exists(family) else { return }
        let absent = wanted.filter { column(family, $0) == nil }
        let refused = try database.refusedColumns(of: names[family], among: absent)
        guard refused.isEmpty else { throw .refused(table: names[family], columns: refused) }
    }

    /// A statement that reads columns of the rows with that exact key, a missing one as NULL.
    func select(
        _ wanted: [String], from family: AccountFamily, key: String, order: String? = nil,
        in database: any RealtimeDatabase
    ) throws(RealtimeError) -> KeyedStatement {
        let present = all(family)
        let columns = wanted.map { present.contains($0) ? $0 : nil }
        return KeyedStatement(
            what: "\(names[family]) \(key)",
            statement: try database.prepare(
                RealtimeSelection(table: names[family], columns: columns, key: key, order: order)))
    }
}

/// A statement that finds the rows of a key.
struct KeyedStatement {
    /// The table and its key, for a person.
    let what: String
    /// The statement, whose one parameter is the key.
    let statement: any RealtimeStatement

    /// What `body` makes of the row, or nil when there is none; told to `steps`.
    func first<Value>(
        _ key: String, _ steps: TraceSteps?, _ body: (RealtimeRow) -> Value
    ) throws(RealtimeError) -> Value? {
        var result: Value?
        try forEach(key, steps) { row in
            result = body(row)
            return false
        }
        return result
    }

    /// Gives each row of a key to `body`, until that returns false; told to `steps`.
    func forEach(
        _ key: String, _ steps: TraceSteps?, _ body: (RealtimeRow) -> Bool
    ) throws(RealtimeError) {
        let begin = steps.map { _ in ContinuousClock.now }
        var isFound = false
        try statement.forEach(key) { row in
            isFound = true
            return body(row)
        }
        if let steps, let begin { steps.add("\(what)=\(key)", found: isFound, since: begin) }
    }
}

/// The steps of a look-up, as they are told to a person.
final class TraceSteps {
    private(set) var all: [TraceStep] = []

    /// Adds a step that has begun then and is over now.
    func add(_ what: String, found: Bool, since begin: ContinuousClock.Instant) {
        let took = (ContinuousClock.now - begin).components
        let microseconds = took.seconds * 1_000_000 + took.attoseconds / 1_000_000_000_000
        add(what, found: found, microseconds: UInt32(clamping: microseconds))
    }

    /// Adds a step that has taken so long.
    func add(_ what: String, found: Bool, microseconds: UInt32) {
        all.append(TraceStep(what: what, found: found, microseconds: microseconds, remark: ""))
    }

    /// Says of the last step what matters; never a secret or a hash.
    func remark(_ text: String) {
        guard !all.isEmpty else { return }
        all[all.count - 1].remark = text
    }
}
