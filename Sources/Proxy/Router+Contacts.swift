internal import Messages
internal import Registrar
internal import SIP
internal import SIPWriting
internal import Sys

/// What a REGISTER says of Contacts, and what its answer lists of them.
extension Router {
    /// After how many seconds of silence a phone is to send a keep-alive on a connection
    /// (RFC 5626 section 4.4.1).
    private static let streamTimer: UInt64 = 120
    /// And by UDP, whose way through a NAT closes after half a minute.
    private static let datagramTimer: UInt64 = 25

    /// Why a REGISTER is refused for one of its Contacts.
    enum ContactRefusal: Error {
        /// Its lifetime is shorter than allowed.
        case tooBrief
        /// It cannot be bound.
        case badContact
        /// It leads to the edge itself or to an Asterisk.
        case ownContact
        /// Outbound is asked for through another proxy, whose flow is not the phone's (RFC 5626 section 6).
        case notFirstHop
    }

    /// Reads what a REGISTER asks for into `request`.
    mutating func readRegister(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) {
        request.begin(
            callID: bytes.bytes(index.callID), sequence: index.sequence,
            userAgent: bytes.bytes(index.value(.userAgent) ?? .empty), flow: flow)
        var values = FieldValues(.contact)
        while let value = values.next(bytes, index) {
            if bytes.bytes(value).isExactly("*") {
                // RFC 3261 section 10.2.2: alone, and with Expires 0.
                guard index.expires == 0, request.count == 0, !request.all else {
                    throw .badContact
                }
                request.all = true
                continue
            }
            guard !request.all, request.count < RegisterRequest.maximumContacts else {
                throw .badContact
            }
            try readContact(value, bytes, index, flow)
        }
        // RFC 5626 section 6: one flow, one registration.
        let flows = request.outboundFlows
        guard flows <= 1 else { throw .badContact }
        guard flows == 0 || index.hops == 1 else { throw .notFirstHop }
    }

    private mutating func readContact(
        _ value: Slice, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) throws(ContactRefusal) {
        guard let address = try? NameAddress(value, in: bytes),
            // RFC 5630 section 4: what is to be reached by TLS alone has to come by it.
            address.uri.scheme == .sip || address.uri.scheme == .sips && flow.transport == .tls,
            address.uri.headers.isEmpty,
            address.uri.whole.length <= BindingTexts.longestContact
        else { throw .badContact }
        guard !isOwn(address.uri, bytes) else { throw .ownContact }
        let seconds = lifetime(address, bytes, index)
        if seconds > 0, seconds < settings.minimumExpires.seconds { throw .tooBrief }
        let granted = min(seconds, settings.maximumExpires.seconds)
        var identity = Identity()
        if offersOutbound(bytes, index) { identity = try self.identity(address, bytes) }
        scratch.removeAll()
        if identity.instance.isEmpty {
            writeComparable(address.uri, bytes)
        } else {
            scratch.append(bytes.bytes(identity.instance))
            scratch.append(UInt8(ascii: ";"))
            scratch.append(bytes.bytes(identity.regID))
        }
        request.add(
            key: Self.longMark(&writer, scratch), contact: bytes.bytes(address.uri.whole),
            instance: bytes.bytes(identity.instance), regID: bytes.bytes(identity.regID),
            expires: .seconds(granted), q: quality(address, bytes))
    }

