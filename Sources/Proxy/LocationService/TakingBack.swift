internal import Journal
internal import Messages
internal import ProxyBench
internal import Sys

/// How many bindings late answers would end, for the judgement whether they may.
///
/// When that is more than ten and more than a tenth of all within a minute, it is more likely that the source is wrong
/// than that so many have lost their accounts: directory decides it then.
struct TakingBack {
    /// The span that is counted in.
    private static let span = Milliseconds.seconds(60)

    private var since = Milliseconds(0)
    private var count = 0
    private var isTold = false

    /// Whether so many more of all bindings may end; records it once a span when they may not.
    mutating func allows(_ more: Int, of all: Int, _ bench: inout Bench) -> Bool {
        let now = bench.now.monotonic
        if now - since > Self.span {
            self = TakingBack()
            since = now
        }
        count += more
        guard count > 10, count * 10 > all else { return true }
        if !isTold {
            isTold = true
            bench.effects.journal.add(
                .degraded, .warning,
                "what is said late of accounts would end \(count) bindings of \(all) within a minute:"
                    + " they stay until it is said again; look whether the accounts' tables are being"
                    + " written anew", [(.count, "\(count)")])
        }
        return false
    }
}
