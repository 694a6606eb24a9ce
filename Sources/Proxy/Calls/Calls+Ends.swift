internal import AccountCache
internal import Digest
package import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
internal import SIPWriting
package import Sys
internal import Transactions
internal import Trunks

/// Ending calls, and what the command line asks of them.
extension Calls {
    /// Ends a call: an answered one by a BYE to either side, one that rings by CANCEL.
    mutating func end(
        _ handle: Handle, _ end: CallEnd, _ core: inout ProxyCore, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        guard table.contains(handle) else { return }
        let call = table[handle]
        guard call.isAnswered else {
            cancel(handle, end, &core, &ground, &bench)
            return
        }
        if let way = ground.openWay(call.flow, call.party, bench) {
            sendBye(call, .outward, way, &ground, &bench)
        }
        let inside = ground.way(of: call.party, toAsterisk: call.asterisk, bench)
        sendBye(call, .inward, inside, &ground, &bench)
        over(handle, end, core, ground, &bench)
    }

    /// Cancels the branches of a call that nobody has answered; a phone that answers all the same gets a BYE.
    private mutating func cancel(
        _ handle: Handle, _ end: CallEnd, _ core: inout ProxyCore, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        let owner = table[handle].context
        guard core.isOpen(owner) else {
            over(handle, end, core, ground, &bench)
            return
        }
        setEnd(handle, end)
        table[handle].isEnding = true
        core.cancel(owner, [], &ground, &bench)
    }

    private func sendBye(
        _ call: Call, _ direction: Direction, _ flow: Flow, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        guard let handle = ground.beginAlone(.bye, flow, &bench) else { return }
        bench.writer.begin(to: flow.peer.ip)
        let name = ground.name(of: call.party)
        Self.writeBye(
            &bench.writer, bench.blocks, name.span, call, direction, flow, handle,
            cookie: ground.transactions[handle].cookie)
        ground.sendAlone(handle, &bench)
    }

