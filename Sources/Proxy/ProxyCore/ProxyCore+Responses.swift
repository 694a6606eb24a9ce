internal import AsteriskPool
internal import Journal
internal import Messages
package import ProxyBench
internal import Reactor
package import SIP
internal import SIPTransactions
internal import SIPWriting
package import Sys
internal import Transactions
internal import Trunks

/// What the final response of a branch has come to.
package enum BranchOutcome: Sendable {
    /// Nothing more is to be done.
    case handled
    /// A success that begins a dialog, or ends a request: its call has to be kept before it is passed on.
    case accepted
    /// An Asterisk asks for credentials.
    case challenged
    /// A phone sends the call on to elsewhere, which its account has to be allowed.
    case redirected
}

/// Responses to branches (RFC 3261 section 16.7).
extension ProxyCore {
    /// Why the other phones are cancelled when one has answered (RFC 3326 section 3.1).
    private static let answeredElsewhere =
        Array("SIP;cause=200;text=\"Call completed elsewhere\"".utf8)
    /// Why they are when one has refused for all.
    private static let refusedElsewhere = Array("SIP;cause=600;text=\"Busy Everywhere\"".utf8)

    /// A provisional response has come to a branch; nobody waits for that of a context that has ended.
    package mutating func provisional(
        _ branch: Handle, _ message: borrowing Incoming, isReadable: Bool, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        guard case .context(let owner) = ground.transactions[branch].user, isOpen(owner) else {
            ground.transactions.cancel(branch, &bench)
            return
        }
        if contexts[owner].method == .invite, !ground.transactions[branch].isCancelled {
            ground.transactions.ringing(branch, &bench)
            if !contexts[owner].isCancelled { restartDeadline(owner, Timers.c, &bench) }
        }
        if isReadable, message.index.status > 100, !ground.transactions[branch].isReported {
            pass(owner, branch, message.bytes, message.index, &ground, &bench)
        }
    }

