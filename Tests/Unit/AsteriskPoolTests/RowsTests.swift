import AsteriskPool
import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

/// What an administrator sees of Asterisks.
@Suite("Rows of Asterisks") struct RowsTests {
    private let first = "10.0.0.10:5060"
    private let second = "10.0.0.20:5060"

    /// Registers what is asked for at once.
    private func answerAll(_ bench: PoolBench, _ status: Int = 200) {
        for request in bench.take("REGISTER") { bench.answer(request, status) }
    }

    @Test("the round trip is that of the last answered question")
    func roundTrip() throws {
        let bench = PoolBench([first])
        #expect(bench.rows[0].roundTrip == nil)
        let asked = try #require(bench.take("OPTIONS").first)
        bench.advance(Milliseconds(48))
        bench.answer(asked, 200)
        #expect(bench.rows[0].roundTrip == 48_000)
        bench.advance(.seconds(1))
        var again: PoolBench.Sent?
        while again == nil {
            bench.advance(Milliseconds(16))
            again = bench.take("OPTIONS").first
        }
        #expect(bench.rows[0].roundTrip == 48_000)
        bench.answer(try #require(again), 404)
        #expect(bench.rows[0].roundTrip == 0)
    }

    @Test("each state is told since it began: not heard, up, passed over, down, and up again")
    func states() {
        let bench = PoolBench([first, second])
        bench.advance(.seconds(1))
        #expect(bench.rows[0].state == .unknown)
        #expect(bench.age >= .seconds(1) && bench.age < Milliseconds(1100))
        bench.answering = [address(first), address(second)]
        bench.advance(.seconds(60))
        #expect(bench.rows.map(\.state) == [.up, .up])
        #expect(bench.age >= .seconds(58) && bench.age <= .seconds(60))
        bench.answering = [address(second)]
        while bench.rows[0].state == .up { bench.advance(Milliseconds(16)) }
        #expect(bench.rows.map(\.state) == [.passedOver, .up] && bench.up == 2)
        #expect(bench.age <= Milliseconds(16))
        bench.advance(.seconds(1))
        #expect(bench.rows[0].state == .passedOver && bench.age >= .seconds(1))
        bench.advance(.seconds(60))
        #expect(bench.rows[0].state == .down && bench.age > .seconds(58) && bench.up == 1)
        bench.answering = [address(first), address(second)]
        bench.advance(.seconds(3))
        #expect(bench.rows[0].state == .up && bench.age < .seconds(3))
    }

    @Test("one that answers again after two unanswered questions is up since then")
    func back() {
        let bench = PoolBench(up: [first])
        bench.advance(.seconds(60))
        bench.missed(0)
        #expect(bench.rows[0].state == .up && bench.age > .seconds(50))
        bench.missed(0)
        #expect(bench.rows[0].state == .passedOver && bench.age.count == 0)
        bench.advance(.seconds(3))
        #expect(bench.rows[0].state == .up && bench.age < .seconds(3))
    }

    @Test("one that answers no INVITEs is overloaded for as long, and up since that is over")
    func overloaded() {
        let bench = PoolBench(up: [first])
        bench.advance(.seconds(60))
        for host in 1...3 { bench.leftUnanswered(0, Int32(host), "198.51.100.\(host)") }
        #expect(bench.rows[0].state == .overloaded && bench.age.count == 0)
        bench.advance(.seconds(1))
        #expect(bench.rows[0].state == .overloaded && bench.age >= .seconds(1))
        bench.advance(.seconds(9))
        #expect(bench.rows[0].state == .up)
        #expect(bench.age > .seconds(5) && bench.age < .seconds(9))
    }

    /// An Asterisk refuses a registration by both names.
    private func refuse(_ bench: PoolBench, _ request: PoolBench.Sent) throws {
        bench.answer(request, 403)
        let other = bench.take("REGISTER").last { $0.to == request.to && !$0.isQuestion }
        bench.answer(try #require(other), 403)
    }

    @Test("accounts are counted where they are registered, from the 200 to their leaving")
    func counts() throws {
        let bench = PoolBench(up: [first, second])
        let alice = bench.bound("alice")
        _ = bench.bound("bob")
        #expect(bench.rows.map(\.registered) == [0, 0] && bench.rows.map(\.accounts) == [2, 2])
        bench.advance(Milliseconds(40))
        let sent = bench.take("REGISTER").filter { !$0.isQuestion }
        for request in sent where request.to == address(first) { bench.answer(request, 200) }
        #expect(bench.rows.map(\.registered) == [2, 0])
        for request in sent where request.to == address(second) { bench.answer(request, 200) }
        #expect(bench.rows.map(\.registered) == [2, 2])
        // One that is renewed is registered meanwhile.
        bench.renew(alice)
        bench.advance(Milliseconds(40))
        #expect(bench.rows.map(\.registered) == [2, 2])
        let renewals = bench.take("REGISTER").filter { !$0.isQuestion }
        try refuse(bench, try #require(renewals.first { $0.to == address(first) }))
        #expect(bench.rows.map(\.registered) == [1, 2])
        bench.leave(alice)
        #expect(bench.rows.map(\.registered) == [1, 1] && bench.rows.map(\.accounts) == [1, 1])
        bench.advance(Milliseconds(40))
        answerAll(bench)
        #expect(bench.rows.map(\.registered) == [1, 1] && bench.registrationCount == 2)
        // One that leaves twice, or comes twice, counts once.
        bench.leave(alice)
        bench.appear(alice)
        bench.appear(alice)
        #expect(bench.rows.map(\.accounts) == [2, 2])
    }

    @Test("the counts follow Asterisks that a reload numbers anew")
    func renumbered() {
        let bench = PoolBench(up: [first, second])
        for name in ["alice", "bob", "carol"] { _ = bench.bound(name) }
        bench.advance(Milliseconds(40))
        for request in bench.take("REGISTER") where request.to == address(second) {
            bench.answer(request, 200)
        }
        #expect(bench.rows.map(\.registered) == [0, 3])
        let third = "10.0.0.30:5060"
        bench.adopt([second, third, first])
        #expect(bench.rows.map(\.registered) == [3, 0, 0])
        bench.adopt([third])
        #expect(bench.rows.map(\.registered) == [0] && bench.rows.map(\.accounts) == [3])
        bench.adopt([second])
        #expect(bench.rows.map(\.registered) == [0])
    }

    @Test("of an Asterisk that has lost its contacts nobody counts until it says so again")
    func forgotten() {
        let bench = PoolBench(up: [first])
        bench.registrars[address(first)] = []
        for number in 0..<20 { _ = bench.bound("phone\(number)") }
        bench.advance(.seconds(1))
        #expect(bench.rows[0].registered == 20)
        // One that was silent keeps what it has.
        for _ in 0..<3 { bench.missed(0) }
        #expect(bench.rows[0].state == .down && bench.rows[0].registered == 20)
        bench.advance(.seconds(24))
        #expect(bench.rows[0].state == .up && bench.rows[0].registered == 20)
        bench.registrars[address(first)] = []
        for _ in 0..<2000 where bench.rows[0].registered >= 10 { bench.advance(Milliseconds(16)) }
        #expect(bench.rows[0].registered < 10 && bench.rows[0].accounts == 20)
        bench.advance(.seconds(5))
        #expect(bench.rows[0].registered == 20)
    }

    @Test("an account's registration is told with where it stands at each Asterisk")
    func ofAccount() throws {
        let bench = PoolBench(up: [first, second])
        let alice = bench.account("alice")
        #expect(bench.rows(of: alice).map(\.state) == [.none, .none])
        bench.appear(alice)
        #expect(bench.rows(of: alice).map(\.state) == [.waiting, .waiting])
        bench.advance(Milliseconds(40))
        bench.found(alice)
        bench.advance(Milliseconds(40))
        #expect(bench.rows(of: alice).map(\.state) == [.trying, .trying])
        let sent = bench.take("REGISTER").filter { !$0.isQuestion }
        bench.answer(try #require(sent.first { $0.to == address(first) }), 200)
        try refuse(bench, try #require(sent.first { $0.to == address(second) }))
        #expect(bench.rows(of: alice).map(\.state) == [.registered, .refused])
        #expect(bench.rows(of: alice).map(\.status) == [0, 403])
        bench.advance(.seconds(11))
        #expect(bench.rows(of: alice).map(\.state) == [.registered, .trying])
        bench.advance(.seconds(33))
        #expect(bench.rows(of: alice).map(\.state) == [.registered, .unanswered])
        #expect(bench.rows(of: alice).map(\.status) == [0, 0])
        bench.leave(alice)
        #expect(bench.rows(of: alice).map(\.state) == [.leaving, .leaving])
        #expect(bench.rows(of: alice).map(\.asterisk) == [.up, .up])
    }
}
