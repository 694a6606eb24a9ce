package import Sys

/// One end of a SOCK_SEQPACKET pair between two processes.
///
/// Frames keep their order. What the socket has no room for waits in a queue of at most
/// `queueLimit` bytes. Beyond it `send` reports that the peer does not keep up.
package final class Link {
    /// The socket.
    package let descriptor: Descriptor
    private var waiting: [(frame: [UInt8], passing: Descriptor?)] = []
    private var waitingBytes = 0
    private let queueLimit: Int

    /// What became of a frame.
    package enum Sent {
        /// The kernel has it.
        case sent
        /// It waits; ask for writability and call `flush`.
        case queued
        /// The queue is full, the frame is lost.
        case full
        /// The peer is gone, the frame is lost.
        case ended
    }

    /// The two ends of a new link, each with room for 1 MiB while its reader is busy.
    package static func pair() throws(SystemError) -> (Descriptor, Descriptor) {
        let ends = try Socket.seqpacketPair()
        for end in [ends.0, ends.1] { Socket.setBufferSizes(end.raw, bytes: buffer) }
        return ends
    }

    /// How much the kernel holds for a reader that is busy, in bytes.
    private static let buffer: Int32 = 1 << 20

    /// A link over an open socket.
    package init(_ descriptor: Descriptor, queueLimit: Int = 8 << 20) {
        self.descriptor = descriptor
        self.queueLimit = queueLimit
    }

    /// Whether frames wait for room.
    package var isWaiting: Bool { !waiting.isEmpty }

    /// Sends a frame, or lets it wait.
    package func send(_ frame: [UInt8], passing: Descriptor? = nil) -> Sent {
        if waiting.isEmpty {
            switch attempt(frame, passing) {
            case .some(true): return .sent
            case .none: return .ended
            case .some(false): break
            }
        }
        return wait(frame, passing)
    }

    /// Sends a frame from where it lies; it is copied only when it must wait.
    package func send(_ frame: Span<UInt8>) -> Sent {
        if waiting.isEmpty {
            switch try? Frame.send(frame, on: descriptor.raw) {
            case .some(true): return .sent
            case .none: return .ended
            case .some(false): break
            }
        }
        return wait([UInt8](copying: frame), nil)
    }

    private func wait(_ frame: [UInt8], _ passing: Descriptor?) -> Sent {
        guard waitingBytes + frame.count <= queueLimit else { return .full }
        waiting.append((frame, passing))
        waitingBytes += frame.count
        return .queued
    }

    /// Sends what waits, as far as there is room; false when the peer is gone.
    package func flush() -> Bool {
        var done = 0
        defer { waiting.removeFirst(done) }
        for (frame, passing) in waiting {
            switch attempt(frame, passing) {
            case .some(true):
                done += 1
                waitingBytes -= frame.count
            case .some(false): return true
            case .none: return false
            }
        }
        return true
    }

    /// true: sent; false: no room; nil: the peer is gone.
    private func attempt(_ frame: [UInt8], _ passing: Descriptor?) -> Bool? {
        try? Frame.send(frame.span, passing: passing, on: descriptor.raw)
    }

    /// Receives one frame into a buffer of at least `Frame.maximumLength` bytes.
    package func receive(into buffer: inout [UInt8]) throws(SystemError) -> Frame.Received {
        try Frame.receive(into: &buffer, on: descriptor.raw)
    }
}
