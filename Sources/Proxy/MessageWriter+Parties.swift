internal import SIP

/// What a phone wrote of itself and of whom it calls, as an Asterisk of any age reads it in one way.
extension MessageWriter {
    /// Writes From or To of a phone's request: who it is and its tag, without what no Asterisk needs and
    /// old ones stumble over.
    ///
    /// The URI loses its parameters, headers and password, and a display name with brackets or escapes in it
    /// is left out (chan_sip of Asterisk 1.4 looks for the first bracket, wherever it stands). The phone never
    /// sees this: its answers repeat what it wrote.
    mutating func party(_ name: StaticString, _ party: NameAddress, _ message: Span<UInt8>) {
        begin(name, name)
        displayName(party, message)
        append("<")
        switch party.uri.scheme {
        case .sip, .sips: address(party.uri, message)
        // No chan_sip finds a caller in a tel URI.
        case .tel where isTrunk:
            append("sip:")
            append(message.bytes(party.uri.user))
            append("@")
            appendDomain()
        case .tel, .other: append(message.bytes(party.uri.whole))
        }
        append(">")
        parameters(party, message)
        endLine()
    }

    /// Writes a display name that hides nothing, and the space behind it.
    mutating func displayName(_ party: NameAddress, _ message: Span<UInt8>) {
        let display = message.bytes(party.displayName)
        guard Self.isPlain(display) else { return }
        append(value: display, .inward)
        append(" ")
    }

    /// Whether a display name is there and hides nothing.
    private static func isPlain(_ display: Span<UInt8>) -> Bool {
        guard !display.isEmpty else { return false }
        for index in display.indices {
            switch display[index] {
            case UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"): return false
            default: continue
            }
        }
        return true
    }

    /// Writes scheme, user, host and port.
    private mutating func address(_ uri: URI, _ message: Span<UInt8>) {
        append(uri.scheme == .sips ? "sips:" : "sip:")
        if !uri.user.isEmpty {
            append(message.bytes(isTrunk ? Self.number(uri.user, message) : uri.user))
            append("@")
        }
        append(message.bytes(uri.host))
        guard uri.port != 0 else { return }
        append(":")
        append(decimal: UInt64(uri.port))
    }

    /// Writes the URI that a phone wants to be reached by: with the parameters that it chose for itself, but
    /// without headers, and without those that name another place or method (RFC 3261 section 19.1.1).
    mutating func target(_ uri: URI, _ message: Span<UInt8>) {
        guard uri.scheme == .sip || uri.scheme == .sips else {
            append(message.bytes(uri.whole))
            return
        }
        address(uri, message)
        var list = Parameters(uri.parameters)
        while let parameter = list.next(in: message) {
            let name = message.bytes(parameter.name)
            if name.isEmpty || name.isCaseless("maddr") || name.isCaseless("ttl")
                || name.isCaseless("method")
            {
                continue
            }
            append(";")
            append(name)
            guard parameter.hasValue else { continue }
            append("=")
            append(message.bytes(parameter.value))
        }
    }

    /// Writes the parameters of a header field.
    mutating func parameters(_ address: NameAddress, _ message: Span<UInt8>) {
        guard !address.parameters.isEmpty else { return }
        append(";")
        append(value: message.bytes(address.parameters), .inward)
    }
}
