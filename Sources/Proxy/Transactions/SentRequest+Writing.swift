internal import Messages
internal import ProxyBench
internal import SIP
internal import SIPWriting
internal import Sys

/// What is written out of a request that was sent: its CANCEL, its ACKs, and the BYE of a call that nobody is given.
extension ClientTransactions {
    /// Writes the value of a CANCEL's Reason.
    static func writeReason(
        _ writer: inout MessageWriter, _ texts: borrowing TextStore, _ reason: Text,
        _ direction: Direction
    ) {
        writer.header("Reason", texts.span(reason), direction)
    }

    /// Writes the CANCEL of a sent INVITE (RFC 3261 section 9.1), or what such a one repeats, but for its end.
    static func writeFromSent(
        _ request: SentRequest, _ method: StaticString, _ bench: inout Bench
    ) {
        let nothing: [UInt8] = []
        bench.writer.begin(to: request.flow.peer.ip)
        writeFromSent(
            &bench.writer, bench.blocks, request.sent, bench.parser, method, .empty, nothing.span)
    }

    /// Writes the ACK of a failure, whose To goes into it (RFC 3261 section 17.1.1.3), but for its end.
    static func writeACK(
        _ request: SentRequest, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ bench: inout Bench
    ) {
        bench.writer.begin(to: request.flow.peer.ip)
        writeFromSent(
            &bench.writer, bench.blocks, request.sent, bench.parser, "ACK",
            index.value(.to) ?? .empty, bytes)
    }

    private static func writeFromSent(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ sent: Block,
        _ parser: MessageParser, _ method: StaticString, _ to: Slice, _ response: Span<UInt8>
    ) {
        guard sent.exists else { return }
        let bytes = blocks.span(sent)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return }
        writer.append(method)
        writer.append(" ")
        writer.append(bytes.bytes(index.requestURI.whole))
        writer.append(" SIP/2.0\r\n")
        if let via = index.value(.via) { writer.header("Via", bytes.bytes(via), .inward) }
        writer.maxForwards(70)
        if let from = index.value(.from) { writer.header("From", bytes.bytes(from), .inward) }
        if !to.isEmpty {
            writer.header("To", response.bytes(to), .inward)
        } else if let own = index.value(.to) {
            writer.header("To", bytes.bytes(own), .inward)
        }
        writer.append("Call-ID: ")
        writer.append(bytes.bytes(index.callID))
        writer.append("\r\nCSeq: ")
        writer.append(decimal: UInt64(index.sequence))
        writer.append(" ")
        writer.append(method)
        writer.endLine()
    }

    /// Writes a request inside the dialog that an answer to a sent INVITE has begun, but for its end; its CSeq is
    /// `step` above the INVITE's.
    ///
    /// It goes to where the answer wants it, as far as that can be read, else to where the INVITE went. False when the
    /// INVITE is kept no more.
    static func writeFollowing(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ parser: MessageParser,
        _ sent: SentRequest, _ method: StaticString, _ step: UInt32,
        _ place: Handle, _ cookie: UInt64, _ answer: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard sent.sent.exists else { return false }
        let request = blocks.span(sent.sent)
        var own = MessageIndex()
        guard (try? parser.parse(request, into: &own)) != nil else { return false }
        let target = index.contactURI(answer)
        writer.append(method)
        writer.append(" ")
        if target.host.isEmpty {
            writer.append(request.bytes(own.requestURI.whole))
        } else {
            writer.append(answer.bytes(target.whole))
        }
        writer.append(" SIP/2.0\r\n")
        writer.via(sent.flow, place, cookie)
        writer.maxForwards(70)
        let route =
            sent.party.isTrunk
            ? FieldValues.list(.recordRoute, reversed: true, answer, index) : []
        if !route.isEmpty { writer.header("Route", route.span, .inward) }
        writer.header("From", request.bytes(own.from.whole), .inward)
        if let to = index.value(.to) {
            writer.header("To", answer.bytes(to), .inward)
        } else {
            writer.header("To", request.bytes(own.to.whole), .inward)
        }
        writer.append("Call-ID: ")
        writer.append(request.bytes(own.callID))
        writer.append("\r\nCSeq: ")
        writer.append(decimal: UInt64(own.sequence) + UInt64(step))
        writer.append(" ")
        writer.append(method)
        writer.endLine()
        return true
    }
}
