internal import Dialling
internal import Messages
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// The table of calls, as messages pass.
extension Router {
    /// How long nothing may be heard of a call until it counts as over: phones that have lost their power
    /// say no BYE.
    private static let longestSilence = Milliseconds.seconds(8 * 3600)
    /// How often such calls are looked for.
    private static let sweepInterval = Milliseconds.seconds(30)

    /// An exchange's INVITE begins a call of its account; false when there is no room, which ends it: a call that is not
    /// counted would have no limits.
    mutating func beginCall(
        _ handle: Handle, _ direction: CallDirection, _ dialled: Dialled, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> Bool {
        let exchange = exchanges[handle]
        guard exchange.method == .invite, exchange.account >= 0 else { return true }
        accounts[exchange.account].isKept = true
        var call = Call(
            account: exchange.account, direction: direction, flow: exchange.flow,
            asterisk: exchange.flow.peer, since: now.sinceEpoch, heard: now.monotonic)
        call.exchange = handle
        call.sequence = index.sequence
        call.isFromPhone = direction == .made
        call.isAbroad = dialled.kind == .abroad
        call.mark = dialled.mark
        call.isUnlocated = call.isAbroad && isUnlocated(exchange.flow.peer.ip)
        let contact = Self.contact(bytes, index)
        let peer = peer(of: exchange, isFromPhone: call.isFromPhone, bytes, index)
        addPieces(
            &call, bytes, index,
            phone: bytes.bytes(call.isFromPhone ? contact.whole : .empty),
            asterisk: bytes.bytes(call.isFromPhone ? .empty : contact.user),
            peer: peer.span,
            route: exchange.isTrunk && call.isFromPhone
                ? Self.values(.recordRoute, bytes, index) : [])
        exchanges[handle].call = keep(&call, bytes, index)
        if exchanges[handle].call.exists { return true }
        finishLocally(handle, 503, "Service Unavailable")
        return false
    }

    /// What is shown as the other end of a call: who is dialled, or who calls.
    private func peer(
        of exchange: Exchange, isFromPhone: Bool, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> UserPart {
        if isFromPhone { return UserPart(texts.span(exchange.user)) }
        return UserPart(
            bytes.bytes(exchange.isTrunk ? index.requestURI.user : index.from.uri.user))
    }

    /// A call was not answered by anybody: its caller got a failure.
    mutating func callFailed(_ owner: Handle, _ status: UInt16) {
        let handle = exchanges[owner].call
        if calls.table.contains(handle) {
            let call = calls[handle]
            let cause = call.cause.code > 0 ? call.cause : EndCause(status: status)
            over(handle, call.end ?? .unanswered, cause, status: status)
        }
        exchanges[owner].call = .none
    }

    /// Keeps what a BYE to either side of a call that is being answered needs; false when there is
    /// no room, and the call is to end.
    ///
    /// Without room any other one goes on with what is kept of its INVITE: it counts as a call.
    mutating func keepAnswer(
        _ owner: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        let exchange = exchanges[owner]
        // Only an INVITE that begins a call has a row: what else is answered is no call.
        guard calls.table.contains(exchange.call), !calls[exchange.call].isAnswered else {
            return true
        }
        var call = calls[exchange.call]
        let isInward = exchange.direction == .inward
        if !isInward, clients.contains(client) { call.flow = clients[client].flow }
        call.asterisk = isInward ? exchange.asterisk : exchange.flow.peer
        call.heard = now.monotonic
        if isInward {
            let sequence = call.sequence &+ UInt32(exchange.sequenceShift)
            call.inwardSequence = max(call.inwardSequence, sequence)
        } else {
            call.outwardSequence = max(call.outwardSequence, call.sequence)
        }
        let contact = Self.contact(bytes, index)
        let piece = isInward ? Call.Piece.asterisk : .phone
        let text = bytes.bytes(isInward ? contact.user : contact.whole)
        // Whoever has asked takes the way back from its own end (RFC 3261 section 12.1.2).
        let route =
            exchange.isTrunk && !isInward
            ? Self.values(.recordRoute, reversed: true, bytes, index) : nil
        let lengths = call.lengths
        Self.replace(
            &calls, &call, blocks, piece, text, tag: bytes.bytes(index.to.tag), route: route)
        let isKept = calls.keepPieces(&call, &blocks, &accounts)
        if !isKept { call.lengths = lengths }
        calls[exchange.call] = call
        return isKept || !call.isEnding
    }

    /// A call was answered, and the answer was passed on.
    mutating func callAnswered(
        _ owner: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let handle = exchanges[owner].call
        guard calls.table.contains(handle), !calls[handle].isAnswered else { return }
        calls[handle].answeredAt = now.monotonic
        calls.answer(handle, Calls.Marks(bytes, index))
        answeredRecord(handle)
        if calls[handle].isEnding { end(handle, calls[handle].end ?? .byHand) }
    }

    /// Puts a call's pieces together with another text in place of one, a tag behind its To, and another
    /// route when there is one.
    private static func replace(
        _ calls: inout Calls, _ call: inout Call, _ blocks: borrowing BlockStore,
        _ other: Call.Piece, _ text: Span<UInt8>, tag: Span<UInt8>, route: [UInt8]? = nil
    ) {
        let old = call
        let bytes = blocks.span(old.block)
        calls.clearPieces()
        for piece in Call.Piece.allCases {
            if piece == .route, let route {
                calls.add(route.span, .route, to: &call)
                continue
            }
            calls.add(
                piece == other ? text : bytes.extracting(old.range(piece)), piece, to: &call)
            if piece == .to { calls.addTag(tag, of: .to, to: &call) }
        }
    }

    /// The URI of the first Contact; empty when there is none.
    static func contact(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> URI {
        guard let value = index.value(.contact) else { return URI() }
        var list = ValueList(value)
        guard let first = list.next(in: bytes), let address = try? NameAddress(first, in: bytes)
        else { return URI() }
        return address.uri
    }

    // MARK: Inside a dialog

    /// Something was said in a call, if it is one.
    mutating func heard(_ call: Handle) {
        guard call.exists else { return }
        calls[call].heard = now.monotonic
        calls[call].isConfirmed = true
    }

    /// An answer was acknowledged.
    mutating func callConfirmed(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) {
        if let found = calls.find(bytes, index) { heard(found) }
    }

    /// Follows a phone's request inside a dialog of an account (-1 when that is not known), in a call when there
    /// is one; false when it was refused.
    mutating func follow(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ token: AsteriskToken,
        _ account: Int32, _ call: Handle
    ) -> Bool {
        var found = call
        let account = call.exists ? calls[call].account : account
        // A BYE ends its call only once it has been passed on.
        guard index.method != .bye else { return true }
        guard account >= 0 else {
            // What might begin a call is somebody's.
            guard index.method == .refer || index.method == .invite else { return true }
            refuse(bytes, index, flow, 403, "Forbidden", "other-account")
            return false
        }
        if !found.exists {
            guard mayGoOn(account, bytes, index, flow, token) else { return false }
            found = rebuild(account, bytes, index, flow, token)
        }
        if found.exists {
            let sequence = index.sequence &+ UInt32(token.sequenceShift)
            calls[found].inwardSequence = max(calls[found].inwardSequence, sequence)
            calls[found].flow = flow
            heard(found)
            if index.method == .invite || index.method == .update { retarget(found, bytes, index) }
        }
        return index.method != .refer || mayTransfer(account, found, bytes, index, flow)
    }

    /// Whether a token is of a call: nobody speaks in another account's call with a token of his own, or
    /// begins one at another Asterisk with an old token and the name of this one.
    mutating func isOf(_ handle: Handle, _ token: AsteriskToken) -> Bool {
        let call = calls[handle]
        let isRinging = !call.isAnswered && exchanges.contains(call.exchange)
        let asterisk =
            isRinging && call.direction == .made
            ? exchanges[call.exchange].asterisk : call.asterisk
        // An Asterisk may speak by several ports of its address.
        return asterisk.ip == token.asterisk.ip
            && isName(of: call.account, token.account)
    }

    /// Whether a phone's request inside a dialog that we know nothing of may go on.
    ///
    /// The dialog may be older than this process, or made up around an old token to begin a call that
    /// nobody counts. So an INVITE is judged as a new call, and a barred account's calls end with it.
    private mutating func mayGoOn(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ token: AsteriskToken
    ) -> Bool {
        guard trunk(of: account) == nil else { return true }
        let isCall = [Method.invite, .update, .info, .refer].contains(index.method)
        guard !isCall || !calls.gate[account].isBarred || settings.isObserving else {
            refuse(bytes, index, flow, 403, "Forbidden", CallRefusal.barred.code)
            end(rebuild(account, bytes, index, flow, token), .barred)
            return false
        }
        let number = token.user
        return index.method != .invite
            || mayCall(account, number.span, bytes, index, flow) != nil
    }

    /// A call that was there before this process: its row is made of what its requests and tokens tell.
    private mutating func rebuild(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ token: AsteriskToken
    ) -> Handle {
        let isCall = [Method.invite, .update, .info, .refer].contains(index.method)
        guard isCall, !calls.isFull, hasCallShare(account) else { return .none }
        let dialled =
            trunk(of: account) == nil
            ? settings.calls.plan.read(token.user.span) : Dialled(.home)
        var call = Call(
            account: account, direction: .unknown, flow: flow, asterisk: token.asterisk,
            since: now.sinceEpoch, heard: now.monotonic)
        call.isAnswered = true
        call.isConfirmed = true
        call.isFromPhone = true
        call.isAbroad = dialled.kind == .abroad
        call.mark = dialled.mark
        call.outwardSequence = Self.unknownSequence
        addPieces(
            &call, bytes, index, phone: bytes.bytes(Self.contact(bytes, index).whole),
            asterisk: token.user.span, peer: bytes.bytes(index.to.uri.user), route: [])
        return keep(&call, bytes, index)
    }

    /// Higher than any CSeq that a dialog has reached, when it is not known what that is.
    private static let unknownSequence: UInt32 = 0x4000_0000

    private mutating func addPieces(
        _ call: inout Call, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        phone: Span<UInt8>, asterisk: Span<UInt8>, peer: Span<UInt8>, route: [UInt8]
    ) {
        calls.clearPieces()
        calls.add(bytes.bytes(index.callID), .callID, to: &call)
        calls.add(bytes.bytes(index.from.whole), .from, to: &call)
        calls.add(bytes.bytes(index.to.whole), .to, to: &call)
        calls.add(phone, .phone, to: &call)
        calls.add(asterisk, .asterisk, to: &call)
        calls.add(peer, .peer, to: &call)
        calls.add(route.span, .route, to: &call)
    }

    private mutating func keep(
        _ call: inout Call, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Handle {
        guard calls.keepPieces(&call, &blocks, &accounts) else { return .none }
        accounts[call.account].isKept = true
        guard let handle = calls.begin(call, Calls.Marks(bytes, index)) else {
            blocks.release(&call.block, of: call.account, &accounts)
            return .none
        }
        return handle
    }

    /// The phone can be reached by another Contact from now on (RFC 3261 section 12.2.2).
    private mutating func retarget(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let uri = Self.contact(bytes, index)
        guard !uri.whole.isEmpty, calls[handle].isAnswered else { return }
        var call = calls[handle]
        guard !Self.isKept(call, .phone, blocks, bytes.bytes(uri.whole)) else { return }
        Self.replace(&calls, &call, blocks, .phone, bytes.bytes(uri.whole), tag: Span())
        if calls.keepPieces(&call, &blocks, &accounts) { calls[handle] = call }
    }

    private static func isKept(
        _ call: Call, _ piece: Call.Piece, _ blocks: borrowing BlockStore, _ text: Span<UInt8>
    ) -> Bool {
        blocks.span(call.block).extracting(call.range(piece)).equals(text)
    }

    /// An Asterisk knows nothing of the dialog that an account's request was in: the call is over, or never was one
    /// (RFC 3261 section 12.2.1.2).
    mutating func dialogUnknown(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        guard let found = calls.find(bytes, index), calls[found].account == account else { return }
        over(found, .asterisk, EndCause(status: index.status))
    }

    /// Ends the call of a BYE that was passed on; one that was refused leaves it as it was, for the
    /// other end has not heard of it.
    mutating func hungUp(
        _ handle: Handle, _ call: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        guard calls.table.contains(call), exchanges[handle].server.isOpen else { return }
        exchanges[handle].call = call
        var sender = CallEnd.asterisk
        if exchanges[handle].direction == .inward {
            sender = trunk(of: calls[call].account) == nil ? .phone : .trunk
        }
        over(call, sender, EndCause(bytes, index))
    }

    /// Follows an Asterisk's request inside a dialog, in a call when there is one.
    mutating func followInside(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ way: Flow,
        _ account: Int32, _ call: Handle
    ) {
        // A BYE ends its call only once it has been passed on.
        guard index.method != .bye else { return }
        if call.exists {
            calls[call].outwardSequence = max(calls[call].outwardSequence, index.sequence)
            heard(call)
            return
        }
        let isCall = [Method.invite, .update, .info].contains(index.method)
        guard isCall, account >= 0, !calls.isFull, hasCallShare(account) else { return }
        var call = Call(
            account: account, direction: .unknown, flow: way, asterisk: flow.peer,
            since: now.sinceEpoch, heard: now.monotonic)
        call.isAnswered = true
        call.isConfirmed = true
        call.inwardSequence = Self.unknownSequence
        call.outwardSequence = index.sequence
        addPieces(
            &call, bytes, index, phone: bytes.bytes(index.requestURI.whole),
            asterisk: bytes.bytes(Self.contact(bytes, index).user),
            peer: UserPart(bytes.bytes(index.from.uri.user)).span,
            route: trunk(of: account) == nil
                ? [] : Self.values(.route, dropping: 1, bytes, index))
        let handle = keep(&call, bytes, index)
        if calls.gate[account].isBarred, !settings.isObserving { end(handle, .barred) }
    }

    // MARK: Calls that nobody ends

    /// Forgets calls of which nothing was heard for long, and those whose INVITE has ended otherwise.
    mutating func sweepCalls() {
        calls.nextSweep = now.monotonic + Self.sweepInterval
        guard calls.table.count > 0 else { return }
        let oldest = now.monotonic - Self.longestSilence
        // RFC 3261 section 13.3.1.4: an answer that nobody acknowledges is taken back.
        let unconfirmed = now.monotonic - Timers.giveUp
        for handle in calls.handles {
            let call = calls[handle]
            let isLost =
                call.isAnswered
                ? call.heard < (call.isConfirmed ? oldest : unconfirmed)
                : !exchanges.contains(call.exchange)
            guard isLost else { continue }
            over(handle, call.isAnswered && !call.isConfirmed ? .unacknowledged : .silent)
        }
    }
}
