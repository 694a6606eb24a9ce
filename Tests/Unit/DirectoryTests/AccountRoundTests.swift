internal import Messages
internal import Privsep
internal import Sys
internal import Testing

@testable internal import directory

private typealias Source = SimulatedSource

/// What directory tells after a change of the source.
@Suite("Rounds")
struct AccountRoundTests {
    /// A source with so many bound accounts, named from 1 on.
    private func source(_ count: Int, url: String = "sqlite:///a") throws -> SimulatedSource {
        let source = try SimulatedSource(url: url)
        try source.begin()
        try source.bind(count)
        return source
    }

    @Test("a changed secret is told and ends what the old one made; nothing is told of the others")
    func secret() throws {
        let source = try source(3)
        source.accounts["2"] = Source.account(9)
        try source.changed()
        try source.pass(.seconds(1))
        let news = try source.router.answers()
        #expect(news.updates == ["2": .found(Source.account(9))])
        #expect(news.revoked == ["2"] && news.endedCalls.isEmpty)
        #expect(news.last == .revoke(account: "2", endsCalls: false))
    }

    @Test("a storm of names does not keep an old secret good")
    func storm() throws {
        let source = try source(100)
        source.pace = Milliseconds(4)
        source.accounts["2"] = Source.account(9)
        for second in 0..<3 {
            for id in 0..<2000 {
                let name = "x\(second)-\(id)"
                let query = RouterToDirectory.lookUp(
                    id: UInt32(100_000 + 2000 * second + id), account: name,
                    realm: Source.realm, asksSource: false)
                try source.router.tell(query)
            }
            if second == 0 { try source.changed() }
            try source.pass(Milliseconds(900))
        }
        #expect(try source.router.answers().revoked == ["2"])
    }

    private static let away = AccessList([
        AccessRule(false, Network(IPAddress(high: 0, low: 0), prefix: 0))
    ])

    @Test(
        "an account that is gone, denied or may not register any more loses its bindings",
        arguments: [
            nil, SimulatedSource.account(1, mayRegister: false),
            SimulatedSource.account(1, access: .nobody), SimulatedSource.account(1, access: away),
        ])
    func gone(_ account: Account?) throws {
        let source = try source(2)
        source.accounts["1"] = account
        try source.changed()
        try source.pass(.seconds(1))
        let news = try source.router.answers()
        #expect(news.updates == ["1": account.map { .found($0) } ?? .unknown])
        #expect(news.revoked == ["1"] && news.endedCalls.isEmpty)
    }

    @Test("a change that takes nothing from anybody ends nothing")
    func widened() throws {
        let source = try source(1)
        var account = Source.account(1)
        account.aor = "line"
        source.accounts["1"] = account
        try source.changed()
        try source.pass(.seconds(1))
        #expect(try source.router.answers().revoked.isEmpty)
    }

    @Test("an account with a binding of which nothing is known is read too, and ends if it is gone")
    func unknownBound() throws {
        let source = try source(1)
        var record = binding("ghost")
        record.expires = source.router.clock.sinceEpoch + .seconds(3600)
        try source.router.tell(.bind(record))
        try source.changed()
        try source.pass(.seconds(1))
        #expect(try source.router.answers().revoked == ["ghost"])
    }

    @Test("a change during a pass begins another one after it")
    func again() throws {
        let source = try source(3)
        source.delay = Milliseconds(20)
        let before = source.lookUps
        try source.changed()
        try source.pass(Milliseconds(5))
        try source.changed()
        try source.changed()
        try source.pass(.seconds(1))
        #expect(source.lookUps == before + 6)
    }

    @Test(
        "accounts with bindings come first, batches are small, and no more than 5,000 rows a second"
    )
    func pace() throws {
        let source = try source(20)
        for number in 100..<1100 {
            source.accounts["\(number)"] = Source.account(1)
            try source.router.tell(
                .lookUp(
                    id: UInt32(number), account: "\(number)", realm: Source.realm,
                    asksSource: false))
            if number.isMultiple(of: 50) { try source.pass(Milliseconds(5)) }
        }
        try source.pass(Milliseconds(500))
        _ = try source.router.answers()
        let before = source.lookUps
        source.accounts["3"] = nil
        try source.changed()
        try source.pass(Milliseconds(10), step: Milliseconds(1))
        #expect(try source.router.answers().revoked == ["3"])
        try source.pass(Milliseconds(90), step: Milliseconds(1))
        #expect(source.lookUps - before <= 680)
        try source.pass(Milliseconds(200), step: Milliseconds(1))
        #expect(source.lookUps - before == 1020)
        #expect(source.router.service.second().contains("1020 read again in"))
    }

