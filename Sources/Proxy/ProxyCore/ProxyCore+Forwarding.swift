internal import AsteriskPool
package import Authentication
internal import Digest
internal import Journal
package import LocationService
package import Messages
package import ProxyBench
internal import Reactor
internal import SIP
internal import SIPTransactions
package import SIPWriting
package import Sys
internal import Transactions
internal import Trunks

/// Passing requests on (RFC 3261 section 16.6).
extension ProxyCore {
    /// How long an Asterisk, or a trunk's server, may leave an INVITE without any response before the next one gets it.
    static let patienceForAnswer = Milliseconds.seconds(3)

    // MARK: Branches

    /// Takes a place for a branch of a context; when there is none the context ends with 503.
    private mutating func beginBranch(
        _ handle: Handle, _ flow: Flow, _ ground: inout Ground, _ bench: inout Bench
    ) -> Handle? {
        let context = contexts[handle]
        guard context.branchCount < ResponseContext.maximumBranches,
            let branch = ground.transactions.begin(
                .context(handle), context.method, flow, of: context.party, &ground.accounts,
                &bench)
        else {
            if context.open == 0 { finish(handle, .serviceUnavailable, &ground, &bench) }
            return nil
        }
        contexts[handle].branches[context.branchCount] = branch
        contexts[handle].branchCount += 1
        contexts[handle].open += 1
        bench.writer.begin(
            isTrunk: context.party.isTrunk, dialog: context.dialog, to: flow.peer.ip)
        return branch
    }

    /// Sends what is in the writer as the request of a branch.
    private mutating func send(_ branch: Handle, _ ground: inout Ground, _ bench: inout Bench) {
        let event = ground.transactions.send(
            branch, &ground.accounts, &ground.connections, &bench)
        guard case .failed(let status) = event else { return }
        if status == 503, case .context(let owner) = ground.transactions[branch].user,
            contexts.contains(owner)
        {
            contexts[owner].isStarved = true
        }
        failed(branch, status, &ground, &bench)
    }

    /// Sees to it that an INVITE goes elsewhere that gets no answer, or no more than Trying from one that is gone.
    private func watch(
        _ handle: Handle, _ branch: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard contexts.contains(handle), contexts[handle].method == .invite,
            !contexts[handle].inDialog
        else { return }
        ground.transactions.watch(branch, Self.patienceForAnswer, &bench)
    }

    // MARK: Inward

