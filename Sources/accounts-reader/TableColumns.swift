// What of the tables is there: their names by the settings, their columns by looking.
internal import Messages
internal import SQLite

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
    private var columns: [AccountFamily: [String]] = [:]
    /// Which of them have texts alone, by what they are declared as.
    private var texts: [AccountFamily: Set<String>] = [:]

    /// Looks at the tables of these names in an open database.
    init(_ names: TableNames, in database: SQLiteDatabase) throws(SQLiteError) {
        self.names = names
        // What makes SQLite turn numbers into texts (sqlite.org, "Datatypes In SQLite", section 3.1).
        let statement = try database.prepare(
            "SELECT lower(name), type NOT LIKE '%INT%' AND (type LIKE '%CHAR%' OR type LIKE '%CLOB%'"
                + " OR type LIKE '%TEXT%') FROM pragma_table_info(?1) ORDER BY cid")
        for family in AccountFamily.allCases {
            try statement.forEach([.text(names[family])]) { row in
                columns[family, default: []].append(row.text(0))
                if row.integer(1) != 0 { texts[family, default: []].insert(row.text(0)) }
                return true
            }
        }
    }

    /// Whether there is such a table or view.
    func exists(_ family: AccountFamily) -> Bool { columns[family] != nil }

    /// The columns of a table, in its order.
    func all(_ family: AccountFamily) -> [String] { columns[family] ?? [] }

    /// Whether a column is declared as one of texts: numbers in it are texts too.
    func isText(_ family: AccountFamily, _ column: String) -> Bool {
        texts[family]?.contains(column) ?? false
    }

    /// The name of a table as it stands in a statement.
    ///
    /// The settings permit no quote in it (`SettingForm.table`).
    func quoted(_ family: AccountFamily) -> String { "\"\(names[family])\"" }

    /// Throws unless the table has each of the columns, and at least one of `oneOf`.
    func require(
        _ family: AccountFamily, _ wanted: [String], oneOf: [String] = []
    ) throws(AccountTablesError) {
        let table = names[family]
        guard let present = columns[family] else {
            throw .layout(
                table == family.rawValue
                    ? "it lacks the table \(table): correct accounts.schema, or name the table in "
                        + "accounts.tables.\(family.rawValue)"
                    : "it lacks the table \(table), which accounts.tables.\(family.rawValue) names: correct "
                        + "that name, or accounts.schema")
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

    /// A statement that reads columns, where they exist, of the rows with that exact key.
    ///
    /// The second comparison undoes what a numeric column's affinity does to the first, which alone
    /// would find the row 1001 for the name 01001. A missing column is read as NULL.
    func select(
        _ wanted: [String], from family: AccountFamily, key: String, in database: SQLiteDatabase
    ) throws(SQLiteError) -> KeyedStatement {
        let expressions = wanted.map { columns[family]?.contains($0) == true ? $0 : "NULL" }
            .joined(separator: ", ")
        return KeyedStatement(
            what: "\(names[family]) \(key)",
            statement: try database.prepare(
                "SELECT \(expressions) FROM \(quoted(family)) WHERE \(key) = ?1 COLLATE BINARY "
                    + "AND CAST(\(key) AS TEXT) = ?1 COLLATE BINARY"))
    }
}

/// A statement that finds the rows of a key.
struct KeyedStatement {
    /// The table and its key, for a person.
    let what: String
    /// The statement, whose one parameter is the key.
    let statement: SQLiteStatement

    /// What `body` makes of the row, or nil when there is none; told to `steps`.
    func first<Value>(
        _ key: String, _ steps: TraceSteps?, _ body: (SQLiteRow) -> Value
    ) throws(SQLiteError) -> Value? {
        var result: Value?
        try forEach(key, steps) { row in
            result = body(row)
            return false
        }
        return result
    }

    /// Gives each row of a key to `body`, until that returns false; told to `steps`.
    func forEach(
        _ key: String, _ steps: TraceSteps?, _ body: (SQLiteRow) -> Bool
    ) throws(SQLiteError) {
        let begin = steps.map { _ in ContinuousClock.now }
        var isFound = false
        try statement.forEach([.text(key)]) { row in
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
        all.append(
            TraceStep(
                what: what, found: found, microseconds: UInt32(clamping: microseconds), remark: ""))
    }

    /// Says of the last step what matters; never a secret or a hash.
    func remark(_ text: String) {
        guard !all.isEmpty else { return }
        all[all.count - 1].remark = text
    }
}
