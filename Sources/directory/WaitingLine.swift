// The look-ups that wait for their turn at accounts-reader.
internal import Messages
internal import Sys

/// Look-ups that are answered together.
struct Question {
    let queries: [AccountQuery]
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
    /// How many look-ups they are.
    private(set) var count = 0

    /// When the oldest was asked; nil: none waits.
    var oldest: Milliseconds? { questions.first?.asked }

    /// A question that is asked now.
    mutating func append(_ question: Question) {
        questions.append(question)
        count += question.queries.count
    }

    /// A question that has waited elsewhere.
    mutating func insert(_ question: Question) {
        let place = questions.firstIndex { $0.asked > question.asked } ?? questions.endIndex
        questions.insert(question, at: place)
        count += question.queries.count
    }

    /// Questions that had their turn in vain, before all others.
    mutating func putBack(_ again: [Question]) {
        questions.insert(contentsOf: again, at: 0)
        count += again.reduce(0) { $0 + $1.queries.count }
    }

    /// Takes out the question for a row alone; nil when that does not wait.
    mutating func take(_ query: AccountQuery) -> Question? {
        guard let place = questions.firstIndex(where: { $0.queries == [query] }) else { return nil }
        count -= 1
        return questions.remove(at: place)
    }

    /// Takes out the first, of as many look-ups as fit at most.
    mutating func takeFirst(fitting room: Int) -> [Question] {
        var left = room
        let taken = Array(
            questions.prefix { question in
                left -= question.queries.count
                return left >= 0
            })
        questions.removeFirst(taken.count)
        count -= taken.reduce(0) { $0 + $1.queries.count }
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
