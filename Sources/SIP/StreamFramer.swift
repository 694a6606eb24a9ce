/// Finds the messages in a stream of bytes (RFC 3261 section 18.3), and keep-alives between them
/// (RFC 5626 section 3.5.1).
///
/// The end of a message is only what Content-Length says; a stream that leaves it open is broken, and
/// with it everything that would follow.
package struct StreamFramer: Sendable {
    /// The longest start line and header of a message, in bytes.
    package static let maximumHeader = 16_384

    /// What stands at the head of the stream.
    package enum Frame: Equatable, Sendable {
        /// Not enough has come yet.
        case incomplete
        /// A whole message, this many bytes long.
        case message(Int)
        /// A keep-alive that wants a CRLF back, this many bytes long.
        case ping(Int)
        /// No message can be found any more; why, as a reason code.
        case broken(String)
    }

    /// What has come and was not taken yet.
    package private(set) var bytes: [UInt8] = []
    private var start = 0
    private var searched = 0

    /// An empty stream.
    package init() {}

    /// Whether part of a message has come.
    package var isPartial: Bool { start < bytes.count }

    /// The place in `bytes` where the next message begins.
    package var head: Int { start }

    /// Adds bytes that came.
    package mutating func append(_ new: Span<UInt8>) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
            searched = 0
        }
        for index in new.indices { bytes.append(new[index]) }
    }

    /// Looks at the head of the stream.
    package mutating func next() -> Frame {
        if let ping = keepAlive() { return ping }
        guard let end = headerEnd() else {
            guard bytes.count - start <= Self.maximumHeader else {
                return .broken("header-endless")
            }
            return .incomplete
        }
        // The same limit however the bytes came.
        guard end - start <= Self.maximumHeader else { return .broken("header-endless") }
        guard let length = contentLength(to: end) else { return .broken("content-length") }
        let total = end - start + length
        guard total <= MessageParser.maximumMessage else { return .broken("too-long") }
        return bytes.count - start >= total ? .message(total) : .incomplete
    }

    /// Takes so many bytes from the head of the stream.
    package mutating func consume(_ count: Int) {
        start += count
        searched = start
        if start > 65_536 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
    }

    /// A double CRLF is a ping; a single one is passed over as it belongs to nothing.
    private mutating func keepAlive() -> Frame? {
        guard start < bytes.count, bytes[start] == 0x0D else { return nil }
        guard start + 1 < bytes.count else { return .incomplete }
        guard bytes[start + 1] == 0x0A else { return .broken("line-end") }
        guard start + 2 < bytes.count else { return .incomplete }
        guard bytes[start + 2] == 0x0D else {
            consume(2)
            return nil
        }
        guard start + 3 < bytes.count else { return .incomplete }
        // Nothing that follows could ever be a message: waiting for more would gather it without end.
        return bytes[start + 3] == 0x0A ? .ping(4) : .broken("line-end")
    }

    /// The place after the empty line, or nil when it has not come.
    private mutating func headerEnd() -> Int? {
        var at = max(searched, start)
        while at + 3 < bytes.count {
            if bytes[at] == 0x0D, bytes[at + 1] == 0x0A, bytes[at + 2] == 0x0D,
                bytes[at + 3] == 0x0A
            {
                return at + 4
            }
            at += 1
        }
        searched = at
        return nil
    }

    /// The value of the only Content-Length line; nil for none, several, or one that is no number.
    private func contentLength(to end: Int) -> Int? {
        var found: Int?
        var line = start
        while line < end - 2 {
            var stop = line
            while stop < end, bytes[stop] != 0x0D { stop += 1 }
            if let value = Self.lengthValue(bytes[line..<stop]) {
                guard found == nil, let number = value.span.decimal(limit: 65_535) else {
                    return nil
                }
                found = Int(number)
            }
            line = stop + 2
        }
        return found
    }

    /// The value of a line that is a Content-Length, else nil.
    private static func lengthValue(_ line: ArraySlice<UInt8>) -> [UInt8]? {
        guard let first = line.first,
            Characters.lower(first) == UInt8(ascii: "c")
                || Characters.lower(first) == UInt8(ascii: "l"),
            let colon = line.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        let name = Array(line[..<colon].drop(while: isBlank))
        let trimmed = Array(name.reversed().drop(while: isBlank).reversed())
        guard trimmed.span.isCaseless("content-length") || trimmed.span.isCaseless("l") else {
            return nil
        }
        let value = line[(colon + 1)...].drop(while: isBlank)
        return Array(value.reversed().drop(while: isBlank).reversed())
    }
}
