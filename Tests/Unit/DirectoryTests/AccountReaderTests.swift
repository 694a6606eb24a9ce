internal import Messages
internal import Privsep
internal import Sys
internal import Testing
internal import Wire

@testable internal import directory

/// An `AccountReader` with accounts-reader's end of its link.
private final class Bench {
    let reader = AccountReader()
    let end = PlainEnd()
    var now = Milliseconds.seconds(1000)
    /// The answers that were handed over, by the first name that was asked for.
    private(set) var answered: [(name: String, answers: [ReadAccount])] = []

    init() throws { try connect() }

    func connect() throws {
        reader.link.attach(try end.renew())
        reader.linked(now)
    }

    func ask(_ names: String..., in line: AccountReader.Line = .last) {
        let queries = names.map { AccountQuery(name: $0, realm: "r") }
        reader.ask(queries, line, now: now) { [weak self] in
            self?.answered.append((names[0], $0))
        }
    }

    func asked() throws -> [(id: UInt32, names: [String])] {
        reader.endOfTurn(now)
        let messages = try end.frames { frame throws(WireError) in
            try DirectoryToReader(decoding: frame)
        }
        return messages.compactMap { message in
            guard case .lookUp(let id, let queries) = message else { return nil }
            return (id, queries.map(\.name))
        }
    }

    func answer(_ id: UInt32, _ answers: ReadAccount...) throws {
        let frame = ReaderToDirectory.answers(id: id, answers).encoded()
        try reader.receive(frame.span, now)
    }
}

@Suite("AccountReader")
struct AccountReaderTests {
    private let none = ReadAccount(answer: .unknown, source: "t", version: 1, why: .noRow)

    @Test(
        "at most so many look-ups of a line are under way, and the others follow in their order",
        arguments: [AccountReader.Line.first, .last])
    func manyQuestions(_ line: AccountReader.Line) throws {
        let bench = try Bench()
        let most = line.mostUnderWay
        for number in 1...100 { bench.ask("\(number)", in: line) }
        let first = try bench.asked()
        #expect(first.map(\.names) == (1...most).map { ["\($0)"] })
        try bench.answer(first[9].id, none)
        try bench.answer(first[3].id, none)
        #expect(bench.answered.map(\.name) == ["10", "4"])
        #expect(try bench.asked().map(\.names) == [["\(most + 1)"], ["\(most + 2)"]])
    }

    @Test("look-ups that are asked together are answered together, and wait for room together")
    func batch() throws {
        let bench = try Bench()
        bench.ask("a", "b")
        for number in 1...14 { bench.ask("\(number)") }
        bench.ask("c", "d")
        let asked = try bench.asked()
        #expect(asked.count == 15 && asked[0].names == ["a", "b"])
        try bench.answer(asked[1].id, none)
        #expect(try bench.asked().isEmpty)
        try bench.answer(asked[0].id, none, none)
        #expect(bench.answered.last?.answers == [none, none])
        #expect(try bench.asked().map(\.names) == [["c", "d"]])
    }

    @Test("neither line waits for the other, however much is asked of it")
    func twoLines() throws {
        let bench = try Bench()
        for number in 1...200 { bench.ask("\(number)") }
        #expect(try bench.asked().count == AccountReader.Line.last.mostUnderWay)
        let names = (1...AccountQuery.most).map { "known\($0)" }
        bench.ask("known", in: .first)
        for name in names { bench.ask(name, in: .first) }
        let known = try bench.asked()
        #expect(known.map(\.names) == [["known"]] + names.dropLast().map { [$0] })
        bench.ask("a", "b", "c", in: .first)
        #expect(try bench.asked().isEmpty)
        try bench.answer(known[0].id, none)
        #expect(try bench.asked().map(\.names) == [[names.last ?? ""]])
        // The three wait for room together.
        for place in 1...2 { try bench.answer(known[place].id, none) }
        #expect(try bench.asked().isEmpty)
        try bench.answer(known[3].id, none)
        #expect(try bench.asked().map(\.names) == [["a", "b", "c"]])
    }

