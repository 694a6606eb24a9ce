internal import Messages
internal import SQLite
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

@Suite("Realtime")
struct RealtimeTests {
    @Test(
        "a number is what a value begins with, and no number is nothing",
        arguments: [
            ("1", 1), (" 12 contacts", 12), ("-3", -3), ("+4", 4), ("", 0), ("none", 0),
            ("3.7", 3), ("9223372036854775807", .max), ("99999999999999999999", .max),
            ("-99999999999999999999", .min), ("-", 0),
        ] as [(String, Int64)])
    func integer(text: String, number: Int64) {
        #expect(RealtimeRow(values: [Array(text.utf8)]).integer(0) == number)
    }

    @Test(
        "what Asterisk's drivers for database servers escape is read as they do, and nowhere else",
        arguments: [
            ("a^3Bb^5Ec", "a;b^c"), ("a^3b", "a;"), ("^", "^"), ("^3", "^3"), ("a^zz^", "a^zz^"),
            ("^5E3B", "^3B"), ("", ""), ("^3B", ";"),
        ])
    func escapes(written: String, meant: String) {
        let bytes = Array(written.utf8)
        #expect(RealtimeRow(values: [bytes], isEscaped: true).plain(0) == Array(meant.utf8))
        #expect(RealtimeRow(values: [bytes]).plain(0) == bytes)
    }

    @Test("a row is found by the bytes of its key, whatever collation or type the column has")
    func exactKey() throws {
        let folder = try TemporaryFolder()
        let path = try folder.database(
            "accounts.sqlite",
            """
            CREATE TABLE texts (name TEXT COLLATE NOCASE, secret TEXT);
            INSERT INTO texts VALUES ('anna', 'small'), ('Anna', 'large'), ('anna ', 'blank');
            CREATE TABLE numbers (name INTEGER, secret TEXT);
            INSERT INTO numbers VALUES (1001, 'number');
            """)
        let database = SQLiteRealtime(
            try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        func secrets(_ key: String, of table: String) throws -> [String] {
            let statement = try database.prepare(
                RealtimeSelection(table: table, columns: ["secret", nil], key: "name"))
            var secrets: [String] = []
            try statement.forEach(key) { row in
                secrets.append(row.text(0) + row.text(1))
                return true
            }
            return secrets
        }
        #expect(try secrets("anna", of: "texts") == ["small"])
        #expect(try secrets("Anna", of: "texts") == ["large"])
        #expect(try secrets("ANNA", of: "texts").isEmpty)
        #expect(try secrets("1001", of: "numbers") == ["number"])
        #expect(try secrets("01001", of: "numbers").isEmpty)
    }

    @Test("columns are told in lower case, in the order of the table; of a missing table none")
    func columns() throws {
        let folder = try TemporaryFolder()
        let path = try folder.database(
            "accounts.sqlite", "CREATE TABLE t (Permit VARCHAR(95), deny, id INTEGER)")
        let database = SQLiteRealtime(
            try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        #expect(
            try database.columns(of: "t") == [
                RealtimeColumn(name: "permit", isText: true),
                RealtimeColumn(name: "deny", isText: false),
                RealtimeColumn(name: "id", isText: false),
            ])
        #expect(try database.columns(of: "none").isEmpty)
    }
}
