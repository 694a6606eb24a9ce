package import Messages
package import Sys

/// What is remembered of an account's calls.
package struct Caller: BitwiseCopyable, Sendable {
    /// The first of its calls, by its place in the table; -1 for none.
    package var first: Int32 = -1
    /// How many calls it has, whoever made them.
    package var all: UInt32 = 0
    /// How many of them it makes.
    package var made: UInt32 = 0
    /// How many of them are abroad.
    package var abroad: UInt32 = 0
    /// Nothing is known.
    package init() {}

    /// How many calls abroad go on at Asterisk after a transfer, as far as that can be guessed.
    fileprivate var kept: UInt32 = 0
    fileprivate var keptUntil = Milliseconds(0)
    fileprivate var tokens = TokenBucket()
    fileprivate var tokensAbroad = TokenBucket()
    /// The last request that was refused, and why: over UDP it comes again.
    fileprivate var refused: UInt64 = 0
    fileprivate var refusal = Refusal.accountBarred
    /// Whether it is barred from calling.
    package var isBarred = false
    /// Until when it calls nobody abroad, since 1970.
    package var heldUntil = Milliseconds(0)
    /// The countries it was seen in, the oldest first.
    fileprivate(set) var countries = InlineArray<8, Country>(repeating: .unknown)
    /// How many those are.
    fileprivate(set) var countryCount = 0

    /// The calls abroad that count now.
    func abroadNow(_ now: Milliseconds) -> UInt32 { abroad + (keptUntil > now ? kept : 0) }
}

/// The moment and the terms by which a call is judged.
package struct CallTerms {
    /// The rules.
    package var rules: CallRules
    /// How many calls may be made at a time; 0: any.
    package var atOnce: UInt32
    /// The moment.
    package var now: Now
    /// The local time, counted as since 1970.
    package var local: Milliseconds

    /// The terms of their parts.
    package init(rules: CallRules, atOnce: UInt32, now: Now, local: Milliseconds) {
        self.rules = rules
        self.atOnce = atOnce
        self.now = now
        self.local = local
    }
}

/// What becomes of a call.
package enum CallVerdict: Equatable {
    /// It may be made.
    case pass
    /// It may not.
    case refuse(Refusal)
    /// It may not, and it was one too many: so many were refused within the limit's window.
    case trip(Refusal, UInt32)
    /// The same request was refused before.
    case again(Refusal)
}

