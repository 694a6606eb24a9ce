// When what has failed is tried again.
internal import Sys

/// The time until the next try: short after the first failure, and twice as long after each one that follows it.
struct BackOff {
    /// The time after the first failure.
    private let shortest: Milliseconds
    private var span: Milliseconds
    private var nextTry = Milliseconds(0)

    /// The longest time between two tries.
    static let longest = Milliseconds.seconds(10)

    /// Nothing has failed yet.
    init(from shortest: Milliseconds = Milliseconds(200)) {
        (self.shortest, span) = (shortest, shortest)
    }

    /// Whether it is time for a try.
    func isOver(_ now: Milliseconds) -> Bool { now >= nextTry }

    /// A try has failed, which itself has taken some time (`took`): that is no rest.
    mutating func failed(_ now: Milliseconds, took: Milliseconds = Milliseconds(0)) {
        nextTry = now + took + span
        span = min(Milliseconds(span.count * 2), Self.longest)
    }

    /// A try has succeeded.
    mutating func succeeded() { span = shortest }
}
