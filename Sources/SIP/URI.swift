/// The kind of a URI.
package enum Scheme: UInt8, Sendable {
    case sip, sips, tel
    /// Any other scheme; the rest of the URI is not looked into.
    case other
}

/// Where the parts of a URI lie in a message (RFC 3261 section 19.1).
package struct URI: Sendable {
    /// The kind.
    package var scheme = Scheme.other
    /// All of it.
    package var whole = Slice.empty
    /// The user part without a password, for `tel` the number; empty when there is none.
    package var user = Slice.empty
    /// The host, an IPv6 address with its brackets; a domain name without the dot that may end it.
    package var host = Slice.empty
    /// The port, 0 when there is none.
    package var port: UInt16 = 0
    /// The parameters, from the first semicolon's next byte on.
    package var parameters = Slice.empty
    /// The headers, after the question mark.
    package var headers = Slice.empty

    /// An empty URI.
    package init() {}

    /// The URI that fills a part of a message.
    package init(_ part: Slice, in message: Span<UInt8>) throws(ParseError) {
        whole = part
        let bytes = message.bytes(part)
        guard let colon = bytes.first(UInt8(ascii: ":")), colon > 0 else { throw .uri }
        let name = bytes.extracting(0..<colon)
        if name.isCaseless("sip") {
            scheme = .sip
        } else if name.isCaseless("sips") {
            scheme = .sips
        } else if name.isCaseless("tel") {
            guard bytes.isURIText else { throw .uri }
            scheme = .tel
            let rest = Slice.from(part.start + colon + 1, to: part.end)
            let end = message.bytes(rest).first(UInt8(ascii: ";")).map { rest.start + $0 }
            user = .from(rest.start, to: end ?? rest.end)
            if let end { parameters = .from(end + 1, to: rest.end) }
            return
        } else {
            let opaque = bytes.extracting(colon + 1..<bytes.count)
            guard name.isScheme, bytes.isURIText, opaque.isOpaque else { throw .uri }
            return
        }
        try parseSIP(part.start + colon + 1, part.end, message)
    }

    private mutating func parseSIP(
        _ start: Int, _ end: Int, _ message: Span<UInt8>
    ) throws(ParseError) {
        var at = start
        if let sign = userEnd(start, end, message) {
            let colon = message.extracting(start..<sign).first(UInt8(ascii: ":"))
            user = .from(start, to: colon.map { start + $0 } ?? sign)
            guard !user.isEmpty, message.extracting(user.end..<sign).isURIText else { throw .uri }
            for index in user.start..<user.end where !Characters.isUser(message[index]) {
                throw .uri
            }
            at = sign + 1
        }
        at = try parseHost(at, end, message)
        if at < end, message[at] == UInt8(ascii: ":") {
            var digits = at + 1
            while digits < end, message[digits] &- 0x30 <= 9 { digits += 1 }
            guard let number = message.extracting(at + 1..<digits).decimal(limit: 65_535) else {
                throw .uri
            }
            port = UInt16(number)
            at = digits
        }
        if at < end, message[at] == UInt8(ascii: ";") {
            let question = message.extracting(at..<end).first(UInt8(ascii: "?"))
            parameters = .from(at + 1, to: question.map { at + $0 } ?? end)
            guard message.bytes(parameters).areURIParameters else { throw .uri }
            at = parameters.end
        }
        if at < end, message[at] == UInt8(ascii: "?") {
            headers = .from(at + 1, to: end)
            guard message.bytes(headers).isURIText else { throw .uri }
            at = end
        }
        guard at == end else { throw .uri }
    }

    /// The place of the `@` that ends the user part: the only one before the host.
    private func userEnd(_ start: Int, _ end: Int, _ message: Span<UInt8>) -> Int? {
        message.extracting(start..<end).first(UInt8(ascii: "@")).map { start + $0 }
    }

    private mutating func parseHost(
        _ start: Int, _ end: Int, _ message: Span<UInt8>
    ) throws(ParseError) -> Int {
        guard let stop = hostEnd(start, end, message) else { throw .uri }
        host = .from(start, to: stop)
        guard message[stop - 1] == UInt8(ascii: ".") else { return stop }
        host = .from(start, to: stop - 1)
        guard message.bytes(host).isDomainName else { throw .uri }
        return stop
    }

    /// The value of a parameter; empty for one without a value, nil when it is not there.
    package func parameter(_ name: StaticString, in message: Span<UInt8>) -> Slice? {
        Parameters(parameters).value(name, in: message)
    }
}

/// The end of the host that begins at `start`, or nil when there is none.
package func hostEnd(_ start: Int, _ end: Int, _ message: Span<UInt8>) -> Int? {
    guard start < end else { return nil }
    if message[start] == UInt8(ascii: "[") {
        var close = start + 1
        while close < end,
            Characters.hex(message[close]) != nil || message[close] == UInt8(ascii: ":")
                || message[close] == UInt8(ascii: ".")
        {
            close += 1
        }
        let isClosed = close < end && message[close] == UInt8(ascii: "]")
        return isClosed && close > start + 1 ? close + 1 : nil
    }
    var at = start
    while at < end, Characters.isHost(message[at]) { at += 1 }
    return at > start ? at : nil
}

/// One parameter of a URI or header field.
package struct Parameter: Sendable {
    /// Its name.
    package var name: Slice
    /// Its value as it stands, quotes included; empty when it has none.
    package var value: Slice
    /// Whether there was an equals sign.
    package var hasValue: Bool
}

/// Goes through `name=value` pairs between semicolons, quoted strings respected.
package struct Parameters: Sendable {
    private var at: Int
    private let end: Int
    private let separator: UInt8
    /// Whether a quoted string was left open: what follows it cannot be told from what is in it.
    package private(set) var isOpen = false

    /// The pairs of a part; `separator` is the semicolon, or the comma of a digest header.
    package init(_ part: Slice, separator: UInt8 = UInt8(ascii: ";")) {
        at = part.start
        end = part.end
        self.separator = separator
    }

    /// The value of the pair of a name; empty for one without a value, nil when it is not there.
    package func value(_ name: StaticString, in message: Span<UInt8>) -> Slice? {
        var rest = self
        while let parameter = rest.next(in: message) {
            if message.bytes(parameter.name).isCaseless(name) { return parameter.value }
        }
        return nil
    }

    /// The next pair, or nil at the end.
    package mutating func next(in message: Span<UInt8>) -> Parameter? {
        guard at < end else { return nil }
        let start = at
        var equals: Int?
        isOpen = false
        while at < end {
            let byte = message[at]
            // What means something here stands before the letters.
            if byte <= UInt8(ascii: "=") {
                if byte == separator { break }
                if byte == UInt8(ascii: "\"") {
                    isOpen = !skipQuoted(message)
                    continue
                }
                if byte == UInt8(ascii: "="), equals == nil { equals = at }
            }
            at += 1
        }
        let stop = min(at, end)
        at = stop + 1
        let name = Slice.from(start, to: equals ?? stop).trimmed(in: message)
        let value = equals.map { Slice.from($0 + 1, to: stop).trimmed(in: message) } ?? .empty
        return Parameter(name: name, value: value, hasValue: equals != nil)
    }

    /// Goes behind the quoted string that begins here; false when it is left open.
    private mutating func skipQuoted(_ message: Span<UInt8>) -> Bool {
        at += 1
        while at < end {
            let byte = message[at]
            at += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return true }
        }
        return false
    }
}
