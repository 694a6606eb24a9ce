internal import Sys
package import Wire

/// Several messages of a link in one frame, so that the kernel is asked once for all of them.
///
/// The frame begins with a byte that is no message's kind; each message follows its length in two bytes.
package struct Parcel {
    private static let mark: UInt8 = 255
    /// How long a parcel may become, in bytes: a few dozen messages, and little memory in the kernel.
    package static let limit = 16_384

    /// How long a message may be, in bytes.
    package static let longestMessage = limit - 3

    /// The frame so far.
    package private(set) var frame: [UInt8] = [Self.mark]

    /// An empty parcel.
    package init() { frame.reserveCapacity(Self.limit) }

    /// Whether it holds no message.
    package var isEmpty: Bool { frame.count == 1 }

    /// Adds a message; false, and nothing added, when there is no room for it.
    package mutating func add(_ message: Span<UInt8>) -> Bool {
        guard frame.count + 2 + message.count <= Self.limit else { return false }
        frame.append(UInt8(message.count >> 8))
        frame.append(UInt8(truncatingIfNeeded: message.count))
        frame.append(copying: message)
        return true
    }

    /// Takes everything out.
    package mutating func removeAll() { frame.removeLast(frame.count - 1) }

    /// Hands over each message of a frame in order: those of a parcel, or the one that the frame is.
    package static func forEach(
        in frame: Span<UInt8>, _ receive: (Span<UInt8>) throws(WireError) -> Void
    ) throws(WireError) {
        guard frame.count > 0, frame[0] == mark else { return try receive(frame) }
        guard frame.count > 1 else { throw .truncated }
        guard frame.count <= limit else { throw .tooLong("parcel") }
        var at = 1
        while at < frame.count {
            guard at + 2 <= frame.count else { throw .truncated }
            let end = at + 2 + (Int(frame[at]) << 8 | Int(frame[at + 1]))
            guard end <= frame.count else { throw .truncated }
            try receive(frame.extracting(at + 2..<end))
            at = end
        }
    }
}
