internal import Messages
internal import Registrar
package import Sys

/// What is known of sources, and who is shut out.
///
/// Evidence is proven or it is none: what a source does counts against it only after it has brought back
/// a nonce that was sent to its address, or by a connection. What may be forged costs the source tokens
/// of a bucket and nothing else.
package struct Defence: ~Copyable {
    private var banned: [IPAddress: Milliseconds] = [:]
    /// Bans of whole networks: a /24 or a /48 each.
    private var bannedNetworks: [Network: Milliseconds] = [:]
    private var nextSweep = Milliseconds(0)
    var sources = SourceTable(places: 16_384)
    /// Where phones are registered: as many addresses as there can be bindings.
    var residents = Residents(capacity: 1_000_000)
    /// Until when the unregistered ways of sources get no answer that are no residents: those of the edge's own
    /// addresses.
    private var heldUntil: [IPAddress: Milliseconds] = [:]
    var guards = AccountGuards(places: 16_384)
    /// Wrong passwords by source and account, of sources that are residents.
    private var pairs = PairTable(places: 8192)
    private var budgets = AnswerBudgets()

    /// Nobody is banned.
    package init() {}

    // MARK: Bans

    /// How many sources are on the list at most.
    ///
    /// That is all that banner keeps, and as many again that it was asked to ban and would not. Beyond
    /// that a source is judged again by whatever it sends.
    package static let mostBans = 240_000

    /// How many neighbourhoods are on the list at most: as many as banner has.
    static let mostNetworks = 1_000

    /// Puts a source on the list until a moment of the monotonic clock.
    package mutating func ban(_ ip: IPAddress, until: Milliseconds, _ now: Milliseconds) {
        let source = ip.source
        guard hasRoom(now) || banned[source] != nil else { return }
        banned[source] = until
    }

    private mutating func hasRoom(_ now: Milliseconds) -> Bool {
        guard banned.count >= Self.mostBans else { return true }
        // To look at all of them takes milliseconds, which not every offence may cost.
        guard now >= nextSweep else { return false }
        nextSweep = now + .seconds(10)
        banned = banned.filter { $0.value > now }
        return banned.count < Self.mostBans
    }

    /// Puts a network on the list; one that is no wider than a source counts as that source.
    package mutating func ban(_ network: Network, until: Milliseconds, _ now: Milliseconds) {
        if network.isWide {
            if bannedNetworks.count >= Self.mostNetworks {
                bannedNetworks = bannedNetworks.filter { $0.value > now }
            }
            guard bannedNetworks.count < Self.mostNetworks || bannedNetworks[network] != nil else {
                return
            }
            bannedNetworks[network] = until
        } else {
            ban(network.address, until: until, now)
        }
    }

    /// Takes a network off the list, and forgets what its source has done.
    package mutating func unban(_ network: Network) {
        guard !network.isWide else {
            bannedNetworks[network] = nil
            return
        }
        let source = network.address.source
        banned[source] = nil
        if let place = sources.find(source) { forgive(place) }
        heldUntil[source] = nil
        if let place = residents.find(source) { residents[place].heldUntil = Milliseconds(0) }
    }

    /// Takes all sources off the list, and forgets what they have done; where phones are registered is
    /// known on.
    package mutating func unbanAll() {
        banned = [:]
        bannedNetworks = [:]
        heldUntil = [:]
        for place in 0..<sources.places { forgive(place) }
        for place in 0..<residents.places { residents[place].heldUntil = Milliseconds(0) }
    }

    private mutating func forgive(_ place: Int) {
        sources[place].counts = InlineArray(repeating: WindowCount())
    }

    /// Whether a source is banned now.
    package mutating func isBanned(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        if !banned.isEmpty, let until = banned[ip.source] {
            if until > now { return true }
            banned[ip.source] = nil
        }
        guard !bannedNetworks.isEmpty else { return false }
        // Roll-ups alone are wider than a source, and they are of these two widths.
        let network = Network.neighbourhood(of: ip)
        guard let until = bannedNetworks[network] else { return false }
        if until > now { return true }
        bannedNetworks[network] = nil
        return false
    }

    /// Whether a source is on the list, without taking ended bans off.
    func isListed(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        let network = Network.neighbourhood(of: ip)
        let until = [banned[ip.source], bannedNetworks[network]]
        return until.contains { $0.map { $0 > now } ?? false }
    }

    // MARK: Residents

    /// A phone is registered from a source until a moment; whether banner is to be told.
    mutating func reside(
        _ ip: IPAddress, until: Milliseconds, account: UInt64, _ now: Milliseconds
    ) -> Bool {
        let source = ip.source
        guard let place = residents.place(source, now) else { return false }
        if residents[place].announcedUntil.count == 0, let known = sources.find(source) {
            residents[place].whereabouts = sources[known].whereabouts
        }
        residents[place].until = max(residents[place].until, until)
        residents[place].accounts |= 1 << (account & 63)
        // Told in steps, so that a phone that refreshes every minute is not told every minute.
        guard residents[place].announcedUntil < until else { return false }
        residents[place].announcedUntil = until + Bounds.announcement
        return true
    }

    /// Whether a phone is registered from the source.
    func isResident(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        resident(ip.source, now) != nil
    }

    private func resident(_ source: IPAddress, _ now: Milliseconds) -> Int? {
        guard let place = residents.find(source), residents[place].until > now else { return nil }
        return place
    }

    /// Whether the ways of a source that no phone has registered by get no answer now.
    func isHeld(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        let source = ip.source
        if !heldUntil.isEmpty, let until = heldUntil[source], until > now { return true }
        return residents.find(source).map { residents[$0].heldUntil > now } ?? false
    }

    /// Gives the unregistered ways of a source that is never banned no answer until a moment.
    mutating func hold(_ ip: IPAddress, until: Milliseconds, _ now: Milliseconds) {
        let source = ip.source
        if let place = residents.find(source) {
            residents[place].heldUntil = until
        } else {
            heldUntil = heldUntil.filter { $0.value > now }
            heldUntil[source] = until
        }
    }

    // MARK: Countries

    /// Where a source is; nil when it is not remembered.
    func whereabouts(of ip: IPAddress) -> Whereabouts? {
        let source = ip.source
        if let place = residents.find(source) { return residents[place].whereabouts }
        return sources.find(source).map { sources[$0].whereabouts }
    }

    /// Notes that banner is asked where a source is; false when it has been asked or nothing is kept of the source.
    mutating func ask(_ ip: IPAddress) -> Bool {
        guard var whereabouts = whereabouts(of: ip), !whereabouts.isAsked else { return false }
        whereabouts.isAsked = true
        setWhereabouts(of: ip, whereabouts)
        return true
    }

    /// Keeps where a source is, as far as anything is kept of it.
    mutating func setWhereabouts(of ip: IPAddress, _ whereabouts: Whereabouts) {
        let source = ip.source
        if let place = residents.find(source) { residents[place].whereabouts = whereabouts }
        if let place = sources.find(source) { sources[place].whereabouts = whereabouts }
    }

    // MARK: Offences

    /// What an offence leads to.
    enum Verdict: Equatable {
        /// It was counted, or had been.
        case counted
        /// The limit is reached, so many within its window.
        case reached(UInt32)
    }

    /// Counts an offence that a source has proven to be its own.
    ///
    /// The limit grows with the accounts that have authenticated from there: an office behind one address
    /// makes more mistakes than one phone.
    mutating func offence(
        _ detector: Detector, _ ip: IPAddress, _ limit: Limit, mark: UInt64?, _ now: Milliseconds
    ) -> Verdict {
        let place = sources.place(ip.source, now)
        let count = sources.count(place, detector, window: limit.window, mark: mark, now)
        let accounts = UInt32(accounts(of: ip))
        let patience = detector == .honeyAccount ? 0 : accounts * Self.patience
        guard count >= limit.count + patience else { return .counted }
        sources[place].counts[Int(detector.rawValue)] = WindowCount()
        return .reached(count)
    }

    /// How many offences more a source may make for each good account behind it.
    private static let patience: UInt32 = 5

    /// Whether an account has authenticated from a source.
    func hasAuthenticated(_ ip: IPAddress) -> Bool { accounts(of: ip) > 0 }

    /// How many accounts have authenticated from a source, as far as 64 bits tell.
    func accounts(of ip: IPAddress) -> Int {
        let source = ip.source
        let resident = residents.find(source).map { residents[$0].accounts } ?? 0
        let other = sources.find(source).map { sources[$0].accounts } ?? 0
        return (resident | other).nonzeroBitCount
    }

    /// A good password came from a source: calls that had to be challenged were a phone's own.
    mutating func absolve(_ ip: IPAddress, _ account: UInt64, _ now: Milliseconds) {
        let source = ip.source
        let place: Int
        if let resident = resident(source, now) {
            residents[resident].accounts |= 1 << (account & 63)
            // Only the guilty need a place among the sources beside.
            guard let known = sources.find(source) else { return }
            place = known
        } else {
            place = sources.place(source, now)
            sources[place].accounts |= 1 << (account & 63)
        }
        for detector in [Detector.strangerCalls, .numbersSwept, .flood, .nonceReplay] {
            sources[place].counts[Int(detector.rawValue)].count = 0
        }
    }

    // MARK: One account from one source

    /// Counts a wrong password of an account from a resident source; true when the two are held from now.
    mutating func pairFailed(
        _ ip: IPAddress, _ account: UInt64, _ limit: Limit, hold: Milliseconds, _ now: Milliseconds
    ) -> Bool {
        pairs.failed(Self.pair(ip, account), limit, hold: hold, now)
    }

    /// Whether an account's passwords from a source are not looked at now.
    func isPairHeld(_ ip: IPAddress, _ account: UInt64, _ now: Milliseconds) -> Bool {
        pairs.isHeld(Self.pair(ip, account), now)
    }

    private static func pair(_ ip: IPAddress, _ account: UInt64) -> UInt64 {
        ip.source.keyedHash ^ account &* 0x9E37_79B9_7F4A_7C15
    }

    // MARK: What proves nothing

    /// Whether an answer to somebody who has proven nothing may be long: to a stranger only at a rate.
    func mayBeLong(
        _ ip: IPAddress, isTrunk: Bool, _ rates: AnswerRates, _ now: Milliseconds
    ) -> Bool {
        isTrunk || isResident(ip, now)
            || budgets.hasLong(ip.source.keyedHash, rates.long, now)
    }

    /// Takes an answer to somebody who has proven nothing; false when there is none left for him.
    ///
    /// Residents and trunks have budgets of their own, which strangers cannot empty; and so have the very ways that
    /// phones have registered by, which whoever forges other ports of their address does not touch. `way` is the keyed
    /// hash of such a way, nil for any other.
    mutating func maySpend(
        _ ip: IPAddress, way: UInt64?, isTrunk: Bool, isLong: Bool, _ rates: AnswerRates,
        _ now: Milliseconds
    ) -> Bool {
        if let way { return budgets.takeWay(way, rates, now) }
        let source = ip.source
        if isTrunk { return budgets.takeTrunk(source.keyedHash, rates, now) }
        if let place = resident(source, now) {
            return budgets.takeResident(&residents[place].part, rates, now)
        }
        return budgets.takeStranger(ip, source.keyedHash, isLong: isLong, rates, now)
    }
}

