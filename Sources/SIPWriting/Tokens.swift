package import Digest
package import Messages
internal import SIP
package import Sys

/// The account that a token names: its name, or of a longer one a keyed hash.
package struct TokenAccount: BitwiseCopyable, Equatable, Sendable {
    /// The longest name that is kept whole, in bytes.
    package static let longestName = 24

    private var bytes = InlineArray<24, UInt8>(repeating: 0)
    private var count: UInt8 = 0
    /// Whether the bytes are those of the hash.
    package private(set) var isHash = false

    /// Nobody, as whom a token without an account is taken.
    package init() {}

    /// The account of these bytes, of which the first 24 count.
    fileprivate init(_ source: Span<UInt8>, isHash: Bool) {
        count = UInt8(min(source.count, Self.longestName))
        for index in 0..<Int(count) { bytes[index] = source[index] }
        self.isHash = isHash
    }

    /// The name, or the hash.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(0..<Int(count)) }
    }

    package static func == (left: TokenAccount, right: TokenAccount) -> Bool {
        left.isHash == right.isHash && left.span.equals(right.span)
    }
}

/// Makes and opens the tokens that stand for addresses in SIP messages.
///
/// A token of a dialog is bound to the Call-ID up to its host, which alone differs between the sides, and to a tag:
/// in another dialog it is no token. The token of the way to an Asterisk is bound to that Asterisk's tag, which no
/// phone can choose; whoever begins a dialog chooses Call-ID and tag. That of the way to a phone, which only an
/// Asterisk brings, is bound to the tag of who began the dialog, since no other is known when it is made.
package struct Tokens: ~Copyable {
    /// The kinds of tokens that are bound to nothing.
    private enum Kind: UInt8 {
        case oldAsterisk = 1
        case oldPhone = 2
        case host = 3
        case registration = 4
        case hostText = 5
    }

    private var seal: TokenSeal
    private var hash: KeyedHash
    private var plain = ByteBuffer(capacity: 256)

    /// Tokens of a key of 32 bytes.
    package init(key: [UInt8]) {
        seal = TokenSeal(key: key)
        hash = KeyedHash(key: key)
    }

    // MARK: Hashes

    /// A hash that only holders of the key can compute, of any bytes.
    package mutating func mark(_ bytes: Span<UInt8>) -> UInt32 {
        UInt32(truncatingIfNeeded: longMark(bytes) >> 32)
    }

    /// A longer such hash.
    package mutating func longMark(_ bytes: Span<UInt8>) -> UInt64 {
        let value = hash.hash(bytes)
        var word: UInt64 = 0
        for index in 0..<8 { word = word << 8 | UInt64(value.bytes[index]) }
        return word
    }

    /// A hash of an IP address.
    package mutating func mark(_ ip: IPAddress) -> UInt32 {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<16 { bytes[index] = ip.byte(index) }
        return mark(bytes.span)
    }

    /// How tokens name the account of a name.
    package mutating func account(_ name: Span<UInt8>) -> TokenAccount {
        guard name.count > TokenAccount.longestName else {
            return TokenAccount(name, isHash: false)
        }
        let value = hash.hash(name)
        return TokenAccount(value.bytes.span.extracting(0..<8), isHash: true)
    }

    /// What the tokens of a dialog are bound to, of its Call-ID and the tag of who began it.
    package mutating func dialog(callID: Span<UInt8>, tag: Span<UInt8>) -> StringVector {
        seal.dialog(callID: callID.upToHost, tag: tag)
    }

    // MARK: Writing

    private mutating func put(_ ip: IPAddress) {
        for index in (ip.isV4 ? 12 : 0)..<16 { plain.append(ip.byte(index)) }
    }

    private mutating func put(_ address: SocketAddress) {
        plain.append(address.ip.isV4 ? 4 : 6)
        put(address.ip)
        put(UInt32(address.port), bytes: 2)
    }

    private mutating func put(_ value: UInt32, bytes: Int) {
        for index in stride(from: bytes - 1, through: 0, by: -1) {
            plain.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * index)))
        }
    }

    private mutating func put(shift: UInt16) {
        if shift < Head.longShift {
            plain.append(UInt8(shift))
        } else {
            plain.append(UInt8(Head.longShift))
            put(UInt32(shift), bytes: 2)
        }
    }

    /// Writes the token of the way to an Asterisk; false when its Contact's user part is too long.
    package mutating func write(
        asterisk: SocketAddress, sequenceShift: UInt16, account: TokenAccount, source: UInt32,
        user: Span<UInt8>, of dialog: StringVector, into buffer: inout ByteBuffer
    ) -> Bool {
        plain.removeAll()
        var head = Head(asterisk, isPhone: false)
        head.low = account.isHash ? Head.hash : UInt8(account.span.count)
        plain.append(head.byte)
        put(asterisk.ip)
        if !head.hasUsualPort { put(UInt32(asterisk.port), bytes: 2) }
        put(shift: sequenceShift)
        put(source, bytes: 4)
        plain.append(account.span)
        plain.append(user)
        guard plain.count <= TokenSeal.maximumPlaintext else { return false }
        seal.seal(plain, of: dialog, into: &buffer)
        return true
    }

    /// Writes the token of the way to a phone.
    package mutating func write(
        flow: Flow, sequenceShift: UInt16, account: Span<UInt8>, of dialog: StringVector,
        into buffer: inout ByteBuffer
    ) {
        plain.removeAll()
        var head = Head(flow.peer, isPhone: true)
        let isMarked = flow.transport == .udp && flow.connection != 0
        head.low = flow.transport.rawValue | (isMarked ? Head.marked : 0)
        head.low |= sequenceShift > 0 ? Head.shifted : 0
        plain.append(head.byte)
        if sequenceShift > 0 { put(shift: sequenceShift) }
        plain.append(flow.listener)
        put(flow.peer.ip)
        if !head.hasUsualPort { put(UInt32(flow.peer.port), bytes: 2) }
        if flow.transport.isStream || isMarked {
            put(UInt32(truncatingIfNeeded: flow.connection >> 32), bytes: 4)
            put(UInt32(truncatingIfNeeded: flow.connection), bytes: 4)
        }
        plain.append(account)
        seal.seal(plain, of: dialog, into: &buffer)
    }

    /// Writes the token of an inside address in a Call-ID; port 0 stands for none.
    package mutating func write(host: SocketAddress, into buffer: inout ByteBuffer) {
        plain.removeAll()
        plain.append(Kind.host.rawValue)
        put(host)
        seal.seal(plain, into: &buffer)
    }

    /// Writes the token of what follows a Call-ID's name, sign and all, when that is no inside address; false
    /// when it is too long.
    package mutating func write(hostText text: Span<UInt8>, into buffer: inout ByteBuffer) -> Bool {
        guard text.count < TokenSeal.maximumPlaintext else { return false }
        plain.removeAll()
        plain.append(Kind.hostText.rawValue)
        plain.append(text)
        seal.seal(plain, into: &buffer)
        return true
    }

    /// Writes the token of a Contact that an Asterisk registers at a trunk, always the same for the same one;
    /// false when its user part is too long.
    package mutating func write(
        registrationOf asterisk: SocketAddress, account: TokenAccount, user: Span<UInt8>,
        into buffer: inout ByteBuffer
    ) -> Bool {
        plain.removeAll()
        plain.append(Kind.registration.rawValue)
        put(asterisk)
        plain.append(account.isHash ? Head.hash : UInt8(account.span.count))
        plain.append(account.span)
        plain.append(user)
        guard plain.count <= TokenSeal.maximumPlaintext else { return false }
        seal.seal(plain, into: &buffer)
        return true
    }

    // MARK: Opening

    /// The way to an Asterisk of a token in a dialog, or nil for what is not a token of it.
    ///
    /// The Call-ID may have its host; the tag is the Asterisk's.
    package mutating func asterisk(
        _ token: Span<UInt8>, callID: Span<UInt8>, tag: Span<UInt8>
    ) -> AsteriskToken? {
        let dialog = dialog(callID: callID, tag: tag)
        guard seal.open(token, of: dialog, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard let head = reader.byte().map(Head.init(reading:)), !head.isPhone,
            let address = reader.address(head), let shift = reader.shift(),
            let source = reader.number(4), let account = reader.account(head.low)
        else { return nil }
        return AsteriskToken(
            asterisk: address, sequenceShift: shift, account: account, source: UInt32(source),
            user: reader.rest(), dialog: dialog)
    }

    /// The way to a phone of a token in a dialog, or nil for what is not a token of it.
    ///
    /// The Call-ID may have its host; either of the two tags may be that of who began the dialog: `from`, when
    /// that is the Asterisk whose request has the token.
    package mutating func phone(
        _ token: Span<UInt8>, callID: Span<UInt8>, _ from: Span<UInt8>, _ to: Span<UInt8>
    ) -> PhoneToken? {
        guard
            let (dialog, isFirst) = seal.open(
                token, callID: callID.upToHost, from, to, into: &plain)
        else { return nil }
        var result = phone(dialog)
        result?.owner = isFirst ? .inside : .outside
        return result
    }

    /// Whether a token leads to a phone in the dialog whose tokens are bound to this.
    package mutating func isPhone(_ token: Span<UInt8>, of dialog: StringVector) -> Bool {
        seal.open(token, of: dialog, into: &plain) && phone(dialog) != nil
    }

    private func phone(_ dialog: StringVector) -> PhoneToken? {
        var reader = TokenReader(plain.span)
        guard let head = reader.byte().map(Head.init(reading:)), head.isPhone,
            let transport = Transport(rawValue: head.low & ~(Head.shifted | Head.marked)),
            let shift = head.low & Head.shifted == 0 ? 0 : reader.shift(),
            let listener = reader.byte(),
            let peer = reader.address(head),
            let flow = reader.flow(transport, listener, peer, head.low & Head.marked != 0)
        else { return nil }
        return PhoneToken(
            flow: flow, account: reader.rest(), sequenceShift: shift, dialog: dialog)
    }

    /// What a token in a Call-ID stands for, or nil for what is not such a token.
    package mutating func host(_ token: Span<UInt8>) -> CallIDHost? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        switch reader.byte() {
        case Kind.host.rawValue:
            guard let address = reader.address(), reader.isAtEnd else { return nil }
            return .address(address)
        case Kind.hostText.rawValue: return .text(reader.rest())
        default: return nil
        }
    }

    /// The registered Contact of a token, or nil for what is not such a token.
    package mutating func registration(_ token: Span<UInt8>) -> RegistrationToken? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.registration.rawValue, let address = reader.address(),
            let length = reader.byte(), let account = reader.account(length)
        else { return nil }
        return RegistrationToken(asterisk: address, account: account, user: reader.rest())
    }

    // MARK: Tokens of before they were bound to dialogs

    /// The way to an Asterisk of an old token, with the mark of the account's name instead of the account;
    /// nil for what is not such a token.
    package mutating func oldAsterisk(_ token: Span<UInt8>) -> (AsteriskToken, account: UInt32)? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.oldAsterisk.rawValue, let address = reader.address(),
            let shift = reader.number(2), let account = reader.number(4),
            let source = reader.number(4)
        else { return nil }
        let token = AsteriskToken(
            asterisk: address, sequenceShift: UInt16(shift), account: TokenAccount(),
            source: UInt32(source), user: reader.rest(), isOld: true)
        return (token, UInt32(account))
    }

    /// The way to a phone of an old token, or nil for what is not such a token.
    package mutating func oldPhone(_ token: Span<UInt8>) -> PhoneToken? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.oldPhone.rawValue,
            let transport = reader.byte().flatMap({ Transport(rawValue: $0) }),
            let listener = reader.byte(), let peer = reader.address(),
            let flow = reader.flow(transport, listener, peer)
        else { return nil }
        return PhoneToken(flow: flow, account: reader.rest())
    }
}

