// What a database with accounts looks like to the look-ups, whatever reads it.
internal import ODBC
internal import SQLite

/// Why the rows of Realtime could not be read.
enum RealtimeError: Error, Equatable, CustomStringConvertible {
    /// SQLite failed.
    case sqlite(SQLiteError)
    /// unixODBC, the driver or the server failed.
    case odbc(ODBCError)
    /// The server is of a kind that is not known here.
    case product(String)
    /// A table has lost a column since it was looked at.
    case missing(table: String, column: String)
    /// The login may not read columns that are there.
    case refused(table: String, columns: [String])
    /// `accounts.query` cannot serve: what it does, as the rest of a sentence.
    case query(String)

    /// Whether another program holds a lock that this one has waited for in vain.
    var isLocked: Bool {
        switch self {
        case .sqlite(let error): error.isLocked
        case .odbc, .product, .missing, .refused, .query: false
        }
    }

    /// Whether a statement is wrong, or may not be carried out: the database itself can be read.
    var isOfStatement: Bool {
        switch self {
        case .sqlite(let error): error.isOfStatement
        case .odbc(let error): !error.isLost && !error.isUnreachable
        case .missing, .refused, .query: true
        case .product: false
        }
    }

    /// Whether nothing more can be read over the same connection.
    var isLost: Bool {
        switch self {
        case .odbc(let error): error.isLost
        case .sqlite, .product, .missing, .refused, .query: false
        }
    }

    /// What is wrong, in the words of what has failed.
    var description: String {
        switch self {
        case .sqlite(let error): error.description
        case .odbc(let error): error.description
        case .product(let name):
            "the DSN leads to \(name.isEmpty ? "a database that does not say what it is" : name): MariaDB, "
                + "MySQL and PostgreSQL can be read"
        case .missing(let table, let column): "table \(table) lacks the column \(column)"
        case .refused(let table, let columns):
            "the login may not read all of the table \(table): GRANT SELECT ON \(table) to it, since it is not"
                + " told what there is in \(columns.joined(separator: ", "))"
        case .query(let why): "\(QueryTable.name) \(why)"
        }
    }
}

/// A column of a table or view.
struct RealtimeColumn: Equatable {
    /// Its name in lower case.
    let name: String
    /// Whether it is declared as one of texts: numbers in it are texts too.
    let isText: Bool
}

/// What a statement finds: some columns of the rows with one key.
struct RealtimeSelection: Equatable {
    /// The table or view.
    let table: String
    /// The columns to read, in that order; nil is read as NULL.
    let columns: [String?]
    /// The column that has the key.
    let key: String
    /// The column by which the rows are sorted; nil: in any order.
    var order: String?
}

/// An open Realtime database, for one thread.
///
/// Names of tables and columns go into statements: those of tables are such as the settings permit
/// (`SettingForm.table`), and those of columns stand in `columns` of the table.
protocol RealtimeDatabase: AnyObject {
    /// The columns of a table or view, in its order; none when it is not there.
    func columns(of table: String) throws(RealtimeError) -> [RealtimeColumn]

    /// Which of these columns a table has, or may have, that may not be read.
    func refusedColumns(
        of table: String, among names: [String]
    ) throws(RealtimeError) -> [String]

    /// Prepares a statement.
    func prepare(_ selection: RealtimeSelection) throws(RealtimeError) -> any RealtimeStatement

    /// Prepares a statement that an administrator has written.
    func prepare(query: String) throws(RealtimeError) -> any RealtimeQuery

    /// Whether a table has a row.
    func hasRows(_ table: String) throws(RealtimeError) -> Bool

    /// The names in a column after one, each once, in the order of their bytes, at most so many.
    ///
    /// Names of more than `Bounds.longestName` bytes are left out: no message can tell them whole.
    func names(
        in column: RealtimeColumn, of table: String, after name: String, limit: Int
    ) throws(RealtimeError) -> [String]
}

/// A prepared statement; its database stays open as long as it lives.
protocol RealtimeStatement: AnyObject {
    /// Gives each row whose key has exactly these bytes to `body`, until that returns false.
    func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) throws(RealtimeError)
}

/// A prepared statement of somebody else; its database stays open as long as it lives.
protocol RealtimeQuery: AnyObject {
    /// The names of its result columns in their order, as the database has them.
    func columns() throws(RealtimeError) -> [String]

    /// How many parameters it has.
    func parameterCount() throws(RealtimeError) -> Int

    /// Whether it reads and does nothing else, as far as the database tells before it is carried out.
    var isReading: Bool { get }

    /// Gives each row that it has for a text to `body`, until that returns false; throws when the row is of other
    /// columns than these.
    ///
    /// A text that the database cannot have, such as one with a zero, has none.
    func forEach(
        _ parameter: String, of columns: [String], _ body: (RealtimeRow) -> Bool
    ) throws(RealtimeError)
}

/// The values of a row, in the order of the selection.
struct RealtimeRow {
    /// The bytes of each value; none for NULL.
    let values: [[UInt8]]
    /// Whether Asterisk writes `^3B` for a semicolon there, and reads it so.
    var isEscaped = false

    /// How many rows of names that are only alike are looked through for one.
    static let mostAlike = 1000

    /// A value as bytes; empty for NULL.
    func bytes(_ index: Int) -> [UInt8] { values[index] }

    /// A value as Asterisk has it: its drivers for database servers write what has a meaning of its own as `^` and two
    /// hexadecimal digits (`ast_realtime_decode_chunk`), and that for SQLite does not.
    func plain(_ index: Int) -> [UInt8] {
        guard isEscaped else { return values[index] }
        var result: [UInt8] = []
        var rest = values[index][...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "^"), let escaped = HA1.bytes(hex: rest.prefix(2), length: 1) {
                result += escaped
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    /// A value as text; empty for NULL.
    func text(_ index: Int) -> String { values[index].text }

    /// The number that a value begins with, behind blanks; 0 where it begins with none, as for NULL.
    func integer(_ index: Int) -> Int64 {
        var rest = values[index].drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var result: Int64 = 0
        for byte in rest {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { break }
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (product, isLarge) = result.multipliedReportingOverflow(by: 10)
            let (sum, isLarger) = product.addingReportingOverflow(isNegative ? -digit : digit)
            guard !isLarge, !isLarger else { return isNegative ? .min : .max }
            result = sum
        }
        return result
    }
}