    private static func writeBye(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore, _ name: Span<UInt8>,
        _ call: Call, _ direction: Direction, _ flow: Flow, _ transaction: Handle,
        cookie: UInt64
    ) {
        let bytes = blocks.span(call.block)
        let phone = bytes.extracting(call.range(.phone))
        writer.append("BYE ")
        if direction == .inward {
            writer.append(uriOf: call.asterisk, user: bytes.extracting(call.range(.asterisk)))
        } else if phone.isEmpty {
            writer.append(uriOf: flow.peer, user: name)
        } else {
            writer.append(phone)
        }
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, transaction, cookie)
        writer.maxForwards(70)
        // Toward the Asterisk we speak as the phone, toward the phone as the Asterisk.
        let isFrom = (direction == .inward) == call.isFromPhone
        let owner: DialogOwner = call.isFromPhone ? .outside : .inside
        let from = call.range(isFrom ? .from : .to)
        if direction == .inward, !call.party.isTrunk, let phone = Self.party(from, bytes) {
            writer.account(phone, bytes, name)
        } else {
            write(&writer, "From", from, bytes, direction, owner)
        }
        write(&writer, "To", call.range(isFrom ? .to : .from), bytes, direction, owner)
        if direction == .outward, !call.range(.route).isEmpty {
            writer.header("Route", bytes.extracting(call.range(.route)), direction)
        }
        writer.callID(bytes.extracting(call.range(.callID)), direction, owner)
        let last = direction == .inward ? call.inwardSequence : call.outwardSequence
        writer.append("CSeq: ")
        writer.append(decimal: UInt64(last) + 1)
        writer.append(" BYE\r\n")
        writer.endEmpty()
    }

    /// Writes From or To as the other requests of the dialog have it.
    private static func write(
        _ writer: inout MessageWriter, _ name: StaticString, _ range: Range<Int>,
        _ bytes: Span<UInt8>, _ direction: Direction, _ owner: DialogOwner
    ) {
        if direction == .inward, let party = Self.party(range, bytes) {
            writer.party(name, party, bytes)
        } else {
            writer.party(name, bytes.extracting(range), owner)
        }
    }

    private static func party(_ range: Range<Int>, _ bytes: Span<UInt8>) -> NameAddress? {
        try? NameAddress(.from(range.lowerBound, to: range.upperBound), in: bytes)
    }

    // MARK: Accounts that may not go on

    /// Whether a request inside a dialog may be of a call, or begin one.
    static func mayBeCall(_ method: Method) -> Bool {
        switch method {
        case .invite, .update, .info, .refer: true
        default: false
        }
    }

    /// What ends the dialog of a party with its next request, other than one that ends it anyway; nil when it goes on.
    ///
    /// An account that is gone or shut out says nothing more. A barred one had its calls ended when it was barred: one
    /// that is not known is older than this process.
    func ending(
        _ party: Party, _ method: Method, isKnown: Bool, at ip: IPAddress,
        _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> CallEnd? {
        guard let account = party.account else { return nil }
        guard ground.accounts.mayGoOn(account, at: ip, bench.now.monotonic) else { return .revoked }
        let isBarred = !isKnown && Self.mayBeCall(method) && isBarred(party)
        return isBarred && !bench.settings.isObserving ? .barred : nil
    }

    /// Ends every call of an account.
    package mutating func revoke(
        _ account: AccountID, _ core: inout ProxyCore, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        for call in table.handles(of: .account(account)) {
            end(call, .revoked, &core, &ground, &bench)
        }
    }

    /// Ends the calls that an account's row has let in unconfirmed, and would not let in as it stands.
    package mutating func takeBack(
        _ account: AccountID, hasNewSecret: Bool, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        for call in table.handles(of: .account(account)) where table[call].isUnconfirmed {
            if hasNewSecret || !ground.accounts.admits(account, table[call].flow.peer.ip) {
                end(call, .revoked, &core, &ground, &bench)
            }
        }
    }

    /// The source has confirmed an account's row: what it let in stays.
    package mutating func confirm(_ account: AccountID) {
        for call in table.handles(of: .account(account)) { table[call].isUnconfirmed = false }
    }

    // MARK: Who ends it

    /// Who ends a call that nobody has answered; the first one stays.
    func mayEnd(_ handle: Handle) -> Bool { table.contains(handle) && table[handle].end == nil }

    mutating func setEnd(_ handle: Handle, _ end: CallEnd, _ cause: EndCause = EndCause()) {
        guard mayEnd(handle) else { return }
        table[handle].end = end
        table[handle].cause = cause
    }

    /// The caller, or who was called, ends a call that nobody has answered, and says why.
    mutating func setEnd(_ handle: Handle, byCaller: Bool, _ cause: EndCause) {
        guard mayEnd(handle) else { return }
        let call = table[handle]
        let isOutside = (call.direction == .made) == byCaller
        let outside: CallEnd = call.party.isTrunk ? .trunk : .phone
        setEnd(handle, isOutside ? outside : .asterisk, cause)
    }

    /// Its caller cancels a request, and says why.
    package mutating func cancelled(
        _ owner: Handle, _ message: borrowing Incoming, _ core: borrowing ProxyCore
    ) {
        setEnd(core[owner].call, byCaller: true, EndCause(message.bytes, message.index))
    }

    /// Ends the call of a BYE that was passed on; one that was refused leaves it as it was, for the
    /// other end has not heard of it.
    package mutating func hungUp(
        _ owner: Handle, _ call: Handle, _ message: borrowing Incoming, _ core: inout ProxyCore,
        _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        guard table.contains(call), core.isOpen(owner) else { return }
        core.setCall(owner, call)
        var sender = CallEnd.asterisk
        if core[owner].direction == .inward {
            sender = table[call].party.isTrunk ? .trunk : .phone
        }
        over(
            call, sender, cause: EndCause(message.bytes, message.index), core, ground, &bench)
    }

    /// An Asterisk knows nothing of the dialog that a party's request was in: the call is over, or never was one
    /// (RFC 3261 section 12.2.1.2).
    mutating func dialogUnknown(
        _ party: Party, _ message: borrowing Incoming, _ core: borrowing ProxyCore,
        _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let found = find(message)
        guard found.exists, table[found].party == party else { return }
        over(
            found, .asterisk, cause: EndCause(status: message.index.status), core, ground, &bench)
    }

    // MARK: The command line

    /// Every call that is under way, for `rempart calls`.
    package func rows(
        _ core: borrowing ProxyCore, _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> [ControlReply] {
        var rows: [ControlReply] = []
        for handle in table.handles { rows.append(.call(row(handle, core, ground, bench))) }
        return rows
    }

    /// The first calls of an account that are under way, at most so many, for `rempart explain`.
    package func rows(
        of account: AccountID, most: Int, _ core: borrowing ProxyCore, _ ground: borrowing Ground,
        _ bench: borrowing Bench
    ) -> [ControlReply] {
        var rows: [ControlReply] = []
        for handle in table.handles(of: .account(account)).prefix(most) {
            rows.append(.call(row(handle, core, ground, bench)))
        }
        return rows
    }

    private func row(
        _ handle: Handle, _ core: borrowing ProxyCore, _ ground: borrowing Ground,
        _ bench: borrowing Bench
    ) -> CallRow {
        let call = table[handle]
        var row = CallRow(
            account: ground.name(of: call.party).span.text, direction: call.direction,
            peer: Self.piece(.peer, of: call, bench.blocks), isAnswered: call.isAnswered,
            isAbroad: call.isAbroad, since: call.since, asterisk: call.asterisk,
            phone: call.flow.peer, callID: Self.piece(.callID, of: call, bench.blocks))
        if call.party.isTrunk, call.direction != .unknown {
            row.direction = call.direction == .made ? .received : .made
        }
        if !call.isAnswered, call.direction == .made, core.contains(call.context) {
            row.asterisk = core[call.context].asterisk
        }
        if !call.isAnswered, call.direction == .received {
            let ringing = Self.ringing(call, core, ground)
            row.phones = UInt8(ringing.count)
            row.phone = ringing.first ?? call.flow.peer
        }
        return row
    }

    /// Where a call rings that nobody has answered.
    private static func ringing(
        _ call: Call, _ core: borrowing ProxyCore, _ ground: borrowing Ground
    ) -> [SocketAddress] {
        guard core.contains(call.context) else { return [] }
        let context = core[call.context]
        var phones: [SocketAddress] = []
        for place in 0..<context.branchCount {
            let branch = context.branches[place]
            guard ground.transactions.contains(branch), !ground.transactions[branch].isReported
            else { continue }
            phones.append(ground.transactions[branch].flow.peer)
        }
        return phones
    }

    private static func piece(
        _ piece: Call.Piece, of call: Call, _ blocks: borrowing BlockStore
    ) -> String {
        blocks.span(call.block).extracting(call.range(piece)).text
    }

    /// Ends the calls of a Call-ID; what to say when there is none.
    package mutating func end(
        callID: String, _ core: inout ProxyCore, _ ground: inout Ground, _ bench: inout Bench
    ) -> ControlReply {
        var isFound = false
        for handle in table.handles
        where Self.piece(.callID, of: table[handle], bench.blocks) == callID {
            isFound = true
            end(handle, .byHand, &core, &ground, &bench)
        }
        return isFound
            ? .done : .failed("no call has this Call-ID: `rempart calls` lists those there are")
    }
}
