/// How often something may happen: once every `interval`, and `burst` times at once after a rest.
package struct Rate: Equatable, Sendable {
    /// In microseconds.
    package var interval: Int64
    /// How many at once.
    package var burst: Int64

    /// So many a second.
    package init(perSecond: UInt32, burst: UInt32) {
        interval = 1_000_000 / Int64(max(perSecond, 1))
        self.burst = Int64(burst)
    }

    /// Once every so many microseconds, at least 1, and what a second has at once.
    package init(everyMicroseconds interval: Int64) {
        self.interval = max(interval, 1)
        burst = max(1_000_000 / self.interval, 1)
    }

    /// So many a minute, all of them at once after a rest.
    package init(perMinute: UInt32) {
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
package struct TokenBucket: BitwiseCopyable, Sendable {
    /// When it will be full again, in microseconds of the monotonic clock.
    @usableFromInline
    package internal(set) var full: Int64 = 0

    /// A full bucket.
    @inlinable
    package init() {}

    /// Takes a token; false when there are no more than are to be left.
    @inlinable
    package mutating func take(_ rate: Rate, leaving reserve: Int64 = 0, _ now: Milliseconds)
        -> Bool
    {
        guard has(rate, leaving: reserve, now) else { return false }
        full = max(full, now.count * 1000) + rate.interval
        return true
    }

    /// Whether there is a token beside those that are to be left.
    @inlinable
    package func has(_ rate: Rate, leaving reserve: Int64 = 0, _ now: Milliseconds) -> Bool {
        let next = max(full, now.count * 1000) + rate.interval
        return next - now.count * 1000 <= rate.interval * (rate.burst - reserve)
    }

    /// Gives a token back that was not needed after all.
    @inlinable
    package mutating func giveBack(_ rate: Rate) { full -= rate.interval }
}
