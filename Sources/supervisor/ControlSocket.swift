internal import Glibc
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// The socket that `rempart` asks at: one request a connection.
final class ControlSocket {
    /// Somebody who has connected.
    final class Caller {
        /// The connection.
        let descriptor: Descriptor
        /// The process that connected.
        let asker: Asker
        /// Where it stands among the callers.
        let token: Token
        /// When a request must have come.
        let deadline: Milliseconds

        fileprivate init(
            _ descriptor: Descriptor, _ asker: Asker, token: Token, deadline: Milliseconds
        ) {
            self.descriptor = descriptor
            self.asker = asker
            self.token = token
            self.deadline = deadline
        }

        /// Sends an answer, which is small enough for the socket's own buffer.
        func reply(_ replies: [ControlReply]) {
            for reply in replies {
                let frame = reply.encoded()
                guard (try? Frame.send(frame.span, on: descriptor.raw)) == true else { return }
            }
        }
    }

    /// How many callers may wait at a time.
    static let capacity = 16
    /// From connecting to the request.
    static let limit = Milliseconds.seconds(5)

    private let listener: Descriptor
    private let path: String
    private var callers: [Caller?] = Array(repeating: nil, count: capacity)
    private var generation: UInt32 = 0
    /// Given up for a caller when there is no descriptor for it, so that somebody can always ask.
    private var spare: Descriptor?

    /// Listens at a path, in place of a socket that a dead daemon has left there.
    init(_ path: String) throws(StartFailure) {
        if (try? Socket.seqpacketConnected(path: path)) != nil {
            throw StartFailure(
                "another Rempart answers at \(path): stop it, or choose another --runtime")
        }
        _ = unsafe unlink(path)
        do {
            listener = try Socket.seqpacketListener(path: path)
        } catch {
            throw StartFailure(
                "the control socket cannot be made (\(error)): choose another --runtime")
        }
        self.path = path
        _ = unsafe chmod(path, 0o660)
        _ = reserveSpare()
    }

    /// Takes the spare descriptor back when a caller has had it and is gone; whether it has.
    func reserveSpare() -> Bool {
        guard spare == nil else { return false }
        let raw = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        if raw >= 0 { spare = Descriptor(owning: raw) }
        return raw >= 0
    }

    /// The descriptor to watch for reading.
    var raw: Int32 { listener.raw }

    /// Whether a user may ask a request: what changes something is for root and the daemon's own user.
    static func mayAsk(_ request: ControlRequest, uid: UInt32, ownUID: UInt32) -> Bool {
        !request.changes || uid == 0 || uid == ownUID
    }

    /// The next caller, or nil when none waits; with no place free the caller is turned away.
    func accept(at now: Milliseconds) throws(SystemError) -> Caller? {
        while let descriptor = try next() {
            guard let index = callers.firstIndex(where: { $0 == nil }),
                let asker = Asker(caller: descriptor)
            else { continue }
            generation += 1
            let token = Token(
                kind: TokenKind.caller.rawValue, index: UInt32(index), generation: generation)
            let caller = Caller(descriptor, asker, token: token, deadline: now + Self.limit)
            callers[index] = caller
            return caller
        }
        return nil
    }

    private func next() throws(SystemError) -> Descriptor? {
        do {
            return try Socket.seqpacketAccept(listener.raw)
        } catch {
            // The kernel says so before it looks whether anybody waits.
            guard isAwaited else { return nil }
            guard let spare else { throw error }
            spare.close()
            self.spare = nil
            return try Socket.seqpacketAccept(listener.raw)
        }
    }

    private var isAwaited: Bool {
        var entry = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
        // In bounds: one entry, and a count of one.
        return unsafe poll(&entry, 1, 0) > 0
    }

    /// The caller of a token, nil for one that is gone.
    func caller(_ token: Token) -> Caller? {
        let index = Int(token.index)
        guard index < callers.count, let caller = callers[index], caller.token == token else {
            return nil
        }
        return caller
    }

    /// Gives the caller's place to another; the connection ends when nobody holds it any more.
    func forget(_ caller: Caller) { callers[Int(caller.token.index)] = nil }

    /// The earliest moment at which a caller's time is up.
    var deadline: Milliseconds? { callers.compactMap { $0?.deadline }.min() }

    /// The callers whose time is up.
    func expired(at now: Milliseconds) -> [Caller] {
        callers.compactMap { $0 }.filter { $0.deadline <= now }
    }

    /// Takes the socket away from the file system.
    func remove() { _ = unsafe unlink(path) }
}
