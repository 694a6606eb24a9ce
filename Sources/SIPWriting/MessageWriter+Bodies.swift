internal import SIP
internal import Sys

/// Bodies, as they leave and as they come in.
extension MessageWriter {
    /// Ends a message with a body; one that cannot be read is left out.
    mutating func end(_ body: Body, _ message: Span<UInt8>, _ direction: Direction) {
        guard body.isReadable else {
            endEmpty()
            return
        }
        guard isChanged(body, direction) else {
            end(lengthOf: message.bytes(body.place))
            buffer.append(message.bytes(body.place))
            return
        }
        // What is written into the buffer lands in the other one, whose length is then known.
        swap(&buffer, &bodyBuffer)
        buffer.removeAll()
        append(body, message, direction, depth: 0)
        swap(&buffer, &bodyBuffer)
        endWithWritten()
    }

    private mutating func end(lengthOf body: Span<UInt8>) {
        append("Content-Length: ")
        append(decimal: UInt64(body.count))
        append("\r\n\r\n")
    }

    private mutating func endWithWritten() {
        append("Content-Length: ")
        append(decimal: UInt64(bodyBuffer.count))
        append("\r\n\r\n")
        if bodyBuffer.overflowed { buffer.fail() }
        Self.copy(bodyBuffer, to: &buffer)
    }

    private static func copy(_ source: borrowing ByteBuffer, to target: inout ByteBuffer) {
        target.append(source.span)
    }

    /// Whether a body is not written as it came.
    private func isChanged(_ body: Body, _ direction: Direction) -> Bool {
        switch body.kind {
        case .session: direction == .outward || body.session?.isCanonical == false
        case .state: direction == .outward
        case .multipart: true
        case .other: false
        }
    }

    private mutating func append(
        _ body: Body, _ message: Span<UInt8>, _ direction: Direction, depth: Int
    ) {
        guard isChanged(body, direction) else {
            buffer.append(message.bytes(body.place))
            return
        }
        switch body.kind {
        case .session: append(session: body, message, direction)
        case .state: append(state: message.bytes(body.place))
        case .multipart: append(parts: body, message, direction, depth)
        case .other: break
        }
    }

    // MARK: Session descriptions

    /// Writes the lines of a session description, each with its CR LF, and the line of its name if it has none.
    private mutating func append(
        session body: Body, _ message: Span<UInt8>, _ direction: Direction
    ) {
        guard let session = body.session else { return }
        var lines = BodyLines(.from(body.place.start, to: session.end))
        var hasName = session.hasName
        while let line = lines.next(message) {
            let text = message.bytes(line)
            if direction == .inward { buffer.append(text) } else { append(leavingLine: text) }
            endLine()
            if !hasName, text[0] == UInt8(ascii: "o") {
                append("s=-\r\n")
                hasName = true
            }
        }
    }

    /// Writes a line of an Asterisk's session description.
    ///
    /// Until the edge carries the media itself, the lines that say where it goes stay as they are.
    private mutating func append(leavingLine line: Span<UInt8>) {
        switch line[0] {
        case UInt8(ascii: "o"): append(origin: line)
        case UInt8(ascii: "s"): append("s=-")
        case UInt8(ascii: "c"), UInt8(ascii: "a"):
            guard Self.saysWhere(line) else { fallthrough }
            noteMedia(line)
            buffer.append(line)
        default: append(leaving: line, .text)
        }
    }

    /// Whether a line says where media goes: the connection, and what RFC 3605 and RFC 8839 add to it.
    private static func saysWhere(_ line: Span<UInt8>) -> Bool {
        guard line[0] == UInt8(ascii: "a") else { return true }
        guard let end = line.first(UInt8(ascii: ":")) else { return false }
        let name = line.extracting(2..<end)
        return name.isExactly("rtcp") || name.isExactly("candidate")
            || name.isExactly("remote-candidates")
    }

