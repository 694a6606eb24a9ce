internal import AccountCache
internal import Admission
internal import AsteriskPool
package import Dialling
package import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
package import SIPWriting
package import Sys
internal import Transactions

/// The table of calls, as messages pass.
extension Calls {
    /// Higher than any CSeq that a dialog has reached, when it is not known what that is.
    private static let unknownSequence: UInt32 = 0x4000_0000

    // MARK: Beginnings

    /// The INVITE of a response context begins a call of its party; false when there is no room, which ends it: a call
    /// that is not counted would have no limits.
    package mutating func begin(
        _ handle: Handle, _ direction: CallDirection, _ dialled: Dialled,
        _ message: borrowing Incoming, _ core: inout ProxyCore, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Bool {
        let context = core[handle]
        guard context.method == .invite, context.party != .nobody else { return true }
        let bytes = message.bytes
        var call = Call(
            party: context.party, direction: direction, flow: context.flow,
            asterisk: context.flow.peer, since: bench.now.sinceEpoch, heard: bench.now.monotonic)
        call.context = handle
        call.sequence = message.index.sequence
        call.isFromPhone = direction == .made
        call.isAbroad = dialled.kind == .abroad
        call.isUnconfirmed = message.sender.isUnconfirmed
        call.mark = dialled.mark
        call.isUnlocated =
            call.isAbroad && ground.admission.isUnlocated(context.flow.peer.ip)
        let contact = message.index.contactURI(bytes)
        let peer = Self.peer(of: context, isFromPhone: call.isFromPhone, message, bench)
        addPieces(
            &call, message,
            phone: bytes.bytes(call.isFromPhone ? contact.whole : .empty),
            asterisk: bytes.bytes(call.isFromPhone ? .empty : contact.user),
            peer: peer.span,
            route: context.party.isTrunk && call.isFromPhone
                ? FieldValues.list(.recordRoute, bytes, message.index) : [])
        let begun = store(&call, message, &ground, &bench)
        core.setCall(handle, begun)
        if begun.exists { return true }
        core.finish(handle, .serviceUnavailable, &ground, &bench)
        return false
    }

    /// What is shown as the other end of a call: who is dialled, or who calls.
    private static func peer(
        of context: ResponseContext, isFromPhone: Bool, _ message: borrowing Incoming,
        _ bench: borrowing Bench
    ) -> UserPart {
        if isFromPhone { return UserPart(bench.texts.span(context.user)) }
        let uri = context.party.isTrunk ? message.index.requestURI : message.index.from.uri
        return UserPart(message.bytes.bytes(uri.user))
    }

    private mutating func addPieces(
        _ call: inout Call, _ message: borrowing Incoming, phone: Span<UInt8>,
        asterisk: Span<UInt8>, peer: Span<UInt8>, route: [UInt8]
    ) {
        let bytes = message.bytes
        table.clearPieces()
        table.add(bytes.bytes(message.index.callID), .callID, to: &call)
        table.add(bytes.bytes(message.index.from.whole), .from, to: &call)
        table.add(bytes.bytes(message.index.to.whole), .to, to: &call)
        table.add(phone, .phone, to: &call)
        table.add(asterisk, .asterisk, to: &call)
        table.add(peer, .peer, to: &call)
        table.add(route.span, .route, to: &call)
    }

    private mutating func store(
        _ call: inout Call, _ message: borrowing Incoming, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Handle {
        guard table.storePieces(&call, &bench) else { return .none }
        if let account = call.party.account { ground.accounts.pin(account) }
        let marks = CallTable.Marks(message.bytes, message.index)
        guard let handle = table.begin(call, marks) else {
            bench.release(&call.block, of: call.party)
            return .none
        }
        return handle
    }

    /// The Asterisk where a request that begins something belongs: that which has the newest call of whoever asks, or
    /// else of the account that an INVITE calls; nil when neither has one.
    ///
    /// What belongs to a call is known there alone: a transfer joins two calls of one user agent (RFC 3891). An account that
    /// may show other callers is of many: its calls take turns.
    package func asterisk(
        for context: Handle, _ core: borrowing ProxyCore, _ ground: borrowing Ground,
        _ bench: borrowing Bench
    ) -> SocketAddress? {
        let request = core[context]
        if let own = asterisk(of: request.party, besides: context, core, ground, bench) {
            return own
        }
        guard request.method == .invite,
            let called = ground.accounts.find(bench.texts.span(request.user))
        else { return nil }
        return asterisk(of: .account(called), besides: context, core, ground, bench)
    }

    /// The Asterisk that has the newest call of a party, besides that of a context which looks for one; nil when none
    /// has.
    private func asterisk(
        of party: Party, besides context: Handle, _ core: borrowing ProxyCore,
        _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> SocketAddress? {
        if let account = party.account,
            bench.settings.mayShowCallers(ground.accounts.name(account))
        {
            return nil
        }
        var place = table[caller: party].first
        while let handle = table.handle(place) {
            let call = table[handle]
            place = call.next
            guard call.isAnswered || call.direction != .made else {
                if call.context != context, core.contains(call.context) {
                    return core[call.context].asterisk
                }
                continue
            }
            // A dead Asterisk says no BYE.
            if !ground.asterisks.wasDown(call.asterisk, since: call.heard) { return call.asterisk }
        }
        return nil
    }

    // MARK: Answers

    /// Stores what a BYE to either side of a call that is being answered needs; false when there is
    /// no room, and the call is to end.
    ///
    /// Without room any other one goes on with what is stored of its INVITE: it counts as a call.
    mutating func storeAnswer(
        _ owner: Handle, _ branch: Handle, _ message: borrowing Incoming,
        _ core: borrowing ProxyCore, _ ground: borrowing Ground, _ bench: inout Bench
    ) -> Bool {
        let context = core[owner]
        // Only an INVITE that begins a call has a row: what else is answered is no call.
        guard table.contains(context.call), !table[context.call].isAnswered else { return true }
        var call = table[context.call]
        let isInward = context.direction == .inward
        if !isInward, ground.transactions.contains(branch) {
            call.flow = ground.transactions[branch].flow
        }
        call.asterisk = isInward ? context.asterisk : context.flow.peer
        call.heard = bench.now.monotonic
        if isInward {
            let sequence = call.sequence &+ UInt32(context.sequenceShift)
            call.inwardSequence = max(call.inwardSequence, sequence)
        } else {
            call.outwardSequence = max(call.outwardSequence, call.sequence)
        }
        let bytes = message.bytes
        let contact = message.index.contactURI(bytes)
        // The caller takes the way back from its own end (RFC 3261 section 12.1.2).
        let route =
            context.party.isTrunk && !isInward
            ? FieldValues.list(.recordRoute, reversed: true, bytes, message.index) : nil
        let lengths = call.lengths
        Self.replace(
            &table, &call, bench.blocks, isInward ? .asterisk : .phone,
            bytes.bytes(isInward ? contact.user : contact.whole),
            tag: bytes.bytes(message.index.to.tag), route: route)
        let isStored = table.storePieces(&call, &bench)
        if !isStored { call.lengths = lengths }
        table[context.call] = call
        return isStored || !call.isEnding
    }

    /// A call was answered, and the answer was passed on.
    mutating func answered(
        _ owner: Handle, _ message: borrowing Incoming, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard core.contains(owner) else { return }
        let handle = core[owner].call
        guard table.contains(handle), !table[handle].isAnswered else { return }
        table[handle].answeredAt = bench.now.monotonic
        table.answered(handle, CallTable.Marks(message.bytes, message.index))
        recordAnswer(handle, core, ground, &bench)
        if table[handle].isEnding {
            end(handle, table[handle].end ?? .byHand, &core, &ground, &bench)
        }
    }

    /// Puts a call's pieces together with another text in place of one, a tag behind its To, and another
    /// route when there is one.
    private static func replace(
        _ table: inout CallTable, _ call: inout Call, _ blocks: borrowing BlockStore,
        _ other: Call.Piece, _ text: Span<UInt8>, tag: Span<UInt8>, route: [UInt8]? = nil
    ) {
        let old = call
        let bytes = blocks.span(old.block)
        table.clearPieces()
        for piece in Call.Piece.allCases {
            if piece == .route, let route {
                table.add(route.span, .route, to: &call)
                continue
            }
            table.add(
                piece == other ? text : bytes.extracting(old.range(piece)), piece, to: &call)
            if piece == .to { table.addTag(tag, of: .to, to: &call) }
        }
    }

    // MARK: Inside a dialog, from outside

    /// Something was said in a call, if it is one: its answer was acknowledged.
    package mutating func heard(_ call: Handle, _ bench: borrowing Bench) {
        guard call.exists else { return }
        table[call].heard = bench.now.monotonic
        table[call].isConfirmed = true
    }

    /// Follows the request of a phone, or of a trunk, inside a dialog of a party, in a call when there is one.
    package mutating func follow(
        _ message: borrowing Incoming, _ token: AsteriskToken, _ party: Party, _ call: Handle,
        _ core: inout ProxyCore, _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        var found = call
        let party = call.exists ? table[call].party : party
        var verdict = Verdict.pass(Dialled(.home))
        // A BYE ends its call only once it has been passed on.
        guard message.index.method != .bye else { return verdict }
        guard party != .nobody else {
            // What might begin a call is somebody's.
            let mayBegin = message.index.method == .refer || message.index.method == .invite
            return mayBegin ? .refuse(.otherAccount) : verdict
        }
        let end = ending(
            party, message.index.method, isKnown: found.exists, at: message.flow.peer.ip, ground,
            bench)
        if let end, let refusal = end.refusal {
            if !found.exists { found = rebuild(party, message, token, &ground, &bench) }
            self.end(found, end, &core, &ground, &bench)
            return .refuse(refusal)
        }
        if !found.exists {
            verdict = judgeUnknown(party, message, token, &ground, &bench)
            guard verdict.goesOn else { return verdict }
            found = rebuild(party, message, token, &ground, &bench)
        }
        if found.exists { follow(found, message, token, &bench) }
        guard message.index.method == .refer else { return verdict }
        return judge(transfer: message, of: party, in: found, &ground, &bench)
    }

    private mutating func follow(
        _ call: Handle, _ message: borrowing Incoming, _ token: AsteriskToken,
        _ bench: inout Bench
    ) {
        let sequence = message.index.sequence &+ UInt32(token.sequenceShift)
        table[call].inwardSequence = max(table[call].inwardSequence, sequence)
        table[call].flow = message.flow
        heard(call, bench)
        guard message.index.method == .invite || message.index.method == .update else { return }
        retarget(call, message, &bench)
    }

    /// Whether a phone's request inside a dialog that we know nothing of may go on.
    ///
    /// The dialog may be older than this process, or made up around an old token to begin a call that
    /// nobody counts. So an INVITE is judged as a new call.
    private mutating func judgeUnknown(
        _ party: Party, _ message: borrowing Incoming, _ token: AsteriskToken,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        guard !party.isTrunk, message.index.method == .invite else {
            return .pass(Dialled(.home))
        }
        return judge(call: message, of: party, to: token.user.span, &ground, &bench)
    }

    /// A call that was there before this process: its row is made of what its requests and tokens tell.
    private mutating func rebuild(
        _ party: Party, _ message: borrowing Incoming, _ token: AsteriskToken,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Handle {
        guard Self.mayBeCall(message.index.method), !table.isFull, hasShare(party, bench) else {
            return .none
        }
        let dialled =
            party.isTrunk ? Dialled(.home) : bench.settings.calls.plan.read(token.user.span)
        var call = Call(
            party: party, direction: .unknown, flow: message.flow, asterisk: token.asterisk,
            since: bench.now.sinceEpoch, heard: bench.now.monotonic)
        call.isAnswered = true
        call.isConfirmed = true
        call.isFromPhone = true
        call.isAbroad = dialled.kind == .abroad
        call.mark = dialled.mark
        call.outwardSequence = Self.unknownSequence
        let bytes = message.bytes
        addPieces(
            &call, message, phone: bytes.bytes(message.index.contactURI(bytes).whole),
            asterisk: token.user.span, peer: bytes.bytes(message.index.to.uri.user), route: [])
        return store(&call, message, &ground, &bench)
    }

    /// The phone can be reached by another Contact from now on (RFC 3261 section 12.2.2).
    private mutating func retarget(
        _ handle: Handle, _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        let uri = message.bytes.bytes(message.index.contactURI(message.bytes).whole)
        guard !uri.isEmpty, table[handle].isAnswered else { return }
        var call = table[handle]
        guard !Self.isStored(call, .phone, bench.blocks, uri) else { return }
        Self.replace(&table, &call, bench.blocks, .phone, uri, tag: Span())
        if table.storePieces(&call, &bench) { table[handle] = call }
    }

    private static func isStored(
        _ call: Call, _ piece: Call.Piece, _ blocks: borrowing BlockStore, _ text: Span<UInt8>
    ) -> Bool {
        blocks.span(call.block).extracting(call.range(piece)).equals(text)
    }

    // MARK: Inside a dialog, from an Asterisk

    /// Follows an Asterisk's request inside a dialog, in a call when there is one; whether it goes on.
    package mutating func follow(
        inside message: borrowing Incoming, _ way: Flow, _ party: Party, _ call: Handle,
        _ core: inout ProxyCore, _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Void> {
        // A BYE ends its call only once it has been passed on.
        guard message.index.method != .bye else { return .pass }
        let found =
            call.exists ? call : rebuild(inside: message, way, party, &ground, &bench)
        let end = ending(
            party, message.index.method, isKnown: call.exists, at: way.peer.ip, ground, bench)
        if let end, let refusal = end.refusal {
            self.end(found, end, &core, &ground, &bench)
            return .refuse(refusal)
        }
        if call.exists {
            table[call].outwardSequence = max(table[call].outwardSequence, message.index.sequence)
            heard(call, bench)
        }
        return .pass
    }

    private mutating func rebuild(
        inside message: borrowing Incoming, _ way: Flow, _ party: Party, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Handle {
        guard Self.mayBeCall(message.index.method), party != .nobody, !table.isFull,
            hasShare(party, bench)
        else { return .none }
        var call = Call(
            party: party, direction: .unknown, flow: way, asterisk: message.flow.peer,
            since: bench.now.sinceEpoch, heard: bench.now.monotonic)
        call.isAnswered = true
        call.isConfirmed = true
        call.inwardSequence = Self.unknownSequence
        call.outwardSequence = message.index.sequence
        let bytes = message.bytes
        addPieces(
            &call, message, phone: bytes.bytes(message.index.requestURI.whole),
            asterisk: bytes.bytes(message.index.contactURI(bytes).user),
            peer: UserPart(bytes.bytes(message.index.from.uri.user)).span,
            route: party.isTrunk
                ? FieldValues.list(.route, dropping: 1, bytes, message.index) : [])
        return store(&call, message, &ground, &bench)
    }
}
