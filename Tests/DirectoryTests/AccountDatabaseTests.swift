internal import Glibc
internal import Messages
internal import Sys
internal import Testing

@testable internal import directory

@Suite("AccountDatabase")
struct AccountDatabaseTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func database(
        _ name: String = "accounts.sqlite", _ more: Setting...
    ) -> AccountDatabase {
        AccountDatabase(AccountSettings([.database("sqlite://\(folder.path)/\(name)")] + more))
    }

    private func isFound(_ database: AccountDatabase, _ account: String, _ now: Int64 = 0) -> Bool {
        let answer = database.lookUp(
            account: account, realm: "asterisk", now: .seconds(now))
        if case .found = answer { return true }
        return false
    }

    @Test("a database that can be read is announced once, with its layout")
    func up() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        database.tick(.seconds(1))
        #expect(database.takeEvents() == [.up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a missing file is said once with what to do, and found within ten seconds of its coming")
    func missingFile() throws {
        let database = database()
        for second in 0..<60 { database.tick(.seconds(Int64(second))) }
        let events = database.takeEvents()
        guard events.count == 1, case .down(let why) = events[0] else {
            Issue.record("expected one event, got \(events)")
            return
        }
        #expect(why.contains("\(folder.path)/accounts.sqlite cannot be opened"))
        #expect(why.contains("accounts.database"))
        #expect(
            database.lookUp(account: "1001", realm: "asterisk", now: .seconds(60)) == .unavailable)
        try folder.database("accounts.sqlite", Tables.chanSip)
        for second in 60..<71 { database.tick(.seconds(Int64(second))) }
        #expect(database.takeEvents() == [.up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a database without its columns is named, and read when they have come")
    func missingColumn() throws {
        try folder.database("accounts.sqlite", "CREATE TABLE sippeers (name, type, secret)")
        let database = database()
        database.tick(.seconds(0))
        guard case .down(let why)? = database.takeEvents().first else {
            Issue.record("expected a complaint")
            return
        }
        #expect(why.contains("table sippeers lacks the column host"))
        try folder.database(
            "accounts.sqlite",
            "ALTER TABLE sippeers ADD COLUMN host; "
                + "INSERT INTO sippeers VALUES ('1001', 'friend', 'x', 'dynamic')")
        database.tick(.seconds(2))
        #expect(isFound(database, "1001"))
    }

    @Test("a locked database is unavailable, said so, and asked again when the lock is gone")
    func locked() throws {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.takeEvents()
        let writer = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
        try writer.execute("BEGIN EXCLUSIVE")
        #expect(!isFound(database, "1001"))
        guard case .down(let why)? = database.takeEvents().first else {
            Issue.record("expected a complaint")
            return
        }
        #expect(why.contains("locked"))
        try writer.execute("COMMIT")
        database.tick(.seconds(1))
        #expect(database.takeEvents() == [.up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a new row is announced as a change and found")
    func newRow() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.takeEvents()
        database.tick(.seconds(1))
        #expect(database.takeEvents().isEmpty)
        try folder.database(
            "accounts.sqlite",
            "INSERT INTO sippeers (name, type, host, secret) VALUES ('7', 'friend', 'dynamic', 'x')"
        )
        database.tick(.seconds(2))
        #expect(database.takeEvents() == [.changed])
        #expect(isFound(database, "7"))
    }

    @Test("a file that takes the place of the old one is read")
    func replacedFile() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.takeEvents()
        try folder.database("new.sqlite", Tables.pjsip)
        #expect(
            unsafe rename("\(folder.path)/new.sqlite", "\(folder.path)/accounts.sqlite") == 0)
        database.tick(.seconds(1))
        #expect(database.takeEvents() == [.up("pjsip"), .changed])
        #expect(isFound(database, "2001"))
        #expect(!isFound(database, "1001"))
    }

    @Test("what is no database, no sqlite URL or not set is said and refused")
    func unusable() throws {
        try folder.write("accounts.sqlite", Array("this is not a database at all".utf8))
        let text = database()
        let odbc = AccountDatabase(AccountSettings([.database("odbc://asterisk")]))
        let none = AccountDatabase(AccountSettings([]))
        for (database, word) in [
            (text, "cannot be read"), (odbc, "sqlite:///path"), (none, "name no database"),
        ] {
            database.tick(.seconds(0))
            guard case .down(let why)? = database.takeEvents().first else {
                Issue.record("expected a complaint")
                return
            }
            #expect(why.contains(word))
            #expect(!isFound(database, "1001"))
        }
    }

    @Test("a stored hash is given for the realm of the settings")
    func realmOfSettings() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database("accounts.sqlite", .realm("pbx.example.com"))
        database.tick(.seconds(0))
        let answer = database.lookUp(
            account: "1002", realm: "pbx.example.com", now: .seconds(0))
        guard case .found(let account) = answer else {
            Issue.record("expected the account")
            return
        }
        #expect(hex(account.ha1MD5) == "aabbccddeeff00112233445566778899")
    }
}
