package import Messages
package import Sys

/// The messages that the core wants sent, until the loop takes them.
///
/// One arena and one list, both of fixed size; what does not fit is lost, as a datagram may be.
package struct Outbox: ~Copyable {
    private var bytes: ByteBuffer
    private var entries: [Entry] = []
    private let limit: Int
    /// How many messages wait at most.
    package static let mostMessages = 4096
    /// How many messages were lost for want of room.
    package private(set) var lost = 0

    private struct Entry {
        var flow: Flow
        var start: Int
        var length: Int
    }

    /// An empty outbox.
    package init(capacity: Int = 4 << 20, messages: Int = Outbox.mostMessages) {
        bytes = ByteBuffer(capacity: capacity)
        limit = messages
        entries.reserveCapacity(messages)
    }

    /// How many messages wait.
    package var count: Int { entries.count }

    /// Whether the loop should take what waits before more is received.
    package var isHalfFull: Bool {
        bytes.count * 2 > bytes.capacity || entries.count * 2 > limit
    }

    /// Adds the message that a buffer holds.
    package mutating func append(_ message: borrowing ByteBuffer, to flow: Flow) {
        append(message.span, to: flow)
    }

    /// Adds a stored message.
    package mutating func append(
        _ block: Block, of blocks: borrowing BlockStore, to flow: Flow
    ) {
        append(blocks.span(block), to: flow)
    }

    /// Adds a message.
    package mutating func append(_ message: Span<UInt8>, to flow: Flow) {
        let start = bytes.count
        guard entries.count < limit else {
            lost += 1
            return
        }
        bytes.append(message)
        guard !bytes.overflowed else {
            bytes.truncate(to: start)
            lost += 1
            return
        }
        entries.append(Entry(flow: flow, start: start, length: message.count))
    }

    /// Where message `index` goes.
    package func flow(_ index: Int) -> Flow { entries[index].flow }

    /// The bytes of message `index`.
    @_lifetime(borrow self)
    package func message(_ index: Int) -> Span<UInt8> {
        bytes.span(entries[index].start, entries[index].length)
    }

    /// Forgets all messages.
    package mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll()
    }
}
