internal import Messages
internal import ProxyBench
internal import Sys

/// How many answers go to those who have proven nothing.
struct AnswerRates: Sendable {
    /// To one address, those that are longer than what was asked or in long form.
    var long: Rate
    /// To one address, all of them; nil for any.
    var each: Rate?
    /// To all strangers together.
    var strangers: Rate
    /// To all flows together that phones have registered by, as many to the other flows of their addresses, and as many
    /// to the addresses of trunks.
    var residents: Rate

    /// The rates that follow from `defence.replies` and `defence.packets`, both a second for an address.
    ///
    /// The burst is that of a company whose phones come back at once after a power cut. Residents and trunks have
    /// many a second and one second's at once: with these, a forger of one address could fill its line.
    init(replies: UInt32, packets: UInt32) {
        long = Self.long(replies)
        each =
            packets == 0
            ? nil
            : Rate(perSecond: max(packets, replies), burst: max(packets * 2, replies * 8))
        strangers = Rate(perSecond: replies * 64, burst: replies * 256)
        residents = Rate(perSecond: replies * 128, burst: replies * 128)
    }

    /// The rate of long answers to an address.
    static func long(_ replies: UInt32) -> Rate { Rate(perSecond: replies, burst: replies * 8) }
}

/// What one of those who share a budget has had of it.
struct BudgetPart: BitwiseCopyable, Sendable {
    /// What is left of its equal part.
    fileprivate var tokens = TokenBucket()
    /// When it last asked, in seconds of the monotonic clock.
    fileprivate var second: UInt32 = 0
}

/// A budget that many share: when it is used up, a sharer that has had more than an equal part waits first.
///
/// A reserve is for those within their part. Three quarters of the budget are shared out among all who
/// asked in the last second, so the reserve fills again while everybody takes his part.
struct FairBudget: Sendable {
    private var tokens = TokenBucket()
    /// The second that `sharers` counts, of the monotonic clock.
    private var second: UInt32 = 0
    private var sharers: Int64 = 0
    /// How many shared in the second before.
    private var before: Int64 = 0

    /// Takes one of the budget for whom the part is; false when there is none for him now.
    mutating func take(_ part: inout BudgetPart, _ rate: Rate, _ now: Milliseconds) -> Bool {
        count(&part, now)
        let equal = Rate(everyMicroseconds: rate.interval * max(sharers, before) * 4 / 3)
        let isWithin = part.tokens.has(equal, now)
        guard tokens.take(rate, leaving: isWithin ? 0 : rate.burst / 4, now) else { return false }
        if isWithin { _ = part.tokens.take(equal, now) }
        return true
    }

    /// Gives back what was taken and not needed.
    mutating func giveBack(_ part: inout BudgetPart, _ rate: Rate) {
        tokens.giveBack(rate)
        part.tokens.giveBack(Rate(everyMicroseconds: rate.interval))
    }

    private mutating func count(_ part: inout BudgetPart, _ now: Milliseconds) {
        let current = UInt32(truncatingIfNeeded: now.seconds)
        if current != second {
            before = current == second &+ 1 ? sharers : 0
            sharers = 0
            second = current
        }
        guard part.second != current else { return }
        part.second = current
        sharers += 1
    }
}

/// The answers that go to who has proven nothing: strangers, registered flows, residents and trunks each have their own.
struct AnswerBudgets: ~Copyable {
    private static let hashed = 4096
    private var long = Buckets(places: 65_536)
    private var each = Buckets(places: 65_536)
    private var strangers = FairBudget()
    private var residents = FairBudget()
    private var flows = FairBudget()
    private var trunks = FairBudget()
    /// A place for each /16 of IPv4, so that no flood of other networks takes it, and as many for the /32 of IPv6.
    private var networks = [BudgetPart](repeating: BudgetPart(), count: 2 << 16)
    private var flowParts = [BudgetPart](repeating: BudgetPart(), count: 1 << 16)
    private var trunkParts = [BudgetPart](repeating: BudgetPart(), count: Self.hashed)

    /// Whether a stranger's address has a long answer left.
    func hasLong(_ key: UInt64, _ rate: Rate, _ now: Milliseconds) -> Bool {
        long.has(key, rate, now)
    }

    /// Takes an answer to a stranger; false when there is none for his address, or none for his network.
    ///
    /// `key` is a keyed hash of the address.
    mutating func takeStranger(
        _ ip: IPAddress, _ key: UInt64, isLong: Bool, _ rates: AnswerRates, _ now: Milliseconds
    ) -> Bool {
        if isLong, !long.take(key, rates.long, now) { return false }
        if let rate = rates.each, !each.take(key, rate, now) { return false }
        return strangers.take(&networks[Self.network(ip)], rates.strangers, now)
    }

    /// Takes an answer to an address that phones are registered from.
    mutating func takeResident(
        _ part: inout BudgetPart, _ rates: AnswerRates, _ now: Milliseconds
    ) -> Bool {
        residents.take(&part, rates.residents, now)
    }

    /// Takes an answer to a flow that a phone has registered by; `key` is its keyed hash.
    mutating func takeFlow(_ key: UInt64, _ rates: AnswerRates, _ now: Milliseconds) -> Bool {
        flows.take(&flowParts[Int(key & 0xFFFF)], rates.residents, now)
    }

    /// Takes an answer to a trunk's address; `key` is its keyed hash.
    mutating func takeTrunk(_ key: UInt64, _ rates: AnswerRates, _ now: Milliseconds) -> Bool {
        trunks.take(
            &trunkParts[Int(key & UInt64(Self.hashed - 1))], rates.residents, now)
    }

    /// The place of the /16 or /32 that an address is in.
    private static func network(_ ip: IPAddress) -> Int {
        guard !ip.isV4 else { return Int(ip.low >> 16 & 0xFFFF) }
        var hasher = Hasher()
        hasher.combine(ip.high >> 32)
        return 1 << 16 | hasher.finalize() & 0xFFFF
    }
}
