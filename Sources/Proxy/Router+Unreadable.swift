internal import Messages
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Answers to our own requests that cannot be passed on. Whoever waits for one hears of it at once, and a phone that
/// has answered does not hang in a call of which nobody knows.
extension Router {
    /// Takes an answer that cannot be read, when its Via, CSeq and status tell which request of ours it is to.
    mutating func takesUnreadable(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard !index.isRequest, index.status >= 100, index.has(.via), index.has(.cseq),
            client(of: bytes, index, flow) != nil
        else { return false }
        response(bytes, index, flow, isWhole: false)
        return true
    }

    /// A branch has ended with an answer that cannot be passed on, which counts as 500; a call that it would have
    /// begun is acknowledged and ended.
    ///
    /// Inside a dialog it is acknowledged alone: both ends know of the call, and the failure leaves it as it was.
    mutating func branchUnreadable(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        clients[handle].isUnreadable = true
        if index.status < 300, clients[handle].method == .invite {
            endAccepted(handle, bytes, index)
        }
        switch clients[handle].owner {
        case .nobody: break
        case .probe(let number): probeAnswered(number, handle)
        case .presence(let presence): presenceFailed(presence, handle)
        case .exchange(let owner):
            guard exchanges.contains(owner), !clients[handle].settled else { return }
            clients[handle].settled = true
            exchanges[owner].open -= 1
            record(owner, 500, bytes, index, isOurs: true)
            conclude(owner)
        }
    }

    /// An answer cannot go on, since it has become longer than a message may be, or there is no room
    /// for a call that is to end: whoever asked gets 500, and a call that it would have begun is
    /// acknowledged and ended.
    mutating func passFails(
        _ owner: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        if index.status < 300, clients.contains(client), clients[client].method == .invite,
            !clients[client].isUnreadable
        {
            clients[client].isUnreadable = true
            endAccepted(client, bytes, index)
        }
        finishLocally(owner, 500, "Server Internal Error")
    }

    /// Acknowledges the 2xx of an INVITE that is not passed on, and ends the call that it would have begun.
    private mutating func endAccepted(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        acknowledgeSuccess(handle, bytes, index)
        if !isInDialog(handle) { endUnreadable(handle, bytes, index) }
    }

    /// Whether a branch is of a request inside a dialog.
    private func isInDialog(_ handle: Handle) -> Bool {
        guard case .exchange(let owner) = clients[handle].owner else { return false }
        return exchanges.contains(owner) && exchanges[owner].inDialog
    }

    /// Acknowledges a 2xx that is not passed on, which is sent until it is.
    mutating func acknowledgeSuccess(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let client = clients[handle]
        let isTrunk = trunk(of: client.account) != nil
        writer.begin(to: client.flow.peer.ip)
        let isWritten = Self.writeFollowing(
            &writer, blocks, parser, client, isTrunk, "ACK", 0, .none, random(), bytes, index)
        guard isWritten else { return }
        writer.endEmpty()
        if writer.isWhole { outbox.append(writer.buffer, to: client.flow) }
    }

    /// Ends the dialog that a 2xx has begun and nobody is given.
    private mutating func endUnreadable(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let client = clients[handle]
        let bye = Client(owner: .nobody, method: .bye, flow: client.flow, cookie: random())
        guard let place = clients.take(bye) else { return }
        let isTrunk = trunk(of: client.account) != nil
        writer.begin(to: client.flow.peer.ip)
        let isWritten = Self.writeFollowing(
            &writer, blocks, parser, client, isTrunk, "BYE", 1, place, bye.cookie, bytes, index)
        guard isWritten else {
            clients.release(place)
            return
        }
        writer.endEmpty()
        send(place)
    }

    /// Writes a request inside the dialog that an answer to a sent INVITE has begun, but for its end; its CSeq is
    /// `step` above the INVITE's.
    ///
    /// It goes to where the answer wants it, as far as that can be read, else to where the INVITE went. False when the
    /// INVITE is kept no more.
    private static func writeFollowing(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ parser: MessageParser,
        _ client: Client, _ isTrunk: Bool, _ method: StaticString, _ step: UInt32,
        _ place: Handle, _ cookie: UInt64, _ answer: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard client.sent.exists else { return false }
        let request = blocks.span(client.sent)
        var own = MessageIndex()
        guard (try? parser.parse(request, into: &own)) != nil else { return false }
        let target = contact(answer, index)
        writer.append(method)
        writer.append(" ")
        if target.host.isEmpty {
            writer.append(request.bytes(own.requestURI.whole))
        } else {
            writer.append(answer.bytes(target.whole))
        }
        writer.append(" SIP/2.0\r\n")
        writer.via(client.flow, place, cookie)
        writer.maxForwards(70)
        let route = isTrunk ? values(.recordRoute, reversed: true, answer, index) : []
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
