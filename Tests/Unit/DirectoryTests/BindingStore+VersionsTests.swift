internal import Foundation
internal import Glibc
internal import Journal
internal import Messages
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import directory

/// The bindings' file of another version, and the copy for a backup.
@Suite("bindings of another version")
struct VersionsTests {
    private let folder: TemporaryFolder
    private let names = ["bindings.sqlite", "bindings.sqlite-wal", "bindings.sqlite-shm"]

    init() throws { folder = try TemporaryFolder() }

    private func accounts(_ store: BindingStore, now: Int64 = 0) -> Set<String> {
        Set(store.page(after: 0, limit: 100, now: .seconds(now)).records.map(\.account))
    }

    private func store(_ account: String) {
        let store = BindingStore(folder: folder.path)
        store.store(binding(account), now: .seconds(0))
        store.close(now: .seconds(0))
    }

    /// The format of the version that comes next.
    private var next: Int64 { StateFile.bindings.format + 1 }

    private func mark(_ format: Int, _ writer: String = "9.9.9") throws {
        try folder.database(
            "bindings.sqlite",
            "PRAGMA user_version=\(format); UPDATE writer SET version='\(writer)'")
    }

    /// What lies in the folder: names, bytes and times.
    private func state() throws -> [String: String] {
        var found: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            var status = stat()
            _ = unsafe stat("\(folder.path)/\(name)", &status)
            let bytes = try folder.read(name)
            found[name] =
                "\(bytes.hashValue) \(bytes.count) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)"
        }
        return found
    }

    private func workBesideIt() throws -> [String] {
        let store = BindingStore(folder: folder.path)
        #expect(store.isNewer && store.fault?.contains("Rempart 9.9.9") == true)
        #expect(accounts(store).isEmpty)
        store.store(binding("1002"), now: .seconds(0))
        for second in 0..<130 { store.commit(now: .seconds(Int64(second))) }
        #expect(accounts(store, now: 130) == ["1002"] && store.isNewer)
        store.close(now: .seconds(130))
        return store.drainTroubles()
    }

    @Test("a newer file is told, left as it is to the byte, and served without")
    func newer() throws {
        store("1001")
        try mark(Int(next))
        let before = try state()
        let troubles = try workBesideIt()
        #expect(troubles.count == 1)
        #expect(troubles[0].contains("is of format \(next), which Rempart 9.9.9 has written"))
        #expect(troubles[0].contains("move the file away"))
        #expect(try state() == before)
    }

    @Test("so is one that a killed process has left, with its last commits beside it")
    func newerWithWAL() throws {
        let elsewhere = try TemporaryFolder()
        let store = BindingStore(folder: elsewhere.path)
        store.store(binding("1001"), now: .seconds(0))
        store.commit(now: .seconds(0))
        try store.database.execute("PRAGMA user_version=\(next); UPDATE writer SET version='9.9.9'")
        for name in names where elsewhere.exists(name) {
            try folder.write(name, try elsewhere.read(name))
        }
        #expect(folder.exists("bindings.sqlite-wal"))
        let before = try state()
        _ = try workBesideIt()
        #expect(try state() == before)
    }

    @Test("downgrade, upgrade, downgrade: each version finds what it has kept")
    func thereAndBack() throws {
        store("1001")
        for _ in 0..<2 {
            try mark(Int(next))
            _ = try workBesideIt()
            try mark(Int(StateFile.bindings.format))
            #expect(accounts(BindingStore(folder: folder.path)) == ["1001"])
        }
    }

    @Test(
        "once the file is moved away, all that came since is kept in a new one, without a restart")
    func movedAway() throws {
        store("1001")
        try mark(Int(next))
        try moveAway()
        #expect(accounts(BindingStore(folder: folder.path)) == ["1002"])
    }

    private func moveAway() throws {
        let store = BindingStore(folder: folder.path)
        store.store(binding("1002"), now: .seconds(0))
        store.commit(now: .seconds(0))
        try FileManager.default.moveItem(
            atPath: "\(folder.path)/bindings.sqlite", toPath: "\(folder.path)/away")
        store.commit(now: .seconds(61))
        #expect(store.fault == nil && !store.isNewer)
    }

    @Test("the condition says what to do, and asks for no room on the disk")
    func condition() throws {
        store("1001")
        try mark(Int(next))
        let service = DirectoryService(
            [], stateFolder: folder.path, Journal(process: "directory", socket: nil),
            readerHangs: {})
        let told = service.conditions.filter { $0.kind == .state }.map(\.text)
        #expect(told.count == 1 && !told[0].contains("make room") && told[0].utf8.count <= 400)
        #expect(told[0].contains("9.9.9") && told[0].contains("rempart restore"))
    }

    @Test("a file of before files named their writer keeps its bindings", arguments: [0, 1, 2])
    func unsigned(_ format: Int) throws {
        store("1001")
        try folder.database("bindings.sqlite", "DROP TABLE writer; PRAGMA user_version=\(format)")
        let store = BindingStore(folder: folder.path)
        #expect(accounts(store) == ["1001"] && store.drainTroubles().isEmpty)
        let writer = try store.database.prepare("SELECT version FROM writer").first([]) {
            $0.text(0)
        }
        #expect(writer == productVersion)
    }

    @Test(
        "a binding of an older file is kept: of format 1 its secret is not known, nor of 2 whether its phone answers",
        arguments: [1, 2])
    func older(_ format: Int) throws {
        try folder.database(
            "bindings.sqlite",
            """
            CREATE TABLE bindings (
                account TEXT NOT NULL, key INTEGER NOT NULL, contact TEXT NOT NULL,
                instance TEXT NOT NULL, call_id TEXT NOT NULL, sequence INTEGER NOT NULL,
                user_agent TEXT NOT NULL, expires INTEGER NOT NULL, q INTEGER NOT NULL,
                transport INTEGER NOT NULL, listener INTEGER NOT NULL, address TEXT NOT NULL,
                scope INTEGER NOT NULL, connection INTEGER NOT NULL, PRIMARY KEY (account, key));
            CREATE TABLE writer (version TEXT NOT NULL);
            INSERT INTO bindings VALUES ('1001', 7, 'sip:1001@198.18.0.5', '', 'c', 1, 'Phone',
                600000, 500, 1, 0, '198.18.0.5:5060', 0, 0);
            \(format == 1 ? "" : "ALTER TABLE bindings ADD COLUMN secret INTEGER NOT NULL DEFAULT 9;")
            PRAGMA user_version=\(format)
            """)
        var other = binding("1002")
        other.secret = 0xFFFF_FFFE
        do {
            let store = BindingStore(folder: folder.path)
            store.store(other, now: .seconds(0))
            store.close(now: .seconds(0))
            #expect(store.drainTroubles().isEmpty)
        }
        let store = BindingStore(folder: folder.path)
        let records = store.page(after: 0, limit: 100, now: .seconds(0)).records
        #expect(records.map(\.account) == ["1001", "1002"])
        #expect(records.map(\.secret) == [format == 1 ? 0 : 9, 0xFFFF_FFFE])
        #expect(records.map(\.hasAnswered) == [false, true])
    }

    @Test("a copy for a backup is one file with every change, and takes an earlier one's place")
    func copy() throws {
        let store = BindingStore(folder: folder.path)
        store.store(binding("1001"), now: .seconds(0))
        try store.layCopy(now: .seconds(0))
        store.store(binding("1002"), now: .seconds(0))
        store.store(AccountStanding(account: "1009", barredSince: .seconds(5)), now: .seconds(0))
        try store.layCopy(now: .seconds(0))
        let elsewhere = try TemporaryFolder()
        try elsewhere.write("bindings.sqlite", try folder.read("bindings.backup"))
        #expect(!folder.exists("bindings.backup-wal") && !folder.exists("bindings.backup-journal"))
        let copy = BindingStore(folder: elsewhere.path)
        #expect(accounts(copy) == ["1001", "1002"] && copy.drainTroubles().isEmpty)
        #expect(copy.barred(now: .seconds(0)).map(\.account) == ["1009"])
    }

    @Test(
        "a copy lies there for as long as its reader needs, and one that an earlier process left is removed"
    )
    func copyEnds() throws {
        try folder.write("bindings.backup", [1])
        let store = BindingStore(folder: folder.path)
        store.commit(now: .seconds(100))
        #expect(!folder.exists("bindings.backup"))
        try store.layCopy(now: .seconds(100))
        store.commit(now: .seconds(105))
        #expect(folder.exists("bindings.backup"))
        store.commit(now: .seconds(110))
        #expect(!folder.exists("bindings.backup"))
        // The clock is set back.
        try store.layCopy(now: .seconds(100))
        store.commit(now: .seconds(1))
        #expect(!folder.exists("bindings.backup"))
    }

    @Test("beside a newer file the copy has what is in memory")
    func copyBesideNewer() throws {
        store("1001")
        try mark(Int(next))
        let store = BindingStore(folder: folder.path)
        store.store(binding("1002"), now: .seconds(0))
        try store.layCopy(now: .seconds(0))
        let elsewhere = try TemporaryFolder()
        try elsewhere.write("bindings.sqlite", try folder.read("bindings.backup"))
        #expect(accounts(BindingStore(folder: elsewhere.path)) == ["1002"])
    }
}
