internal import Messages
internal import Sys

/// How many of something there were since a moment.
struct WindowCount: Sendable {
    /// How many.
    var count: UInt32 = 0
    /// Since when, in seconds of the monotonic clock.
    var since: UInt32 = 0
}

/// What is remembered of a source that has proven its address: an IPv4 address, or an IPv6 /64.
struct Source: Sendable {
    /// The address, or the first of the /64.
    var address = IPAddress(high: 0, low: 0)
    /// When it was first seen, on the monotonic clock.
    var firstSeen = Milliseconds(0)
    /// When it was last seen.
    var lastSeen = Milliseconds(0)
    /// One bit of 64 for each account that has authenticated from there.
    var accounts: UInt64 = 0
    /// One bit for each name that failed.
    var names: UInt64 = 0
    /// One bit for each number that was called without a password.
    var numbers: UInt64 = 0
    /// What each detector has counted.
    var counts = InlineArray<16, WindowCount>(repeating: WindowCount())
    /// Where it is.
    var whereabouts = Whereabouts()
}

/// The sources that have proven their address, in a table of fixed size.
///
/// Nothing that can be forged makes an entry, so a flood with forged senders displaces nobody. Of the
/// four places that a source may take, that of the longest silent goes first.
struct SourceTable: ~Copyable {
    private var sources: [Source]

    /// A table of so many places, a power of two of at least 4.
    init(places: Int) { sources = Array(repeating: Source(), count: places) }

    /// How many places there are.
    var places: Int { sources.count }

    /// An entry by its place.
    subscript(place: Int) -> Source {
        _read { yield sources[place] }
        _modify { yield &sources[place] }
    }

    private func first(_ source: IPAddress) -> Int {
        Int(source.keyedHash & UInt64(sources.count - 1)) & ~3
    }

    /// The place of a source, or nil when it is not remembered.
    func find(_ source: IPAddress) -> Int? {
        let first = first(source)
        return (first..<first + 4).first { sources[$0].address == source }
    }

    /// The place of a source, taken now if need be.
    mutating func place(_ source: IPAddress, _ now: Milliseconds) -> Int {
        let first = first(source)
        var victim = first
        for place in first..<first + 4 {
            if sources[place].address == source {
                sources[place].lastSeen = now
                return place
            }
            if sources[place].lastSeen < sources[victim].lastSeen { victim = place }
        }
        sources[victim] = Source()
        sources[victim].address = source
        sources[victim].firstSeen = now
        sources[victim].lastSeen = now
        return victim
    }

    /// Forgets what a source has done.
    mutating func forgive(_ place: Int) {
        sources[place].counts = InlineArray(repeating: WindowCount())
    }

    /// Counts one more of something; the count within the limit's window.
    ///
    /// With a `mark` (a keyed hash) it counts only what was not counted in the window before: 64 bits
    /// hold which, so two things may rarely pass for one.
    mutating func count(
        _ place: Int, _ detector: Detector, window: Milliseconds, mark: UInt64?, _ now: Milliseconds
    ) -> UInt32 {
        let slot = Int(detector.rawValue)
        let second = UInt32(truncatingIfNeeded: now.seconds)
        let entry = sources[place].counts[slot]
        if entry.count == 0 || Int64(second &- entry.since) >= window.seconds {
            sources[place].counts[slot] = WindowCount(count: 0, since: second)
            if detector == .namesSwept { sources[place].names = 0 }
            if detector == .numbersSwept { sources[place].numbers = 0 }
        }
        if let mark {
            let bit: UInt64 = 1 << (mark & 63)
            if detector == .namesSwept {
                guard sources[place].names & bit == 0 else { return 0 }
                sources[place].names |= bit
            } else {
                guard sources[place].numbers & bit == 0 else { return 0 }
                sources[place].numbers |= bit
            }
        }
        sources[place].counts[slot].count &+= 1
        return sources[place].counts[slot].count
    }
}
