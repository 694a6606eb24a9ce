internal import Messages
internal import Registrar
internal import SIP
internal import Sys

/// Answers without a transaction.
extension Router {
    /// Begins an answer to a request: its status line and the lines that repeat the request.
    ///
    /// `rest` is how many bytes follow in long form, which is written when all of it fits.
    mutating func beginReply(
        _ message: borrowing Incoming, _ status: Status, _ phrase: StaticString? = nil,
        rest: Int = Router.plainRest
    ) {
        scratch.removeAll()
        // The same request gets the same tag, so that a retransmission is answered alike.
        let tag = NameTable.hash(
            message.bytes.bytes(message.index.via.branch), message.bytes.bytes(message.index.callID)
        )
        scratch.append(hex: tag, digits: 16)
        writer.begin(
            status: status.rawValue, phrase ?? status.phrase,
            isCompact: !mayBeLong(message.flow, message.sender),
            to: message.flow.peer.ip)
        Self.answerIdentity(&writer, message.bytes, message.index, message.flow.peer, scratch)
        guard !writer.isCompact, !fits(writer.buffer.count + rest, message.sender) else { return }
        writer.begin(
            status: status.rawValue, phrase ?? status.phrase, isCompact: true,
            to: message.flow.peer.ip)
        Self.answerIdentity(&writer, message.bytes, message.index, message.flow.peer, scratch)
    }

    private static func answerIdentity(
        _ writer: inout MessageWriter, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ source: SocketAddress, _ tag: borrowing ByteBuffer
    ) {
        writer.answerIdentity(bytes, index, source, tag: tag.span)
    }

    /// Ends an answer without a body and sends it; false when none was left for the sender.
    @discardableResult
    mutating func endReply(_ message: borrowing Incoming) -> Bool {
        writer.endEmpty()
        guard writer.isWhole else { return false }
        guard mayAnswer(message.flow, message.sender) else {
            if unansweredTokens.take(Self.keptRate, now.monotonic) {
                decided(Refusal.answersUsedUp.code, 0, message)
            }
            return false
        }
        outbox.append(writer.buffer, to: message.flow)
        if writer.isCompact, shortTokens.take(Self.keptRate, now.monotonic) {
            decided(Refusal.shortAnswer.code, writer.status, message)
        }
        return true
    }

    /// Answers a request without a transaction, never again by itself; false when no answer was sent.
    @discardableResult
    mutating func reply(
        _ message: borrowing Incoming, _ status: Status
    ) -> Bool {
        beginReply(message, status)
        return endReply(message)
    }
}
