internal import Messages
internal import Privsep
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import Testing
internal import Wire

@testable internal import directory

private typealias Source = SimulatedSource

/// What directory answers from memory, while its source is quick, slow, silent or gone.
@Suite("Known accounts")
struct KnownAccountsTests {
    private let found = AccountAnswer.found(SimulatedSource.account(1))

    private func source(
        _ folder: TemporaryFolder? = nil, settings: [DirectorySetting] = []
    ) throws -> SimulatedSource {
        let source = try SimulatedSource(folder, settings: settings)
        source.accounts = ["1001": Source.account(1)]
        return source
    }

    @Test("a row of the last minute serves without a look at the source, then that is asked again")
    func fresh() throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        let before = source.lookUps
        try source.pass(.seconds(59), step: .seconds(1))
        let (answer, age) = try #require(source.answer(try source.ask("1001")))
        #expect(answer == found && age >= .seconds(59) && age <= .seconds(60))
        #expect(source.lookUps == before)
        try source.pass(.seconds(2), step: .seconds(1))
        let again = try #require(source.answer(try source.ask("1001")))
        #expect(again.answer == found && again.age.count == 0)
        #expect(source.lookUps == before + 1)
    }

    @Test(
        "when the source itself is to answer, a young row serves only if that does not, and says its age"
    )
    func asksSource() throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        let before = source.lookUps
        let read = try #require(source.answer(try source.ask("1001", asksSource: true)))
        #expect(read.answer == found && read.age.count == 0)
        #expect(source.lookUps == before + 1)
        let young = try #require(source.answer(try source.ask("1001")))
        #expect(young.age.count > 0)
        source.delay = nil
        let late = try #require(
            source.answer(try source.ask("1001", asksSource: true, within: Milliseconds(160))))
        #expect(late.answer == found && late.age.count > 0)
        try source.down()
        let down = try #require(source.answer(try source.ask("1001", asksSource: true)))
        #expect(down.answer == found && down.age.count > 0)
        let nobody = try #require(source.answer(try source.ask("1002", asksSource: true)))
        #expect(nobody.answer == .unavailable)
    }

    @Test("once a change is told, a row is looked at again before it serves")
    func changed() throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        source.accounts["1001"] = Source.account(2)
        try source.router.tell(
            .lookUp(id: 77, account: "1001", realm: Source.realm, asksSource: false))
        #expect(
            try source.router.answers() == [.account(id: 77, found, age: Milliseconds(5))])
        try source.changed()
        let new = try #require(source.answer(try source.ask("1001")))
        #expect(new.answer == .found(Source.account(2)) && new.age.count == 0)
    }

    @Test(
        "a slow source costs 150 ms, then the row serves with its age; its answer follows",
        arguments: [Milliseconds(160), Milliseconds(1900)])
    func slow(_ delay: Milliseconds) throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        try source.pass(.seconds(100), step: .seconds(1))
        source.delay = delay
        #expect(try source.ask("1001", within: Milliseconds(145)).isEmpty)
        try source.pass(Milliseconds(10))
        let told = try source.router.answers()
        let (answer, age) = try #require(source.answer(told))
        #expect(told.count == 1 && answer == found && age >= .seconds(100))
        try source.pass(delay)
        #expect(try source.router.answers().updates == ["1001": found])
        // A name that is not known has to wait for its source, or for another try.
        source.accounts["1002"] = Source.account(2)
        let none = try source.ask("1002", within: Milliseconds(155))
        #expect(source.answer(none)?.answer == .unavailable)
        try source.pass(delay)
        #expect(try source.router.answers().updates == ["1002": .found(Source.account(2))])
    }

    @Test("a late answer that says otherwise takes back what the row let in, calls too")
    func lateChange() throws {
        let source = try source()
        try source.begin()
        try source.bind(1, from: 1001)
        try source.pass(.seconds(100), step: .seconds(1))
        source.delay = .seconds(1)
        source.accounts["1001"] = Source.account(2)
        let told = try source.ask("1001", within: Milliseconds(155))
        #expect(source.answer(told)?.answer == found)
        try source.pass(.seconds(3))
        let news = try source.router.answers()
        #expect(news.updates == ["1001": .found(Source.account(2))])
        #expect(news.endedCalls == ["1001"])
    }

    @Test("questions for one name and realm join, and each has its answer")
    func joined() throws {
        let source = try source()
        try source.begin()
        let before = source.lookUps
        for id: UInt32 in 1...3 {
            try source.router.tell(
                .lookUp(id: id, account: "1001", realm: Source.realm, asksSource: false))
        }
        try source.router.tell(.lookUp(id: 4, account: "1001", realm: "other", asksSource: false))
        try source.pass(Milliseconds(5))
        #expect(source.lookUps == before + 2)
        let ids = try source.router.answers().compactMap { message in
            if case .account(let id, _, _) = message { id } else { nil }
        }
        #expect(ids.sorted() == [1, 2, 3, 4])
    }

    @Test("while the source is dead known rows serve at once, for as long as accounts.stale")
    func dead() throws {
        let source = try source(settings: [.stale(.seconds(7200))])
        try source.begin()
        _ = try source.ask("1001")
        try source.down()
        try source.pass(.seconds(3600), step: .seconds(60))
        try source.router.tell(
            .lookUp(id: 9, account: "1001", realm: Source.realm, asksSource: false))
        let told = try source.router.answers()
        guard case .account(9, found, let age)? = told.first else {
            Issue.record("expected the row, got \(told)")
            return
        }
        #expect(age >= .seconds(3600) && age <= .seconds(3601))
        try source.pass(.seconds(3700), step: .seconds(60))
        try source.router.tell(
            .lookUp(id: 10, account: "1001", realm: Source.realm, asksSource: false))
        #expect(
            try source.router.answers()
                == [.account(id: 10, .unavailable, age: Milliseconds(0))])
        try source.up()
        #expect(source.answer(try source.ask("1001"))?.answer == found)
    }

    @Test("a restart of directory with a dead source serves what the one before knew, for a day")
    func restart() throws {
        let folder = try TemporaryFolder()
        do {
            let source = try source(folder)
            try source.begin()
            _ = try source.ask("1001")
            try source.pass(.seconds(2), step: .seconds(1))
            _ = source.router.service.second()
            source.router.service.stop()
        }
        #expect(mode("\(folder.path)/\(KnownStore.file)") == 0o600)
        let source = try SimulatedSource(folder)
        source.router.clock.sinceEpoch = source.router.clock.sinceEpoch + .seconds(3600)
        try source.down()
        try source.router.tell(.hello)
        let (answer, age) = try #require(source.answer(try source.ask("1001")))
        #expect(answer == found && age >= .seconds(3590) && age <= .seconds(3660))
        source.router.clock.sinceEpoch = source.router.clock.sinceEpoch + .seconds(86_400)
        #expect(source.answer(try source.ask("1001"))?.answer == .unavailable)
    }

    @Test("a restarted directory whose source has said nothing yet answers after 150 ms")
    func silentStart() throws {
        let folder = try TemporaryFolder()
        do {
            let source = try source(folder)
            try source.begin()
            _ = try source.ask("1001")
            source.router.service.stop()
        }
        let source = try SimulatedSource(folder)
        source.delay = nil
        try source.router.tell(.hello)
        _ = try source.router.answers()
        #expect(try source.ask("1001", within: Milliseconds(145)).isEmpty)
        try source.pass(Milliseconds(10))
        let (answer, age) = try #require(source.answer(try source.router.answers()))
        // However young it is, nobody has confirmed it in this life.
        #expect(answer == found && age > .seconds(60))
    }

    @Test("a clock that was put back does not make rows serve for longer")
    func clockBack() throws {
        let folder = try TemporaryFolder()
        do {
            let source = try source(folder)
            try source.begin()
            _ = try source.ask("1001")
            source.router.service.stop()
        }
        let source = try SimulatedSource(folder)
        source.router.clock.sinceEpoch = .seconds(1000)
        try source.down()
        try source.router.tell(.hello)
        #expect(source.answer(try source.ask("1001"))?.answer == .unavailable)
    }

    @Test("another realm is another row, and other settings confirm nothing")
    func settings() throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        var set = StartSet()
        set.settings = [.accounts.realm("other"), .accounts.stale(.seconds(600))]
        #expect(source.router.service.reload(set) == nil)
        source.delay = nil
        let other = try source.ask("1001", realm: "other", within: Milliseconds(155))
        #expect(source.answer(other)?.answer == .unavailable)
        let same = try #require(
            source.answer(try source.ask("1001", within: Milliseconds(155))))
        #expect(same.answer == found && same.age > .seconds(60))
    }

    @Test("a secret that is seen changed in one realm is looked up again in the others")
    func realms() throws {
        let source = try source()
        try source.begin()
        _ = try source.ask("1001")
        _ = try source.ask("1001", realm: "pbx")
        source.accounts["1001"] = SimulatedSource.account(2)
        let own = try source.ask("1001", asksSource: true)
        #expect(source.answer(own)?.answer == .found(SimulatedSource.account(2)))
        let other = try source.ask("1001", realm: "pbx")
        #expect(source.answer(other)?.answer == .found(SimulatedSource.account(2)))
    }

    @Test("what sip-router asked over a link that is gone is answered to nobody")
    func newRouter() throws {
        let source = try source()
        try source.begin()
        source.delay = Milliseconds(50)
        try source.router.tell(
            .lookUp(id: 7, account: "1001", realm: Source.realm, asksSource: false))
        try source.router.reconnect()
        try source.router.tell(.hello)
        try source.pass(Milliseconds(200))
        #expect(try source.router.answers() == [.bindings])
    }
}
