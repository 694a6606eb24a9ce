package import Sys

/// How often something may happen: once every `interval`, and `burst` times at once after a rest.
package struct Rate: Equatable, Sendable {
    /// In microseconds.
    var interval: Int64
    /// How many at once.
    var burst: Int64

    /// So many a second.
    package init(perSecond: UInt32, burst: UInt32) {
        interval = 1_000_000 / Int64(max(perSecond, 1))
        self.burst = Int64(burst)
    }

    /// Once every so many microseconds, at least 1, and what a second has at once.
    init(everyMicroseconds interval: Int64) {
        self.interval = max(interval, 1)
        burst = max(1_000_000 / self.interval, 1)
    }

    /// So many a minute, all of them at once after a rest.
    init(perMinute: UInt32) {
        interval = 60_000_000 / Int64(max(perMinute, 1))
        burst = Int64(perMinute)
    }

    /// Once in a span.
    package init(every span: Milliseconds, burst: UInt32) {
        interval = span.count * 1000
        self.burst = Int64(burst)
    }
}

/// A token bucket (the generic cell rate algorithm of ITU-T I.371).
struct TokenBucket: BitwiseCopyable, Sendable {
    /// When it will be full again, in microseconds of the monotonic clock.
    private(set) var full: Int64 = 0

    /// Takes a token; false when there are no more than are to be left.
    mutating func take(_ rate: Rate, leaving reserve: Int64 = 0, _ now: Milliseconds) -> Bool {
        guard has(rate, leaving: reserve, now) else { return false }
        full = max(full, now.count * 1000) + rate.interval
        return true
    }

    /// Whether there is a token beside those that are to be left.
    func has(_ rate: Rate, leaving reserve: Int64 = 0, _ now: Milliseconds) -> Bool {
        let next = max(full, now.count * 1000) + rate.interval
        return next - now.count * 1000 <= rate.interval * (rate.burst - reserve)
    }

    /// Gives a token back that was not needed after all.
    mutating func giveBack(_ rate: Rate) { full -= rate.interval }
}

/// Token buckets by key, in a table of fixed size.
///
/// A key may stand in one of four places. When all are taken, the bucket that is the nearest to full is
/// forgotten: a flood of new keys then forgets first those who have hardly used theirs.
struct Buckets: ~Copyable {
    private struct Bucket {
        var key: UInt64 = 0
        var tokens = TokenBucket()
    }

    private var buckets: [Bucket]

    /// Buckets for so many keys, a power of two of at least 4.
    init(places: Int) { buckets = Array(repeating: Bucket(), count: places) }

    private func first(_ key: UInt64) -> Int { Int(key & UInt64(buckets.count - 1)) & ~3 }

    /// Whether a key's bucket has a token.
    ///
    /// `key` is a keyed hash.
    func has(_ key: UInt64, _ rate: Rate, _ now: Milliseconds) -> Bool {
        let first = first(key)
        for place in first..<first + 4 where buckets[place].key == key {
            return buckets[place].tokens.has(rate, now)
        }
        return true
    }

    /// Takes a token of a key's bucket; false when there is none.
    ///
    /// `key` is a keyed hash.
    mutating func take(_ key: UInt64, _ rate: Rate, _ now: Milliseconds) -> Bool {
        let first = first(key)
        var place = first
        for candidate in first..<first + 4 {
            if buckets[candidate].key == key {
                place = candidate
                break
            }
            if buckets[candidate].tokens.full < buckets[place].tokens.full { place = candidate }
        }
        if buckets[place].key != key { buckets[place] = Bucket(key: key) }
        return buckets[place].tokens.take(rate, now)
    }

    /// Gives a token of a key's bucket back, unless that was forgotten meanwhile.
    mutating func giveBack(_ key: UInt64, _ rate: Rate) {
        let first = first(key)
        for place in first..<first + 4 where buckets[place].key == key {
            buckets[place].tokens.giveBack(rate)
        }
    }
}
