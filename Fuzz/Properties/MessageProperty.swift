internal import Messages
internal import Proxy
internal import SIP
internal import SIPWriting
internal import Sys

/// Parsing a message, and writing it anew.
extension Properties {
    /// What is accepted is written anew as a message that is accepted and says the same.
    package static func message(_ bytes: Span<UInt8>) -> String? {
        let parser = MessageParser()
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return nil }
        var writer = writer()
        guard let written = rewritten(bytes, index, &writer) else { return nil }
        var again = MessageIndex()
        do {
            try parser.parse(written.span, into: &again)
        } catch {
            return "what is written of an accepted message is refused: \(error.code)"
        }
        for position in 0..<again.count
        where written.span.bytes(again[position].value).first(0x0D) != nil {
            return "a folded line is written"
        }
        var before = Model(bytes, index)
        var after = Model(written.span, again)
        // What is written of session descriptions is a property of its own.
        if mayHoldSession(bytes, index) {
            before.forgetBody()
            after.forgetBody()
        }
        guard before == after else { return "\(before) is written as \(after)" }
        return answered(bytes, index, parser, &writer)
    }

    private static func mayHoldSession(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard let type = index.value(.contentType) else { return false }
        let text = bytes.bytes(type).text.lowercased()
        return text.contains("sdp") || text.contains("multipart") || text.contains("\r\n")
            || text.contains(" ") || text.contains("\t")
    }

    private static func writer() -> MessageWriter {
        let address = SocketAddress(IPAddress(v4: 0xCB00_7105), port: 5060)
        let listener = Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address))
        return MessageWriter(listeners: [listener], key: [UInt8](repeating: 7, count: 32))
    }

    private static var peer: SocketAddress {
        SocketAddress(IPAddress(v4: 0xC633_6407), port: 5060)
    }

    /// The message as the edge writes it; nil when it does not fit.
    private static func rewritten(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ writer: inout MessageWriter
    ) -> [UInt8]? {
        writer.begin(to: peer.ip)
        if index.isRequest {
            writer.append(bytes.bytes(index.methodSlice))
            writer.append(" ")
            writer.append(bytes.bytes(index.requestURI.whole))
            writer.append(" SIP/2.0\r\n")
        } else {
            writer.append("SIP/2.0 ")
            writer.append(decimal: UInt64(index.status))
            writer.append(" ")
            writer.append(bytes.bytes(index.reason))
            writer.endLine()
        }
        writer.via(Flow(.udp, listener: 0, peer: peer), .none, 1)
        writer.maxForwards(min(index.maxForwards ?? 70, 70))
        let method = index.isRequest ? index.methodSlice : sequenceMethod(bytes, index)
        writer.header("From", bytes.bytes(index.from.whole), .inward)
        writer.header("To", bytes.bytes(index.to.whole), .inward)
        writer.callID(bytes.bytes(index.callID), .inward)
        writer.sequence(index.sequence, bytes.bytes(method))
        writer.phoneContact(bytes, index)
        writer.rest(bytes, index, .inward)
        guard writer.isWhole, writer.buffer.count <= MessageParser.maximumMessage else {
            return nil
        }
        return Array(copying: writer.buffer.span)
    }

    private static func sequenceMethod(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex)
        -> Slice
    {
        guard let value = index.value(.cseq) else { return .empty }
        var start = value.start
        while start < value.end, bytes[start] &- 0x30 <= 9 { start += 1 }
        return Slice.from(start, to: value.end).trimmed(in: bytes)
    }

    /// Our own answer to an accepted request is a message that we would accept.
    private static func answered(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ parser: MessageParser,
        _ writer: inout MessageWriter
    ) -> String? {
        // The answer adds to Via and To, which must not already be as long as a line may be.
        guard index.isRequest, bytes.count < MessageParser.maximumLine - 256 else { return nil }
        writer.begin(to: peer.ip)
        writer.append("SIP/2.0 400 Bad Request\r\n")
        let tag = Array("0123456789abcdef".utf8)
        writer.answerIdentity(bytes, index, peer, tag: tag.span)
        writer.endEmpty()
        guard writer.isWhole, writer.buffer.count <= MessageParser.maximumMessage else {
            return nil
        }
        // Room for the status line, `received`, the tag and long names; not a multiple of the request.
        guard writer.buffer.count <= bytes.count + 1024 else {
            return "an answer of \(writer.buffer.count) bytes to \(bytes.count)"
        }
        let written = Array(copying: writer.buffer.span)
        var again = MessageIndex()
        do {
            try parser.parse(written.span, into: &again)
        } catch {
            return "our own answer is refused: \(error.code)"
        }
        guard
            bytes.bytes(index.via.branch).equals(written.span.bytes(again.via.branch)),
            again.sequence == index.sequence, !again.to.tag.isEmpty
        else { return "the answer is not of the request" }
        return nil
    }
}