    @Test(
        "a line that is full leaves room in the other, and what waits too long is given up in both")
    func fullLine() throws {
        let bench = try Bench()
        for number in 0..<(AccountReader.mostWaiting + 1) { bench.ask("\(number)") }
        #expect(bench.answered.map(\.name) == ["\(AccountReader.mostWaiting)"])
        bench.ask("known", in: .first)
        #expect(bench.answered.count == 1)
        #expect(try bench.asked().first?.names == ["known"])
        bench.now = bench.now + .seconds(1)
        bench.ask("later", in: .first)
        bench.now = bench.now + .seconds(1)
        bench.reader.endOfTurn(bench.now)
        #expect(bench.answered.count == AccountReader.mostWaiting + 2)
        #expect(!bench.answered.contains { $0.name == "later" })
        #expect(bench.reader.patience(bench.now) == .seconds(1))
    }

    @Test("what was under way is asked again over a new link, before what has waited")
    func relinked() throws {
        let bench = try Bench()
        for number in 1...20 { bench.ask("\(number)") }
        bench.ask("known", in: .first)
        let first = try bench.asked()
        bench.now = bench.now + .seconds(1)
        try bench.connect()
        let again = try bench.asked()
        #expect(again.map(\.names) == [["known"]] + (1...16).map { ["\($0)"] })
        #expect(Set(again.map(\.id)).isDisjoint(with: first.map(\.id)))
        #expect(bench.answered.isEmpty)
    }

    @Test("a slow source keeps look-ups waiting, and is no accounts-reader that hangs")
    func slow() throws {
        let bench = try Bench()
        for number in 1...10 { bench.ask("\(number)") }
        for (id, _) in try bench.asked() {
            bench.now = bench.now + Milliseconds(300)
            try bench.answer(id, none)
            bench.reader.endOfTurn(bench.now)
        }
        #expect(!bench.reader.drainEvents().contains(.hangs))
        // Those that have waited for longer than 2 s are unavailable, and are told of when their answer comes.
        let told = bench.answered.map(\.answers[0].answer)
        #expect(told.count { $0 == .unknown } == 10 && told.count { $0 == .unavailable } == 3)
        #expect(told.count == 13)
    }

    @Test("what is given up takes its room until it is answered")
    func givenUp() throws {
        let bench = try Bench()
        for number in 1...17 { bench.ask("\(number)") }
        let asked = try bench.asked()
        bench.now = bench.now + .seconds(2)
        bench.reader.endOfTurn(bench.now)
        #expect(bench.answered.count == 17)
        #expect(bench.reader.owes(AccountQuery(name: "1", realm: "r")))
        #expect(!bench.reader.owes(AccountQuery(name: "17", realm: "r")))
        bench.ask("one more")
        #expect(try bench.asked().isEmpty)
        try bench.answer(asked[0].id, none)
        #expect(bench.answered.count == 18)
        #expect(try bench.asked().map(\.names) == [["one more"]])
    }

    @Test("without accounts-reader a look-up is unavailable after 2 s")
    func away() throws {
        let bench = try Bench()
        bench.reader.link.close()
        bench.ask("a")
        bench.now = bench.now + Milliseconds(1999)
        #expect(try bench.asked().isEmpty)
        #expect(bench.answered.isEmpty)
        bench.now = bench.now + Milliseconds(1)
        bench.reader.endOfTurn(bench.now)
        #expect(bench.answered.map(\.answers[0].answer) == [.unavailable])
        #expect(!bench.reader.drainEvents().contains(.hangs))
    }

    @Test("more look-ups than may wait are unavailable at once")
    func full() throws {
        let bench = try Bench()
        bench.reader.link.close()
        for number in 1...AccountReader.mostWaiting { bench.ask("\(number)") }
        #expect(bench.answered.isEmpty)
        bench.ask("one more")
        #expect(bench.answered.map(\.name) == ["one more"])
    }

    @Test("fewer answers than look-ups break the protocol, and leave nobody without an answer")
    func short() throws {
        let bench = try Bench()
        bench.ask("a", "b")
        let asked = try bench.asked()
        #expect(throws: WireError.badValue("answers")) { try bench.answer(asked[0].id, none) }
        #expect(bench.answered.last?.answers.map(\.answer) == [.unavailable, .unavailable])
    }
}
