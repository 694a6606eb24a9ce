// One client: its socket, its TLS session, and what it may do next.

internal import Messages
internal import Reactor
internal import Sys

/// Which part of its life a connection is in.
enum ConnectionPhase: Equatable {
    /// The handshake goes on; over at its deadline.
    case handshaking
    /// Plaintext flows.
    case open
    /// The router has ended it: what waits is written, then close_notify; over at its deadline.
    case closing
}

/// A client's connection, held by its slot in the table.
final class Connection {
    /// The socket.
    let socket: Descriptor
    /// Its TLS session.
    let session: TLSSession
    /// The client's address.
    let peer: SocketAddress
    /// The index of the listener it came by.
    let listener: UInt8
    /// Our end's address.
    let own: SocketAddress

    /// The part of its life.
    var phase = ConnectionPhase.handshaking
    /// Whether it had something to read while nobody could take it.
    var isParked = false
    /// Whether the session waits for the socket to take more, whatever it does.
    var wantsWrite = false
    /// Whether close_notify and FIN are out, and only the client's own end is awaited.
    var isShut = false
    /// What the poller watches it for.
    var interest: Interest = .read
    /// Plaintext that the client has not taken yet.
    private(set) var outgoing = Queue<UInt8>()

    /// A connection that begins its handshake.
    init(
        socket: Descriptor, session: TLSSession, peer: SocketAddress, listener: Listener
    ) {
        self.socket = socket
        self.session = session
        self.peer = peer
        self.listener = listener.index
        own = listener.endpoint.own(of: socket)
    }

    /// What it should be watched for now.
    var wanted: Interest {
        var wanted: Interest = []
        if wantsWrite { wanted.insert(.write) }
        switch phase {
        case .handshaking, .closing: wanted.insert(.read)
        case .open: if !isParked { wanted.insert(.read) }
        }
        return wanted
    }

    /// What a write came to.
    enum Written: Equatable {
        /// All is written, or waits for room.
        case done
        /// More than `limit` bytes would wait: the client does not read.
        case tooSlow
        /// The session is at its end.
        case ended
    }

    /// Writes plaintext, or lets it wait; at most `limit` bytes wait.
    func write(_ bytes: Span<UInt8>, limit: Int) -> Written {
        var done = 0
        if outgoing.isEmpty {
            switch push(bytes) {
            case .some(let count): done = count
            case .none: return .ended
            }
        }
        guard outgoing.count + bytes.count - done <= limit else { return .tooSlow }
        outgoing.append(bytes.extracting(done..<bytes.count))
        return .done
    }

    /// Writes what waits, as far as the client takes it; false when the session is at its end.
    func flush() -> Bool {
        wantsWrite = false
        guard !outgoing.isEmpty else { return true }
        guard let count = push(outgoing.span) else { return false }
        outgoing.removeFirst(count)
        return true
    }

    /// Writes until the socket is full; how many bytes went, nil at the session's end.
    private func push(_ bytes: Span<UInt8>) -> Int? {
        var done = 0
        while done < bytes.count {
            switch session.write(bytes.extracting(done..<bytes.count)) {
            case .moved(let count): done += count
            case .wantsWrite, .wantsRead:
                wantsWrite = true
                return done
            case .finished, .ended, .broken: return nil
            }
        }
        return done
    }

    /// Says good-bye once all is written: close_notify, then FIN.
    func shut() {
        guard !isShut, outgoing.isEmpty else { return }
        isShut = true
        session.sendCloseNotify()
        Socket.endWriting(socket.raw)
    }
}
