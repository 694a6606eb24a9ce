// One pass over the rows that directory knows, after a change of their source, or each minute where none is told.
internal import Messages
internal import Sys

/// A pass: what is read again, in batches, and how fast.
///
/// A row that a batch has not read stays in the pass, and is read by a later one: a slow source makes the pass long, no more.
struct AccountRound {
    /// Rows that are asked for together.
    ///
    /// It is under way for as long as somebody other than the pass holds it: whoever is asked for the answers, which
    /// may come late.
    final class Batch {
        /// What is asked for.
        let queries: [AccountQuery]
        /// Whether they are of accounts with bindings.
        let isBound: Bool
        fileprivate let asked: Milliseconds

        fileprivate init(_ queries: [AccountQuery], isBound: Bool, asked: Milliseconds) {
            self.queries = queries
            self.isBound = isBound
            self.asked = asked
        }
    }

    /// How many changes of the source had been told when it began.
    let change: Int
    /// When it began, by the monotonic clock.
    let began: Milliseconds
    /// How many rows are asked for at a time now, 1 to `most`: the next pass goes on with it.
    private(set) var size: Int
    private var queries: [AccountQuery]
    /// How many of the queries are of accounts with bindings, which come first.
    private let boundCount: Int
    /// How many have been read, which are the first.
    private var read = 0
    /// When the next batch may be asked for, in microseconds of the monotonic clock.
    private var due: Int64
    /// The end of the pause after a batch of which nothing was read.
    private var pausedUntil = Milliseconds(0)
    private weak var batch: Batch?
    /// How many rows it reads in a second.
    private let rate: Int64
    /// The accounts that were held back and are found so again.
    var agreed: Set<String> = []

    /// How many rows are read in a batch at most: few enough that a look-up beside it has room.
    static let most = AccountQuery.most
    /// How many rows are read in a second, of a source that tells of changes.
    static let rate: Int64 = 5000
    /// How many are read in a second of another one, whose rows are all read again and again.
    static let rateOfPolling: Int64 = 500
    /// How long after the begin of such a round the next one begins, or at its end.
    static let pollingEvery = Milliseconds.seconds(60)
    /// For how long a pause is made up for: a late timer, a write to the disk, or a slow batch of the source.
    private static let slack: Int64 = 250
    /// How long a batch shall take, so that a look-up does not wait for long behind it.
    private static let longestBatch: Int64 = 50
    /// How long after a batch of which nothing was read the rows are asked for again.
    private static let retryAfter = Milliseconds.seconds(1)

    /// A pass over the rows of accounts with bindings, then over others, with so many in the first batch.
    init(
        bound: [AccountQuery], others: [AccountQuery], change: Int, size: Int,
        rate: Int64 = AccountRound.rate, _ now: Milliseconds
    ) {
        self.rate = rate
        queries = bound + others
        boundCount = bound.count
        self.change = change
        self.size = size
        began = now
        due = now.count * 1000
    }

    /// How many rows it reads in all.
    var count: Int { queries.count }

    /// Whether all accounts with bindings have been read.
    var isBoundRead: Bool { read >= boundCount }

    /// Whether all has been read.
    var isOver: Bool { read >= queries.count }

    /// When the next batch may be asked for, by the monotonic clock; nil while one is under way, or at the end.
    var nextBatch: Milliseconds? {
        guard batch == nil, !isOver else { return nil }
        return max(Milliseconds(due / 1000), pausedUntil)
    }

    /// The next batch, whose answers are then waited for; those of accounts with bindings are by themselves.
    mutating func takeBatch(_ now: Milliseconds) -> Batch {
        let end = isBoundRead ? queries.count : boundCount
        let rows = Array(queries[read..<min(read + size, end)])
        let next = Batch(rows, isBound: !isBoundRead, asked: now)
        due = max(due, (now.count - Self.slack) * 1000) + Int64(rows.count) * 1_000_000 / rate
        batch = next
        return next
    }

    /// Takes the answers to a batch: the rows that were read, in their order; nil when the pass has not asked for it.
    ///
    /// What is unavailable was not reached, or the answers are late: such a batch stays under way while its answers may come.
    mutating func answered(
        _ batch: Batch, _ answers: [ReadAccount], _ now: Milliseconds
    ) -> [(query: AccountQuery, read: ReadAccount)]? {
        guard batch === self.batch else { return nil }
        let pairs = zip(batch.queries, answers)
        let found = pairs.filter { $0.1.answer != .unavailable }.map { (query: $0.0, read: $0.1) }
        guard !found.isEmpty else {
            pausedUntil = now + Self.retryAfter
            return found
        }
        let left = pairs.filter { $0.1.answer == .unavailable }.map(\.0)
        let asked = read..<(read + batch.queries.count)
        queries.replaceSubrange(asked, with: found.map(\.query) + left)
        read += found.count
        pausedUntil = now
        self.batch = nil
        // The next batch is such as takes no longer than one shall; a short one that was quick tells nothing of that.
        let took = max((now - batch.asked).count, 1)
        let least = left.isEmpty && took <= Self.longestBatch ? Int64(size) : 1
        let fitting = Int64(found.count) * Self.longestBatch / took
        size = Int(min(max(fitting, least), Int64(min(size * 2, Self.most))))
        return found
    }
}
