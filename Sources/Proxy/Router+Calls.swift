internal import Journal
internal import Messages
internal import SIP
internal import Sys

/// Who may call whom: new calls, transfers, forwardings.
extension Router {
    /// What a request dials that an account has proven to be its own.
    ///
    /// A request that calls nobody dials nothing of note.
    mutating func judgeRequest(
        _ account: Int32, _ user: UserPart, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        switch message.index.method {
        case .invite:
            switch checkRoom(account) {
            case .refuse(let refusal): return .refuse(refusal)
            default: return judgeCall(account, user.span, message)
            }
        case .refer: return judgeTransfer(account, .none, message)
        default: return .pass(Dialled(.home))
        }
    }

    /// Whether there is room for one more call of an account.
    mutating func checkRoom(_ account: Int32) -> Verdict<Void> {
        guard !calls.isFull else {
            bench.shortages.count(.calls)
            return .refuse(.tableFull)
        }
        return .refuse(.accountShare, if: !hasCallShare(account))
    }

    /// What an account's call to a number dials.
    mutating func judgeCall(
        _ account: Int32, _ number: Span<UInt8>, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        let dialled = bench.settings.calls.plan.read(number)
        let request = judgedMark(message.bytes, message.index)
        return judge(account, dialled, to: number, request, message.flow, pass: dialled)
    }

