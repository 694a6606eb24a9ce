internal import Messages
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
        bench.scratch.removeAll()
        // The same request gets the same tag, so that a retransmission is answered alike.
        let tag = NameTable.hash(
            message.bytes.bytes(message.index.via.branch), message.bytes.bytes(message.index.callID)
        )
        bench.scratch.append(hex: tag, digits: 16)
        bench.writer.begin(
            status: status.rawValue, phrase ?? status.phrase,
            isCompact: !mayBeLong(message.flow, message.sender),
            to: message.flow.peer.ip)
        Self.answerIdentity(
            &bench.writer, message.bytes, message.index, message.flow.peer, bench.scratch)
        guard !bench.writer.isCompact, !fits(bench.writer.buffer.count + rest, message.sender)
        else { return }
        bench.writer.begin(
            status: status.rawValue, phrase ?? status.phrase, isCompact: true,
            to: message.flow.peer.ip)
        Self.answerIdentity(
            &bench.writer, message.bytes, message.index, message.flow.peer, bench.scratch)
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
        bench.writer.endEmpty()
        guard bench.writer.isWhole else { return false }
        guard mayAnswer(message.flow, message.sender) else {
            if unansweredTokens.take(Self.keptRate, bench.now.monotonic) {
                decided(Refusal.answersUsedUp.code, 0, message)
            }
            return false
        }
        bench.effects.outbox.append(bench.writer.buffer, to: message.flow)
        if bench.writer.isCompact, shortTokens.take(Self.keptRate, bench.now.monotonic) {
            decided(Refusal.shortAnswer.code, bench.writer.status, message)
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
