internal import Glibc
internal import Messages
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import directory

/// The permission bits of a file.
func mode(_ path: String) -> UInt32 {
    var status = stat()
    _ = unsafe stat(path, &status)
    return status.st_mode & 0o777
}

@Suite("KnownStore")
struct KnownStoreTests {
    private let folder: TemporaryFolder
    private let query = AccountQuery(name: "1001", realm: "asterisk")

    init() throws { folder = try TemporaryFolder() }

    private static let now = Moment(monotonic: .seconds(1), sinceEpoch: .seconds(1_000_000))

    private var row: KnownRow {
        KnownRow(
            account: SimulatedSource.account(
                7, access: AccessList([AccessRule(true, Network(IPAddress(v4: 7), prefix: 32))])),
            version: .max, confirmed: Self.now.sinceEpoch, asked: Milliseconds(0))
    }

    private func load(_ store: KnownStore, after: Int64 = 0) -> [AccountQuery: KnownRow] {
        store.load(after: .seconds(after), most: 100, Self.now)
    }

    private func keep() {
        let store = KnownStore(folder: folder.path)
        store.store(query, row)
        store.close(now: Self.now.sinceEpoch)
        #expect(store.drainTroubles().isEmpty)
    }

    @Test("a row comes back whole, without saying that this process has read it")
    func survives() throws {
        keep()
        let rows = load(KnownStore(folder: folder.path))
        let kept = try #require(rows[query])
        #expect(rows.count == 1 && kept.account == row.account && kept.version == .max)
        #expect(kept.confirmed == row.confirmed && kept.read == nil)
        #expect(mode("\(folder.path)/\(KnownStore.file)") == 0o600)
    }

    @Test("a row that is forgotten, or too old, is not there any more, not even its bytes")
    func forgotten() throws {
        keep()
        #expect(load(KnownStore(folder: folder.path), after: 1_000_001).isEmpty)
        #expect(load(KnownStore(folder: folder.path)).isEmpty)
        keep()
        do {
            let store = KnownStore(folder: folder.path)
            store.forget(query)
            store.close(now: Self.now.sinceEpoch)
        }
        let bytes = try folder.read(KnownStore.file)
        let secret = [UInt8](repeating: 7, count: 16)
        #expect(
            !bytes.indices.dropLast(16).contains { bytes[$0..<($0 + 16)].elementsEqual(secret) })
    }

    @Test("a file that is damaged, or of a newer Rempart, is set aside and a new one begun")
    func damaged() throws {
        try folder.write(KnownStore.file, Array("no database, but as long as one".utf8))
        expectNew()
        keep()
        try folder.database(KnownStore.file, "PRAGMA user_version=2")
        expectNew()
    }

    private func expectNew() {
        do {
            let store = KnownStore(folder: folder.path)
            #expect(load(store).isEmpty && store.isBlank)
            #expect(store.drainTroubles().count == 1)
            #expect(folder.exists(KnownStore.aside))
            store.fill()
            store.store(query, row)
            store.close(now: Self.now.sinceEpoch)
        }
        #expect(load(KnownStore(folder: folder.path)).count == 1)
    }

    @Test("where nothing can be written it says so once, and writes all once it can")
    func unwritable() {
        let path = "\(folder.path)/missing"
        fail(path)
        #expect(load(KnownStore(folder: path)).count == 1)
    }

    private func fail(_ path: String) {
        let store = KnownStore(folder: path)
        store.store(query, row)
        for second: Int64 in 1...200 { store.commit(now: .seconds(second)) }
        #expect(store.fault != nil && store.drainTroubles().count == 1)
        #expect(unsafe mkdir(path, 0o700) == 0)
        store.commit(now: .seconds(300))
        store.fill()
        store.commit(now: .seconds(301))
        #expect(store.fault == nil && store.drainTroubles().count == 1)
    }
}
