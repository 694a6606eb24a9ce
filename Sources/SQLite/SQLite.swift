// The few SQLite calls that are needed, each with its failure as a typed error.
internal import CSQLite
internal import Glibc
package import Sys

/// A SQLite call that failed.
package struct SQLiteError: Error, Equatable, CustomStringConvertible {
    /// The primary result code (SQLITE_BUSY, ...).
    package let code: Int32
    /// SQLite's own words.
    package let description: String

    /// A failure with SQLite's code and words.
    package init(code: Int32, description: String) {
        self.code = code
        self.description = description
    }

    /// Whether another program holds a lock that this one has waited for in vain.
    package var isLocked: Bool { code == SQLITE_BUSY || code == SQLITE_LOCKED }
    /// Whether the file is not, or no longer, a sound database.
    package var isCorrupt: Bool { code == SQLITE_CORRUPT || code == SQLITE_NOTADB }
    /// Whether a statement is wrong, and the file can be read.
    package var isOfStatement: Bool { code == SQLITE_ERROR || code == SQLITE_AUTH }
    /// Whether the file is of a newer version of Rempart; SQLite itself gives this code no more.
    package var isNewer: Bool { code == SQLITE_FORMAT }

    /// A file of a newer version of Rempart.
    package static func newer(_ words: String) -> SQLiteError {
        SQLiteError(code: SQLITE_FORMAT, description: words)
    }
}

/// A value given to a statement.
package enum SQLiteValue {
    case text(String)
    case integer(Int64)
    /// Bytes that are no text; they are read by `SQLiteRow.bytes`.
    case blob([UInt8])
}

/// One open database, for one thread.
@safe
package final class SQLiteDatabase {
    fileprivate let handle: OpaquePointer
    private let patience = Patience()

    /// Until when statements wait for locks: what SQLite lends to the handler that it calls.
    private final class Patience {
        var end = Milliseconds(0)
    }

    /// How the file is opened.
    package enum Access {
        /// Never written; not made when missing.
        case reading
        /// Written; made when missing.
        case writing
        /// Never written, and by no other process: read with what a WAL beside it holds.
        case alone
        /// Never written, by nobody: read as it stands, without what a WAL beside it holds.
        case frozen
    }

    /// Opens a file; a statement that meets a lock gives up after `busyTimeout` milliseconds.
    package init(path: String, _ access: Access, busyTimeout: Int32) throws(SQLiteError) {
        let (name, flags) =
            switch access {
            case .reading, .alone: (path, SQLITE_OPEN_READONLY)
            case .writing: (path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            case .frozen:
                ("file:\(Self.escaped(path))?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI)
            }
        var opened: OpaquePointer?
        // The lock that a WAL without shared memory wants is refused where nothing may be written.
        let files: String? = access == .alone ? "unix-none" : nil
        let code = unsafe sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX, files)
        guard let handle = unsafe opened, code == SQLITE_OK else {
            let error = unsafe SQLiteError(code: code & 0xFF, description: Self.words(opened, code))
            _ = unsafe sqlite3_close_v2(opened)
            throw error
        }
        unsafe self.handle = unsafe handle
        _ = unsafe sqlite3_busy_timeout(handle, busyTimeout)
        // A database is input. Its views and triggers may call nothing that acts, a broken cell is
        // an error, and nothing goes to a temporary folder.
        try execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON")
        try execute("PRAGMA temp_store=MEMORY")
    }

    deinit { _ = unsafe sqlite3_close_v2(handle) }

    /// Has all statements from now on, together, wait for locks no longer than a span.
    ///
    /// A lock is tried every 2 ms. SQLite's own wait sleeps for up to 100 ms, and so misses that it was free meanwhile.
    package func waitForLocks(_ span: Milliseconds) {
        patience.end = Clock.monotonic + span
        // Lent for as long as the handle stands, which ends before this object.
        let lent = unsafe Unmanaged.passUnretained(patience).toOpaque()
        let handler: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Int32 = { lent, _ in
            guard let lent = unsafe lent else { return 0 }
            // What was lent above.
            let patience = unsafe Unmanaged<Patience>.fromOpaque(lent).takeUnretainedValue()
            guard Clock.monotonic < patience.end else { return 0 }
            usleep(2000)
            return 1
        }
        _ = unsafe sqlite3_busy_handler(handle, handler, lent)
    }

    private static func words(_ handle: OpaquePointer?, _ code: Int32) -> String {
        // The C string is valid until the next call on the handle, and copied before.
        unsafe String(cString: handle == nil ? sqlite3_errstr(code) : sqlite3_errmsg(handle))
    }

    /// A path as part of a URI.
    private static func escaped(_ path: String) -> String {
        path.replacing("%", with: "%25").replacing("?", with: "%3f").replacing("#", with: "%23")
    }

    /// Makes this database a copy of another one, all of it or nothing.
    package func copy(_ other: SQLiteDatabase) throws(SQLiteError) {
        guard let backup = unsafe sqlite3_backup_init(handle, "main", other.handle, "main") else {
            throw error(unsafe sqlite3_errcode(handle))
        }
        let step = unsafe sqlite3_backup_step(backup, -1)
        let end = unsafe sqlite3_backup_finish(backup)
        guard step == SQLITE_DONE else { throw error(step) }
        try check(end)
    }

    /// Throws what the last call came to, unless it is `SQLITE_OK`.
    fileprivate func check(_ code: Int32) throws(SQLiteError) {
        guard code != SQLITE_OK else { return }
        throw error(code)
    }

    fileprivate func error(_ code: Int32) -> SQLiteError {
        unsafe SQLiteError(code: code & 0xFF, description: Self.words(handle, code))
    }

    /// Runs statements that have no parameters and whose rows do not matter.
    package func execute(_ sql: String) throws(SQLiteError) {
        try check(unsafe sqlite3_exec(handle, sql, nil, nil, nil))
    }

    /// Compiles one statement.
    package func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        try SQLiteStatement(self, sql)
    }
}

