internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Responses: to the branches of exchanges, to our own registrations and questions.
extension Router {
    /// Takes a response; of one that is not `isWhole` only Via, CSeq and status are believed.
    mutating func response(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        isWhole: Bool = true
    ) {
        guard let handle = client(of: bytes, index, flow) else { return }
        // A success without what it is about would be another one.
        let isSuccess = index.status >= 200 && index.status < 300
        let isReadable = isWhole && (!isSuccess || Body(bytes, index).isReadable)
        // The answer to our CANCEL has the INVITE's branch, and says nothing that its INVITE's does not.
        guard index.sequenceMethod != .cancel else {
            let isAnswered = index.status >= 200 && clients[handle].cancelled
            if isAnswered { timers.cancel(&clients[handle].retransmit) }
            return
        }
        if flow.connection != clients[handle].flow.connection {
            noteWay(flow, to: clients[handle].flow)
        }
        note(handle, answers: true)
        switch clients[handle].transaction.handle(.response(index.status)) {
        case .provisional: provisional(handle, bytes, index, isReadable: isReadable)
        case .final(let after, let ack):
            timers.cancel(&clients[handle].retransmit)
            timers.cancel(&clients[handle].end)
            timers.cancel(&clients[handle].noAnswer)
            if ack { acknowledge(handle, bytes, index) }
            if isReadable {
                final(handle, bytes, index)
            } else {
                branchUnreadable(handle, bytes, index)
            }
            // Only the ACK of a failure, or of what cannot be passed on, is made out of the request.
            if !ack, clients.contains(handle), !clients[handle].isUnreadable {
                let account = clients[handle].account
                blocks.release(&clients[handle].sent, of: account, &accounts)
            }
            finished(handle, after)
        case .again:
            if clients[handle].isUnreadable {
                acknowledgeSuccess(handle, bytes, index)
            } else if isReadable, case .exchange(let owner) = clients[handle].owner,
                exchanges.contains(owner)
            {
                pass(owner, handle, bytes, index)
            }
        case .acknowledge: acknowledge(handle, bytes, index)
        default: break
        }
    }

    /// A client transaction has its final response, which has been handled.
    ///
    /// One of INVITE waits for retransmissions: a 2xx is passed on again, a failure acknowledged again. Of any
    /// other request timer K would only swallow what nobody waits for (RFC 3261 section 17.1.2.2), as does
    /// having no transaction; so its place and its request are free at once.
    private mutating func finished(_ handle: Handle, _ after: Milliseconds) {
        guard clients.contains(handle) else { return }
        guard case .invite = clients[handle].transaction else {
            endClient(handle)
            return
        }
        clients[handle].end = timers.set(handle.payload(.clientEnd), at: now.monotonic + after)
    }

