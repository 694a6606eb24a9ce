internal import Messages
internal import Proxy
internal import SIP
internal import Sys

/// A peer on a stream: over TCP with its socket here, over TLS with its socket in tls-terminator.
final class StreamPeer {
    /// The way to it.
    let flow: Flow
    /// The TCP socket, nil for TLS.
    let socket: Descriptor?
    /// The bytes that came.
    var framer = StreamFramer()
    /// When the message that is coming in began, nil between messages.
    var began: Milliseconds?
    /// When the last whole message came, or the connection.
    var lastHeard: Milliseconds
    /// Whether a whole message ever came.
    var hasSpoken = false
    /// Whether nobody has authenticated by it, and it counts among those of its source.
    var isUnproven = false
    /// Whether the supervisor keeps its descriptor too.
    var isKept = false
    /// Whether an earlier sip-router has read an unknown part of what comes first.
    var mayBeginWithin = false
    /// Whether it was ended; what still comes of it is not read.
    var isOver = false
    /// What the socket has no room for yet.
    private var waiting = Queue<UInt8>()

    /// How much may wait for a slow reader, in bytes.
    private static let longestQueue = 256 << 10

    init(_ flow: Flow, socket: Descriptor?, now: Milliseconds) {
        self.flow = flow
        self.socket = socket
        lastHeard = now
    }

    /// Whether something waits for room.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Writes to the socket, or lets it wait; false when the peer is gone or reads too slowly.
    func write(_ bytes: Span<UInt8>) -> Bool {
        guard let socket else { return true }
        var sent = 0
        if waiting.isEmpty {
            switch Stream.write(socket.raw, bytes) {
            case .moved(let count): sent = count
            case .wouldBlock: break
            case .ended, .failed: return false
            }
        }
        guard waiting.count + bytes.count - sent <= Self.longestQueue else { return false }
        waiting.append(bytes.extracting(sent..<bytes.count))
        return true
    }

    /// Writes what waits; false when the peer is gone.
    func flush() -> Bool {
        guard let socket else { return true }
        switch Stream.write(socket.raw, waiting.span) {
        case .moved(let count): waiting.removeFirst(count)
        case .wouldBlock: break
        case .ended, .failed: return false
        }
        return true
    }
}
