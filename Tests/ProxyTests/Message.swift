import Digest
import Sys

/// A SIP message as a peer reads it: line by line, and not by the parser under test.
struct Message: CustomStringConvertible {
    var start: String
    var headers: [(name: String, value: String)] = []
    var body: String

    init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        let blank: [UInt8] = [13, 10, 13, 10]
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: blank) }) else {
            return nil
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, !text.isEmpty else { return nil }
        start = String(first)
        for line in lines.dropFirst() {
            if line.hasPrefix(" "), !headers.isEmpty {
                headers[headers.count - 1].value += "\n\(line)"
                continue
            }
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers.append((String(line[..<colon]), String(value)))
        }
        body = String(decoding: bytes[(end + 4)...], as: UTF8.self)
    }

    subscript(name: String) -> String { headers.first { $0.name == name }?.value ?? "" }

    func all(_ name: String) -> [String] {
        headers.filter { $0.name == name }.map(\.value)
    }

    func has(_ name: String) -> Bool { headers.contains { $0.name == name } }

    var isRequest: Bool { !start.hasPrefix("SIP/2.0 ") }
    var status: Int { isRequest ? 0 : Int(start.split(separator: " ")[1]) ?? 0 }
    var method: String { isRequest ? String(start.prefix { $0 != " " }) : sequenceMethod }
    var uri: String { String(start.split(separator: " ")[1]) }
    var sequence: Int { Int(self["CSeq"].prefix { $0 != " " }) ?? -1 }
    var sequenceMethod: String { String(self["CSeq"].split(separator: " ").last ?? "") }
    var branch: String { between(self["Via"], "branch=", ";") }
    var toTag: String { between(self["To"], ";tag=", ";") }
    var contactURI: String { between(self["Contact"], "<", ">") }
    var description: String {
        ([start] + headers.map { "\($0.name): \($0.value)" }).joined(separator: "\n") + "\n\n"
            + body
    }
}

/// The text after the first `open`, up to `close` or the end; empty when there is no `open`.
func between(_ text: String, _ open: String, _ close: String) -> String {
    var rest = Substring(text)
    while !rest.isEmpty {
        if rest.hasPrefix(open) {
            rest = rest.dropFirst(open.count)
            var result = ""
            while !rest.isEmpty, !rest.hasPrefix(close) { result.append(rest.removeFirst()) }
            return result
        }
        rest.removeFirst()
    }
    return ""
}

/// The bytes of a message: its lines, then a Content-Length, then its body.
func wire(_ lines: [String], _ body: String = "") -> [UInt8] {
    Array(
        (lines + ["Content-Length: \(body.utf8.count)"]).joined(separator: "\r\n").utf8)
        + Array("\r\n\r\n\(body)".utf8)
}

/// A response as any user agent makes it.
func response(
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
struct Dialog {
    var callID: String
    var local: String
    var remote: String
    var target: String
    var route: [String]
    var sequence: Int

    /// The caller's side, of its INVITE and the 2xx.
    init(caller request: Message, _ answer: Message) {
        callID = request["Call-ID"]
        local = request["From"]
        remote = answer["To"]
        target = answer.contactURI
        route = answer.all("Record-Route").reversed()
        sequence = request.sequence
    }

    /// The called side, of the INVITE and the tag given in the 2xx.
    init(called request: Message, tag: String) {
        callID = request["Call-ID"]
        local = request["To"].contains(";tag=") ? request["To"] : request["To"] + ";tag=\(tag)"
        remote = request["From"]
        target = request.contactURI
        route = request.all("Record-Route")
        sequence = 100
    }

    /// The next request; an ACK has the number of its INVITE.
    mutating func request(
        _ method: String, via: String, _ extra: [String] = [], body: String = ""
    ) -> [UInt8] {
        if method != "ACK" { sequence += 1 }
        return wire(
            ["\(method) \(target) SIP/2.0", "Via: \(via)", "Max-Forwards: 70"]
                + route.map { "Route: \($0)" }
                + [
                    "From: \(local)", "To: \(remote)", "Call-ID: \(callID)",
                    "CSeq: \(sequence) \(method)",
                ] + extra, body)
    }
}

/// The lower-case hexadecimal digits of a hash over texts with colons between them.
func hashed(_ algorithm: DigestAlgorithm, _ parts: String...) -> String {
    var engine = HashEngine()
    engine.begin(algorithm)
    engine.add(Array(parts.joined(separator: ":").utf8).span)
    return hexadecimal(engine.finish())
}

/// The lower-case hexadecimal digits of a hash.
func hexadecimal(_ value: HashValue) -> String {
    (0..<value.length).map {
        let byte = value.bytes[$0]
        return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
}

/// The bytes that hexadecimal digits spell.
func bytes(hex text: String) -> [UInt8] {
    var result: [UInt8] = []
    var rest = Substring(text)
    while rest.count >= 2 {
        result.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
    }
    return result
}
