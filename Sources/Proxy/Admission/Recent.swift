internal import Messages
internal import ProxyBench
internal import SIP
internal import Sys

/// What was decided about the last requests, so that `rempart explain` can say it.
struct Recent: ~Copyable {
    private static let places = 8192

    /// One decision.
    struct Decision: Sendable {
        /// When, since 1970.
        var moment = Milliseconds(0)
        /// The source.
        var source = IPAddress(high: 0, low: 0)
        /// The keyed hash of the Call-ID.
        var callID: UInt64 = 0
        /// The keyed hash of the name that it was for; 0 without one.
        var account: UInt64 = 0
        /// The method.
        var method = Method.other
        /// The transport.
        var transport = Transport.udp
        /// The reason code; "passed" for a request that was passed on.
        var reason = ""
        /// The status that was answered, 0 for none.
        var status: UInt16 = 0

        /// What the status is of a request that was passed on.
        static let passedOn: UInt16 = 100
    }

    private var decisions = [Decision](repeating: Decision(), count: Self.places)
    private var next = 0
    private var dropped = TokenBucket()
    private var short = TokenBucket()
    private var unanswered = TokenBucket()

    /// How many decisions of a kind that comes in floods are kept, so that a flood leaves the others known.
    private static let samples = Rate(perSecond: 20, burst: 200)

    /// Keeps a decision in place of the oldest one.
    mutating func add(_ decision: Decision) {
        decisions[next] = decision
        next = (next + 1) % Self.places
    }

    /// Takes a decision of a kind that comes in floods; false when there were many of late.
    mutating func takeSample(of refusal: Refusal, _ now: Milliseconds) -> Bool {
        switch refusal {
        case .shortAnswer: short.take(Self.samples, now)
        case .answersUsedUp: unanswered.take(Self.samples, now)
        default: dropped.take(Self.samples, now)
        }
    }

    /// The decisions that match, the latest first, at most so many.
    func find(_ limit: Int, where matches: (Decision) -> Bool) -> [Decision] {
        var found: [Decision] = []
        for step in 1...Self.places where found.count < limit {
            let decision = decisions[(next + Self.places - step) % Self.places]
            if decision.moment.count > 0, matches(decision) { found.append(decision) }
        }
        return found
    }
}