    @Test("a round makes up for a pause: it takes no longer than its rows at 5,000 a second")
    func pause() throws {
        let source = try source(1000)
        let before = source.lookUps
        try source.changed()
        try source.pass(Milliseconds(20), step: Milliseconds(1))
        try source.pass(Milliseconds(150), step: Milliseconds(150))
        try source.pass(Milliseconds(40), step: Milliseconds(1))
        #expect(source.lookUps - before == 1000)
    }

    @Test("a slow source is read in batches that a look-up can wait behind")
    func slowBatches() throws {
        let source = try source(200)
        source.delay = Milliseconds(400)
        try source.changed()
        try source.pass(.seconds(1))
        let before = source.lookUps
        try source.pass(Milliseconds(400))
        #expect(source.lookUps - before <= 8)
    }

    @Test(
        "another database is read by the next round, and one without accounts ends nothing at once")
    func replaced() throws {
        let source = try source(20)
        try source.down()
        source.accounts = source.accounts.mapValues { _ in Source.account(5) }
        source.accounts["7"] = Source.account(1)
        try source.up()
        try source.pass(.seconds(2))
        let news = try source.router.answers()
        #expect(news.updates.count == 19 && news.revoked.isEmpty)
        try source.pass(.seconds(16))
        #expect(try source.router.answers().revoked.count == 19)
    }

