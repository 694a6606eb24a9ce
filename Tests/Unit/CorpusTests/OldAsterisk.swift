internal import SIP

/// What every reader of a message to an Asterisk must find alike.
struct Opinion: Equatable, CustomStringConvertible {
    /// The user part of the Request-URI, "" in a response.
    var calledUser = ""
    var fromUser = ""
    var fromTag = ""
    var toUser = ""
    var toTag = ""
    var callID = ""
    var sequence = ""
    /// The method that CSeq names.
    var method = ""
    var contentLength = 0

    var description: String {
        "\(method) \(sequence) to `\(calledUser)` of `\(callID)`, from `\(fromUser)` (\(fromTag))"
            + " to `\(toUser)` (\(toTag)), \(contentLength) bytes"
    }

    /// What our own parser finds; nil for what it refuses.
    static func ours(_ bytes: [UInt8]) -> Opinion? {
        var index = MessageIndex()
        guard (try? MessageParser().parse(bytes.span, into: &index)) != nil else { return nil }
        let span = bytes.span
        var opinion = Opinion()
        if index.isRequest { opinion.calledUser = span.bytes(index.requestURI.user).text }
        opinion.fromUser = span.bytes(index.from.uri.user).text
        opinion.fromTag = span.bytes(index.from.tag).text
        opinion.toUser = span.bytes(index.to.uri.user).text
        opinion.toTag = span.bytes(index.to.tag).text
        opinion.callID = span.bytes(index.callID).text
        opinion.sequence = "\(index.sequence)"
        opinion.method =
            span.bytes(index.value(.cseq) ?? .empty).text
            .split(separator: " ").last.map(String.init) ?? ""
        opinion.contentLength = index.contentLength ?? 0
        return opinion
    }
}

/// How chan_sip of Asterisk 1.4 reads a message: by searching its text, not by the grammar.
///
/// A header is the first line with its long name in any case, and only when there is none the first with the short
/// one. A URI is what stands in the first brackets that are not between two quotation marks; a backslash means
/// nothing. A tag is what follows the first `;tag=` of the line, wherever that is. With `pedantic=yes` folds are
/// undone, blanks may stand before a colon, and escapes are decoded before anything is split.
struct OldAsterisk {
    private static let mostHeaders = 64
    private static let shortNames = [
        "content-type": "c", "from": "f", "call-id": "i", "contact": "m", "content-length": "l",
        "to": "t", "via": "v",
    ]

    private let isPedantic: Bool
    private let start: [UInt8]
    private var lines: [[UInt8]] = []

    /// Takes a message apart into its lines.
    init(_ bytes: [UInt8], isPedantic: Bool) {
        self.isPedantic = isPedantic
        let text = isPedantic ? Self.unfolded(bytes) : bytes
        var found: [[UInt8]] = []
        var line: [UInt8] = []
        for byte in text {
            // As a text of C, it ends at the first NUL.
            if byte == 0 { break }
            if byte == UInt8(ascii: "\r") { continue }
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if line.isEmpty { break }
            // What is beyond the table takes its last place.
            if found.count == Self.mostHeaders { found.removeLast() }
            found.append(line)
            line = []
        }
        start = found.first ?? []
        lines = Array(found.dropFirst())
    }

    /// What it finds.
    var opinion: Opinion {
        var opinion = Opinion()
        let words = start.split(separator: UInt8(ascii: " "), maxSplits: 2)
        if let uri = words.dropFirst().first, !start.starts(with: Array("SIP".utf8)) {
            let called = decoded(Self.inBrackets(Array(uri)))
            opinion.calledUser = Self.text(Self.user(called, ends: "@;") ?? [])
        }
        let from = header("From")
        // Whoever calls without a user part is looked for by his host.
        let caller = Self.inBrackets(decoded(from))
        opinion.fromUser = Self.text(Self.user(caller, ends: "@:") ?? Self.withoutScheme(caller))
        opinion.fromTag = Self.tag(from)
        let to = header("To")
        opinion.toUser = Self.text(Self.user(Self.inBrackets(decoded(to)), ends: ";@") ?? [])
        opinion.toTag = Self.tag(to)
        opinion.callID = Self.text(header("Call-ID"))
        let sequence = header("CSeq")
        let digits = sequence.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        opinion.sequence = Self.text(Array(digits))
        opinion.method = Self.text(Self.skipping(sequence.dropFirst(digits.count)))
        opinion.contentLength = Int(Self.text(header("Content-Length"))) ?? 0
        return opinion
    }

