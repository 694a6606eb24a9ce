internal import AccountCache
internal import Admission
internal import Dialling
internal import Journal
package import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
package import Sys

/// What stands against accounts: bars, and countries in which they never were; directory has it too.
extension Calls {
    // MARK: Countries

    /// An account is seen at an address: a country in which it never was holds its calls abroad.
    package mutating func seen(
        _ account: AccountID, at ip: IPAddress, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard let country = ground.admission.country(of: ip) else { return }
        guard country != .unknown else {
            ground.admission.askWhere(ip, &bench)
            return
        }
        let span = bench.settings.calls.newCountry
        let sight = table.see(
            account, in: country, hold: bench.settings.isObserving ? Milliseconds(0) : span,
            bench.now)
        guard sight != .known else { return }
        ground.accounts.pin(account)
        sendStanding(account, ground, &bench)
        guard sight == .new, span.count > 0 else { return }
        let name = ground.accounts.name(account).text
        let verb = bench.settings.isObserving ? "would call" : "calls"
        bench.effects.journal.add(
            .countryHeld, .warning,
            "\(name) is at \(ip) in \(country.code), where it never was: it \(verb) nobody abroad for \(span.seconds) s",
            [
                (.account, name), (.address, "\(ip)"), (.reason, Refusal.newCountry.code),
                (.seconds, "\(span.seconds)"),
            ])
    }

    /// The country of an address has become known: calls abroad that were made from there before count now.
    package mutating func located(
        _ ip: IPAddress, _ core: inout ProxyCore, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard table.unlocated > 0 else { return }
        let source = ip.source
        for call in table.handles
        where table[call].isUnlocated && table[call].flow.peer.ip.source == source {
            table.locate(call)
            guard let account = table[call].party.account else { continue }
            seen(account, at: ip, &ground, &bench)
            if table[caller: .account(account)].heldUntil > bench.now.sinceEpoch {
                end(call, .newCountry, &core, &ground, &bench)
            }
        }
    }

    // MARK: Bars

    /// Whether an account is barred from calling.
    func isBarred(_ party: Party) -> Bool { table[caller: party].isBarred }

    /// Bars an account from calling until it is released, and ends its calls.
    mutating func bar(
        _ account: AccountID, _ reason: String, _ evidence: String, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) {
        table[caller: .account(account)].isBarred = true
        bars[account] = Bar(since: bench.now.sinceEpoch, reason: reason, evidence: evidence)
        ground.accounts.pin(account)
        sendStanding(account, ground, &bench)
        recordBar(account, reason, evidence, "is", ground, &bench)
        for call in table.handles(of: .account(account)) {
            end(call, .barred, &core, &ground, &bench)
        }
    }

    /// Records that an account is barred, or would be.
    func recordBar(
        _ account: AccountID, _ reason: String, _ evidence: String, _ verb: String,
        _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        let name = ground.accounts.name(account).text
        bench.effects.journal.add(
            .accountBarred, .warning,
            "\(name) \(verb) barred from calling: \(reason) (\(evidence))",
            [(.account, name), (.reason, reason)])
    }

    /// Lets an account call again, and abroad; what to say when nothing stood against it.
    package mutating func release(
        _ name: String, _ ground: borrowing Ground, _ bench: inout Bench
    ) -> ControlReply {
        let bytes = Array(name.utf8)
        guard let account = ground.accounts.find(bytes.span),
            stands(against: account, bench)
        else { return .failed("nothing is held against an account `\(name)`") }
        table[caller: .account(account)].isBarred = false
        table[caller: .account(account)].heldUntil = Milliseconds(0)
        bars[account] = nil
        sendStanding(account, ground, &bench)
        bench.effects.journal.add(
            .accountReleased, .notice, "\(name) may call again", [(.account, name)])
        return .done
    }

    private func stands(against account: AccountID, _ bench: borrowing Bench) -> Bool {
        let caller = table[caller: .account(account)]
        return caller.isBarred || caller.heldUntil > bench.now.sinceEpoch
    }

    // MARK: directory

    private func standing(
        _ account: AccountID, _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> AccountStanding {
        let bar = bars[account]
        let held = table[caller: .account(account)].heldUntil
        return AccountStanding(
            account: ground.accounts.name(account).text, countries: table.countries(account),
            heldUntil: held > bench.now.sinceEpoch ? held : Milliseconds(0),
            barredSince: bar?.since ?? Milliseconds(0), reason: bar?.reason ?? "",
            evidence: bar?.evidence ?? "")
    }

    private func sendStanding(
        _ account: AccountID, _ ground: borrowing Ground, _ bench: inout Bench
    ) {
        bench.effects.toDirectory.append(.storeStanding(standing(account, ground, bench)))
    }

    /// Takes over what directory has of an account; one that was started anew hears instead what stands.
    package mutating func restore(
        _ standing: AccountStanding, _ ground: inout Ground, _ bench: inout Bench
    ) {
        let name = Array(standing.account.utf8)
        guard let account = ground.accounts.account(of: name.span, &bench) else { return }
        guard !hasRestored else {
            if self.standing(account, ground, bench) != standing {
                sendStanding(account, ground, &bench)
            }
            return
        }
        ground.accounts.pin(account)
        table.restore(account, standing.bounded(at: bench.now.sinceEpoch))
        if standing.barredSince.count > 0 {
            bars[account] = Bar(
                since: standing.barredSince, reason: standing.reason, evidence: standing.evidence)
        }
    }

    /// Everything that directory has was taken over; one that was started anew hears of everything that stands.
    package mutating func restored(_ ground: borrowing Ground, _ bench: inout Bench) {
        guard hasRestored else {
            hasRestored = true
            return
        }
        for account in known(ground) {
            let standing = standing(account, ground, bench)
            if !standing.isEmpty { bench.effects.toDirectory.append(.storeStanding(standing)) }
        }
    }

    /// The accounts of which something may be known.
    private func known(_ ground: borrowing Ground) -> [AccountID] {
        let places = ground.accounts.places.clamped(to: 0..<Int32(table.callerCount))
        return places.map { AccountID($0) }
    }

    // MARK: The command line

    /// What stands against an account, for `rempart explain`; empty when nothing does.
    package func standingRow(
        of account: AccountID, _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> [ControlReply] {
        stands(against: account, bench) ? [.standing(standing(account, ground, bench))] : []
    }

    /// The accounts that are barred from calling, or from calling abroad, for `rempart status`.
    package func standingRows(
        _ ground: borrowing Ground, _ bench: borrowing Bench
    ) -> [ControlReply] {
        var rows: [ControlReply] = []
        for account in known(ground) where stands(against: account, bench) {
            rows.append(.standing(standing(account, ground, bench)))
        }
        return rows
    }
}
