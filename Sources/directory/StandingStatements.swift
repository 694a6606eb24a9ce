// The table of accounts' standings, and its statements.
internal import Messages
internal import SQLite
internal import Sys

/// The prepared statements of the standings' table.
struct StandingStatements {
    private let upsert: SQLiteStatement
    private let delete: SQLiteStatement
    private let barred: SQLiteStatement
    private let page: SQLiteStatement

    private static let columns =
        "account, countries, held_until, barred_since, reason, evidence"

    /// Makes the table where it is missing.
    init(_ database: SQLiteDatabase) throws(SQLiteError) {
        try database.execute(
            """
            CREATE TABLE IF NOT EXISTS standings (
                account TEXT NOT NULL PRIMARY KEY, countries TEXT NOT NULL,
                held_until INTEGER NOT NULL, barred_since INTEGER NOT NULL,
                reason TEXT NOT NULL, evidence TEXT NOT NULL);
            CREATE INDEX IF NOT EXISTS standings_barred ON standings (barred_since)
            """)
        // An update in place, not REPLACE: the row keeps its number, by which pages go on.
        upsert = try database.prepare(
            "INSERT INTO standings (\(Self.columns)) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                + "ON CONFLICT (account) DO UPDATE SET countries=?2, held_until=?3, "
                + "barred_since=?4, reason=?5, evidence=?6")
        delete = try database.prepare("DELETE FROM standings WHERE account = ?1")
        barred = try database.prepare(
            "SELECT rowid, \(Self.columns) FROM standings WHERE barred_since > 0")
        page = try database.prepare(
            "SELECT rowid, \(Self.columns) FROM standings WHERE rowid > ?1 AND barred_since = 0 "
                + "ORDER BY rowid LIMIT ?2")
    }

    /// Writes the standing of an account, or forgets it when that is nothing.
    func store(_ standing: AccountStanding) throws(SQLiteError) {
        guard !standing.isEmpty else {
            try delete.run([.text(standing.account)])
            return
        }
        try upsert.run([
            .text(standing.account), .text(standing.countries),
            .integer(standing.heldUntil.count), .integer(standing.barredSince.count),
            .text(standing.reason), .text(standing.evidence),
        ])
    }

    /// The standings of the barred accounts.
    func allBarred() throws(SQLiteError) -> [AccountStanding] {
        var standings: [AccountStanding] = []
        try barred.forEach([]) { row in
            standings.append(AccountStanding(row))
            return true
        }
        return standings
    }

    /// At most so many of the other accounts after row `cursor`; `next` is nil after the last one.
    func others(
        after cursor: Int64, limit: Int
    ) throws(SQLiteError) -> (standings: [AccountStanding], next: Int64?) {
        var standings: [AccountStanding] = []
        var last = cursor
        try page.forEach([.integer(cursor), .integer(Int64(limit))]) { row in
            last = row.integer(0)
            standings.append(AccountStanding(row))
            return true
        }
        return (standings, standings.count == limit ? last : nil)
    }
}

extension AccountStanding {
    /// The standing of a row.
    fileprivate init(_ row: SQLiteRow) {
        self.init(
            account: row.text(1), countries: row.text(2), heldUntil: Milliseconds(row.integer(3)),
            barredSince: Milliseconds(row.integer(4)), reason: row.text(5), evidence: row.text(6))
    }
}
