package import Digest

/// A SIP message as a peer reads it: line by line, and not by the parser under test.
package struct Message: CustomStringConvertible {
    /// The request line or status line.
    package var start: String
    /// The header fields in their order, each as it stands.
    package var headers: [(name: String, value: String)] = []
    /// What follows the empty line.
    package var body: String
    /// How many bytes it has.
    package let length: Int
    /// Whether a name came in its short form; `headers` has the long one.
    package var isCompact = false

    /// The short names that an answer may have (RFC 3261 section 7.3.3).
    private static let longNames = [
        "v": "Via", "f": "From", "t": "To", "i": "Call-ID", "l": "Content-Length",
    ]

    /// Reads a message; nil for what has no start line, no empty line, or a line without a colon.
    package init?(_ bytes: [UInt8]) {
        guard let end = Self.emptyLine(in: bytes) else { return nil }
        length = bytes.count
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first else { return nil }
        start = String(first)
        for line in lines.dropFirst() {
            if line.hasPrefix(" ") || line.hasPrefix("\t"), !headers.isEmpty {
                headers[headers.count - 1].value += "\n\(line)"
                continue
            }
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let value = line.utf8[line.utf8.index(after: colon)...].drop { $0 == 0x20 }
            let name = String(line[..<colon])
            if name.utf8.count < 2 { isCompact = true }
            headers.append((Self.longNames[name] ?? name, String(Substring(value))))
        }
        body = String(decoding: bytes[(end + 4)...], as: UTF8.self)
    }

    /// Where the empty line's CR LF CR LF begins.
    private static func emptyLine(in bytes: [UInt8]) -> Int? {
        var at = 0
        while at + 4 <= bytes.count {
            if bytes[at] == 13, bytes[at + 1] == 10, bytes[at + 2] == 13, bytes[at + 3] == 10 {
                return at
            }
            at += 1
        }
        return nil
    }

    /// The value of the first field of that name, or "".
    package subscript(name: String) -> String { headers.first { $0.name == name }?.value ?? "" }

    /// The values of all fields of that name.
    package func all(_ name: String) -> [String] {
        headers.filter { $0.name == name }.map(\.value)
    }

    /// Whether there is a field of that name.
    package func has(_ name: String) -> Bool { headers.contains { $0.name == name } }

    /// Whether it is a request.
    package var isRequest: Bool { !start.hasPrefix("SIP/2.0 ") }
    /// The status code, 0 for a request.
    package var status: Int { isRequest ? 0 : Int(start.split(separator: " ")[1]) ?? 0 }
    /// The method of a request, or of the request that a response answers.
    package var method: String { isRequest ? String(start.prefix { $0 != " " }) : sequenceMethod }
    /// The Request-URI.
    package var uri: String { String(start.split(separator: " ")[1]) }
    /// The CSeq's number, -1 when it cannot be read.
    package var sequence: Int { Int(self["CSeq"].prefix { $0 != " " }) ?? -1 }
    /// The CSeq's method.
    package var sequenceMethod: String { String(self["CSeq"].split(separator: " ").last ?? "") }
    /// The branch of the topmost Via.
    package var branch: String { between(self["Via"], "branch=", ";") }
    /// The tag of To, or "".
    package var toTag: String { between(self["To"], ";tag=", ";") }
    /// The URI of the first Contact in angle brackets.
    package var contactURI: String { between(self["Contact"], "<", ">") }
    /// The message as text.
    package var description: String {
        ([start] + headers.map { "\($0.name): \($0.value)" }).joined(separator: "\n") + "\n\n"
            + body
    }
}

/// The text after the first `open`, up to `close` or the end; empty when there is no `open`.
package func between(_ text: String, _ open: String, _ close: String) -> String {
    let (bytes, open, close) = (Array(text.utf8), Array(open.utf8), Array(close.utf8))
    guard let found = place(of: open, in: bytes, from: 0) else { return "" }
    let start = found + open.count
    let end = place(of: close, in: bytes, from: start) ?? bytes.count
    return String(decoding: bytes[start..<end], as: UTF8.self)
}

