// The few ODBC calls that are needed, each with its failure as a typed error.
internal import CODBC

/// A connection to a database through unixODBC, for one thread.
///
/// Texts are bytes, which the database is to send and to take as UTF-8: C.UTF-8 has to be the locale's LC_CTYPE
/// (setlocale(3)) before, since drivers follow it. A call waits for as long as the driver does.
@safe
package final class ODBCConnection {
    private let environment: SQLHENV
    fileprivate let handle: SQLHDBC

    /// Connects by a connection string, with a limit of seconds that not every driver keeps.
    ///
    /// The string is overwritten with zeros when it has been used: it may have a password.
    package init(_ string: inout [UInt8], loginTimeout seconds: UInt) throws(ODBCError) {
        defer { for index in string.indices { string[index] = 0 } }
        var environment: SQLHANDLE?
        _ = unsafe SQLAllocHandle(SQLSMALLINT(SQL_HANDLE_ENV), nil, &environment)
        guard let environment = unsafe environment else { throw .noMemory }
        // ODBC 3: PostgreSQL's driver takes no later version.
        _ = unsafe SQLSetEnvAttr(
            environment, SQL_ATTR_ODBC_VERSION, ODBCConnection.number(UInt(SQL_OV_ODBC3)), 0)
        var handle: SQLHANDLE?
        _ = unsafe SQLAllocHandle(SQLSMALLINT(SQL_HANDLE_DBC), environment, &handle)
        guard let handle = unsafe handle else {
            _ = unsafe SQLFreeHandle(SQLSMALLINT(SQL_HANDLE_ENV), environment)
            throw .noMemory
        }
        unsafe self.environment = unsafe environment
        unsafe self.handle = unsafe handle
        set(SQL_ATTR_LOGIN_TIMEOUT, seconds)
        set(SQL_ATTR_ACCESS_MODE, UInt(SQL_MODE_READ_ONLY))
        let count = SQLSMALLINT(clamping: string.count)
        // In bounds: the array's own storage and length.
        let code = unsafe string.withUnsafeMutableBufferPointer { buffer in
            unsafe SQLDriverConnect(
                handle, nil, buffer.baseAddress, count, nil, 0, nil,
                SQLUSMALLINT(SQL_DRIVER_NOPROMPT))
        }
        guard ODBCError.isGood(code) else { throw unsafe ODBCError(SQL_HANDLE_DBC, handle) }
    }

    deinit {
        // A transaction under way would keep it connected.
        _ = unsafe SQLEndTran(SQLSMALLINT(SQL_HANDLE_DBC), handle, SQLSMALLINT(SQL_ROLLBACK))
        _ = unsafe SQLDisconnect(handle)
        _ = unsafe SQLFreeHandle(SQLSMALLINT(SQL_HANDLE_DBC), handle)
        _ = unsafe SQLFreeHandle(SQLSMALLINT(SQL_HANDLE_ENV), environment)
    }

    /// What the database calls its kind, as "MariaDB"; empty when the driver does not tell.
    package var product: String {
        var name = [UInt8](repeating: 0, count: 64)
        var length: SQLSMALLINT = 0
        // In bounds: the array's own storage and length.
        let code = unsafe name.withUnsafeMutableBytes { buffer in
            unsafe SQLGetInfo(
                handle, SQLUSMALLINT(SQL_DBMS_NAME), buffer.baseAddress,
                SQLSMALLINT(buffer.count), &length)
        }
        guard ODBCError.isGood(code) else { return "" }
        return String(decoding: name.prefix(Int(max(length, 0))), as: UTF8.self)
    }

    /// Has each statement from now on begin a transaction, unless one is under way.
    package func beginTransactions() throws(ODBCError) {
        let code = set(SQL_ATTR_AUTOCOMMIT, UInt(SQL_AUTOCOMMIT_OFF))
        guard ODBCError.isGood(code) else { throw unsafe ODBCError(SQL_HANDLE_DBC, handle) }
    }

    /// Ends the transaction that is under way, if one is; nothing is ever written in it.
    package func endTransaction() throws(ODBCError) {
        let code = unsafe SQLEndTran(
            SQLSMALLINT(SQL_HANDLE_DBC), handle, SQLSMALLINT(SQL_ROLLBACK))
        guard ODBCError.isGood(code) else { throw unsafe ODBCError(SQL_HANDLE_DBC, handle) }
    }

    /// Compiles a statement, each of whose runs ends after some seconds, if the driver can have it so.
    package func prepare(_ sql: String, timeout seconds: UInt) throws(ODBCError) -> ODBCStatement {
        try ODBCStatement(self, sql, timeout: seconds)
    }

    /// Runs a statement whose rows do not matter.
    package func execute(_ sql: String, timeout seconds: UInt) throws(ODBCError) {
        try prepare(sql, timeout: seconds).forEach(nil) { _ in false }
    }

    @discardableResult
    private func set(_ attribute: Int32, _ value: UInt) -> SQLRETURN {
        unsafe SQLSetConnectAttr(
            handle, attribute, Self.number(value), SQLINTEGER(SQL_IS_UINTEGER))
    }

    /// A number, as ODBC wants one in place of a pointer.
    fileprivate static func number(_ value: UInt) -> SQLPOINTER? {
        unsafe SQLPOINTER(bitPattern: value)
    }
}

