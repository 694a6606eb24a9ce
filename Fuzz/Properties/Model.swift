package import SIP

/// What a message says, whatever the way it is written.
package struct Model: Equatable, Sendable {
    /// The method's name, or the status code.
    package var start: [UInt8] = []
    /// The Request-URI, or the reason phrase.
    package var rest: [UInt8] = []
    /// From, without a name that is left out.
    package var from: [UInt8] = []
    /// To, the same way.
    package var to: [UInt8] = []
    /// The Call-ID.
    package var callID: [UInt8] = []
    /// The CSeq's number.
    package var sequence: UInt32 = 0
    /// The header fields that pass the edge as they are: long name, colon, value.
    package var fields: [[UInt8]] = []
    /// The body.
    package var body: [UInt8] = []

    /// What an indexed message says.
    package init(_ message: Span<UInt8>, _ index: borrowing MessageIndex) {
        if index.isRequest {
            start = Array(copying: message.bytes(index.methodSlice))
            rest = Array(copying: message.bytes(index.requestURI.whole))
        } else {
            start = Array("\(index.status)".utf8)
            rest = Array(copying: message.bytes(index.reason))
        }
        from = Self.unfolded(index.from.whole, message)
        to = Self.unfolded(index.to.whole, message)
        callID = Array(copying: message.bytes(index.callID))
        sequence = index.sequence
        for position in 0..<index.count where Self.passes(index[position].name) {
            let field = index[position]
            // Who is named there is written anew, as user and name demand.
            if index.isLeftOut(field.name) || Self.namesSomebody(field.name) { continue }
            var line = Array("\(field.name.text)".utf8)
            if field.name == .other { line = Array(copying: message.bytes(field.nameSlice)) }
            // A number is one, however many zeros it begins with.
            let value =
                field.name == .expires
                ? index.expires.map { Array("\($0)".utf8) }
                : Self.unfolded(field.value, message)
            fields.append(line + [UInt8(ascii: ":")] + (value ?? []))
        }
        body = Array(copying: message.bytes(index.body))
    }

    /// Leaves out the body and the fields that describe it.
    package mutating func forgetBody() {
        body = []
        fields.removeAll { line in
            String(decoding: line.prefix(8), as: UTF8.self).lowercased() == "content-"
        }
    }

    /// The value with each fold as one space (RFC 3261 section 7.3.1).
    private static func unfolded(_ slice: Slice, _ message: Span<UInt8>) -> [UInt8] {
        let bytes = Array(copying: message.bytes(slice))
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            guard bytes[at] == 0x0D else {
                result.append(bytes[at])
                at += 1
                continue
            }
            while at < bytes.count, bytes[at] <= 0x20 { at += 1 }
            result.append(0x20)
        }
        return result
    }

    /// Whether a field that passes names somebody by a URI.
    private static func namesSomebody(_ name: HeaderName) -> Bool {
        name == .referTo || name == .referredBy || name == .replyTo
    }

    /// Whether a field reaches an Asterisk as it is; the others say how to route, whom to trust and
    /// how to authenticate, which is the edge's own business.
    private static func passes(_ name: HeaderName) -> Bool {
        switch name {
        case .via, .from, .to, .callID, .cseq, .contact, .maxForwards, .maxBreadth, .contentLength,
            .route,
            .recordRoute, .path, .serviceRoute, .proxyRequire, .authorization,
            .proxyAuthorization, .wwwAuthenticate, .proxyAuthenticate, .authenticationInfo,
            .proxyAuthenticationInfo:
            false
        case .also: false
        default: !name.claimsTrust
        }
    }
}
