internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Ending INVITEs that were sent: CANCEL, and the ACK of a failure.
extension Router {
    /// Why the other phones are cancelled when one has answered (RFC 3326 section 3.1).
    static let answeredElsewhere = Array("SIP;cause=200;text=\"Call completed elsewhere\"".utf8)
    /// Why they are when one has refused for all.
    static let refusedElsewhere = Array("SIP;cause=600;text=\"Busy Everywhere\"".utf8)

    /// The reasons that a CANCEL gives, as one value; empty for none.
    func reasons(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> [UInt8] {
        var value: [UInt8] = []
        var start = 0
        while let position = index.position(.reason, from: start) {
            start = position + 1
            if !value.isEmpty { value += Array(", ".utf8) }
            value += [UInt8](bytes.bytes(index[position].value))
        }
        return value.count <= TextStore.longest ? value : []
    }

    /// Whoever asked wants no answer any more: of the request is kept what its end needs.
    mutating func cancelExchange(_ handle: Handle, _ reason: [UInt8]) {
        exchanges[handle].cancelled = true
        let account = exchanges[handle].account
        // Nobody else gets it any more.
        blocks.release(&exchanges[handle].request, of: account, &accounts)
        cancelBranches(handle, reason)
        if exchanges[handle].open == 0 { finishLocally(handle, 487, "Request Terminated") }
    }

    /// Cancels every branch that has not ended; `reason` is what its Reason says, empty for none.
    mutating func cancelBranches(_ handle: Handle, _ reason: [UInt8]) {
        for position in 0..<exchanges[handle].clientCount {
            let client = exchanges[handle].clients[position]
            guard clients.contains(client) else { continue }
            keepReason(reason, client)
            cancel(client)
        }
        if exchanges[handle].open > 0, exchanges[handle].server.isOpen {
            restartDeadline(handle, Timers.giveUp)
        }
    }

    /// Keeps the reason of a branch's CANCEL; the first one counts, and one without room is left out.
    private mutating func keepReason(_ reason: [UInt8], _ client: Handle) {
        guard clients[client].cancelReason.length == 0 else { return }
        clients[client].cancelReason = texts.store(reason.span) ?? .none
    }

    private static func writeReason(
        _ writer: inout MessageWriter, _ texts: borrowing TextStore, _ reason: Text,
        _ direction: Direction
    ) {
        writer.header("Reason", texts.span(reason), direction)
    }

    /// Cancels one branch: now, or when its first provisional response comes (section 9.1).
    mutating func cancel(_ handle: Handle) {
        guard clients.contains(handle), !clients[handle].cancelled,
            case .invite = clients[handle].transaction
        else { return }
        guard clients[handle].transaction.isProceeding else {
            if clients[handle].transaction.isUnanswered { clients[handle].cancelWanted = true }
            return
        }
        clients[handle].cancelled = true
        shrinkSent(handle)
        sendCancel(handle)
        // RFC 3261 section 9.1: an INVITE without a final response 64*T1 after its CANCEL is over.
        timers.cancel(&clients[handle].end)
        clients[handle].end = timers.set(
            handle.payload(.clientEnd), at: now.monotonic + Timers.giveUp)
    }

    /// Sends the CANCEL, and over UDP sets the timer to send it again: its transaction is the INVITE's
    /// place, whose branch it has.
    private mutating func sendCancel(_ handle: Handle) {
        let nothing: [UInt8] = []
        writeFromSent(handle, "CANCEL", to: .empty, in: nothing.span)
        if clients[handle].cancelReason.length > 0 {
            let isInward = listeners[Int(clients[handle].flow.listener)].side == .inside
            Self.writeReason(
                &writer, texts, clients[handle].cancelReason, isInward ? .inward : .outward)
        }
        writer.endEmpty()
        if writer.isWhole { outbox.append(writer.buffer, to: clients[handle].flow) }
        timers.cancel(&clients[handle].retransmit)
        guard !clients[handle].flow.transport.isStream else { return }
        let interval = clients[handle].cancelInterval
        clients[handle].cancelInterval = Timers.doubled(interval)
        clients[handle].retransmit = timers.set(
            handle.payload(.clientRetransmit), at: now.monotonic + interval)
    }

    /// Keeps of a sent INVITE, when it takes one of the few large blocks, only what its CANCEL and ACK repeat.
    ///
    /// It is sent no more: a response has come, and there may be half a minute to go.
    private mutating func shrinkSent(_ handle: Handle) {
        guard blocks.isScarce(clients[handle].sent) else { return }
        let nothing: [UInt8] = []
        writeFromSent(handle, "INVITE", to: .empty, in: nothing.span)
        writer.endEmpty()
        let account = clients[handle].account
        var short = writer.isWhole ? blocks.store(writer.buffer, of: account, &accounts) : .none
        guard short.exists else { return }
        swap(&short, &clients[handle].sent)
        blocks.release(&short, of: account, &accounts)
    }

    /// A timer of a cancelled INVITE that has no final response.
    mutating func cancelTimer(_ handle: Handle, _ event: ClientEvent) {
        guard case .timeout = event else {
            sendCancel(handle)
            return
        }
        settle(handle, status: 408)
        endClient(handle)
    }

    /// Writes the ACK of a failure or the CANCEL of a sent INVITE (RFC 3261 sections 17.1.1.3, 9.1), but
    /// for its end.
    ///
    /// `response` is the failure's, whose To goes into the ACK.
    private mutating func writeFromSent(
        _ handle: Handle, _ method: StaticString, to response: Slice, in bytes: Span<UInt8>
    ) {
        writer.begin(to: clients[handle].flow.peer.ip)
        Self.writeFromSent(&writer, blocks, clients[handle].sent, parser, method, response, bytes)
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

    /// Acknowledges a failure of a sent INVITE.
    mutating func acknowledge(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let flow = clients[handle].flow
        shrinkSent(handle)
        writeFromSent(handle, "ACK", to: index.value(.to) ?? .empty, in: bytes)
        writer.endEmpty()
        if writer.isWhole { outbox.append(writer.buffer, to: flow) }
    }
}
