internal import Glibc
internal import Messages
internal import Sys
internal import Wire

/// Why the daemon gave no answer.
enum ControlError: Error, Equatable, CustomStringConvertible {
    /// Nobody listens at the path.
    case notRunning(String)
    /// There is no socket at the path: no daemon, or one that has lost its folder.
    case noSocket(String)
    /// The caller may not ask there.
    case notPermitted(String)
    /// The daemon said no, and why.
    case refused(String)
    /// No answer, or the rest of it, came in time.
    case silent
    /// Who was to answer ended before it had: the daemon, or the component, which may have hung.
    case ended(Role)
    /// The daemon speaks another version.
    case garbled(String)
    /// The kernel said no.
    case system(SystemError)

    /// What is wrong, and what to do about it.
    var description: String {
        switch self {
        case .notRunning(let path):
            "Rempart is not running (nobody answers at \(path)). Start it with"
                + " `systemctl start rempart`, or `rempart run --settings FILE`; another"
                + " runtime folder is named with --runtime."
        case .noSocket(let path):
            "there is no \(path): Rempart is not running (`systemctl start rempart`, or `rempart run"
                + " --settings FILE`), or its folder was removed while it runs (`systemctl restart"
                + " rempart`); `systemctl status rempart` tells which. Another runtime folder is"
                + " named with --runtime."
        case .notPermitted(let path):
            "no permission for \(path): ask as root (sudo), or as the user who runs Rempart."
        case .refused(let why): why
        case .silent:
            "Rempart did not answer in time; `journalctl -u rempart` tells what it is doing."
        case .ended(.supervisor):
            "Rempart ended before it had answered; `journalctl -u rempart` tells why."
        case .ended(let role):
            "\(role.name) does not answer: it hung or ended, and is started again. Try again;"
                + " `journalctl -u rempart` tells why."
        case .garbled(let what):
            "the answer is of another version of Rempart (\(what)): restart the daemon after an update."
        case .system(let error): error.description
        }
    }
}

/// Asks the daemon over its control socket: one request a connection, rows until the end.
struct ControlClient {
    /// How long a whole answer may receive.
    static let patience = Milliseconds.seconds(10)
    /// How long one may receive that waits for the source of accounts: directory says after 10 s of silence what is the
    /// matter, and a slow source is asked several times.
    private static let patienceWithSource = Milliseconds.seconds(40)

    private let path: String

    /// A client of the daemon with a runtime folder.
    init(runtime: String) { path = "\(runtime)/control" }

    /// The rows of the answer, without its end.
    func ask(_ request: ControlRequest) throws(ControlError) -> [ControlReply] {
        var rows: [ControlReply] = []
        try exchange(request) { frame throws(WireError) in
            let row = try ControlReply(decoding: frame)
            rows.append(row)
            return row
        }
        return rows.dropLast()
    }

    /// Hands over each ban in force, where it lies in its frame.
    func list(_ receive: (borrowing PackedBan) -> Void) throws(ControlError) {
        try exchange(.bans) { frame throws(WireError) in
            guard PackedBan.isBan(frame) else { return try ControlReply(decoding: frame) }
            receive(try PackedBan(frame))
            return nil
        }
    }

    /// What enforces the bans, which is the first row of their list; the rest is not waited for.
    func enforcement() throws(ControlError) -> ControlReply? {
        var first: ControlReply?
        try exchange(.bans) { frame throws(WireError) in
            first = try ControlReply(decoding: frame)
            return .done
        }
        return first
    }

    /// Asks, and hands over the frame of each row until `receive` returns the end.
    private func exchange(
        _ request: ControlRequest, _ receive: (Span<UInt8>) throws(WireError) -> ControlReply?
    ) throws(ControlError) {
        let waitsForSource =
            switch request {
            case .accounts, .account: true
            default: false
            }
        let deadline = Clock.monotonic + (waitsForSource ? Self.patienceWithSource : Self.patience)
        let socket = try connected()
        do throws(SystemError) {
            let frame = request.encoded()
            _ = try Frame.send(frame.span, on: socket.raw)
        } catch {
            throw error.code == Errno.pipe || error.code == Errno.reset
                ? .ended(.supervisor) : .system(error)
        }
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        while true {
            try waitReadable(socket.raw, until: deadline)
            switch try next(socket.raw, &buffer, request.answeredBy, receive) {
            case .done: return
            case .failed(let why): throw .refused(why)
            default: break
            }
        }
    }

    private func connected() throws(ControlError) -> Descriptor {
        do throws(SystemError) {
            return try Socket.seqpacketConnected(path: path)
        } catch {
            switch error.code {
            case ENOENT: throw .noSocket(path)
            case ECONNREFUSED: throw .notRunning(path)
            case EACCES, EPERM: throw .notPermitted(path)
            default: throw .system(error)
            }
        }
    }

    /// Hands over the rows of the next frame; the end of the answer when it is among them.
    private func next(
        _ raw: Int32, _ buffer: inout [UInt8], _ role: Role,
        _ receive: (Span<UInt8>) throws(WireError) -> ControlReply?
    ) throws(ControlError) -> ControlReply? {
        let received: Frame.Received
        do throws(SystemError) {
            received = try Frame.receive(into: &buffer, on: raw)
        } catch {
            throw .system(error)
        }
        guard case .frame(let length, _) = received else { throw .ended(role) }
        do throws(WireError) {
            var end: ControlReply?
            try Parcel.forEach(in: buffer.span.extracting(0..<length)) { row throws(WireError) in
                guard end == nil else { return }
                switch try receive(row) {
                case .done: end = .done
                case .failed(let why): end = .failed(why)
                default: break
                }
            }
            return end
        } catch {
            throw .garbled("\(error)")
        }
    }

    private func waitReadable(_ raw: Int32, until deadline: Milliseconds) throws(ControlError) {
        while true {
            let left = (deadline - Clock.monotonic).count
            guard left > 0 else { throw .silent }
            var entry = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
            // In bounds: one entry, and a count of one.
            let ready = unsafe poll(&entry, 1, Int32(left))
            if ready > 0 { return }
            if ready < 0 && errno != EINTR { throw .system(SystemError("poll", code: errno)) }
        }
    }
}
