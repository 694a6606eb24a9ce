// The frames between this process and sip-router.

internal import Messages
internal import Reactor
internal import Sys
internal import Wire

/// The terminator's end of its link to sip-router.
///
/// The router that is at the other end speaks only after its hello; a new router has a new link.
final class RouterLink {
    private let link: Link
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// Whether the router's hello has come.
    private(set) var isGreeted = false
    /// Whether the link is at its end; nothing more goes in or out.
    private(set) var hasEnded = false
    /// What the poller watches it for.
    var interest: Interest = .read

    /// Takes over a link and says hello.
    init(_ descriptor: Descriptor) {
        link = Link(descriptor)
        var frame = [UInt8](repeating: 0, count: PlaintextHeader.length) + [messagesVersion]
        send(.hello, connection: 0, &frame)
    }

    /// The socket.
    var raw: Int32 { link.descriptor.raw }

    /// Whether the router does not keep up: no client is read until it does.
    var isFull: Bool { link.isWaiting }

    /// Sends a frame whose payload lies in the buffer from byte 16 on; the head is written here.
    func send(
        _ kind: PlaintextKind, connection: UInt64, _ frame: inout [UInt8], payload: Int? = nil
    ) {
        guard !hasEnded else { return }
        let length = payload ?? frame.count - PlaintextHeader.length
        PlaintextHeader(kind, connection: connection, payload: length).write(into: &frame)
        let end = PlaintextHeader.length + length
        if !link.isWaiting {
            do {
                // Past the link's queue, which would copy every frame into an array of its own.
                if try Frame.send(frame.span.extracting(0..<end), on: raw) { return }
            } catch {
                hasEnded = true
                return
            }
        }
        switch link.send(Array(frame[..<end])) {
        case .sent, .queued: break
        case .full, .ended: hasEnded = true
        }
    }

    /// Sends a frame of a small payload.
    func send(_ kind: PlaintextKind, connection: UInt64, _ payload: [UInt8] = []) {
        var frame = [UInt8](repeating: 0, count: PlaintextHeader.length) + payload
        send(kind, connection: connection, &frame)
    }

    /// Sends what waits.
    func flush() {
        if !link.flush() { hasEnded = true }
    }

    /// What the router wants next.
    enum Received {
        /// Nothing more for now.
        case nothing
        /// The router is gone.
        case ended
        /// Its hello: announce every connection.
        case greeted
        /// A frame of a connection; its payload is lent by `payload(_:)`.
        case frame(PlaintextKind, ConnectionHandle, length: Int)
        /// Something the contract forbids; what.
        case broken(String)
    }

    /// The next frame of the router.
    func next() -> Received {
        guard !hasEnded else { return .ended }
        do {
            switch try link.receive(into: &buffer) {
            case .nothing: return .nothing
            case .ended:
                hasEnded = true
                return .ended
            case .frame(let length, let passed):
                guard passed == nil else { throw WireError.descriptor }
                return try received(length)
            }
        } catch {
            hasEnded = true
            return .broken("\(error)")
        }
    }

    private func received(_ length: Int) throws(WireError) -> Received {
        // The same storage, uncopied: a class's span may not be lent to a call that throws.
        let frame = buffer
        let head = try PlaintextHeader(decoding: frame.span.extracting(0..<length))
        switch (head.kind, isGreeted) {
        case (.hello, false):
            guard head.payload == 1, head.connection == 0 else { throw .badValue("hello") }
            let version = frame[PlaintextHeader.length]
            guard version == messagesVersion else { throw .version(version) }
            isGreeted = true
            return .greeted
        case (.data, true):
            guard head.payload > 0 else { throw .badValue("payload") }
        case (.closed, true), (.pause, true), (.resume, true):
            guard head.payload == 0 else { throw .badValue("payload") }
        default: throw .notPermitted
        }
        return .frame(
            head.kind, ConnectionHandle(raw: head.connection), length: Int(head.payload))
    }

    /// Lends the payload of the frame that `next()` returned last.
    func withPayload<Result>(_ length: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        let frame = buffer
        let start = PlaintextHeader.length
        return body(frame.span.extracting(start..<start + length))
    }
}
