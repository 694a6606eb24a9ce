internal import Digest
internal import Messages
package import SIP
internal import Sys

/// The header fields that go on as they came.
extension MessageWriter {
    /// Writes the header fields that go on as they are, then the body.
    ///
    /// `sequenceShift` is how much higher the CSeq of the phone's requests is on the inner side, which RAck and
    /// the Event of a transfer have to follow.
    package mutating func rest(
        _ message: Span<UInt8>, _ index: borrowing MessageIndex, _ direction: Direction,
        sequenceShift: UInt16 = 0
    ) {
        let isPrivate =
            direction == .outward
            && index.value(.privacy).map { message.bytes($0).isCaseless("id") } == true
        let body = Body(message, index)
        for position in 0..<index.count {
            let field = index[position]
            guard goesOn(field.name, direction, isPrivate), !index.isLeftOut(field.name),
                body.isReadable || !field.describesBody(message)
            else { continue }
            if field.name == .other {
                buffer.append(message.bytes(field.nameSlice))
            } else {
                buffer.append(field.name.text)
            }
            buffer.append(": ")
            let value = message.bytes(field.value)
            switch field.name {
            case .rAck where sequenceShift > 0 && direction == .inward:
                append(rAck: value, sequenceShift)
            case .event where sequenceShift > 0: append(event: value, direction, sequenceShift)
            // PJSIP drops a message whose number is beyond 32 bits.
            case .expires where index.expires != nil:
                buffer.append(decimal: UInt64(index.expires ?? 0))
            case .contentType where direction == .inward && body.kind == .multipart:
                append(multipartType: field.value, message)
            case .replaces, .join, .targetDialog: append(dialog: value, direction)
            case .referTo:
                if direction == .inward {
                    append(referTo: value)
                } else {
                    append(leavingReferTo: value)
                }
            default:
                if !field.name.saysWho {
                    append(value: value, direction)
                } else if direction == .outward {
                    append(leaving: value, .party)
                } else {
                    append(parties: value)
                }
            }
            endLine()
        }
        end(body, message, direction)
    }

    /// Writes the Content-Type of several bodies with the boundary at its end: chan_sip takes all that follows
    /// `;boundary=` for it.
    private mutating func append(multipartType type: Slice, _ message: Span<UInt8>) {
        var list = Parameters(type)
        var boundary = Slice.empty
        var isFirst = true
        while let parameter = list.next(in: message) {
            if message.bytes(parameter.name).isCaseless("boundary") {
                boundary = parameter.value
                continue
            }
            if !isFirst { append(";") }
            isFirst = false
            append(value: message.bytes(parameter.name), .inward)
            guard parameter.hasValue else { continue }
            append("=")
            append(value: message.bytes(parameter.value), .inward)
        }
        append(";boundary=")
        append(message.bytes(boundary))
    }

    /// Writes who calls, is called or has sent a call on, as an Asterisk reads it in one way.
    ///
    /// A name that hides something is left out, and user parts are written as they are meant. What cannot be read
    /// goes on as it is.
    private mutating func append(parties value: Span<UInt8>) {
        let whole = Slice(0, value.count)
        var check = ValueList(whole)
        while let part = check.next(in: value) {
            guard (try? NameAddress(part, in: value)) != nil else {
                append(value: value, .inward)
                return
            }
        }
        let start = buffer.count
        var list = ValueList(whole)
        var isFirst = true
        while let part = list.next(in: value), let party = try? NameAddress(part, in: value) {
            if !isFirst { append(", ") }
            isFirst = false
            displayName(party, value)
            append("<")
            identity(party.uri, value)
            append(">")
            partyParameters(party, value)
        }
        // What is written has to be read again.
        if buffer.count - start > MessageParser.maximumLine { buffer.fail() }
    }

