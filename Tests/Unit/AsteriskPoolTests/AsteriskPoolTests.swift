import AsteriskPool
import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

/// Which Asterisk is up, and which is next.
@Suite struct AsteriskPoolTests {
    private let first = "10.0.0.10:5060"
    private let second = "10.0.0.20:5060"

    @Test("Asterisks that answer are chosen in turn, and none is tried twice")
    func turns() {
        let bench = PoolBench(up: [first, second, "10.0.0.30:5060"])
        let chosen = (0..<4).map { _ in bench.choose() }
        #expect(chosen == [0, 1, 2, 0])
        #expect(bench.choose(tried: 0b010) == 2)
        #expect(bench.choose(tried: 0b011) == 2)
        #expect(bench.choose(tried: 0b111) == nil)
    }

    @Test("one that was not heard yet is chosen when none answers, one that is down never")
    func unheard() {
        let bench = PoolBench([first, second])
        #expect(bench.up == 0 && bench.choose() == 0)
        for _ in 0..<3 { bench.missed(0) }
        #expect(bench.choose() == 1 && bench.choose() == 1)
        #expect(bench.choose(tried: 0b10) == nil)
        for _ in 0..<3 { bench.missed(1) }
        #expect(bench.choose() == nil)
    }

    @Test("one that answers is chosen before one that was not heard yet")
    func preferred() {
        let bench = PoolBench([first, second])
        bench.answering = [address(second)]
        bench.advance(.seconds(3))
        #expect(bench.choose() == 1 && bench.choose() == 1 && bench.choose(tried: 0b10) == 0)
    }

    @Test("three unanswered questions put an Asterisk out of use, the first answer brings it back")
    func misses() {
        let bench = PoolBench(up: [first, second])
        bench.answering = [address(second)]
        bench.advance(.seconds(5))
        #expect(bench.up == 2 && bench.takeSentences().isEmpty)
        bench.advance(.seconds(4))
        #expect(bench.up == 1)
        #expect(
            bench.takeSentences() == [
                "Asterisk 10.0.0.10:5060 does not answer; it gets no calls until it does"
            ])
        #expect(
            bench.conditions == [
                Condition(
                    .asterisk, "one Asterisk does not answer (10.0.0.10:5060)", recorded: .both)
            ])
        #expect(bench.choose() == 1 && bench.choose() == 1)
        bench.answering = [address(first), address(second)]
        bench.advance(.seconds(3))
        #expect(bench.up == 2 && bench.conditions.isEmpty)
        #expect(bench.takeSentences() == ["Asterisk 10.0.0.10:5060 answers"])
    }

    @Test(
        "after two unanswered questions an Asterisk gets no new calls while another one can have them"
    )
    func passedOver() {
        let bench = PoolBench(up: [first, second])
        bench.missed(0)
        bench.missed(0)
        #expect(bench.up == 2 && bench.choose() == 1 && bench.choose() == 1)
        #expect(bench.choose(tried: 0b10) == 0)
        bench.advance(.seconds(3))
        #expect(Set([bench.choose(), bench.choose()]) == [0, 1])
        bench.missed(0)
        bench.missed(0)
        bench.missed(0)
        #expect(bench.up == 1)
        bench.missed(1)
        bench.missed(1)
        bench.missed(1)
        #expect(bench.up == 0)
        #expect(
            bench.conditions == [
                Condition(
                    .noAsterisk, "no Asterisk answers (10.0.0.10:5060, 10.0.0.20:5060)",
                    recorded: .both)
            ])
        // Of an Asterisk that a reload has taken away nothing is counted.
        bench.missed(7)
    }

    @Test(
        "INVITEs of three accounts from three addresses without an answer have an Asterisk passed over for 2 s"
    )
    func overloaded() {
        let bench = PoolBench(up: [first, second])
        _ = bench.takeSentences()
        // One account, or one address, does nothing to the others.
        for _ in 0..<20 { bench.leftUnanswered(0, 1, "198.51.100.1") }
        for account in 1..<20 { bench.leftUnanswered(0, Int32(account), "198.51.100.1") }
        for host in 1..<20 { bench.leftUnanswered(0, 1, "198.51.100.\(host)") }
        #expect(Set([bench.choose(), bench.choose()]) == [0, 1] && bench.takeSentences().isEmpty)
        bench.leftUnanswered(0, 2, "198.51.100.2")
        bench.advance(.seconds(11))
        bench.leftUnanswered(0, 3, "198.51.100.3")
        bench.leftUnanswered(0, 4, "198.51.100.4")
        #expect(Set([bench.choose(), bench.choose()]) == [0, 1])
        bench.leftUnanswered(0, 5, "198.51.100.5")
        #expect(bench.choose() == 1 && bench.choose() == 1 && bench.up == 2)
        #expect(bench.takeSentences().map { $0.contains("answers OPTIONS and no calls") } == [true])
        bench.advance(.seconds(3))
        #expect(Set([bench.choose(), bench.choose()]) == [0, 1] && bench.takeSentences().isEmpty)
    }

    @Test("any answer to the question is one, and only the last question's counts")
    func answers() throws {
        let bench = PoolBench([first])
        let old = try #require(bench.take("OPTIONS").first)
        bench.advance(.seconds(3))
        let last = try #require(bench.take("OPTIONS").last)
        bench.answer(old, 200)
        #expect(bench.up == 0)
        bench.answer(last, 404)
        #expect(bench.up == 1)
        // A question is one transaction, which its answer or the next one ends.
        #expect(bench.requestCount == 0)
    }

    @Test("a reload keeps what is known of Asterisks that stay, under their new numbers")
    func reload() {
        let bench = PoolBench(up: [first, second])
        bench.answering = [address(second)]
        bench.advance(.seconds(9))
        bench.adopt([second, "10.0.0.30:5060", first])
        #expect(
            bench.rows.map(\.address) == [second, "10.0.0.30:5060", first].map(address))
        #expect(bench.rows.map(\.state) == [.up, .unknown, .down])
        #expect(bench.choose() == 0)
        bench.adopt([first])
        #expect(bench.choose() == nil && bench.choose(tried: 1) == nil)
    }

    @Test("a question to an Asterisk that a reload takes away is over")
    func reloadEndsQuestions() {
        let bench = PoolBench([first, second])
        #expect(bench.requestCount == 2)
        bench.adopt([second])
        #expect(bench.requestCount == 1)
    }

    @Test("the answer to a question of before a reload brings no other Asterisk up")
    func reloadKeepsAnswers() throws {
        let bench = PoolBench([first, second])
        let asked = try #require(bench.take("OPTIONS").first { $0.to == address(first) })
        bench.adopt([second, first])
        bench.answer(asked, 200)
        #expect(bench.rows.map(\.address) == [address(second), address(first)])
        #expect(bench.rows.map(\.state) == [.unknown, .unknown])
        bench.answering = [address(first)]
        bench.advance(.seconds(3))
        #expect(bench.rows.map(\.state) == [.unknown, .up] && bench.up == 1)
    }
}
