// Realtime in a SQLite file.
internal import Messages
internal import SQLite
internal import Sys

/// An open SQLite file with Realtime's tables.
final class SQLiteRealtime: RealtimeDatabase {
    private let database: SQLiteDatabase
    private var versionStatement: SQLiteStatement?

    /// The tables of an open file.
    init(_ database: SQLiteDatabase) { self.database = database }

    /// Has all statements from now on, together, wait for locks no longer than a span.
    func waitForLocks(_ span: Milliseconds) { database.waitForLocks(span) }

    /// Runs a statement that has no parameters and no rows.
    func execute(_ sql: String) throws(RealtimeError) {
        do { try database.execute(sql) } catch { throw .sqlite(error) }
    }

    /// A number that is another one after each change by another connection.
    func dataVersion() throws(RealtimeError) -> Int64 {
        do {
            if versionStatement == nil {
                versionStatement = try database.prepare("PRAGMA data_version")
            }
            return try versionStatement?.first([]) { $0.integer(0) } ?? 0
        } catch { throw .sqlite(error) }
    }

    func columns(of table: String) throws(RealtimeError) -> [RealtimeColumn] {
        do {
            // What makes SQLite turn numbers into texts (sqlite.org, "Datatypes In SQLite", section 3.1).
            let statement = try database.prepare(
                "SELECT lower(name), type NOT LIKE '%INT%' AND (type LIKE '%CHAR%' OR type LIKE '%CLOB%'"
                    + " OR type LIKE '%TEXT%') FROM pragma_table_info(?1) ORDER BY cid")
            var columns: [RealtimeColumn] = []
            try statement.forEach([.text(table)]) { row in
                columns.append(RealtimeColumn(name: row.text(0), isText: row.integer(1) != 0))
                return true
            }
            return columns
        } catch { throw .sqlite(error) }
    }

    /// None: who may read a file may read all of it.
    func refusedColumns(
        of table: String, among names: [String]
    ) throws(RealtimeError) -> [String] { [] }

    /// The second comparison undoes what a numeric column's affinity does to the first, which alone
    /// would find the row 1001 for the name 01001.
    func prepare(_ selection: RealtimeSelection) throws(RealtimeError) -> any RealtimeStatement {
        let expressions = selection.columns.map { $0 ?? "NULL" }.joined(separator: ", ")
        let key = selection.key
        let order = selection.order.map { " ORDER BY \($0)" } ?? ""
        do {
            return Statement(
                statement: try database.prepare(
                    "SELECT \(expressions) FROM \"\(selection.table)\" WHERE \(key) = ?1 COLLATE BINARY "
                        + "AND CAST(\(key) AS TEXT) = ?1 COLLATE BINARY\(order)"),
                count: selection.columns.count)
        } catch { throw .sqlite(error) }
    }

    func prepare(query: String) throws(RealtimeError) -> any RealtimeQuery {
        do { return Query(try database.prepare(query)) } catch { throw .sqlite(error) }
    }

    func hasRows(_ table: String) throws(RealtimeError) -> Bool {
        do {
            return try database.prepare("SELECT EXISTS(SELECT 1 FROM \"\(table)\")")
                .first([]) { $0.integer(0) != 0 } ?? false
        } catch { throw .sqlite(error) }
    }

    func names(
        in column: RealtimeColumn, of table: String, after name: String, limit: Int
    ) throws(RealtimeError) -> [String] {
        do {
            let statement = try database.prepare(Self.namesQuery(column, of: table))
            var names: [String] = []
            try statement.forEach([.text(name), .integer(Int64(limit))]) { row in
                names.append(row.text(0))
                return true
            }
            return names
        } catch { throw .sqlite(error) }
    }

    /// The statement that reads a page of names: behind ?1, at most ?2.
    ///
    /// A column of texts is compared as it is, by which an index of it serves, such as the one that Asterisk's
    /// own tables have. Without one, or in a column of another kind, each page looks at all rows.
    static func namesQuery(_ column: RealtimeColumn, of table: String) -> String {
        let key = column.name
        let name = (column.isText ? key : "CAST(\(key) AS TEXT)") + " COLLATE BINARY"
        return
            "SELECT DISTINCT \(name) AS found FROM \"\(table)\" WHERE \(name) > ?1 "
            + (column.isText ? "AND typeof(\(key)) = 'text' " : "")
            + "AND length(CAST(\(key) AS BLOB)) <= \(Bounds.longestName) ORDER BY found LIMIT ?2"
    }

    private final class Query: RealtimeQuery {
        private let statement: SQLiteStatement

        init(_ statement: SQLiteStatement) { self.statement = statement }

        func columns() -> [String] { statement.columns }

        func parameterCount() -> Int { statement.parameterCount }

        var isReading: Bool { statement.isReading }

        func forEach(
            _ parameter: String, of columns: [String], _ body: (RealtimeRow) -> Bool
        ) throws(RealtimeError) {
            var isSame: Bool?
            do {
                try statement.forEach([.text(parameter)]) { row in
                    // SQLite compiles it anew when tables have changed, and `*` may be something else then.
                    let isAsKnown = isSame ?? (statement.columns == columns)
                    isSame = isAsKnown
                    return isAsKnown
                        && body(RealtimeRow(values: columns.indices.map { row.bytes(Int32($0)) }))
                }
            } catch { throw .sqlite(error) }
            if isSame == false { throw .query("has other result columns than before") }
        }
    }

    private final class Statement: RealtimeStatement {
        private let statement: SQLiteStatement
        private let count: Int

        init(statement: SQLiteStatement, count: Int) {
            self.statement = statement
            self.count = count
        }

        func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) throws(RealtimeError) {
            do {
                try statement.forEach([.text(key)]) { row in
                    body(RealtimeRow(values: (0..<count).map { row.bytes(Int32($0)) }))
                }
            } catch { throw .sqlite(error) }
        }
    }
}
