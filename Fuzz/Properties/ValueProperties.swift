internal import Digest
internal import SIP

/// Parsing single values.
extension Properties {
    /// A value is read the same wherever it stands, and its parts lie inside it: nothing before or
    /// after it is looked at.
    package static func uri(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count < 4096 else { return nil }
        return displaced(bytes, "URI") { message, part in uriParts(part, message) }
            ?? displaced(bytes, "address") { message, part in
                guard let address = try? NameAddress(part, in: message) else { return nil }
                return [address.whole, address.displayName, address.uri.whole, address.parameters]
                    + [address.tag] + parameters(address.parameters, message)
            }
            ?? displaced(bytes, "Via") { message, part in
                guard let via = try? Via(part, in: message) else { return nil }
                return [via.transport, via.host, via.parameters, via.branch, number(via.port)]
            }
            ?? displaced(bytes, "list") { message, part in
                var list = ValueList(part)
                var values: [Slice] = []
                while let value = list.next(in: message) { values.append(value) }
                return values
            }
            ?? recomposed(bytes)
    }

    /// Credentials and challenges are read the same wherever they stand, without a look beside them.
    package static func digest(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count < 4096 else { return nil }
        return displaced(bytes, "digest") { message, part in
            guard let header = DigestHeader(part, in: message) else { return nil }
            let offered = Slice(0, header.offersAuth(in: message) ? 1 : 0)
            return [
                header.username, header.realm, header.nonce, header.uri, header.response,
                header.cnonce, header.nonceCount, header.qop, header.opaque, offered,
            ]
        }
    }

    /// Reads a value alone, and again between other bytes.
    private static func displaced(
        _ bytes: Span<UInt8>, _ what: String, _ read: (Span<UInt8>, Slice) -> [Slice]?
    ) -> String? {
        let alone = read(bytes, Slice(0, bytes.count))
        let value = [UInt8](copying: bytes)
        let before = Array("a=\"<".utf8)
        let between = before + value + Array("\">,;tag=1@[".utf8)
        let moved = read(between.span, Slice(before.count, bytes.count))
        guard let alone, let moved else {
            return alone == nil && moved == nil ? nil : "\(what): read in one place alone"
        }
        guard alone.count == moved.count else { return "\(what): other parts in another place" }
        for (here, there) in zip(alone, moved) {
            guard here.end <= bytes.count || here.isEmpty else { return "\(what): out of bounds" }
            guard here.length == there.length else { return "\(what): a part of another length" }
            // A flag has no place: it begins at 0 in both.
            guard here.isEmpty || here.start + before.count == there.start || there.start == 0
            else { return "\(what): a part in another place" }
        }
        return nil
    }

    private static func number(_ port: UInt16) -> Slice { Slice(0, port == 0 ? 0 : 1) }

    private static func uriParts(_ part: Slice, _ message: Span<UInt8>) -> [Slice]? {
        guard let uri = try? URI(part, in: message) else { return nil }
        return [uri.whole, uri.user, uri.host, uri.parameters, uri.headers, number(uri.port)]
            + parameters(uri.parameters, message)
    }

    private static func parameters(_ part: Slice, _ message: Span<UInt8>) -> [Slice] {
        var list = Parameters(part)
        var parts: [Slice] = []
        while let parameter = list.next(in: message) { parts += [parameter.name, parameter.value] }
        return parts
    }

    /// An accepted URI is printable ASCII (RFC 3261 section 25.1), and its parts are all of it.
    private static func recomposed(_ bytes: Span<UInt8>) -> String? {
        guard let uri = try? URI(Slice(0, bytes.count), in: bytes) else { return nil }
        for index in bytes.indices where bytes[index] <= 0x20 || bytes[index] >= 0x7F {
            return "a URI with the byte \(bytes[index])"
        }
        guard uri.scheme == .sip || uri.scheme == .sips else { return nil }
        var end = uri.host.end
        // One dot may follow a domain name.
        if end < bytes.count, bytes[end] == UInt8(ascii: ".") { end += 1 }
        // A port may have leading zeros, so its length is found, not computed.
        if end < bytes.count, bytes[end] == UInt8(ascii: ":") {
            end += 1
            while end < bytes.count, bytes[end] &- 0x30 <= 9 { end += 1 }
        }
        if !uri.parameters.isEmpty || end < bytes.count && bytes[end] == UInt8(ascii: ";") {
            end += 1 + Int(uri.parameters.length)
        }
        if !uri.headers.isEmpty || end < bytes.count && bytes[end] == UInt8(ascii: "?") {
            end += 1 + Int(uri.headers.length)
        }
        return end == bytes.count ? nil : "a URI whose parts end before it does"
    }
}
