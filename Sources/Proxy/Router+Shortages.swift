internal import Journal
internal import Messages
internal import Registrar
internal import SIP
internal import Sys

/// How often tables were found full; what counts by itself is asked for instead.
struct Shortages: ~Copyable {
    /// What can be full, beside the blocks.
    enum Table: Int, CaseIterable {
        case requests, branches, registrations, calls, bindings, names, texts, questions, parked
        case held, outbox, share
    }

    /// How long a table that was told of is left alone.
    fileprivate static let span = Milliseconds.seconds(60)
    /// How often the tables are looked at.
    fileprivate static let interval = Milliseconds.seconds(1)
    private static let kinds = Table.allCases.count + Bench.blockSizes.count

    /// When the tables are next looked at.
    fileprivate(set) var nextLook = Milliseconds(0)
    private var counts = [Int](repeating: 0, count: Table.allCases.count)
    private var told = [Int](repeating: 0, count: kinds)
    private var silentUntil = [Milliseconds](repeating: Milliseconds(0), count: kinds)

    /// Something found no place in a table.
    mutating func count(_ table: Table) { counts[table.rawValue] += 1 }

    /// How often that was, since the beginning.
    fileprivate func total(_ table: Table) -> Int { counts[table.rawValue] }

    /// How many there are to tell of a kind, of which there have been `total`; nil while it is left alone.
    fileprivate mutating func news(_ kind: Int, _ total: Int, _ now: Milliseconds) -> Int? {
        guard total > told[kind], now >= silentUntil[kind] else { return nil }
        defer { told[kind] = total }
        silentUntil[kind] = now + Self.span
        return total - told[kind]
    }
}

/// Telling the journal which tables are full: a record a table, however many requests it costs.
extension Router {
    /// Looks at every table.
    mutating func tellShortages() {
        bench.shortages.nextLook = bench.now.monotonic + Shortages.interval
        for kind in 0..<Shortages.Table.allCases.count {
            guard let table = Shortages.Table(rawValue: kind),
                let count = bench.shortages.news(kind, refused(table), bench.now.monotonic)
            else { continue }
            shortageRecord(places(of: table), count, consequence(of: table))
        }
        for number in Bench.blockSizes.indices {
            let kind = Shortages.Table.allCases.count + number
            let total = bench.blocks.refused(number)
            guard let count = bench.shortages.news(kind, total, bench.now.monotonic) else {
                continue
            }
            let (bytes, all) = Bench.blockSizes[number]
            shortageRecord(
                "all \(all) places for messages of up to \(bytes) bytes are taken", count,
                Self.refusal)
        }
    }

    /// What comes of a table that is full, as long as it is no other thing.
    private static let refusal = "requests get 503; `rempart calls` shows who uses the edge"

    private func consequence(of table: Shortages.Table) -> String {
        switch table {
        case .held: "as many of the oldest left before their time"
        case .outbox: "as many were lost"
        case .registrations: "as many are missing at their Asterisks"
        default: Self.refusal
        }
    }

    private mutating func shortageRecord(_ what: String, _ count: Int, _ consequence: String) {
        bench.effects.journal.add(
            .degraded, .warning, "\(what): \(count) found none, \(consequence)",
            [(.reason, "table-full"), (.count, "\(count)")])
    }

    /// How many found no place in a table, since the beginning.
    private func refused(_ table: Shortages.Table) -> Int {
        switch table {
        case .requests: exchanges.refused
        case .branches: clients.refused
        case .registrations: presences.refused
        case .names: accounts.refused
        case .outbox: bench.effects.outbox.lost
        case .calls, .bindings, .texts, .questions, .parked, .held, .share:
            bench.shortages.total(table)
        }
    }

    private func places(of table: Shortages.Table) -> String {
        let (count, what) =
            switch table {
            case .requests: (exchanges.capacity, "requests under way")
            case .branches: (clients.capacity, "branches of requests")
            case .registrations: (presences.capacity, "registrations at Asterisks")
            case .calls: (Calls.capacity, "calls")
            case .bindings: (bindings.capacity, "bindings")
            case .names: (accounts.capacity, "names of accounts")
            case .texts: (Bench.textBytes, "bytes of dialled users and reasons")
            case .questions: (Self.mostQuestions, "questions to directory")
            case .parked: (Self.mostParked, "requests that wait for directory")
            case .held: (HeldAnswers.capacity, "answers to wrong passwords")
            case .outbox: (Outbox.mostMessages, "messages of one turn")
            case .share: (0, "")
            }
        return count == 0
            ? "the eighth of a table that one account may have is taken"
            : "all \(count) places for \(what) are taken"
    }
}
