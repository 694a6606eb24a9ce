internal import Journal
internal import ProxyBench
internal import Sys

/// How many bindings late answers of directory would have ended lately.
///
/// More than ten, and more than a tenth of all within a minute: it is more likely that the source is wrong than that so
/// many have lost their accounts.
struct LateEnds: Sendable {
    private static let span = Milliseconds.seconds(60)
    private static let most = 10

    private var since = Milliseconds(0)
    private var count = 0
    private var isTold = false

    /// Counts more, of so many bindings that there are; whether they may end.
    mutating func add(_ more: Int, of all: Int, _ bench: inout Bench) -> Bool {
        let now = bench.now.monotonic
        if now - since > Self.span { self = LateEnds(since: now) }
        count += more
        guard count > Self.most, count * 10 > all else { return true }
        guard !isTold else { return false }
        isTold = true
        bench.effects.journal.add(
            .degraded, .warning,
            "what is said late of accounts would end \(count) bindings of \(all) within a minute: they stay"
                + " until it is said again; look whether the accounts' tables are being written anew",
            [(.count, "\(count)")])
        return false
    }
}