    /// Takes an Asterisk that a request has not tried yet, the next in turn, or the `first` one that it wants if that
    /// gets calls; nil when there is none, which ends a request that has tried none.
    package mutating func chooseAsterisk(
        _ handle: Handle, first: SocketAddress? = nil, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> SocketAddress? {
        if let first, let number = ground.asterisks.number(of: first),
            ground.asterisks.getsCalls(
                number, of: contexts[handle].party, bench.now.monotonic)
        {
            contexts[handle].tried |= 1 << UInt64(number)
            return first
        }
        let tried = contexts[handle].tried
        let passedOver = tried | ground.unreachable(contexts[handle].party)
        guard
            let (number, address) = ground.asterisks.choose(
                tried: passedOver, bench.now.monotonic)
        else {
            if tried == 0 {
                recordNoAsterisk(handle, ground, &bench)
                finish(handle, .serviceUnavailable, &ground, &bench)
            }
            return nil
        }
        contexts[handle].tried |= 1 << UInt64(number)
        return address
    }

    private func recordNoAsterisk(
        _ handle: Handle, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        guard bench.effects.journal.allowsRefusal(bench.now.monotonic) else { return }
        let context = contexts[handle]
        let peer = context.flow.peer
        bench.effects.journal.add(
            .refused, .error,
            "no Asterisk answers: \(context.method.name) from \(peer.ip) is refused with 503",
            [
                (.address, "\(peer.ip)"), (.port, "\(peer.port)"),
                (.transport, context.flow.transport.name), (.reason, Refusal.noAsterisk.code),
                (.status, "503"), (.method, "\(context.method.name)"),
                (.account, ground.name(of: context.party).span.text),
            ])
    }

    /// Sends the request at hand, a context's, to an Asterisk.
    package mutating func forward(
        _ handle: Handle, to address: SocketAddress, _ message: borrowing Incoming,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard let branch = beginInward(handle, address, &ground, &bench) else { return }
        let name = ground.name(of: contexts[handle].party)
        Self.writeInward(
            &bench.writer, bench.texts, name, contexts[handle], message.bytes, message.index,
            branch, ground.transactions[branch].cookie, ground.transactions[branch].flow, nil)
        sendInward(handle, branch, &ground, &bench)
    }

    /// Sends a kept request to an Asterisk that was not tried yet; false when there is none.
    private mutating func tryNextAsterisk(
        _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        guard let address = chooseAsterisk(handle, &ground, &bench) else { return false }
        // Without room the context has ended, unless another branch is under way.
        guard let branch = beginInward(handle, address, &ground, &bench) else {
            return !isOpen(handle)
        }
        contexts[handle].sequenceShift = 0
        contexts[handle].challenges = 0
        writeKept(handle, branch, nil, ground, &bench)
        sendInward(handle, branch, &ground, &bench)
        return true
    }

    /// A request, whose branches have ended, waits for its account's hashes in the realm of its Asterisk: until `resend`,
    /// or for a second.
    package mutating func awaitHashes(_ handle: Handle, _ bench: inout Bench) {
        contexts[handle].awaitsHashes = true
        restartDeadline(handle, .seconds(1), &bench)
    }

    /// Sends a request to the same Asterisk again, with an answer to its challenge; without one, to be challenged anew.
    ///
    /// The CSeq is one higher, and stays so on the inner side of the dialog.
    package mutating func resend(
        _ handle: Handle, _ answer: ChallengeAnswer?, _ ground: inout Ground, _ bench: inout Bench
    ) {
        if answer != nil {
            contexts[handle].challenges += 1
        } else {
            contexts[handle].awaitsHashes = false
            bench.timers.cancel(&contexts[handle].deadline)
        }
        let address = contexts[handle].asterisk
        guard let branch = beginInward(handle, address, &ground, &bench) else { return }
        contexts[handle].sequenceShift &+= 1
        writeKept(handle, branch, answer, ground, &bench)
        sendInward(handle, branch, &ground, &bench)
    }

    private mutating func beginInward(
        _ handle: Handle, _ address: SocketAddress, _ ground: inout Ground, _ bench: inout Bench
    ) -> Handle? {
        let way = ground.way(of: contexts[handle].party, toAsterisk: address, bench)
        guard let branch = beginBranch(handle, way, &ground, &bench) else { return nil }
        // Without a branch there, the answer that may still come is one of the Asterisk before.
        contexts[handle].asterisk = address
        return branch
    }

    private mutating func sendInward(
        _ handle: Handle, _ branch: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        send(branch, &ground, &bench)
        if ground.asterisks.count > 1 { watch(handle, branch, &ground, &bench) }
    }

    /// Writes a kept request as it goes to its Asterisk, with credentials when it has asked.
    private func writeKept(
        _ handle: Handle, _ branch: Handle, _ answer: ChallengeAnswer?,
        _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let name = ground.name(of: contexts[handle].party)
        Self.writeKept(
            &bench.writer, bench.blocks, bench.texts, name, contexts[handle], bench.parser,
            branch, ground.transactions[branch].cookie, ground.transactions[branch].flow, answer)
    }

    private static func writeKept(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore,
        _ texts: borrowing TextStore, _ name: TokenText, _ context: ResponseContext,
        _ parser: MessageParser, _ branch: Handle, _ cookie: UInt64, _ flow: Flow,
        _ answer: ChallengeAnswer?
    ) {
        let bytes = blocks.span(context.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return }
        writeInward(&writer, texts, name, context, bytes, index, branch, cookie, flow, answer)
    }

    private static func writeInward(
        _ writer: inout MessageWriter, _ texts: borrowing TextStore, _ name: TokenText,
        _ context: ResponseContext, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ branch: Handle, _ cookie: UInt64, _ flow: Flow, _ answer: ChallengeAnswer?
    ) {
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uriOf: context.asterisk, user: texts.span(context.user))
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, branch, cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(context.breadth)
        if index.method.carriesContact {
            writer.recordRoute(
                flow, to: context.flow, sequenceShift: context.sequenceShift, account: name.span)
            writer.recordRoutes(bytes, index)
        }
        writer.identity(
            bytes, index, .inward, sequence: index.sequence + UInt32(context.sequenceShift),
            caller: context.caller, name: name.span)
        writer.phoneContact(bytes, index)
        if !context.inDialog {
            writer.shownCaller(index.from, bytes, context.caller, name.span)
        }
        if let answer { writer.append(answer.header.span) }
        writer.rest(bytes, index, .inward, sequenceShift: context.sequenceShift)
    }

    // MARK: Outward

