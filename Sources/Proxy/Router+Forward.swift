internal import Digest
internal import Journal
internal import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Passing requests on.
extension Router {
    /// How long an Asterisk may leave an INVITE without any response before the next one gets it.
    static let patienceForAnswer = Milliseconds.seconds(3)

    /// Begins the message of a branch of an exchange.
    private mutating func begin(_ handle: Handle, _ client: Handle) {
        writer.begin(
            isTrunk: exchanges[handle].isTrunk, dialog: exchanges[handle].dialog,
            to: clients[client].flow.peer.ip)
    }

    // MARK: Inward

    /// Sends an exchange's kept request to an Asterisk that was not tried yet; false when there is none.
    mutating func tryNextAsterisk(_ handle: Handle) -> Bool {
        guard let address = chooseAsterisk(handle) else { return false }
        // Without room the exchange has ended, unless another branch is under way.
        guard let client = beginInward(handle, address) else {
            return !exchanges[handle].server.isOpen
        }
        writeKept(handle, client, answering: nil)
        sendInward(handle, client)
        return true
    }

    /// Takes an Asterisk that an exchange's request has not tried yet, the next in turn; nil when there is
    /// none, which ends an exchange that has tried none.
    mutating func chooseAsterisk(_ handle: Handle) -> SocketAddress? {
        let tried = exchanges[handle].tried
        guard let chosen = turn(.up, tried) ?? turn(.unknown, tried) else {
            if tried == 0 {
                recordNoAsterisk(handle)
                finishLocally(handle, 503, "Service Unavailable")
            }
            return nil
        }
        nextAsterisk = (chosen + 1) % asterisks.count
        exchanges[handle].tried |= 1 << UInt64(chosen)
        exchanges[handle].sequenceShift = 0
        exchanges[handle].challenges = 0
        return asterisks[chosen].address
    }

    /// The number of the next Asterisk of a state that is not among the tried ones.
    private func turn(_ state: AsteriskState, _ tried: UInt64) -> Int? {
        for step in 0..<asterisks.count {
            let number = (nextAsterisk + step) % asterisks.count
            if asterisks[number].state == state, tried >> UInt64(number) & 1 == 0 { return number }
        }
        return nil
    }

    private mutating func recordNoAsterisk(_ handle: Handle) {
        guard audit.allowsRefusal(now.monotonic) else { return }
        let exchange = exchanges[handle]
        let peer = exchange.flow.peer
        audit.add(
            .refused, .error,
            "no Asterisk answers: \(exchange.method.name) from \(peer.ip) is refused with 503",
            [
                (.address, "\(peer.ip)"), (.port, "\(peer.port)"),
                (.transport, exchange.flow.transport.name), (.reason, "no-asterisk"),
                (.status, "503"), (.method, "\(exchange.method.name)"),
                (.account, accounts.name(exchange.account).text),
            ])
    }

    /// Sends the request at hand, an exchange's, to an Asterisk.
    mutating func forward(
        _ handle: Handle, to address: SocketAddress, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) {
        guard let client = beginInward(handle, address) else { return }
        begin(handle, client)
        Self.writeInward(
            &writer, texts, accounts, exchanges[handle], bytes, index, clients[client], client, nil)
        sendInward(handle, client)
    }

    /// Sends an exchange's request to the same Asterisk again, with an answer to its challenge.
    mutating func resend(_ handle: Handle, _ answer: ChallengeAnswer) {
        guard let client = beginInward(handle, exchanges[handle].asterisk) else { return }
        writeKept(handle, client, answering: answer)
        send(client)
    }

    private mutating func beginInward(_ handle: Handle, _ address: SocketAddress) -> Handle? {
        exchanges[handle].asterisk = address
        let flow = way(insideListener(exchanges[handle].account), to: address)
        guard let client = beginClient(handle, flow) else { return nil }
        clients[client].asterisk = asterisks.firstIndex { $0.address == address } ?? -1
        return client
    }

    private mutating func sendInward(_ handle: Handle, _ client: Handle) {
        send(client)
        if asterisks.count > 1 { watch(handle, client) }
    }

    /// Sees to it that an INVITE that nobody answers goes elsewhere.
    private mutating func watch(_ handle: Handle, _ client: Handle) {
        guard exchanges[handle].method == .invite, !exchanges[handle].inDialog,
            clients.contains(client)
        else { return }
        clients[client].noAnswer = timers.set(
            client.payload(.noAnswer), at: now.monotonic + Self.patienceForAnswer)
    }

    /// Writes an exchange's kept request as it goes to its Asterisk, with credentials when it has asked.
    private mutating func writeKept(
        _ handle: Handle, _ client: Handle, answering answer: ChallengeAnswer?
    ) {
        begin(handle, client)
        Self.writeKept(
            &writer, blocks, texts, accounts, exchanges[handle], parser, clients[client], client,
            answer)
    }

