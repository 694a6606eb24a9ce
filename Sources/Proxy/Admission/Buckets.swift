internal import Sys

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
