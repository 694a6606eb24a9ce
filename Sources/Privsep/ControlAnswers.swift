package import Messages
package import Reactor
package import Sys

/// The answers a child is writing to callers of the control socket.
///
/// A caller that reads slowly costs memory, at most 64 MiB each and 16 of them, never the loop.
package struct ControlAnswers: ~Copyable {
    private var slots: [Link?] = Array(repeating: nil, count: 16)
    private let kind: UInt8

    /// No answers; their descriptors are watched with tokens of `kind`.
    package init(tokenKind kind: UInt8) { self.kind = kind }

    /// Sends the rows and the end of the answer; what the caller does not take now waits.
    package mutating func answer(
        _ rows: some Sequence<ControlReply>, to caller: Descriptor, _ poller: borrowing Poller
    ) {
        let link = Link(caller, queueLimit: 64 << 20)
        // A hundred rows a frame: 100,000 of them are asked for by people who wait.
        var parcel = Parcel()
        for row in rows {
            let frame = row.encoded()
            if parcel.add(frame.span) { continue }
            _ = link.send(parcel.frame)
            parcel.removeAll()
            if !parcel.add(frame.span) { _ = link.send(frame) }
        }
        if !parcel.isEmpty { _ = link.send(parcel.frame) }
        guard link.isWaiting, let slot = slots.firstIndex(where: { $0 == nil }) else { return }
        let token = Token(kind: kind, index: UInt32(slot))
        guard (try? poller.add(caller.raw, token, .write)) != nil else { return }
        slots[slot] = link
    }

    /// Goes on with the answer whose descriptor has become writable.
    package mutating func flush(_ token: Token) {
        let slot = Int(token.index)
        guard slot < slots.count, let link = slots[slot] else { return }
        if !link.flush() || !link.isWaiting { slots[slot] = nil }
    }
}
