// The look-ups that wait for their turn at accounts-reader.
internal import Messages
internal import Sys

/// Look-ups that are answered together.
struct Question {
    let queries: [AccountQuery]
    let line: AccountReader.Line
    /// When it was asked, by the monotonic clock.
    let asked: Milliseconds
    /// What is done with the answers.
    let then: ([ReadAccount]) -> Void
    /// Whether it has been answered as unavailable: its answer still counts when it comes.
    var isGivenUp = false
}

/// Questions in the order in which they were asked.
struct WaitingLine {
    private var questions: [Question] = []
    /// How many look-ups wait.
    private(set) var count = 0
    /// How many of the line have been sent and are not answered.
    var underWay = 0

    /// When the oldest was asked; nil: none waits.
    var oldest: Milliseconds? { questions.first?.asked }

    /// A question that is asked now.
    mutating func append(_ question: Question) {
        questions.append(question)
        count += question.queries.count
    }

    /// None is under way any more: these had their turn in vain, and come before all others.
    mutating func putBack(_ again: [Question]) {
        underWay = 0
        questions.insert(contentsOf: again, at: 0)
        count += again.reduce(0) { $0 + $1.queries.count }
    }

    /// Takes out the first, of which no more than so many look-ups are under way then.
    mutating func takeFirst(of most: Int) -> [Question] {
        var left = most - underWay
        let taken = Array(
            questions.prefix { question in
                left -= question.queries.count
                return left >= 0
            })
        questions.removeFirst(taken.count)
        let looked = taken.reduce(0) { $0 + $1.queries.count }
        count -= looked
        underWay += looked
        return taken
    }

    /// Takes out those that were asked at a moment or before.
    mutating func takeAsked(until end: Milliseconds) -> [Question] {
        guard let oldest, oldest <= end else { return [] }
        let taken = questions.filter { $0.asked <= end }
        questions.removeAll { $0.asked <= end }
        count -= taken.reduce(0) { $0 + $1.queries.count }
        return taken
    }
}
