internal import Digest
internal import Journal
internal import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPTransactions
internal import Sys

/// Passing requests on.
extension Router {
    /// How long an Asterisk may leave an INVITE without any response before the next one gets it.
    static let patienceForAnswer = Milliseconds.seconds(3)

    // MARK: Inward

    /// Sends a new request to an Asterisk that was not tried yet; false when there is none.
    @discardableResult
    mutating func tryNextAsterisk(_ handle: Handle) -> Bool {
        let tried = exchanges[handle].tried
        var chosen: Int?
        for wanted in [AsteriskState.up, .unknown] where chosen == nil {
            for step in 0..<asterisks.count {
                let number = (nextAsterisk + step) % asterisks.count
                if asterisks[number].state == wanted, tried >> UInt64(number) & 1 == 0 {
                    chosen = number
                    break
                }
            }
        }
        guard let chosen else {
            if tried == 0 {
                finishLocally(handle, 503, "Service Unavailable")
                recordNoAsterisk()
            }
            return false
        }
        nextAsterisk = (chosen + 1) % asterisks.count
        exchanges[handle].tried |= 1 << UInt64(chosen)
        exchanges[handle].sequenceShift = 0
        exchanges[handle].challenges = 0
        forward(handle, to: asterisks[chosen].address)
        return true
    }

    private mutating func recordNoAsterisk() {
        guard audit.allowsRefusal(now.monotonic) else { return }
        audit.add(
            .asteriskDown, .error, "no Asterisk answers: calls are refused with 503",
            [(.reason, "no-asterisk")])
    }

    /// Sends an exchange's request to an Asterisk.
    mutating func forward(_ handle: Handle, to address: SocketAddress) {
        exchanges[handle].asterisk = address
        let flow = Flow(.udp, listener: inside, peer: address)
        guard let client = beginClient(handle, flow) else { return }
        clients[client].asterisk = asterisks.firstIndex { $0.address == address } ?? -1
        writeInward(handle, client, answering: nil)
        send(client)
        let mayMove = exchanges[handle].method == .invite && !exchanges[handle].inDialog
        if mayMove, asterisks.count > 1, clients.contains(client) {
            clients[client].noAnswer = timers.set(
                client.payload(.noAnswer), at: now.monotonic + Self.patienceForAnswer)
        }
    }

    /// Sends an exchange's request to the same Asterisk again, with an answer to its challenge.
    mutating func resend(_ handle: Handle, _ answer: ChallengeAnswer) {
        let flow = Flow(.udp, listener: inside, peer: exchanges[handle].asterisk)
        guard let client = beginClient(handle, flow) else { return }
        writeInward(handle, client, answering: answer)
        send(client)
    }

    /// Writes an exchange's request as it goes to its Asterisk, with credentials when it has asked.
    mutating func writeInward(
        _ handle: Handle, _ client: Handle, answering answer: ChallengeAnswer?
    ) {
        let exchange = exchanges[handle]
        writer.begin()
        Self.writeInward(
            &writer, blocks, texts, exchange, parser, flow: clients[client].flow, client,
            cookie: clients[client].cookie, answer)
    }

