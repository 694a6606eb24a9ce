internal import COsip
internal import SIP

/// What another SIP parser, libosip2, says of a message, compared with what ours says.
enum OtherParser {
    /// Has to be asked once before the first message.
    private static let isReady: Bool = parser_init() == 0

    /// What the two parsers read differently; nil when they agree.
    static func difference(_ bytes: [UInt8]) -> String? {
        var index = MessageIndex()
        do {
            try MessageParser().parse(bytes.span, into: &index)
        } catch {
            return "ours refuses it: \(error.code)"
        }
        guard isReady else { return "the other is not ready" }
        var made: UnsafeMutablePointer<osip_message_t>?
        guard unsafe osip_message_init(&made) == 0, let message = unsafe made else {
            return "no memory"
        }
        // Freed here and nowhere else; nothing read below outlives it.
        defer { unsafe osip_message_free(message) }
        let result = unsafe bytes.withUnsafeBytes { raw in
            unsafe osip_message_parse(
                message, raw.baseAddress?.assumingMemoryBound(to: CChar.self), raw.count)
        }
        guard result == 0 else { return "the other refuses it: \(result)" }
        // Owned by this call until the message is freed.
        return unsafe compare(message.pointee, bytes, index)
    }

    private static func compare(
        _ other: osip_message_t, _ bytes: [UInt8], _ index: borrowing MessageIndex
    ) -> String? {
        let ours = said(bytes, index)
        var theirs: [String] = []
        // Every pointer below is into the message of the caller, and every text ends with a NUL.
        if index.isRequest {
            unsafe theirs.append(text(other.sip_method))
            unsafe theirs.append(uri(other.req_uri))
        } else {
            unsafe theirs += ["\(other.status_code)", text(other.reason_phrase)]
        }
        unsafe theirs += address(other.from) + address(other.to)
        if let callID = unsafe other.call_id {
            let host = unsafe text(callID.pointee.host)
            unsafe theirs.append(text(callID.pointee.number) + (host.isEmpty ? "" : "@\(host)"))
        }
        if let sequence = unsafe other.cseq {
            unsafe theirs += [text(sequence.pointee.number), text(sequence.pointee.method)]
        }
        unsafe theirs.append("\(other.vias.nb_elt)")
        var vias = unsafe other.vias
        if let via = unsafe osip_list_get(&vias, 0)?.assumingMemoryBound(to: osip_via_t.self) {
            unsafe theirs += [text(via.pointee.host), parameter(&via.pointee.via_params, "branch")]
        }
        if let length = unsafe other.content_length {
            unsafe theirs.append(text(length.pointee.value))
        }
        // libosip2 takes a body of several parts apart, and drops one whose type is not said.
        if hasPlainBody(bytes, index) { unsafe theirs.append(body(other)) }
        unsafe theirs += ["\(other.contacts.nb_elt)", "\(other.routes.nb_elt)"]
        unsafe theirs.append("\(other.record_routes.nb_elt)")
        unsafe theirs += others(other.headers)
        return ours == theirs ? nil : "ours: \(ours), the other: \(theirs)"
    }

    /// What our parser says, in the same order.
    private static func said(_ bytes: [UInt8], _ index: borrowing MessageIndex) -> [String] {
        let span = bytes.span
        var result: [String] = []
        if index.isRequest {
            result += [
                span.bytes(index.methodSlice).text, bare(span.bytes(index.requestURI.whole).text),
            ]
        } else {
            result += ["\(index.status)", span.bytes(index.reason).text]
        }
        for address in [index.from, index.to] {
            result += [bare(span.bytes(address.uri.whole).text), span.bytes(address.tag).text]
        }
        result.append(span.bytes(index.callID).text)
        let sequence = span.bytes(index.value(.cseq) ?? .empty).text.split(separator: " ")
        result += [String(sequence.first ?? ""), String(sequence.last ?? "")]
        result.append("\(count(.via, span, index))")
        let host = span.bytes(index.via.host).text
        result.append(host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host)
        result.append(span.bytes(index.via.branch).text)
        result.append("\(index.contentLength ?? 0)")
        if hasPlainBody(bytes, index) { result.append(span.bytes(index.body).text) }
        for name in [HeaderName.contact, .route, .recordRoute] {
            result.append("\(count(name, span, index))")
        }
        return result + fields(span, index)
    }

    private static func hasPlainBody(_ bytes: [UInt8], _ index: borrowing MessageIndex) -> Bool {
        guard let type = index.value(.contentType) else { return false }
        return !bytes.span.bytes(type).text.lowercased().hasPrefix("multipart")
    }

