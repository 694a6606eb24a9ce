package import SIP

/// What a phone wrote of itself and of whom it calls, as an Asterisk of any age reads it in one way.
extension MessageWriter {
    /// Writes From or To of a phone's request: who it is and its tag, without what no Asterisk needs and
    /// old ones stumble over.
    ///
    /// The URI loses its parameters, headers and password, and a display name that hides something is left out:
    /// chan_sip of Asterisk 1.4 looks for the first bracket and the first tag, wherever they stand, and when it
    /// is pedantic it undoes escapes before that. The phone never sees this: its answers repeat what it wrote.
    package mutating func party(_ name: StaticString, _ party: NameAddress, _ message: Span<UInt8>)
    {
        begin(name, name)
        displayName(party, message)
        append("<")
        switch party.uri.scheme {
        case .sip, .sips:
            // The way to an Asterisk is no TLS, and the old ones know no other scheme.
            append("sip:")
            userAndHost(party.uri, message)
        // No chan_sip finds a caller in a tel URI.
        case .tel where isTrunk:
            append("sip:")
            if user(party.uri.user, message) { append("@") }
            appendDomain()
        case .tel: number(party.uri, message)
        case .other where message.bytes(party.uri.whole).isEmergencyService:
            append("sip:")
            appendEmergency()
            append("@")
            appendDomain()
        // A tag or an escape may stand anywhere in it.
        case .other:
            append("sip:")
            appendDomain()
        }
        append(">")
        partyParameters(party, message)
        endLine()
    }

    /// Writes the parameters of From or To without blanks around them, and without those that hide a tag.
    mutating func partyParameters(_ party: NameAddress, _ message: Span<UInt8>) {
        var list = Parameters(party.parameters)
        while let parameter = list.next(in: message) {
            let value = message.bytes(parameter.value)
            if parameter.name.isEmpty || Self.hidesTag(value) { continue }
            append(";")
            append(message.bytes(parameter.name))
            guard parameter.hasValue else { continue }
            append("=")
            append(value: value, .inward)
        }
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
            case UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "%"):
                return false
            default: continue
            }
        }
        return !hidesTag(display)
    }

    /// Whether who looks for `;tag=` without regard to quotation marks finds it in a text.
    private static func hidesTag(_ text: Span<UInt8>) -> Bool {
        var from = 0
        while let sign = text.first(UInt8(ascii: ";"), from: from) {
            from = sign + 1
            if text.count - from >= 4, text.extracting(from..<from + 4).isCaseless("tag=") {
                return true
            }
        }
        return false
    }

    /// Writes a user part as every Asterisk reads it; false when there is none, or nothing that can be read so.
    private mutating func user(_ user: Slice, _ message: Span<UInt8>) -> Bool {
        let whole = message.bytes(user)
        let bytes = whole.extracting(0..<whole.lengthOfUser)
        guard bytes.first(UInt8(ascii: "%")) != nil else {
            append(bytes)
            return !bytes.isEmpty
        }
        let part = UserPart(bytes)
        // What is refused before it begins anything may stand in a dialog, where no Asterisk looks at it.
        if part.isName { append(part.span) }
        return part.isName
    }

    /// Writes the URI of somebody a trunk or a phone tells of: its user part as it is meant, all else as it came.
    mutating func identity(_ uri: URI, _ message: Span<UInt8>) {
        guard uri.scheme == .sip || uri.scheme == .sips, !uri.user.isEmpty else {
            append(message.bytes(uri.whole))
            return
        }
        append(uri.scheme == .sips ? "sips:" : "sip:")
        if user(uri.user, message) { append("@") }
        append(message.extracting(uri.host.start..<uri.whole.end))
    }

    /// Writes a tel URI without its parameters; one that no Asterisk reads as a number becomes the domain.
    private mutating func number(_ uri: URI, _ message: Span<UInt8>) {
        let part = UserPart(message.bytes(uri.user))
        if part.isName, part.span.isTelephoneNumber {
            append("tel:")
            append(part.span)
        } else {
            append("sip:")
            appendDomain()
        }
    }

    /// Writes scheme, user, host and port; the user in its own bytes where it is the phone's own.
    private mutating func address(_ uri: URI, _ message: Span<UInt8>, isOwn: Bool = false) {
        append(uri.scheme == .sips ? "sips:" : "sip:")
        userAndHost(uri, message, isOwn: isOwn)
    }

    private mutating func userAndHost(_ uri: URI, _ message: Span<UInt8>, isOwn: Bool = false) {
        if isOwn, !uri.user.isEmpty {
            append(message.bytes(uri.user))
            append("@")
        } else if user(uri.user, message) {
            append("@")
        }
        append(message.bytes(uri.host))
        guard uri.port != 0 else { return }
        append(":")
        append(decimal: UInt64(uri.port))
    }

    /// Writes the URI that a phone wants to be reached by: with the parameters that it chose for itself, but
    /// without headers, and without those that name another place or method (RFC 3261 section 19.1.1).
    ///
    /// Its own user stays in its bytes, by which the phone knows itself when an Asterisk calls it so; that of
    /// somebody else, to whom it sends a call on, is dialled.
    mutating func target(_ uri: URI, _ message: Span<UInt8>, isOwn: Bool) {
        guard uri.scheme == .sip || uri.scheme == .sips else {
            if uri.scheme == .tel {
                number(uri, message)
            } else {
                append(message.bytes(uri.whole))
            }
            return
        }
        address(uri, message, isOwn: isOwn)
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

    /// Writes the URI of a Refer-To up to the end of its user where that has to be written otherwise than the phone
    /// wrote it; returns where the rest begins, which is all of it when nothing was written.
    mutating func appendReferredUser(_ uri: URI, _ value: Span<UInt8>) -> Int {
        guard !uri.user.isEmpty else { return uri.whole.start }
        let part = UserPart(value.bytes(uri.user))
        // A tel URI has nothing but parameters there, a SIP URI parameters and a password.
        let end = uri.scheme == .tel ? uri.whole.end : uri.host.start - 1
        guard part.isDialable, end > uri.user.start + part.span.count else {
            return uri.whole.start
        }
        append(value.extracting(uri.whole.start..<uri.user.start))
        append(part.span)
        return end
    }
}

extension Span where Element == UInt8 {
    /// Whether a URI names an emergency service, or one of its kinds (RFC 5031 section 4.2); case does not matter.
    package var isEmergencyService: Bool {
        let length = 15
        guard count >= length, extracting(0..<length).isCaseless("urn:service:sos") else {
            return false
        }
        return count == length || self[length] == UInt8(ascii: ".") && count > length + 1
    }
}