/// Where `part` stands first in `bytes` from `start` on; nil when nowhere.
package func place(of part: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    var at = start
    while at + part.count <= bytes.count {
        if bytes[at] == part[0], bytes[at..<at + part.count].elementsEqual(part) { return at }
        at += 1
    }
    return nil
}

/// The bytes of a message: its lines, then a Content-Length, then its body.
package func wire(_ lines: [String], _ body: String = "") -> [UInt8] {
    Array(
        (lines + ["Content-Length: \(body.utf8.count)"]).joined(separator: "\r\n").utf8)
        + Array("\r\n\r\n\(body)".utf8)
}

/// A response as any user agent makes it.
package func response(
    to request: Message, _ status: Int, reason: String = "Reason", tag: String = "",
    _ extra: [String] = [], body: String = ""
) -> [UInt8] {
    var lines = ["SIP/2.0 \(status) \(reason)"]
    lines += request.all("Via").map { "Via: \($0)" }
    lines += request.all("Record-Route").map { "Record-Route: \($0)" }
    lines.append("From: \(request["From"])")
    let to = request["To"]
    let tagged = to.contains(";tag=") || tag.isEmpty
    lines.append("To: \(to)" + (tagged ? "" : ";tag=\(tag)"))
    lines += ["Call-ID: \(request["Call-ID"])", "CSeq: \(request["CSeq"])"]
    return wire(lines + extra, body)
}

/// One side of a dialog (RFC 3261 section 12.1).
package struct Dialog {
    /// The Call-ID.
    package var callID: String
    /// From in our requests.
    package var local: String
    /// To in our requests.
    package var remote: String
    /// Where our requests go.
    package var target: String
    /// The route they take.
    package var route: [String]
    /// The last CSeq of ours.
    package var sequence: Int

    /// The caller's side, of its INVITE and the 2xx.
    package init(caller request: Message, _ answer: Message) {
        callID = request["Call-ID"]
        local = request["From"]
        remote = answer["To"]
        target = answer.contactURI
        route = answer.all("Record-Route").reversed()
        sequence = request.sequence
    }

    /// The called side, of the INVITE and the tag given in the 2xx.
    package init(called request: Message, tag: String) {
        callID = request["Call-ID"]
        local = request["To"].contains(";tag=") ? request["To"] : request["To"] + ";tag=\(tag)"
        remote = request["From"]
        target = request.contactURI
        route = request.all("Record-Route")
        sequence = 100
    }

    /// The next request; an ACK has the number of its INVITE.
    package mutating func request(
        _ method: String, via: String, _ extra: [String] = [], body: String = ""
    ) -> [UInt8] {
        if method != "ACK" { sequence += 1 }
        return wire(
            ["\(method) \(target) SIP/2.0", "Via: \(via)", "Max-Forwards: 70"]
                + route.map { "Route: \($0)" }
                + [
                    "From: \(local)", "To: \(remote)", "Call-ID: \(callID)",
                    "CSeq: \(sequence) \(method)", "User-Agent: Phone T42 66.86.0.15",
                    "Allow: INVITE, INFO, PRACK, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE",
                ] + extra, body)
    }
}

/// The lower-case hexadecimal digits of a hash over texts with colons between them.
package func hashed(_ algorithm: DigestAlgorithm, _ parts: String...) -> String {
    var engine = HashEngine()
    engine.begin(algorithm)
    engine.add(Array(parts.joined(separator: ":").utf8).span)
    return hexadecimal(engine.finish())
}

/// The lower-case hexadecimal digits of a hash.
package func hexadecimal(_ value: HashValue) -> String {
    (0..<value.length).map {
        let byte = value.bytes[$0]
        return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
}

/// The bytes that hexadecimal digits spell.
package func bytes(hex text: String) -> [UInt8] {
    var result: [UInt8] = []
    var rest = Substring(text)
    while rest.count >= 2 {
        result.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
    }
    return result
}
