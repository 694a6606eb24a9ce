internal import AccountCache
package import Digest
package import Messages
package import ProxyBench
internal import Reactor
internal import SIP
package import SIPTransactions
package import SIPWriting
package import Sys

/// What becomes of a request that belongs to a response context.
package enum Absorption: Sendable {
    /// It belongs to none.
    case foreign
    /// It was its ACK: nothing more is to be done.
    case absorbed
    /// It cancels this one.
    case cancels(Handle)
    /// It is a retransmission, which gets the same answer again, of so many bytes.
    case again(Handle, length: Int)
}

/// A request that has begun a call ended with a failure.
package struct FailedCall: Sendable {
    /// The call.
    package let call: Handle
    /// The status that its caller got.
    package let status: UInt16
    /// Whether who was called has said so, and why, as far as that was said.
    package let isCallee: Bool
    /// Why.
    package let cause: EndCause
    /// Whether it was a phone that may not send it on to where it wanted.
    package let isForwardingRefused: Bool
}

/// The proxy core (RFC 3261 section 16): the response contexts of requests that are passed on, with their server
/// transactions, and their branches.
package struct ProxyCore: ~Copyable {
    private let anchor = Anchor()

    /// How many branches a request may be split into on all of its way (RFC 5393 section 5.3.3.1).
    package static let defaultBreadth: UInt8 = 60

    var contexts: Slots<ResponseContext>
    private var keys = NameTable()
    /// The calls that have ended with a failure, until they are taken.
    var failures: [FailedCall] = []

    /// No request is under way.
    package init() {
        let nowhere = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        contexts = Slots(
            capacity: Capacity.contexts,
            empty: ResponseContext(
                flow: nowhere, method: .other, direction: .inward, party: .nobody))
    }

    /// How many requests are under way.
    package var count: Int { contexts.count }

    /// Whether a response context stands.
    package func contains(_ handle: Handle) -> Bool { contexts.contains(handle) }

    /// A response context that stands.
    package subscript(handle: Handle) -> ResponseContext {
        get { contexts[handle] }
    }

    /// Whether a request that is passed on has no final answer yet.
    package func isOpen(_ handle: Handle) -> Bool {
        contexts.contains(handle) && contexts[handle].server.isOpen
    }

    /// Takes the calls that have ended with a failure since the last time, in their order.
    package mutating func takeFailures() -> [FailedCall] {
        guard !failures.isEmpty else { return [] }
        defer { failures.removeAll() }
        return failures
    }

    /// The request of a context is to begin this call, or has ended it as a BYE.
    package mutating func setCall(_ handle: Handle, _ call: Handle) { contexts[handle].call = call }

    // MARK: Matching

    /// What a request, its retransmissions, its ACK for a failure and its CANCEL have in common
    /// (RFC 3261 section 17.2.3), and what tells a client of before RFC 3261 apart as well.
    ///
    /// The sent-by of Via is not among it: no digest covers it, and a copy that names another one would be taken for
    /// another request.
    private static func key(_ message: borrowing Incoming) -> UInt64 {
        let method = message.index.method
        let owner: Method = method == .ack || method == .cancel ? .invite : method
        return NameTable.hash(
            message.bytes.bytes(message.index.via.branch),
            message.bytes.bytes(message.index.callID),
            message.bytes.bytes(message.index.from.tag))
            ^ (UInt64(message.index.sequence) << 8 | UInt64(owner.rawValue))
            &* 0x9E37_79B9_7F4A_7C15
    }

    /// What the same request that came by another way has in common with it (RFC 3261 section 8.2.2.2).
    private static func mergeKey(_ message: borrowing Incoming) -> UInt64 {
        NameTable.hash(message.bytes.bytes(message.index.callID))
            ^ NameTable.hash(message.bytes.bytes(message.index.from.tag)) &* 7
            ^ (UInt64(message.index.sequence) << 8 | UInt64(message.index.method.rawValue))
            &* 0x9E37_79B9_7F4A_7C15
    }

    private func handle(_ place: Int32) -> Handle? {
        contexts.handle(at: UInt32(bitPattern: place))
    }

    /// The response context that a request belongs to, whose request came from the same address.
    private func find(_ message: borrowing Incoming) -> Handle? {
        let key = Self.key(message)
        let ip = message.flow.peer.ip
        return keys.find(key) { place in
            handle(place).map { contexts[$0].key == key && contexts[$0].flow.peer.ip == ip }
                ?? false
        }.flatMap { handle($0) }
    }

    /// Lets a known context have a request: a retransmission, an ACK or a CANCEL of it.
    package mutating func absorb(
        _ message: borrowing Incoming, _ ground: inout Ground, _ bench: inout Bench
    ) -> Absorption {
        guard let handle = find(message) else { return .foreign }
        switch message.index.method {
        case .ack:
            // That of a success is a request of its own.
            guard contexts[handle].server.awaitsACK else { return .foreign }
            perform(contexts[handle].server.handle(.ack), handle, &ground, &bench)
            return .absorbed
        case .cancel: return .cancels(handle)
        default: return .again(handle, length: Int(contexts[handle].answer.length))
        }
    }

    /// A request has come again, and may be answered.
    package mutating func answerAgain(
        _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        perform(contexts[handle].server.handle(.requestAgain), handle, &ground, &bench)
    }

    // MARK: Beginning

    /// Begins the response context of a request: it is kept, and an INVITE is answered with 100 at once.
    ///
    /// `dialog` is what the tokens of the request's dialog are bound to; without one it begins one. One that is
    /// `unmerged` is refused when the same request is under way and came by another way.
    package mutating func open(
        _ message: borrowing Incoming, _ direction: Direction, of party: Party,
        in dialog: StringVector? = nil, unmerged: Bool = false, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Verdict<Handle> {
        let mergeKey = unmerged ? Self.mergeKey(message) : 0
        guard !unmerged || !isUnderWay(mergeKey) else { return .refuse(.merged) }
        // Inside a dialog it was judged before anything followed from the request.
        guard dialog != nil || message.hasReadableBody else { return .refuse(.sessionDescription) }
        guard bench.shares.allowsContext(party, of: Capacity.contexts) else {
            return .refuse(.accountShare)
        }
        var context = ResponseContext(
            flow: message.flow, method: message.index.method, direction: direction, party: party)
        context.inDialog = dialog != nil
        context.dialog = dialog ?? Self.newDialog(message, &bench)
        context.key = Self.key(message)
        context.mergeKey = mergeKey
        context.breadth = min(message.index.maxBreadth ?? Self.defaultBreadth, Self.defaultBreadth)
        if let refusal = Self.store(message, &context, &bench) { return .refuse(refusal) }
        guard let handle = contexts.take(context) else {
            bench.shortages.count(.requests)
            Self.release(&context, &bench)
            return .refuse(.tableFull)
        }
        keys.add(Int32(bitPattern: handle.index), context.key)
        if unmerged { keys.add(Int32(bitPattern: handle.index), mergeKey) }
        bench.shares.countContext(party, true)
        if let account = party.account { ground.accounts.retain(account) }
        if message.index.method == .invite { answer(handle, .trying, &ground, &bench) }
        return .pass(handle)
    }

    private func isUnderWay(_ mergeKey: UInt64) -> Bool {
        keys.find(mergeKey) { place in
            handle(place).map { contexts[$0].mergeKey == mergeKey && contexts[$0].server.isOpen }
                ?? false
        } != nil
    }

    /// Stores a request, and the lines that its answers repeat; why it could not, else nil.
    private static func store(
        _ message: borrowing Incoming, _ context: inout ResponseContext, _ bench: inout Bench
    ) -> Refusal? {
        context.request = bench.store(message.bytes, of: context.party)
        bench.writer.begin(to: message.flow.peer.ip)
        bench.writer.answerIdentity(
            message.bytes, message.index, message.flow.peer, tag: Span())
        context.tagPlace = bench.writer.tagPlace
        context.identity =
            bench.writer.isWhole ? bench.storeWritten(of: context.party) : .none
        guard !context.request.exists || !context.identity.exists else { return nil }
        release(&context, &bench)
        if !bench.writer.isWhole { return .tooLong }
        // The account has its part of the blocks of this size, or there are none.
        return bench.blocks.hasRoom(message.bytes.count) ? .accountShare : .tableFull
    }

    private static func release(_ context: inout ResponseContext, _ bench: inout Bench) {
        bench.release(&context.request, of: context.party)
        bench.release(&context.identity, of: context.party)
    }

    /// What the tokens of the dialog that a request begins are bound to.
    private static func newDialog(
        _ message: borrowing Incoming, _ bench: inout Bench
    ) -> StringVector {
        guard message.index.method.carriesContact else { return StringVector() }
        return bench.writer.tokens.dialog(
            callID: message.bytes.bytes(message.index.callID),
            tag: message.bytes.bytes(message.index.from.tag))
    }

    /// Stores the user part that a context's request has on the inner side; false when there is no room, which ends it.
    package mutating func setUser(
        _ user: Span<UInt8>, _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        guard let text = bench.texts.store(user) else {
            bench.shortages.count(.texts)
            finish(handle, .serviceUnavailable, &ground, &bench)
            return false
        }
        contexts[handle].user = text
        return true
    }

    /// Stores the Request-URI that is in the bench's scratch, by which further servers of a trunk get the request.
    package mutating func setTarget(_ handle: Handle, isReaddressed: Bool, _ bench: inout Bench) {
        contexts[handle].isReaddressed = isReaddressed
        contexts[handle].user = Self.store(&bench.texts, bench.scratch)
    }

    private static func store(_ texts: inout TextStore, _ buffer: borrowing ByteBuffer) -> Text {
        texts.store(buffer.span) ?? .none
    }

    /// Who stands as the caller toward the Asterisk.
    package mutating func setCaller(_ handle: Handle, _ caller: WrittenCaller) {
        contexts[handle].caller = caller
    }

    /// What the token of a context's dialog says of its CSeq, and of who began it.
    package mutating func setDialog(
        _ handle: Handle, sequenceShift: UInt16, owner: DialogOwner = .inside
    ) {
        contexts[handle].sequenceShift = sequenceShift
        contexts[handle].dialogOwner = owner
    }

    /// The request is split among several phones, each of which may split it on so often.
    package mutating func setBreadth(_ handle: Handle, _ breadth: UInt8) {
        contexts[handle].breadth = breadth
    }

    // MARK: Answers

    /// Answers a request by ourselves.
    mutating func answer(
        _ handle: Handle, _ status: Status, _ ground: inout Ground, _ bench: inout Bench
    ) {
        bench.writer.begin(
            status: status.rawValue, status.phrase, to: contexts[handle].flow.peer.ip)
        bench.scratch.removeAll()
        // RFC 3261 section 8.2.6.2: a 100 has no tag.
        if status != .trying {
            let tag = bench.random()
            bench.scratch.append(hex: tag, digits: 16)
        }
        Self.writeIdentity(&bench.writer, bench.blocks, contexts[handle], tag: bench.scratch)
        if status == .serviceUnavailable { bench.writer.retryAfter() }
        bench.writer.endEmpty()
        give(status.rawValue, handle, &ground, &bench)
    }

    private static func writeIdentity(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ context: ResponseContext,
        tag: borrowing ByteBuffer
    ) {
        writeIdentity(&writer, blocks, context, tag.span)
    }

    /// Writes the lines of an answer that repeat a context's request, with this tag.
    static func writeIdentity(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ context: ResponseContext,
        _ tag: Span<UInt8>
    ) {
        let lines = blocks.span(context.identity)
        writer.append(lines.extracting(0..<context.tagPlace))
        if context.tagPlace > 0 { writer.tag(tag) }
        writer.append(lines.extracting(context.tagPlace..<lines.count))
    }

    /// Ends a request by ourselves, unless it has ended.
    package mutating func finish(
        _ handle: Handle, _ status: Status, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard isOpen(handle) else { return }
        answer(handle, status, &ground, &bench)
    }

    /// Gives the answer that is in the writer to the server transaction.
    mutating func give(
        _ status: UInt16, _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard bench.writer.isWhole else { return }
        let action = contexts[handle].server.handle(.send(status))
        guard action != .none else { return }
        let party = contexts[handle].party
        bench.sendWritten(to: contexts[handle].flow)
        bench.release(&contexts[handle].answer, of: party)
        // A 2xx is repeated by whoever gave it (RFC 6026 section 7.1), everything else by us.
        let isAccepted = contexts[handle].server.isAccepted
        if !isAccepted { contexts[handle].answer = bench.storeWritten(of: party) }
        if !contexts[handle].server.isOpen {
            bench.release(&contexts[handle].request, of: party)
            bench.release(&contexts[handle].best, of: party)
            if !isAccepted { bench.release(&contexts[handle].identity, of: party) }
        }
        if status >= 300 { fail(handle, status) }
        perform(action, handle, &ground, &bench)
    }

    /// A call was not answered by anybody: its caller got a failure.
    private mutating func fail(_ handle: Handle, _ status: UInt16) {
        let context = contexts[handle]
        guard context.call.exists else { return }
        contexts[handle].call = .none
        failures.append(
            FailedCall(
                call: context.call, status: status, isCallee: context.isPassedOn,
                cause: context.cause,
                isForwardingRefused: context.isForwardingRefused && context.bestStatus == 403
                    && !context.isPassedOn))
    }

    /// Does what the server transaction wants done; the answer itself has been sent.
    private mutating func perform(
        _ action: ServerAction, _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        switch action {
        case .none, .pass: break
        case .resend: resendAnswer(handle, &bench)
        case .resendEvery(let interval):
            resendAnswer(handle, &bench)
            contexts[handle].retransmit = bench.setTimer(
                handle.payload(.serverRetransmit), after: interval)
        case .passAndEnd(let after, let retransmit):
            bench.timers.cancel(&contexts[handle].deadline)
            contexts[handle].end = bench.setTimer(handle.payload(.serverEnd), after: after)
            if let retransmit {
                contexts[handle].retransmit = bench.setTimer(
                    handle.payload(.serverRetransmit), after: retransmit)
            }
        case .endAfter(let after):
            bench.timers.cancel(&contexts[handle].retransmit)
            bench.timers.cancel(&contexts[handle].end)
            contexts[handle].end = bench.setTimer(handle.payload(.serverEnd), after: after)
        case .terminate: close(handle, &ground, &bench)
        }
    }

    private func resendAnswer(_ handle: Handle, _ bench: inout Bench) {
        let context = contexts[handle]
        if context.answer.exists { bench.send(context.answer, to: context.flow) }
    }

    /// Frees everything a context holds; branches that still absorb retransmissions end by themselves.
    mutating func close(_ handle: Handle, _ ground: inout Ground, _ bench: inout Bench) {
        bench.timers.cancel(&contexts[handle].end)
        bench.timers.cancel(&contexts[handle].retransmit)
        bench.timers.cancel(&contexts[handle].deadline)
        let party = contexts[handle].party
        bench.release(&contexts[handle].request, of: party)
        bench.release(&contexts[handle].identity, of: party)
        bench.release(&contexts[handle].answer, of: party)
        bench.release(&contexts[handle].best, of: party)
        bench.texts.release(&contexts[handle].user)
        keys.remove(Int32(bitPattern: handle.index), contexts[handle].key)
        if contexts[handle].mergeKey != 0 {
            keys.remove(Int32(bitPattern: handle.index), contexts[handle].mergeKey)
        }
        contexts.release(handle)
        bench.shares.countContext(party, false)
        if let account = party.account { ground.accounts.release(account) }
    }

    // MARK: Timers

    /// A timer of a server transaction has fired.
    package mutating func serverTimer(
        _ handle: Handle, _ event: ServerEvent, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard contexts.contains(handle) else { return }
        switch event {
        case .retransmit: contexts[handle].retransmit = .none
        default: contexts[handle].end = .none
        }
        perform(contexts[handle].server.handle(event), handle, &ground, &bench)
    }

    /// Timer C, or the end of waiting for a cancelled branch, or for hashes.
    package mutating func deadline(
        _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard isOpen(handle) else { return }
        contexts[handle].deadline = .none
        cancelBranches(handle, [], &ground, &bench)
        let context = contexts[handle]
        let status: Status = context.awaitsHashes ? .serviceUnavailable : .requestTimeout
        finish(handle, context.isCancelled ? .requestTerminated : status, &ground, &bench)
    }

    /// Sets timer C anew (RFC 3261 section 16.7 item 2).
    mutating func restartDeadline(
        _ handle: Handle, _ span: Milliseconds, _ bench: inout Bench
    ) {
        bench.timers.cancel(&contexts[handle].deadline)
        contexts[handle].deadline = bench.setTimer(handle.payload(.context), after: span)
    }
}

extension Incoming {
    /// Whether a request goes on with its body, or without it.
    ///
    /// In a PRACK and a BYE a body that cannot be read is left out: what the one acknowledges would be sent for ever,
    /// and the other's sender has hung up.
    package var hasReadableBody: Bool {
        index.method == .prack || index.method == .bye || Body(bytes, index).isReadable
    }
}
