internal import Foundation
internal import Journal
internal import Messages
internal import SmallDisk
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import directory

/// Bindings on a disk that takes nothing.
@Suite(
    "bindings and a full disk",
    .enabled(if: SmallDisk.isPossible, "only root may mount a file system"))
struct DiskTests {
    let disk: SmallDisk
    let folder: String

    init() throws {
        disk = try SmallDisk(kilobytes: 512)
        folder = try disk.folder("directory")
    }

    private func accounts(_ store: BindingStore, now: Int64 = 0) -> Set<String> {
        var found: Set<String> = []
        var cursor: Int64? = 0
        while let from = cursor {
            let page = store.page(after: from, limit: 100, now: .seconds(now))
            for record in page.records { found.insert(record.account) }
            cursor = page.next
        }
        return found
    }

    /// What the next process finds, once this one's store is gone.
    private func next(now: Int64) -> (accounts: Set<String>, barred: [String], troubles: [String]) {
        let store = BindingStore(folder: folder)
        let barred = store.barred(now: .seconds(now)).map(\.account).sorted()
        return (accounts(store, now: now), barred, store.drainTroubles())
    }

    /// Two bindings and a barred account, as an earlier process left them.
    private func storeSome() {
        let store = BindingStore(folder: folder)
        store.store(binding("1001"), now: .seconds(0))
        store.store(binding("1002"), now: .seconds(0))
        store.store(AccountStanding(account: "1009", barredSince: .seconds(5)), now: .seconds(0))
        store.commit(now: .seconds(0))
    }

    /// More than the last pages of the file take.
    private func change(_ store: BindingStore) {
        store.forget(account: "1002", key: 1)
        for number in 2000..<2300 { store.store(binding("\(number)"), now: .seconds(0)) }
        store.store(AccountStanding(account: "1010", barredSince: .seconds(6)), now: .seconds(0))
        store.commit(now: .seconds(0))
    }

    private let changed = Set(["1001"] + (2000..<2300).map(String.init))

    @Test(
        "at the start what is kept is read, and all that has changed is written once there is room")
    func atStart() throws {
        storeSome()
        try disk.fill()
        try startAndChange()
        let found = next(now: 361)
        #expect(found.accounts == changed && found.troubles.isEmpty)
        #expect(found.barred == ["1009", "1010"])
    }

    private func startAndChange() throws {
        let store = BindingStore(folder: folder)
        #expect(accounts(store) == ["1001", "1002"])
        #expect(store.barred(now: .seconds(0)).map(\.account) == ["1009"])
        change(store)
        #expect(accounts(store) == changed)
        #expect(store.fault != nil)
        let troubles = store.drainTroubles()
        #expect(
            troubles.count == 1 && troubles[0].contains("tried again each minute"), "\(troubles)")
        for second in 1..<300 { store.commit(now: .seconds(Int64(second))) }
        #expect(store.drainTroubles().isEmpty && accounts(store, now: 299) == changed)

        disk.free()
        for second in 300..<361 { store.commit(now: .seconds(Int64(second))) }
        #expect(store.fault == nil)
        #expect(store.drainTroubles().map { $0.contains("written again") } == [true])
    }

    @Test(
        "while running a full disk costs nothing that was kept, and nothing that came since once there is room"
    )
    func whileRunning() throws {
        storeSome()
        try fillAndChange()
        #expect(next(now: 1).accounts == changed)
    }

    private func fillAndChange() throws {
        let store = BindingStore(folder: folder)
        try disk.fill()
        change(store)
        #expect(store.fault?.contains("full") == true && accounts(store) == changed)
        // What a restart meanwhile would find.
        try disk.permitWriting(false)
        #expect(next(now: 0).accounts.isSuperset(of: ["1001"]))
        try disk.permitWriting(true)
        disk.free()
        // A clock that was put back does not put the next try off.
        store.commit(now: .seconds(-10_000))
        #expect(store.fault == nil)
    }

    @Test(
        "where nothing may be written, the file and the changes beside it are read",
        arguments: [true, false])
    func readOnly(_ hasWAL: Bool) throws {
        if hasWAL {
            // As a killed process leaves them: the last commits are in the WAL.
            let elsewhere = try TemporaryFolder()
            let store = BindingStore(folder: elsewhere.path)
            store.store(binding("1001"), now: .seconds(0))
            store.store(binding("1002"), now: .seconds(0))
            store.commit(now: .seconds(0))
            for name in ["bindings.sqlite", "bindings.sqlite-wal"] {
                try FileManager.default.copyItem(
                    atPath: "\(elsewhere.path)/\(name)", toPath: "\(folder)/\(name)")
            }
            #expect(elsewhere.exists("bindings.sqlite-wal"))
        } else {
            storeSome()
        }
        try disk.permitWriting(false)
        try startAndReplace()
        #expect(next(now: 61).accounts == ["1002", "1003"])
    }

    private func startAndReplace() throws {
        let store = BindingStore(folder: folder)
        #expect(accounts(store) == ["1001", "1002"] && store.fault != nil)
        store.store(binding("1003"), now: .seconds(0))
        store.forget(account: "1001", key: 1)
        #expect(accounts(store) == ["1002", "1003"])
        try disk.permitWriting(true)
        store.commit(now: .seconds(61))
        #expect(store.fault == nil)
    }

    @Test("a folder that comes later gets what is in memory, and what was in it stays")
    func later() throws {
        storeSome()
        let away = "\(disk.path)/away"
        #expect(unsafe rename(folder, away) == 0)
        let store = BindingStore(folder: folder)
        store.store(binding("1003"), now: .seconds(0))
        store.commit(now: .seconds(0))
        #expect(unsafe rename(away, folder) == 0)
        store.commit(now: .seconds(61))
        #expect(store.fault == nil && accounts(store, now: 61) == ["1001", "1002", "1003"])
        #expect(store.barred(now: .seconds(61)).map(\.account) == ["1009"])
    }

    @Test("the supervisor is told for as long as bindings are in memory alone")
    func condition() throws {
        storeSome()
        try disk.permitWriting(false)
        let service = DirectoryService(
            [], stateFolder: folder, Journal(process: "directory", socket: nil),
            readerHangs: {})
        let told = service.conditions.filter { $0.kind == .state }
        #expect(told.count == 1 && told[0].text.contains("make room"))
    }
}
