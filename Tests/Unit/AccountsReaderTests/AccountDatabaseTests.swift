internal import Glibc
internal import Messages
internal import SQLite
internal import SmallDisk
internal import Synchronization
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

@Suite("AccountDatabase")
struct AccountDatabaseTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func database(
        _ name: String = "accounts.sqlite", _ more: AccountsReaderSetting...
    ) -> AccountDatabase {
        AccountDatabase(AccountSettings([.source("sqlite://\(folder.path)/\(name)")] + more))
    }

    /// That it can be read now; the layout's name.
    private func up(_ layout: String) -> AccountEvent {
        .source(.up(layout: layout, source: "sqlite://\(folder.path)/accounts.sqlite"))
    }

    private func isFound(_ database: AccountDatabase, _ account: String, _ now: Int64 = 0) -> Bool {
        let read = database.lookUp(account: account, realm: "asterisk", now: .seconds(now))
        if case .found = read.answer { return true }
        return false
    }

    @Test("a database that can be read is announced once, with its layout")
    func up() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        database.tick(.seconds(1))
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a missing file is said once with what to do, and found within ten seconds of its coming")
    func missingFile() throws {
        let database = database()
        for second in 0..<60 { database.tick(.seconds(Int64(second))) }
        let events = database.drainEvents()
        guard events.count == 1, case .source(.down(let why, _)) = events[0] else {
            Issue.record("expected one event, got \(events)")
            return
        }
        #expect(why.contains("\(folder.path)/accounts.sqlite cannot be opened"))
        #expect(why.contains("accounts.source"))
        #expect(
            database.lookUp(account: "1001", realm: "asterisk", now: .seconds(60)).answer
                == .unavailable)
        try folder.database("accounts.sqlite", Tables.chanSip)
        for second in 60..<71 { database.tick(.seconds(Int64(second))) }
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a database without its columns is named, and read when they have come")
    func missingColumn() throws {
        try folder.database("accounts.sqlite", "CREATE TABLE sippeers (name, type, secret)")
        let database = database()
        database.tick(.seconds(0))
        guard case .source(.down(let why, _))? = database.drainEvents().first else {
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

    @Test(
        "accounts of the other driver that come later are told, and take nothing from those that were there"
    )
    func otherDriver() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.drainEvents()
        #expect(database.unread.isEmpty)
        try folder.database("accounts.sqlite", Tables.pjsip)
        for second in 1..<5 { database.tick(.seconds(Int64(second))) }
        #expect(isFound(database, "1001") && !isFound(database, "2001"))
        guard case .up? = database.state else {
            Issue.record("expected that it can be read: \(String(describing: database.state))")
            return
        }
        #expect(database.unread.first?.contains("set accounts.schema") == true)
        try folder.database("accounts.sqlite", "DELETE FROM sippeers")
        for second in 5..<10 { database.tick(.seconds(Int64(second))) }
        #expect(isFound(database, "2001") && database.unread.isEmpty)
    }

    /// A database that is open, and another program's connection that has the lock of its file.
    private func openedAndLocked() throws -> (AccountDatabase, SQLiteDatabase) {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.drainEvents()
        let writer = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
        try writer.execute("BEGIN EXCLUSIVE")
        return (database, writer)
    }

    /// Why the first thing that a database tells of is that it cannot be read.
    private func complaint(of database: AccountDatabase) throws -> String {
        guard case .source(.down(let why, _))? = database.drainEvents().first else {
            throw SQLiteError(code: 0, description: "expected a complaint")
        }
        return why
    }

    @Test("a locked database is unavailable, said so, and asked again when the lock is gone")
    func locked() throws {
        let (database, writer) = try openedAndLocked()
        #expect(!isFound(database, "1001"))
        #expect(try complaint(of: database).contains("locked"))
        try writer.execute("COMMIT")
        database.tick(.seconds(1))
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
        #expect(isFound(database, "1001"))
    }

    @Test("a lock costs one call its wait, then each tick alone, and nothing is opened anew")
    func lockedForLong() throws {
        let (database, writer) = try openedAndLocked()
        #expect(!isFound(database, "1001"))
        #expect(database.drainEvents().count == 1)
        let begin = Clock.monotonic
        for _ in 0..<100 { #expect(!isFound(database, "1001")) }
        #expect(Clock.monotonic - begin < Milliseconds(500))
        for second in 1..<4 { database.tick(.seconds(Int64(second))) }
        #expect(database.drainEvents().isEmpty)
        try writer.execute("DELETE FROM sippeers WHERE name = '1002'; COMMIT")
        database.tick(.seconds(4))
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
        #expect(isFound(database, "1001") && !isFound(database, "1002"))
    }

    @Test("a lock that outlasts two ticks is told of, though nobody looks anything up")
    func lockedUnasked() throws {
        let (database, writer) = try openedAndLocked()
        database.tick(.seconds(1))
        #expect(database.drainEvents().isEmpty)
        database.tick(.seconds(2))
        #expect(try complaint(of: database).contains("locked"))
        try writer.execute("COMMIT")
        database.tick(.seconds(3))
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
    }

    @Test("a lock of before the file was replaced does not count against the new one")
    func lockedBeforeReplaced() throws {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        let writer = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
        try writer.execute("BEGIN EXCLUSIVE")
        database.tick(.seconds(1))
        let new = try folder.database("new.sqlite", Tables.chanSip)
        #expect(unsafe rename(new, path) == 0)
        database.tick(.seconds(2))
        _ = database.drainEvents()
        let next = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
        try next.execute("BEGIN EXCLUSIVE")
        database.tick(.seconds(3))
        #expect(database.drainEvents().isEmpty)
    }

    /// Accounts of which each look-up takes some milliseconds.
    private static let slow = """
        CREATE TABLE peers (name TEXT, secret TEXT);
        INSERT INTO peers VALUES ('1001', 'old');
        CREATE VIEW sippeers AS SELECT name, secret, 'friend' AS type, 'dynamic' AS host FROM peers,
            (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 30000)
                SELECT count(*) AS n FROM c) WHERE n > 0;
        """

    @Test("another program commits while the look-ups of a long frame go on")
    func givesWay() async throws {
        let path = try folder.database("accounts.sqlite", Self.slow)
        let database = database()
        database.tick(.seconds(0))
        let writer = Writer()
        let query = AccountQuery(name: "1001", realm: "asterisk")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let other = try SQLiteDatabase(path: path, .writing, busyTimeout: 60_000)
                try other.execute("BEGIN IMMEDIATE; UPDATE peers SET secret = 'new'")
                writer.state.withLock { $0.isLocking = true }
                usleep(50_000)
                try other.execute("COMMIT")
            }
            await writer.waitForLock()
            let answers = database.lookUp(
                Array(repeating: query, count: 300), within: .seconds(60), now: .seconds(0))
            try await group.waitForAll()
            let new = database.lookUp([query], within: .seconds(9), now: .seconds(0))
            #expect(answers.suffix(1) == new && new[0].why == nil)
        }
    }

    @Test(
        "a row that the database cannot compute is unavailable and no unknown name, and the others are found after it"
    )
    func failingRow() throws {
        try folder.database(
            "accounts.sqlite",
            """
            CREATE TABLE peers (name, secret);
            INSERT INTO peers VALUES ('good', 'x'), ('bad', 'x');
            CREATE VIEW sippeers AS SELECT name, 'friend' AS type, 'dynamic' AS host,
                CASE name WHEN 'bad' THEN abs(-9223372036854775807 - 1) ELSE secret END AS secret FROM peers;
            """)
        let database = database()
        database.tick(.seconds(0))
        let read = database.lookUp(account: "bad", realm: "asterisk", now: .seconds(0))
        #expect(read.answer == .unavailable)
        database.tick(.seconds(10))
        #expect(isFound(database, "good", 10))
    }

    @Test("a frame ends with its time, and has its first look-up in any case")
    func cut() throws {
        try folder.database("accounts.sqlite", Self.slow)
        let database = database()
        database.tick(.seconds(0))
        let queries = Array(repeating: AccountQuery(name: "1001", realm: "asterisk"), count: 3)
        let answers = database.lookUp(queries, within: Milliseconds(0), now: .seconds(0))
        #expect(answers.map { $0.answer == .unavailable } == [false, true, true])
    }

    @Test("a lock at the start is asked about at each tick")
    func lockedAtStart() throws {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let writer = try SQLiteDatabase(path: path, .writing, busyTimeout: 0)
        try writer.execute("BEGIN EXCLUSIVE")
        let database = database()
        for second in 0..<4 { database.tick(.seconds(Int64(second))) }
        #expect(database.drainEvents().count == 1)
        try writer.execute("COMMIT")
        database.tick(.seconds(4))
        #expect(database.drainEvents() == [up("chan_sip"), .changed])
    }

    /// Another program, as a test sees it.
    private final class Writer: Sendable {
        let state = Mutex((isLocking: false, isOver: false))

        /// Waits until it has the lock; no thread is taken from it meanwhile, of which there may be two in all.
        func waitForLock() async {
            while !state.withLock({ $0.isLocking }) { await Task.yield() }
        }

        /// Has the lock for 70 ms and leaves it for 5, by turns; SQLite itself sleeps over each such gap.
        func run(_ path: String) throws {
            let database = try SQLiteDatabase(path: path, .writing, busyTimeout: 1000)
            while !state.withLock({ $0.isOver }) {
                try database.execute("BEGIN EXCLUSIVE")
                state.withLock { $0.isLocking = true }
                usleep(70_000)
                state.withLock { $0.isLocking = false }
                try database.execute("COMMIT")
                usleep(5000)
            }
        }
    }

    @Test("a database that is free for a moment again and again is read in one of them")
    func gaps() async throws {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        let writer = Writer()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try writer.run(path) }
            for _ in 0..<8 {
                await writer.waitForLock()
                #expect(isFound(database, "1001"))
            }
            writer.state.withLock { $0.isOver = true }
            try await group.waitForAll()
        }
    }

    @Test("a new row is announced as a change and found")
    func newRow() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.drainEvents()
        database.tick(.seconds(1))
        #expect(database.drainEvents().isEmpty)
        try folder.database(
            "accounts.sqlite",
            "INSERT INTO sippeers (name, type, host, secret) VALUES ('7', 'friend', 'dynamic', 'x')"
        )
        database.tick(.seconds(2))
        #expect(database.drainEvents() == [.changed])
        #expect(isFound(database, "7"))
    }

    @Test("a file that takes the place of the old one is read")
    func replacedFile() throws {
        try folder.database("accounts.sqlite", Tables.chanSip)
        let database = database()
        database.tick(.seconds(0))
        _ = database.drainEvents()
        try folder.database("new.sqlite", Tables.pjsip)
        #expect(
            unsafe rename("\(folder.path)/new.sqlite", "\(folder.path)/accounts.sqlite") == 0)
        database.tick(.seconds(1))
        #expect(database.drainEvents() == [up("pjsip"), .changed])
        #expect(isFound(database, "2001"))
        #expect(!isFound(database, "1001"))
    }

    @Test(
        "a file that is copied over the old one in place is read, though SQLite counts the same changes",
        arguments: [false, true])
    func copiedOver(_ keepsTime: Bool) throws {
        let old = try folder.database("accounts.sqlite", Tables.chanSip)
        let new = try folder.database(
            "new.sqlite", Tables.chanSip.replacing("'1001'", with: "'7007'"))
        let database = database()
        database.tick(.seconds(0))
        _ = database.drainEvents()
        #expect(isFound(database, "1001") && !isFound(database, "7007"))
        var before = stat()
        #expect(unsafe stat(old, &before) == 0)
        let bytes = try folder.read("new.sqlite")
        // The same length and, in the header, the same number of changes (sqlite.org, "Database File Format").
        let same = try folder.read("accounts.sqlite")
        #expect(bytes.count == same.count && bytes[24..<28] == same[24..<28])
        let raw = unsafe open(old, O_WRONLY | O_TRUNC)
        #expect(unsafe Glibc.write(raw, bytes, bytes.count) == bytes.count)
        close(raw)
        if keepsTime {
            let times = [before.st_atim, before.st_mtim]
            #expect(unsafe utimensat(AT_FDCWD, old, times, 0) == 0)
        }
        database.tick(.seconds(1))
        // Its layout is known and not told again.
        #expect(database.drainEvents() == [.changed])
        #expect(isFound(database, "7007") && !isFound(database, "1001"))
        database.tick(.seconds(2))
        #expect(database.drainEvents().isEmpty)
        #expect(unsafe unlink(new) == 0)
    }

    @Test(
        "WAL without its writer is told with the remedy, and opened within ten seconds of either",
        .enabled(if: SmallDisk.isPossible, "only root may mount a file system"),
        arguments: [true, false])
    func withoutWriter(_ writerComes: Bool) throws {
        let disk = try SmallDisk(kilobytes: 1024)
        let path = "\(disk.path)/accounts.sqlite"
        do {
            let writer = try SQLiteDatabase(path: path, .writing, busyTimeout: 1000)
            try writer.execute("PRAGMA journal_mode=WAL")
            try writer.execute(Tables.chanSip)
        }
        // As for a process that may write nowhere.
        try disk.permitWriting(false)
        let database = AccountDatabase(AccountSettings([.source("sqlite://\(path)")]))
        for second in 0..<30 { database.tick(.seconds(Int64(second))) }
        let events = database.drainEvents()
        guard events.count == 1, case .source(.down(let why, _)) = events[0] else {
            Issue.record("expected one event, got \(events)")
            return
        }
        #expect(why.contains("is in WAL mode and no program has it open"))
        #expect(why.contains("Start Asterisk") && why.contains("PRAGMA journal_mode=DELETE"))
        try disk.permitWriting(true)
        var writer: SQLiteDatabase? = try SQLiteDatabase(path: path, .writing, busyTimeout: 1000)
        if writerComes {
            try writer?.execute(
                "INSERT INTO sippeers (name, type, host, secret) VALUES ('8', 'friend', 'dynamic', 'x')"
            )
        } else {
            try writer?.execute("PRAGMA journal_mode=DELETE")
            writer = nil
            try disk.permitWriting(false)
        }
        for second in 30..<41 { database.tick(.seconds(Int64(second))) }
        let up = AccountEvent.source(.up(layout: "chan_sip", source: "sqlite://\(path)"))
        #expect(database.drainEvents() == [up, .changed])
        #expect(isFound(database, "1001") && isFound(database, "8") == writerComes)
        #expect((writer != nil) == writerComes)
    }

    @Test(
        "who may not read the database is told how its group gives the right, in commands that work anywhere"
    )
    func rights() {
        let file = DatabaseRights.Obstacle(
            path: "/d/a.sqlite", isFolder: false, group: 5060, groupName: "asterisk", mode: 0o100640
        )
        #expect(
            file.advice.contains(
                "mkdir -p /etc/sysusers.d; for u in rempart-db rempart-acct; do echo m $u asterisk; done "
                    + ">/etc/sysusers.d/rempart-asterisk.conf"))
        #expect(!file.advice.contains { "\\'\"".contains($0) })
        #expect(file.advice.contains("systemd-sysusers") && !file.advice.contains("chmod"))
        #expect(!file.advice.contains("setfacl"))
        let closed = DatabaseRights.Obstacle(
            path: "/d", isFolder: true, group: 5060, groupName: "asterisk", mode: 0o40700)
        #expect(closed.advice.contains("chmod g+x /d; mkdir -p"))
        let nameless = DatabaseRights.Obstacle(
            path: "/d", isFolder: true, group: 5060, groupName: nil, mode: 0o40750)
        #expect(nameless.advice.hasPrefix("as root: `groupadd -g 5060 rempart-source; mkdir -p"))
        #expect(nameless.advice.contains("echo m $u rempart-source;"))
        #expect(DatabaseRights.unreadable("/d/a.sqlite", EACCES).contains("rempart-acct"))
        let roots = DatabaseRights.Obstacle(
            path: "/d", isFolder: true, group: 0, groupName: "root", mode: 0o40750)
        #expect(roots.advice == "as root: `chgrp rempart-acct /d; chmod g+x /d`")
    }

    @Test("who is a member of the file's group already needs the right alone")
    func rightsOfMember() {
        func file(_ mode: UInt32) -> DatabaseRights.Obstacle {
            DatabaseRights.Obstacle(
                path: "/d/a.sqlite", isFolder: false, group: 5060, groupName: "asterisk",
                mode: mode, isMember: true)
        }
        #expect(file(0o100600).advice == "as root: `chmod g+r /d/a.sqlite`")
        #expect(file(0o100640).advice.contains("getfacl /d/a.sqlite"))
    }

    @Test(
        "what the unit hides from the service is to be put elsewhere, whatever else is in the way",
        arguments: ["/tmp/a.sqlite", "/home/me/a.sqlite", "/root/a.sqlite"])
    func hidden(path: String) {
        for code in [ENOENT, EACCES] {
            let why = DatabaseRights.unreadable(path, code)
            #expect(why.contains("the service sees nothing below /home, /root and /tmp"))
            #expect(why.contains("accounts.source"))
            #expect(
                !why.contains("chmod") && !why.contains("chgrp")
                    && !why.contains("put the database there"))
        }
    }

    @Test("what is no database, no sqlite URL or not set is said and refused")
    func unusable() throws {
        try folder.write("accounts.sqlite", Array("this is not a database at all".utf8))
        let text = database()
        let other = AccountDatabase(AccountSettings([.source("ldap://asterisk")]))
        let none = AccountDatabase(AccountSettings([]))
        for (database, word) in [
            (text, "cannot be read"), (other, "rempart settings"), (none, "name no source"),
        ] {
            database.tick(.seconds(0))
            guard case .source(.down(let why, _))? = database.drainEvents().first else {
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
        let read = database.lookUp(account: "1002", realm: "pbx.example.com", now: .seconds(0))
        guard case .found(let account) = read.answer else {
            Issue.record("expected the account")
            return
        }
        #expect(hex(account.ha1MD5) == "aabbccddeeff00112233445566778899")
    }
}