    private static func writeInward(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore,
        _ texts: borrowing TextStore, _ exchange: Exchange, _ parser: MessageParser, flow: Flow,
        _ client: Handle, cookie: UInt64,
        _ answer: ChallengeAnswer?
    ) {
        let bytes = blocks.span(exchange.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return }
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uriOf: exchange.asterisk, user: texts.span(exchange.user))
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, client, cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(exchange.breadth)
        if index.method.carriesContact {
            writer.recordRoute(
                flow.listener, to: exchange.flow, account: bytes.bytes(index.from.uri.user))
        }
        writer.identity(
            bytes, index, .inward, sequence: index.sequence + UInt32(exchange.sequenceShift))
        writer.phoneContact(bytes, index)
        if let answer { writer.append(answer.header.span) }
        writer.rest(bytes, index, .inward, sequenceShift: exchange.sequenceShift)
    }

    /// Passes on the ACK of a 2xx, which is a request of its own without a transaction.
    mutating func forwardACK(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ token: AsteriskToken
    ) {
        let flow = Flow(.udp, listener: inside, peer: token.asterisk)
        writer.begin()
        writer.append("ACK ")
        writer.append(uriOf: token.asterisk, user: token.user.span)
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, .none, random())
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.identity(
            bytes, index, .inward, sequence: index.sequence + UInt32(token.sequenceShift))
        writer.phoneContact(bytes, index)
        writer.rest(bytes, index, .inward)
        if writer.isWhole { outbox.append(writer.buffer, to: flow) }
    }

    // MARK: Outward

    /// Sends an exchange's request to a phone; false when it cannot be sent.
    mutating func forwardOutward(_ handle: Handle, _ flow: Flow, uri: [UInt8]) -> Bool {
        guard let client = beginClient(handle, flow) else { return false }
        let exchange = exchanges[handle]
        writer.begin()
        let good = Self.writeOutward(
            &writer, blocks, exchange, parser, flow, client, cookie: clients[client].cookie,
            uri, Self.mark(&writer, accounts, exchange.account))
        guard good else {
            endClient(client)
            exchanges[handle].open -= 1
            return false
        }
        send(client)
        return true
    }

    /// The hash of an account's name that binds a token to it.
    static func mark(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ account: Int32
    ) -> UInt32 {
        writer.tokens.mark(accounts.name(account))
    }

    private static func writeOutward(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ exchange: Exchange,
        _ parser: MessageParser, _ flow: Flow, _ client: Handle, cookie: UInt64, _ uri: [UInt8],
        _ account: UInt32
    ) -> Bool {
        let bytes = blocks.span(exchange.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return false }
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uri.span)
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, client, cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(exchange.breadth)
        writer.identity(bytes, index, .outward, sequence: index.sequence)
        guard
            writer.contact(
                through: flow, bytes, index, asterisk: exchange.flow.peer, sequenceShift: 0,
                account: account)
        else { return false }
        writer.rest(bytes, index, .outward)
        return true
    }

    // MARK: Client transactions

    /// Takes a place for a branch of an exchange; when there is none the exchange ends with 503.
    private mutating func beginClient(_ handle: Handle, _ flow: Flow) -> Handle? {
        let count = exchanges[handle].clientCount
        let client = Client(
            owner: .exchange(handle), isInvite: exchanges[handle].method == .invite, flow: flow,
            cookie: random())
        guard count < Exchange.maximumBranches, let place = clients.take(client) else {
            if exchanges[handle].open == 0 { finishLocally(handle, 503, "Service Unavailable") }
            return nil
        }
        exchanges[handle].clients[count] = place
        exchanges[handle].clientCount = count + 1
        exchanges[handle].open += 1
        return place
    }

    /// Sends what is in the writer as the request of a client transaction.
    mutating func send(_ handle: Handle) {
        clients[handle].sent = writer.isWhole ? blocks.store(writer.buffer) : .none
        guard clients[handle].sent.exists else {
            settle(handle, status: 513)
            endClient(handle)
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
        blocks.release(&clients[handle].sent)
        texts.release(&clients[handle].cancelReason)
        clients.release(handle)
    }

    /// An Asterisk has not answered an INVITE at all.
    mutating func noAnswer(_ handle: Handle) {
        guard clients.contains(handle), clients[handle].transaction.isUnanswered,
            case .exchange(let owner) = clients[handle].owner, exchanges.contains(owner),
            mayMove(owner)
        else { return }
        clients[handle].noAnswer = .none
        let number = clients[handle].asterisk
        guard tryNextAsterisk(owner) else { return }
        // What comes of the silent one later is ended there.
        clients[handle].cancelWanted = true
        clients[handle].settled = true
        exchanges[owner].open -= 1
        if number >= 0, number < asterisks.count { missed(number) }
    }
}
