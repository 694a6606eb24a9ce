// The messages between this process and sip-router.

internal import Messages
internal import Reactor
internal import Sys
internal import Wire

/// The terminator's end of its link to sip-router.
///
/// The router that is at the other end speaks only after its hello; a new router has a new link.
final class RouterLink {
    private let link: Link
    /// What goes to the router in this turn.
    private var parcel = PlaintextParcel()
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    /// What is left of the parcel that came, in `buffer`.
    private var (at, end) = (0, 0)
    private var payloadStart = 0
    private var parcels = 0
    private var isTurnOver = false

    /// How many parcels of the router are taken in a turn.
    private static let parcelShare = 8

    /// Whether the router's hello has come.
    private(set) var isGreeted = false
    /// Whether the link is at its end; nothing more goes in or out.
    private(set) var hasEnded = false
    /// What the poller watches it for.
    var interest: Interest = .read

    /// Takes over a link and says hello.
    init(_ descriptor: Descriptor) {
        link = Link(descriptor)
        send(.hello, connection: 0, [messagesVersion])
        flush()
    }

    /// The socket.
    var raw: Int32 { link.descriptor.raw }

    /// Whether the router does not keep up: no client is read until it does.
    var isFull: Bool { link.isWaiting }

    /// Adds a message of a small payload to what goes out at the end of the turn.
    func send(_ kind: PlaintextKind, connection: UInt64, _ payload: [UInt8] = []) {
        guard !hasEnded else { return }
        makeRoom()
        parcel.add(kind, connection: connection, payload.span)
    }

    /// Reads a record of a session into the parcel, uncopied.
    func read(_ session: TLSSession, of connection: UInt64) -> TLSProgress {
        makeRoom()
        let progress = session.read(
            into: &parcel.storage, at: parcel.payloadStart, limit: PlaintextHeader.maximumPayload)
        if case .moved(let count) = progress {
            parcel.seal(.data, connection: connection, payload: count)
        }
        return progress
    }

    private func makeRoom() {
        if !parcel.hasRoom { sendParcel() }
    }

    private func sendParcel() {
        guard !parcel.isEmpty, !hasEnded else { return }
        switch link.send(parcel.frame) {
        case .sent, .queued: break
        case .full, .ended: hasEnded = true
        }
        parcel.removeAll()
    }

    /// Sends what was added and what waits, as far as there is room.
    func flush() {
        sendParcel()
        if link.isWaiting, !link.flush() { hasEnded = true }
    }

    /// What the router wants next.
    enum Received {
        /// Nothing more for now.
        case nothing
        /// The router is gone.
        case ended
        /// Its hello: announce every connection.
        case greeted
        /// A message of a connection; its payload is lent by `payload(_:)`.
        case frame(PlaintextKind, ConnectionHandle, length: Int)
        /// Something the contract forbids; what.
        case broken(String)
    }

    /// The next message of the router.
    ///
    /// After the last one of a parcel that had room left comes `nothing`, without asking the kernel:
    /// if there is more after all, the poller says so again.
    func next() -> Received {
        guard !hasEnded else { return .ended }
        do {
            if at == end {
                guard !isTurnOver else {
                    isTurnOver = false
                    parcels = 0
                    return .nothing
                }
                switch try link.receive(into: &buffer) {
                case .nothing:
                    parcels = 0
                    return .nothing
                case .ended:
                    hasEnded = true
                    return .ended
                case .frame(let length, nil):
                    (at, end) = (0, length)
                    parcels += 1
                    isTurnOver =
                        PlaintextParcel.isLast(length: length) || parcels == Self.parcelShare
                case .frame, .cut: throw WireError.descriptor
                }
            }
            return try received()
        } catch {
            hasEnded = true
            return .broken("\(error)")
        }
    }

    private func received() throws(WireError) -> Received {
        // The same storage, uncopied: a class's span may not be lent to a call that throws.
        let frame = buffer
        let head = try PlaintextHeader(first: frame.span.extracting(at..<end))
        payloadStart = at + PlaintextHeader.length
        at = payloadStart + Int(head.payload)
        switch (head.kind, isGreeted) {
        case (.hello, false):
            let version = frame[payloadStart]
            guard version == messagesVersion else { throw .version(version) }
            isGreeted = true
            return .greeted
        case (.data, true), (.closed, true), (.pause, true), (.resume, true): break
        default: throw .notPermitted
        }
        return .frame(
            head.kind, ConnectionHandle(raw: head.connection), length: Int(head.payload))
    }

    /// Lends the payload of the message that `next()` returned last.
    func withPayload<Result>(_ length: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        let frame = buffer
        return body(frame.span.extracting(payloadStart..<payloadStart + length))
    }
}