/// Wrong passwords by source and account, in a table of fixed size.
private struct PairTable: ~Copyable {
    private struct Pair {
        var key: UInt64 = 0
        var count: UInt32 = 0
        var since = Milliseconds(0)
        var heldUntil = Milliseconds(0)
    }

    private var pairs: [Pair]

    init(places: Int) { pairs = Array(repeating: Pair(), count: places) }

    private func first(_ key: UInt64) -> Int { Int(key & UInt64(pairs.count - 1)) & ~3 }

    func isHeld(_ key: UInt64, _ now: Milliseconds) -> Bool {
        let first = first(key)
        return (first..<first + 4).contains { pairs[$0].key == key && pairs[$0].heldUntil > now }
    }

    mutating func failed(
        _ key: UInt64, _ limit: Limit, hold: Milliseconds, _ now: Milliseconds
    ) -> Bool {
        let first = first(key)
        var place = first
        for candidate in first..<first + 4 {
            if pairs[candidate].key == key {
                place = candidate
                break
            }
            if pairs[candidate].since < pairs[place].since { place = candidate }
        }
        if pairs[place].key != key || now - pairs[place].since > limit.window {
            pairs[place] = Pair(key: key, count: 0, since: now)
        }
        pairs[place].count += 1
        guard pairs[place].count >= limit.count else { return false }
        pairs[place] = Pair(key: key, count: 0, since: now, heldUntil: now + hold)
        return true
    }
}
