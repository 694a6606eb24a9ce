/// Where the parts of a Via value lie (RFC 3261 section 20.42).
package struct Via: Sendable {
    /// The transport's name.
    package var transport = Slice.empty
    /// The host of sent-by, an IPv6 address with its brackets.
    package var host = Slice.empty
    /// The port of sent-by, 0 when there is none.
    package var port: UInt16 = 0
    /// The parameters, from the first semicolon's next byte on.
    package var parameters = Slice.empty
    /// The value of `branch`, empty when there is none.
    package var branch = Slice.empty
    /// Whether there is an `rport` (RFC 3581).
    package var hasRport = false

    /// An empty Via.
    package init() {}

    /// The Via that fills a part of a message: one, not a list.
    package init(_ part: Slice, in message: Span<UInt8>) throws(ParseError) {
        var at = part.start
        func skipBlanks() {
            while at < part.end, isBlank(message[at]) || message[at] == 0x0D || message[at] == 0x0A
            {
                at += 1
            }
        }
        func token() throws(ParseError) -> Slice {
            skipBlanks()
            let start = at
            while at < part.end, Characters.isToken(message[at]) { at += 1 }
            guard at > start else { throw .via }
            return .from(start, to: at)
        }
        func slash() throws(ParseError) {
            skipBlanks()
            guard at < part.end, message[at] == UInt8(ascii: "/") else { throw .via }
            at += 1
        }
        guard message.bytes(try token()).isCaseless("sip") else { throw .via }
        try slash()
        guard message.bytes(try token()).isExactly("2.0") else { throw .via }
        try slash()
        transport = try token()
        guard at < part.end, isBlank(message[at]) || message[at] == 0x0D else { throw .via }
        skipBlanks()
        guard let end = hostEnd(at, part.end, message) else { throw .via }
        host = .from(at, to: end)
        at = end
        skipBlanks()
        if at < part.end, message[at] == UInt8(ascii: ":") {
            at += 1
            skipBlanks()
            let start = at
            while at < part.end, message[at] &- 0x30 <= 9 { at += 1 }
            guard let number = message.extracting(start..<at).decimal(limit: 65_535) else {
                throw .via
            }
            port = UInt16(number)
            skipBlanks()
        }
        guard at < part.end else { return }
        guard message[at] == UInt8(ascii: ";") else { throw .via }
        parameters = .from(at + 1, to: part.end)
        try parseParameters(message)
    }

    private mutating func parseParameters(_ message: Span<UInt8>) throws(ParseError) {
        var list = Parameters(parameters)
        while let parameter = list.next(in: message) {
            let name = message.bytes(parameter.name)
            guard name.isToken else { throw .via }
            if name.isCaseless("branch") {
                guard branch.isEmpty, !parameter.value.isEmpty else { throw .via }
                branch = parameter.value
            } else if name.isCaseless("rport") {
                hasRport = true
            }
        }
        guard !list.isOpen else { throw .via }
    }

    /// Whether the branch begins with the cookie of RFC 3261 section 8.1.1.7.
    package func hasCookie(in message: Span<UInt8>) -> Bool {
        branch.length > 7
            && message.extracting(branch.start..<branch.start + 7).isExactly("z9hG4bK")
    }
}