    @Test("emptied for ten seconds: nothing ends, one record and the status say why")
    func emptied() throws {
        let source = try source(30)
        let accounts = source.accounts
        try source.pass(.seconds(100), step: .seconds(1))
        source.accounts = [:]
        // Some are looked up before the change is told.
        for name in ["1", "2", "3"] { #expect(try source.ask(name).revoked.isEmpty) }
        try source.changed()
        try source.pass(.seconds(3))
        let conditions = source.router.service.conditions
        #expect(conditions.map(\.kind) == [.heldBack])
        #expect(conditions[0].text.contains("the accounts of 30 of 30 registrations"))
        #expect(
            conditions[0].text.hasSuffix(
                "in 15 s these phones lose their registration. Unless that was meant, put the rows back before"
            ))
        // Further changes are no second opinion; the last one is told a second late.
        for _ in 0..<8 {
            try source.changed()
            try source.pass(.seconds(1))
        }
        source.accounts = accounts
        try source.changed()
        try source.pass(.seconds(30), step: Milliseconds(50))
        let news = try source.router.answers()
        #expect(news.revoked.isEmpty && news.updates.count == 30)
        #expect(
            news.updates["7"] == .found(Source.account(1))
                && source.router.service.conditions.isEmpty)
    }

    @Test(
        "while it is not decided what ends, nothing is said of names that are none, or sure of others"
    )
    func undecided() throws {
        let source = try source(30)
        let accounts = source.accounts
        for number in 1...11 { source.accounts["\(number)"] = nil }
        try source.changed()
        try source.pass(.seconds(2))
        // No new request passes by the row before.
        #expect(try source.router.answers().updates.count == 11)
        for name in ["1", "nobody"] {
            let told = try source.ask(name)
            #expect(told.first == .update(account: name, realm: Source.realm, .unknown))
            let (answer, age) = try #require(source.answer(told))
            #expect(answer == .unavailable && age.count == 0)
        }
        let (answer, age) = try #require(source.answer(try source.ask("20")))
        #expect(answer == .found(Source.account(1)) && age > .seconds(60))
        source.accounts = accounts
        try source.changed()
        try source.pass(.seconds(2))
        for (name, answer) in [("1", AccountAnswer.found(Source.account(1))), ("nobody", .unknown)]
        {
            let again = try #require(source.answer(try source.ask(name)))
            #expect(again.answer == answer && again.age < .seconds(10))
        }
    }

    @Test("an account that a look-up finds gone is told so at once, and ends a moment later")
    func oneGone() throws {
        let source = try source(30)
        try source.pass(.seconds(100), step: .seconds(1))
        source.accounts["7"] = nil
        let told = try source.ask("7")
        #expect(source.answer(told)?.answer == .unknown && told.revoked.isEmpty)
        // Nobody learns from the answers to others that one has just gone.
        let (other, age) = try #require(source.answer(try source.ask("8", asksSource: true)))
        #expect(other == .found(Source.account(1)) && age.count == 0)
        try source.pass(.seconds(2))
        #expect(try source.router.answers().revoked == ["7"])
        #expect(source.answer(try source.ask("7"))?.answer == .unknown)
    }

    @Test("accounts that stay away end 15 s later, by a round of its own")
    func stayAway() throws {
        let source = try source(30)
        for number in 1...11 { source.accounts["\(number)"] = nil }
        try source.changed()
        try source.pass(.seconds(14))
        #expect(try source.router.answers().revoked.isEmpty)
        try source.pass(.seconds(2))
        #expect(try source.router.answers().revoked.count == 11)
        #expect(source.router.service.conditions.isEmpty)
    }

    @Test("ten bindings, and a tenth of all, end at once")
    func few() throws {
        let source = try source(30)
        for number in 1...10 { source.accounts["\(number)"] = nil }
        try source.changed()
        try source.pass(.seconds(1))
        #expect(try source.router.answers().revoked.count == 10)
    }

    @Test("late answers are held back as well when they would end too much within a minute")
    func lateAnswers() throws {
        let source = try source(30)
        try source.pass(.seconds(100), step: .seconds(1))
        _ = try source.router.answers()
        source.accounts = [:]
        source.delay = Milliseconds(300)
        var ended: [String] = []
        for number in 1...15 {
            ended += try source.ask("\(number)", within: .seconds(2)).revoked
        }
        #expect(ended.count == MassEnding.most)
        #expect(source.router.service.conditions.map(\.kind) == [.heldBack])
    }

    @Test("while the source cannot be read a round waits, and is done when it can")
    func waits() throws {
        let source = try source(3)
        source.accounts["2"] = nil
        source.delay = nil
        try source.changed()
        try source.pass(.seconds(5))
        #expect(try source.router.answers().revoked.isEmpty)
        source.delay = Milliseconds(0)
        try source.router.reconnectReader()
        try source.up()
        try source.pass(.seconds(3))
        #expect(Set(try source.router.answers().revoked) == ["2"])
    }

    @Test("what ended while there was no sip-router is told to the next one, behind the bindings")
    func withoutRouter() throws {
        let source = try source(2)
        source.router.service.router.close()
        source.accounts["2"] = nil
        try source.changed()
        try source.pass(.seconds(1))
        try source.router.reconnect()
        try source.router.tell(.hello)
        let told = try source.router.answers()
        #expect(told.suffix(2) == [.bindings, .revoke(account: "2", endsCalls: false)])
    }

    // MARK: A source that tells of no changes

    private static let server = "odbc://asterisk"

    @Test("where no changes are told an old secret ends within a minute and a round")
    func polled() throws {
        let source = try source(3, url: Self.server)
        source.accounts["2"] = Source.account(9)
        try source.pass(.seconds(62), step: Milliseconds(100))
        let news = try source.router.answers()
        #expect(news.updates == ["2": .found(Source.account(9))])
        #expect(news.revoked == ["2"])
    }

    @Test("a change that is told all the same begins a round at once")
    func polledAndTold() throws {
        let source = try source(3, url: Self.server)
        try source.pass(.seconds(5), step: Milliseconds(100))
        source.accounts["2"] = Source.account(9)
        try source.changed()
        try source.pass(.seconds(1))
        #expect(try source.router.answers().revoked == ["2"])
    }

    @Test("each minute accounts with bindings are read and no others, no more than 500 a second")
    func polledPace() throws {
        let source = try source(600, url: Self.server)
        for number in 1000..<1010 {
            source.accounts["\(number)"] = Source.account(1)
            _ = try source.ask("\(number)")
        }
        // To the end of a round: the next begins a minute after its begin.
        try source.pass(.seconds(63), step: Milliseconds(50))
        let before = source.lookUps
        var busiest = 0
        for _ in 0..<120 {
            let begin = source.lookUps
            try source.pass(.seconds(1), step: Milliseconds(10))
            busiest = max(busiest, source.lookUps - begin)
        }
        #expect(source.lookUps - before == 1200)
        #expect(busiest <= 700)
        #expect(source.router.service.second().contains("in the last round"))
    }
}
