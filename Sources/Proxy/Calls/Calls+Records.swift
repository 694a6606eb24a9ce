internal import Journal
internal import Messages
internal import ProxyBench
internal import ProxyCore
internal import SIP
internal import SIPWriting
internal import Sys
internal import Transactions
internal import Trunks

/// What the journal says of a call: that it was answered, and how it ended.
///
/// What is not known of a call that is older than this process is left out.
extension Calls {
    /// What a record says of a call, beside its number and its Call-ID.
    private struct Facts {
        var party: Party
        /// As tokens and records know the party; empty when it is not known.
        var name: TokenText
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

    private static func facts(
        _ call: Call, _ core: borrowing ProxyCore, _ ground: borrowing Ground
    ) -> Facts {
        var facts = Facts(
            party: call.party, name: ground.name(of: call.party), direction: call.direction,
            asterisk: call.asterisk, phone: call.flow)
        guard !call.isAnswered else { return facts }
        if call.direction == .received {
            facts.phone = nil
        } else {
            let isKnown = core.contains(call.context) && core[call.context].tried != 0
            facts.asterisk = isKnown ? core[call.context].asterisk : nil
        }
        return facts
    }

    /// Records that a call of the table was answered.
    func recordAnswer(
        _ handle: Handle, _ core: borrowing ProxyCore, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) {
        let call = table[handle]
        Self.write(
            &bench.effects.journal.records, bench.blocks, call, Self.facts(call, core, ground))
    }

    /// A call of the table is over: that is recorded, and its place is free.
    ///
    /// Nothing is done for one that is not there.
    mutating func over(
        _ handle: Handle, _ end: CallEnd, cause: EndCause = EndCause(),
        status: UInt16 = 0, _ core: borrowing ProxyCore, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) {
        guard table.contains(handle) else { return }
        let call = table[handle]
        var facts = Self.facts(call, core, ground)
        let isTalk = call.isAnswered && call.answeredAt.count > 0 && end != .silent
        facts.end = End(
            end: end, cause: cause, status: status,
            talk: isTalk ? bench.now.monotonic - call.answeredAt : nil)
        Self.write(&bench.effects.journal.records, bench.blocks, call, facts)
        table.end(handle, &bench)
    }

    /// Records the end of a call that is not in the table, unless it is recorded: its BYE was answered.
    ///
    /// The call is older than this process, or there was no room for it. A BYE out of any dialog ends
    /// none.
    mutating func recordUnlisted(
        _ owner: Handle, _ branch: Handle, _ message: borrowing Incoming,
        _ core: borrowing ProxyCore, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let context = core[owner]
        // Out of any dialog several phones may answer, the later ones a request that is stored no more.
        guard context.inDialog, context.request.exists,
            table.recordEnd(message.bytes, message.index), ground.transactions.contains(branch)
        else { return }
        // As its caller wrote its Call-ID: that is what the Asterisk knows.
        let asked = [UInt8](copying: bench.blocks.span(context.request))
        var request = MessageIndex()
        guard (try? bench.parser.parse(asked.span, into: &request)) != nil else { return }
        let isInward = context.direction == .inward
        var sender = CallEnd.asterisk
        if isInward { sender = context.party.isTrunk ? .trunk : .phone }
        var facts = Facts(
            party: context.party, name: ground.name(of: context.party), direction: .unknown,
            asterisk: isInward ? context.asterisk : context.flow.peer,
            phone: isInward ? context.flow : ground.transactions[branch].flow)
        facts.end = End(end: sender, cause: EndCause(asked.span, request))
        let callID =
            isInward
            ? message.bytes.bytes(message.index.callID) : asked.span.bytes(request.callID)
        Self.write(&bench.effects.journal.records, facts, number: Span(), callID)
    }

    // MARK: Writing

    private static func write(
        _ records: inout RecordBatch, _ blocks: borrowing BlockStore, _ call: Call, _ facts: Facts
    ) {
        let bytes = blocks.span(call.block)
        write(
            &records, facts, number: bytes.extracting(call.range(.peer)),
            bytes.extracting(call.range(.callID)))
    }

    private static func write(
        _ records: inout RecordBatch, _ facts: Facts, number: Span<UInt8>, _ callID: Span<UInt8>
    ) {
        let isOurs = facts.end.map { !$0.end.reason.isEmpty } ?? false
        let isTrunk = facts.party.isTrunk
        records.begin(facts.end == nil ? .callBegan : .callEnded, isOurs ? .notice : .info)
        sentence(&records, facts, number)
        if isTrunk {
            records.field(.trunk)
            let name = facts.name.span
            records.append(name.extracting(Trunks.tokenPrefix.count..<name.count))
        } else if facts.party != .nobody {
            records.field(.account)
            records.append(facts.name.span)
        }
        if facts.direction != .unknown {
            if !number.isEmpty {
                records.field(.number)
                records.append(number)
            }
            records.field(.direction)
            // What comes from a trunk comes in, as the house sees it.
            records.append((facts.direction == .made) == isTrunk ? "inward" : "outward")
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
        _ records: inout RecordBatch, _ facts: Facts, _ number: Span<UInt8>
    ) {
        let isTrunk = facts.party.isTrunk
        let isNumbered = !number.isEmpty && facts.direction != .unknown
        records.append("call ")
        if isNumbered, facts.direction == .received {
            records.append(isTrunk ? "to " : "from ")
            records.append(number)
            records.append(isTrunk ? " by " : " to ")
        } else {
            records.append(isNumbered ? "from " : "of ")
        }
        if facts.party == .nobody {
            records.append("an unknown account")
        } else {
            records.append(facts.name.span)
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
