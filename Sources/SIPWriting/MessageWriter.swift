package import Digest
package import Messages
package import SIP
package import Sys

/// Which way a message crosses the edge.
package enum Direction: BitwiseCopyable, Sendable {
    /// From the Internet to an Asterisk.
    case inward
    /// From an Asterisk to the Internet.
    case outward
}

/// Writes messages anew, in canonical form: long names, one header a line, nothing folded.
///
/// The pieces are called in the order of the message. What does not fit shows in `isWhole` at the end.
package struct MessageWriter: ~Copyable {
    /// The message so far.
    package internal(set) var buffer = ByteBuffer(capacity: 65_536)
    /// The tokens that stand for addresses.
    package var tokens: Tokens
    /// The sockets, by their numbers.
    private var listeners: [Listener]
    /// What we say of ourselves.
    package private(set) var own: OwnAddresses
    /// The addresses of this machine at which wildcard endpoints are reached.
    package var wildcards = WildcardAddresses()
    /// The hosts that may leave.
    package private(set) var hosts = OutsideHosts()
    /// Where a body is written before its length is known.
    var bodyBuffer = ByteBuffer(capacity: 65_536)
    /// Whether a session description of the message that leaves says that media is to go to an inside address.
    package internal(set) var namesInsideMedia = false
    /// What is dialled for an emergency service that is named by its URN.
    private var emergency: [UInt8] = []

    /// Whether lines are as short as they may be (RFC 3261 section 7.3.3), for an answer to a request that has
    /// proven nothing.
    package private(set) var isCompact = false

    /// Whether the message is from or for a trunk, whose claims of trust, credentials and routes go on.
    private(set) var isTrunk = false

    /// What the tokens of the message's dialog are bound to.
    private(set) var dialog = StringVector()

    /// Where the last `answerIdentity` had place for a tag of ours; 0 when To came with one.
    package private(set) var tagPlace = 0

    /// A writer for these sockets; `key` is of 32 bytes.
    package init(listeners: [Listener], key: [UInt8]) {
        self.listeners = listeners
        own = OwnAddresses(listeners)
        tokens = Tokens(key: key)
    }

    /// Takes over the settings that show in messages.
    package mutating func configure(_ settings: WriterSettings) {
        own.follow(settings)
        hosts = OutsideHosts(settings, listeners, own, inside: wildcards.inside)
        emergency = settings.emergency
    }

    /// Takes over an address of this machine, which shows in messages once `configure` is called; false when it was
    /// known or there is no room.
    package mutating func learn(_ ip: IPAddress) -> Bool {
        guard wildcards.add(ip) else { return false }
        own.learn(ip)
        return true
    }

    /// Whether everything written since `begin` fitted.
    package var isWhole: Bool { !buffer.overflowed }

    /// Judges hosts from now on for a peer outside, until a message begins.
    package mutating func face(_ peer: IPAddress) { hosts.nearness = own.nearness(peer) }

    /// Begins a message to a peer, by whose address is judged what it is shown; tokens in it are bound to the dialog.
    package mutating func begin(
        isTrunk: Bool = false, dialog: StringVector = StringVector(), to peer: IPAddress
    ) {
        face(peer)
        buffer.removeAll()
        isCompact = false
        namesInsideMedia = false
        self.isTrunk = isTrunk
        self.dialog = dialog
    }

    /// Writes a literal.
    package mutating func append(_ text: StaticString) { buffer.append(text) }

    /// Writes bytes as they are.
    package mutating func append(_ bytes: Span<UInt8>) { buffer.append(bytes) }

    /// Writes one byte.
    mutating func append(byte: UInt8) { buffer.append(byte) }

    /// Writes a number.
    package mutating func append(decimal value: UInt64) { buffer.append(decimal: value) }

    /// Writes a nonce for a source.
    package mutating func append(
        nonceOf nonces: inout Nonces, _ now: Milliseconds, _ flow: Flow
    ) {
        nonces.make(now, flow.peer.ip, flow.transport.rawValue, into: &buffer)
    }

    /// Writes a number as hexadecimal digits.
    package mutating func append(hex value: UInt64, digits: Int) {
        buffer.append(hex: value, digits: digits)
    }

    /// Writes a hash as hexadecimal digits.
    package mutating func append(hex value: HashValue) {
        for index in 0..<value.length { buffer.append(hex: value.bytes[index]) }
    }

    /// The status of the response that was begun last.
    package private(set) var status: UInt16 = 0

    /// Begins a response to a peer with its status line.
    package mutating func begin(
        status: UInt16, _ reason: StaticString, isCompact: Bool = false, to peer: IPAddress
    ) {
        begin(to: peer)
        self.isCompact = isCompact
        buffer.append("SIP/2.0 ")
        self.status = status
        buffer.append(decimal: UInt64(status))
        buffer.append(" ")
        // The phrase is for people (RFC 3261 section 7.2).
        buffer.append(isCompact && status >= 300 ? "No" : reason)
        endLine()
    }

    /// Begins a line with a header's name, which a compact message has in its short form.
    package mutating func begin(_ name: StaticString, _ compact: StaticString) {
        buffer.append(isCompact ? compact : name)
        buffer.append(isCompact ? ":" : ": ")
    }

    /// Ends a line.
    package mutating func endLine() { buffer.append("\r\n") }

    /// What the peer of a flow is shown as our address: of all that we write of ourselves, Via, Contact and the URIs
    /// of tokens, this is the one source.
    ///
    /// Where that is a wildcard address, it is the one that was asked, or the wildcard when that is not known.
    package func shown(_ flow: Flow) -> SocketAddress {
        var address = own.shown(flow.listener, to: flow.peer.ip)
        if address.ip.isUnspecified, let asked = wildcards.asked(by: flow) { address.ip = asked }
        return address
    }

    /// Writes an address with its port, IPv6 in brackets; a wildcard address as the served domain.
    package mutating func append(address: SocketAddress) {
        if address.ip.low & 0xFFFF_FFFF == 0, address.ip.isV4 || address.ip.high == 0 {
            appendDomain()
        } else {
            buffer.append(host: address.ip)
        }
        guard address.port != 0 else { return }
        buffer.append(":")
        buffer.append(decimal: UInt64(address.port))
    }

    mutating func appendDomain() {
        let domain = hosts.domain
        buffer.append(domain.span)
    }

    mutating func appendEmergency() {
        let emergency = emergency
        buffer.append(emergency.span)
    }

    /// Writes `sip:user@address`.
    package mutating func append(uriOf address: SocketAddress, user: Span<UInt8>) {
        buffer.append("sip:")
        if !user.isEmpty {
            buffer.append(user)
            buffer.append("@")
        }
        append(address: address)
    }

    // MARK: The lines every message has

    /// Writes our Via with the branch of a client transaction.
    package mutating func via(_ flow: Flow, _ handle: Handle, _ cookie: UInt64) {
        via(flow, ";branch=z9hG4bK", handle.index, cookie)
    }

    /// Writes our Via with the branch of a question whether a phone is there, which has no transaction.
    package mutating func keepAliveVia(_ flow: Flow, _ place: Int32, _ mark: UInt64) {
        via(flow, ";branch=z9hG4bKk", UInt32(bitPattern: place), mark)
    }

    private mutating func via(
        _ flow: Flow, _ branch: StaticString, _ number: UInt32, _ mark: UInt64
    ) {
        buffer.append("Via: SIP/2.0/")
        switch flow.transport {
        case .udp: buffer.append("UDP ")
        case .tcp: buffer.append("TCP ")
        case .tls: buffer.append("TLS ")
        }
        append(address: shown(flow))
        buffer.append(branch)
        buffer.append(hex: UInt64(number), digits: 8)
        buffer.append(hex: mark, digits: 16)
        buffer.append(";rport\r\n")
    }

    /// Writes the Vias of a request into its answer: the topmost with where it really came from
    /// (RFC 3261 section 18.2.1, RFC 3581 section 4), the others as they are.
    package mutating func vias(
        _ message: Span<UInt8>, _ index: borrowing MessageIndex, _ source: SocketAddress
    ) {
        begin("Via", "v")
        buffer.append("SIP/2.0/")
        buffer.append(message.bytes(index.via.transport))
        buffer.append(" ")
        buffer.append(message.bytes(index.via.host))
        if index.via.port != 0 {
            buffer.append(":")
            buffer.append(decimal: UInt64(index.via.port))
        }
        var list = Parameters(index.via.parameters)
        while let parameter = list.next(in: message) {
            let name = message.bytes(parameter.name)
            if name.isCaseless("received") || name.isCaseless("rport") { continue }
            buffer.append(";")
            buffer.append(name)
            guard parameter.hasValue else { continue }
            buffer.append("=")
            buffer.append(message.bytes(parameter.value))
        }
        if !isCompact || !names(source.ip, message.bytes(index.via.host)) { received(source.ip) }
        if index.via.hasRport {
            buffer.append(";rport=")
            buffer.append(decimal: UInt64(source.port))
        }
        endLine()
        var first = true
        var values = FieldValues(.via)
        while let value = values.next(message, index) {
            if !first { header("Via", message.bytes(value), .inward) }
            first = false
        }
    }

    /// Writes the CSeq.
    package mutating func sequence(_ number: UInt32, _ method: Span<UInt8>) {
        buffer.append("CSeq: ")
        buffer.append(decimal: UInt64(number))
        buffer.append(" ")
        buffer.append(method)
        endLine()
    }

    private func names(_ ip: IPAddress, _ host: Span<UInt8>) -> Bool {
        IPAddress(parsing: host) == ip
    }

    private mutating func received(_ ip: IPAddress) {
        buffer.append(";received=")
        // RFC 3261's grammar for `received` has an IPv6 address without brackets.
        if ip.isV4 {
            buffer.append(host: ip)
        } else {
            buffer.append(text: ip.description)
        }
    }

    /// Writes From, To, Call-ID and CSeq of a request as they go on; `caller` stands in From of a request of
    /// the party of this name, and `owner` has made the Call-ID of one that leaves.
    package mutating func identity(
        _ message: Span<UInt8>, _ index: borrowing MessageIndex, _ direction: Direction,
        sequence: UInt32, caller: WrittenCaller = .asWritten, name: Span<UInt8> = Span(),
        owner: DialogOwner = .unknown
    ) {
        switch direction {
        case .inward:
            switch caller {
            case .account, .shown: account(index.from, message, name)
            case .hiddenAccount: account(index.from, message, name, isHidden: true)
            case .asWritten, .trunk, .anonymous: self.caller(index.from, message, caller, name)
            }
            party("To", index.to, message)
        case .outward:
            party("From", message.bytes(index.from.whole), owner)
            party("To", message.bytes(index.to.whole), owner)
        }
        callID(message.bytes(index.callID), direction, owner)
        self.sequence(sequence, message.bytes(index.methodSlice))
    }

    /// Writes the lines of an answer that repeat the request: Vias, From, To, Call-ID, CSeq.
    ///
    /// To gets the tag when it has none and `tag` is not empty.
    package mutating func answerIdentity(
        _ request: Span<UInt8>, _ index: borrowing MessageIndex, _ source: SocketAddress,
        tag: Span<UInt8>
    ) {
        vias(request, index, source)
        if let from = index.value(.from) {
            begin("From", "f")
            append(value: request.bytes(from), .inward)
            endLine()
        }
        if let to = index.value(.to) {
            begin("To", "t")
            append(value: request.bytes(.from(to.start, to: index.to.end ?? to.end)), .inward)
            tagPlace = index.to.tag.isEmpty ? buffer.count : 0
            if tagPlace > 0 { self.tag(tag) }
            endLine()
        }
        begin("Call-ID", "i")
        buffer.append(request.bytes(index.callID))
        endLine()
        sequence(index.sequence, request.bytes(index.methodSlice))
    }

    /// Writes To's tag, unless it is empty.
    package mutating func tag(_ tag: Span<UInt8>) {
        guard !tag.isEmpty else { return }
        buffer.append(";tag=")
        buffer.append(isCompact ? tag.extracting(0..<min(tag.count, 8)) : tag)
    }

    // MARK: Addresses of the other side

    /// Writes a Contact that leads back to an Asterisk by a token; false when it cannot be made.
    package mutating func contact(
        through flow: Flow, _ message: Span<UInt8>, _ index: borrowing MessageIndex,
        asterisk: SocketAddress, sequenceShift: UInt16, account: TokenAccount
    ) -> Bool {
        guard let value = index.value(.contact) else { return true }
        guard let contact = try? NameAddress(value, in: message) else {
            // All that was registered at a trunk (RFC 3261 section 10.2.2).
            if isTrunk, message.bytes(value).isExactly("*") { append("Contact: *\r\n") }
            return true
        }
        buffer.append("Contact: <sip:")
        let user = message.bytes(contact.uri.user)
        let isWritten: Bool
        if index.isRequest, index.method == .register {
            isWritten = tokens.write(
                registrationOf: asterisk, account: account, user: user, into: &buffer)
        } else {
            let tag = message.bytes(index.isRequest ? index.from.tag : index.to.tag)
            isWritten = tokens.write(
                asterisk: asterisk, sequenceShift: sequenceShift, account: account,
                source: tokens.mark(flow.peer.ip), user: user,
                of: tokens.dialog(callID: message.bytes(index.callID), tag: tag), into: &buffer)
        }
        guard isWritten else { return false }
        buffer.append("@")
        append(address: shown(flow))
        switch flow.transport {
        case .udp: break
        case .tcp: buffer.append(";transport=tcp")
        case .tls: buffer.append(";transport=tls")
        }
        buffer.append(">")
        if !contact.parameters.isEmpty {
            buffer.append(";")
            append(value: message.bytes(contact.parameters), .outward)
        }
        endLine()
        return true
    }

    /// Writes a phone's own Contact, of which there must be one.
    package mutating func phoneContact(_ message: Span<UInt8>, _ index: borrowing MessageIndex) {
        guard !index.contact.whole.isEmpty else { return }
        buffer.append("Contact: <")
        target(index.contact.uri, message, isOwn: index.isRequest || index.status < 300)
        buffer.append(">")
        parameters(index.contact, message)
        endLine()
    }

    /// Writes the Record-Route by which the Asterisk of a flow reaches a phone.
    package mutating func recordRoute(
        _ inside: Flow, to phone: Flow, sequenceShift: UInt16, account: Span<UInt8>
    ) {
        buffer.append("Record-Route: <sip:")
        tokens.write(
            flow: phone, sequenceShift: sequenceShift, account: account, of: dialog, into: &buffer)
        buffer.append("@")
        append(address: shown(inside))
        if inside.transport == .tcp { buffer.append(";transport=tcp") }
        buffer.append(";lr>\r\n")
    }

    /// Writes a Contact that is this edge itself, as the Asterisk of a flow sees it.
    package mutating func ownContact(_ inside: Flow, user: Span<UInt8>) {
        buffer.append("Contact: <")
        append(uriOf: shown(inside), user: user)
        buffer.append(">\r\n")
    }

    /// Writes a Contact that is this edge where it was reached before, for an Asterisk to forget.
    package mutating func formerContact(_ address: SocketAddress, user: Span<UInt8>) {
        buffer.append("Contact: <")
        append(uriOf: address, user: user)
        buffer.append(">;expires=0\r\n")
    }
}
