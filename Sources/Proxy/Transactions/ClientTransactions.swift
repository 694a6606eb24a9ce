package import AccountCache
package import Connections
package import Messages
package import ProxyBench
internal import Reactor
package import SIP
package import SIPTransactions
internal import SIPWriting
package import Sys

/// Who waits for the response to a request that we have sent.
package enum TransactionUser: BitwiseCopyable, Sendable {
    /// A branch of a response context.
    case context(Handle)
    /// An upstream registration.
    case registration(Handle)
    /// The question whether an Asterisk answers, by its number.
    case probe(Int)
    /// Nobody: a BYE of our own.
    case nobody
}

/// A request that we have sent: a client transaction, and what its user has to know of it.
package struct SentRequest: BitwiseCopyable, Sendable {
    /// Who waits for the response.
    package let user: TransactionUser
    /// The request's method, which its responses name in CSeq.
    package let method: Method
    /// Where the request went.
    package let flow: Flow
    /// The number in the branch that the response must bring back.
    package let cookie: UInt64
    /// Whose branch it is, if any's.
    package let party: Party
    /// The machine.
    fileprivate(set) var transaction: ClientTransaction
    /// The request as it was sent.
    package fileprivate(set) var sent = Block.none
    /// Whether it is to be cancelled as soon as a provisional response allows it (section 9.1).
    fileprivate(set) var cancelWanted = false
    /// Whether a CANCEL was sent.
    package fileprivate(set) var isCancelled = false
    /// The value of the CANCEL's Reason, or none (RFC 3326).
    fileprivate(set) var cancelReason = Text.none
    /// When the CANCEL is to be sent again, after the last time.
    fileprivate(set) var cancelInterval = Timers.t1
    /// Whether its connection counts it as under way.
    fileprivate(set) var isCounted = false
    /// When it began, by the monotonic clock.
    package let began: Milliseconds
    /// Whether another one has got the request in its place.
    package fileprivate(set) var isGivenUp = false
    /// Whether its user has heard how it ended.
    package fileprivate(set) var isReported = false
    /// Whether its final response could not be passed on, and was answered by ourselves when it has to be.
    package fileprivate(set) var isUnreadable = false
    /// How long one of INVITE stays after its final response.
    fileprivate var linger = Milliseconds(0)
    /// Timer A or E.
    fileprivate(set) var retransmit = TimerHandle.none
    /// Timer B, D, F, K or M.
    fileprivate(set) var end = TimerHandle.none
    /// When to try another Asterisk; Trying alone does not end it.
    fileprivate(set) var noAnswer = TimerHandle.none

    fileprivate init(
        _ user: TransactionUser, _ method: Method, _ flow: Flow, _ party: Party, cookie: UInt64,
        _ now: Milliseconds
    ) {
        began = now
        self.user = user
        self.method = method
        self.flow = flow
        self.party = party
        self.cookie = cookie
        transaction = ClientTransaction(
            isInvite: method == .invite, reliable: flow.transport.isStream)
    }
}

/// What a response or a timer means to the user of a transaction.
package enum TransactionEvent: Sendable {
    /// Nothing.
    case none
    /// A provisional response has come, which it may pass on.
    case provisional
    /// The final response has come; `ClientTransactions.finish` ends it once it was handled.
    case final
    /// The final response has come, and cannot be passed on.
    case unreadable
    /// A success has come again.
    case again
    /// Nothing has come, or the request could not be sent: it counts as this status.
    case failed(UInt16)
}

