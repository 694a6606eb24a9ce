internal import AccountCache
internal import Admission
package import Dialling
internal import Journal
internal import Messages
package import ProxyBench
package import ProxyCore
package import SIP
internal import SIPWriting
package import Sys
internal import Trunks

/// Who may call whom: new calls, transfers, forwardings.
extension Calls {
    /// What a request dials that an account has proven to be its own; one that calls nobody dials nothing of note.
    package mutating func judge(
        request message: borrowing Incoming, of account: AccountID, to user: UserPart,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        switch message.index.method {
        case .invite:
            if case .refuse(let refusal) = checkRoom(.account(account), &bench) {
                return .refuse(refusal)
            }
            return judge(call: message, of: .account(account), to: user.span, &ground, &bench)
        case .refer:
            return judge(
                transfer: message, of: .account(account), in: .none, &ground, &bench)
        default: return .pass(Dialled(.home))
        }
    }

    /// Whether there is room for one more call of a party.
    package func checkRoom(_ party: Party, _ bench: inout Bench) -> Verdict<Void> {
        guard !table.isFull else {
            bench.shortages.count(.calls)
            return .refuse(.tableFull)
        }
        return .refuse(.accountShare, if: !hasShare(party, bench))
    }

    /// Whether there is room for the call that a trunk's request begins, or that is to begin at a trunk.
    package func checkRoom(
        for message: borrowing Incoming, of trunk: TrunkID, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) -> Verdict<Void> {
        guard message.index.method == .invite else { return .pass }
        let room = checkRoom(.trunk(trunk), &bench)
        guard case .pass = room else { return room }
        let profile = bench.settings.profiles.profile(ofTrunk: ground.trunks.name(trunk))
        guard let limit = profile.calls, count(of: .trunk(trunk)) >= limit else { return .pass }
        return .refuse(.trunkFull, unless: bench.settings.isObserving, ())
    }

    /// Whether a party may have one more of the calls that all share.
    func hasShare(_ party: Party, _ bench: borrowing Bench) -> Bool {
        bench.shares.allows(table[caller: party].all, party, of: Capacity.calls)
    }

    /// What a party's call to a number dials.
    mutating func judge(
        call message: borrowing Incoming, of party: Party, to number: Span<UInt8>,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        let dialled = bench.settings.calls.plan.read(number)
        return judge(
            party, dialled, to: number, Self.mark(message), message, pass: dialled, &ground,
            &bench)
    }

    /// What makes a request that is judged itself, while its retransmissions have the same.
    private static func mark(_ message: borrowing Incoming) -> UInt64 {
        NameTable.hash(
            message.bytes.bytes(message.index.callID), message.bytes.bytes(message.index.from.tag))
            &+ UInt64(message.index.sequence)
    }

