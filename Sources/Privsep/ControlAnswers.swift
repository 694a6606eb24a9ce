package import Messages
package import Reactor
package import Sys

/// The answers a child is writing to callers of the control socket.
///
/// Rows are made as the caller takes them, so that a long answer costs neither much memory nor the
/// loop's time, however slowly it is read. 16 callers are served at a time.
package struct ControlAnswers: ~Copyable {
    private final class Answer {
        let link: Link
        let rows: AnyIterator<ControlReply>
        /// A row that had no room in the last frame.
        var next: [UInt8]?
        var isOver = false

        init(_ caller: Descriptor, _ rows: AnyIterator<ControlReply>) {
            link = Link(caller)
            self.rows = rows
        }
    }

    private var slots: [Answer?] = Array(repeating: nil, count: 16)
    private let kind: UInt8

    /// How many frames of an answer one turn of the loop makes.
    private static let framesPerTurn = 16

    /// No answers; their descriptors are watched with tokens of `kind`.
    package init(tokenKind kind: UInt8) { self.kind = kind }

    /// Sends the rows and the end of the answer; what the caller does not take now waits.
    package mutating func answer(
        _ rows: some Sequence<ControlReply>, to caller: Descriptor, _ poller: borrowing Poller
    ) {
        let answer = Answer(caller, AnyIterator(rows.makeIterator()))
        guard !Self.goOn(answer), let slot = slots.firstIndex(where: { $0 == nil }) else { return }
        let token = Token(kind: kind, index: UInt32(slot))
        guard (try? poller.add(caller.raw, token, .write)) != nil else { return }
        slots[slot] = answer
    }

    /// Goes on with the answer whose descriptor has become writable.
    package mutating func flush(_ token: Token) {
        let slot = Int(token.index)
        guard slot < slots.count, let answer = slots[slot] else { return }
        if !answer.link.flush() || Self.goOn(answer) { slots[slot] = nil }
    }

    /// Sends a turn's share of an answer; true when it is over, or nobody is there to take it.
    private static func goOn(_ answer: Answer) -> Bool {
        for _ in 0..<framesPerTurn where !answer.link.isWaiting && !answer.isOver {
            if case .ended = answer.link.send(frame(of: answer)) { return true }
        }
        return answer.isOver && !answer.link.isWaiting
    }

    /// The next frame, with as many rows as it holds.
    private static func frame(of answer: Answer) -> [UInt8] {
        var parcel = Parcel()
        if let row = answer.next { _ = parcel.add(row.span) }
        answer.next = nil
        while let row = answer.rows.next() {
            let bytes = row.encoded()
            guard parcel.add(bytes.span) else {
                answer.next = bytes
                return parcel.frame
            }
        }
        answer.isOver = true
        return parcel.frame
    }
}