/// One compiled statement; its database stays open as long as it lives.
@safe
package final class SQLiteStatement {
    private let database: SQLiteDatabase
    private let handle: OpaquePointer

    fileprivate init(_ database: SQLiteDatabase, _ sql: String) throws(SQLiteError) {
        self.database = database
        var compiled: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(
            database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, nil)
        guard let handle = unsafe compiled, code == SQLITE_OK else { throw database.error(code) }
        unsafe self.handle = unsafe handle
    }

    deinit { _ = unsafe sqlite3_finalize(handle) }

    /// The names of its result columns, in their order.
    package var columns: [String] {
        (0..<(unsafe sqlite3_column_count(handle))).map { index in
            // The C string is valid until the statement is compiled anew, and copied before.
            unsafe sqlite3_column_name(handle, index).map { unsafe String(cString: $0) } ?? ""
        }
    }

    /// The number of its last parameter: how many it has, when it numbers none itself.
    package var parameterCount: Int { Int(unsafe sqlite3_bind_parameter_count(handle)) }

    /// Whether it changes nothing in the file.
    package var isReading: Bool { unsafe sqlite3_stmt_readonly(handle) != 0 }

    /// Runs the statement and gives each row to `body`, until that returns false.
    package func forEach(
        _ values: [SQLiteValue], _ body: (SQLiteRow) -> Bool
    ) throws(SQLiteError) {
        defer {
            _ = unsafe sqlite3_reset(handle)
            _ = unsafe sqlite3_clear_bindings(handle)
        }
        for (index, value) in values.enumerated() { try bind(Int32(index + 1), value) }
        while true {
            let code = unsafe sqlite3_step(handle)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw database.error(code) }
            guard unsafe body(SQLiteRow(handle)) else { return }
        }
    }

    /// Runs the statement; what `body` makes of the first row, or nil when there is none.
    package func first<Value>(
        _ values: [SQLiteValue], _ body: (SQLiteRow) -> Value
    ) throws(SQLiteError) -> Value? {
        var result: Value?
        try forEach(values) { row in
            result = body(row)
            return false
        }
        return result
    }

    /// Runs a statement that has no rows.
    package func run(_ values: [SQLiteValue]) throws(SQLiteError) {
        try forEach(values) { _ in true }
    }

    private func bind(_ index: Int32, _ value: SQLiteValue) throws(SQLiteError) {
        switch value {
        case .integer(let number):
            try database.check(unsafe sqlite3_bind_int64(handle, index, number))
        case .text(let text):
            let bytes = Array(text.utf8)
            // SQLITE_TRANSIENT, a cast that is not imported: SQLite copies the bytes at once.
            let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            // In bounds: the array's own storage and length.
            let code = unsafe bytes.withUnsafeBytes { buffer in
                unsafe sqlite3_bind_text(
                    handle, index,
                    buffer.baseAddress?.assumingMemoryBound(to: CChar.self) ?? Self.empty,
                    Int32(buffer.count), copied)
            }
            try database.check(code)
        case .blob(let bytes):
            let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            // In bounds: the array's own storage and length; none at all becomes NULL, which is read as empty.
            let code = unsafe bytes.withUnsafeBytes { buffer in
                unsafe sqlite3_bind_blob(
                    handle, index, buffer.baseAddress, Int32(buffer.count), copied)
            }
            try database.check(code)
        }
    }

    // An empty array has no storage, and a null pointer would be bound as NULL.
    private static var empty: UnsafePointer<CChar> {
        unsafe UnsafePointer(sqlite3_errstr(SQLITE_OK))
    }
}

/// The row a statement stands on; not to be kept.
@safe
package struct SQLiteRow {
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Column `index` as text in UTF-8; empty for NULL.
    package func bytes(_ index: Int32) -> [UInt8] {
        guard let text = unsafe sqlite3_column_text(handle, index) else { return [] }
        let count = Int(unsafe sqlite3_column_bytes(handle, index))
        // In bounds: SQLite's own length of the text it has just returned.
        return unsafe Array(UnsafeBufferPointer(start: text, count: count))
    }

    /// Column `index` as text; empty for NULL.
    package func text(_ index: Int32) -> String { String(decoding: bytes(index), as: UTF8.self) }

    /// Column `index` as a number; 0 for NULL and for text that is none.
    package func integer(_ index: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, index) }
}
