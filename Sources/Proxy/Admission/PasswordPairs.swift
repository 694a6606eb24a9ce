internal import Messages
internal import Sys

/// Wrong passwords by source and account, of sources that are never banned, and of others until their ban is decided, in
/// a table of fixed size.
struct PasswordPairs: ~Copyable {
    private struct Pair {
        var key: UInt64 = 0
        var source = IPAddress(high: 0, low: 0)
        var count: UInt32 = 0
        var since = Milliseconds(0)
        var heldUntil = Milliseconds(0)
    }

    private var pairs: [Pair]

    /// A table of so many places, a power of two of at least 4.
    init(places: Int) { pairs = Array(repeating: Pair(), count: places) }

    private func first(_ key: UInt64) -> Int { Int(key & UInt64(pairs.count - 1)) & ~3 }

    private static func key(_ ip: IPAddress, _ account: UInt64) -> UInt64 {
        ip.source.keyedHash ^ account &* 0x9E37_79B9_7F4A_7C15
    }

    /// Whether an account's passwords from a source are not looked at now.
    ///
    /// `account` is the keyed hash of its name.
    func isHeld(_ ip: IPAddress, _ account: UInt64, _ now: Milliseconds) -> Bool {
        let key = Self.key(ip, account)
        let first = first(key)
        return (first..<first + 4).contains { pairs[$0].key == key && pairs[$0].heldUntil > now }
    }

    /// The sources whose passwords for an account are not looked at now, at most so many: each place is looked at.
    func holds(of account: UInt64, most: Int, _ now: Milliseconds) -> [GuardRow.Hold] {
        var holds: [GuardRow.Hold] = []
        for pair in pairs where pair.heldUntil > now && holds.count < most {
            guard pair.key == Self.key(pair.source, account) else { continue }
            holds.append(GuardRow.Hold(source: pair.source, left: pair.heldUntil - now))
        }
        return holds
    }

    /// Forgets what was counted of an account from a source.
    mutating func forget(_ ip: IPAddress, _ account: UInt64) {
        let key = Self.key(ip, account)
        let first = first(key)
        for place in first..<first + 4 where pairs[place].key == key { pairs[place] = Pair() }
    }

    /// Counts a wrong password of an account from a source; true when the two are held from now.
    mutating func failed(
        _ ip: IPAddress, _ account: UInt64, _ limit: Limit, hold: Milliseconds, _ now: Milliseconds
    ) -> Bool {
        let key = Self.key(ip, account)
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
            pairs[place] = Pair(key: key, source: ip.source, count: 0, since: now)
        }
        pairs[place].count += 1
        guard pairs[place].count >= limit.count else { return false }
        pairs[place] = Pair(
            key: key, source: ip.source, count: 0, since: now, heldUntil: now + hold)
        return true
    }
}