    /// Notes when a line names an inside address.
    private mutating func noteMedia(_ line: Span<UInt8>) {
        var start = 2
        while start < line.count, !namesInsideMedia {
            var end = start
            while end < line.count, line[end] > 0x20, line[end] != UInt8(ascii: "/") { end += 1 }
            if end - start >= 2, let ip = IPAddress(parsing: line.extracting(start..<end)) {
                namesInsideMedia = hosts.isInsideMedia(ip)
            }
            start = end + 1
        }
    }

    /// Writes the origin line (RFC 8866 section 5.2) with the domain for its address.
    ///
    /// The address only has to make the session unique, so a host name serves as well.
    private mutating func append(origin line: Span<UInt8>) {
        var end = line.count
        while end > 2, line[end - 1] <= 0x20 { end -= 1 }
        var start = end
        while start > 2, line[start - 1] > 0x20 { start -= 1 }
        let head = line.extracting(0..<start)
        guard start > 10, head.endsWith("in ip4 ") || head.endsWith("in ip6 ") else {
            append(leaving: line, .text)
            return
        }
        append(leaving: head, .text)
        if hosts.leaves(line.extracting(start..<end), .party) {
            buffer.append(line.extracting(start..<end))
        } else {
            appendDomain()
        }
    }

    // MARK: Others

    /// Writes a text about parties, line by line as it came, with the hosts that leave.
    private mutating func append(state text: Span<UInt8>) {
        var at = 0
        while at < text.count {
            var end = at
            while end < text.count, text[end] != 0x0A, text[end] != 0x0D { end += 1 }
            append(leaving: text.extracting(at..<end), .party, isMarkup: true)
            at = end
            while at < text.count, text[at] == 0x0A || text[at] == 0x0D { at += 1 }
            buffer.append(text.extracting(end..<at))
        }
    }

    /// Writes a multipart body with each part as that leaves or comes in.
    private mutating func append(
        parts body: Body, _ message: Span<UInt8>, _ direction: Direction, _ depth: Int
    ) {
        guard var parts = BodyParts(body, message) else { return }
        var written = body.place.start
        while let part = parts.next(message) {
            let inner = Body(part.body, part.type, message, depth: depth + 1)
            let isChanged = isChanged(inner, direction)
            guard isChanged || direction == .outward else { continue }
            buffer.append(message.extracting(written..<part.header.start))
            append(header: part.header, message, direction, isChanged: isChanged)
            append(inner, message, direction, depth: depth + 1)
            written = part.body.end
        }
        buffer.append(message.extracting(written..<body.place.end))
    }

    /// Writes the header of a part; with a body that is changed its length is another one, and left out.
    private mutating func append(
        header: Slice, _ message: Span<UInt8>, _ direction: Direction, isChanged: Bool
    ) {
        var line = header.start
        while line < header.end {
            var next = min((message.first(0x0A, from: line) ?? header.end) + 1, header.end)
            let text = Slice.from(line, to: next)
            let isLength =
                BodyParts.isField("content-length", text, message)
                || BodyParts.isField("l", text, message)
            if isLength, isChanged {
                // With the lines that go on with it.
                while next < header.end, isBlank(message[next]) {
                    next = min((message.first(0x0A, from: next) ?? header.end) + 1, header.end)
                }
            } else {
                var end = next
                while end > line, message[end - 1] == 0x0A || message[end - 1] == 0x0D { end -= 1 }
                let value = message.extracting(line..<end)
                if direction == .inward {
                    buffer.append(value)
                } else {
                    append(leaving: value, .text)
                }
                buffer.append(message.extracting(end..<next))
            }
            line = next
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether the bytes end with those of a lower-case literal, in any case.
    fileprivate func endsWith(_ literal: StaticString) -> Bool {
        let length = literal.utf8CodeUnitCount
        return count >= length && extracting(count - length..<count).isCaseless(literal)
    }
}
