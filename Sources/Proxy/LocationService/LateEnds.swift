internal import Journal
internal import Messages
internal import ProxyBench
internal import Sys

/// How many bindings late answers of directory would have ended lately.
///
/// When they are many at a time (`MassEnding`), it is more likely that the source is wrong than that so many have lost
/// their accounts.
struct LateEnds: Sendable {
    private var since = Milliseconds(0)
    private var count = 0
    private var isTold = false

    /// Counts more, of so many bindings that there are; whether they may end.
    mutating func add(_ more: Int, of all: Int, _ bench: inout Bench) -> Bool {
        let now = bench.now.monotonic
        if now - since > MassEnding.memory { self = LateEnds(since: now) }
        count += more
        guard MassEnding.looksLikeMistake(count, of: all) else { return true }
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
