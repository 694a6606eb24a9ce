internal import Sys

/// Guards each account against guesses that come from many sources, without ever locking its owner out.
///
/// Names that do not exist are counted like those that do: nothing here tells an attacker which are.
struct AccountGuards: ~Copyable {
    /// How many wrong passwords from strangers, in which time, put an account under guard.
    static let limits: [(count: UInt32, window: Milliseconds)] = [
        (20, .seconds(3600)), (60, .seconds(86_400)), (200, .seconds(604_800)),
    ]
    /// How long a source stays known to an account after a good password.
    private static let memory = Milliseconds.seconds(30 * 86_400)
    /// How often a stranger's password is looked at while an account is under guard.
    private static let strangerRate = Rate(every: .seconds(30), burst: 1)

    private struct Known {
        var source: UInt64 = 0
        var seen = Milliseconds(0)
    }

    private struct Guard {
        var key: UInt64 = 0
        var touched = Milliseconds(0)
        var counts = InlineArray<3, WindowCount>(repeating: WindowCount())
        var known = InlineArray<8, Known>(repeating: Known())
    }

    private var guards: [Guard]
    private var strangers = Buckets(places: 4096)

    /// Guards for so many accounts, a power of two of at least 4.
    init(places: Int) { guards = Array(repeating: Guard(), count: places) }

    private func find(_ key: UInt64) -> Int? {
        let first = Int(key & UInt64(guards.count - 1)) & ~3
        return (first..<first + 4).first { guards[$0].key == key }
    }

    private mutating func place(_ key: UInt64, _ now: Milliseconds) -> Int {
        let first = Int(key & UInt64(guards.count - 1)) & ~3
        var victim = first
        for place in first..<first + 4 {
            if guards[place].key == key {
                guards[place].touched = now
                return place
            }
            if guards[place].touched < guards[victim].touched { victim = place }
        }
        guards[victim] = Guard(key: key, touched: now)
        return victim
    }

    /// What a source counts as here: its /24, or its /48.
    ///
    /// Phones change address within one more often than an attacker finds himself in it.
    static func neighbourhood(_ ip: IPAddress) -> UInt64 {
        Network.neighbourhood(of: ip).address.keyedHash
    }

    private func isKnown(_ place: Int, _ source: UInt64, _ now: Milliseconds) -> Bool {
        for index in 0..<8 where guards[place].known[index].source == source {
            return now - guards[place].known[index].seen < Self.memory
        }
        return false
    }

    private func isGuarded(_ place: Int, _ now: Milliseconds) -> Bool {
        let second = UInt32(truncatingIfNeeded: now.seconds)
        for (index, limit) in Self.limits.enumerated() {
            let count = guards[place].counts[index]
            let age = Int64(second &- count.since)
            if count.count >= limit.count, age < limit.window.seconds { return true }
        }
        return false
    }

    /// Takes a look at a password for an account; false only when the account is under guard, and the source is a
    /// stranger to it.
    ///
    /// `key` is a keyed hash of the name.
    mutating func takeLook(_ key: UInt64, _ ip: IPAddress, _ now: Milliseconds) -> Bool {
        isOpen(key, ip, now) || strangers.take(key, Self.strangerRate, now)
    }

    /// Whether passwords for an account from a source are looked at as they come.
    func isOpen(_ key: UInt64, _ ip: IPAddress, _ now: Milliseconds) -> Bool {
        guard let place = find(key), isGuarded(place, now) else { return true }
        return isKnown(place, Self.neighbourhood(ip), now)
    }

    /// Counts a wrong password; true when it puts the account under guard.
    mutating func failed(_ key: UInt64, _ ip: IPAddress, _ now: Milliseconds) -> Bool {
        let place = place(key, now)
        guard !isKnown(place, Self.neighbourhood(ip), now) else { return false }
        let wasGuarded = isGuarded(place, now)
        let second = UInt32(truncatingIfNeeded: now.seconds)
        for (index, limit) in Self.limits.enumerated() {
            let since = guards[place].counts[index].since
            if Int64(second &- since) >= limit.window.seconds {
                guards[place].counts[index] = WindowCount(count: 0, since: second)
            }
            guards[place].counts[index].count &+= 1
        }
        return !wasGuarded && isGuarded(place, now)
    }

    /// Remembers where a good password came from.
    mutating func succeeded(_ key: UInt64, _ ip: IPAddress, _ now: Milliseconds) {
        let place = place(key, now)
        let source = Self.neighbourhood(ip)
        var chosen = 0
        for index in 0..<8 {
            if guards[place].known[index].source == source {
                chosen = index
                break
            }
            if guards[place].known[index].seen < guards[place].known[chosen].seen {
                chosen = index
            }
        }
        guards[place].known[chosen] = Known(source: source, seen: now)
    }

    /// Whether an account is under guard.
    func isGuarded(_ key: UInt64, _ now: Milliseconds) -> Bool {
        find(key).map { isGuarded($0, now) } ?? false
    }
}