    /// For how many seconds a Contact is to be bound; an hour where something stands that is no number
    /// (RFC 3261 sections 10.2.1.1 and 20.19).
    private func lifetime(
        _ address: NameAddress, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Int64 {
        let longest = settings.maximumExpires.seconds
        let hour = min(max(3600, settings.minimumExpires.seconds), longest)
        if let own = address.parameter("expires", in: bytes) {
            return bytes.bytes(own).decimal(cutTo: .max).map { Int64($0) } ?? hour
        }
        guard index.has(.expires) else { return longest }
        return index.expires.map { Int64($0) } ?? hour
    }

    private static func longMark(
        _ writer: inout MessageWriter, _ name: borrowing ByteBuffer
    ) -> UInt64 {
        writer.tokens.longMark(name.span)
    }

    /// Writes a Contact with its scheme and host in lower case, where case does not matter
    /// (RFC 3261 section 19.1.4).
    private mutating func writeComparable(_ uri: URI, _ bytes: Span<UInt8>) {
        var isScheme = true
        for place in uri.whole.start..<uri.whole.end {
            if bytes[place] == UInt8(ascii: ":") { isScheme = false }
            // The dot that may end a domain name.
            if place == uri.host.end, bytes[place] == UInt8(ascii: ".") { continue }
            let isHost = place >= uri.host.start && place < uri.host.end
            scratch.append(isScheme || isHost ? Characters.lower(bytes[place]) : bytes[place])
        }
    }

    /// What tells a phone's flow from its other ones (RFC 5626 section 6).
    private struct Identity {
        var instance = Slice.empty
        var regID = Slice.empty
    }

    /// `+sip.instance` with its `reg-id`, both empty without.
    private func identity(
        _ address: NameAddress, _ bytes: Span<UInt8>
    ) throws(ContactRefusal) -> Identity {
        guard let instance = address.parameter("+sip.instance", in: bytes), !instance.isEmpty,
            let flow = address.parameter("reg-id", in: bytes)
        else { return Identity() }
        guard let number = bytes.bytes(flow).decimal(limit: 2_147_483_647), number > 0,
            Int(instance.length) + Int(flow.length) < BindingTexts.longestInstance - 1
        else { throw .badContact }
        // It is told again in every answer, where a fold or a blank in it would be ours.
        for place in instance.start..<instance.end
        where bytes[place] <= 0x20 || bytes[place] >= 0x7F {
            throw .badContact
        }
        return Identity(instance: instance, regID: flow)
    }

    /// `q` in thousandths; 1000 without, or when it is not one.
    private func quality(_ address: NameAddress, _ bytes: Span<UInt8>) -> UInt16 {
        guard let q = address.parameter("q", in: bytes), q.length >= 1, q.length <= 5,
            bytes[q.start] == UInt8(ascii: "0")
        else { return 1000 }
        var value: UInt16 = 0
        var scale: UInt16 = 100
        for position in (q.start + 2)..<max(q.end, q.start + 2) {
            guard bytes[position] &- 0x30 <= 9 else { return 1000 }
            value += UInt16(bytes[position] - 0x30) * scale
            scale /= 10
        }
        return value
    }

    /// Whether a Contact's host is this edge itself or an Asterisk, which would make calls go in circles.
    ///
    /// Phones may name the domain, which is the edge too: a binding is reached by the way it came.
    private func isOwn(_ uri: URI, _ bytes: Span<UInt8>) -> Bool {
        guard let ip = uri.ip(in: bytes) else { return false }
        let port = uri.port == 0 ? 5060 : uri.port
        let address = SocketAddress(ip, port: port)
        return isEndpoint(address) || asterisks.contains { $0.address == address }
    }

    /// Answers a REGISTER with the bindings as they stand.
    mutating func answerRegister(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ account: Int32
    ) {
        beginReply(bytes, index, flow, 200, "OK")
        writer.date(now.sinceEpoch)
        if request.isOutbound {
            writer.append("Require: outbound\r\nFlow-Timer: ")
            writer.append(decimal: flow.transport.isStream ? Self.streamTimer : Self.datagramTimer)
            writer.endLine()
        }
        Self.writeContacts(
            &writer, bindings, request, first: accounts[account].bindings, now.monotonic)
        endReply(flow)
    }

    /// How long a 200 by UDP becomes by the Contacts that it lists, in bytes: as long as leaves in one piece
    /// everywhere (RFC 3261 section 18.1.1).
    private static let longestList = 1300 - "Content-Length: 0\r\n\r\n".utf8.count

    /// Writes the bindings, the phone's own first; of those of others by UDP as many as fit.
    private static func writeContacts(
        _ writer: inout MessageWriter, _ bindings: borrowing Bindings,
        _ request: borrowing RegisterRequest, first: Int32, _ now: Milliseconds
    ) {
        let most = request.flow.transport.isStream ? Int.max : longestList
        var hasOwn = false
        for round in 0..<2 {
            let isOwn = round == 0
            var at = first
            while let binding = bindings[at] {
                at = binding.next
                let isNamed = request.names(binding.key) || binding.flow == request.flow
                guard isNamed == isOwn else { continue }
                // A phone that does not find itself takes itself for not registered.
                let isNeeded = isOwn && !hasOwn
                guard
                    isNeeded || writer.buffer.count + length(binding, bindings) <= most
                else { continue }
                hasOwn = hasOwn || isOwn
                writeContact(&writer, bindings, binding, now)
            }
        }
    }

    /// At most how long the line of a binding is.
    private static func length(_ binding: Binding, _ bindings: borrowing Bindings) -> Int {
        let frame = "Contact: <>;expires=604800;+sip.instance=;reg-id=\r\n".utf8.count
        return frame + bindings.contact(binding).count + bindings.instance(binding).count
    }

    private static func writeContact(
        _ writer: inout MessageWriter, _ bindings: borrowing Bindings, _ binding: Binding,
        _ now: Milliseconds
    ) {
        writer.append("Contact: <")
        writer.append(bindings.contact(binding))
        writer.append(">;expires=")
        let left = (binding.expires - now).count
        writer.append(decimal: UInt64(max((left + 999) / 1000, 0)))
        let instance = bindings.instance(binding)
        if let end = instance.lastIndex(of: UInt8(ascii: ";")) {
            writer.append(";+sip.instance=")
            writer.append(instance.extracting(0..<end))
            writer.append(";reg-id=")
            writer.append(instance.extracting(end + 1..<instance.count))
        }
        writer.endLine()
    }
}
