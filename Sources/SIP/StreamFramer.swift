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
    /// Where the search for the end of the header goes on.
    private var searched = 0
    /// How long the message at the head is, once its header is whole.
    private var total: Int?
    /// How many bytes of headers have been read so far, those that were read again counted again.
    ///
    /// It is the work that a stream costs, beside at most four bytes for each look at its head.
    package private(set) var looked = 0

    /// An empty stream.
    package init() {}

    /// Whether part of a message has come.
    ///
    /// No message begins with CR: a CRLF alone is the keep-alive of some phones, and the answer to a
    /// ping (RFC 5626 section 3.5.1).
    package var isPartial: Bool { start < bytes.count && bytes[start] != 0x0D }

    /// The place in `bytes` where the next message begins, until more is added.
    package var head: Int { start }

    /// Adds bytes that came.
    package mutating func append(_ new: Span<UInt8>) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
            searched = 0
        } else if start > 65_536 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
        for index in new.indices { bytes.append(new[index]) }
    }

    /// Looks at the head of the stream.
    package mutating func next() -> Frame {
        if let total { return isWhole(total) }
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
        self.total = total
        return isWhole(total)
    }

    /// Whether the first line at the head of the stream begins a message of a known method (RFC
    /// 3261 sections 7.1 and 7.2).
    ///
    /// It is nil while the line is not whole.
    package var beginsMessage: Bool? {
        let rest = bytes.span.extracting(start..<bytes.count)
        guard let end = rest.first(UInt8(ascii: "\r")), end > 0 else { return nil }
        let line = rest.extracting(0..<end)
        guard line.count > 8 else { return false }
        if line.extracting(0..<8).isCaseless("sip/2.0 ") { return true }
        guard let space = line.first(UInt8(ascii: " ")),
            line.extracting(line.count - 8..<line.count).isCaseless(" sip/2.0")
        else { return false }
        return Method(line.extracting(0..<space)) != .other
    }

    private func isWhole(_ total: Int) -> Frame {
        bytes.count - start >= total ? .message(total) : .incomplete
    }

    /// Takes so many bytes from the head of the stream.
    package mutating func consume(_ count: Int) {
        start += count
        searched = start
        total = nil
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
        let from = max(searched, start)
        var at = from
        defer { looked += at - from }
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
    private mutating func contentLength(to end: Int) -> Int? {
        looked += end - start
        let header = bytes.span.extracting(start..<end)
        var found: Int?
        var line = 0
        while line < header.count - 2 {
            let stop = Self.lineEnd(from: line, in: header)
            if let value = Self.lengthValue(Slice.from(line, to: stop), in: header) {
                guard found == nil, let number = header.bytes(value).decimal(limit: 65_535) else {
                    return nil
                }
                found = Int(number)
            }
            line = stop + 2
        }
        return found
    }

    /// The place of the CR that ends a line, folded lines taken as one.
    private static func lineEnd(from start: Int, in header: Span<UInt8>) -> Int {
        var at = start
        while at < header.count {
            if header[at] == 0x0D {
                guard at + 2 < header.count, isBlank(header[at + 2]) else { return at }
            }
            at += 1
        }
        return at
    }

    /// Where the value of a line that is a Content-Length stands, else nil: the parser finds the same one.
    private static func lengthValue(_ line: Slice, in header: Span<UInt8>) -> Slice? {
        guard !line.isEmpty else { return nil }
        let first = Characters.lower(header[line.start])
        guard first == UInt8(ascii: "c") || first == UInt8(ascii: "l"),
            let colon = header.bytes(line).first(UInt8(ascii: ":"))
        else { return nil }
        let name = header.bytes(Slice(line.start, colon).withoutBlanks(in: header))
        guard name.isCaseless("content-length") || name.isCaseless("l") else { return nil }
        return Slice.from(line.start + colon + 1, to: line.end).trimmed(in: header)
    }
}
