internal import Dialling
internal import Journal
package import Messages
internal import SIP
internal import SIPTransactions
internal import SIPWriting
package import Sys

/// Ending calls, barring accounts and releasing them.
extension Router {
    // MARK: Ends

    /// Ends a call: an answered one by a BYE to either side, one that rings by CANCEL.
    mutating func end(_ handle: Handle, _ end: CallEnd) {
        guard calls.table.contains(handle) else { return }
        let call = calls[handle]
        guard call.isAnswered else {
            cancelCall(handle, end)
            return
        }
        if let way = openWay(call.flow, call.account) { sendBye(call, .outward, way) }
        sendBye(call, .inward, way(insideListener(call.account), to: call.asterisk))
        over(handle, end)
    }

    /// Cancels the branches of a call that nobody has answered; who answers all the same gets a BYE.
    private mutating func cancelCall(_ handle: Handle, _ end: CallEnd) {
        let owner = calls[handle].exchange
        guard exchanges.contains(owner), exchanges[owner].server.isOpen else {
            over(handle, end)
            return
        }
        noteEnd(owner, end)
        calls[handle].isEnding = true
        cancelExchange(owner, [])
    }

    private mutating func sendBye(_ call: Call, _ direction: Direction, _ flow: Flow) {
        let client = Client(owner: .nobody, method: .bye, flow: flow, cookie: random())
        guard let handle = clients.take(client) else { return }
        writer.begin(to: flow.peer.ip)
        Self.writeBye(
            &writer, blocks, accounts, call, direction, flow, handle, cookie: client.cookie)
        send(handle)
    }

    private static func writeBye(
        _ writer: inout MessageWriter, _ blocks: borrowing BlockStore,
        _ accounts: borrowing Accounts, _ call: Call, _ direction: Direction, _ flow: Flow,
        _ client: Handle, cookie: UInt64
    ) {
        let bytes = blocks.span(call.block)
        let phone = bytes.extracting(call.range(.phone))
        writer.append("BYE ")
        if direction == .inward {
            writer.append(uriOf: call.asterisk, user: bytes.extracting(call.range(.asterisk)))
        } else if phone.isEmpty {
            writer.append(uriOf: flow.peer, user: accounts.name(call.account))
        } else {
            writer.append(phone)
        }
        writer.append(" SIP/2.0\r\n")
        writer.via(flow, client, cookie)
        writer.maxForwards(70)
        // Toward the Asterisk we speak as the phone, toward the phone as the Asterisk.
        let isFrom = (direction == .inward) == call.isFromPhone
        let owner: DialogOwner = call.isFromPhone ? .outside : .inside
        write(&writer, "From", call.range(isFrom ? .from : .to), bytes, direction, owner)
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
        let place = Slice.from(range.lowerBound, to: range.upperBound)
        if direction == .inward, let party = try? NameAddress(place, in: bytes) {
            writer.party(name, party, bytes)
        } else {
            writer.party(name, bytes.bytes(place), owner)
        }
    }

    private static func piece(
        _ piece: Call.Piece, of call: Call, _ blocks: borrowing BlockStore
    ) -> String {
        blocks.span(call.block).extracting(call.range(piece)).text
    }

    // MARK: Bars

    /// Bars an account from calling until it is released, and ends its calls.
    mutating func bar(_ account: Int32, _ reason: String, _ evidence: String) {
        calls.gate[account].isBarred = true
        calls.bars[account] = Bar(since: now.sinceEpoch, reason: reason, evidence: evidence)
        accounts[account].isKept = true
        keepStanding(account)
        barRecord(account, reason, evidence, "is")
        for call in calls.handles(of: account) { end(call, .barred) }
    }

    /// Records that an account is barred, or would be.
    mutating func barRecord(
        _ account: Int32, _ reason: String, _ evidence: String, _ verb: String
    ) {
        let name = accounts.name(account).text
        audit.add(
            .accountBarred, .warning,
            "\(name) \(verb) barred from calling: \(reason) (\(evidence))",
            [(.account, name), (.reason, reason)])
    }