/// The first byte of a token of a dialog, which says what the others are.
private struct Head {
    /// The length that stands for a hash of the account's name.
    static let hash: UInt8 = 31
    /// From this on, how much higher the CSeq is stands in two bytes of its own.
    static let longShift: UInt16 = 255
    /// Beside the transport: how much higher the CSeq is follows.
    static let shifted: UInt8 = 0x10
    /// Beside UDP: the mark of the address of ours that the phone asks stands where a stream has its connection.
    static let marked: UInt8 = 0x08

    /// Whether it leads to a phone, not to an Asterisk.
    var isPhone: Bool
    /// Whether the address is an IPv6 one.
    var isV6: Bool
    /// Whether the port is SIP's own, and left out.
    var hasUsualPort: Bool
    /// Toward an Asterisk the length of the account's name, toward a phone the transport; below 32.
    var low: UInt8 = 0

    init(_ address: SocketAddress, isPhone: Bool) {
        self.isPhone = isPhone
        isV6 = !address.ip.isV4
        hasUsualPort = address.port == 5060
    }

    init(reading byte: UInt8) {
        isPhone = byte & 0x80 != 0
        isV6 = byte & 0x40 != 0
        hasUsualPort = byte & 0x20 != 0
        low = byte & 0x1F
    }

    var byte: UInt8 {
        (isPhone ? 0x80 : 0) | (isV6 ? 0x40 : 0) | (hasUsualPort ? 0x20 : 0) | low
    }
}