    /// The final response of a branch has come: what is to be done with it.
    package mutating func ended(
        _ owner: Handle, _ branch: Handle, _ message: borrowing Incoming,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> BranchOutcome {
        guard contexts.contains(owner) else { return .handled }
        let status = message.index.status
        guard ground.transactions.report(branch) else {
            // RFC 3261 section 16.7 item 5: every 2xx is passed on, however late.
            if status < 300, contexts[owner].method == .invite {
                cancelBranches(owner, Self.answeredElsewhere, &ground, &bench)
                pass(owner, branch, message.bytes, message.index, &ground, &bench)
            }
            return .handled
        }
        contexts[owner].open -= 1
        let context = contexts[owner]
        if status == 401 || status == 407, context.direction == .inward { return .challenged }
        if (300..<400).contains(status), context.direction == .outward,
            context.method == .invite, context.party != .nobody
        {
            return .redirected
        }
        if isChallengeInVain(context, status, ground, &bench) {
            failByOurselves(owner, 403, &ground, &bench)
            return .handled
        }
        if status < 300 {
            cancelBranches(owner, Self.answeredElsewhere, &ground, &bench)
            return .accepted
        }
        failed(owner, branch, message, &ground, &bench)
        return .handled
    }

    /// A branch has failed with a response.
    package mutating func failed(
        _ owner: Handle, _ branch: Handle, _ message: borrowing Incoming,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        let status = message.index.status
        if status >= 600 { cancelBranches(owner, Self.refusedElsewhere, &ground, &bench) }
        if status == 503, mayMove(owner), tryNext(owner, &ground, &bench) { return }
        if status == 430, tryOtherFlow(owner, after: branch, &ground, &bench) { return }
        if improves(owner, status) {
            record(owner, status, &bench)
            contexts[owner].best = bench.store(message.bytes, of: contexts[owner].party)
        }
        conclude(owner, &ground, &bench)
    }

    /// A branch has failed for a reason of our own, which counts as this status.
    package mutating func failByOurselves(
        _ owner: Handle, _ status: UInt16, isForwarding: Bool = false, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        if isForwarding { contexts[owner].isForwardingRefused = true }
        if improves(owner, status) { record(owner, status, &bench) }
        conclude(owner, &ground, &bench)
    }

    /// Whether a response is a challenge that ends here, as a refusal: an Asterisk has no credentials for a
    /// phone, and those it has for a trunk fit what it has addressed.
    private func isChallengeInVain(
        _ context: ResponseContext, _ status: UInt16, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) -> Bool {
        guard status == 401 || status == 407 else { return false }
        guard let trunk = context.party.trunk else { return true }
        guard context.isReaddressed else { return false }
        ground.trunks.trunkAsksForPassword(trunk, context.flow.peer, &bench)
        return true
    }

    /// Whether a failure is better than the best so far: 6xx before all, else the lower class (section 16.7 item 6),
    /// of one class what says more.
    private func improves(_ owner: Handle, _ status: UInt16) -> Bool {
        let best = contexts[owner].bestStatus
        return best == 0 || Self.rank(status) < Self.rank(best)
    }

    private mutating func record(_ owner: Handle, _ status: UInt16, _ bench: inout Bench) {
        contexts[owner].bestStatus = status
        bench.release(&contexts[owner].best, of: contexts[owner].party)
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

    /// A branch has ended without a response of its own, which counts as this status.
    package mutating func failed(
        _ branch: Handle, _ status: UInt16, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard ground.transactions.report(branch) else {
            ground.end(branch, &bench)
            return
        }
        if case .context(let owner) = ground.transactions[branch].user, contexts.contains(owner) {
            contexts[owner].open -= 1
            if status == 408 { recordServer(branch, answers: false, &ground, &bench) }
            moveOn(owner, branch, status, &ground, &bench)
        }
        ground.end(branch, &bench)
    }

    private mutating func moveOn(
        _ owner: Handle, _ branch: Handle, _ status: UInt16, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        let isMovable = contexts[owner].method == .invite || contexts[owner].party.isTrunk
        if status == 408, isMovable, mayMove(owner), tryNext(owner, &ground, &bench) { return }
        if tryOtherFlow(owner, after: branch, &ground, &bench) { return }
        if contexts[owner].bestStatus == 0 { contexts[owner].bestStatus = status }
        conclude(owner, &ground, &bench)
    }

    /// An Asterisk, or a server, has said no more than Trying to an INVITE for a while.
    ///
    /// If it has said nothing at all the next one gets the INVITE, and the silence counts against this one. Who has said
    /// Trying may be at work: the INVITE moves only once OPTIONS has found that Asterisk down.
    package mutating func noAnswer(
        _ branch: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard ground.transactions.contains(branch),
            case .context(let owner) = ground.transactions[branch].user, contexts.contains(owner),
            mayMove(owner)
        else { return }
        let peer = ground.transactions[branch].flow.peer
        let isInward = contexts[owner].direction == .inward
        // One that is back already has lost what it was at, or is to forget it.
        let isLost =
            ground.transactions.isUnanswered(branch)
            || isInward
                && ground.asterisks.isDown(peer, since: ground.transactions[branch].began)
        guard isLost, tryNext(owner, &ground, &bench) else {
            // Another one may be up by the next look.
            if isInward {
                ground.transactions.watch(branch, Self.patienceForAnswer, &bench)
            }
            return
        }
        recordServer(branch, answers: false, &ground, &bench)
        ground.transactions.giveUp(branch, &bench)
        contexts[owner].open -= 1
        if isInward, let number = ground.asterisks.number(of: peer) {
            ground.asterisks.leftUnanswered(
                number, contexts[owner].party, from: contexts[owner].flow.peer.ip, &bench)
        }
        // The next one's branch may have ended at once, for want of room.
        conclude(owner, &ground, &bench)
    }

    /// A server of a trunk has answered a request, or has not.
    package func recordServer(
        _ branch: Handle, answers: Bool, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard case .context(let owner) = ground.transactions[branch].user,
            contexts.contains(owner), contexts[owner].direction == .outward,
            let trunk = contexts[owner].party.trunk
        else { return }
        ground.trunks.serverAnswered(
            ground.transactions[branch].flow.peer, trunk, answers, &bench)
    }

    /// Ends a request with the best failure once every branch has ended.
    mutating func conclude(_ owner: Handle, _ ground: inout Ground, _ bench: inout Bench) {
        guard isOpen(owner), contexts[owner].open == 0 else { return }
        let context = contexts[owner]
        // RFC 4320 section 4.2: a 408 for another request than INVITE is too late for anybody.
        let isLate = context.bestStatus == 408 && context.method != .invite
        if context.best.exists, context.bestStatus != 503, !isLate {
            passStored(owner, &ground, &bench)
            return
        }
        switch context.bestStatus {
        case 403: finish(owner, .forbidden, &ground, &bench)
        case 408 where isLate: close(owner, &ground, &bench)
        case 408 where context.isCancelled: finish(owner, .requestTerminated, &ground, &bench)
        case 408: finish(owner, .requestTimeout, &ground, &bench)
        case 430: finish(owner, .flowFailed, &ground, &bench)
        case 513: finish(owner, .messageTooLarge, &ground, &bench)
        case 503 where context.isStarved: finish(owner, .serviceUnavailable, &ground, &bench)
        // RFC 3261 section 16.7 item 6: a 503 is about one server, not about us.
        default: finish(owner, .serverInternalError, &ground, &bench)
        }
    }

    // MARK: Passing on

    private mutating func passStored(
        _ owner: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        let copy = [UInt8](copying: bench.blocks.span(contexts[owner].best))
        var index = MessageIndex()
        guard (try? bench.parser.parse(copy.span, into: &index)) != nil else { return }
        contexts[owner].isPassedOn = true
        contexts[owner].cause = EndCause(copy.span, index)
        pass(owner, .none, copy.span, index, &ground, &bench)
    }

    /// Passes a response on to where the request came from.
    package mutating func pass(
        _ owner: Handle, _ branch: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        let context = contexts[owner]
        // What has failed has nothing more to say, however late a 2xx comes.
        guard context.identity.exists else { return }
        bench.writer.begin(
            isTrunk: context.party.isTrunk, dialog: context.dialog, to: context.flow.peer.ip)
        bench.writer.append("SIP/2.0 ")
        bench.writer.append(decimal: UInt64(index.status))
        bench.writer.append(" ")
        bench.writer.append(
            value: bytes.bytes(index.reason), context.direction == .inward ? .outward : .inward)
        bench.writer.endLine()
        Self.writeIdentity(&bench.writer, bench.blocks, context, bytes.bytes(index.to.tag))
        let name = ground.name(of: context.party)
        var isGood = true
        switch context.direction {
        case .inward:
            isGood = Self.writeOutward(context, bytes, index, name, &bench)
            if isGood { ground.asterisks.recordInsideMedia(context.asterisk, &bench) }
        case .outward:
            let flow =
                ground.transactions.contains(branch) ? ground.transactions[branch].flow : nil
            Self.writeInward(context, flow, bytes, index, name, &bench)
        }
        if !isGood || !bench.writer.isWhole && index.status >= 200 {
            refuseToPass(owner, branch, bytes, index, &ground, &bench)
        } else {
            give(index.status, owner, &ground, &bench)
        }
    }

    /// The rest of an Asterisk's response on its way to a phone.
    private static func writeOutward(
        _ context: ResponseContext, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ name: TokenText, _ bench: inout Bench
    ) -> Bool {
        if index.status >= 300 {
            if index.status < 400, let contact = index.value(.contact) {
                bench.writer.append("Contact: ")
                bench.writer.append(leaving: bytes.bytes(contact), .party)
                bench.writer.endLine()
            }
        } else if context.method.carriesContact {
            bench.writer.recordRoutes(bytes, index)
            let account = bench.writer.tokens.account(name.span)
            let isGood = bench.writer.contact(
                through: context.flow, bytes, index, asterisk: context.asterisk,
                sequenceShift: context.sequenceShift, account: account)
            guard isGood else { return false }
        }
        bench.writer.rest(bytes, index, .outward)
        return true
    }

    /// The rest of a phone's response on its way to an Asterisk.
    private static func writeInward(
        _ context: ResponseContext, _ flow: Flow?, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ name: TokenText, _ bench: inout Bench
    ) {
        if index.status < 300, context.method.carriesContact, let flow {
            // Of what came, the last stands next to whoever asked (RFC 3261 section 12.1.2).
            bench.writer.recordRoutes(bytes, index)
            bench.writer.recordRoute(
                context.flow, to: flow, sequenceShift: context.sequenceShift, account: name.span)
        }
        if context.party.isTrunk, context.method == .register {
            bench.writer.registeredContacts(bytes, index, of: context.flow.peer)
        } else {
            bench.writer.phoneContact(bytes, index)
        }
        bench.writer.rest(bytes, index, .inward)
    }

    // MARK: What cannot be passed on

    /// A branch has ended with an answer that cannot be read, which counts as 500; a call that it would have
    /// begun is acknowledged and ended.
    package mutating func unreadable(
        _ owner: Handle, _ branch: Handle, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard contexts.contains(owner), ground.transactions.report(branch) else { return }
        contexts[owner].open -= 1
        failByOurselves(owner, 500, &ground, &bench)
    }

    /// An answer cannot go on, since it has become longer than a message may be, or there is no room
    /// for a call that is to end: whoever asked gets 500, and a call that it would have begun is
    /// acknowledged and ended.
    package mutating func refuseToPass(
        _ owner: Handle, _ branch: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        if index.status < 300, ground.transactions.contains(branch),
            ground.transactions[branch].method == .invite,
            !ground.transactions[branch].isUnreadable
        {
            refuseSuccess(branch, bytes, index, &ground, &bench)
        }
        finish(owner, .serverInternalError, &ground, &bench)
    }

    /// Acknowledges the 2xx of an INVITE that is not passed on, and ends the call that it would have begun, unless it
    /// is inside a dialog.
    package func refuseSuccess(
        _ branch: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        var isInDialog = false
        if case .context(let owner) = ground.transactions[branch].user, contexts.contains(owner) {
            isInDialog = contexts[owner].inDialog
        }
        ground.transactions.refuseSuccess(
            branch, bytes, index, endsCall: !isInDialog, &ground.accounts, &ground.connections,
            &bench)
    }

    // MARK: Cancelling

    /// Whoever asked wants no answer any more: of the request is kept what its end needs.
    ///
    /// `reason` is what the Reason of its CANCELs says, empty for none.
    package mutating func cancel(
        _ handle: Handle, _ reason: [UInt8], _ ground: inout Ground, _ bench: inout Bench
    ) {
        contexts[handle].isCancelled = true
        // Nobody else gets it any more.
        bench.release(&contexts[handle].request, of: contexts[handle].party)
        cancelBranches(handle, reason, &ground, &bench)
        if contexts[handle].open == 0 { finish(handle, .requestTerminated, &ground, &bench) }
    }

    /// Cancels every branch that has not ended; `reason` is what its Reason says, empty for none.
    mutating func cancelBranches(
        _ handle: Handle, _ reason: [UInt8], _ ground: inout Ground, _ bench: inout Bench
    ) {
        for position in 0..<contexts[handle].branchCount {
            let branch = contexts[handle].branches[position]
            guard ground.transactions.contains(branch) else { continue }
            ground.transactions.setReason(reason, branch, &bench)
            ground.transactions.cancel(branch, &bench)
        }
        if contexts[handle].open > 0, contexts[handle].server.isOpen {
            restartDeadline(handle, Timers.giveUp, &bench)
        }
    }
}
