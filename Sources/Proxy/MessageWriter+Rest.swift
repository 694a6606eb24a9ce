internal import Digest
internal import Messages
internal import Registrar
package import SIP
internal import Sys

/// The header fields that go on as they came, and the body.
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
        for position in 0..<index.count {
            let field = index[position]
            guard goesOn(field.name, direction, isPrivate), !index.isLeftOut(field.name) else {
                continue
            }
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
            case .replaces: append(replaces: value, direction)
            case .referTo where direction == .inward: append(referTo: value)
            default: append(value: value, direction)
            }
            endLine()
        }
        let origin = direction == .outward ? insideOrigin(message, index) : .empty
        buffer.append("Content-Length: ")
        guard !origin.isEmpty else {
            buffer.append(decimal: UInt64(index.body.length))
            buffer.append("\r\n\r\n")
            buffer.append(message.bytes(index.body))
            return
        }
        let length = index.body.length - origin.length + UInt16(domain.count)
        buffer.append(decimal: UInt64(length))
        buffer.append("\r\n\r\n")
        buffer.append(message.extracting(index.body.start..<origin.start))
        appendDomain()
        buffer.append(message.extracting(origin.end..<index.body.end))
    }

    /// The address in the origin line of a session description (RFC 8866 section 5.2) when it is an
    /// inside one, else empty.
    ///
    /// chan_sip writes its own address there whatever `media_address` says. It only has to make the session
    /// unique, so a host name serves as well; where the media goes is said elsewhere and left alone.
    private func insideOrigin(_ message: Span<UInt8>, _ index: borrowing MessageIndex) -> Slice {
        guard let type = index.value(.contentType),
            message.bytes(type).isCaseless("application/sdp")
        else { return .empty }
        var line = index.body.start
        while line + 2 < index.body.end {
            let stop = message.first(0x0A, from: line) ?? index.body.end
            let end = min(stop, index.body.end)
            if message[line] == UInt8(ascii: "o"), message[line + 1] == UInt8(ascii: "=") {
                let value = Slice.from(line, to: end).trimmed(in: message)
                var start = value.end
                while start > value.start, message[start - 1] > 0x20 { start -= 1 }
                let address = Slice.from(start, to: value.end)
                let ip = IPAddress(parsing: message.bytes(address))
                return ip.map(insideHosts.contains) == true ? address : .empty
            }
            line = end + 1
        }
        return .empty
    }

    /// Writes a RAck whose second number, the INVITE's CSeq, is raised (RFC 3262 section 7.2); one that
    /// cannot be read goes on as it is.
    private mutating func append(rAck value: Span<UInt8>, _ shift: UInt16) {
        guard let first = value.first(0x20), let second = value.first(0x20, from: first + 1),
            let number = value.extracting(first + 1..<second).decimal()
        else {
            append(value: value, .inward)
            return
        }
        append(value: value.extracting(0...first), .inward)
        buffer.append(decimal: number + UInt64(shift))
        append(value: value.extracting(second..<value.count), .inward)
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

    /// Writes a Replaces (RFC 3891 section 6.1): what stands before its parameters is a Call-ID.
    private mutating func append(replaces value: Span<UInt8>, _ direction: Direction) {
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
    private mutating func append(referTo value: Span<UInt8>) {
        // In runs from one Call-ID to the next, so that no fold is cut in two.
        var start = 0
        var at = 0
        while at < value.count {
            guard value[at] == UInt8(ascii: "%"), at + 3 <= value.count,
                value.extracting(at..<at + 3).isCaseless("%40")
            else {
                at += 1
                continue
            }
            at += 3
            var end = at
            while end < value.count, Base64URL.isLetter(value[end]) { end += 1 }
            guard let address = tokens.host(value.extracting(at..<end)) else { continue }
            append(value: value.extracting(start..<at), .inward)
            buffer.append(host: address.ip)
            if address.port != 0 {
                buffer.append("%3A")
                buffer.append(decimal: UInt64(address.port))
            }
            at = end
            start = end
        }
        append(value: value.extracting(start..<value.count), .inward)
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
        // The edge is where authentication begins and ends, both ways; but Asterisk has its own credentials
        // for a trunk.
        case .authorization, .proxyAuthorization: return isTrunk && direction == .outward
        case .wwwAuthenticate, .proxyAuthenticate, .authenticationInfo, .proxyAuthenticationInfo:
            return isTrunk && direction == .inward
        default:
            // A trunk is of those who trust each other (RFC 3325 section 5).
            guard name.claimsTrust, !isTrunk else { return true }
            return direction == .outward && !isPrivate
        }
    }
}