/// A column of a statement's result.
package struct ODBCColumn: Equatable {
    /// Its name, at most 255 bytes.
    package let name: String
    /// Whether it is of texts of one length, which some databases fill up with blanks.
    package let isFixed: Bool
}

/// One compiled statement; its connection stays open as long as it lives.
@safe
package final class ODBCStatement {
    private let connection: ODBCConnection
    private let handle: SQLHSTMT
    private var text: [UInt8]
    private var chunk = [UInt8](repeating: 0, count: 4096)
    /// Whether its last run has failed: MariaDB's driver would wait for an answer to the next one that never comes, unless
    /// the statement is compiled again.
    private var isSpent = false

    /// The longest value that is read whole, in bytes; of a longer one the beginning.
    package static let longestValue = 65_536

    fileprivate init(
        _ connection: ODBCConnection, _ sql: String, timeout seconds: UInt
    ) throws(ODBCError) {
        self.connection = connection
        text = Array(sql.utf8)
        var handle: SQLHANDLE?
        _ = unsafe SQLAllocHandle(SQLSMALLINT(SQL_HANDLE_STMT), connection.handle, &handle)
        guard let handle = unsafe handle else {
            throw unsafe ODBCError(SQL_HANDLE_DBC, connection.handle)
        }
        unsafe self.handle = unsafe handle
        _ = unsafe SQLSetStmtAttr(
            handle, SQL_ATTR_QUERY_TIMEOUT, ODBCConnection.number(seconds),
            SQLINTEGER(SQL_IS_UINTEGER))
        try compile()
    }

    private func compile() throws(ODBCError) {
        let count = SQLINTEGER(text.count)
        // In bounds: the array's own storage and length.
        let code = unsafe text.withUnsafeMutableBufferPointer { buffer in
            unsafe SQLPrepare(handle, buffer.baseAddress, count)
        }
        try check(code)
        isSpent = false
    }

    deinit { _ = unsafe SQLFreeHandle(SQLSMALLINT(SQL_HANDLE_STMT), handle) }

    /// How many parameters it has.
    package func parameterCount() throws(ODBCError) -> Int {
        var count: SQLSMALLINT = 0
        try check(unsafe SQLNumParams(handle, &count))
        return Int(count)
    }

    /// Its result columns, in their order.
    package func columns() throws(ODBCError) -> [ODBCColumn] {
        var count: SQLSMALLINT = 0
        try check(unsafe SQLNumResultCols(handle, &count))
        var columns: [ODBCColumn] = []
        for number in 0..<max(count, 0) { columns.append(try column(SQLUSMALLINT(number + 1))) }
        return columns
    }

    private func column(_ number: SQLUSMALLINT) throws(ODBCError) -> ODBCColumn {
        var name = [UInt8](repeating: 0, count: 256)
        let size = SQLSMALLINT(name.count)
        var (length, type): (SQLSMALLINT, SQLSMALLINT) = (0, 0)
        // In bounds: the array's own storage and length. What the driver does not tell of the values is not needed.
        let code = unsafe name.withUnsafeMutableBufferPointer { buffer in
            unsafe SQLDescribeCol(
                handle, number, buffer.baseAddress, size, &length, &type, nil, nil, nil)
        }
        try check(code)
        let text = name.prefix(min(Int(max(length, 0)), name.count - 1))
        return ODBCColumn(
            name: String(decoding: text, as: UTF8.self),
            isFixed: [SQL_CHAR, SQL_WCHAR].contains(Int32(type)))
    }

    /// Runs the statement with a text for its one parameter (nil: it has none), and gives each row to `body`, until
    /// that returns false.
    ///
    /// A row is the bytes of its values, none for NULL.
    package func forEach(
        _ parameter: [UInt8]?, _ body: ([[UInt8]]) -> Bool
    ) throws(ODBCError) {
        if isSpent { try compile() }
        defer {
            _ = unsafe SQLFreeStmt(handle, SQLUSMALLINT(SQL_CLOSE))
            _ = unsafe SQLFreeStmt(handle, SQLUSMALLINT(SQL_RESET_PARAMS))
        }
        do throws(ODBCError) {
            try read(parameter, body)
        } catch {
            isSpent = true
            throw error
        }
    }

    private func read(
        _ parameter: [UInt8]?, _ body: ([[UInt8]]) -> Bool
    ) throws(ODBCError) {
        try run(parameter)
        var count: SQLSMALLINT = 0
        try check(unsafe SQLNumResultCols(handle, &count))
        while count > 0 {
            let code = unsafe SQLFetch(handle)
            if code == SQL_NO_DATA { return }
            try check(code)
            var values: [[UInt8]] = []
            for column in 1...SQLUSMALLINT(count) { values.append(try value(column)) }
            guard body(values) else { return }
        }
    }

    private func run(_ parameter: [UInt8]?) throws(ODBCError) {
        guard let parameter else { return try execute() }
        // Not empty, so that it has storage.
        var text = parameter + [0]
        var length = SQLLEN(parameter.count)
        let size = SQLULEN(max(parameter.count, 255))
        // In bounds: the array's own storage and length, and both outlive the run.
        let (bound, code) = unsafe text.withUnsafeMutableBytes { buffer in
            let bound = unsafe SQLBindParameter(
                handle, 1, SQLSMALLINT(SQL_PARAM_INPUT), SQLSMALLINT(SQL_C_CHAR),
                SQLSMALLINT(SQL_VARCHAR), size, 0, buffer.baseAddress, SQLLEN(parameter.count),
                &length)
            return (bound, ODBCError.isGood(bound) ? unsafe SQLExecute(handle) : bound)
        }
        try check(bound)
        guard code != SQL_NO_DATA else { return }
        try check(code)
    }

    private func execute() throws(ODBCError) {
        let code = unsafe SQLExecute(handle)
        guard code != SQL_NO_DATA else { return }
        try check(code)
    }

    /// The bytes of a value of the row that was fetched last.
    private func value(_ column: SQLUSMALLINT) throws(ODBCError) -> [UInt8] {
        var value: [UInt8] = []
        while value.count < Self.longestValue {
            var length: SQLLEN = 0
            // In bounds: the array's own storage and length.
            let code = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe SQLGetData(
                    handle, column, SQLSMALLINT(SQL_C_CHAR), buffer.baseAddress,
                    SQLLEN(buffer.count), &length)
            }
            if code == SQL_NO_DATA { break }
            try check(code)
            if length == SQLLEN(SQL_NULL_DATA) { break }
            // The last place of a chunk is a zero; what is longer, or of unknown length, has more to come.
            let room = chunk.count - 1
            let isWhole = length >= 0 && length <= room
            value += chunk.prefix(isWhole ? Int(length) : room)
            if isWhole { break }
        }
        // What was not used is zero already.
        for index in 0..<min(value.count + 1, chunk.count) { chunk[index] = 0 }
        return value
    }

    private func check(_ code: SQLRETURN) throws(ODBCError) {
        guard !ODBCError.isGood(code) else { return }
        throw unsafe ODBCError(SQL_HANDLE_STMT, handle)
    }
}

