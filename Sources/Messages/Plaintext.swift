package import Sys
package import Wire

/// The head of every message between sip-router and tls-terminator: 16 bytes, then the payload.
///
/// A frame of their link holds one message or several, one after the other (`PlaintextParcel`).
///
/// Bytes: kind, flags (0), payload length (2), reserved (4, zero), connection handle (8).
/// The handle is a `ConnectionHandle`, 0 for none. It never changes while the connection stands, also over a
/// restart of sip-router.
package struct PlaintextHeader: Equatable, Sendable {
    /// The head's length, in bytes.
    package static let length = 16
    /// The longest payload, in bytes; a TLS record holds no more.
    package static let maximumPayload = 16_384

    /// What the payload is.
    package var kind: PlaintextKind
    /// The payload's length, in bytes.
    package var payload: UInt16
    /// The connection's handle.
    package var connection: UInt64

    /// A head of its fields.
    package init(_ kind: PlaintextKind, connection: UInt64, payload: Int = 0) {
        self.kind = kind
        self.payload = UInt16(payload)
        self.connection = connection
    }
}

/// What a message between sip-router and tls-terminator carries.
///
/// Neither side asks the other to hold a connection back. tls-terminator reads no client while the link is full;
/// a client that lets more wait than a bound is closed, by tls-terminator alone.
package enum PlaintextKind: UInt8, Sendable {
    /// Both ways, the first message: no connection, payload the version (1 byte). After the router's,
    /// the terminator opens every standing connection anew.
    case hello = 1
    /// Terminator: a handshake is done. Payload: listener index (1), peer address (22).
    case opened = 2
    /// Both ways: plaintext bytes, in order.
    case data = 3
    /// Both ways: the connection is over; no message of it follows. No payload.
    case closed = 4
    /// Terminator: a handshake failed or ran out of time. Payload: peer address (22), reason (1).
    case handshakeFailed = 5
}

extension PlaintextKind {
    /// The handles that it may be of: 0 alone where no connection is meant; the last one is never given.
    var connections: Range<UInt64> {
        switch self {
        case .hello, .handshakeFailed: 0..<1
        case .opened, .data, .closed: 1..<UInt64.max
        }
    }

    /// How many bytes its payload may have.
    var lengths: ClosedRange<Int> {
        switch self {
        case .hello: 1...1
        case .opened: 45...45
        case .handshakeFailed: 23...23
        case .data: 1...PlaintextHeader.maximumPayload
        case .closed: 0...0
        }
    }
}

/// Why a TLS handshake came to nothing.
package enum HandshakeFailure: UInt8, CaseIterable, Sendable {
    /// Not done within its time.
    case timeout = 1
    /// The client spoke no TLS, or broke its rules.
    case protocolError = 2
    /// The client went away.
    case closed = 3

    /// The reason code in the journal.
    package var code: String {
        switch self {
        case .timeout: "tls-handshake-timeout"
        case .protocolError: "tls-handshake-failed"
        case .closed: "tls-handshake-abandoned"
        }
    }
}

extension PlaintextHeader {
    /// Writes the head into 16 bytes of a buffer.
    package func write(into buffer: inout [UInt8], at start: Int = 0) {
        buffer[start] = kind.rawValue
        buffer[start + 1] = 0
        buffer[start + 2] = UInt8(truncatingIfNeeded: payload >> 8)
        buffer[start + 3] = UInt8(truncatingIfNeeded: payload)
        for index in 4..<8 { buffer[start + index] = 0 }
        for index in 8..<16 {
            buffer[start + index] = UInt8(
                truncatingIfNeeded: connection >> UInt64(8 * (15 - index)))
        }
    }

    /// The head of a frame that is one message, whose payload must be as long as it says.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        try self.init(first: frame)
        guard frame.count == Self.length + Int(payload) else { throw .trailing }
    }

    /// The head of the first message of a frame, whose payload must be there in full.
    package init(first frame: Span<UInt8>) throws(WireError) {
        guard frame.count >= Self.length else { throw .truncated }
        guard let kind = PlaintextKind(rawValue: frame[0]) else { throw .unknownKind(frame[0]) }
        let length = Int(frame[2]) << 8 | Int(frame[3])
        guard length <= Self.maximumPayload else { throw .tooLong("payload") }
        guard frame.count >= Self.length + length else { throw .truncated }
        guard frame[1] == 0, frame[4] | frame[5] | frame[6] | frame[7] == 0 else {
            throw .badValue("reserved")
        }
        var connection: UInt64 = 0
        for index in 8..<16 { connection = connection << 8 | UInt64(frame[index]) }
        guard kind.connections.contains(connection) else { throw .badValue("connection") }
        guard kind.lengths.contains(length) else { throw .badValue("payload") }
        self.init(kind, connection: connection, payload: length)
    }
}

/// The payload of `PlaintextKind.opened`.
package struct OpenedPayload: Equatable, Sendable {
    /// The listener it came by.
    package var listener: UInt8
    /// The peer's address.
    package var peer: SocketAddress
    /// Our end's address.
    package var own: SocketAddress

    /// A payload of its fields.
    package init(listener: UInt8, peer: SocketAddress, own: SocketAddress) {
        self.listener = listener
        self.peer = peer
        self.own = own
    }

    /// The payload's bytes.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(kind: listener)
        writer.address(peer)
        writer.address(own)
        return writer.bytes
    }

    /// The payload of its bytes.
    package init(decoding payload: Span<UInt8>) throws(WireError) {
        var reader = WireReader(payload)
        let listener = try reader.listener()
        self.init(
            listener: listener, peer: try reader.reachable("peer"),
            own: try reader.reachable("own address"))
        try reader.finish()
    }
}

/// The payload of `PlaintextKind.handshakeFailed`.
package struct HandshakeFailedPayload: Equatable, Sendable {
    /// The peer's address.
    package var peer: SocketAddress
    /// Why.
    package var reason: HandshakeFailure

    /// A payload of its fields.
    package init(peer: SocketAddress, reason: HandshakeFailure) {
        self.peer = peer
        self.reason = reason
    }

    /// The payload's bytes.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(kind: reason.rawValue)
        writer.address(peer)
        return writer.bytes
    }

    /// The payload of its bytes.
    package init(decoding payload: Span<UInt8>) throws(WireError) {
        var reader = WireReader(payload)
        let reason = try reader.choice("reason", of: HandshakeFailure.self)
        self.init(peer: try reader.reachable("peer"), reason: reason)
        try reader.finish()
    }
}
