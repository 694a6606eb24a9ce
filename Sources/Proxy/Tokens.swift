internal import Digest
internal import Messages
package import Registrar
internal import SIP
package import Sys

/// What a phone's in-dialog requests carry as their Request-URI's user part: the way to the Asterisk.
package struct AsteriskToken: Equatable, Sendable {
    /// The Asterisk.
    package var asterisk: SocketAddress
    /// How much higher the CSeq is on the inner side.
    package var sequenceShift: UInt16
    /// A hash of the account's name, which binds the token to it.
    package var account: UInt32
    /// A hash of the phone's IP address: from another one, the request must authenticate.
    package var source: UInt32
    /// The user part of the Asterisk's Contact.
    package var user: TokenText
}

/// What an Asterisk's in-dialog requests carry in their Route: the way to the phone.
package struct PhoneToken: Equatable, Sendable {
    /// The way.
    package var flow: Flow
    /// The account, whose other bindings serve when the way is closed.
    package var account: TokenText
}

/// A text out of a token, in place: no longer than a token's plaintext.
package struct TokenText: BitwiseCopyable, Equatable, Sendable {
    private var bytes = InlineArray<160, UInt8>(repeating: 0)
    private var count = 0

    /// The text of these bytes, of which the first 160 count (`TokenSeal.maximumPlaintext`).
    package init(_ source: Span<UInt8>) {
        count = min(source.count, 160)
        for index in 0..<count { bytes[index] = source[index] }
    }

    /// The bytes.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(0..<count) }
    }

    package static func == (left: TokenText, right: TokenText) -> Bool {
        left.span.equals(right.span)
    }
}

/// Makes and opens the tokens that stand for addresses in SIP messages.
package struct Tokens: ~Copyable {
    private enum Kind: UInt8 {
        case asterisk = 1
        case phone = 2
        case host = 3
    }

    private var seal: TokenSeal
    private var hash: KeyedHash
    private var plain = ByteBuffer(capacity: 256)

    /// Tokens of a key of 32 bytes.
    package init(key: [UInt8]) {
        seal = TokenSeal(key: key)
        hash = KeyedHash(key: key)
    }

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

    private mutating func put(_ address: SocketAddress) {
        if address.ip.isV4 {
            plain.append(4)
            for index in 12..<16 { plain.append(address.ip.byte(index)) }
        } else {
            plain.append(6)
            for index in 0..<16 { plain.append(address.ip.byte(index)) }
        }
        put(UInt32(address.port), bytes: 2)
    }

    private mutating func put(_ value: UInt32, bytes: Int) {
        for index in stride(from: bytes - 1, through: 0, by: -1) {
            plain.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * index)))
        }
    }

    /// Writes the token of the way to an Asterisk; false when its Contact's user part is too long.
    package mutating func write(
        asterisk: SocketAddress, sequenceShift: UInt16, account: UInt32, source: UInt32,
        user: Span<UInt8>, into buffer: inout ByteBuffer
    ) -> Bool {
        plain.removeAll()
        plain.append(Kind.asterisk.rawValue)
        put(asterisk)
        put(UInt32(sequenceShift), bytes: 2)
        put(account, bytes: 4)
        put(source, bytes: 4)
        plain.append(user)
        guard plain.count <= TokenSeal.maximumPlaintext else { return false }
        seal.seal(plain, into: &buffer)
        return true
    }

    /// Writes the token of the way to a phone.
    package mutating func write(flow: Flow, account: Span<UInt8>, into buffer: inout ByteBuffer) {
        plain.removeAll()
        plain.append(Kind.phone.rawValue)
        plain.append(flow.transport.rawValue)
        plain.append(flow.listener)
        put(flow.peer)
        if flow.transport.isStream {
            put(UInt32(truncatingIfNeeded: flow.connection >> 32), bytes: 4)
            put(UInt32(truncatingIfNeeded: flow.connection), bytes: 4)
        }
        plain.append(account)
        seal.seal(plain, into: &buffer)
    }

    /// Writes the token of an inside address in a Call-ID; port 0 stands for none.
    package mutating func write(host: SocketAddress, into buffer: inout ByteBuffer) {
        plain.removeAll()
        plain.append(Kind.host.rawValue)
        put(host)
        seal.seal(plain, into: &buffer)
    }

    /// The way to an Asterisk of a token, or nil for what is not such a token.
    package mutating func asterisk(_ token: Span<UInt8>) -> AsteriskToken? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.asterisk.rawValue, let address = reader.address(),
            let shift = reader.number(2), let account = reader.number(4),
            let source = reader.number(4)
        else { return nil }
        return AsteriskToken(
            asterisk: address, sequenceShift: UInt16(shift), account: UInt32(account),
            source: UInt32(source), user: reader.rest())
    }

    /// The way to a phone of a token, or nil for what is not such a token.
    package mutating func phone(_ token: Span<UInt8>) -> PhoneToken? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.phone.rawValue,
            let transport = reader.byte().flatMap({ Transport(rawValue: $0) }),
            let listener = reader.byte(), let peer = reader.address()
        else { return nil }
        var connection: UInt64 = 0
        if transport.isStream {
            guard let number = reader.number(8) else { return nil }
            connection = number
        }
        let flow = Flow(transport, listener: listener, peer: peer, connection: connection)
        return PhoneToken(flow: flow, account: reader.rest())
    }

    /// The inside address of a token in a Call-ID, or nil for what is not such a token.
    package mutating func host(_ token: Span<UInt8>) -> SocketAddress? {
        guard seal.open(token, into: &plain) else { return nil }
        var reader = TokenReader(plain.span)
        guard reader.byte() == Kind.host.rawValue, let address = reader.address() else {
            return nil
        }
        return reader.isAtEnd ? address : nil
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

    mutating func address() -> SocketAddress? {
        switch byte() {
        case 4:
            guard let ip = number(4), let port = number(2) else { return nil }
            return SocketAddress(IPAddress(v4: UInt32(ip)), port: UInt16(port))
        case 6:
            guard let high = number(8), let low = number(8), let port = number(2) else {
                return nil
            }
            return SocketAddress(IPAddress(high: high, low: low), port: UInt16(port))
        default: return nil
        }
    }

    mutating func rest() -> TokenText {
        defer { at = bytes.count }
        return TokenText(bytes.extracting(at..<bytes.count))
    }

    var isAtEnd: Bool { at == bytes.count }
}
