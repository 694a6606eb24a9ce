package import SIP

/// Where the parts of a Digest challenge or of credentials lie (RFC 7616 sections 3.3 and 3.4);
/// values without their quotes.
package struct DigestHeader: Sendable {
    package var username = Slice.empty
    package var realm = Slice.empty
    package var nonce = Slice.empty
    package var uri = Slice.empty
    package var response = Slice.empty
    package var cnonce = Slice.empty
    package var nonceCount = Slice.empty
    package var qop = Slice.empty
    package var opaque = Slice.empty
    /// The algorithm; nil for one that is not spoken here.
    package var algorithm: DigestAlgorithm? = .md5
    /// Whether the challenge says that only the nonce was too old.
    package var stale = false

    /// The parts of a header value; nil when it is not of the Digest scheme, has a part twice,
    /// or an open quoted string.
    package init?(_ value: Slice, in message: Span<UInt8>) {
        let bytes = message.bytes(value)
        guard bytes.count > 7, bytes.extracting(0..<6).isCaseless("digest"), isBlank(bytes[6])
        else {
            return nil
        }
        var seen: UInt32 = 0
        var list = Parameters(.from(value.start + 7, to: value.end), separator: UInt8(ascii: ","))
        while let parameter = list.next(in: message) {
            guard let bit = read(message.bytes(parameter.name), parameter.value, message) else {
                continue
            }
            guard seen & 1 << bit == 0 else { return nil }
            seen |= 1 << bit
        }
        guard !list.isOpen else { return nil }
    }

    /// Reads one part; the number of the part, or nil for an unknown one.
    private mutating func read(
        _ name: Span<UInt8>, _ quoted: Slice, _ message: Span<UInt8>
    ) -> UInt32? {
        let value = Self.unquoted(quoted, message)
        if name.isCaseless("username") { username = value; return 0 }
        if name.isCaseless("realm") { realm = value; return 1 }
        if name.isCaseless("nonce") { nonce = value; return 2 }
        if name.isCaseless("uri") { uri = value; return 3 }
        if name.isCaseless("response") { response = value; return 4 }
        if name.isCaseless("cnonce") { cnonce = value; return 5 }
        if name.isCaseless("nc") { nonceCount = value; return 6 }
        if name.isCaseless("qop") { qop = value; return 7 }
        if name.isCaseless("opaque") { opaque = value; return 8 }
        if name.isCaseless("stale") {
            stale = message.bytes(value).isCaseless("true")
            return 9
        }
        if name.isCaseless("algorithm") {
            let word = message.bytes(value)
            algorithm = word.isCaseless("md5") ? .md5 : word.isCaseless("sha-256") ? .sha256 : nil
            return 10
        }
        return nil
    }

    private static func unquoted(_ value: Slice, _ message: Span<UInt8>) -> Slice {
        let bytes = message.bytes(value)
        guard bytes.count >= 2, bytes[0] == UInt8(ascii: "\""),
            bytes[bytes.count - 1] == UInt8(ascii: "\"")
        else { return value }
        return Slice(value.start + 1, bytes.count - 2)
    }

    /// Whether the challenge offers `qop=auth`, alone or in a list.
    package func offersAuth(in message: Span<UInt8>) -> Bool {
        var list = ValueList(qop)
        while let option = list.next(in: message) {
            if message.bytes(option).isCaseless("auth") { return true }
        }
        return false
    }
}

extension HashEngine {
    /// The digest response of credentials that we make ourselves; without a cnonce that of RFC 2069, which
    /// chan_sip asks for.
    package mutating func ownResponse(
        _ algorithm: DigestAlgorithm, ha1: HashValue, method: StaticString, uri: Span<UInt8>,
        nonce: Span<UInt8>, cnonce: Span<UInt8>
    ) -> HashValue {
        begin(algorithm)
        add(method)
        add(":")
        add(uri)
        let ha2 = finish()
        begin(algorithm)
        add(hex: ha1)
        add(":")
        add(nonce)
        if !cnonce.isEmpty {
            add(":00000001:")
            add(cnonce)
            add(":auth")
        }
        add(":")
        add(hex: ha2)
        return finish()
    }

    /// The digest response (RFC 7616 section 3.4.1) for HA1 and the parts of credentials.
    package mutating func response(
        _ algorithm: DigestAlgorithm, ha1: HashValue, method: Span<UInt8>,
        _ header: DigestHeader, in message: Span<UInt8>
    ) -> HashValue {
        begin(algorithm)
        add(method)
        add(":")
        add(message.bytes(header.uri))
        let ha2 = finish()
        begin(algorithm)
        add(hex: ha1)
        add(":")
        add(message.bytes(header.nonce))
        add(":")
        if !header.qop.isEmpty {
            add(message.bytes(header.nonceCount))
            add(":")
            add(message.bytes(header.cnonce))
            add(":")
            add(message.bytes(header.qop))
            add(":")
        }
        add(hex: ha2)
        return finish()
    }
}