    /// What makes a request that is judged itself, while its retransmissions have the same.
    private func judgedMark(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UInt64 {
        NameTable.hash(bytes.bytes(index.callID), bytes.bytes(index.from.tag))
            &+ UInt64(index.sequence)
    }

    /// Whether an account may make a call; `pass` is what is said when it may.
    private mutating func judge(
        _ account: Int32, _ dialled: Dialled, to number: Span<UInt8>, _ request: UInt64,
        _ flow: Flow, pass: Dialled
    ) -> Verdict<Dialled> {
        accounts[account].isKept = true
        let isTrunk = trunk(of: account) != nil
        // Where a trunk's servers stand says nothing of who calls.
        if !isTrunk { notice(account, at: flow.peer.ip) }
        let terms = CallTerms(
            rules: bench.settings.calls, atOnce: isTrunk ? 0 : callsAtOnce(flow.peer.ip),
            now: bench.now,
            local: bench.now.sinceEpoch + bench.utcOffset)
        let verdict = calls.gate.judge(account, dialled, request: request, terms)
        guard let refused = RefusedCall(verdict, of: account, to: number) else {
            return .pass(pass)
        }
        return bench.settings.isObserving ? .observedCall(pass, refused) : .refuseCall(refused)
    }

    private func callsAtOnce(_ ip: IPAddress) -> UInt32 {
        guard bench.settings.profiles.areWritten else { return bench.settings.calls.atOnce }
        return admission.profile(of: ip, standing(of: ip), bench).calls
            ?? bench.settings.calls.atOnce
    }

    /// Records that a call is refused, and bars its account when it is one too many.
    mutating func recordRefusedCall(_ call: RefusedCall, _ message: borrowing Incoming) {
        guard let refusal = call.refusal else { return }
        let isObserving = bench.settings.isObserving
        admission.decided(refusal.code, isObserving ? 0 : 403, message, bench)
        if bench.effects.journal.allowsRefusal(bench.now.monotonic) {
            let name = accounts.name(call.account).text
            let dialled = call.number.span.text
            let verb = isObserving ? "would refuse" : "refused"
            bench.effects.journal.add(
                .callRefused, .notice, "\(verb) a call of \(name) to \(dialled): \(refusal.code)",
                [
                    (.account, name), (.number, dialled), (.reason, refusal.code),
                    (.address, "\(message.flow.peer.ip)"),
                    (.callID, message.bytes.bytes(message.index.callID).text),
                ])
        }
        // What comes in a trunk's name may be forged, and nobody answers for it there.
        if let count = call.barring, trunk(of: call.account) == nil {
            trip(call.account, refusal, count, call.number.span)
        }
    }

    private mutating func trip(
        _ account: Int32, _ refusal: CallRefusal, _ count: UInt32, _ number: Span<UInt8>
    ) {
        let rules = bench.settings.calls
        let window = refusal == .never ? rules.tripNever.window : rules.tripAbroad.window
        let evidence =
            "\(count) refused calls within \(window.seconds) s, the last to \(number.text)"
        if bench.settings.isObserving {
            barRecord(account, refusal.code, evidence, "would be")
        } else {
            bar(account, refusal.code, evidence)
        }
    }

    // MARK: Transfers

    /// Whether an account may transfer a call to whom Refer-To names.
    ///
    /// `dialog` is the call in which it asks, as far as it is known.
    mutating func judgeTransfer(
        _ account: Int32, _ dialog: Handle, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        var verdict = Verdict.pass(Dialled(.home))
        var start = 0
        while let position = message.index.position(.referTo, from: start) {
            start = position + 1
            guard let address = try? NameAddress(message.index[position].value, in: message.bytes)
            else { return .refuse(.transferTarget) }
            let user = UserPart(message.bytes.bytes(address.uri.user))
            if isToken(address.uri, account, message.bytes) {
                // Somebody who is already in a call, whoever that is.
                for call in calls.handles(of: account) { calls[call].isTransferred = true }
                continue
            }
            guard user.isDialable else { return .refuse(.transferTarget) }
            verdict = judgeTransfer(account, dialog, to: user.span, message)
            switch verdict {
            case .pass, .observedCall: continue
            default: return verdict
            }
        }
        return verdict
    }

    private mutating func judgeTransfer(
        _ account: Int32, _ dialog: Handle, to user: Span<UInt8>, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        let dialled = bench.settings.calls.plan.read(user)
        // The number may be that of a call under way, which the phone hands over: that is no new one, once.
        let own = calls.handles(of: account).first { call in
            calls[call].isAbroad && calls[call].mark == dialled.mark && !calls[call].isTransferred
        }
        var judged = dialled
        if own != nil { judged.kind = .home }
        let verdict = judge(
            account, judged, to: user, judgedMark(message.bytes, message.index), message.flow,
            pass: Dialled(.home))
        switch verdict {
        case .pass, .observedCall: break
        default: return verdict
        }
        if calls.table.contains(dialog) { calls[dialog].isTransferred = true }
        if let own {
            calls[own].isTransferred = true
        } else if dialled.kind == .abroad {
            calls.gate.keep(account, bench.now.monotonic)
        }
        return verdict
    }

    /// Whether whom a Refer-To names is the other end of a dialog: of the one that its Replaces names, else of a
    /// call of the account.
    private mutating func isToken(
        _ uri: URI, _ account: Int32, _ bytes: Span<UInt8>
    ) -> Bool {
        let user = bytes.bytes(uri.user)
        guard user.count >= Self.shortestToken else { return false }
        if let value = ReferredDialog.replaces(uri, in: bytes) {
            bench.scratch.removeAll()
            return Self.opens(
                &bench.writer, user, in: ReferredDialog(value, in: bytes, &bench.scratch),
                bench.scratch)
        }
        for call in calls.handles(of: account)
        where Self.opens(&bench.writer, user, in: calls[call], bench.blocks) {
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
    mutating func judgeForwarding(
        _ owner: Handle, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        let exchange = exchanges[owner]
        var verdict = Verdict.pass(Dialled(.home))
        guard (300..<400).contains(message.index.status), exchange.direction == .outward,
            exchange.method == .invite, exchange.account >= 0
        else { return verdict }
        var values = FieldValues(.contact)
        while let value = values.next(message.bytes, message.index) {
            verdict = judgeForwarding(exchange.account, to: value, message)
            switch verdict {
            case .pass, .observedCall: continue
            default: return verdict
            }
        }
        return verdict
    }

    private mutating func judgeForwarding(
        _ account: Int32, to value: Slice, _ message: borrowing Incoming
    ) -> Verdict<Dialled> {
        let address = try? NameAddress(value, in: message.bytes)
        let part = UserPart(message.bytes.bytes(address?.uri.user ?? .empty))
        guard part.isDialable else { return .refuse(.transferTarget) }
        let user = part.span
        let dialled = bench.settings.calls.plan.read(user)
        let request = judgedMark(message.bytes, message.index) ^ NameTable.hash(user)
        let verdict = judge(account, dialled, to: user, request, message.flow, pass: dialled)
        switch verdict {
        case .pass, .observedCall:
            if dialled.kind == .abroad { calls.gate.keep(account, bench.now.monotonic) }
        default: break
        }
        return verdict
    }

    // MARK: Countries

    /// An account is seen at an address: a country in which it never was holds its calls abroad.
    mutating func notice(_ account: Int32, at ip: IPAddress) {
        guard let country = admission.country(of: ip) else { return }
        guard country != .unknown else {
            admission.askWhere(ip, &bench)
            return
        }
        let span = bench.settings.calls.newCountry
        let sight = calls.gate.see(
            account, in: country, hold: bench.settings.isObserving ? Milliseconds(0) : span,
            bench.now)
        guard sight != .known else { return }
        accounts[account].isKept = true
        keepStanding(account)
        guard sight == .new, span.count > 0 else { return }
        let name = accounts.name(account).text
        let verb = bench.settings.isObserving ? "would call" : "calls"
        bench.effects.journal.add(
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
            if calls.gate[account].heldUntil > bench.now.sinceEpoch {
                end(call, .newCountry)
            }
        }
    }
}
