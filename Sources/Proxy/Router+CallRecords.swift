internal import Journal
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// What the journal says of a call: that it was answered, and how it ended.
///
/// What is not known of a call that is older than this process is left out.
extension Router {
    /// What a record says of a call, beside its number and its Call-ID.
    private struct Facts {
        var account: Int32
        var isTrunk: Bool
        /// Who made it.
        var direction: CallDirection
        /// Nil when none was chosen.
        var asterisk: SocketAddress?
        /// The way to the phone, or to the trunk's server; nil when nobody has answered there.
        var phone: Flow?
        /// How it ended; nil when it was answered just now.
        var end: End?
    }

    /// How a call ended.
    private struct End {
        var end: CallEnd
        var cause: EndCause
        /// The status that its caller got; 0 when it was answered.
        var status: UInt16 = 0
        /// How long they talked; nil when that is not known, or nobody has answered.
        var talk: Milliseconds?
    }

    private func facts(_ call: Call) -> Facts {
        var facts = Facts(
            account: call.account, isTrunk: trunk(of: call.account) != nil,
            direction: call.direction, asterisk: call.asterisk, phone: call.flow)
        guard !call.isAnswered else { return facts }
        if call.direction == .received {
            facts.phone = nil
        } else {
            let isKnown = exchanges.contains(call.exchange) && exchanges[call.exchange].tried != 0
            facts.asterisk = isKnown ? exchanges[call.exchange].asterisk : nil
        }
        return facts
    }

    // MARK: Beginnings

    /// Records that a call of the table was answered.
    mutating func answeredRecord(_ handle: Handle) {
        let call = calls[handle]
        let facts = facts(call)
        Self.write(&audit.records, accounts, blocks, call, facts)
    }

    // MARK: Ends

    /// A call of the table is over: that is recorded, and its place is free.
    ///
    /// Nothing is done for one that is not there.
    mutating func over(
        _ handle: Handle, _ end: CallEnd, _ cause: EndCause = EndCause(), status: UInt16 = 0
    ) {
        guard calls.table.contains(handle) else { return }
        let call = calls[handle]
        var facts = facts(call)
        let isTalk = call.isAnswered && call.answeredAt.count > 0 && end != .silent
        facts.end = End(
            end: end, cause: cause, status: status,
            talk: isTalk ? now.monotonic - call.answeredAt : nil)
        Self.write(&audit.records, accounts, blocks, call, facts)
        calls.end(handle, &blocks, &accounts, now.monotonic)
    }

    /// Notes who ends the call of an exchange, which nobody has answered, and why he says he does.
    mutating func noteEnd(
        _ owner: Handle, byCaller: Bool, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        guard exchanges[owner].call.exists else { return }
        let isOutside = (exchanges[owner].direction == .inward) == byCaller
        let outside = exchanges[owner].isTrunk ? CallEnd.trunk : .phone
        noteEnd(owner, isOutside ? outside : .asterisk, EndCause(bytes, index))
    }

    /// Notes who ends the call of an exchange, which nobody has answered; who is first stays.
    mutating func noteEnd(_ owner: Handle, _ end: CallEnd, _ cause: EndCause = EndCause()) {
        let handle = exchanges[owner].call
        guard calls.table.contains(handle), calls[handle].end == nil else { return }
        calls[handle].end = end
        calls[handle].cause = cause
    }

    /// Records the end of a call that is not in the table, unless it is recorded: its BYE was answered.
    ///
    /// The call is older than this process, or there was no room for it. A BYE out of any dialog ends
    /// none.
    mutating func unlistedEnd(
        _ owner: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) {
        let exchange = exchanges[owner]
        // Out of any dialog several phones may answer, the later ones a request that is kept no more.
        guard exchange.inDialog, exchange.request.exists, calls.endsNow(bytes, index),
            clients.contains(client)
        else { return }
        // As whoever made the call wrote its Call-ID: that is what the Asterisk knows.
        let asked = [UInt8](blocks.span(exchange.request))
        var request = MessageIndex()
        guard (try? parser.parse(asked.span, into: &request)) != nil else { return }
        let isInward = exchange.direction == .inward
        let sender: CallEnd = isInward ? exchange.isTrunk ? .trunk : .phone : .asterisk
        var facts = Facts(
            account: exchange.account, isTrunk: exchange.isTrunk, direction: .unknown,
            asterisk: isInward ? exchange.asterisk : exchange.flow.peer,
            phone: isInward ? exchange.flow : clients[client].flow)
        facts.end = End(end: sender, cause: EndCause(asked.span, request))
        let callID = isInward ? bytes.bytes(index.callID) : asked.span.bytes(request.callID)
        Self.write(&audit.records, accounts, facts, number: Span(), callID)
    }