    /// The client transaction whose branch and method the response brings back, from where the request went
    /// and by the socket that it left by (RFC 3261 section 17.1.3).
    ///
    /// By UDP the port may be another: old phones and Asterisks answer from one of their own.
    func client(
        of bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Handle? {
        guard let handle = client(ofBranch: bytes.bytes(index.via.branch)) else { return nil }
        let client = clients[handle]
        let isSamePlace =
            !client.flow.transport.isStream
            ? client.flow.listener == flow.listener && client.flow.peer.ip == flow.peer.ip
            : client.flow == flow
        guard isSamePlace,
            index.sequenceMethod == client.method
                || index.sequenceMethod == .cancel && client.cancelled
        else { return nil }
        return handle
    }

    /// The client transaction of a branch that we have made.
    func client(ofBranch branch: Span<UInt8>) -> Handle? {
        guard branch.count == 31, branch.extracting(0..<7).isExactly("z9hG4bK"),
            let number = branch.extracting(7..<15).hexadecimal(),
            let cookie = branch.extracting(15..<31).hexadecimal(),
            let handle = clients.handle(at: UInt32(number)), clients[handle].cookie == cookie,
            cookie != 0
        else { return nil }
        return handle
    }

    private mutating func provisional(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, isReadable: Bool
    ) {
        timers.cancel(&clients[handle].noAnswer)
        if clients[handle].cancelWanted { cancel(handle) }
        guard case .exchange(let owner) = clients[handle].owner, exchanges.contains(owner),
            exchanges[owner].server.isOpen
        else {
            // Nobody waits for the answer any more.
            cancel(handle)
            return
        }
        if exchanges[owner].method == .invite, !clients[handle].cancelled {
            // The ringing is bounded by timer C from now on, not by timer B.
            timers.cancel(&clients[handle].retransmit)
            timers.cancel(&clients[handle].end)
            if !exchanges[owner].cancelled { restartDeadline(owner) }
        }
        if isReadable, index.status > 100, !clients[handle].settled {
            pass(owner, handle, bytes, index)
        }
    }

    private mutating func final(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        switch clients[handle].owner {
        case .nobody: break
        case .probe(let number): probeAnswered(number, handle)
        case .presence(let presence): presenceAnswered(presence, handle, bytes, index)
        case .exchange(let owner):
            guard exchanges.contains(owner) else { return }
            branchEnded(owner, handle, bytes, index)
        }
    }

    private mutating func branchEnded(
        _ owner: Handle, _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let status = index.status
        guard !clients[handle].settled else {
            // RFC 3261 section 16.7 item 5: every 2xx is passed on, however late.
            guard status < 300, exchanges[owner].method == .invite else { return }
            cancelBranches(owner, Self.answeredElsewhere)
            pass(owner, handle, bytes, index)
            return
        }
        if status == 401 || status == 407, exchanges[owner].direction == .inward {
            clients[handle].settled = true
            exchanges[owner].open -= 1
            if exchanges[owner].server.isOpen, answerChallenge(owner, bytes, index) { return }
            record(owner, 403, bytes, index, isOurs: true)
            conclude(owner)
            return
        }
        clients[handle].settled = true
        exchanges[owner].open -= 1
        let isForwardable = mayForward(owner, handle, bytes, index)
        if !isForwardable { exchanges[owner].isForwardingRefused = true }
        if isChallengeInVain(owner, status) || !isForwardable {
            record(owner, 403, bytes, index, isOurs: true)
            conclude(owner)
            return
        }
        if status < 300 {
            cancelBranches(owner, Self.answeredElsewhere)
            if exchanges[owner].method == .bye, !exchanges[owner].call.exists {
                unlistedEnd(owner, handle, bytes, index)
            }
            guard keepAnswer(owner, handle, bytes, index) else {
                passFails(owner, handle, bytes, index)
                return
            }
            pass(owner, handle, bytes, index)
            callAnswered(owner, bytes, index)
            return
        }
        if status == 481, exchanges[owner].inDialog, exchanges[owner].direction == .inward {
            dialogUnknown(exchanges[owner].account, bytes, index)
        }
        if status >= 600 { cancelBranches(owner, Self.refusedElsewhere) }
        if status == 503, mayMove(owner), tryNext(owner) { return }
        if status == 430, tryOtherFlow(owner, after: handle) { return }
        record(owner, status, bytes, index, isOurs: false)
        conclude(owner)
    }

    /// Whether a response is a challenge that ends here, as a refusal: an Asterisk has no credentials for a
    /// phone, and those it has for a trunk fit what it has addressed.
    private mutating func isChallengeInVain(_ owner: Handle, _ status: UInt16) -> Bool {
        guard status == 401 || status == 407 else { return false }
        guard exchanges[owner].isTrunk else { return true }
        if exchanges[owner].isReaddressed { cannotAuthenticate(owner) }
        return exchanges[owner].isReaddressed
    }

    /// Whether another Asterisk, or another server of its trunk, may get an exchange's request.
    func mayMove(_ owner: Handle) -> Bool {
        (exchanges[owner].direction == .inward || exchanges[owner].isTrunk)
            && !exchanges[owner].inDialog
            && exchanges[owner].server.isOpen && !exchanges[owner].cancelled
    }

    /// Sends an exchange's request to who has not got it yet; false when there is nobody.
    mutating func tryNext(_ owner: Handle) -> Bool {
        exchanges[owner].direction == .inward ? tryNextAsterisk(owner) : tryNextServer(owner)
    }

    /// Keeps the better of two failures: 6xx before all, else the lower class (section 16.7 item 6), of
    /// one class what says more.
    mutating func record(
        _ owner: Handle, _ status: UInt16, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        isOurs: Bool
    ) {
        let held = exchanges[owner].bestStatus
        guard held == 0 || Self.rank(status) < Self.rank(held) else { return }
        exchanges[owner].bestStatus = status
        let account = exchanges[owner].account
        blocks.release(&exchanges[owner].best, of: account, &accounts)
        guard !isOurs else { return }
        exchanges[owner].best = blocks.store(
            bytes, of: account, &accounts)
    }

    /// The lower, the better a failure is to pass on.
    private static func rank(_ status: UInt16) -> UInt16 {
        switch status {
        case 600...: 0
        // What the caller can mend by asking otherwise (section 16.7 item 6).
        case 415, 420, 484: 400
        // Nothing was heard of the phone, or it has lost its dialog: anything else says more.
        case 408, 430, 481, 487: status / 100 * 100 + 2
        default: status / 100 * 100 + 1
        }
    }

    /// Counts a branch as ended without a response of its own.
    mutating func settle(_ handle: Handle, status: UInt16) {
        guard clients.contains(handle), !clients[handle].settled else { return }
        clients[handle].settled = true
        switch clients[handle].owner {
        case .nobody, .probe: break
        case .presence(let presence): presenceFailed(presence, handle)
        case .exchange(let owner):
            guard exchanges.contains(owner) else { return }
            exchanges[owner].open -= 1
            if status == 408 { note(handle, answers: false) }
            let isCall = exchanges[owner].method == .invite
            if status == 408, isCall || exchanges[owner].isTrunk, mayMove(owner), tryNext(owner) {
                return
            }
            if tryOtherFlow(owner, after: handle) { return }
            if exchanges[owner].bestStatus == 0 { exchanges[owner].bestStatus = status }
            conclude(owner)
        }
    }

    /// Ends the exchange with the best failure once every branch has ended.
    mutating func conclude(_ owner: Handle) {
        guard exchanges[owner].open == 0, exchanges[owner].server.isOpen else { return }
        let exchange = exchanges[owner]
        // RFC 4320 section 4.2: a 408 for another request than INVITE is too late for anybody.
        let isLate = exchange.bestStatus == 408 && exchange.method != .invite
        if exchange.best.exists, exchange.bestStatus != 503, !isLate {
            passStored(owner)
            return
        }
        switch exchange.bestStatus {
        case 403:
            if exchange.isForwardingRefused { noteEnd(owner, .forwarding) }
            finishLocally(owner, 403, "Forbidden")
        case 408 where isLate: close(owner)
        case 408 where exchange.cancelled: finishLocally(owner, 487, "Request Terminated")
        case 408: finishLocally(owner, 408, "Request Timeout")
        case 430: finishLocally(owner, 430, "Flow Failed")
        case 513: finishLocally(owner, 513, "Message Too Large")
        case 503 where exchange.isStarved: finishLocally(owner, 503, "Service Unavailable")
        // RFC 3261 section 16.7 item 6: a 503 is about one server, not about us.
        default: finishLocally(owner, 500, "Server Internal Error")
        }
    }

    // MARK: Passing on

    private mutating func passStored(_ owner: Handle) {
        let block = exchanges[owner].best
        let copy = [UInt8](blocks.span(block))
        var index = MessageIndex()
        guard (try? parser.parse(copy.span, into: &index)) != nil else { return }
        noteEnd(owner, byCaller: false, copy.span, index)
        pass(owner, .none, copy.span, index)
    }

    /// Passes a response on to where the request came from.
    private mutating func pass(
        _ owner: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let exchange = exchanges[owner]
        // What has failed has nothing more to say, however late a 2xx comes.
        guard exchange.identity.exists else { return }
        writer.begin(
            isTrunk: exchange.isTrunk, dialog: exchange.dialog, to: exchange.flow.peer.ip)
        writer.append("SIP/2.0 ")
        writer.append(decimal: UInt64(index.status))
        writer.append(" ")
        writer.append(
            value: bytes.bytes(index.reason), exchange.direction == .inward ? .outward : .inward)
        writer.endLine()
        Self.answerIdentity(&writer, blocks, exchange, bytes.bytes(index.to.tag))
        switch exchange.direction {
        case .inward:
            guard passOutward(exchange, bytes, index) else {
                passFails(owner, client, bytes, index)
                return
            }
            noteMedia(of: exchange.asterisk)
        case .outward: passInward(exchange, client, bytes, index)
        }
        if !writer.isWhole, index.status >= 200 {
            passFails(owner, client, bytes, index)
        } else {
            give(index.status, owner)
        }
    }

    /// The rest of an Asterisk's response on its way to a phone.
    private mutating func passOutward(
        _ exchange: Exchange, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        if index.status >= 300 {
            if index.status < 400, let contact = index.value(.contact) {
                writer.append("Contact: ")
                writer.append(leaving: bytes.bytes(contact), .party)
                writer.endLine()
            }
        } else if exchange.method.carriesContact {
            writer.recordRoutes(bytes, index)
            let account = Self.tokenAccount(&writer, accounts, exchange.account)
            let good = writer.contact(
                through: exchange.flow, bytes, index, asterisk: exchange.asterisk,
                sequenceShift: exchange.sequenceShift, account: account)
            guard good else { return false }
        }
        writer.rest(bytes, index, .outward)
        return true
    }

    /// The rest of a phone's response on its way to an Asterisk.
    private mutating func passInward(
        _ exchange: Exchange, _ client: Handle, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) {
        if index.status < 300, exchange.method.carriesContact, clients.contains(client) {
            // Of what came, the last stands next to whoever asked (RFC 3261 section 12.1.2).
            writer.recordRoutes(bytes, index)
            Self.writeRecordRoute(
                &writer, accounts, exchange, to: clients[client].flow)
        }
        if exchange.isTrunk, exchange.method == .register {
            writer.registeredContacts(bytes, index, of: exchange.flow.peer)
        } else {
            writer.phoneContact(bytes, index)
        }
        writer.rest(bytes, index, .inward)
    }

    private static func writeRecordRoute(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ exchange: Exchange,
        to phone: Flow
    ) {
        writer.recordRoute(
            exchange.flow, to: phone, sequenceShift: exchange.sequenceShift,
            account: accounts.name(exchange.account))
    }
}