    /// Writes a RAck whose second number, the INVITE's CSeq, is raised (RFC 3262 section 7.2); one that
    /// cannot be read goes on as it is.
    private mutating func append(rAck value: Span<UInt8>, _ shift: UInt16) {
        guard let place = value.acknowledgedSequence, let number = value.bytes(place).decimal()
        else {
            append(value: value, .inward)
            return
        }
        append(value: value.extracting(0..<place.start), .inward)
        buffer.append(decimal: number + UInt64(shift))
        append(value: value.extracting(place.end..<value.count), .inward)
    }

    /// Writes an Event; the `id` of a transfer's is the CSeq of the phone's REFER (RFC 3515 section 2.4.6), which
    /// is known by another number on the other side.
    private mutating func append(event value: Span<UInt8>, _ direction: Direction, _ shift: UInt16)
    {
        let end = value.first(UInt8(ascii: ";")) ?? value.count
        let parameters = Parameters(.from(min(end + 1, value.count), to: value.count))
        guard value.bytes(Slice(0, end).trimmed(in: value)).isCaseless("refer"),
            let id = parameters.value("id", in: value), let number = value.bytes(id).decimal(),
            direction == .inward || number >= UInt64(shift)
        else {
            append(value: value, direction)
            return
        }
        append(value: value.extracting(0..<id.start), direction)
        buffer.append(
            decimal: direction == .inward ? number + UInt64(shift) : number - UInt64(shift))
        append(value: value.extracting(id.end..<value.count), direction)
    }

    /// Writes what names a dialog, Replaces, Join or Target-Dialog (RFC 3891 section 6.1, RFC 3911 section 7.1,
    /// RFC 4538 section 7): what stands before its parameters is a Call-ID.
    private mutating func append(dialog value: Span<UInt8>, _ direction: Direction) {
        let end = value.first(UInt8(ascii: ";")) ?? value.count
        let callID = Slice(0, end).trimmed(in: value)
        if value.bytes(callID).first(0x0D) == nil {
            appendCallID(value.bytes(callID), direction)
        } else {
            append(value: value.bytes(callID), direction)
        }
        append(value: value.extracting(callID.end..<value.count), direction)
    }

    /// Writes a phone's Refer-To; the Call-ID in its escaped Replaces is again the one that the Asterisk gave
    /// (RFC 3891 section 4), or an attended transfer would find no call.
    ///
    /// Its URI stands in the first brackets, behind no name with a backslash: chan_sip looks for them without
    /// regard to the grammar, and would dial a number that nobody has judged.
    private mutating func append(referTo value: Span<UInt8>) {
        guard let address = try? NameAddress(Slice(0, value.count), in: value) else {
            append(value: value, .inward)
            return
        }
        displayName(address, value)
        append("<")
        appendReferred(address.uri, value)
        append(">")
        partyParameters(address, value)
    }

    private mutating func appendReferred(_ uri: URI, _ value: Span<UInt8>) {
        // In runs from one Call-ID to the next.
        var start = appendReferredUser(uri, value)
        var at = start
        let last = uri.whole.end
        while at < last {
            guard value[at] == UInt8(ascii: "%"), at + 3 <= last,
                value.extracting(at..<at + 3).isCaseless("%40")
            else {
                at += 1
                continue
            }
            at += 3
            var end = at
            while end < last, Base64URL.isLetter(value[end]) { end += 1 }
            guard let host = tokens.host(value.extracting(at..<end)) else { continue }
            switch host {
            case .address(let address):
                append(value.extracting(start..<at))
                buffer.append(host: address.ip)
                if address.port != 0 {
                    buffer.append("%3A")
                    buffer.append(decimal: UInt64(address.port))
                }
            case .text(let text):
                // With its own sign, if it has one.
                append(value.extracting(start..<at - 3))
                append(escaped: text.span)
            }
            at = end
            start = end
        }
        append(value.extracting(start..<last))
    }