/// Reads the plaintext of a token.
private struct TokenReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var at = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    mutating func byte() -> UInt8? {
        guard at < bytes.count else { return nil }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func number(_ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for _ in 0..<count {
            guard let next = byte() else { return nil }
            value = value << 8 | UInt64(next)
        }
        return value
    }

    /// An address behind the byte of its family.
    mutating func address() -> SocketAddress? {
        switch byte() {
        case 4: address(isV6: false, port: nil)
        case 6: address(isV6: true, port: nil)
        default: nil
        }
    }

    /// The address that a token's first byte tells of.
    mutating func address(_ head: Head) -> SocketAddress? {
        address(isV6: head.isV6, port: head.hasUsualPort ? 5060 : nil)
    }

    private mutating func address(isV6: Bool, port usual: UInt16?) -> SocketAddress? {
        let ip: IPAddress
        if isV6 {
            guard let high = number(8), let low = number(8) else { return nil }
            ip = IPAddress(high: high, low: low)
        } else {
            guard let low = number(4) else { return nil }
            ip = IPAddress(v4: UInt32(low))
        }
        if let usual { return SocketAddress(ip, port: usual) }
        return number(2).map { SocketAddress(ip, port: UInt16($0)) }
    }

    /// How much higher the CSeq is on the inner side.
    mutating func shift() -> UInt16? {
        guard let short = byte() else { return nil }
        guard short == UInt8(Head.longShift) else { return UInt16(short) }
        return number(2).map { UInt16($0) }
    }

    /// An account whose name is of this length, or a hash.
    mutating func account(_ length: UInt8) -> TokenAccount? {
        let isHash = length == Head.hash
        let count = isHash ? 8 : Int(length)
        guard isHash || count <= TokenAccount.longestName, bytes.count - at >= count else {
            return nil
        }
        defer { at += count }
        return TokenAccount(bytes.extracting(at..<at + count), isHash: isHash)
    }

    /// The way to a peer, whose connection or mark comes next when it has one.
    mutating func flow(
        _ transport: Transport, _ listener: UInt8, _ peer: SocketAddress, _ isMarked: Bool = false
    ) -> Flow? {
        let connection = transport.isStream || isMarked ? number(8) : 0
        return connection.map {
            Flow(transport, listener: listener, peer: peer, connection: $0)
        }
    }

    mutating func rest() -> TokenText {
        defer { at = bytes.count }
        return TokenText(bytes.extracting(at..<bytes.count))
    }

    var isAtEnd: Bool { at == bytes.count }
}
