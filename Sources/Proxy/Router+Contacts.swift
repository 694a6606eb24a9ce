internal import Messages
internal import Registrar
internal import SIP
internal import Sys

/// What a REGISTER says of Contacts, and what its answer lists of them.
extension Router {
    /// After how many seconds of silence a phone is to send a keep-alive on a connection
    /// (RFC 5626 section 4.4.1).
    private static let streamTimer: UInt64 = 120
    /// And by UDP, whose way through a NAT closes after half a minute.
    private static let datagramTimer: UInt64 = 25

    /// Reads what a REGISTER asks for into `request`.
    mutating func readRegister(
        _ message: borrowing Incoming
    ) throws(Refusal) {
        request.begin(
            callID: message.bytes.bytes(message.index.callID), sequence: message.index.sequence,
            userAgent: message.bytes.bytes(message.index.value(.userAgent) ?? .empty),
            flow: message.flow)
        var values = FieldValues(.contact)
        while let value = values.next(message.bytes, message.index) {
            if message.bytes.bytes(value).isExactly("*") {
                // RFC 3261 section 10.2.2: alone, and with Expires 0.
                guard message.index.expires == 0, request.count == 0, !request.all else {
                    throw .contact
                }
                request.all = true
                continue
            }
            guard !request.all, request.count < RegisterRequest.maximumContacts else {
                throw .contact
            }
            try readContact(value, message)
        }
        // RFC 5626 section 6: one message.flow, one registration.
        let flows = request.outboundFlows
        guard flows <= 1 else { throw .contact }
        guard flows == 0 || message.index.hops == 1 else { throw .notFirstHop }
    }

    private mutating func readContact(
        _ value: Slice, _ message: borrowing Incoming
    ) throws(Refusal) {
        guard let address = try? NameAddress(value, in: message.bytes),
            // RFC 5630 section 4: what is to be reached by TLS alone has to come by it.
            address.uri.scheme == .sip
                || address.uri.scheme == .sips && message.flow.transport == .tls,
            address.uri.headers.isEmpty,
            address.uri.whole.length <= BindingTexts.longestContact
        else { throw .contact }
        guard !isOwn(address.uri, message.bytes) else { throw .ownContact }
        let seconds = lifetime(address, message.bytes, message.index)
        if seconds > 0, seconds < bench.settings.minimumExpires.seconds { throw .intervalTooBrief }
        let granted = min(seconds, bench.settings.maximumExpires.seconds)
        var identity = Identity()
        if offersOutbound(message.bytes, message.index) {
            identity = try self.identity(address, message.bytes)
        }
        bench.scratch.removeAll()
        if identity.instance.isEmpty {
            writeComparable(address.uri, message.bytes)
        } else {
            bench.scratch.append(message.bytes.bytes(identity.instance))
            bench.scratch.append(UInt8(ascii: ";"))
            bench.scratch.append(message.bytes.bytes(identity.regID))
        }
        request.add(
            key: Self.longMark(&bench.writer, bench.scratch),
            contact: message.bytes.bytes(address.uri.whole),
            instance: message.bytes.bytes(identity.instance),
            regID: message.bytes.bytes(identity.regID),
            expires: .seconds(granted), q: quality(address, message.bytes))
    }

    /// For how many seconds a Contact is to be bound; an hour where something stands that is no number
    /// (RFC 3261 sections 10.2.1.1 and 20.19).
    private func lifetime(
        _ address: NameAddress, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Int64 {
        let longest = bench.settings.maximumExpires.seconds
        let hour = min(max(3600, bench.settings.minimumExpires.seconds), longest)
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
            bench.scratch.append(isScheme || isHost ? Characters.lower(bytes[place]) : bytes[place])
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
    ) throws(Refusal) -> Identity {
        guard let instance = address.parameter("+sip.instance", in: bytes), !instance.isEmpty,
            let flow = address.parameter("reg-id", in: bytes)
        else { return Identity() }
        guard let number = bytes.bytes(flow).decimal(limit: 2_147_483_647), number > 0,
            Int(instance.length) + Int(flow.length) < BindingTexts.longestInstance - 1
        else { throw .contact }
        // It is told again in every answer, where a fold or a blank in it would be ours.
        for place in instance.start..<instance.end
        where bytes[place] <= 0x20 || bytes[place] >= 0x7F {
            throw .contact
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
        _ message: borrowing Incoming, _ account: Int32
    ) {
        beginReply(message, .ok)
        bench.writer.date(bench.now.sinceEpoch)
        if request.isOutbound {
            bench.writer.append("Require: outbound\r\nFlow-Timer: ")
            bench.writer.append(
                decimal: message.flow.transport.isStream ? Self.streamTimer : Self.datagramTimer)
            bench.writer.endLine()
        }
        Self.writeContacts(
            &bench.writer, bindings, request, first: accounts[account].bindings, bench.now.monotonic
        )
        endReply(message)
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
