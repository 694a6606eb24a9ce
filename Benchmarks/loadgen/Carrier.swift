// What carries a phone's messages to the edge and back.

internal import CLinux
internal import Glibc
internal import Sys

/// The transports the generator speaks.
enum CarrierKind: String {
    case udp
    case tcp
    case tls

    /// As Via names it.
    var name: String { rawValue.uppercased() }

    /// As a Contact names it.
    var parameter: String { self == .udp ? "" : ";transport=\(rawValue)" }
}

/// One phone's way to the edge.
protocol Carrier: AnyObject {
    /// What it is.
    var kind: CarrierKind { get }
    /// What to poll for messages.
    var raw: Int32 { get }
    /// The phone's own address.
    var local: SocketAddress { get }
    /// Whether the edge has closed it.
    var hasEnded: Bool { get }
    /// Takes what has come; how many messages that was.
    func receive() -> Int
    /// Message `index` of the last receive.
    func message(_ index: Int) -> [UInt8]
    /// Sends a message with the next flush at the latest.
    func send(_ message: [UInt8])
    /// Sends what is queued.
    func flush()
}

/// Messages in datagrams.
final class DatagramCarrier: Carrier {
    private let datagrams: Datagrams
    private let edge: SocketAddress

    init(from local: SocketAddress, to edge: SocketAddress) throws(SystemError) {
        datagrams = try Datagrams(local)
        self.edge = edge
    }

    var kind: CarrierKind { .udp }
    var raw: Int32 { datagrams.socket.raw }
    var local: SocketAddress { datagrams.local }
    var hasEnded: Bool { false }
    func receive() -> Int { datagrams.receive() }
    func message(_ index: Int) -> [UInt8] { datagrams.datagram(index).bytes }
    func send(_ message: [UInt8]) { datagrams.send(message, to: edge) }
    func flush() { datagrams.flush() }
}

/// Messages on a connection, over TCP alone or over TLS.
final class StreamCarrier: Carrier {
    let kind: CarrierKind
    let local: SocketAddress
    private(set) var hasEnded = false
    private let socket: Descriptor
    private let session: ClientSession?
    private var incoming: [UInt8] = []
    private var messages: [[UInt8]] = []
    private var outgoing: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// A connection that stands, its handshake done; any port of `source` that is free.
    init(
        from source: SocketAddress, to edge: SocketAddress, secured: ClientContext? = nil
    ) throws(SystemError) {
        kind = secured == nil ? .tcp : .tls
        socket = try Socket.connecting(from: SocketAddress(source.ip, port: 0), to: edge)
        waitFor(socket.raw, POLLOUT)
        let code = Socket.pendingError(socket.raw)
        guard code == 0 else { throw SystemError("connect \(edge)", code: code) }
        _ = clinux_no_delay(socket.raw)
        local = try Socket.localAddress(socket.raw)
        session = secured?.session(on: socket.raw)
        guard session?.handshake() ?? true else {
            throw SystemError("TLS handshake with \(edge)", code: EPROTO)
        }
    }

    var raw: Int32 { socket.raw }

    func receive() -> Int {
        while !hasEnded {
            let count: Int
            if let session {
                count = session.read(into: &buffer)
            } else {
                switch Stream.read(socket.raw, into: &buffer, at: 0) {
                case .moved(let moved): count = moved
                case .wouldBlock: count = 0
                case .ended, .failed: count = -1
                }
            }
            if count < 0 { hasEnded = true }
            if count <= 0 { break }
            incoming += buffer[..<count]
        }
        cut()
        return messages.count
    }

    /// Cuts what has come into messages (RFC 3261 section 18.3).
    private func cut() {
        messages.removeAll(keepingCapacity: true)
        var start = 0
        while let end = Self.endOfHead(incoming, from: start) {
            let head = Message(Array(incoming[start..<end]))
            let length = head.value("Content-Length").flatMap { Int($0) } ?? 0
            guard end + length <= incoming.count else { break }
            messages.append(Array(incoming[start..<end + length]))
            start = end + length
        }
        incoming.removeFirst(start)
    }

    private static func endOfHead(_ bytes: [UInt8], from start: Int) -> Int? {
        var at = start
        while at + 4 <= bytes.count {
            if bytes[at] == 13, bytes[at + 1] == 10, bytes[at + 2] == 13, bytes[at + 3] == 10 {
                return at + 4
            }
            at += 1
        }
        return nil
    }

    func message(_ index: Int) -> [UInt8] { messages[index] }

    func send(_ message: [UInt8]) { outgoing += message }

    func flush() {
        let queued = outgoing
        outgoing.removeAll(keepingCapacity: true)
        var done = 0
        while done < queued.count, !hasEnded {
            let rest = queued.span.extracting(done..<queued.count)
            if let session {
                if !session.write(rest) { hasEnded = true }
                return
            }
            switch Stream.write(socket.raw, rest) {
            case .moved(let count): done += count
            case .wouldBlock: waitFor(socket.raw, POLLOUT)
            case .ended, .failed: hasEnded = true
            }
        }
    }

    /// Says good-bye and waits for the edge's own; whether it came.
    func close() -> Bool {
        session?.sayGoodBye()
        Socket.endWriting(socket.raw)
        for _ in 0..<20 where !hasEnded {
            waitFor(socket.raw, POLLIN)
            _ = receive()
        }
        socket.close()
        return hasEnded
    }
}

/// Waits for a socket to be ready, at most a tenth of a second.
func waitFor(_ raw: Int32, _ events: Int32) {
    var poll = pollfd(fd: raw, events: Int16(events), revents: 0)
    _ = unsafe Glibc.poll(&poll, 1, 100)
}
