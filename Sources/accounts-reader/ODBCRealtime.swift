// Realtime in a database server, through unixODBC.
internal import Messages
internal import ODBC

/// A connection to a database server with Realtime's tables.
///
/// MariaDB, MySQL and PostgreSQL are known: by their catalogue the columns are found, and by their words
/// names are sorted. A name is compared byte by byte here, behind a database that may take other letters,
/// accents or blanks for the same.
final class ODBCRealtime: RealtimeDatabase {
    private enum Product {
        case mariaDB
        case postgreSQL
    }

    /// A table as the catalogue has it.
    private struct Table {
        var schema = ""
        var name = ""
        var columns: [Column] = []

        func column(_ name: String) -> Column? { columns.first { $0.known.name == name } }
    }

    private struct Column {
        let known: RealtimeColumn
        /// As it is written in the catalogue.
        let name: String
        /// Whether the database may fill its values up with blanks.
        let isFixed: Bool
    }

    private let connection: ODBCConnection
    private let product: Product
    /// What has been found last, by the names in the settings.
    private var tables: [String: Table] = [:]

    /// How long a statement may take, in seconds; MariaDB's driver has it from the connection string.
    static let timeout: UInt = 2

    /// The tables behind a connection, each look at which is a transaction that changes nothing.
    init(_ connection: ODBCConnection) throws(RealtimeError) {
        self.connection = connection
        let name = connection.product
        switch name.lowercased() {
        case "mariadb", "mysql": product = .mariaDB
        case "postgresql": product = .postgreSQL
        default: throw .product(name)
        }
        let session =
            switch product {
            // Its driver has the characters from the connection string, and refuses SET NAMES.
            case .mariaDB: ["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
            case .postgreSQL:
                [
                    "SET client_encoding TO 'UTF8'",
                    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                ]
            }
        do {
            for statement in session { try connection.execute(statement, timeout: Self.timeout) }
            try connection.beginTransactions()
        } catch { throw .odbc(error) }
    }

    /// Ends the transaction that the statements since the last call have been in: the next one sees newer rows.
    func endTransaction() throws(RealtimeError) {
        do { try connection.endTransaction() } catch { throw .odbc(error) }
    }

    // MARK: The catalogue

    /// The columns that the login may read: information_schema tells of no others.
    func columns(of table: String) throws(RealtimeError) -> [RealtimeColumn] {
        var found = Table()
        for name in spellings(of: table) where found.columns.isEmpty {
            found = try look(for: name)
        }
        tables[table] = found
        return found.columns.map(\.known)
    }

    /// To a login with rights to single columns MariaDB refuses every other one, also one that is not there.
    func refusedColumns(
        of table: String, among names: [String]
    ) throws(RealtimeError) -> [String] {
        guard let found = tables[table], !found.columns.isEmpty else { return [] }
        var refused: [String] = []
        for name in names where found.column(name) == nil {
            do {
                try connection.execute(
                    "SELECT \(quoted(name)) FROM \(place(of: found)) WHERE 1 = 0",
                    timeout: Self.timeout)
            } catch {
                if error.isDenied {
                    refused.append(name)
                } else if !error.isOfNoColumn {
                    // It may be there, and a rule in it may shut somebody out.
                    throw .odbc(error)
                }
                // PostgreSQL carries out nothing more in a transaction in which something has failed.
                try endTransaction()
            }
        }
        return refused
    }

    /// How a table may be written in the catalogue: PostgreSQL takes what stands in no quotes, as Asterisk
    /// writes it, for small letters.
    private func spellings(of table: String) -> [String] {
        product == .postgreSQL && table != table.lowercased()
            ? [table, table.lowercased()] : [table]
    }

    private func look(for table: String) throws(RealtimeError) -> Table {
        // The settings permit no quote in it (`SettingForm.table`).
        let parts = table.split(separator: ".", maxSplits: 1)
        guard let last = parts.last else { return Table() }
        let named = parts.count == 2 ? "'\(parts[0])'" : nil
        let (place, order) =
            switch product {
            case .mariaDB: ("table_schema = \(named ?? "DATABASE()")", "ordinal_position")
            case .postgreSQL where named == nil:
                (
                    "CAST(table_schema AS name) = ANY (current_schemas(false))",
                    "array_position(current_schemas(false), CAST(table_schema AS name)), ordinal_position"
                )
            case .postgreSQL: ("table_schema = \(named ?? "''")", "ordinal_position")
            }
        var found = Table(name: String(last))
        let rows = try rows(
            "SELECT table_schema, column_name, data_type FROM information_schema.columns "
                + "WHERE table_name = '\(last)' AND \(place) ORDER BY \(order)")
        for row in rows {
            let (schema, name, type) = (row[0].text, row[1].text, row[2].text.lowercased())
            if found.columns.isEmpty { found.schema = schema }
            guard schema == found.schema else { break }
            let isText = ["char", "text", "enum"].contains(where: type.contains)
            found.columns.append(
                Column(
                    known: RealtimeColumn(name: name.lowercased(), isText: isText), name: name,
                    isFixed: type == "char" || type == "character"))
        }
        return found
    }

    private func rows(_ sql: String) throws(RealtimeError) -> [[[UInt8]]] {
        var rows: [[[UInt8]]] = []
        do {
            try connection.prepare(sql, timeout: Self.timeout).forEach(nil) { row in
                rows.append(row)
                return true
            }
        } catch { throw .odbc(error) }
        return rows
    }

    // MARK: Statements

    func prepare(_ selection: RealtimeSelection) throws(RealtimeError) -> any RealtimeStatement {
        let table = tables[selection.table] ?? Table()
        guard let key = table.column(selection.key) else {
            throw .missing(table: selection.table, column: selection.key)
        }
        let columns = selection.columns.map { $0.flatMap(table.column) }
        let expressions = [key] + columns
        let list = expressions.map { $0.map { quoted($0.name) } ?? "NULL" }
        let order =
            selection.order.flatMap(table.column).map { " ORDER BY \(quoted($0.name))" } ?? ""
        // A column of numbers is no text to PostgreSQL, and 01001 is 1001 to MariaDB there.
        let compared = key.known.isText ? quoted(key.name) : text(of: key)
        do {
            let statement = try connection.prepare(
                "SELECT \(list.joined(separator: ", ")) FROM \(place(of: table)) WHERE \(compared) = ?"
                    + order,
                timeout: Self.timeout)
            return Statement(
                statement: Asked(statement: statement, connection: connection),
                isFixed: expressions.map { $0?.isFixed ?? false })
        } catch { throw .odbc(error) }
    }

    func prepare(query: String) throws(RealtimeError) -> any RealtimeQuery {
        do {
            let statement = try connection.prepare(query, timeout: Self.timeout)
            // MariaDB gives values without what fills them up.
            return Query(
                statement: Asked(statement: statement, connection: connection),
                isFilledUp: product == .postgreSQL)
        } catch { throw .odbc(error) }
    }

    func hasRows(_ table: String) throws(RealtimeError) -> Bool {
        guard let found = tables[table], !found.columns.isEmpty else { return false }
        return try !rows("SELECT 1 FROM \(place(of: found)) LIMIT 1").isEmpty
    }

    func names(
        in column: RealtimeColumn, of table: String, after name: String, limit: Int
    ) throws(RealtimeError) -> [String] {
        guard let found = tables[table], let key = found.column(column.name) else { return [] }
        let text = text(of: key)
        let bytes =
            switch product {
            case .mariaDB: "CAST(\(text) AS BINARY)"
            case .postgreSQL: "\(text) COLLATE \"C\""
            }
        let sql =
            "SELECT MIN(\(text)) FROM \(place(of: found)) WHERE \(bytes) > ? "
            + "AND octet_length(\(text)) <= \(Bounds.longestName) "
            + "GROUP BY \(bytes) ORDER BY \(bytes) LIMIT \(limit)"
        var names: [String] = []
        do {
            try connection.prepare(sql, timeout: Self.timeout).forEach(Array(name.utf8)) { row in
                names.append(row[0].text)
                return true
            }
        } catch { throw .odbc(error) }
        return names
    }

    // MARK: Words

    /// The value of a column as text in Unicode, without what fills it up.
    private func text(of column: Column) -> String {
        let name = quoted(column.name)
        return switch product {
        case .mariaDB: "CONVERT(\(name) USING utf8mb4)"
        case .postgreSQL:
            column.isFixed ? "rtrim(CAST(\(name) AS text))" : "CAST(\(name) AS text)"
        }
    }

    private func place(of table: Table) -> String {
        "\(quoted(table.schema)).\(quoted(table.name))"
    }

    /// A name of the catalogue, which may have any character, as it stands in a statement.
    private func quoted(_ name: String) -> String {
        let quote = product == .mariaDB ? "`" : "\""
        return quote + name.replacing(quote, with: quote + quote) + quote
    }

    /// A statement that is asked for a text.
    private struct Asked {
        let statement: ODBCStatement
        let connection: ODBCConnection

        /// Gives each row to `body`, until that returns false.
        func forEach(_ text: [UInt8], _ body: ([[UInt8]]) -> Bool) throws(RealtimeError) {
            // No text of a database has a zero, and PostgreSQL takes none.
            guard !text.contains(0) else { return }
            do {
                try statement.forEach(text, body)
            } catch {
                guard error.isUnfitParameter else { throw .odbc(error) }
                do { try connection.endTransaction() } catch { throw .odbc(error) }
            }
        }
    }

    /// The values of a row, those that are filled up without the blanks at their ends.
    private static func trimmed(_ row: [[UInt8]], _ isFixed: [Bool]) -> [[UInt8]] {
        zip(row, isFixed).map { value, isFixed in
            isFixed ? Array(value.prefix((value.lastIndex { $0 != 0x20 } ?? -1) + 1)) : value
        }
    }

    private final class Statement: RealtimeStatement {
        private let statement: Asked
        /// Of the key and of each value.
        private let isFixed: [Bool]

        init(statement: Asked, isFixed: [Bool]) {
            self.statement = statement
            self.isFixed = isFixed
        }

        func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) throws(RealtimeError) {
            let wanted = Array(key.utf8)
            var alike = 0
            try statement.forEach(wanted) { row in
                let values = ODBCRealtime.trimmed(row, isFixed)
                guard values.first == wanted else {
                    alike += 1
                    return alike < RealtimeRow.mostAlike
                }
                return body(RealtimeRow(values: Array(values.dropFirst()), isEscaped: true))
            }
        }
    }

    private final class Query: RealtimeQuery {
        private let statement: Asked
        private let isFilledUp: Bool

        init(statement: Asked, isFilledUp: Bool) {
            self.statement = statement
            self.isFilledUp = isFilledUp
        }

        func columns() throws(RealtimeError) -> [String] {
            do { return try statement.statement.columns().map(\.name) } catch { throw .odbc(error) }
        }

        func parameterCount() throws(RealtimeError) -> Int {
            do { return try statement.statement.parameterCount() } catch { throw .odbc(error) }
        }

        /// The transaction lets nothing else through.
        let isReading = true

        func forEach(
            _ parameter: String, of columns: [String], _ body: (RealtimeRow) -> Bool
        ) throws(RealtimeError) {
            var found: [ODBCColumn]?
            try statement.forEach(Array(parameter.utf8)) { row in
                let described = found ?? (try? statement.statement.columns()) ?? []
                found = described
                guard described.map(\.name) == columns else { return false }
                let isFixed = described.map { $0.isFixed && isFilledUp }
                return body(RealtimeRow(values: ODBCRealtime.trimmed(row, isFixed)))
            }
            if let found, found.map(\.name) != columns {
                throw .query("has other result columns than before")
            }
        }
    }
}
