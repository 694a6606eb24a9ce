import AsteriskPool
import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

/// What an Asterisk still has of the accounts that are registered there.
@Suite struct ContactTests {
    private let first = "10.0.0.10:5060"
    private let second = "10.0.0.20:5060"

    /// An Asterisk that is up, with a registrar at which so many accounts are registered.
    private func site(_ count: Int, _ asterisks: [String]) -> (PoolBench, [AccountID]) {
        let bench = PoolBench(up: asterisks)
        for asterisk in asterisks { bench.registrars[address(asterisk)] = [] }
        let accounts = (0..<count).map { bench.bound("phone\($0)") }
        bench.advance(.seconds(1))
        _ = bench.take("REGISTER")
        return (bench, accounts)
    }

    @Test("each 10 s one account is asked for, the next one each time, and nothing else is sent")
    func asks() {
        let (bench, _) = site(3, [first])
        bench.advance(.seconds(62))
        let sent = bench.take("REGISTER")
        #expect(sent.allSatisfy { $0.isQuestion && $0["Expires"].isEmpty })
        #expect((5...7).contains(sent.count))
        #expect(Set(sent.map { $0["From"].prefix(12) }).count == 3)
        #expect(bench.takeSentences().isEmpty)
    }

    @Test(
        "an Asterisk that has lost its contacts hears of all accounts again, and it is recorded once"
    )
    func lost() {
        let (bench, _) = site(600, [first, second])
        bench.advance(.seconds(21))
        _ = bench.take("REGISTER")
        bench.registrars[address(first)] = []
        bench.advance(.seconds(14))
        let sent = bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(sent.allSatisfy { $0.to == address(first) })
        #expect(Set(sent.map { $0["From"] }).count == 600)
        #expect(bench.registrars[address(first)]?.count == 600)
        #expect(
            bench.takeSentences() == [
                "Asterisk 10.0.0.10:5060 has lost its contacts: all 600 accounts are being registered there again,"
                    + " which takes 2 s"
            ])
        bench.advance(.seconds(120))
        #expect(bench.take("REGISTER").allSatisfy { $0.isQuestion })
    }

    @Test("one contact that is missing is registered again alone")
    func one() {
        let (bench, _) = site(5, [first])
        bench.advance(.seconds(21))
        _ = bench.take("REGISTER")
        let gone = bench.registrars[address(first)]?.removeFirst()
        bench.advance(.seconds(60))
        let again = bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(again.map { $0["From"] } == [gone])
        #expect(bench.takeSentences().isEmpty)
    }

    @Test("an Asterisk that never shows our Contact is not taken for one that has lost it")
    func silentRegistrar() {
        let bench = PoolBench(up: [first])
        for number in 0..<5 { _ = bench.bound("phone\(number)") }
        bench.advance(Milliseconds(40))
        for request in bench.take("REGISTER") { bench.answer(request, 200) }
        for _ in 0..<60 {
            bench.advance(.seconds(1))
            for request in bench.take("REGISTER") {
                #expect(request.isQuestion)
                bench.answer(request, 200)
            }
        }
        #expect(bench.takeSentences().isEmpty)
    }

    @Test("a registration again that does not help is repeated ever later")
    func inVain() {
        let (bench, _) = site(5, [first])
        bench.advance(.seconds(21))
        _ = bench.take("REGISTER")
        for _ in 0..<600 {
            bench.registrars[address(first)] = []
            bench.advance(.seconds(1))
        }
        // All after 10, 70, 190 and 430 s, and meanwhile the one that is asked for each 10 s.
        let again = bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(again.count < 100)
        #expect((3...5).contains(bench.takeSentences().count))
    }

    @Test("an Asterisk that loses its contacts twice within a minute is told of all twice")
    func twice() {
        let (bench, _) = site(300, [first])
        bench.advance(.seconds(21))
        for pause in [Milliseconds.seconds(3), .seconds(15)] {
            bench.registrars[address(first)] = []
            bench.advance(.seconds(14))
            #expect(bench.registrars[address(first)]?.count == 300)
            bench.advance(pause)
        }
        #expect(bench.takeSentences().count == 2)
    }

    @Test("a question that is refused, or not answered, says nothing")
    func noAnswer() throws {
        let (bench, _) = site(2, [first])
        bench.advance(.seconds(21))
        _ = bench.take("REGISTER")
        bench.registrars = [:]
        for status in [403, 404, 500, 0, 503, 0] {
            bench.advance(.seconds(10))
            let question = try #require(bench.take("REGISTER").last)
            #expect(question.isQuestion)
            if status > 0 { bench.answer(question, status) }
        }
        bench.advance(.seconds(40))
        #expect(bench.take("REGISTER").allSatisfy { $0.isQuestion })
        #expect(bench.takeSentences().isEmpty)
    }

    @Test("an Asterisk that was silent keeps its registrations, and hears what it has missed")
    func silence() throws {
        let (bench, accounts) = site(4, [first])
        bench.advance(.seconds(11))
        _ = bench.take("REGISTER")
        bench.answering = []
        while bench.up == 1 { bench.advance(.seconds(1)) }
        _ = bench.bound("new")
        bench.leave(accounts[1])
        bench.advance(.seconds(30))
        #expect(bench.take("REGISTER").allSatisfy { $0.isQuestion })
        bench.answering = [address(first)]
        while bench.up == 0 { bench.advance(.seconds(1)) }
        bench.advance(.seconds(3))
        let sent = bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(sent.map { $0["Expires"] }.sorted() == ["0", "3600"])
        #expect(bench.registrars[address(first)]?.count == 4 && bench.registrationCount == 4)
    }

    @Test("one that was silent and has lost its contacts is found out at once")
    func silenceAndLoss() {
        let (bench, _) = site(4, [first])
        bench.advance(.seconds(11))
        bench.answering = []
        while bench.up == 1 { bench.advance(.seconds(1)) }
        bench.registrars[address(first)] = []
        bench.answering = [address(first)]
        while bench.up == 0 { bench.advance(.seconds(1)) }
        bench.advance(.seconds(3))
        #expect(bench.registrars[address(first)]?.count == 4)
    }

    @Test(
        "two registered accounts that an Asterisk cannot call within 5 s have it asked for them at once"
    )
    func notCalled() {
        let (bench, accounts) = site(6, [first])
        bench.advance(.seconds(12))
        _ = bench.take("REGISTER")
        // A phone that was called and said no, or the same account twice, or an account that has no phone.
        bench.calls(accounts[0])
        for account in [accounts[0], accounts[1], accounts[1]] {
            bench.cannotCall(account, at: first)
        }
        bench.cannotCall(bench.account("nobody"), at: first)
        bench.advance(.seconds(6))
        bench.cannotCall(accounts[2], at: first)
        _ = bench.take("REGISTER")
        // What a dialplan says has nobody registered again.
        bench.cannotCall(accounts[3], at: first)
        bench.advance(Milliseconds(1040))
        #expect(bench.take("REGISTER").map { $0.isQuestion } == [true])
        bench.registrars[address(first)] = []
        bench.cannotCall(accounts[4], at: first)
        bench.cannotCall(accounts[5], at: first)
        bench.advance(.seconds(3))
        #expect(bench.registrars[address(first)]?.count == 6)
        #expect(bench.takeSentences().count == 1)
    }

    @Test("5,000 accounts are registered again within 10 s")
    func many() {
        let (bench, _) = site(5000, [first])
        bench.advance(.seconds(32))
        _ = bench.take("REGISTER")
        bench.registrars[address(first)] = []
        while bench.takeSentences().isEmpty { bench.advance(.seconds(1)) }
        bench.advance(.seconds(10))
        #expect(bench.registrars[address(first)]?.count == 5000)
    }

    @Test("an account that leaves while an Asterisk is silent is told of once that answers")
    func leavesUnheard() {
        let (bench, accounts) = site(4, [first])
        bench.answering = []
        // The first leaves before it is found out that nobody hears it, the others after; one says so twice.
        bench.leave(accounts[0])
        while bench.up == 1 { bench.advance(.seconds(1)) }
        bench.advance(.seconds(40))
        for account in [accounts[1], accounts[1], accounts[2]] { bench.leave(account) }
        bench.advance(.seconds(1))
        bench.leave(accounts[1])
        bench.advance(.seconds(30))
        #expect(bench.registrationCount == 4)
        // One comes back meanwhile.
        bench.appear(accounts[2])
        bench.answering = [address(first)]
        while bench.up == 0 { bench.advance(.seconds(1)) }
        bench.advance(.seconds(8))
        #expect(bench.registrars[address(first)]?.count == 2 && bench.registrationCount == 2)
    }

    @Test("what an Asterisk that is down for longer than a registration stands has is over")
    func leavesForLong() {
        let (bench, accounts) = site(1, [first])
        bench.answering = []
        while bench.up == 1 { bench.advance(.seconds(1)) }
        bench.leave(accounts[0])
        bench.advance(.seconds(3590))
        #expect(bench.registrationCount == 1)
        bench.advance(.seconds(20))
        #expect(bench.registrationCount == 0)
    }

    @Test("accounts that appear at once are registered 500 a second, and each once")
    func appearing() {
        let bench = PoolBench([first])
        bench.registrars[address(first)] = []
        for number in 0..<1000 { _ = bench.bound("phone\(number)") }
        bench.answering = [address(first)]
        bench.advance(.seconds(1))
        let early = bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(early.count > 400 && early.count < 600)
        bench.advance(.seconds(9))
        let all = early + bench.take("REGISTER").filter { !$0.isQuestion }
        #expect(all.count == 1000 && bench.registrars[address(first)]?.count == 1000)
    }

    @Test("new phones of an account make at most one REGISTER more in five seconds")
    func renewals() {
        let (bench, accounts) = site(1, [first])
        bench.advance(.seconds(10))
        _ = bench.take("REGISTER")
        var sent: [Int64] = []
        for tenth in 0..<200 {
            if [0, 30, 51, 52, 70].contains(tenth) { bench.renew(accounts[0]) }
            bench.advance(Milliseconds(100))
            for request in bench.take("REGISTER") where !request.isQuestion {
                sent.append(Int64(tenth))
            }
        }
        #expect(sent.count == 3)
        #expect(zip(sent, sent.dropFirst()).allSatisfy { $1 - $0 >= 40 })
    }
}
