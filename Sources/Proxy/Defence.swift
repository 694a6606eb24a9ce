package import Sys

/// Counts proven offences by source, and holds the router's own list of banned sources.
///
/// IPv6 sources count by their /64, which is what one customer has.
package struct Defence: ~Copyable {
    private static let places = 16_384

    private struct Count {
        var source = IPAddress(high: 0, low: 0)
        var began = Milliseconds(0)
        var count: UInt32 = 0
    }

    private var counts = [Count](repeating: Count(), count: Self.places)
    private var banned: [IPAddress: Milliseconds] = [:]

    /// Nobody is banned.
    package init() {}

    /// What a source counts as: itself, or its /64.
    package static func source(_ ip: IPAddress) -> IPAddress {
        ip.isV4 ? ip : IPAddress(high: ip.high, low: 0)
    }

    /// Counts an offence and returns how many there were within the window.
    ///
    /// A place of the table that another source holds is taken over: an attacker who wants his own count
    /// forgotten needs thousands of proven addresses for it.
    package mutating func strike(_ ip: IPAddress, _ now: Milliseconds, window: Milliseconds)
        -> UInt32
    {
        let source = Self.source(ip)
        var hasher = Hasher()
        hasher.combine(source)
        let place = Int(UInt(bitPattern: hasher.finalize()) % UInt(Self.places))
        if counts[place].source != source || now - counts[place].began > window {
            counts[place] = Count(source: source, began: now, count: 0)
        }
        counts[place].count += 1
        return counts[place].count
    }

    /// Puts a source on the list until a moment of the monotonic clock.
    package mutating func ban(_ ip: IPAddress, until: Milliseconds) {
        banned[Self.source(ip)] = until
    }

    /// Takes a source off the list, and forgets its offences.
    package mutating func unban(_ ip: IPAddress) {
        banned[Self.source(ip)] = nil
        for place in counts.indices where counts[place].source == Self.source(ip) {
            counts[place].count = 0
        }
    }

    /// Takes all sources off the list.
    package mutating func unbanAll() {
        banned = [:]
        for place in counts.indices { counts[place].count = 0 }
    }

    /// Whether a source is banned now.
    package mutating func isBanned(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        guard !banned.isEmpty, let until = banned[Self.source(ip)] else { return false }
        if until > now { return true }
        banned[Self.source(ip)] = nil
        return false
    }
}
