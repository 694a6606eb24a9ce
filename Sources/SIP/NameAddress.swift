/// Where the parts of a From, To, Contact, Route or Record-Route value lie (RFC 3261 section 20.10).
package struct NameAddress: Sendable {
    /// The display name as it stands, quotes included; empty when there is none.
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
    package init(_ part: Slice, in message: Span<UInt8>) throws(ParseError) {
        let bytes = message.bytes(part)
        var rest = part.end
        if let open = Self.bracket(bytes) {
            guard let close = bytes.first(UInt8(ascii: ">"), from: open) else { throw .address }
            displayName = Slice(part.start, open).trimmed(in: message)
            try Self.check(displayName, message)
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

    /// A display name is a whole quoted string, or tokens (RFC 3261 section 25.1).
    private static func check(_ name: Slice, _ message: Span<UInt8>) throws(ParseError) {
        let bytes = message.bytes(name)
        guard !bytes.isEmpty else { return }
        if bytes[0] == UInt8(ascii: "\"") {
            var index = 1
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard index == bytes.count - 1 else { throw .address }
            return
        }
        for index in bytes.indices
        where !Characters.isToken(bytes[index]) && bytes[index] > 0x20 && bytes[index] < 0x80 {
            throw .address
        }
    }

    private mutating func parseParameters(
        _ start: Int, _ end: Int, _ message: Span<UInt8>
    ) throws(ParseError) {
        let rest = Slice.from(start, to: end).trimmed(in: message)
        guard !rest.isEmpty else { return }
        // What is added behind a last semicolon would stand behind an empty parameter.
        guard message[rest.start] == UInt8(ascii: ";"), message[rest.end - 1] != UInt8(ascii: ";")
        else { throw .address }
        parameters = .from(rest.start + 1, to: rest.end)
        var list = Parameters(parameters)
        while let parameter = list.next(in: message) {
            let name = message.bytes(parameter.name)
            guard !name.isEmpty else { throw .parameter }
            for index in name.indices where !Characters.isToken(name[index]) { throw .parameter }
            guard name.isCaseless("tag") else { continue }
            guard tag.isEmpty, !parameter.value.isEmpty else { throw .parameter }
            let value = message.bytes(parameter.value)
            for index in value.indices where !Characters.isToken(value[index]) { throw .parameter }
            tag = parameter.value
        }
        guard !list.isOpen else { throw .parameter }
    }

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