    private static func writeKept(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore,
        _ texts: borrowing TextStore, _ accounts: borrowing Accounts, _ exchange: Exchange,
        _ parser: MessageParser,
        _ client: Client, _ handle: Handle, _ answer: ChallengeAnswer?
    ) {
        let bytes = blocks.span(exchange.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return }
        writeInward(&writer, texts, accounts, exchange, bytes, index, client, handle, answer)
    }

    private static func writeInward(
        _ writer: inout MessageWriter, _ texts: borrowing TextStore,
        _ accounts: borrowing Accounts, _ exchange: Exchange, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ client: Client, _ handle: Handle,
        _ answer: ChallengeAnswer?
    ) {
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uriOf: exchange.asterisk, user: texts.span(exchange.user))
        writer.append(" SIP/2.0\r\n")
        writer.via(client.flow, handle, client.cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(exchange.breadth)
        if index.method.carriesContact {
            writer.recordRoute(
                client.flow, to: exchange.flow, sequenceShift: exchange.sequenceShift,
                account: accounts.name(exchange.account))
            writer.recordRoutes(bytes, index)
        }
        writer.identity(
            bytes, index, .inward, sequence: index.sequence + UInt32(exchange.sequenceShift),
            caller: exchange.caller, trunk: accounts.name(exchange.account))
        writer.phoneContact(bytes, index)
        if let answer { writer.append(answer.header.span) }
        writer.rest(bytes, index, .inward, sequenceShift: exchange.sequenceShift)
    }

