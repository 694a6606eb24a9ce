package import Messages
package import ProxyBench
package import Sys

/// Where phones are registered, and in which country a source is.
extension Admission {
    /// A phone of an account is registered from a source until a moment of the monotonic clock: it is a resident until
    /// then, and banner hears of it.
    ///
    /// `account` is the keyed hash of the account's name.
    package mutating func reside(
        _ ip: IPAddress, until: Milliseconds, account: UInt64, _ bench: inout Bench
    ) {
        let now = bench.now.monotonic
        guards.succeeded(account, ip, now)
        guard sources.reside(ip, until: until, account: account, now) else { return }
        _ = sources.ask(ip)
        let announced = until + Bounds.announcement - now + bench.now.sinceEpoch
        bench.effects.toBanner.append(.protect(ip, until: announced))
        bench.effects.toBanner.append(.locate(ip))
    }

    // MARK: Countries

    /// The country of a source, unknown while banner has not said it; nil when nothing is kept of the source.
    package func country(of ip: IPAddress) -> Country? { sources.whereabouts(of: ip)?.country }

    /// Asks banner where a source is, unless it has been asked.
    package mutating func askWhere(_ ip: IPAddress, _ bench: inout Bench) {
        if sources.ask(ip) { bench.effects.toBanner.append(.locate(ip)) }
    }

    /// Whether nobody has said yet in which country a source is.
    package func isUnlocated(_ ip: IPAddress) -> Bool {
        guard let whereabouts = sources.whereabouts(of: ip) else { return false }
        return whereabouts.isAsked && !whereabouts.isLocated
    }

    // MARK: A banner that was started anew

    /// banner has been started anew: where phones are registered is announced to it again.
    package mutating func bannerLinked(_ bench: inout Bench) {
        announced = 0
        nextAnnouncement = bench.now.monotonic
        announceResidents(&bench)
    }

    /// How many residents are announced at once; the link to banner has room for some hundred thousand.
    private static let announcedAtOnce = 16_384

    /// Announces to banner the residents that it has not heard of yet, some at a time.
    package mutating func announceResidents(_ bench: inout Bench) {
        let now = bench.now.monotonic
        guard announced < sources.residents.places, now >= nextAnnouncement else { return }
        nextAnnouncement = now + Milliseconds(100)
        let places =
            announced..<min(announced + Self.announcedAtOnce, sources.residents.places)
        announced = places.upperBound
        for place in places where sources.residents[place].until > now {
            let resident = sources.residents[place]
            let until = bench.now.sinceEpoch + (resident.announcedUntil - now)
            bench.effects.toBanner.append(.protect(resident.address, until: until))
        }
    }
}