    /// Lets an account call again, and abroad; what to say when nothing was held against it.
    package mutating func release(_ name: String, _ now: Now) -> ControlReply {
        self.now = now
        let bytes = Array(name.utf8)
        guard let account = accounts.find(bytes.span),
            calls.gate[account].isBarred || calls.gate[account].heldUntil > now.sinceEpoch
        else { return .failed("nothing is held against an account `\(name)`") }
        calls.gate[account].isBarred = false
        calls.gate[account].heldUntil = Milliseconds(0)
        calls.bars[account] = nil
        keepStanding(account)
        audit.add(.accountReleased, .notice, "\(name) may call again", [(.account, name)])
        return .done
    }

    // MARK: directory

    private func standing(_ account: Int32) -> AccountStanding {
        let bar = calls.bars[account]
        let held = calls.gate[account].heldUntil
        return AccountStanding(
            account: accounts.name(account).text, countries: calls.gate.countries(account),
            heldUntil: held > now.sinceEpoch ? held : Milliseconds(0),
            barredSince: bar?.since ?? Milliseconds(0), reason: bar?.reason ?? "",
            evidence: bar?.evidence ?? "")
    }

    mutating func keepStanding(_ account: Int32) { toDirectory.append(.keep(standing(account))) }

    /// Takes what directory kept of an account; one that was started anew is told instead what holds.
    mutating func restore(_ standing: AccountStanding) {
        let name = Array(standing.account.utf8)
        guard let account = accounts.number(name.span) else { return }
        guard !hasLoaded else {
            if self.standing(account) != standing { keepStanding(account) }
            return
        }
        accounts[account].isKept = true
        calls.gate.restore(account, standing.held(within: now.sinceEpoch))
        if standing.barredSince.count > 0 {
            calls.bars[account] = Bar(
                since: standing.barredSince, reason: standing.reason, evidence: standing.evidence)
        }
    }

    /// directory is told everything that is held against accounts.
    mutating func tellStandings() {
        for account in 0..<Int32(min(calls.gate.count, accounts.indices.count)) {
            let standing = standing(account)
            if !standing.isEmpty { toDirectory.append(.keep(standing)) }
        }
    }

    // MARK: The command line

    /// The accounts that are barred from calling, or from calling abroad, for `rempart status`.
    package func standingRows() -> [ControlReply] {
        (0..<Int32(min(calls.gate.count, accounts.indices.count))).compactMap { account in
            let caller = calls.gate[account]
            guard caller.isBarred || caller.heldUntil > now.sinceEpoch else { return nil }
            return .standing(standing(account))
        }
    }

    /// Every call that is under way, for `rempart calls`.
    package func callRows() -> [ControlReply] { calls.handles.map { .call(row($0)) } }

    private func row(_ handle: Handle) -> CallRow {
        let call = calls[handle]
        var row = CallRow(
            account: accounts.name(call.account).text, direction: call.direction,
            peer: Self.piece(.peer, of: call, blocks), isAnswered: call.isAnswered,
            isAbroad: call.isAbroad, since: call.since, asterisk: call.asterisk,
            phone: call.flow.peer, callID: Self.piece(.callID, of: call, blocks))
        if trunk(of: call.account) != nil, call.direction != .unknown {
            row.direction = call.direction == .made ? .received : .made
        }
        if !call.isAnswered, call.direction == .made, exchanges.contains(call.exchange) {
            row.asterisk = exchanges[call.exchange].asterisk
        }
        return row
    }

    /// Ends the calls of a Call-ID; what to say when there is none.
    package mutating func endCalls(_ callID: String, _ now: Now) -> ControlReply {
        self.now = now
        let ended = calls.handles.filter { row($0).callID == callID }
        for handle in ended { end(handle, .byHand) }
        return ended.isEmpty
            ? .failed("no call has this Call-ID: `rempart calls` lists those there are") : .done
    }
}
