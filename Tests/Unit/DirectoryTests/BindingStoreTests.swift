internal import Glibc
internal import Messages
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import directory

/// A binding with a field of each kind filled.
func binding(
    _ account: String, key: UInt64 = 1, expires: Int64 = 600_000, contact: String? = nil
) -> BindingRecord {
    BindingRecord(
        account: account, key: key, contact: contact ?? "sip:\(account)@198.18.0.5:5062;ob",
        instance: "<urn:uuid:0>;1", callID: "call-\(account)", sequence: 2_000_000_000,
        userAgent: "Phone \u{e9}", expires: .seconds(expires), q: 500, transport: .tls, listener: 3,
        address: SocketAddress(IPAddress(high: 0xFE80 << 48, low: 7), port: 40_000, scope: 2),
        connection: 0xFFFF_FFFF_0000_0001, hasAnswered: true)
}

@Suite("BindingStore")
struct BindingStoreTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func kept(_ store: BindingStore, now: Int64 = 0) -> [BindingRecord] {
        var records: [BindingRecord] = []
        var cursor: Int64? = 0
        while let from = cursor {
            let page = store.page(after: from, limit: 2, now: .seconds(now))
            records += page.records
            cursor = page.next
        }
        return records
    }

    @Test("committed bindings come back whole in the next process, also from its other pages")
    func survive() {
        let records = (1...5).map { binding("100\($0)", key: UInt64.max - UInt64($0)) }
        do {
            let store = BindingStore(folder: folder.path)
            for record in records { store.store(record, now: .seconds(0)) }
            store.commit(now: .seconds(0))
            #expect(store.drainTroubles().isEmpty)
        }
        let sorted = kept(BindingStore(folder: folder.path)).sorted { $0.account < $1.account }
        #expect(sorted == records)
    }

    @Test("a binding with the longest Contact is kept whole, in the table that shorter ones lie in")
    func longContact() {
        let short = binding("1001", contact: "sip:1001@" + String(repeating: "h", count: 503))
        let long = binding(
            "1002", contact: "sip:1002@h;x=" + String(repeating: "p", count: 2035))
        for record in [short, long] {
            let store = BindingStore(folder: folder.path)
            store.store(record, now: .seconds(0))
            store.commit(now: .seconds(0))
        }
        let sorted = kept(BindingStore(folder: folder.path)).sorted { $0.account < $1.account }
        #expect(sorted == [short, long])
    }

    @Test("a refresh takes the place of the binding with the same account and key")
    func refresh() {
        let store = BindingStore(folder: folder.path)
        store.store(binding("1001", key: 1), now: .seconds(0))
        store.store(binding("1001", key: 2), now: .seconds(0))
        store.commit(now: .seconds(0))
        let newer = binding("1001", key: 1, contact: "sip:new@198.18.0.6")
        store.store(newer, now: .seconds(0))
        store.commit(now: .seconds(0))
        #expect(kept(store).sorted { $0.key < $1.key } == [newer, binding("1001", key: 2)])
    }

    @Test("an unbound binding is forgotten, committed or not")
    func forget() {
        let store = BindingStore(folder: folder.path)
        store.store(binding("1001"), now: .seconds(0))
        store.commit(now: .seconds(0))
        store.store(binding("1002"), now: .seconds(0))
        store.forget(account: "1001", key: 1)
        store.forget(account: "1002", key: 1)
        #expect(kept(store).isEmpty)
    }

    @Test("a binding that has ended is not told any more")
    func expiry() {
        let store = BindingStore(folder: folder.path)
        store.store(binding("1001", expires: 100), now: .seconds(0))
        store.store(binding("1002", expires: 101), now: .seconds(0))
        #expect(kept(store, now: 100).map(\.account) == ["1002"])
    }

    @Test("a file that is no database is set aside with a record, and a new one begun")
    func corrupt() throws {
        try folder.write("bindings.sqlite", Array(repeating: 0x58, count: 8192))
        do {
            let store = BindingStore(folder: folder.path)
            let troubles = store.drainTroubles()
            #expect(troubles.count == 1)
            #expect(troubles.first?.contains("bindings.sqlite.corrupt") == true)
            store.store(binding("1001"), now: .seconds(0))
            store.commit(now: .seconds(0))
        }
        #expect(folder.exists("bindings.sqlite.corrupt"))
        let again = BindingStore(folder: folder.path)
        #expect(kept(again).map(\.account) == ["1001"])
        #expect(again.drainTroubles().isEmpty)
    }

    @Test("without a folder that can be written, bindings are kept in memory, and that is said")
    func memory() {
        let store = BindingStore(folder: "\(folder.path)/missing")
        #expect(store.drainTroubles().contains { $0.contains("in memory only") })
        store.store(binding("1001"), now: .seconds(0))
        #expect(kept(store).map(\.account) == ["1001"])
    }

    @Test("changes that lie beside a file and cannot be read are joined with those since, not lost")
    func unreadWAL() throws {
        let elsewhere = try TemporaryFolder()
        do {
            let store = BindingStore(folder: elsewhere.path)
            for account in ["1001", "1002"] { store.store(binding(account), now: .seconds(0)) }
            store.commit(now: .seconds(0))
        }
        // As a killed process leaves them: the last commits are in the WAL.
        let killed = BindingStore(folder: elsewhere.path)
        killed.forget(account: "1002", key: 1)
        killed.store(binding("1003"), now: .seconds(0))
        killed.store(AccountStanding(account: "1009", barredSince: .seconds(5)), now: .seconds(0))
        killed.commit(now: .seconds(0))
        let (file, wal) = ("bindings.sqlite", "bindings.sqlite-wal")
        try folder.write(file, elsewhere.read(file))
        let changes = try elsewhere.read(wal)
        #expect(killed.fault == nil && !changes.isEmpty)
        // A folder in its place is what no user can read.
        let place = "\(folder.path)/\(wal)"
        #expect(unsafe mkdir(place, 0o700) == 0)

        let store = BindingStore(folder: folder.path)
        #expect(Set(kept(store).map(\.account)) == ["1001", "1002"])
        #expect(store.drainTroubles().first?.contains("but not the last changes") == true)
        store.forget(account: "1001", key: 1)
        store.store(binding("1004"), now: .seconds(0))
        store.commit(now: .seconds(0))
        #expect(unsafe rmdir(place) == 0)
        try folder.write(wal, changes)
        store.commit(now: .seconds(61))
        #expect(store.fault == nil)
        #expect(kept(store, now: 61).map(\.account).sorted() == ["1003", "1004"])
        #expect(store.barred(now: .seconds(61)).map(\.account) == ["1009"])
    }

    @Test("a binding that ends later than any may is not kept, which is said once")
    func untimely() {
        let store = BindingStore(folder: folder.path)
        _ = store.drainTroubles()
        let longest = Bounds.longestBinding + Bounds.clockStep
        let now = Milliseconds.seconds(1_000_000)
        var record = binding("1001")
        record.expires = now + longest
        store.store(record, now: now)
        var late = binding("1002")
        late.expires = record.expires + Milliseconds(1)
        store.store(late, now: now)
        store.store(late, now: now)
        #expect(store.page(after: 0, limit: 9, now: now).records == [record])
        #expect(store.drainTroubles().count == 1)
    }

    @Test(
        "a binding of an older file whose numbers cannot be right is not told",
        arguments: [
            "expires = 32503680000000", "expires = -1", "listener = 72", "listener = 256",
            "q = 1001", "sequence = 2147483648", "address = '198.18.0.5:0'",
            "address = '198.18.0.5:5060'",
            "transport = 9",
            "connection = 0", "transport = 1", "scope = -1",
            "account = printf('%065d', 0)",
        ])
    func nonsensical(_ change: String) throws {
        do {
            let store = BindingStore(folder: folder.path)
            store.store(binding("1001"), now: .seconds(0))
            store.store(binding("1002", key: 2), now: .seconds(0))
            store.commit(now: .seconds(0))
        }
        do {
            let file = try SQLiteDatabase(
                path: "\(folder.path)/bindings.sqlite", .writing, busyTimeout: 1000)
            try file.execute("UPDATE bindings SET \(change) WHERE account = '1001'")
        }
        let store = BindingStore(folder: folder.path)
        #expect(kept(store, now: -2).map(\.account) == ["1002"])
    }
}
