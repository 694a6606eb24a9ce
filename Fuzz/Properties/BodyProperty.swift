internal import Messages
internal import Proxy
internal import SIP
internal import SIPWriting
internal import Sys

/// What the edge writes anew of bodies: what is changed, and only that.
extension Properties {
    private enum BodyKind: Int {
        case leavingSession, comingSession, state, parts

        var type: String {
            switch self {
            case .leavingSession, .comingSession: "application/sdp"
            case .state: "application/dialog-info+xml"
            case .parts: "multipart/mixed;boundary=b"
            }
        }
    }

    /// Session descriptions are written as a second reader expects them; other bodies that leave name no
    /// inside address, and are the same when they are written once more.
    ///
    /// The first byte chooses the kind; the body follows.
    package static func body(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0, let kind = BodyKind(rawValue: Int(bytes[0] & 3)) else { return nil }
        let body = [UInt8](copying: bytes.extracting(1..<bytes.count))
        let direction: Direction = kind == .comingSession ? .inward : .outward
        guard let first = written(body, kind, direction) else { return nil }
        if let fault = first.fault { return fault }
        switch kind {
        case .leavingSession, .comingSession:
            let model = SessionModel(body, leaves: kind == .leavingSession)
            guard !model.namesInside else {
                let second = written(first.body, kind, direction)
                return second?.body == first.body ? nil : "\(body): no end of changes"
            }
            return first.body == model.body ? nil : "\(body) is written as \(first.body)"
        case .state, .parts:
            guard let second = written(first.body, kind, direction) else { return nil }
            guard second.body == first.body else { return "\(body): no end of changes" }
            return kind == .parts || isClean(first.body) ? nil : "\(body): an inside address"
        }
    }

    private static func written(
        _ body: [UInt8], _ kind: BodyKind, _ direction: Direction
    ) -> (body: [UInt8], fault: String?)? {
        let text =
            "INVITE sip:bob@198.51.100.7 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bK1\r\n"
            + "From: <sip:300@10.0.0.10>;tag=1\r\nTo: <sip:bob@10.0.0.1>\r\nCall-ID: 1\r\n"
            + "CSeq: 1 INVITE\r\nContent-Type: \(kind.type)\r\nContent-Length: \(body.count)\r\n\r\n"
        let message = Array(text.utf8) + body
        var index = MessageIndex()
        guard (try? MessageParser().parse(message.span, into: &index)) != nil else { return nil }
        let inside = Endpoint(.udp, SocketAddress(IPAddress(v4: 0x0A00_0001), port: 5060))
        let asterisk = SocketAddress(IPAddress(v4: 0x0A00_000A), port: 5060)
        var writer = MessageWriter(
            listeners: [Listener(index: 0, side: .inside, endpoint: inside)],
            key: [UInt8](repeating: 7, count: 32))
        var settings = WriterSettings()
        settings.domains = [Array("example.com".utf8)]
        settings.asterisks = [asterisk]
        writer.configure(settings)
        writer.begin(to: IPAddress(v4: 0xC633_6407))
        writer.append("INVITE sip:bob@198.51.100.7 SIP/2.0\r\n")
        let tag = Array("0123456789abcdef".utf8)
        writer.answerIdentity(message.span, index, asterisk, tag: tag.span)
        writer.rest(message.span, index, direction)
        guard writer.isWhole, writer.buffer.count <= MessageParser.maximumMessage else {
            return nil
        }
        let written = Array(copying: writer.buffer.span)
        var again = MessageIndex()
        do {
            try MessageParser().parse(written.span, into: &again)
        } catch {
            return ([], "what is written is refused: \(error.code)")
        }
        let isTyped = again.has(.contentType)
        let after = Array(copying: written.span.bytes(again.body))
        let isWhole = again.body.end == written.count
        // A type without a body stays only where there was none before.
        let fault = isWhole && (isTyped || after.isEmpty) ? nil : "\(body) has another length"
        return (after, fault)
    }

    /// Whether the address of the Asterisk stands nowhere as a word of its own.
    private static func isClean(_ body: [UInt8]) -> Bool {
        let address = Array("10.0.0.10".utf8)
        let isPart: (UInt8) -> Bool = { byte in
            Characters.isHost(byte) || byte == UInt8(ascii: ":") || byte >= 0x80
        }
        var at = 0
        while at + address.count <= body.count {
            defer { at += 1 }
            guard body[at..<at + address.count].elementsEqual(address) else { continue }
            let end = at + address.count
            let isWord =
                (at == 0 || !isPart(body[at - 1])) && (end == body.count || !isPart(body[end]))
            if isWord { return false }
        }
        return true
    }
}

/// A session description as a reader of lists of lines has it.
private struct SessionModel {
    /// What is written of it; empty when it cannot be read.
    var body: [UInt8] = []
    /// Whether it leaves, and a line of which this model knows nothing names an inside address.
    var namesInside = false

    init(_ source: [UInt8], leaves: Bool) {
        guard let lines = Self.lines(source), lines.count >= 2, lines[0].first == 0x76,
            lines[1].first == 0x6F
        else { return }
        let session = lines.prefix { $0[0] != UInt8(ascii: "m") }
        // What comes first are v= and o=, whatever letter a name has.
        let hasName = session.dropFirst(2).contains { $0[0] == UInt8(ascii: "s") }
        var written = leaves ? lines.map(Self.leaving) : lines
        namesInside =
            leaves
            && written.contains { line in
                line[0] != UInt8(ascii: "c")
                    && String(decoding: line, as: UTF8.self).contains("10.0.0.1")
            }
        if !hasName { written.insert(Array("s=-".utf8), at: 2) }
        body = written.flatMap { $0 + [0x0D, 0x0A] }
    }

    /// The lines without blank ones at the end; nil when one of them has not its form.
    private static func lines(_ source: [UInt8]) -> [[UInt8]]? {
        var pieces = source.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        // The last piece has no LF: a CR there ends nothing.
        guard let last = pieces.popLast(), last.last != 0x0D else { return nil }
        pieces = pieces.map { $0.last == 0x0D ? $0.dropLast() : $0 } + (last.isEmpty ? [] : [last])
        while pieces.last?.isEmpty == true { pieces.removeLast() }
        let isGood = pieces.allSatisfy { line in
            line.count >= 2 && line[0] >= 0x61 && line[0] <= 0x7A && line[1] == 0x3D
                && line.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }
        }
        return isGood ? pieces : nil
    }

    private static func leaving(_ line: [UInt8]) -> [UInt8] {
        let words = line.split(separator: 0x20, omittingEmptySubsequences: false)
        switch line[0] {
        case UInt8(ascii: "s"): return Array("s=-".utf8)
        case UInt8(ascii: "o") where words.count > 3:
            let kind = String(decoding: words[words.count - 3], as: UTF8.self).uppercased()
            let family = String(decoding: words[words.count - 2], as: UTF8.self).uppercased()
            let isHost =
                kind.hasSuffix("IN") && ["IP4", "IP6"].contains(family)
                && !words[words.count - 1].contains(0x09)
            guard isHost else { return line }
            return Array(words.dropLast().joined(separator: [0x20])) + [0x20]
                + Array("example.com".utf8)
        default: return line
        }
    }
}
