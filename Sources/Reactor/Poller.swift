internal import CLinux
package import Sys

/// What a descriptor is to its process, packed into the 64 bits that epoll hands back.
///
/// A stale event of a closed descriptor is recognised by its generation.
package struct Token: Hashable, Sendable {
    /// The packed value: kind (8 bits), generation (24), index (32).
    package let raw: UInt64

    /// The token of a kind, an index in that kind's table, and the slot's generation.
    @inlinable
    package init(kind: UInt8, index: UInt32 = 0, generation: UInt32 = 0) {
        raw = UInt64(kind) << 56 | UInt64(generation & 0xFF_FFFF) << 32 | UInt64(index)
    }

    /// The token that was packed.
    @inlinable
    package init(raw: UInt64) { self.raw = raw }

    /// Which table the index is of.
    @inlinable
    package var kind: UInt8 { UInt8(truncatingIfNeeded: raw >> 56) }

    /// The slot in that table.
    @inlinable
    package var index: UInt32 { UInt32(truncatingIfNeeded: raw) }

    /// The slot's generation, 24 bits.
    @inlinable
    package var generation: UInt32 { UInt32(truncatingIfNeeded: raw >> 32) & 0xFF_FFFF }
}

/// What to wait for on a descriptor.
package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Something to read, or the other end has closed.
    package static let read = Interest(rawValue: 1)
    /// Room to write.
    package static let write = Interest(rawValue: 2)
}

/// One ready descriptor.
package struct Event: Sendable {
    /// What the descriptor was added with.
    package let token: Token
    /// Readable, or hung up, or failed: a read tells.
    package let readable: Bool
    /// Writable.
    package let writable: Bool
    /// Failed, or closed on both sides; reported also where nothing is waited for.
    package let hungUp: Bool
}

/// epoll, level-triggered, with its buffer of events allocated once.
@safe
package struct Poller: ~Copyable {
    private let descriptor: Descriptor
    private var events: [epoll_event]

    /// An empty poller that reports up to `capacity` events a wait.
    package init(capacity: Int = 64) throws(SystemError) {
        let raw = try SystemError.check(epoll_create1(Int32(EPOLL_CLOEXEC)), "epoll_create1")
        descriptor = Descriptor(owning: raw)
        unsafe events = [epoll_event](repeating: epoll_event(), count: capacity)
    }

    /// Watches a descriptor.
    package func add(_ raw: Int32, _ token: Token, _ interest: Interest) throws(SystemError) {
        try control(EPOLL_CTL_ADD, raw, token, interest)
    }

    /// Changes what a watched descriptor is watched for.
    package func modify(_ raw: Int32, _ token: Token, _ interest: Interest) throws(SystemError) {
        try control(EPOLL_CTL_MOD, raw, token, interest)
    }

    /// Watches a descriptor no more; one that was closed has left by itself.
    package func remove(_ raw: Int32) {
        _ = epoll_ctl(descriptor.raw, EPOLL_CTL_DEL, raw, nil)
    }

    private func control(
        _ operation: Int32, _ raw: Int32, _ token: Token, _ interest: Interest
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        var flags: UInt32 = 0
        if interest.contains(.read) { flags |= EPOLLIN.rawValue }
        if interest.contains(.write) { flags |= EPOLLOUT.rawValue }
        unsafe event.events = flags
        unsafe event.data.u64 = token.raw
        guard unsafe epoll_ctl(descriptor.raw, operation, raw, &event) == 0 else {
            throw SystemError("epoll_ctl", code: clinux_errno())
        }
    }

    /// Waits for at most `timeout` (nil: for ever) and returns how many events came.
    package mutating func wait(_ timeout: Milliseconds?) -> Int {
        let limit = timeout.map { Int32(clamping: max($0.count, 0)) } ?? -1
        // In bounds: the array's own storage and length.
        let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
            unsafe epoll_wait(descriptor.raw, buffer.baseAddress, Int32(buffer.count), limit)
        }
        return max(Int(count), 0)
    }

    /// Event `index` of the last wait.
    package func event(_ index: Int) -> Event {
        let event = unsafe events[index]
        let flags = unsafe event.events
        let ended = EPOLLERR.rawValue | EPOLLHUP.rawValue | EPOLLRDHUP.rawValue
        return Event(
            token: unsafe Token(raw: event.data.u64),
            readable: flags & (EPOLLIN.rawValue | ended) != 0,
            writable: flags & EPOLLOUT.rawValue != 0,
            hungUp: flags & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
    }
}
