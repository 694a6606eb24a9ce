internal import Journal
internal import Messages
internal import Sys

/// How often tables were found full, and telling the journal: a record a table, however many requests it costs.
package struct Shortages: ~Copyable {
    /// What can be full, beside the blocks.
    package enum Table: Int, CaseIterable, Sendable {
        /// Requests under way.
        case requests
        /// Branches of requests.
        case branches
        /// Registrations at Asterisks.
        case registrations
        /// Calls.
        case calls
        /// Bindings.
        case bindings
        /// Names of accounts.
        case names
        /// Dialled users and reasons.
        case texts
        /// Questions to directory.
        case questions
        /// Requests that wait for directory.
        case parked
        /// Answers to wrong passwords.
        case delayed
        /// Messages of one turn.
        case outbox
        /// One account's part of a table.
        case share

        /// How many places there are, and for what; of a share none.
        fileprivate var places: (count: Int, what: String) {
            switch self {
            case .requests: (Capacity.contexts, "requests under way")
            case .branches: (Capacity.branches, "branches of requests")
            case .registrations: (Capacity.registrations, "registrations at Asterisks")
            case .calls: (Capacity.calls, "calls")
            case .bindings: (Capacity.bindings, "bindings")
            case .names: (Capacity.accounts, "names of accounts")
            case .texts: (Bench.textBytes, "bytes of dialled users and reasons")
            case .questions: (Capacity.questions, "questions to directory")
            case .parked: (Capacity.parked, "requests that wait for directory")
            case .delayed: (Capacity.delayed, "answers to wrong passwords")
            case .outbox: (Outbox.mostMessages, "messages of one turn")
            case .share: (0, "")
            }
        }

        /// What comes of it.
        fileprivate var consequence: String {
            switch self {
            case .delayed: "as many of the oldest left before their time"
            case .outbox: "as many were lost"
            case .registrations: "as many are missing at their Asterisks"
            default: Shortages.refusal
            }
        }
    }

    fileprivate static let refusal = "requests get 503; `rempart calls` shows who uses the edge"
    /// How long a table that was told of is left alone.
    private static let span = Milliseconds.seconds(60)
    /// How often the tables are looked at.
    private static let interval = Milliseconds.seconds(1)
    private static let kinds = Table.allCases.count + Bench.blockSizes.count

    private var nextLook = Milliseconds(0)
    private var counts = [Int](repeating: 0, count: Table.allCases.count)
    private var told = [Int](repeating: 0, count: kinds)
    private var silentUntil = [Milliseconds](repeating: Milliseconds(0), count: kinds)

    /// Something found no place in a table.
    package mutating func count(_ table: Table) { counts[table.rawValue] += 1 }

    /// How many there are to tell of a kind, of which there have been `total`; nil while it is left alone.
    private mutating func news(_ kind: Int, _ total: Int, _ now: Milliseconds) -> Int? {
        guard total > told[kind], now >= silentUntil[kind] else { return nil }
        defer { told[kind] = total }
        silentUntil[kind] = now + Self.span
        return total - told[kind]
    }

    /// Looks at every table once a second, and tells the journal of those that were found full.
    mutating func report(
        _ blocks: borrowing BlockStore, lost: Int, _ now: Milliseconds, into journal: inout Audit
    ) {
        guard now >= nextLook else { return }
        nextLook = now + Self.interval
        counts[Table.outbox.rawValue] = lost
        for table in Table.allCases {
            guard let count = news(table.rawValue, counts[table.rawValue], now) else { continue }
            let (places, what) = table.places
            let full =
                places == 0
                ? "the eighth of a table that one account may have is taken"
                : "all \(places) places for \(what) are taken"
            Self.record(full, count, table.consequence, into: &journal)
        }
        for number in Bench.blockSizes.indices {
            let kind = Table.allCases.count + number
            guard let count = news(kind, blocks.refused(number), now) else { continue }
            let (bytes, all) = Bench.blockSizes[number]
            Self.record(
                "all \(all) places for messages of up to \(bytes) bytes are taken", count,
                Self.refusal, into: &journal)
        }
    }

    private static func record(
        _ what: String, _ count: Int, _ consequence: String, into journal: inout Audit
    ) {
        journal.add(
            .degraded, .warning, "\(what): \(count) found none, \(consequence)",
            [(.reason, Refusal.tableFull.code), (.count, "\(count)")])
    }
}
