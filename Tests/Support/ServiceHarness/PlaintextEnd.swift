package import Messages
internal import Reactor
package import Sys

/// A message between sip-router and tls-terminator, with its payload.
package struct PlaintextMessage: Equatable {
    package let kind: PlaintextKind
    package let connection: UInt64
    package let payload: [UInt8]

    package init(kind: PlaintextKind, connection: UInt64, payload: [UInt8]) {
        (self.kind, self.connection, self.payload) = (kind, connection, payload)
    }

    /// The payload as text.
    package var text: String { String(decoding: payload, as: UTF8.self) }
}

/// One end of the link between sip-router and tls-terminator, in the hands of a test.
package final class PlaintextEnd {
    private let link: Link
    /// What came and was not asked for yet.
    private var messages: [PlaintextMessage] = []

    /// An end whose hello is already under way, and the other end.
    package static func make(hello: Bool = true) throws -> (PlaintextEnd, Descriptor) {
        let (ours, theirs) = try Socket.seqpacketPair()
        let end = PlaintextEnd(Link(ours))
        if hello { end.send(.hello, 0, [messagesVersion]) }
        return (end, theirs)
    }

    private init(_ link: Link) { self.link = link }

    package func send(_ kind: PlaintextKind, _ connection: UInt64, _ payload: [UInt8] = []) {
        var frame = [UInt8](repeating: 0, count: PlaintextHeader.length) + payload
        PlaintextHeader(kind, connection: connection, payload: payload.count).write(into: &frame)
        _ = link.send(frame)
    }

    package func sendRaw(_ bytes: [UInt8]) { _ = link.send(bytes) }

    /// The next message, nil when there is none or the link is at its end.
    package func next() -> PlaintextMessage? {
        hasMore ? messages.removeFirst() : nil
    }

    /// Whether there is a message that was not asked for yet.
    package var hasMore: Bool {
        if messages.isEmpty { messages = parcel() }
        return !messages.isEmpty
    }

    /// The messages of the next frame.
    package func parcel() -> [PlaintextMessage] {
        _ = link.flush()
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        guard case .frame(let length, _)? = try? link.receive(into: &buffer) else { return [] }
        var messages: [PlaintextMessage] = []
        try? PlaintextParcel.forEach(in: buffer.span.extracting(0..<length)) { head, payload in
            messages.append(
                PlaintextMessage(
                    kind: head.kind, connection: head.connection,
                    payload: payload.indices.map { payload[$0] }))
        }
        return messages
    }

    /// The message that a connection is over.
    package static func closed(_ handle: ConnectionHandle) -> PlaintextMessage {
        PlaintextMessage(kind: .closed, connection: handle.raw, payload: [])
    }

    /// Whether the other side has closed the link.
    package var isEnded: Bool {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while true {
            switch try? link.receive(into: &buffer) {
            case .frame, .cut: continue
            case .nothing: return false
            case .ended, nil: return true
            }
        }
    }
}