    private static func count(
        _ name: HeaderName, _ span: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Int {
        var count = 0
        for position in 0..<index.count where index[position].name == name {
            var values = ValueList(index[position].value)
            while values.next(in: span) != nil { count += 1 }
        }
        return count
    }

    /// The fields that libosip2 has no structure for: name and value without blanks and commas, since it cuts
    /// lists in pieces.
    private static func fields(_ span: Span<UInt8>, _ index: borrowing MessageIndex) -> [String] {
        var values: [String: String] = [:]
        for position in 0..<index.count {
            let field = index[position]
            let name = span.bytes(field.nameSlice).text.lowercased()
            guard !structured.contains(name) else { continue }
            values[name, default: ""] += squeezed(span.bytes(field.value).text)
        }
        return values.map { "\($0): \($1)" }.sorted()
    }

    private static let structured: Set<String> = [
        "v", "f", "t", "i", "l",
        "via", "from", "to", "call-id", "cseq", "contact", "route", "record-route",
        "content-length", "content-type", "authorization", "proxy-authorization",
        "www-authenticate", "proxy-authenticate", "mime-version", "call-info", "accept",
        "accept-encoding", "accept-language", "alert-info", "allow", "authentication-info",
        "content-encoding", "error-info", "proxy-authentication-info", "content-disposition",
    ]

    private static func squeezed(_ text: String) -> String {
        text.filter { $0 != " " && $0 != "\t" && $0 != "," }
    }

    @unsafe
    private static func others(_ list: osip_list_t) -> [String] {
        var list = unsafe list
        var values: [String: String] = [:]
        for place in 0..<(unsafe list.nb_elt) {
            guard
                let header = unsafe osip_list_get(&list, place)?
                    .assumingMemoryBound(to: osip_header_t.self)
            else { continue }
            let name = unsafe text(header.pointee.hname).lowercased()
            guard !structured.contains(name) else { continue }
            unsafe values[name, default: ""] += squeezed(text(header.pointee.hvalue))
        }
        return values.map { "\($0): \($1)" }.sorted()
    }

    @unsafe
    private static func body(_ message: osip_message_t) -> String {
        var bodies = unsafe message.bodies
        guard
            let body = unsafe osip_list_get(&bodies, 0)?
                .assumingMemoryBound(to: osip_body_t.self),
            let start = unsafe body.pointee.body
        else { return "" }
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: body.pointee.length)
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    @unsafe
    private static func address(_ from: UnsafeMutablePointer<osip_from_t>?) -> [String] {
        guard let from = unsafe from else { return ["", ""] }
        return unsafe [uri(from.pointee.url), parameter(&from.pointee.gen_params, "tag")]
    }

    @unsafe
    private static func parameter(
        _ list: UnsafeMutablePointer<osip_list_t>, _ name: String
    ) -> String {
        for place in 0..<(unsafe list.pointee.nb_elt) {
            guard
                let parameter = unsafe osip_list_get(list, place)?
                    .assumingMemoryBound(to: osip_uri_param_t.self)
            else { continue }
            if unsafe text(parameter.pointee.gname).lowercased() == name {
                return unsafe text(parameter.pointee.gvalue)
            }
        }
        return ""
    }

    /// Scheme, user, host and port.
    @unsafe
    private static func uri(_ uri: UnsafeMutablePointer<osip_uri_t>?) -> String {
        guard let uri = unsafe uri?.pointee else { return "" }
        let scheme = unsafe text(uri.scheme).lowercased()
        if let rest = unsafe uri.string { return unsafe "\(scheme):\(text(rest))" }
        let user = unsafe text(uri.username)
        let secret = unsafe text(uri.password)
        let host = unsafe text(uri.host)
        let port = unsafe text(uri.port)
        return "\(scheme):"
            + (user.isEmpty ? "" : user + (secret.isEmpty ? "" : ":\(secret)") + "@")
            + host + (port.isEmpty ? "" : ":\(port)")
    }

    /// A URI as the function above writes it: no parameters, no brackets around an IPv6 address.
    private static func bare(_ uri: String) -> String {
        guard let colon = uri.firstIndex(of: ":") else { return uri }
        let scheme = uri[..<colon].lowercased()
        guard scheme == "sip" || scheme == "sips" else {
            return scheme + uri[colon...]
        }
        let rest = uri[uri.index(after: colon)...]
        let sign = rest.firstIndex(of: "@")
        let user = sign.map { rest[...$0] } ?? ""
        let host = (sign.map { rest[rest.index(after: $0)...] } ?? rest)
            .prefix { $0 != ";" && $0 != "?" }
        return "\(scheme):\(decoded(String(user)))" + host.filter { $0 != "[" && $0 != "]" }
    }

    /// The text with its %-escapes undone, as libosip2 keeps user parts: in a C string, which ends at %00.
    private static func decoded(_ text: String) -> String {
        var bytes = Array(text.utf8)[...]
        var result: [UInt8] = []
        while let byte = bytes.popFirst() {
            guard byte == 0x25, bytes.count >= 2,
                let value = UInt8(String(decoding: bytes.prefix(2), as: UTF8.self), radix: 16)
            else {
                result.append(byte)
                continue
            }
            bytes = bytes.dropFirst(2)
            if value == 0 { return String(decoding: result, as: UTF8.self) + "@" }
            result.append(value)
        }
        return String(decoding: result, as: UTF8.self)
    }

    @unsafe
    private static func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
        unsafe pointer.map { unsafe String(cString: $0) } ?? ""
    }
}
