internal import Messages
internal import Privsep
internal import Sys
internal import Testing

@testable internal import directory

private typealias Source = SimulatedSource

/// What a round does on a source that takes its time.
@Suite("Rounds on a slow source")
struct SlowRoundTests {
    /// A source with so many bound accounts, named from 1 on, that takes so long for each from now on.
    private func source(_ count: Int, pace: Milliseconds) throws -> SimulatedSource {
        let source = try SimulatedSource()
        try source.begin()
        try source.bind(count)
        source.pace = pace
        return source
    }

    @Test(
        "a round ends although its rows take longer than a frame, and reads each about once",
        arguments: [18, 50, 150])
    func ends(pace: Int64) throws {
        let count = 100
        let source = try source(count, pace: Milliseconds(pace))
        source.accounts["7"] = nil
        let before = source.lookUps
        try source.changed()
        try source.pass(Milliseconds(Int64(count) * pace) + .seconds(3))
        #expect(try source.router.answers().revoked == ["7"])
        #expect(source.router.service.second().contains("\(count) read again in"))
        // The first batch of 56 is cut, and its rest is asked for again.
        #expect(source.lookUps - before <= count + 56)
    }

    @Test("a source of 2 s a look-up is read row by row, and its late answers count")
    func oneByOne() throws {
        let source = try source(5, pace: .seconds(2))
        source.accounts["3"] = nil
        let before = source.lookUps
        try source.changed()
        try source.pass(.seconds(12))
        #expect(try source.router.answers().revoked == ["3"])
        // Five, one and one and so on.
        #expect(source.lookUps - before == 9)
    }

    @Test("the next round goes on as slowly as the one before, and faster with the source")
    func remembersSize() throws {
        let source = try source(100, pace: Milliseconds(50))
        try source.changed()
        try source.pass(.seconds(8))
        let slow = source.lookUps
        try source.changed()
        try source.pass(Milliseconds(10))
        #expect(source.lookUps - slow == 1)
        source.pace = Milliseconds(0)
        try source.pass(.seconds(1))
        let fast = source.lookUps
        #expect(fast - slow == 100)
        try source.changed()
        try source.pass(Milliseconds(10))
        #expect(source.lookUps - fast >= 56)
    }

    @Test("accounts that stay away end 15 s later on a slow source too")
    func stayAway() throws {
        let source = try source(60, pace: Milliseconds(30))
        for number in 1...11 { source.accounts["\(number)"] = nil }
        try source.changed()
        try source.pass(.seconds(14))
        #expect(try source.router.answers().revoked.isEmpty)
        #expect(source.router.service.conditions.map(\.kind) == [.heldBack])
        try source.pass(.seconds(8))
        #expect(try source.router.answers().revoked.count == 11)
        #expect(source.router.service.conditions.isEmpty)
    }

    @Test("a late batch is asked for once, and again when accounts-reader was replaced")
    func replaced() throws {
        let source = try source(3, pace: Milliseconds(0))
        source.accounts["2"] = nil
        source.delay = nil
        let before = source.lookUps
        try source.changed()
        try source.pass(.seconds(9))
        #expect(source.lookUps - before == 3)
        source.delay = Milliseconds(0)
        // Without a word of a change: what went on goes on.
        try source.router.reconnectReader()
        try source.pass(.seconds(2))
        #expect(source.lookUps - before == 6)
        #expect(try source.router.answers().revoked == ["2"])
    }

    @Test("a source that is down ends the round; when it is back the next one reads all")
    func down() throws {
        let source = try source(100, pace: Milliseconds(20))
        source.accounts["2"] = nil
        try source.changed()
        try source.pass(Milliseconds(1500))
        try source.down()
        try source.pass(.seconds(3))
        let before = source.lookUps
        try source.pass(.seconds(3))
        #expect(source.lookUps == before)
        try source.up()
        try source.pass(.seconds(4))
        #expect(source.lookUps - before >= 100)
        #expect(Set(try source.router.answers().revoked) == ["2"])
    }
}
