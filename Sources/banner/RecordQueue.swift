// Records of bans, which are written when nothing more urgent waits.
internal import Journal
internal import Messages
internal import Sys

/// Bans that have begun or ended and are not in the journal yet, in order.
struct RecordQueue {
    /// What happened to a source.
    enum Event {
        /// It was banned for so many seconds, or would have been.
        case began(BanRow, Int64, isEnforced: Bool)
        /// Its ban has ended, and why.
        case ended(Network, String)
        /// So many bans were lifted together by hand.
        case cleared(Int)
    }

    private var events: [Event] = []
    private var written = 0

    /// Whether everything is written.
    var isEmpty: Bool { events.isEmpty }

    /// Adds what happened.
    mutating func add(_ event: Event) { events.append(event) }

    /// Writes at most so many of them, the oldest first.
    mutating func write(_ most: Int, to journal: Journal) {
        for event in events[written...].prefix(most) {
            Self.write(event, to: journal)
            written += 1
        }
        guard written == events.count else { return }
        events.removeAll(keepingCapacity: events.count <= 4096)
        written = 0
    }

    private static func write(_ event: Event, to journal: Journal) {
        switch event {
        case .began(let row, let seconds, let isEnforced):
            let verb = isEnforced ? "banned" : "would ban"
            let what = row.evidence.isEmpty ? row.reason : "\(row.reason), \(row.evidence)"
            journal.write(
                .banned, .notice, "\(verb) \(row.source.name) for \(seconds) s: \(what)",
                [
                    (.address, "\(row.source.address)"), (.reason, row.reason),
                    (.count, "\(row.count)"), (.seconds, "\(seconds)"),
                ])
        case .ended(let source, let reason):
            journal.write(
                .unbanned, .notice, "the ban of \(source.name) has ended: \(reason)",
                [(.address, "\(source.address)"), (.reason, reason)])
        case .cleared(let count):
            journal.write(
                .unbanned, .notice, "all \(count) bans were lifted by hand",
                [(.address, "all"), (.reason, "by-hand"), (.count, "\(count)")])
        }
    }
}