/// Says which calls an account may make: a value without sockets or clocks of its own.
///
/// Counts and rates are lost with the process; what bars an account, and where it was seen, is kept by directory.
package struct CallGuard: ~Copyable {
    /// How long a call abroad that was transferred counts: the account's phone is not in it any more, so
    /// nobody tells us of its end.
    package static let transferred = Milliseconds.seconds(900)

    private var callers: ReservedArray<Caller>
    private var never = RefusedNumbers(places: 2048)
    private var abroad = RefusedNumbers(places: 2048)

    /// A guard of at most so many accounts.
    package init(capacity: Int) { callers = ReservedArray(capacity: capacity) }

    /// How many accounts there may be something known of.
    package var count: Int { callers.count }

    /// What is known of an account, by its number of at least 0.
    package subscript(account: Int32) -> Caller {
        get { Int(account) < callers.count ? callers[Int(account)] : Caller() }
        set {
            while callers.count <= Int(account) {
                guard callers.append(Caller()) else { return }
            }
            callers[Int(account)] = newValue
        }
    }

    /// Judges a call that an account is about to make; `request` tells it from others.
    package mutating func judge(
        _ account: Int32, _ dialled: Dialled, request: UInt64, _ terms: CallTerms
    ) -> CallVerdict {
        guard dialled.kind != .emergency else { return .pass }
        var caller = self[account]
        defer { self[account] = caller }
        if request == caller.refused { return .again(caller.refusal) }
        guard let refusal = Self.refusal(&caller, dialled, terms) else { return .pass }
        caller.refused = request
        caller.refusal = refusal
        let now = terms.now.monotonic
        var reached: UInt32?
        switch (refusal, dialled.kind) {
        case (.numberNever, _):
            reached = never.add(account, dialled.mark, terms.rules.tripNever, now)
        case (.accountBarred, _): break
        case (_, .abroad):
            reached = abroad.add(account, dialled.mark, terms.rules.tripAbroad, now)
        default: break
        }
        return reached.map { .trip(refusal, $0) } ?? .refuse(refusal)
    }

    private static func refusal(
        _ caller: inout Caller, _ dialled: Dialled, _ terms: CallTerms
    ) -> Refusal? {
        let rules = terms.rules
        let now = terms.now.monotonic
        if caller.isBarred { return .accountBarred }
        if dialled.kind == .never { return .numberNever }
        if terms.atOnce > 0, caller.made >= terms.atOnce { return .callsAtOnce }
        if dialled.kind == .abroad {
            if !rules.plan.allows(dialled.country) { return .country }
            if !rules.isOpen(terms.local) { return .offHours }
            if caller.heldUntil > terms.now.sinceEpoch { return .newCountry }
            let abroad = caller.abroadNow(now)
            if rules.abroadAtOnce > 0, abroad >= rules.abroadAtOnce { return .abroadAtOnce }
            if let rate = rules.abroadRate, !caller.tokensAbroad.take(rate, now) {
                return .abroadPerMinute
            }
        }
        if let rate = rules.rate, !caller.tokens.take(rate, now) { return .callsPerMinute }
        return nil
    }

    // MARK: Transfers

    /// A call abroad goes on at Asterisk without the account's phone.
    package mutating func goesOn(_ account: Int32, _ now: Milliseconds) {
        if self[account].keptUntil <= now { self[account].kept = 0 }
        self[account].kept += 1
        self[account].keptUntil = now + Self.transferred
    }

    // MARK: Countries

    /// What it means that an account is seen in a country.
    package enum Sight: Equatable {
        /// Nothing new.
        case known
        /// The first country it was seen in.
        case first
        /// One in which it was never seen.
        case new
    }

    /// An account is in a country; one that is new holds its calls abroad for a span.
    package mutating func see(
        _ account: Int32, in country: Country, hold: Milliseconds, _ now: Now
    ) -> Sight {
        guard country != .unknown else { return .known }
        var caller = self[account]
        for place in 0..<caller.countryCount where caller.countries[place] == country {
            return .known
        }
        let isFirst = caller.countryCount == 0
        Self.add(country, to: &caller)
        if !isFirst { caller.heldUntil = now.sinceEpoch + hold }
        self[account] = caller
        return isFirst ? .first : .new
    }

    private static func add(_ country: Country, to caller: inout Caller) {
        if caller.countryCount == AccountStanding.mostCountries {
            for place in 1..<caller.countryCount {
                caller.countries[place - 1] = caller.countries[place]
            }
            caller.countryCount -= 1
        }
        caller.countries[caller.countryCount] = country
        caller.countryCount += 1
    }

    /// Takes what was kept of an account.
    package mutating func restore(_ account: Int32, _ standing: AccountStanding) {
        var caller = self[account]
        caller.isBarred = standing.barredSince.count > 0
        caller.heldUntil = standing.heldUntil
        caller.countryCount = 0
        var rest = standing.countries.utf8.dropFirst(0)
        while rest.count >= 2, caller.countryCount < AccountStanding.mostCountries {
            Self.add(Country(String(Substring(rest.prefix(2)))), to: &caller)
            rest = rest.dropFirst(2)
        }
        self[account] = caller
    }

    /// The countries that an account was seen in, as they are kept.
    package func countries(_ account: Int32) -> String {
        let caller = self[account]
        return (0..<caller.countryCount).map { caller.countries[$0].code }.joined()
    }
}
