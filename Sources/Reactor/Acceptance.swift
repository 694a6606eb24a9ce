package import Sys

/// The listening sockets of a process, which rest while it is short of descriptors.
///
/// A connection that cannot be accepted stays in the kernel's queue. So the poller would report its
/// listener again at once, for as long as the shortage lasts. And some descriptors are left to
/// everything else: a caller of the control socket, a new link, a file of a reload.
package struct Acceptance: ~Copyable {
    /// How many descriptors are usually left to everything else.
    package static let reserve: Int32 = 32
    /// How long listeners rest at most before another try.
    package static let rest = Milliseconds.seconds(1)
    /// How long there must have been enough for the shortage to count as over.
    package static let calm = Milliseconds.seconds(10)

    /// What is to be told of a shortage.
    package enum News: Equatable {
        /// It has begun; what is missing, and what to do about it.
        case begun(String)
        /// It is over.
        case over
    }

    private var listeners: [(raw: Int32, token: Token)] = []
    /// How many descriptors are left to everything else.
    package var kept: Int32
    private var restsUntil: Milliseconds?
    private var lastShortage: Milliseconds?
    private var news: News?

    /// No listeners yet; `reserve` descriptors are left to everything else.
    package init(reserve: Int32 = Acceptance.reserve) { kept = reserve }

    /// Whether descriptors lack, or did a moment ago.
    package var isShort: Bool { lastShortage != nil }

    /// Watches a listener from now on.
    package mutating func watch(
        _ raw: Int32, _ token: Token, _ poller: borrowing Poller
    ) throws(SystemError) {
        try poller.add(raw, token, .read)
        listeners.append((raw, token))
    }

    /// Takes what waits at a listener by `take`; nil when nothing does, or all of them begin to rest.
    package mutating func accept<Accepted>(
        _ raw: Int32, _ now: Milliseconds, _ poller: borrowing Poller,
        _ take: (Int32) throws(SystemError) -> Accepted?
    ) -> Accepted? {
        guard restsUntil == nil else { return nil }
        guard kept == 0 || Descriptor.areSpare(kept, beside: raw) else {
            begin(SystemError("accept", code: Errno.tooManyFiles), now, poller)
            return nil
        }
        do {
            return try take(raw)
        } catch {
            begin(error, now, poller)
            return nil
        }
    }

    private mutating func begin(
        _ error: SystemError, _ now: Milliseconds, _ poller: borrowing Poller
    ) {
        for listener in listeners { poller.remove(listener.raw) }
        restsUntil = now + Self.rest
        if lastShortage == nil { news = .begun(error.withRemedy) }
        lastShortage = now
    }

    /// A descriptor has been closed: the listeners go on when there is room for a connection.
    package mutating func freed(_ now: Milliseconds, _ poller: borrowing Poller) {
        guard restsUntil != nil, let first = listeners.first,
            kept == 0 || Descriptor.areSpare(kept, beside: first.raw)
        else { return }
        restsUntil = nil
        for listener in listeners {
            guard (try? poller.add(listener.raw, listener.token, .read)) == nil else { continue }
            // A connection that cannot be watched tells of the same want of memory as one that
            // cannot be accepted.
            for other in listeners { poller.remove(other.raw) }
            restsUntil = now + Self.rest
            return
        }
    }

    /// Time has passed: the listeners go on after their rest, when there is room.
    package mutating func tick(_ now: Milliseconds, _ poller: borrowing Poller) {
        if let until = restsUntil, until <= now {
            restsUntil = now + Self.rest
            lastShortage = now
            freed(now, poller)
        }
        guard let last = lastShortage, now - last >= Self.calm, restsUntil == nil else { return }
        lastShortage = nil
        news = .over
    }

    /// When `tick` is due next; nil while there is no shortage.
    package var due: Milliseconds? {
        restsUntil ?? lastShortage.map { $0 + Self.calm }
    }

    /// The news that has not been reported yet; each is returned once.
    package mutating func dequeueNews() -> News? {
        defer { news = nil }
        return news
    }
}

extension SystemError {
    /// The kernel's words for the reason, and what to do about a want of descriptors, processes or memory.
    package var withRemedy: String { remedy.map { "\(self); \($0)" } ?? description }

    private var remedy: String? {
        switch code {
        case Errno.tooManyFiles: "raise LimitNOFILE= (systemctl edit rempart) and restart"
        case Errno.tooManyFilesInAll: "raise fs.file-max (sysctl)"
        case Errno.noProcess: "raise TasksMax= (systemctl edit rempart) and restart"
        case Errno.noMemory, Errno.noBuffers: "see what uses up the machine's memory"
        default: nil
        }
    }
}
