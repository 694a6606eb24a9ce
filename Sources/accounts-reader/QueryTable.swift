// The accounts that a statement of the administrator's own finds.
internal import Messages
internal import ODBC

/// What `accounts.query` finds: one row for an account's name.
///
/// The database may take other letters for the same, so the row's own name is compared here, byte by byte. Several
/// rows of one name are no account: nobody has said which of them lets a phone in.
struct QueryTable {
    /// The result columns in lower case, in their order.
    let columns: [String]
    private let rows: KeyedStatement
    private let access: AccessTables

    /// What it is called where others have the name of a table.
    static let name = "accounts.query"
    /// A name that no account has, with which a statement is tried.
    static let nobody = "rempart-asks-for-nobody"

    /// The columns with what an account is authenticated by: at least one of them is there.
    private static let secrets = ["secret", "ha1_md5", "ha1_sha256"]
    /// The columns of access lists.
    private static let lists = ["deny", "permit"]
    /// The columns that are read beside the name and the access lists.
    private static let wanted = ["auth_user"] + secrets + ["max_contacts"]

    private struct Row {
        var user: [UInt8]
        var secret: [UInt8]
        var md5: [UInt8]
        var sha256: [UInt8]
        /// How many phones may register; nil where nothing is said.
        var contacts: Int64?
        var access: [String]

        /// Why phones may not register; nil when they may.
        var whyNotRegister: String? {
            guard let contacts, contacts <= 0 else { return nil }
            return "max_contacts=\(contacts)"
        }

        /// What a phone proves with: a hash wins over a secret, so that a forgotten old secret opens nothing.
        func credentials(_ query: LookUp) -> Credentials {
            var result = Credentials(
                user: user.isEmpty ? query.account : user.text, boundRealm: query.ownRealm)
            guard !md5.isEmpty || !sha256.isEmpty else {
                result.secret = secret
                return result
            }
            let (short, long) = (
                HA1.bytes(hex: md5, length: 16), HA1.bytes(hex: sha256, length: 32)
            )
            if md5.isEmpty != (short == nil) || sha256.isEmpty != (long == nil) {
                result.want = .brokenHash
            } else {
                (result.md5, result.sha256) = (short ?? [], long ?? [])
            }
            return result
        }
    }

    /// Prepares the statement, and runs it once for a name that nobody has; throws why it cannot serve.
    init(
        _ text: String, _ rules: AccessRules, in database: any RealtimeDatabase
    ) throws(AccountTablesError) {
        let statement: NamedRows
        let columns: [String]
        do throws(RealtimeError) {
            let query = try database.prepare(query: text)
            let (parameters, found) = (try query.parameterCount(), try query.columns())
            columns = found.map { $0.lowercased() }
            if let why = Self.fault(columns, parameters: parameters, isReading: query.isReading) {
                throw .query(why)
            }
            let access = AccessTables(columns: columns.filter(Self.lists.contains), rules)
            self.access = access
            statement = NamedRows(
                query, found, name: columns.firstIndex(of: "name") ?? 0,
                wanted: (Self.wanted + access.names).map { columns.firstIndex(of: $0) })
            var hasRow = false
            try query.forEach(Self.nobody, of: found) { _ in
                hasRow = true
                return false
            }
            guard !hasRow else {
                throw .query(
                    "has a row for a name that nobody has: compare the column of names with the `?`, as in"
                        + " WHERE name = ?")
            }
        } catch {
            guard error.isOfStatement else { throw .database(error) }
            throw .layout(Self.words(error))
        }
        self.columns = columns
        rows = KeyedStatement(what: "\(Self.name) name", statement: statement)
    }

    /// What is wrong with a statement of these columns; nil when nothing is.
    private static func fault(
        _ columns: [String], parameters: Int, isReading: Bool
    ) -> String? {
        guard isReading else { return "writes, and may only read" }
        guard parameters == 1 else {
            return
                "has \(parameters) parameters, and takes one: the `?` that stands for the account's name"
        }
        let known = ["name"] + wanted + lists
        // A mistyped access list would let in whom it shuts out.
        if let other = columns.first(where: { !known.contains($0) }) {
            return
                "has a result column \(other), which says nothing here: it takes \(known.joined(separator: ", "))"
        }
        if let twice = columns.first(where: { name in columns.count { $0 == name } > 1 }) {
            return "has two result columns \(twice): leave one of them out"
        }
        guard columns.contains("name") else {
            return
                "lacks the result column name: write AS name behind the column with the accounts' names"
        }
        guard columns.contains(where: secrets.contains) else {
            return
                "lacks a result column \(secrets.joined(separator: " or ")): write AS and one of these behind"
                + " the column that has it"
        }
        return nil
    }

    /// Why a statement cannot serve, for the administrator.
    private static func words(_ error: RealtimeError) -> String {
        switch error {
        case .query: "\(error)"
        // PostgreSQL's for a text that is no number.
        case .odbc(let failure) where failure.state == "22P02":
            "\(name) is refused by the database: \(error): compare a text with the `?`, as in CAST(id AS text) = ?"
        case .odbc(let failure) where failure.isDenied:
            "\(name) is refused by the database: \(error): GRANT SELECT to the login on what it names"
        default: "\(name) is refused by the database: \(error)"
        }
    }

    /// The account of a name.
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        var found: [Row] = []
        try rows.forEach(query.account, query.steps) { row in
            found.append(
                Row(
                    user: row.bytes(0), secret: row.bytes(1), md5: row.bytes(2),
                    sha256: row.bytes(3), contacts: row.bytes(4).isEmpty ? nil : row.integer(4),
                    access: access.texts(row, from: Self.wanted.count)))
            return found.count < 2
        }
        let row = found.count == 1 ? found.first : nil
        var credentials =
            row?.credentials(query) ?? Credentials(user: query.account, boundRealm: query.ownRealm)
        if let row {
            let why = row.whyNotRegister.map { "; \(TraceStep.whyNotRegister)\($0)" }
            query.steps?.remark(credentials.words + (why ?? ""))
        } else if !found.isEmpty {
            credentials.want = .severalRows
            query.steps?.remark("several rows have this name")
        }
        return credentials.account(
            realm: query.realm, aor: query.account,
            mayRegister: row.map { $0.whyNotRegister == nil } ?? false,
            access: try access.list(row?.access ?? [], query.steps), table: Self.name,
            hasRow: !found.isEmpty)
    }

    /// The rows of a statement whose own name is the one that was asked for.
    private final class NamedRows: RealtimeStatement {
        private let query: any RealtimeQuery
        private let columns: [String]
        private let name: Int
        private let wanted: [Int?]

        /// Rows of these columns, with the place of the name, and those of the values in the order in which they are
        /// given; nil is given as NULL.
        init(_ query: any RealtimeQuery, _ columns: [String], name: Int, wanted: [Int?]) {
            self.query = query
            self.columns = columns
            self.name = name
            self.wanted = wanted
        }

        func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) throws(RealtimeError) {
            let asked = Array(key.utf8)
            // A name that is NULL is nobody's.
            guard !asked.isEmpty else { return }
            var alike = 0
            try query.forEach(key, of: columns) { row in
                guard row.bytes(name) == asked else {
                    alike += 1
                    return alike < RealtimeRow.mostAlike
                }
                return body(RealtimeRow(values: wanted.map { $0.map(row.bytes) ?? [] }))
            }
        }
    }
}