    // MARK: Writing

    private static func write(
        _ records: inout RecordBatch, _ accounts: borrowing Accounts,
        _ blocks: borrowing BlockStore, _ call: Call, _ facts: Facts
    ) {
        let bytes = blocks.span(call.block)
        write(
            &records, accounts, facts, number: bytes.extracting(call.range(.peer)),
            bytes.extracting(call.range(.callID)))
    }

    private static func write(
        _ records: inout RecordBatch, _ accounts: borrowing Accounts, _ facts: Facts,
        number: Span<UInt8>, _ callID: Span<UInt8>
    ) {
        let isOurs = facts.end.map { !$0.end.reason.isEmpty } ?? false
        records.begin(facts.end == nil ? .callBegan : .callEnded, isOurs ? .notice : .info)
        sentence(&records, accounts, facts, number)
        if facts.isTrunk {
            records.field(.trunk)
            let name = accounts.name(facts.account)
            records.append(name.extracting(Trunk.prefix.utf8.count..<name.count))
        } else if facts.account >= 0 {
            records.field(.account)
            records.append(accounts.name(facts.account))
        }
        if facts.direction != .unknown {
            if !number.isEmpty {
                records.field(.number)
                records.append(number)
            }
            records.field(.direction)
            // What comes from a trunk comes in, as the house sees it.
            records.append(
                (facts.direction == .made) == facts.isTrunk ? "inward" : "outward")
        }
        if let asterisk = facts.asterisk {
            records.field(.asterisk)
            records.append(asterisk)
        }
        if let phone = facts.phone { records.source(phone) }
        records.field(.callID)
        records.append(callID)
        if let end = facts.end { write(&records, end) }
        records.end()
    }

    private static func sentence(
        _ records: inout RecordBatch, _ accounts: borrowing Accounts, _ facts: Facts,
        _ number: Span<UInt8>
    ) {
        let isNumbered = !number.isEmpty && facts.direction != .unknown
        records.append("call ")
        if isNumbered, facts.direction == .received {
            records.append(facts.isTrunk ? "to " : "from ")
            records.append(number)
            records.append(facts.isTrunk ? " by " : " to ")
        } else {
            records.append(isNumbered ? "from " : "of ")
        }
        if facts.account >= 0 {
            records.append(accounts.name(facts.account))
        } else {
            records.append("an unknown account")
        }
        if isNumbered, facts.direction == .made {
            records.append(" to ")
            records.append(number)
        }
        guard let end = facts.end else {
            records.append(" answered")
            return
        }
        if end.status > 0 {
            records.append(" not answered: ")
            records.append(decimal: UInt64(end.status))
            records.append(" by ")
        } else {
            records.append(" ended by ")
        }
        records.append(end.end.endedBy)
        if let talk = end.talk {
            records.append(" after ")
            records.append(decimal: UInt64(max(talk.seconds, 0)))
            records.append(" s")
        }
    }

    private static func write(_ records: inout RecordBatch, _ end: End) {
        if let talk = end.talk {
            records.field(.seconds)
            records.append(decimal: UInt64(max(talk.seconds, 0)))
        }
        records.field(.endedBy)
        records.append(end.end.endedBy)
        if end.cause.code > 0 {
            records.field(.cause)
            records.append(end.cause.isQ850 ? "Q.850 " : "SIP ")
            records.append(decimal: UInt64(end.cause.code))
        }
        if end.status > 0 {
            records.field(.status)
            records.append(decimal: UInt64(end.status))
        }
        if !end.end.reason.isEmpty {
            records.field(.reason)
            records.append(text: end.end.reason)
        }
    }
}
