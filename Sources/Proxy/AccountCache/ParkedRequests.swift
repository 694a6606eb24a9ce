package import Messages
package import ProxyBench
internal import Reactor
internal import SIP
package import Sys

/// What a parked request waits for, and so where it goes on.
package enum ParkedStep: UInt8, BitwiseCopyable, Sendable {
    /// Its credentials: whether they prove its account.
    case credentials
    /// A trunk's caller: whether an account has that name.
    case caller
}

/// A request that has waited for directory.
package struct ParkedRequest: Sendable {
    /// The request, which whoever takes it up again gives back.
    package var block: Block
    /// The way that it came by.
    package let flow: Flow
    /// When it came.
    package let moment: Milliseconds
    /// Its number among all that came.
    package let number: UInt64
    /// What is known of its sender.
    package let sender: Sender
    /// What it has waited for.
    package let step: ParkedStep
    /// The account that directory was asked about.
    let account: AccountID
    /// The other one that it may be of.
    let other: AccountID?
}

/// What became of a request that is to wait for directory.
package enum Parking: Sendable {
    /// It waits, or the same one does.
    case waits
    /// Too many of its account wait already.
    case tooMany
    /// All places are taken.
    case noRoom
}

/// The requests that wait for directory, each for a bounded time.
///
/// One timer is enough for all: that of the one that becomes overdue first.
struct ParkedRequests: ~Copyable {
    /// How long after it came a request waits at most.
    static let patience = Milliseconds(200)

    /// When a request becomes overdue, if it still waits then.
    private struct Deadline {
        let account: AccountID
        let number: UInt64
        let due: Milliseconds
    }

    private var requests: [AccountID: [ParkedRequest]] = [:]
    /// The deadlines of what waits, and of what has been answered since, the first one first.
    private var deadlines: [Deadline] = []
    private var timer = TimerHandle.none
    /// How many wait.
    private(set) var count = 0

    /// Parks a request until an account's are taken, or it is overdue.
    mutating func park(
        _ message: borrowing Incoming, _ account: AccountID, beside other: AccountID?,
        _ step: ParkedStep, _ bench: inout Bench
    ) -> Parking {
        let waiting = requests[account] ?? []
        // A retransmission is the same in every byte; it must not count twice when it turns out wrong.
        for other in waiting where other.flow == message.flow {
            if bench.blocks.span(other.block).equals(message.bytes) { return .waits }
        }
        guard count < Capacity.parked else {
            bench.shortages.count(.parked)
            return .noRoom
        }
        guard waiting.count < Capacity.parkedOfAccount else { return .tooMany }
        let block = bench.blocks.store(message.bytes)
        guard block.exists else { return .noRoom }
        requests[account, default: []].append(
            ParkedRequest(
                block: block, flow: message.flow, moment: message.moment, number: message.number,
                sender: message.sender, step: step, account: account, other: other))
        count += 1
        let deadline = Deadline(
            account: account, number: message.number, due: message.moment + Self.patience)
        // What waits for the second time came before others.
        var place = deadlines.count
        while place > 0, deadlines[place - 1].due > deadline.due { place -= 1 }
        deadlines.insert(deadline, at: place)
        if place == 0 { setTimer(&bench) }
        return .waits
    }

    private mutating func setTimer(_ bench: inout Bench) {
        bench.timers.cancel(&timer)
        guard let first = deadlines.first else { return }
        timer = bench.timers.set(Handle.none.payload(.overdue), at: first.due)
    }

    /// Takes the requests that wait for an account, in their order.
    mutating func take(_ account: AccountID) -> [ParkedRequest] {
        let waiting = requests.removeValue(forKey: account) ?? []
        count -= waiting.count
        return waiting
    }

    /// Takes the requests that are overdue, in their order; the timer of the next one is set.
    mutating func takeOverdue(_ bench: inout Bench) -> [ParkedRequest] {
        var overdue: [ParkedRequest] = []
        let over = deadlines.prefix { isOver($0, bench.now.monotonic) }
        for next in over {
            guard var waiting = requests[next.account],
                let place = waiting.firstIndex(where: { $0.number == next.number })
            else { continue }
            overdue.append(waiting.remove(at: place))
            requests[next.account] = waiting.isEmpty ? nil : waiting
            count -= 1
        }
        deadlines.removeFirst(over.count)
        setTimer(&bench)
        return overdue
    }

    /// Whether a deadline has passed, or its request has been answered and waits no more.
    private func isOver(_ deadline: Deadline, _ now: Milliseconds) -> Bool {
        deadline.due <= now
            || requests[deadline.account]?.contains { $0.number == deadline.number } != true
    }
}