    /// Passes on the ACK of a 2xx, which is a request of its own without a transaction; `trunk` is the row
    /// of the trunk that sent it.
    mutating func forwardACK(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ token: AsteriskToken,
        _ trunk: Int32?
    ) {
        let flow = way(insideListener(trunk ?? -1), to: token.asterisk)
        writer.begin(isTrunk: trunk != nil, to: flow.peer.ip)
        writer.append("ACK ")
        writer.append(uriOf: token.asterisk, user: token.user.span)
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, .none, random())
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        Self.writeIdentity(
            &writer, accounts, bytes, index, token, trunk, caller(bytes, index, trunk))
        writer.phoneContact(bytes, index)
        writer.rest(bytes, index, .inward)
        if writer.isWhole { outbox.append(writer.buffer, to: flow) }
    }

    private static func writeIdentity(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ token: AsteriskToken, _ trunk: Int32?,
        _ caller: TrunkCaller
    ) {
        writer.identity(
            bytes, index, .inward, sequence: index.sequence + UInt32(token.sequenceShift),
            caller: caller, trunk: accounts.name(trunk ?? -1))
    }

    // MARK: Outward

    /// Sends the request at hand, an exchange's, to the phone whose Contact is in `scratch`; false when it
    /// cannot be sent.
    mutating func forwardOutward(
        _ handle: Handle, _ flow: Flow, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard let client = beginClient(handle, flow) else { return false }
        begin(handle, client)
        let account = Self.tokenAccount(&writer, accounts, exchanges[handle].account)
        let good = Self.writeOutward(
            &writer, exchanges[handle], bytes, index, clients[client], client, uri: scratch,
            account)
        return sendOutward(handle, client, isGood: good)
    }

    /// Sends an exchange's kept request as `forwardOutward` does the one at hand.
    mutating func forwardKept(_ handle: Handle, _ flow: Flow) -> Bool {
        guard let client = beginClient(handle, flow) else { return false }
        begin(handle, client)
        let account = Self.tokenAccount(&writer, accounts, exchanges[handle].account)
        let good = Self.writeKept(
            &writer, blocks, exchanges[handle], parser, clients[client], client, uri: scratch,
            account)
        return sendOutward(handle, client, isGood: good)
    }

    private mutating func sendOutward(_ handle: Handle, _ client: Handle, isGood: Bool) -> Bool {
        guard isGood else {
            endClient(client)
            exchanges[handle].open -= 1
            return false
        }
        noteMedia(of: exchanges[handle].flow.peer)
        send(client)
        if hasOtherServer(handle) { watch(handle, client) }
        return true
    }

    /// Puts a binding's Contact into `scratch`.
    mutating func takeContact(_ binding: Binding) {
        scratch.removeAll()
        Self.append(&scratch, bindings, binding)
    }

    private static func append(
        _ buffer: inout ByteBuffer, _ bindings: borrowing Bindings, _ binding: Binding
    ) {
        buffer.append(bindings.contact(binding))
    }

    /// How tokens name an account; of none (-1) they name nobody.
    static func tokenAccount(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ account: Int32
    ) -> TokenAccount {
        writer.tokens.account(accounts.name(account))
    }

    private static func writeKept(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ exchange: Exchange,
        _ parser: MessageParser, _ client: Client, _ handle: Handle, uri: borrowing ByteBuffer,
        _ account: TokenAccount
    ) -> Bool {
        let bytes = blocks.span(exchange.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return false }
        return writeOutward(&writer, exchange, bytes, index, client, handle, uri: uri, account)
    }

    private static func writeOutward(
        _ writer: inout MessageWriter, _ exchange: Exchange, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ client: Client, _ handle: Handle,
        uri: borrowing ByteBuffer, _ account: TokenAccount
    ) -> Bool {
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uri.span)
        writer.append(" SIP/2.0\r\n")
        writer.via(client.flow, handle, client.cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(exchange.breadth)
        writer.routes(bytes, index)
        writer.identity(
            bytes, index, .outward, sequence: index.sequence, owner: exchange.dialogOwner)
        guard
            writer.contact(
                through: client.flow, bytes, index, asterisk: exchange.flow.peer,
                sequenceShift: exchange.sequenceShift, account: account)
        else { return false }
        writer.rest(bytes, index, .outward, sequenceShift: exchange.sequenceShift)
        return true
    }

    // MARK: Client transactions

    /// Takes a place for a branch of an exchange; when there is none the exchange ends with 503.
    private mutating func beginClient(_ handle: Handle, _ flow: Flow) -> Handle? {
        let count = exchanges[handle].clientCount
        let account = exchanges[handle].account
        var client = Client(
            owner: .exchange(handle), method: exchanges[handle].method, flow: flow,
            cookie: random())
        client.account = account
        let hasShare = hasBranchShare(account)
        if !hasShare { shortages.count(.share) }
        guard count < Exchange.maximumBranches, hasShare, let place = clients.take(client) else {
            if exchanges[handle].open == 0 { finishLocally(handle, 503, "Service Unavailable") }
            return nil
        }
        exchanges[handle].clients[count] = place
        exchanges[handle].clientCount = count + 1
        exchanges[handle].open += 1
        if account >= 0 { accounts[account].share.branches += 1 }
        return place
    }

    /// Sends what is in the writer as the request of a client transaction.
    mutating func send(_ handle: Handle) {
        let account = clients[handle].account
        guard writer.isWhole else {
            settle(handle, status: 513)
            endClient(handle)
            return
        }
        clients[handle].sent = blocks.store(writer.buffer, of: account, &accounts)
        guard clients[handle].sent.exists else {
            starve(handle)
            return
        }
        countSent(handle)
        outbox.append(writer.buffer, to: clients[handle].flow)
        if let interval = clients[handle].transaction.firstInterval {
            clients[handle].retransmit = timers.set(
                handle.payload(.clientRetransmit), at: now.monotonic + interval)
        }
        clients[handle].end = timers.set(
            handle.payload(.clientEnd), at: now.monotonic + Timers.giveUp)
    }

    /// Ends a branch whose request could not be kept.
    private mutating func starve(_ handle: Handle) {
        if blocks.hasRoom(writer.buffer.count) { shortages.count(.share) }
        if case .exchange(let owner) = clients[handle].owner, exchanges.contains(owner) {
            exchanges[owner].isStarved = true
        }
        settle(handle, status: 503)
        endClient(handle)
    }

    mutating func clientTimer(_ handle: Handle, _ event: ClientEvent) {
        guard clients.contains(handle) else { return }
        switch event {
        case .retransmit: clients[handle].retransmit = .none
        default: clients[handle].end = .none
        }
        if clients[handle].cancelled, clients[handle].transaction.isProceeding {
            cancelTimer(handle, event)
            return
        }
        switch clients[handle].transaction.handle(event) {
        case .resend(let next):
            outbox.append(clients[handle].sent, of: blocks, to: clients[handle].flow)
            clients[handle].retransmit = timers.set(
                handle.payload(.clientRetransmit), at: now.monotonic + next)
        case .timedOut:
            settle(handle, status: 408)
            endClient(handle)
        case .terminate: endClient(handle)
        default: break
        }
    }

    /// Frees everything a client transaction holds.
    mutating func endClient(_ handle: Handle) {
        guard clients.contains(handle) else { return }
        countEnded(handle)
        timers.cancel(&clients[handle].retransmit)
        timers.cancel(&clients[handle].end)
        timers.cancel(&clients[handle].noAnswer)
        let account = clients[handle].account
        blocks.release(&clients[handle].sent, of: account, &accounts)
        texts.release(&clients[handle].cancelReason)
        clients.release(handle)
        guard account >= 0 else { return }
        accounts[account].share.branches -= 1
        accounts.forgetIfIdle(account)
    }

    /// An Asterisk has not answered an INVITE at all.
    mutating func noAnswer(_ handle: Handle) {
        guard clients.contains(handle), clients[handle].transaction.isUnanswered,
            case .exchange(let owner) = clients[handle].owner, exchanges.contains(owner),
            mayMove(owner)
        else { return }
        clients[handle].noAnswer = .none
        let number = clients[handle].asterisk
        guard tryNext(owner) else { return }
        note(handle, answers: false)
        // It is sent no more: a copy that came late would ring for a call that is elsewhere. What comes of
        // the silent one later all the same is ended there.
        timers.cancel(&clients[handle].retransmit)
        clients[handle].cancelWanted = true
        clients[handle].settled = true
        exchanges[owner].open -= 1
        if number >= 0, number < asterisks.count { missed(number) }
        // The next one's branch may have ended at once, for want of room.
        conclude(owner)
    }
}
