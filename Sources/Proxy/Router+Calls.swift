internal import Dialling
internal import Journal
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// Who may call whom: new calls, transfers, forwardings.
extension Router {
    /// What a request dials that an account has proven to be its own; nil when it was refused.
    ///
    /// A request that calls nobody dials nothing of note.
    mutating func mayBegin(
        _ account: Int32, _ user: UserPart, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ flow: Flow
    ) -> Dialled? {
        switch index.method {
        case .invite:
            guard hasRoom(account, bytes, index, flow) else { return nil }
            return mayCall(account, user.span, bytes, index, flow)
        case .refer:
            return mayTransfer(account, .none, bytes, index, flow) ? Dialled(.home) : nil
        default: return Dialled(.home)
        }
    }

    /// Whether there is room for the call of an account that a request begins, if it is one; without, it was refused.
    mutating func hasRoom(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard index.method == .invite, calls.isFull || !hasCallShare(account) else { return true }
        if calls.isFull {
            shortages.count(.calls)
            refuseFull(bytes, index, flow)
        } else {
            refuseForNow(bytes, index, flow, "account-share")
        }
        return false
    }

    /// What an account's call to a number dials; nil when it was refused with 403.
    mutating func mayCall(
        _ account: Int32, _ number: Span<UInt8>, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex,
        _ flow: Flow
    ) -> Dialled? {
        let dialled = settings.calls.plan.read(number)
        let verdict = judge(account, dialled, judgedMark(bytes, index), flow)
        if passes(verdict, account, number, bytes, index, flow) { return dialled }
        reply(bytes, index, flow, 403, "Forbidden")
        return nil
    }

