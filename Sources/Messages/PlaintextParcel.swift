internal import Sys
package import Wire

/// Messages between sip-router and tls-terminator, one after the other in one frame.
///
/// What a turn of a loop has for the other side costs one system call, and wakes it once.
///
/// Its memory is allocated once. Bytes of one connection that are added one after the other become
/// one message, and so one TLS record.
package struct PlaintextParcel {
    /// How long a parcel may become, in bytes: as long as a frame.
    package static let limit = Frame.maximumLength
    private static let longestMessage = PlaintextHeader.length + PlaintextHeader.maximumPayload

    /// The parcel's memory, of which the first `count` bytes are the messages so far.
    ///
    /// A payload may be written in place from `payloadStart` on, and is added by `seal`.
    package var storage = [UInt8](repeating: 0, count: Self.limit)
    /// How many bytes the messages have.
    package private(set) var count = 0
    private var last: (start: Int, head: PlaintextHeader)?

    /// An empty parcel.
    package init() {}

    /// Whether it holds no message.
    package var isEmpty: Bool { count == 0 }

    /// Whether the longest message still fits; only then may one be added.
    package var hasRoom: Bool { Self.limit - count >= Self.longestMessage }

    /// Where the payload of the next message begins.
    package var payloadStart: Int { count + PlaintextHeader.length }

    /// The frame of the messages so far.
    package var frame: Span<UInt8> {
        @_lifetime(borrow self)
        get { storage.span.extracting(0..<count) }
    }

    /// A shorter frame, in bytes, was the last of its turn: its sender had room left in it.
    package static var leastFull: Int { limit - longestMessage }

    /// Adds the message whose payload, of at most 16,384 bytes, lies at `payloadStart`.
    package mutating func seal(_ kind: PlaintextKind, connection: UInt64, payload: Int) {
        precondition(hasRoom && payload <= PlaintextHeader.maximumPayload)
        let head = PlaintextHeader(kind, connection: connection, payload: payload)
        head.write(into: &storage, at: count)
        last = (count, head)
        count += PlaintextHeader.length + payload
    }

    /// Adds a message with a payload of at most 16,384 bytes.
    package mutating func add(
        _ kind: PlaintextKind, connection: UInt64, _ payload: Span<UInt8>
    ) {
        guard kind == .data, let (start, head) = last, head.kind == .data,
            head.connection == connection,
            Int(head.payload) + payload.count <= PlaintextHeader.maximumPayload
        else {
            copy(payload, to: payloadStart)
            return seal(kind, connection: connection, payload: payload.count)
        }
        copy(payload, to: count)
        let longer = PlaintextHeader(
            .data, connection: connection, payload: Int(head.payload) + payload.count)
        longer.write(into: &storage, at: start)
        last = (start, longer)
        count += payload.count
    }

    private mutating func copy(_ payload: Span<UInt8>, to start: Int) {
        precondition(hasRoom && payload.count <= PlaintextHeader.maximumPayload)
        // In bounds: a parcel with room takes the longest payload, by the line above.
        unsafe storage.withUnsafeMutableBufferPointer { to in
            unsafe payload.withUnsafeBufferPointer { from in
                guard let source = from.baseAddress, let base = to.baseAddress else { return }
                unsafe (base + start).update(from: source, count: from.count)
            }
        }
    }

    /// Takes everything out.
    package mutating func removeAll() {
        count = 0
        last = nil
    }

    /// Hands over each message of a frame in order.
    package static func forEach(
        in frame: Span<UInt8>,
        _ receive: (PlaintextHeader, Span<UInt8>) throws(WireError) -> Void
    ) throws(WireError) {
        var at = 0
        repeat {
            let head = try PlaintextHeader(first: frame.extracting(at..<frame.count))
            let start = at + PlaintextHeader.length
            at = start + Int(head.payload)
            try receive(head, frame.extracting(start..<at))
        } while at < frame.count
    }
}
