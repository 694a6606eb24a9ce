internal import CLinux

/// A span of time, or a moment of the monotonic clock, in milliseconds.
package struct Milliseconds: BitwiseCopyable, Comparable, Hashable, Sendable {
    /// The count of milliseconds.
    package var count: Int64

    /// A span or moment of so many milliseconds.
    @inlinable
    package init(_ count: Int64) { self.count = count }

    /// A span of so many seconds.
    @inlinable
    package static func seconds(_ count: Int64) -> Milliseconds { Milliseconds(count * 1000) }

    /// Whole seconds, rounded down.
    @inlinable
    package var seconds: Int64 { count / 1000 }

    @inlinable
    package static func < (a: Milliseconds, b: Milliseconds) -> Bool { a.count < b.count }

    @inlinable
    package static func + (a: Milliseconds, b: Milliseconds) -> Milliseconds {
        Milliseconds(a.count &+ b.count)
    }

    @inlinable
    package static func - (a: Milliseconds, b: Milliseconds) -> Milliseconds {
        Milliseconds(a.count &- b.count)
    }
}

/// The two clocks, read once a turn of the loop.
package struct Now: Sendable {
    /// The clock that never jumps.
    package var monotonic: Milliseconds
    /// The time since 1970.
    package var sinceEpoch: Milliseconds
    /// The clock that never jumps, in microseconds: for what is measured, and by which nothing is judged.
    package var microseconds: Int64

    /// The clocks' values; without one of microseconds it is that of the milliseconds.
    @inlinable
    package init(monotonic: Milliseconds, sinceEpoch: Milliseconds, microseconds: Int64? = nil) {
        self.monotonic = monotonic
        self.sinceEpoch = sinceEpoch
        self.microseconds = microseconds ?? monotonic.count * 1000
    }
}

/// The kernel's clocks.
///
/// Cores never read them: the loop reads once a wake-up and passes the value in.
package enum Clock {
    /// The moment on the clock that never jumps (CLOCK_MONOTONIC).
    package static var monotonic: Milliseconds { Milliseconds(clinux_monotonic_ms()) }

    /// The same in microseconds.
    package static var microseconds: Int64 { clinux_monotonic_us() }

    /// The moment since 1970 (CLOCK_REALTIME).
    package static var sinceEpoch: Milliseconds { Milliseconds(clinux_realtime_ms()) }

    /// How far the local time is ahead of UTC now; the time zone is read at the first call and kept.
    package static var utcOffset: Milliseconds { .seconds(Int64(clinux_utc_offset())) }
}

/// The kernel's random bytes (getrandom(2)).
package enum Random {
    /// `count` bytes, unpredictable.
    package static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // In bounds: the array's own storage and length.
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe clinux_random(buffer.baseAddress, buffer.count)
        }
        precondition(result == 0, "getrandom failed: the kernel has no random source")
        return bytes
    }

    /// One unpredictable 64-bit number.
    package static var word: UInt64 {
        bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