    /// Whether a party may make a call; `pass` is what is said when it may.
    private mutating func judge(
        _ party: Party, _ dialled: Dialled, to number: Span<UInt8>, _ request: UInt64,
        _ message: borrowing Incoming, pass: Dialled, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Verdict<Dialled> {
        var atOnce: UInt32 = 0
        // Where a trunk's servers stand says nothing of who calls.
        if let account = party.account {
            ground.accounts.pin(account)
            seen(account, at: message.flow.peer.ip, &ground, &bench)
            atOnce = callsAtOnce(message, ground, bench)
        }
        let terms = CallTerms(
            rules: bench.settings.calls, atOnce: atOnce, now: bench.now,
            local: bench.now.sinceEpoch + bench.utcOffset)
        let verdict = table.judge(party, dialled, request: request, terms)
        guard let refused = RefusedCall(verdict, of: party, to: number) else {
            return .pass(pass)
        }
        return bench.settings.isObserving ? .observedCall(pass, refused) : .refuseCall(refused)
    }

    private func callsAtOnce(
        _ message: borrowing Incoming, _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> UInt32 {
        guard bench.settings.profiles.areWritten else { return bench.settings.calls.atOnce }
        let profile = ground.admission.profile(
            of: message.flow.peer.ip, message.sender.standing, bench)
        return profile.calls ?? bench.settings.calls.atOnce
    }

    // MARK: Refused calls

    /// Records that a call is refused, and bars its account when it is one too many.
    package mutating func refused(
        _ call: RefusedCall, _ message: borrowing Incoming, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard let refusal = call.refusal else { return }
        let isObserving = bench.settings.isObserving
        ground.admission.decided(refusal.code, isObserving ? 0 : 403, message, bench)
        if bench.effects.journal.allowsRefusal(bench.now.monotonic) {
            let name = ground.name(of: call.party).span.text
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
        guard let count = call.barring, let account = call.party.account else { return }
        let rules = bench.settings.calls
        let window = refusal == .numberNever ? rules.tripNever.window : rules.tripAbroad.window
        let evidence =
            "\(count) refused calls within \(window.seconds) s, the last to \(call.number.span.text)"
        if isObserving {
            recordBar(account, refusal.code, evidence, "would be", ground, &bench)
        } else {
            bar(account, refusal.code, evidence, &core, &ground, &bench)
        }
    }

    // MARK: Transfers

    /// Whether a party may transfer a call to whom Refer-To names; `dialog` is the call in which it asks, as far as it
    /// is known.
    package mutating func judge(
        transfer message: borrowing Incoming, of party: Party, in dialog: Handle,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        var verdict = Verdict.pass(Dialled(.home))
        var start = 0
        while let position = message.index.position(.referTo, from: start) {
            start = position + 1
            guard let address = try? NameAddress(message.index[position].value, in: message.bytes)
            else { return .refuse(.transferTarget) }
            let user = UserPart(message.bytes.bytes(address.uri.user))
            if isToken(address.uri, party, message.bytes, &bench) {
                // The other end is in a call already, whichever that is.
                for call in table.handles(of: party) { table[call].isTransferred = true }
                continue
            }
            guard user.isDialable else { return .refuse(.transferTarget) }
            verdict = judge(
                transfer: message, of: party, in: dialog, to: user.span, &ground, &bench)
            guard verdict.goesOn else { return verdict }
        }
        return verdict
    }

    private mutating func judge(
        transfer message: borrowing Incoming, of party: Party, in dialog: Handle,
        to user: Span<UInt8>, _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        let dialled = bench.settings.calls.plan.read(user)
        // The number may be that of a call under way, which the phone hands over: that is no new one, once.
        let own = table.handles(of: party).first { call in
            table[call].isAbroad && table[call].mark == dialled.mark && !table[call].isTransferred
        }
        var judged = dialled
        if own != nil { judged.kind = .home }
        let verdict = judge(
            party, judged, to: user, Self.mark(message), message, pass: Dialled(.home), &ground,
            &bench)
        guard verdict.goesOn else { return verdict }
        if table.contains(dialog) { table[dialog].isTransferred = true }
        if let own {
            table[own].isTransferred = true
        } else if dialled.kind == .abroad {
            table.goesOn(party, bench.now.monotonic)
        }
        return verdict
    }

    /// Whether whom a Refer-To names is the other end of a dialog: of the one that its Replaces names, else of a
    /// call of the party.
    private func isToken(
        _ uri: URI, _ party: Party, _ bytes: Span<UInt8>, _ bench: inout Bench
    ) -> Bool {
        let user = bytes.bytes(uri.user)
        guard user.count >= Tokens.shortest else { return false }
        if let value = ReferredDialog.replaces(uri, in: bytes) {
            bench.scratch.removeAll()
            return Self.opens(
                &bench.writer, user, in: ReferredDialog(value, in: bytes, &bench.scratch),
                bench.scratch)
        }
        for call in table.handles(of: party)
        where Self.opens(&bench.writer, user, in: table[call], bench.blocks) {
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

    /// Whether a phone's or a trunk's answer to a call may send the Asterisk elsewhere.
    mutating func judge(
        forwarding message: borrowing Incoming, of party: Party, _ ground: inout Ground,
        _ bench: inout Bench
    ) -> Verdict<Dialled> {
        var verdict = Verdict.pass(Dialled(.home))
        var values = FieldValues(.contact)
        while let value = values.next(message.bytes, message.index) {
            verdict = judge(forwarding: message, of: party, to: value, &ground, &bench)
            guard verdict.goesOn else { return verdict }
        }
        return verdict
    }

    private mutating func judge(
        forwarding message: borrowing Incoming, of party: Party, to value: Slice,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Verdict<Dialled> {
        let address = try? NameAddress(value, in: message.bytes)
        let part = UserPart(message.bytes.bytes(address?.uri.user ?? .empty))
        guard part.isDialable else { return .refuse(.transferTarget) }
        let user = part.span
        let dialled = bench.settings.calls.plan.read(user)
        let request = Self.mark(message) ^ NameTable.hash(user)
        let verdict = judge(
            party, dialled, to: user, request, message, pass: dialled, &ground, &bench)
        if verdict.goesOn, dialled.kind == .abroad { table.goesOn(party, bench.now.monotonic) }
        return verdict
    }
}