    /// Writes a text with escapes for all but letters, digits, dots and hyphens.
    private mutating func append(escaped text: Span<UInt8>) {
        for place in text.indices {
            let byte = text[place]
            if Characters.isHost(byte) {
                append(byte: byte)
            } else {
                buffer.append("%")
                buffer.append(hex: byte)
            }
        }
    }

    /// Writes a Refer-To that leaves; the Call-ID in its escaped Replaces leaves as the dialog's own one does.
    private mutating func append(leavingReferTo value: Span<UInt8>) {
        var start = 0
        var at = 0
        while at < value.count {
            guard value[at] == UInt8(ascii: "%"), at + 3 < value.count,
                value.extracting(at..<at + 3).isCaseless("%40"),
                let (address, end) = escapedInsideAddress(value, at + 3)
            else {
                at += 1
                continue
            }
            append(leaving: value.extracting(start..<at), .target)
            append("%40")
            tokens.write(host: address, into: &buffer)
            at = end
            start = end
        }
        append(leaving: value.extracting(start..<value.count), .target)
    }

    /// The inside address that begins at a place of an escaped text, with its port or 0, and where it ends.
    private func escapedInsideAddress(
        _ value: Span<UInt8>, _ start: Int
    ) -> (address: SocketAddress, end: Int)? {
        guard var end = hostEnd(start, value.count, value) else { return nil }
        guard let ip = IPAddress(host: value.extracting(start..<end)), hosts.hidesInCallID(ip)
        else { return nil }
        var port: UInt16 = 0
        if end + 3 < value.count, value.extracting(end..<end + 3).isCaseless("%3a") {
            var digits = end + 3
            while digits < value.count, value[digits] &- 0x30 <= 9 { digits += 1 }
            let number = value.extracting(end + 3..<digits).decimal(limit: 65_535)
            port = UInt16(number ?? 0)
            end = digits
        }
        return (SocketAddress(ip, port: port), end)
    }

    /// Ends a message that has no body.
    package mutating func endEmpty() {
        begin("Content-Length", "l")
        buffer.append("0\r\n\r\n")
    }

    /// Whether a field is passed on as it is; the others are written by the pieces above, or end here.
    private func goesOn(
        _ name: HeaderName, _ direction: Direction, _ isPrivate: Bool
    ) -> Bool {
        switch name {
        case .via, .from, .to, .callID, .cseq, .contact, .maxForwards, .maxBreadth, .contentLength,
            .route, .recordRoute, .path, .serviceRoute, .proxyRequire:
            return false
        // Whom a BYE names there chan_sip calls, as REFER does it that is judged.
        case .also: return false
        // The edge is where authentication begins and ends, both ways; but Asterisk has its own credentials
        // for a trunk.
        case .authorization, .proxyAuthorization: return isTrunk && direction == .outward
        case .wwwAuthenticate, .proxyAuthenticate, .authenticationInfo, .proxyAuthenticationInfo:
            return isTrunk && direction == .inward
        // What an Asterisk is, and of which version, is nobody's business outside.
        case .server, .userAgent: return direction == .inward
        default:
            // A trunk is of those who trust each other (RFC 3325 section 5).
            guard name.claimsTrust, !isTrunk else { return true }
            return direction == .outward && !isPrivate
        }
    }
}

extension HeaderName {
    /// Whether such a field names who calls, is called or has sent a call on, by a URI that phones dial.
    fileprivate var saysWho: Bool {
        switch self {
        case .pAssertedIdentity, .pPreferredIdentity, .remotePartyID, .diversion, .historyInfo,
            .referredBy, .replyTo:
            true
        default: false
        }
    }
}

extension HeaderField {
    /// Whether the field is about the body, and ends where that does.
    fileprivate func describesBody(_ message: Span<UInt8>) -> Bool {
        switch name {
        case .contentType, .contentEncoding, .contentDisposition: return true
        case .other:
            let text = message.bytes(nameSlice)
            return text.count > 8 && text.extracting(0..<8).isCaseless("content-")
        default: return false
        }
    }
}
