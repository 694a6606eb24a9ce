internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// Answers without a transaction.
extension Router {
    /// Begins an answer to a request: its status line and the lines that repeat the request.
    ///
    /// `rest` is how many bytes follow in long form, which is written when all of it fits.
    mutating func beginReply(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ status: UInt16,
        _ reason: StaticString, rest: Int = Router.plainRest
    ) {
        if replyLimit < .max {
            asked = (NameTable.hash(bytes.bytes(index.callID)), index.method, status)
        }
        scratch.removeAll()
        // The same request gets the same tag, so that a retransmission is answered alike.
        let tag = NameTable.hash(bytes.bytes(index.via.branch), bytes.bytes(index.callID))
        scratch.append(hex: tag, digits: 16)
        writer.begin(status: status, reason, isCompact: !mayBeLong(flow), to: flow.peer.ip)
        Self.answerIdentity(&writer, bytes, index, flow.peer, scratch)
        guard !writer.isCompact, !fits(writer.buffer.count + rest) else { return }
        writer.begin(status: status, reason, isCompact: true, to: flow.peer.ip)
        Self.answerIdentity(&writer, bytes, index, flow.peer, scratch)
    }

    private static func answerIdentity(
        _ writer: inout MessageWriter, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ source: SocketAddress, _ tag: borrowing ByteBuffer
    ) {
        writer.answerIdentity(bytes, index, source, tag: tag.span)
    }

    /// Ends an answer without a body and sends it; false when none was left for the sender.
    @discardableResult
    mutating func endReply(_ flow: Flow) -> Bool {
        writer.endEmpty()
        guard writer.isWhole else { return false }
        guard mayAnswer(flow) else {
            if unansweredTokens.take(Self.keptRate, now.monotonic) {
                keepDecision(Self.noAnswerLeft, 0, asked.callID, asked.method, flow)
            }
            return false
        }
        outbox.append(writer.buffer, to: flow)
        if writer.isCompact, shortTokens.take(Self.keptRate, now.monotonic) {
            keepDecision(Self.shortAnswer, asked.status, asked.callID, asked.method, flow)
        }
        return true
    }

    /// Answers a request without a transaction, never again by itself; false when no answer was sent.
    @discardableResult
    mutating func reply(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ status: UInt16,
        _ reason: StaticString
    ) -> Bool {
        beginReply(bytes, index, flow, status, reason)
        return endReply(flow)
    }

    /// Answers that there is no room, or no database, for a request now; `code` goes to the journal.
    mutating func refuseForNow(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ code: String
    ) {
        let isSent = replyUnavailable(bytes, index, flow)
        refuseRecord(code, isSent ? 503 : 0, index, bytes, flow)
    }

    /// Answers that a table is full; the journal is told of the table, not of each request (`tellShortages`).
    mutating func refuseFull(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        let isSent = replyUnavailable(bytes, index, flow)
        decided("table-full", isSent ? 503 : 0, index, bytes, flow)
    }

    private mutating func replyUnavailable(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        beginReply(bytes, index, flow, 503, "Service Unavailable")
        writer.retryAfter()
        return endReply(flow)
    }
}
