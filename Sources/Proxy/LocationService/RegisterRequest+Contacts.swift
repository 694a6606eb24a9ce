internal import Messages
internal import ProxyBench
internal import Registrar
internal import SIP
internal import SIPWriting
internal import Sys

/// What a REGISTER says of Contacts (RFC 3261 section 10.3 items 6 and 7).
extension RegisterRequest {
    /// Becomes what a REGISTER asks for.
    mutating func read(_ message: borrowing Incoming, _ bench: inout Bench) throws(Refusal) {
        begin(
            callID: message.bytes.bytes(message.index.callID), sequence: message.index.sequence,
            userAgent: message.bytes.bytes(message.index.value(.userAgent) ?? .empty),
            flow: message.flow)
        var values = FieldValues(.contact)
        while let value = values.next(message.bytes, message.index) {
            if message.bytes.bytes(value).isExactly("*") {
                // RFC 3261 section 10.2.2: alone, and with Expires 0.
                guard message.index.expires == 0, count == 0, !all else { throw .contact }
                all = true
                continue
            }
            guard !all, count < Self.maximumContacts else { throw .contact }
            try readContact(value, message, &bench)
        }
        // RFC 5626 section 6: one flow, one registration.
        let flows = outboundFlows
        guard flows <= 1 else { throw .contact }
        guard flows == 0 || message.index.hops == 1 else { throw .notFirstHop }
    }

    private mutating func readContact(
        _ value: Slice, _ message: borrowing Incoming, _ bench: inout Bench
    ) throws(Refusal) {
        let bytes = message.bytes
        guard let address = try? NameAddress(value, in: bytes),
            // RFC 5630 section 4: what is to be reached by TLS alone has to come by it.
            address.uri.scheme == .sip
                || address.uri.scheme == .sips && message.flow.transport == .tls,
            address.uri.headers.isEmpty,
            address.uri.whole.length <= BindingTexts.longestContact
        else { throw .contact }
        guard !Self.isOwn(address.uri, bytes, bench) else { throw .ownContact }
        let seconds = Self.lifetime(address, bytes, message.index, bench)
        if seconds > 0, seconds < bench.settings.minimumExpires.seconds { throw .intervalTooBrief }
        let granted = min(seconds, bench.settings.maximumExpires.seconds)
        var identity = Identity()
        if Self.offersOutbound(bytes, message.index) { identity = try Identity(address, bytes) }
        bench.scratch.removeAll()
        if identity.instance.isEmpty {
            Self.writeComparable(address.uri, bytes, into: &bench.scratch)
        } else {
            bench.scratch.append(bytes.bytes(identity.instance))
            bench.scratch.append(UInt8(ascii: ";"))
            bench.scratch.append(bytes.bytes(identity.regID))
        }
        add(
            key: Self.key(&bench.writer, bench.scratch), contact: bytes.bytes(address.uri.whole),
            instance: bytes.bytes(identity.instance), regID: bytes.bytes(identity.regID),
            expires: .seconds(granted), q: Self.quality(address, bytes))
    }

    private static func key(_ writer: inout MessageWriter, _ name: borrowing ByteBuffer) -> UInt64 {
        writer.tokens.longMark(name.span)
    }

    /// Whether a Contact's host is this edge itself or an Asterisk, which would make calls go in circles.
    ///
    /// Phones may name the domain, which is the edge too: a binding is reached by the way it came.
    private static func isOwn(_ uri: URI, _ bytes: Span<UInt8>, _ bench: borrowing Bench) -> Bool {
        guard let ip = uri.ip(in: bytes) else { return false }
        let address = SocketAddress(ip, port: uri.port == 0 ? 5060 : uri.port)
        return bench.isEndpoint(address) || bench.settings.asterisks.contains(address)
    }

    /// For how many seconds a Contact is to be bound; an hour where something stands that is no number
    /// (RFC 3261 sections 10.2.1.1 and 20.19).
    private static func lifetime(
        _ address: NameAddress, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ bench: borrowing Bench
    ) -> Int64 {
        let longest = bench.settings.maximumExpires.seconds
        let hour = min(max(3600, bench.settings.minimumExpires.seconds), longest)
        if let own = address.parameter("expires", in: bytes) {
            return bytes.bytes(own).decimal(cutTo: .max).map { Int64($0) } ?? hour
        }
        guard index.has(.expires) else { return longest }
        return index.expires.map { Int64($0) } ?? hour
    }

    /// Writes a Contact with its scheme and host in lower case, where case does not matter
    /// (RFC 3261 section 19.1.4).
    private static func writeComparable(
        _ uri: URI, _ bytes: Span<UInt8>, into buffer: inout ByteBuffer
    ) {
        var isScheme = true
        for place in uri.whole.start..<uri.whole.end {
            if bytes[place] == UInt8(ascii: ":") { isScheme = false }
            // The dot that may end a domain name.
            if place == uri.host.end, bytes[place] == UInt8(ascii: ".") { continue }
            let isHost = place >= uri.host.start && place < uri.host.end
            buffer.append(isScheme || isHost ? Characters.lower(bytes[place]) : bytes[place])
        }
    }

    /// `q` in thousandths; 1000 without, or when it is not one.
    private static func quality(_ address: NameAddress, _ bytes: Span<UInt8>) -> UInt16 {
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

    // MARK: Outbound

    /// Whether a REGISTER says that its phone can do RFC 5626.
    private static func offersOutbound(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex)
        -> Bool
    {
        lists("outbound", .supported, bytes, index) || lists("outbound", .require, bytes, index)
    }

    private static func lists(
        _ option: StaticString, _ name: HeaderName, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> Bool {
        var values = FieldValues(name)
        while let value = values.next(bytes, index) {
            if bytes.bytes(value).isCaseless(option) { return true }
        }
        return false
    }

    /// What tells a phone's flow from its other ones (RFC 5626 section 6).
    private struct Identity {
        var instance = Slice.empty
        var regID = Slice.empty

        /// No flow is told from others.
        init() {}

        /// `+sip.instance` with its `reg-id`, both empty without.
        init(_ address: NameAddress, _ bytes: Span<UInt8>) throws(Refusal) {
            guard let instance = address.parameter("+sip.instance", in: bytes), !instance.isEmpty,
                let flow = address.parameter("reg-id", in: bytes)
            else { return }
            guard let number = bytes.bytes(flow).decimal(limit: 2_147_483_647), number > 0,
                Int(instance.length) + Int(flow.length) < BindingTexts.longestInstance - 1
            else { throw .contact }
            // It is told again in every answer, where a fold or a blank in it would be ours.
            for place in instance.start..<instance.end
            where bytes[place] <= 0x20 || bytes[place] >= 0x7F {
                throw .contact
            }
            (self.instance, regID) = (instance, flow)
        }
    }
}