extension ODBCError {
    /// What is said when not even a handle can be had.
    fileprivate static let noMemory = ODBCError(
        state: "HY001", native: 0, words: "unixODBC has no memory".utf8)

    /// Whether a call has done what it should.
    fileprivate static func isGood(_ code: SQLRETURN) -> Bool {
        code == SQL_SUCCESS || code == SQL_SUCCESS_WITH_INFO
    }

    /// The first record that a handle has of its last call.
    fileprivate init(_ kind: Int32, _ handle: SQLHANDLE) {
        var state = [UInt8](repeating: 0, count: 6)
        var words = [UInt8](repeating: 0, count: 1024)
        var native: SQLINTEGER = 0
        var length: SQLSMALLINT = 0
        // In bounds: the arrays' own storage and length.
        let code = unsafe state.withUnsafeMutableBufferPointer { state in
            unsafe words.withUnsafeMutableBufferPointer { words in
                unsafe SQLGetDiagRec(
                    SQLSMALLINT(kind), handle, 1, state.baseAddress, &native, words.baseAddress,
                    SQLSMALLINT(words.count), &length)
            }
        }
        guard Self.isGood(code) else {
            self.init(state: "HY000", native: 0, words: "the driver does not say why".utf8)
            return
        }
        self.init(
            state: String(decoding: state.prefix(5), as: UTF8.self), native: native,
            words: words.prefix(min(Int(max(length, 0)), words.count - 1)))
    }
}
