internal import Digest
internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// The server side of a request that is passed on.
extension Router {
    /// How many branches a request may be split into on all of its way (RFC 5393 section 5.3.3.1).
    static let defaultBreadth: UInt8 = 60

    /// What a request, its retransmissions, its ACK for a failure and its CANCEL have in common
    /// (RFC 3261 section 17.2.3), and what tells a client of before RFC 3261 apart as well.
    ///
    /// The sent-by of Via is not among it: no digest covers it, and a copy that names another one would be taken for
    /// another request.
    func exchangeKey(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UInt64 {
        let method: Method =
            index.method == .ack || index.method == .cancel ? .invite : index.method
        return NameTable.hash(
            bytes.bytes(index.via.branch), bytes.bytes(index.callID), bytes.bytes(index.from.tag))
            ^ (UInt64(index.sequence) << 8 | UInt64(method.rawValue)) &* 0x9E37_79B9_7F4A_7C15
    }

    /// The exchange of a key whose request came from the same address.
    func exchange(of key: UInt64, _ flow: Flow) -> Handle? {
        let number = keys.find(key) { number in
            guard let handle = exchanges.handle(at: UInt32(bitPattern: number)) else {
                return false
            }
            return exchanges[handle].key == key && exchanges[handle].flow.peer.ip == flow.peer.ip
        }
        return number.flatMap { exchanges.handle(at: UInt32(bitPattern: $0)) }
    }

    /// Lets a known exchange have the request: a retransmission, an ACK or a CANCEL of it; false for an ACK
    /// that is a request of its own.
    mutating func absorb(
        _ handle: Handle, _ index: borrowing MessageIndex, _ bytes: Span<UInt8>, _ flow: Flow
    ) -> Bool {
        switch index.method {
        case .ack:
            guard exchanges[handle].server.awaitsACK else { return false }
            perform(exchanges[handle].server.handle(.ack), handle)
        case .cancel:
            reply(bytes, index, flow, 200, "OK")
            if exchanges[handle].server.isOpen, !exchanges[handle].cancelled {
                noteEnd(handle, byCaller: true, bytes, index)
                cancelExchange(handle, reasons(bytes, index))
            }
        default:
            // Anybody can repeat what he has seen: to him and to its sender there are only so many answers.
            let length = Int(exchanges[handle].answer.length)
            guard length == 0 || mayAnswer(flow, length: length, isCompact: false) else { break }
            perform(exchanges[handle].server.handle(.requestAgain), handle)
        }
        return true
    }

    /// Begins an exchange of an account, or of the trunk whose row that is: the request is kept, and an INVITE is
    /// answered with 100 at once.
    ///
    /// `dialog` is what the tokens of the request's dialog are bound to; without one it begins one.
    mutating func open(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ direction: Direction,
        of account: Int32, in dialog: StringVector? = nil
    ) -> Handle? {
        // Inside a dialog it was judged before anything followed from the request.
        guard dialog != nil || hasReadableBody(bytes, index, flow) else { return nil }
        guard hasExchangeShare(account) else {
            refuseForNow(bytes, index, flow, "account-share")
            return nil
        }
        var exchange = Exchange(flow: flow, method: index.method, direction: direction)
        exchange.account = account
        exchange.isTrunk = trunk(of: account) != nil
        exchange.inDialog = dialog != nil
        exchange.dialog = dialog ?? newDialog(bytes, index)
        exchange.key = exchangeKey(bytes, index)
        exchange.breadth = min(index.maxBreadth ?? Self.defaultBreadth, Self.defaultBreadth)
        exchange.request = blocks.store(bytes, of: account, &accounts)
        writer.begin(to: flow.peer.ip)
        writer.answerIdentity(bytes, index, flow.peer, tag: Span())
        exchange.tagPlace = writer.tagPlace
        exchange.identity =
            writer.isWhole
            ? blocks.store(writer.buffer, of: account, &accounts) : .none
        guard exchange.request.exists, exchange.identity.exists,
            let handle = exchanges.take(exchange)
        else {
            let isTooLong = !writer.isWhole
            let isKept = exchange.request.exists && exchange.identity.exists
            blocks.release(&exchange.request, of: account, &accounts)
            blocks.release(&exchange.identity, of: account, &accounts)
            refuseUnkept(bytes, index, flow, isTooLong: isTooLong, isKept: isKept)
            return nil
        }
        keys.add(Int32(bitPattern: handle.index), exchange.key)
        if account >= 0 { accounts[account].share.exchanges += 1 }
        if index.method == .invite { answerLocally(handle, 100, "Trying") }
        return handle
    }

    /// Answers a request that could not be kept: it is too long, its account has its part of the blocks of its size, or
    /// a table is full.
    private mutating func refuseUnkept(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, isTooLong: Bool,
        isKept: Bool
    ) {
        if isTooLong {
            refuse(bytes, index, flow, 513, "Message Too Large", "too-long")
        } else if !isKept, blocks.hasRoom(bytes.count) {
            refuseForNow(bytes, index, flow, "account-share")
        } else {
            refuseFull(bytes, index, flow)
        }
    }

    /// Whether a request goes on with its body, or without it; false when it was refused for it.
    ///
    /// In a PRACK and a BYE a body that cannot be read is left out: what the one acknowledges would be sent for ever,
    /// and the other's sender has hung up.
    mutating func hasReadableBody(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        if index.method == .prack || index.method == .bye || Body(bytes, index).isReadable {
            return true
        }
        refuse(bytes, index, flow, 488, "Not Acceptable Here", "session-description")
        return false
    }

    /// What the tokens of the dialog that a request begins are bound to.
    private mutating func newDialog(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> StringVector {
        guard index.method.carriesContact else { return StringVector() }
        return writer.tokens.dialog(
            callID: bytes.bytes(index.callID), tag: bytes.bytes(index.from.tag))
    }

    /// Keeps the user part that an exchange's request has on the inner side; false when there is no room, which ends it.
    mutating func keepUser(_ user: Span<UInt8>, _ handle: Handle) -> Bool {
        guard let text = texts.store(user) else {
            shortages.count(.texts)
            finishLocally(handle, 503, "Service Unavailable")
            return false
        }
        exchanges[handle].user = text
        return true
    }

    /// Answers an exchange's request by ourselves.
    mutating func answerLocally(_ handle: Handle, _ status: UInt16, _ reason: StaticString) {
        writer.begin(status: status, reason, to: exchanges[handle].flow.peer.ip)
        scratch.removeAll()
        // RFC 3261 section 8.2.6.2: a 100 has no tag.
        if status > 100 { scratch.append(hex: random(), digits: 16) }
        Self.answerIdentity(&writer, blocks, exchanges[handle], tag: scratch)
        if status == 503 { writer.retryAfter() }
        writer.endEmpty()
        give(status, handle)
    }

    // A buffer for the tag and not its span, which the compiler takes for a borrow of the whole router.
    private static func answerIdentity(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ exchange: Exchange,
        tag: borrowing ByteBuffer
    ) {
        answerIdentity(&writer, blocks, exchange, tag.span)
    }

    /// Writes the lines of an answer that repeat an exchange's request, with this tag.
    static func answerIdentity(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ exchange: Exchange,
        _ tag: Span<UInt8>
    ) {
        let lines = blocks.span(exchange.identity)
        writer.append(lines.extracting(0..<exchange.tagPlace))
        if exchange.tagPlace > 0 { writer.tag(tag) }
        writer.append(lines.extracting(exchange.tagPlace..<lines.count))
    }

    /// Ends an exchange's request by ourselves, unless it has ended.
    mutating func finishLocally(_ handle: Handle, _ status: UInt16, _ reason: StaticString) {
        guard exchanges[handle].server.isOpen else { return }
        answerLocally(handle, status, reason)
    }

    /// Gives the answer that is in the writer to the server side.
    mutating func give(_ status: UInt16, _ handle: Handle) {
        guard writer.isWhole else { return }
        let action = exchanges[handle].server.handle(.send(status))
        guard action != .none else { return }
        let account = exchanges[handle].account
        outbox.append(writer.buffer, to: exchanges[handle].flow)
        blocks.release(&exchanges[handle].answer, of: account, &accounts)
        // A 2xx is repeated by whoever gave it (RFC 6026 section 7.1), everything else by us.
        let isAccepted = exchanges[handle].server.isAccepted
        if !isAccepted {
            exchanges[handle].answer = blocks.store(
                writer.buffer, of: account, &accounts)
        }
        if !exchanges[handle].server.isOpen {
            blocks.release(&exchanges[handle].request, of: account, &accounts)
            blocks.release(&exchanges[handle].best, of: account, &accounts)
            if !isAccepted {
                blocks.release(&exchanges[handle].identity, of: account, &accounts)
            }
        }
        if status >= 300, exchanges[handle].call.exists { callFailed(handle, status) }
        perform(action, handle)
    }

    /// Does what the server side wants done; the answer itself has been sent.
    private mutating func perform(_ action: ServerAction, _ handle: Handle) {
        switch action {
        case .none, .pass: break
        case .resend: resend(handle)
        case .resendEvery(let interval):
            resend(handle)
            exchanges[handle].retransmit = timers.set(
                handle.payload(.serverRetransmit), at: now.monotonic + interval)
        case .passAndEnd(let after, let retransmit):
            timers.cancel(&exchanges[handle].deadline)
            exchanges[handle].end = timers.set(
                handle.payload(.serverEnd), at: now.monotonic + after)
            if let retransmit {
                exchanges[handle].retransmit = timers.set(
                    handle.payload(.serverRetransmit), at: now.monotonic + retransmit)
            }
        case .endAfter(let after):
            timers.cancel(&exchanges[handle].retransmit)
            timers.cancel(&exchanges[handle].end)
            exchanges[handle].end = timers.set(
                handle.payload(.serverEnd), at: now.monotonic + after)
        case .terminate: close(handle)
        }
    }

    private mutating func resend(_ handle: Handle) {
        let exchange = exchanges[handle]
        guard exchange.answer.exists else { return }
        outbox.append(exchange.answer, of: blocks, to: exchange.flow)
    }

    /// Frees everything an exchange holds; branches that still absorb retransmissions end by themselves.
    mutating func close(_ handle: Handle) {
        timers.cancel(&exchanges[handle].end)
        timers.cancel(&exchanges[handle].retransmit)
        timers.cancel(&exchanges[handle].deadline)
        let account = exchanges[handle].account
        blocks.release(&exchanges[handle].request, of: account, &accounts)
        blocks.release(&exchanges[handle].identity, of: account, &accounts)
        blocks.release(&exchanges[handle].answer, of: account, &accounts)
        blocks.release(&exchanges[handle].best, of: account, &accounts)
        texts.release(&exchanges[handle].user)
        keys.remove(Int32(bitPattern: handle.index), exchanges[handle].key)
        if exchanges[handle].mergeKey != 0 {
            keys.remove(Int32(bitPattern: handle.index), exchanges[handle].mergeKey)
        }
        exchanges.release(handle)
        guard account >= 0 else { return }
        accounts[account].share.exchanges -= 1
        accounts.forgetIfIdle(account)
    }

    mutating func serverTimer(_ handle: Handle, _ event: ServerEvent) {
        guard exchanges.contains(handle) else { return }
        switch event {
        case .retransmit: exchanges[handle].retransmit = .none
        default: exchanges[handle].end = .none
        }
        perform(exchanges[handle].server.handle(event), handle)
    }

    /// Timer C, or the end of waiting for a cancelled branch.
    mutating func exchangeDeadline(_ handle: Handle) {
        guard exchanges.contains(handle), exchanges[handle].server.isOpen else { return }
        exchanges[handle].deadline = .none
        cancelBranches(handle, [])
        if exchanges[handle].cancelled {
            finishLocally(handle, 487, "Request Terminated")
        } else {
            finishLocally(handle, 408, "Request Timeout")
        }
    }

    /// Sets timer C anew (RFC 3261 section 16.7 item 2).
    mutating func restartDeadline(_ handle: Handle, _ span: Milliseconds = Timers.c) {
        timers.cancel(&exchanges[handle].deadline)
        exchanges[handle].deadline = timers.set(
            handle.payload(.exchange), at: now.monotonic + span)
    }
}
