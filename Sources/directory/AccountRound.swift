// One pass over the rows that directory knows, after a change of their source.
internal import Messages
internal import Sys

/// A pass: what is read again, in batches, and how fast.
struct AccountRound {
    /// How many changes of the source had been told when it began.
    let change: Int
    /// When it began, by the monotonic clock.
    let began: Milliseconds
    private let queries: [AccountQuery]
    /// How many of the queries are of accounts with bindings, which come first.
    let boundCount: Int
    private var next = 0
    /// How many are asked for at a time now.
    private var size = Self.most
    /// When the next batch may be asked for, in microseconds of the monotonic clock.
    private var due: Int64
    /// When the batch under way was asked for; nil when none is.
    private var asked: Milliseconds?
    /// The accounts that were held back and are found so again.
    var agreed: Set<String> = []

    /// How many rows are read in a batch: few enough that a look-up beside it has room.
    static let most = AccountQuery.most
    /// How many rows are read in a second.
    private static let rate: Int64 = 5000
    /// For how long a pause is made up for: a late timer, a write to the disk, or a slow batch of the source.
    private static let slack: Int64 = 250
    /// How long a batch shall take, so that a look-up does not wait for long behind it.
    private static let longestBatch: Int64 = 50

    /// A pass over the rows of accounts with bindings, then over others.
    init(bound: [AccountQuery], others: [AccountQuery], change: Int, _ now: Milliseconds) {
        queries = bound + others
        boundCount = bound.count
        self.change = change
        began = now
        due = now.count * 1000
    }

    /// How many rows it reads in all.
    var count: Int { queries.count }

    /// Whether all accounts with bindings have been read.
    var isBoundRead: Bool { next >= boundCount && asked == nil }

    /// Whether all has been read.
    var isOver: Bool { next >= queries.count && asked == nil }

    /// When the next batch may be asked for, by the monotonic clock; nil while one is under way, or at the end.
    var nextBatch: Milliseconds? {
        guard asked == nil, next < queries.count else { return nil }
        return Milliseconds(due / 1000)
    }

    /// The next batch, whose answers are then waited for; those of accounts with bindings are by themselves.
    mutating func takeBatch(_ now: Milliseconds) -> ArraySlice<AccountQuery> {
        let end = next < boundCount ? boundCount : queries.count
        let batch = queries[next..<min(next + size, end)]
        next = batch.endIndex
        due = max(due, (now.count - Self.slack) * 1000) + Int64(batch.count) * 1_000_000 / Self.rate
        asked = now
        return batch
    }

    /// The answers have come: the next batch is such as takes no longer than one shall.
    mutating func answered(_ now: Milliseconds) {
        guard let asked else { return }
        let took = max((now - asked).count, 1)
        let fitting = Int64(size) * Self.longestBatch / took
        size = Int(min(max(fitting, 1), Int64(min(size * 2, Self.most))))
        self.asked = nil
    }
}