    // MARK: Headers

    private func header(_ name: String) -> [UInt8] {
        let short = Self.shortNames[name.lowercased()]
        return value(name) ?? short.flatMap { value($0) } ?? []
    }

    private func value(_ name: String) -> [UInt8]? {
        let wanted = Array(name.lowercased().utf8)
        for line in lines where Self.lowered(line.prefix(wanted.count)) == wanted {
            var rest = line.dropFirst(wanted.count)
            if isPedantic { rest = Self.skipping(rest)[...] }
            if rest.first == UInt8(ascii: ":") { return Self.skipping(rest.dropFirst()) }
        }
        return nil
    }

    /// The text from its first byte on that is no blank.
    private static func skipping(_ text: ArraySlice<UInt8>) -> [UInt8] {
        Array(text.drop { $0 <= 0x20 })
    }

    private static func lowered(_ text: ArraySlice<UInt8>) -> [UInt8] {
        text.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }

    // MARK: Values

    /// What stands in the first brackets; the whole text when there are none.
    private static func inBrackets(_ text: [UInt8]) -> [UInt8] {
        var rest = text[...]
        while let bracket = rest.firstIndex(of: UInt8(ascii: "<")) {
            guard let quote = rest[..<bracket].firstIndex(of: UInt8(ascii: "\"")) else {
                let inner = rest[(bracket + 1)...]
                return Array(inner.prefix { $0 != UInt8(ascii: ">") })
            }
            guard let end = rest[(quote + 1)...].firstIndex(of: UInt8(ascii: "\"")) else { break }
            rest = rest[(end + 1)...]
        }
        return Array(rest)
    }

    /// The user part, which ends at the first of each end, looked for in this order; nil without an @.
    private static func user(_ uri: [UInt8], ends: String) -> [UInt8]? {
        let rest = withoutScheme(uri)
        guard rest.contains(UInt8(ascii: "@")) else { return nil }
        return ends.utf8.reduce(rest) { text, end in Array(text.prefix { $0 != end }) }
    }

    /// The URI without `sip:`, the only scheme it knows.
    private static func withoutScheme(_ uri: [UInt8]) -> [UInt8] {
        lowered(uri.prefix(4)) == Array("sip:".utf8) ? Array(uri.dropFirst(4)) : uri
    }

    private static func tag(_ value: [UInt8]) -> String {
        let mark = Array(";tag=".utf8)
        let low = lowered(value[...])
        guard
            let found = value.indices.first(where: { low[$0...].starts(with: mark) })
        else { return "" }
        return text(Array(value[(found + mark.count)...].prefix { $0 != UInt8(ascii: ";") }))
    }

    private func decoded(_ value: [UInt8]) -> [UInt8] {
        isPedantic ? Self.unescaped(value) : value
    }

    /// The text with its escapes undone; a byte of 0 ends it.
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(self.text(Array(rest.prefix(2))), radix: 16)
            else {
                result.append(byte)
                continue
            }
            if value == 0 { break }
            result.append(value)
            rest = rest.dropFirst(2)
        }
        return result
    }

    /// The head with folds undone and blanks in a row as one.
    private static func unfolded(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (place, byte) in bytes.enumerated() {
            let isBlank = byte == 0x20 || byte == 0x09
            let next = place + 1 < bytes.count ? bytes[place + 1] : 0
            let isFold = byte == 0x0A && (next == 0x20 || next == 0x09) && result.last != 0x0A
            if byte == 0x0D, next == 0x0A { continue }
            guard isBlank || isFold else {
                result.append(byte)
                continue
            }
            if result.last != 0x20 { result.append(0x20) }
        }
        return result
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