/// The client side of the transaction layer (RFC 3261 section 17.1): every request that we have sent and that is not
/// over, with its timers, its CANCEL, and the ACKs that are ours to send.
package struct ClientTransactions: ~Copyable {
    private let anchor = Anchor()

    private var table: Slots<SentRequest>

    /// None.
    package init() {
        let nowhere = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        table = Slots(
            capacity: Capacity.branches,
            empty: SentRequest(
                .nobody, .other, nowhere, .nobody, cookie: 0, Milliseconds(0)))
    }

    /// How many there are.
    package var count: Int { table.count }

    /// Whether a transaction stands.
    package func contains(_ handle: Handle) -> Bool { table.contains(handle) }

    /// A transaction that stands.
    package subscript(handle: Handle) -> SentRequest {
        get { table[handle] }
    }

    // MARK: Beginning

    /// Takes a place for a request; nil when there is none, or the party has its part.
    package mutating func begin(
        _ user: TransactionUser, _ method: Method, _ flow: Flow, of party: Party = .nobody,
        _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Handle? {
        guard bench.shares.allowsBranch(party, of: Capacity.branches) else {
            bench.shortages.count(.share)
            return nil
        }
        let request = SentRequest(
            user, method, flow, party, cookie: bench.random(), bench.now.monotonic)
        guard let handle = table.take(request) else {
            bench.shortages.count(.branches)
            return nil
        }
        bench.shares.countBranch(party, true)
        if let account = party.account { accounts.retain(account) }
        return handle
    }

    /// Sends what is in the writer as the request; an event says that it could not be, and then the user
    /// ends it.
    package mutating func send(
        _ handle: Handle, _ accounts: inout AccountCache, _ connections: inout Connections,
        _ bench: inout Bench
    ) -> TransactionEvent {
        guard bench.writer.isWhole else { return .failed(513) }
        table[handle].sent = bench.storeWritten(of: table[handle].party)
        guard table[handle].sent.exists else {
            if bench.blocks.hasRoom(bench.writer.buffer.count) { bench.shortages.count(.share) }
            return .failed(503)
        }
        let flow = table[handle].flow
        if flow.transport.isStream {
            connections.sent(flow)
            table[handle].isCounted = true
        }
        bench.sendWritten(to: flow)
        if let interval = table[handle].transaction.firstInterval {
            table[handle].retransmit = bench.setTimer(
                handle.payload(.clientRetransmit), after: interval)
        }
        table[handle].end = bench.setTimer(handle.payload(.clientEnd), after: Timers.giveUp)
        return .none
    }

    /// Has a timer ask for another Asterisk, or server, when nobody has said more than Trying.
    package mutating func watch(_ handle: Handle, _ span: Milliseconds, _ bench: inout Bench) {
        guard table.contains(handle) else { return }
        table[handle].noAnswer = bench.setTimer(handle.payload(.noAnswer), after: span)
    }

    /// Frees everything that a transaction holds.
    package mutating func end(
        _ handle: Handle, _ accounts: inout AccountCache, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        guard table.contains(handle) else { return }
        if table[handle].isCounted { connections.ended(table[handle].flow) }
        bench.timers.cancel(&table[handle].retransmit)
        bench.timers.cancel(&table[handle].end)
        bench.timers.cancel(&table[handle].noAnswer)
        let party = table[handle].party
        bench.release(&table[handle].sent, of: party)
        bench.texts.release(&table[handle].cancelReason)
        table.release(handle)
        bench.shares.countBranch(party, false)
        if let account = party.account { accounts.release(account) }
    }

    /// The user has heard how a transaction ended; false when it had before.
    package mutating func report(_ handle: Handle) -> Bool {
        guard table.contains(handle), !table[handle].isReported else { return false }
        table[handle].isReported = true
        return true
    }

    // MARK: Responses

    /// The transaction whose branch and method a response brings back, from where the request went
    /// and by the socket that it left by (RFC 3261 section 17.1.3).
    ///
    /// By UDP the port may be another: old phones and Asterisks answer from one of their own.
    package func find(_ message: borrowing Incoming) -> Handle? {
        guard let handle = find(branch: message.bytes.bytes(message.index.via.branch)) else {
            return nil
        }
        let request = table[handle]
        let flow = message.flow
        let isSamePlace =
            !request.flow.transport.isStream
            ? request.flow.listener == flow.listener && request.flow.peer.ip == flow.peer.ip
            : request.flow == flow
        guard isSamePlace,
            message.index.sequenceMethod == request.method
                || message.index.sequenceMethod == .cancel && request.isCancelled
        else { return nil }
        return handle
    }

    /// The transaction of a branch that we have made.
    package func find(branch: Span<UInt8>) -> Handle? {
        guard branch.count == 31, branch.extracting(0..<7).isExactly("z9hG4bK"),
            let number = branch.extracting(7..<15).hexadecimal(),
            let cookie = branch.extracting(15..<31).hexadecimal(),
            let handle = table.handle(at: UInt32(number)), table[handle].cookie == cookie,
            cookie != 0
        else { return nil }
        return handle
    }

    /// What a response means to the user; of one that is not `isReadable` only Via, CSeq and status are believed.
    ///
    /// The ACK of a failure is sent here. After a final response `finish` is called.
    package mutating func receive(
        _ handle: Handle, _ message: borrowing Incoming, isReadable: Bool, _ bench: inout Bench
    ) -> TransactionEvent {
        // The answer to our CANCEL has the INVITE's branch, and says nothing that its INVITE's does not.
        guard message.index.sequenceMethod != .cancel else {
            let isAnswered = message.index.status >= 200 && table[handle].isCancelled
            if isAnswered { bench.timers.cancel(&table[handle].retransmit) }
            return .none
        }
        switch table[handle].transaction.handle(.response(message.index.status)) {
        case .provisional:
            if message.index.status > 100 { bench.timers.cancel(&table[handle].noAnswer) }
            if table[handle].cancelWanted { cancel(handle, &bench) }
            return .provisional
        case .final(let linger, let ack):
            table[handle].linger = linger
            bench.timers.cancel(&table[handle].retransmit)
            bench.timers.cancel(&table[handle].end)
            bench.timers.cancel(&table[handle].noAnswer)
            if ack { acknowledge(handle, message.bytes, message.index, &bench) }
            if !isReadable { table[handle].isUnreadable = true }
            return isReadable ? .final : .unreadable
        case .again:
            if table[handle].isUnreadable {
                acknowledgeSuccess(handle, message.bytes, message.index, &bench)
                return .none
            }
            return isReadable ? .again : .none
        case .acknowledge:
            acknowledge(handle, message.bytes, message.index, &bench)
            return .none
        default: return .none
        }
    }

    /// A transaction has its final response, which has been handled.
    ///
    /// One of INVITE waits for retransmissions: a 2xx is passed on again, a failure acknowledged again. Of any
    /// other request timer K would only swallow what nobody waits for (RFC 3261 section 17.1.2.2), as does
    /// having no transaction; so its place and its request are free at once.
    package mutating func finish(
        _ handle: Handle, _ status: UInt16, _ accounts: inout AccountCache,
        _ connections: inout Connections, _ bench: inout Bench
    ) {
        guard table.contains(handle) else { return }
        guard case .invite = table[handle].transaction else {
            end(handle, &accounts, &connections, &bench)
            return
        }
        // Only the ACK of a failure, or of what cannot be passed on, is made out of the request.
        if status < 300, !table[handle].isUnreadable {
            bench.release(&table[handle].sent, of: table[handle].party)
        }
        table[handle].end = bench.setTimer(
            handle.payload(.clientEnd), after: table[handle].linger)
    }

    /// The ringing of an INVITE is bounded by timer C from now on, not by timer B.
    package mutating func ringing(_ handle: Handle, _ bench: inout Bench) {
        bench.timers.cancel(&table[handle].retransmit)
        bench.timers.cancel(&table[handle].end)
    }

    // MARK: Timers

    /// A timer of a transaction has fired; when it has failed the user ends it.
    package mutating func timer(
        _ handle: Handle, _ event: ClientEvent, _ accounts: inout AccountCache,
        _ connections: inout Connections, _ bench: inout Bench
    ) -> TransactionEvent {
        guard table.contains(handle) else { return .none }
        switch event {
        case .retransmit: table[handle].retransmit = .none
        default: table[handle].end = .none
        }
        if table[handle].isCancelled, table[handle].transaction.isProceeding {
            // A cancelled INVITE without a final response.
            guard case .timeout = event else {
                sendCancel(handle, &bench)
                return .none
            }
            return .failed(408)
        }
        switch table[handle].transaction.handle(event) {
        case .resend(let next):
            bench.send(table[handle].sent, to: table[handle].flow)
            table[handle].retransmit = bench.setTimer(
                handle.payload(.clientRetransmit), after: next)
        case .timedOut: return .failed(408)
        case .terminate: end(handle, &accounts, &connections, &bench)
        default: break
        }
        return .none
    }

    /// Whether a transaction stands to which nobody has said anything, Trying included.
    package func isUnanswered(_ handle: Handle) -> Bool {
        table.contains(handle) && table[handle].transaction.isUnanswered
    }

    /// An INVITE that got no answer is sent no more, since another one gets it; whoever said Trying is told to stop.
    ///
    /// A copy that came late would ring for a call that is elsewhere. A call that begins there later all the same is for
    /// the user to end (`refuseSuccess`), since nobody could reach it.
    package mutating func giveUp(_ handle: Handle, _ bench: inout Bench) {
        table[handle].isGivenUp = true
        table[handle].noAnswer = .none
        bench.timers.cancel(&table[handle].retransmit)
        cancel(handle, &bench)
        table[handle].isReported = true
    }

    /// The transactions whose connection has closed: one look through all of them a turn, however many connections
    /// that was.
    package func lost(_ flows: Set<Flow>) -> [Handle] {
        guard !flows.isEmpty else { return [] }
        var lost: [Handle] = []
        for place in 0..<table.places {
            guard let handle = table.handle(at: UInt32(place)),
                flows.contains(table[handle].flow), !table[handle].isReported
            else { continue }
            lost.append(handle)
        }
        return lost
    }

    // MARK: CANCEL and ACK

    /// Stores the reason of a CANCEL; the first one counts, and one without room is left out.
    package mutating func setReason(_ reason: [UInt8], _ handle: Handle, _ bench: inout Bench) {
        guard table[handle].cancelReason.length == 0 else { return }
        table[handle].cancelReason = bench.texts.store(reason.span) ?? .none
    }

    /// Cancels an INVITE: now, or when its first provisional response comes (section 9.1).
    package mutating func cancel(_ handle: Handle, _ bench: inout Bench) {
        guard table.contains(handle), !table[handle].isCancelled,
            case .invite = table[handle].transaction
        else { return }
        guard table[handle].transaction.isProceeding else {
            if table[handle].transaction.isUnanswered { table[handle].cancelWanted = true }
            return
        }
        table[handle].isCancelled = true
        shrinkSent(handle, &bench)
        sendCancel(handle, &bench)
        // RFC 3261 section 9.1: an INVITE without a final response 64*T1 after its CANCEL is over.
        bench.timers.cancel(&table[handle].end)
        table[handle].end = bench.setTimer(handle.payload(.clientEnd), after: Timers.giveUp)
    }

    /// Sends the CANCEL, and over UDP sets the timer to send it again: its transaction is the INVITE's
    /// place, whose branch it has.
    private mutating func sendCancel(_ handle: Handle, _ bench: inout Bench) {
        let request = table[handle]
        Self.writeFromSent(request, "CANCEL", &bench)
        if request.cancelReason.length > 0 {
            let direction: Direction = bench.side(request.flow) == .inside ? .inward : .outward
            Self.writeReason(&bench.writer, bench.texts, request.cancelReason, direction)
        }
        bench.writer.endEmpty()
        bench.sendWritten(to: request.flow)
        bench.timers.cancel(&table[handle].retransmit)
        guard !request.flow.transport.isStream else { return }
        table[handle].cancelInterval = Timers.doubled(request.cancelInterval)
        table[handle].retransmit = bench.setTimer(
            handle.payload(.clientRetransmit), after: request.cancelInterval)
    }

    /// Keeps of a sent INVITE, when it takes one of the few large blocks, only what its CANCEL and ACK repeat.
    ///
    /// It is sent no more: a response has come, and there may be half a minute to go.
    private mutating func shrinkSent(_ handle: Handle, _ bench: inout Bench) {
        guard bench.blocks.isScarce(table[handle].sent) else { return }
        let party = table[handle].party
        Self.writeFromSent(table[handle], "INVITE", &bench)
        bench.writer.endEmpty()
        var short = bench.writer.isWhole ? bench.storeWritten(of: party) : .none
        guard short.exists else { return }
        swap(&short, &table[handle].sent)
        bench.release(&short, of: party)
    }

    /// Acknowledges a failure of a sent INVITE.
    private mutating func acknowledge(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ bench: inout Bench
    ) {
        let flow = table[handle].flow
        shrinkSent(handle, &bench)
        Self.writeACK(table[handle], bytes, index, &bench)
        bench.writer.endEmpty()
        bench.sendWritten(to: flow)
    }

    // MARK: A success that nobody is given

    /// Acknowledges the 2xx of an INVITE that is not passed on, and ends the call that it would have begun; inside a
    /// dialog it is acknowledged alone: both ends know of the call, and the failure leaves it as it was.
    package mutating func refuseSuccess(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, endsCall: Bool,
        _ accounts: inout AccountCache, _ connections: inout Connections, _ bench: inout Bench
    ) {
        table[handle].isUnreadable = true
        acknowledgeSuccess(handle, bytes, index, &bench)
        guard endsCall else { return }
        let invite = table[handle]
        guard let bye = begin(.nobody, .bye, invite.flow, &accounts, &bench) else { return }
        bench.writer.begin(to: invite.flow.peer.ip)
        let isWritten = Self.writeFollowing(
            &bench.writer, bench.blocks, bench.parser, invite, "BYE", 1, bye, table[bye].cookie,
            bytes, index)
        guard isWritten else {
            end(bye, &accounts, &connections, &bench)
            return
        }
        bench.writer.endEmpty()
        sendAlone(bye, &accounts, &connections, &bench)
    }

    /// Sends what is in the writer as a request whose response nobody waits for.
    package mutating func sendAlone(
        _ handle: Handle, _ accounts: inout AccountCache, _ connections: inout Connections,
        _ bench: inout Bench
    ) {
        if case .failed = send(handle, &accounts, &connections, &bench) {
            end(handle, &accounts, &connections, &bench)
        }
    }

    /// Acknowledges a 2xx that is not passed on, which is sent until it is.
    private func acknowledgeSuccess(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ bench: inout Bench
    ) {
        let request = table[handle]
        let random = bench.random()
        bench.writer.begin(to: request.flow.peer.ip)
        let isWritten = Self.writeFollowing(
            &bench.writer, bench.blocks, bench.parser, request, "ACK", 0, .none, random, bytes,
            index)
        guard isWritten else { return }
        bench.writer.endEmpty()
        bench.sendWritten(to: request.flow)
    }
}
