internal import Messages
internal import ODBC
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import accounts_reader

/// A database of which some columns may not be read.
private final class ClosedDatabase: RealtimeDatabase {
    let tables: [String: [String]]
    let closed: [String: [String]]

    init(_ tables: [String: [String]], closed: [String: [String]]) {
        self.tables = tables
        self.closed = closed
    }

    func columns(of table: String) -> [RealtimeColumn] {
        (tables[table] ?? []).map { RealtimeColumn(name: $0, isText: true) }
    }

    func refusedColumns(of table: String, among names: [String]) -> [String] {
        names.filter { closed[table]?.contains($0) == true }
    }

    func prepare(_ selection: RealtimeSelection) -> any RealtimeStatement { Nothing() }

    func prepare(query: String) throws(RealtimeError) -> any RealtimeQuery {
        throw .query("is asked of no table")
    }

    func hasRows(_ table: String) -> Bool { tables[table] != nil }

    func names(
        in column: RealtimeColumn, of table: String, after name: String, limit: Int
    ) -> [String] { [] }

    private final class Nothing: RealtimeStatement {
        func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) {}
    }
}

@Suite("AccountServer")
struct AccountServerTests {
    private static let sippeers = ["name", "type", "host", "secret"]

    private func find(
        _ closed: [String: [String]], _ order: AccessOrder = .asAsterisk
    ) throws -> AccountTables {
        try AccountTables.find(
            .automatic, AccessRules(order: order),
            in: ClosedDatabase(["sippeers": Self.sippeers], closed: closed))
    }

    @Test(
        "a column that is there and may not be read is told: without it too much would be good",
        arguments: ["md5secret", "dynamic", "deny", "contactpermit", "acl"])
    func closedColumn(_ column: String) throws {
        let error = #expect(throws: AccountTablesError.self) {
            try find(["sippeers": [column]])
        }
        #expect(error?.description.contains("GRANT SELECT ON sippeers") == true)
        #expect(error?.description.hasSuffix(" \(column)") == true)
    }

    @Test("a closed column that is not read stops nothing")
    func closedForGood() throws {
        #expect(try find(["sippeers": ["fullcontact"]]).name == "chan_sip")
        #expect(try find(["sippeers": ["deny"]], .ignore).name == "chan_sip")
    }

    private func source(_ settings: AccountSettings) throws -> AccountServer {
        AccountServer(settings, try #require(settings.server))
    }

    @Test("a DSN that is not there is told once, with where it should be, and is tried again")
    func noSuchDSN() throws {
        let server = try source(AccountSettings([.source("odbc://rempart-none")]))
        #expect(server.state == nil)
        server.tick(.seconds(0))
        guard case .down(let why, "odbc://rempart-none")? = server.state else {
            Issue.record("expected a complaint")
            return
        }
        #expect(why.contains("/etc/odbc.ini"))
        #expect(server.drainEvents() == [.source(.down(why: why, source: "odbc://rempart-none"))])
        server.tick(.seconds(20))
        #expect(server.drainEvents().isEmpty)
        let queries = [AccountQuery(name: "a", realm: "r"), AccountQuery(name: "b", realm: "r")]
        let answers = server.lookUp(queries, within: nil, now: .seconds(40), steps: nil)
        #expect(answers == [.unavailable, .unavailable])
        #expect(server.names(after: "", limit: 5, now: .seconds(60)) == nil)
    }

    @Test("a password that was not handed over, or that no driver takes, is told with its file")
    func secret() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/secret"
        for (text, word) in [(nil, "chmod 600"), ("", "chmod 600"), ("a}b\n", "another one")] {
            var set = StartSet()
            set.settings = [
                .accounts.source("odbc://rempart-none"), .accounts.user("rempart"),
                .accounts.secretFile("/etc/rempart/accounts.secret"),
            ]
            if let text {
                try folder.write("secret", Array(text.utf8))
                set.files[.secret] = try Descriptor.sealedCopy(of: path, limit: 4096)
            }
            let server = try source(AccountSettings(set))
            server.tick(.seconds(0))
            guard case .down(let why, _)? = server.state else {
                Issue.record("expected a complaint")
                return
            }
            #expect(why.contains("/etc/rempart/accounts.secret") && why.contains(word))
            #expect(!why.contains("a}b"))
        }
    }

    @Test("the password is the first line of its file")
    func firstLine() throws {
        let folder = try TemporaryFolder()
        try folder.write("secret", Array("a b;c\r\nsecond\n".utf8))
        var set = StartSet()
        set.files[.secret] = try Descriptor.sealedCopy(of: "\(folder.path)/secret", limit: 4096)
        #expect(AccountSettings(set).secret == Array("a b;c".utf8))
    }

    @Test("what an ODBC failure means is read from its state and number")
    func failures() {
        func error(_ state: String, _ native: Int32 = 0) -> ODBCError {
            ODBCError(state: state, native: native, words: "a\nb".utf8)
        }
        #expect(error("08S01").isLost && error("HYT00").isLost && error("57P01").isLost)
        #expect(error("HY000", 2013).isLost && !error("42S22", 1054).isLost)
        #expect(error("42501").isDenied && error("42000", 1143).isDenied)
        #expect(!error("42S22", 1054).isDenied)
        #expect(error("22021").isUnfitParameter && error("HY000", 1267).isUnfitParameter)
        // A view that divides by zero.
        #expect(!error("22012").isUnfitParameter)
        #expect(error("42000").description == "a b")
    }

    @Test("another kind of source needs another confinement, and another DSN does not")
    func reach() {
        func reach(_ url: String) -> Reach { Reach(AccountSettings([.source(url)])) }
        #expect(reach("odbc://a") == reach("odbc://b"))
        #expect(reach("odbc://a") != reach("sqlite:///etc/hosts"))
        #expect(reach("odbc://a").connects && !reach("sqlite:///etc/hosts").connects)
    }
}