    /// What makes a request that is judged itself, while its retransmissions have the same.
    private func judgedMark(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UInt64 {
        NameTable.hash(bytes.bytes(index.callID), bytes.bytes(index.from.tag))
            &+ UInt64(index.sequence)
    }

    private mutating func judge(
        _ account: Int32, _ dialled: Dialled, _ request: UInt64, _ flow: Flow
    ) -> CallVerdict {
        accounts[account].isKept = true
        let isTrunk = trunk(of: account) != nil
        // Where a trunk's servers stand says nothing of who calls.
        if !isTrunk { notice(account, at: flow.peer.ip) }
        let terms = CallTerms(
            rules: settings.calls, atOnce: isTrunk ? 0 : callsAtOnce(flow.peer.ip), now: now,
            local: now.sinceEpoch + utcOffset)
        return calls.gate.judge(account, dialled, request: request, terms)
    }

    private func callsAtOnce(_ ip: IPAddress) -> UInt32 {
        guard settings.profiles.areWritten else { return settings.calls.atOnce }
        return settings.profiles.all[classify(ip).profile].calls ?? settings.calls.atOnce
    }

    /// Whether a verdict lets a call go on; a refusal is recorded, and what follows from it is done.
    private mutating func passes(
        _ verdict: CallVerdict, _ account: Int32, _ number: Span<UInt8>, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        switch verdict {
        case .pass: return true
        case .again: break
        case .refuse(let refusal):
            refused(refusal, account, number, bytes, index, flow)
        case .trip(let refusal, let count):
            refused(refusal, account, number, bytes, index, flow)
            // What comes in a trunk's name may be forged, and nobody answers for it there.
            if trunk(of: account) == nil { trip(account, refusal, count, number) }
        }
        return settings.isObserving
    }

    private mutating func refused(
        _ refusal: CallRefusal, _ account: Int32, _ number: Span<UInt8>, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ flow: Flow
    ) {
        let isObserving = settings.isObserving
        decided(refusal.code, isObserving ? 0 : 403, index, bytes, flow)
        guard audit.allowsRefusal(now.monotonic) else { return }
        let name = accounts.name(account).text
        let dialled = number.text
        let verb = isObserving ? "would refuse" : "refused"
        audit.add(
            .callRefused, .notice, "\(verb) a call of \(name) to \(dialled): \(refusal.code)",
            [
                (.account, name), (.number, dialled), (.reason, refusal.code),
                (.address, "\(flow.peer.ip)"), (.callID, bytes.bytes(index.callID).text),
            ])
    }

    private mutating func trip(
        _ account: Int32, _ refusal: CallRefusal, _ count: UInt32, _ number: Span<UInt8>
    ) {
        let rules = settings.calls
        let window = refusal == .never ? rules.tripNever.window : rules.tripAbroad.window
        let evidence =
            "\(count) refused calls within \(window.seconds) s, the last to \(number.text)"
        if settings.isObserving {
            barRecord(account, refusal.code, evidence, "would be")
        } else {
            bar(account, refusal.code, evidence)
        }
    }

    // MARK: Transfers

    /// Whether an account may transfer a call to whom Refer-To names; a request that may not was answered.
    ///
    /// `dialog` is the call in which it asks, as far as it is known.
    mutating func mayTransfer(
        _ account: Int32, _ dialog: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ flow: Flow
    ) -> Bool {
        var start = 0
        while let position = index.position(.referTo, from: start) {
            start = position + 1
            guard let address = try? NameAddress(index[position].value, in: bytes) else {
                refuse(bytes, index, flow, 403, "Forbidden", "dial-string")
                return false
            }
            let user = UserPart(bytes.bytes(address.uri.user))
            if isToken(address.uri, account, bytes) {
                // Somebody who is already in a call, whoever that is.
                for call in calls.handles(of: account) { calls[call].isTransferred = true }
                continue
            }
            guard user.isDialable else {
                refuse(bytes, index, flow, 403, "Forbidden", "dial-string")
                return false
            }
            guard mayTransfer(account, dialog, to: user.span, bytes, index, flow) else {
                reply(bytes, index, flow, 403, "Forbidden")
                return false
            }
        }
        return true
    }

    private mutating func mayTransfer(
        _ account: Int32, _ dialog: Handle, to user: Span<UInt8>, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        let dialled = settings.calls.plan.read(user)
        // The number may be that of a call under way, which the phone hands over: that is no new one, once.
        let own = calls.handles(of: account).first { call in
            calls[call].isAbroad && calls[call].mark == dialled.mark && !calls[call].isTransferred
        }
        var judged = dialled
        if own != nil { judged.kind = .home }
        let verdict = judge(account, judged, judgedMark(bytes, index), flow)
        guard passes(verdict, account, user, bytes, index, flow) else { return false }
        if calls.table.contains(dialog) { calls[dialog].isTransferred = true }
        if let own {
            calls[own].isTransferred = true
        } else if dialled.kind == .abroad {
            calls.gate.keep(account, now.monotonic)
        }
        return true
    }

    /// Whether whom a Refer-To names is the other end of a dialog: of the one that its Replaces names, else of a
    /// call of the account.
    private mutating func isToken(
        _ uri: URI, _ account: Int32, _ bytes: Span<UInt8>
    ) -> Bool {
        let user = bytes.bytes(uri.user)
        guard user.count >= Self.shortestToken else { return false }
        if let value = ReferredDialog.replaces(uri, in: bytes) {
            scratch.removeAll()
            return Self.opens(
                &writer, user, in: ReferredDialog(value, in: bytes, &scratch), scratch)
        }
        for call in calls.handles(of: account)
        where Self.opens(&writer, user, in: calls[call], blocks) {
            return true
        }
        return false
    }

    private static func opens(
        _ writer: inout MessageWriter, _ user: Span<UInt8>, in dialog: ReferredDialog,
        _ text: borrowing ByteBuffer
    ) -> Bool {
        let bytes = text.span
        let callID = bytes.bytes(dialog.callID)
        return writer.tokens.asterisk(user, callID: callID, tag: bytes.bytes(dialog.toTag)) != nil
            || writer.tokens.asterisk(user, callID: callID, tag: bytes.bytes(dialog.fromTag)) != nil
    }

    private static func opens(
        _ writer: inout MessageWriter, _ user: Span<UInt8>, in call: Call,
        _ blocks: borrowing BlockStore
    ) -> Bool {
        let bytes = blocks.span(call.block)
        let range = call.range(call.isFromPhone ? .to : .from)
        let asterisk = try? NameAddress(
            .from(range.lowerBound, to: range.upperBound), in: bytes)
        return writer.tokens.asterisk(
            user, callID: bytes.extracting(call.range(.callID)),
            tag: bytes.bytes(asterisk?.tag ?? .empty)) != nil
    }

    // MARK: Forwarding

    /// Whether a phone's answer to a call may send the Asterisk elsewhere; any other answer may pass.
    mutating func mayForward(
        _ owner: Handle, _ client: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        let exchange = exchanges[owner]
        guard (300..<400).contains(index.status), exchange.direction == .outward,
            exchange.method == .invite, exchange.account >= 0
        else { return true }
        let flow = clients[client].flow
        var values = FieldValues(.contact)
        while let value = values.next(bytes, index) {
            guard mayForward(exchange.account, to: value, bytes, index, flow) else {
                return false
            }
        }
        return true
    }

    private mutating func mayForward(
        _ account: Int32, to value: Slice, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ flow: Flow
    ) -> Bool {
        let address = try? NameAddress(value, in: bytes)
        let part = UserPart(bytes.bytes(address?.uri.user ?? .empty))
        guard part.isDialable else {
            refuseRecord("dial-string", 403, index, bytes, flow)
            return false
        }
        let user = part.span
        let dialled = settings.calls.plan.read(user)
        let request = judgedMark(bytes, index) ^ NameTable.hash(user)
        let verdict = judge(account, dialled, request, flow)
        guard passes(verdict, account, user, bytes, index, flow) else { return false }
        if dialled.kind == .abroad { calls.gate.keep(account, now.monotonic) }
        return true
    }

    // MARK: Countries

    /// An account is seen at an address: a country in which it never was holds its calls abroad.
    mutating func notice(_ account: Int32, at ip: IPAddress) {
        guard let country = defence.whereabouts(of: ip)?.country else { return }
        guard country != .unknown else {
            if defence.ask(ip) { toBanner.append(.locate(ip)) }
            return
        }
        let span = settings.calls.newCountry
        let sight = calls.gate.see(
            account, in: country, hold: settings.isObserving ? Milliseconds(0) : span, now)
        guard sight != .known else { return }
        accounts[account].isKept = true
        keepStanding(account)
        guard sight == .new, span.count > 0 else { return }
        let name = accounts.name(account).text
        let verb = settings.isObserving ? "would call" : "calls"
        audit.add(
            .countryHeld, .warning,
            "\(name) is at \(ip) in \(country.code), where it never was: it \(verb) nobody abroad for \(span.seconds) s",
            [
                (.account, name), (.address, "\(ip)"), (.reason, CallRefusal.newCountry.code),
                (.seconds, "\(span.seconds)"),
            ])
    }

    /// The country of an address has become known: calls abroad that were made from there before count now.
    mutating func located(_ ip: IPAddress) {
        guard calls.unlocated > 0 else { return }
        let source = ip.source
        for call in calls.handles
        where calls[call].isUnlocated && calls[call].flow.peer.ip.source == source {
            calls.locate(call)
            let account = calls[call].account
            notice(account, at: ip)
            if calls.gate[account].heldUntil > now.sinceEpoch {
                end(call, .newCountry)
            }
        }
    }

    /// Whether nobody has said yet in which country an address is.
    func isUnlocated(_ ip: IPAddress) -> Bool {
        guard let whereabouts = defence.whereabouts(of: ip) else { return false }
        return whereabouts.isAsked && !whereabouts.isLocated
    }
}
