package import Sys

/// A set timer; stale once it has fired or was cancelled.
package struct TimerHandle: BitwiseCopyable, Equatable, Sendable {
    fileprivate var index: Int32
    fileprivate var generation: UInt32

    /// No timer.
    package static let none = TimerHandle(index: -1, generation: 0)
}

/// All timers of a process, in one hashed wheel: setting and cancelling are O(1).
///
/// Its memory grows with the most timers that were ever set at a time, up to a bound.
///
/// A tick is 16 ms and a turn 65 s; a timer that is further off stays in its slot for several turns.
package struct TimerWheel: ~Copyable {
    fileprivate static let slots = 4096
    private static let tick: Int64 = 16
    /// In ticks: what a comparison of the lower halves can tell apart.
    private static let longest: Int64 = 1 << 31 - 1

    // Not private: other modules destroy a wheel, and the compiler (6.3) needs the type's descriptor there.
    struct Entry: BitwiseCopyable {
        var payload: UInt64 = 0
        /// The tick, but for its upper half: no timer is set for longer than a year.
        var due: UInt32 = 0
        var next: Int32 = -1
        var previous: Int32 = -1
        var generation: UInt32 = 0

        var slot: Int { Int(due & UInt32(TimerWheel.slots - 1)) }
    }

    private var entries: ReservedArray<Entry>
    private var heads: [Int32]
    private var free: Int32 = -1
    private var current: Int64
    /// How many timers are set.
    package private(set) var count = 0

    /// A wheel with room for so many timers, beginning at a moment.
    package init(capacity: Int, now: Milliseconds) {
        entries = ReservedArray(capacity: capacity)
        heads = Array(repeating: -1, count: Self.slots)
        current = now.count / Self.tick
    }

    /// Sets a timer that hands back `payload` at a moment; `none` when there is no room.
    package mutating func set(_ payload: UInt64, at due: Milliseconds) -> TimerHandle {
        if free < 0 {
            guard entries.append(Entry()) else { return .none }
            free = Int32(entries.count - 1)
        }
        let index = free
        let position = Int(index)
        free = entries[position].next
        // At the earliest with the next tick, so that a timer set in a timer's turn ends that turn.
        let latest = current + Self.longest
        let tick = min(max((due.count + Self.tick - 1) / Self.tick, current + 1), latest)
        entries[position].payload = payload
        entries[position].due = UInt32(truncatingIfNeeded: tick)
        let slot = entries[position].slot
        let head = heads[slot]
        entries[position].previous = -1
        entries[position].next = head
        if head >= 0 { entries[Int(head)].previous = index }
        heads[slot] = index
        count += 1
        return TimerHandle(index: index, generation: entries[position].generation)
    }

    /// Cancels a timer; nothing when it has fired already.
    package mutating func cancel(_ handle: inout TimerHandle) {
        let index = handle.index
        guard index >= 0 else { return }
        if entries[Int(index)].generation == handle.generation { remove(index) }
        handle = .none
    }

    private mutating func remove(_ index: Int32) {
        let entry = entries[Int(index)]
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            heads[entry.slot] = entry.next
        }
        if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous }
        entries[Int(index)].generation &+= 1
        entries[Int(index)].next = free
        free = index
        count -= 1
    }

    /// The payload of one timer that is due at `now`, which is then gone; nil when none is due.
    ///
    /// Called until nil; each call goes on where the last one stopped.
    package mutating func next(_ now: Milliseconds) -> UInt64? {
        let target = now.count / Self.tick
        while current <= target {
            var index = heads[Int(current & Int64(Self.slots - 1))]
            while index >= 0 {
                let entry = entries[Int(index)]
                let isDue = Int32(bitPattern: entry.due &- UInt32(truncatingIfNeeded: current)) <= 0
                if isDue {
                    remove(index)
                    return entry.payload
                }
                index = entry.next
            }
            guard current < target else { return nil }
            current += 1
        }
        return nil
    }

    /// How long a loop may sleep: to the end of this tick while timers are set, else `nil`.
    package var patience: Milliseconds? { count == 0 ? nil : Milliseconds(Self.tick) }
}
