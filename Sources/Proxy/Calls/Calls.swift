internal import Dialling
internal import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
internal import SIPWriting
package import Sys

/// The calls that are under way, and who may make more: what begins them, what is said in them, what ends them.
///
/// Every other owner stands below it: what it asks of them is lent to each of its functions.
package struct Calls: ~Copyable {
    private let anchor = Anchor()

    /// How often calls that nobody has heard of for long are looked for.
    private static let sweepInterval = Milliseconds.seconds(30)

    var table = CallTable()
    /// The barred accounts; looked at when something changes, not for each call.
    var bars: [AccountID: Bar] = [:]
    /// Whether what directory has of accounts was taken over.
    var hasRestored = false
    /// The requests that wait for their account's hashes in the realm of an Asterisk; some may have ended.
    var awaitingHashes: [Handle] = []
    private var nextSweep = Milliseconds(0)
    /// When this installation began to bind tokens to dialogs, since 1970; 0 when it always has.
    let boundSince: Milliseconds

    /// No calls; `boundSince` is when this installation began to bind tokens to dialogs, since 1970, or 0 when it
    /// always has.
    package init(boundSince: Milliseconds) { self.boundSince = boundSince }

    /// How many calls are under way.
    package var count: Int { table.count }

    /// How many calls a party has.
    package func count(of party: Party) -> UInt32 { table[caller: party].all }

    /// The call that a request inside a dialog belongs to; none when it is none of ours.
    package func find(_ message: borrowing Incoming) -> Handle {
        table.find(message.bytes, message.index) ?? .none
    }

    /// Whose a call is that stands.
    package func party(of call: Handle) -> Party { table[call].party }

    // MARK: What the turn brings

    /// Forgets calls of which nothing was heard for long, and those whose INVITE has ended otherwise, twice a minute.
    package mutating func sweep(
        _ core: borrowing ProxyCore, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let now = bench.now.monotonic
        guard now >= nextSweep else { return }
        nextSweep = now + Self.sweepInterval
        guard table.count > 0 else { return }
        for handle in table.handles {
            guard let end = table[handle].overdue(now, core) else { continue }
            over(handle, end, core, ground, &bench)
        }
    }

    /// The calls that nobody has answered, which the proxy core has ended since this was last asked.
    package mutating func recordFailures(
        _ core: inout ProxyCore, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        for failed in core.takeFailures() {
            guard table.contains(failed.call) else { continue }
            if failed.isForwardingRefused {
                setEnd(failed.call, .forwarding)
            } else if failed.isCallee {
                setEnd(failed.call, byCaller: false, failed.cause)
            }
            let call = table[failed.call]
            let cause = call.cause.code > 0 ? call.cause : EndCause(status: failed.status)
            over(
                failed.call, call.end ?? .unanswered, cause: cause, status: failed.status, core,
                ground,
                &bench)
        }
    }
}
