/// Where the parts of a From, To, Contact, Route or Record-Route value lie (RFC 3261 section 20.10).
package struct NameAddress: Sendable {
    /// All of it as it goes on: without a display name that is left out, and without a semicolon at the end.
    package var whole = Slice.empty
    /// The display name as it stands, quotes included; empty when there is none, or none that goes on.
    package var displayName = Slice.empty
    /// The URI.
    package var uri = URI()
    /// The header parameters, from the first semicolon's next byte on.
    package var parameters = Slice.empty
    /// The value of `tag`, empty when there is none.
    package var tag = Slice.empty

    /// An empty address.
    package init() {}

    /// The address that fills a part of a message: one, not a list.
    ///
    /// A display name that is no UTF-8 is left out. So is one with a comma outside quotes, in a field that is no
    /// list (`mayHaveComma`); in a list the comma ends a value.
    package init(
        _ part: Slice, in message: Span<UInt8>, mayHaveComma: Bool = false
    ) throws(ParseError) {
        whole = part
        let bytes = message.bytes(part)
        var rest = part.end
        if let open = Self.bracket(bytes) {
            guard let close = bytes.first(UInt8(ascii: ">"), from: open) else { throw .address }
            let name = Slice(part.start, open).trimmed(in: message)
            if try Self.goesOn(message.bytes(name), mayHaveComma: mayHaveComma) {
                displayName = name
            } else {
                whole = .from(part.start + open, to: part.end)
            }
            let inner = Slice(part.start + open + 1, close - open - 1)
            uri = try URI(inner, in: message)
            rest = part.start + close + 1
        } else {
            // Without brackets every parameter is the header's (RFC 3261 section 20).
            let semicolon = bytes.first(UInt8(ascii: ";"))
            let address = Slice(part.start, semicolon ?? bytes.count).trimmed(in: message)
            guard message.bytes(address).first(UInt8(ascii: "?")) == nil,
                message.bytes(address).first(UInt8(ascii: ",")) == nil
            else { throw .address }
            uri = try URI(address, in: message)
            rest = part.start + (semicolon ?? bytes.count)
        }
        try parseParameters(rest, part.end, message)
    }

    /// The place of the `<` outside a quoted string, or nil.
    private static func bracket(_ bytes: Span<UInt8>) -> Int? {
        var quoted = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if quoted, byte == UInt8(ascii: "\\") {
                index += 1
            } else if byte == UInt8(ascii: "\"") {
                quoted.toggle()
            } else if byte == UInt8(ascii: "<"), !quoted {
                return index
            }
            index += 1
        }
        return nil
    }

    /// Whether a display name goes on, which is a whole quoted string, or tokens (RFC 3261 section 25.1).
    private static func goesOn(
        _ name: Span<UInt8>, mayHaveComma: Bool
    ) throws(ParseError) -> Bool {
        guard !name.isEmpty else { return true }
        if name[0] == UInt8(ascii: "\"") {
            guard name.isQuotedString else { throw .address }
            return name.isUTF8
        }
        var hasComma = false
        for index in name.indices
        where !Characters.isToken(name[index]) && name[index] > 0x20 && name[index] < 0x80 {
            guard mayHaveComma, name[index] == UInt8(ascii: ",") else { throw .address }
            hasComma = true
        }
        return !hasComma && name.isUTF8
    }

    private mutating func parseParameters(
        _ start: Int, _ end: Int, _ message: Span<UInt8>
    ) throws(ParseError) {
        var rest = Slice.from(start, to: end).trimmed(in: message)
        guard !rest.isEmpty else { return }
        guard message[rest.start] == UInt8(ascii: ";") else { throw .address }
        if message[rest.end - 1] == UInt8(ascii: ";") {
            rest = Slice.from(rest.start, to: rest.end - 1).trimmed(in: message)
            whole = Slice.from(whole.start, to: rest.end).trimmed(in: message)
            guard !rest.isEmpty else { return }
            // What is added behind a semicolon would stand behind an empty parameter.
            guard message[rest.end - 1] != UInt8(ascii: ";") else { throw .address }
        }
        parameters = .from(rest.start + 1, to: rest.end)
        var list = Parameters(parameters)
        while let parameter = list.next(in: message) {
            let name = message.bytes(parameter.name)
            let value = message.bytes(parameter.value)
            if name.isCaseless("tag") {
                guard tag.isEmpty, value.isToken else { throw .parameter }
                tag = parameter.value
            } else {
                guard name.isToken, value.isParameterValue else { throw .parameter }
            }
        }
        guard !list.isOpen else { throw .parameter }
    }

    /// Where it ends, without a semicolon at the end; nil when nothing could be read.
    package var end: Int? { whole.isEmpty ? nil : whole.end }

    /// The value of a header parameter; empty for one without a value, nil when it is not there.
    package func parameter(_ name: StaticString, in message: Span<UInt8>) -> Slice? {
        Parameters(parameters).value(name, in: message)
    }
}

/// Goes through the values of a header field that lists several between commas.
package struct ValueList: Sendable {
    private var at: Int
    private let end: Int

    /// The values of a field.
    package init(_ value: Slice) {
        at = value.start
        end = value.end
    }

    /// The next value without white space at its ends, or nil at the end; an empty one is returned.
    package mutating func next(in message: Span<UInt8>) -> Slice? {
        guard at < end else { return nil }
        let start = at
        // Nearly every field has one value.
        guard message.extracting(start..<end).first(UInt8(ascii: ",")) != nil else {
            at = end
            return Slice.from(start, to: end).trimmed(in: message)
        }
        var quoted = false
        var angle = false
        while at < end {
            let byte = message[at]
            if quoted {
                if byte == UInt8(ascii: "\\") {
                    at += 1
                } else if byte == UInt8(ascii: "\"") {
                    quoted = false
                }
            } else if byte == UInt8(ascii: "\""), !angle {
                quoted = true
            } else if byte == UInt8(ascii: "<") {
                angle = true
            } else if byte == UInt8(ascii: ">") {
                angle = false
            } else if byte == UInt8(ascii: ","), !angle {
                break
            }
            at += 1
        }
        let stop = min(at, end)
        at = stop + 1
        return Slice.from(start, to: stop).trimmed(in: message)
    }
}