    /// Sends the request at hand, a context's, to the phone whose Contact is in the bench's scratch; false when it
    /// cannot be sent.
    package mutating func forwardOutward(
        _ handle: Handle, _ flow: Flow, _ message: borrowing Incoming, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Bool {
        guard let branch = beginBranch(handle, flow, &ground, &bench) else { return false }
        let account = Self.tokenAccount(
            of: ground.name(of: contexts[handle].party), &bench.writer)
        let isGood = Self.writeOutward(
            &bench.writer, contexts[handle], message.bytes, message.index, flow, branch,
            ground.transactions[branch].cookie, uri: bench.scratch, account)
        return sendOutward(handle, branch, isGood: isGood, &ground, &bench)
    }

    /// Sends a context's kept request as `forwardOutward` does the one at hand.
    mutating func forwardKept(
        _ handle: Handle, _ flow: Flow, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        guard let branch = beginBranch(handle, flow, &ground, &bench) else { return false }
        let account = Self.tokenAccount(
            of: ground.name(of: contexts[handle].party), &bench.writer)
        let isGood = Self.writeKept(
            &bench.writer, bench.blocks, contexts[handle], bench.parser, flow, branch,
            ground.transactions[branch].cookie, uri: bench.scratch, account)
        return sendOutward(handle, branch, isGood: isGood, &ground, &bench)
    }

    private mutating func sendOutward(
        _ handle: Handle, _ branch: Handle, isGood: Bool, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Bool {
        guard isGood else {
            ground.end(branch, &bench)
            contexts[handle].open -= 1
            return false
        }
        ground.asterisks.recordInsideMedia(contexts[handle].flow.peer, &bench)
        let party = contexts[handle].party
        send(branch, &ground, &bench)
        if let trunk = party.trunk, contexts.contains(handle),
            ground.trunks.hasOtherServer(tried: contexts[handle].tried, trunk)
        {
            watch(handle, branch, &ground, &bench)
        }
        return true
    }

    /// How tokens name a party.
    static func tokenAccount(of name: TokenText, _ writer: inout MessageWriter) -> TokenAccount {
        writer.tokens.account(name.span)
    }

    private static func writeKept(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ context: ResponseContext,
        _ parser: MessageParser, _ flow: Flow, _ branch: Handle, _ cookie: UInt64,
        uri: borrowing ByteBuffer, _ account: TokenAccount
    ) -> Bool {
        let bytes = blocks.span(context.request)
        var index = MessageIndex()
        guard (try? parser.parse(bytes, into: &index)) != nil else { return false }
        return writeOutward(
            &writer, context, bytes, index, flow, branch, cookie, uri: uri, account)
    }

    private static func writeOutward(
        _ writer: inout MessageWriter, _ context: ResponseContext, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ flow: Flow, _ branch: Handle, _ cookie: UInt64,
        uri: borrowing ByteBuffer, _ account: TokenAccount
    ) -> Bool {
        writer.append(bytes.bytes(index.methodSlice))
        writer.append(" ")
        writer.append(uri.span)
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, branch, cookie)
        writer.maxForwards(min(index.maxForwards ?? 70, 70) - 1)
        writer.maxBreadth(context.breadth)
        writer.routes(bytes, index)
        writer.identity(
            bytes, index, .outward, sequence: index.sequence, owner: context.dialogOwner)
        guard
            writer.contact(
                through: flow, bytes, index, asterisk: context.flow.peer,
                sequenceShift: context.sequenceShift, account: account)
        else { return false }
        writer.rest(bytes, index, .outward, sequenceShift: context.sequenceShift)
        return true
    }

    /// Sends the request at hand, a context's, to all of an account's phones that can be reached, but of the flows of
    /// one phone by the one it refreshed last (RFC 5626 section 7).
    package mutating func fork(
        _ handle: Handle, to targets: borrowing Targets, _ message: borrowing Incoming,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        // Counted as a branch itself: a phone without room ends nothing while others follow.
        contexts[handle].open += 1
        for position in 0..<targets.count {
            let place = targets[position]
            guard let flow = ground.location.flow(place) else { continue }
            bench.scratch.removeAll()
            ground.location.writeContact(place, into: &bench.scratch)
            _ = forwardOutward(handle, flow, message, &ground, &bench)
        }
        contexts[handle].open -= 1
        if contexts[handle].branchCount == 0 {
            finish(handle, .serviceUnavailable, &ground, &bench)
        } else {
            conclude(handle, &ground, &bench)
        }
    }

    // MARK: ACK of a success

    /// Passes on the ACK of a 2xx to an Asterisk, which is a request of its own without a transaction; `party` is whose
    /// it is.
    package func forwardACK(
        _ message: borrowing Incoming, _ token: AsteriskToken, _ party: Party,
        _ caller: WrittenCaller, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let flow = ground.way(of: party, toAsterisk: token.asterisk, bench)
        let name = ground.name(of: party)
        let random = bench.random()
        bench.writer.begin(isTrunk: party.isTrunk, to: flow.peer.ip)
        bench.writer.append("ACK ")
        bench.writer.append(uriOf: token.asterisk, user: token.user.span)
        bench.writer.append(" SIP/2.0\r\n")
        bench.writer.via(flow, .none, random)
        bench.writer.maxForwards(min(message.index.maxForwards ?? 70, 70) - 1)
        bench.writer.identity(
            message.bytes, message.index, .inward,
            sequence: message.index.sequence + UInt32(token.sequenceShift), caller: caller,
            name: name.span)
        bench.writer.phoneContact(message.bytes, message.index)
        bench.writer.rest(message.bytes, message.index, .inward)
        bench.sendWritten(to: flow)
    }

    /// Passes on the ACK of a 2xx to a phone or a trunk.
    package func forwardACK(
        _ message: borrowing Incoming, by way: Flow, _ owner: DialogOwner, isTrunk: Bool,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        let random = bench.random()
        bench.writer.begin(isTrunk: isTrunk, to: way.peer.ip)
        bench.writer.append("ACK ")
        bench.writer.append(message.bytes.bytes(message.index.requestURI.whole))
        bench.writer.append(" SIP/2.0\r\n")
        bench.writer.via(way, .none, random)
        bench.writer.maxForwards(min(message.index.maxForwards ?? 70, 70) - 1)
        bench.writer.routes(message.bytes, message.index)
        bench.writer.identity(
            message.bytes, message.index, .outward, sequence: message.index.sequence, owner: owner)
        bench.writer.rest(message.bytes, message.index, .outward)
        ground.asterisks.recordInsideMedia(message.flow.peer, &bench)
        bench.sendWritten(to: way)
    }

    // MARK: Elsewhere

    /// Sends the request at hand, a context's, to the server of its trunk that answers best; false when there is none.
    package mutating func forwardToTrunk(
        _ handle: Handle, _ trunk: TrunkID, _ message: borrowing Incoming,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        let tried = contexts[handle].tried
        guard let server = ground.trunks.chooseServer(tried: tried, trunk, bench) else {
            finish(handle, .serviceUnavailable, &ground, &bench)
            return
        }
        contexts[handle].tried |= 1 << UInt64(server.place)
        if !forwardOutward(handle, server.way, message, &ground, &bench) {
            finish(handle, .serverInternalError, &ground, &bench)
        }
    }

    /// Sends a kept request to the next server of its trunk; false when there is none.
    private mutating func tryNextServer(
        _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        let context = contexts[handle]
        // A Request-URI too long to be kept is tried once.
        guard context.user.length > 0, let trunk = context.party.trunk,
            let server = ground.trunks.chooseServer(tried: context.tried, trunk, bench)
        else { return false }
        contexts[handle].tried |= 1 << UInt64(server.place)
        bench.scratch.removeAll()
        Self.append(&bench.scratch, bench.texts, context.user)
        return forwardKept(handle, server.way, &ground, &bench)
    }

    private static func append(
        _ buffer: inout ByteBuffer, _ texts: borrowing TextStore, _ text: Text
    ) {
        buffer.append(texts.span(text))
    }

    /// Whether another Asterisk, or another server of its trunk, may get a request.
    func mayMove(_ handle: Handle) -> Bool {
        let context = contexts[handle]
        return (context.direction == .inward || context.party.isTrunk) && !context.inDialog
            && context.server.isOpen && !context.isCancelled
    }

    /// Sends a request to who has not got it yet; false when there is nobody.
    mutating func tryNext(
        _ handle: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        contexts[handle].direction == .inward
            ? tryNextAsterisk(handle, &ground, &bench) : tryNextServer(handle, &ground, &bench)
    }

    /// Sends a call that failed by one flow of a phone by the one that it refreshed before; false when there
    /// is none.
    mutating func tryOtherFlow(
        _ handle: Handle, after branch: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        let context = contexts[handle]
        guard context.direction == .outward, !context.inDialog, !context.isCancelled,
            !ground.transactions[branch].isCancelled, context.server.isOpen,
            let account = context.party.account,
            let other = ground.location.target(
                account, before: ground.transactions[branch].flow),
            let flow = ground.location.flow(other)
        else { return false }
        bench.scratch.removeAll()
        ground.location.writeContact(other, into: &bench.scratch)
        return forwardKept(handle, flow, &ground, &bench)
    }
}
