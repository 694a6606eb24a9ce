internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import directory

@Suite("Standings")
struct StandingStatementsTests {
    private let bar = AccountStanding(
        account: "1001", countries: "FRRO", barredSince: .seconds(9), reason: "number-never",
        evidence: "5 refused calls \u{e9}")

    private func others(_ store: BindingStore) -> [AccountStanding] {
        var all: [AccountStanding] = []
        var cursor: Int64? = 0
        while let from = cursor {
            let page = store.standings(after: from, limit: 2)
            all += page.standings
            cursor = page.next
        }
        return all
    }

    @Test("a bar is on disk at once, whatever becomes of the process")
    func atOnce() throws {
        let folder = try TemporaryFolder()
        do {
            let store = BindingStore(folder: folder.path)
            store.store(bar, now: .seconds(10))
        }
        #expect(BindingStore(folder: folder.path).barred(now: .seconds(11)) == [bar])
    }

    @Test("countries come back page by page; what says nothing any more is forgotten")
    func countries() throws {
        let folder = try TemporaryFolder()
        let store = BindingStore(folder: folder.path)
        let all = (1...5).map { AccountStanding(account: "100\($0)", countries: "FR") }
        for standing in all { store.store(standing, now: .seconds(0)) }
        store.store(AccountStanding(account: "1003"), now: .seconds(0))
        store.commit(now: .seconds(0))
        #expect(Set(others(store).map(\.account)) == ["1001", "1002", "1004", "1005"])
        store.store(bar, now: .seconds(0))
        #expect(Set(others(store).map(\.account)) == ["1002", "1004", "1005"])
        store.store(AccountStanding(account: "1001", countries: "FRRO"), now: .seconds(0))
        store.commit(now: .seconds(0))
        #expect(store.barred(now: .seconds(0)).isEmpty && others(store).count == 4)
    }

    @Test(
        "barred accounts are told before any account is answered for, then countries, then bindings"
    )
    func told() throws {
        let router = try Router()
        try router.tell(.hello)
        _ = try router.answers()
        let seen = AccountStanding(account: "1002", countries: "FR")
        try router.tell(.storeStanding(seen))
        try router.tell(.storeStanding(bar))
        try router.tell(.bind(binding("1001", expires: Clock.sinceEpoch.seconds + 3600)))
        try router.reconnect()
        try router.tell(.hello)
        let answers = try router.answers()
        #expect(answers.count == 4 && answers.first == .standing(bar))
        #expect(answers.dropFirst().first == .standing(seen) && answers.last == .bindings)
    }
}
