package import Messages
package import ProxyBench
internal import SIP
package import Sys

/// What `rempart explain` says.
extension Admission {
    /// How many decisions are told.
    private static let told = 20

    /// What is known of an address, and what was decided about it of late.
    package func explain(
        _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> [ControlReply] {
        let (number, cause) = classify(ip, standing, bench)
        var rows = [
            ("profile", "\(bench.settings.profiles.all[number].name), \(Self.said(cause))"),
            ("standing", said(ip, standing, bench)),
        ]
        let known = known(ip, bench)
        rows +=
            known.isEmpty
            ? [("proven", "nothing: it may be forged, so nothing is counted against it")] : known
        rows += unusualAnswers(ip, bench)
        for decision in recent.find(Self.told, where: { $0.source == ip }) {
            rows.append(Self.said(decision, bench.now.sinceEpoch))
        }
        return rows.map { .finding(name: $0.0, value: $0.1) }
    }

    private func said(
        _ ip: IPAddress, _ standing: Standing, _ bench: borrowing Bench
    ) -> String {
        if standing.isAsterisk { return "an Asterisk: nothing is held against it" }
        if standing.trunk != nil {
            return "a trunk: it needs no password, and nothing is held against it"
        }
        if let network = bench.settings.allow.first(where: { $0.contains(ip) }) {
            return "in \(network) of defence.allow: nothing is held against it"
        }
        if isBanned(ip, bench) { return "banned: rempart why \(ip) tells for what" }
        if sources.isHeld(ip, bench.now.monotonic) {
            return "only its registered phones are answered for a while"
        }
        return "answered"
    }

    /// That requests in the name of an address were answered in short form or not at all, when that is so.
    ///
    /// The phones there may be unable to read the one, and hear nothing of the other.
    private func unusualAnswers(
        _ ip: IPAddress, _ bench: borrowing Bench
    ) -> [(String, String)] {
        let found = recent.find(.max) {
            $0.source == ip
                && ($0.reason == Refusal.shortAnswer.code
                    || $0.reason == Refusal.answersUsedUp.code)
        }
        guard let last = found.first else { return [] }
        let unanswered = found.count { $0.reason == Refusal.answersUsedUp.code }
        let counts = [(found.count - unanswered, "in short form"), (unanswered, "not sent")]
        let said = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        let age = (bench.now.sinceEpoch - last.moment).seconds
        return [
            (
                ControlReply.unusualAnswers,
                said.joined(separator: ", ") + ", the last \(age) s ago: more was asked than"
                    + " defence.replies and defence.packets allow, or in less than a third of"
                    + " the answer's bytes; TCP and TLS have no such bound"
            )
        ]
    }

    /// What was decided of late about the messages of a Call-ID.
    package func explain(callID: String, _ bench: borrowing Bench) -> [ControlReply] {
        let bytes = Array(callID.utf8)
        let hash = NameTable.hash(bytes.span)
        let found = recent.find(Self.told) { $0.callID == hash }
        guard !found.isEmpty else {
            return [
                .finding(
                    name: ControlReply.noDecisions,
                    value: "none of the last 8192 is about this Call-ID")
            ]
        }
        let moment = bench.now.sinceEpoch
        return found.map { decision in
            let row = Self.said(decision, moment)
            return .finding(name: row.0, value: row.1)
        }
    }

    /// How many refusals of an account are told.
    private static let toldOfAccount = 10

    /// What is held against an account, and its last refusals.
    ///
    /// `marks` are the keyed hashes of its name and its digest user; `account` is nil for a name that was not heard of.
    package func explain(
        account: AccountID?, _ marks: [UInt64], _ bench: borrowing Bench
    ) -> [ControlReply] {
        let now = bench.now.monotonic
        let perSecond = bench.settings.requests
        var row = GuardRow(isKnown: account != nil, requests: perSecond)
        if let account {
            row.isUsedUp = !requests.hasRequest(
                of: account.place, perSecond: perSecond, now)
        }
        row.isGuarded = marks.contains { guards.isGuarded($0, now) }
        for mark in marks {
            row.holds += pairs.holds(
                of: mark, most: GuardRow.mostHolds - row.holds.count, now)
        }
        let refused = recent.find(Self.toldOfAccount) {
            marks.contains($0.account) && $0.status != Recent.Decision.passedOn
        }
        return [.guarded(row)] + refused.map { .refusal(Self.row($0)) }
    }

    private static func row(_ decision: Recent.Decision) -> RefusalRow {
        RefusalRow(
            moment: decision.moment, source: decision.source, transport: decision.transport,
            method: name(of: decision.method), reason: decision.reason, status: decision.status)
    }

    private static func name(of method: Method) -> String {
        method == .other ? "message" : "\(method.name)"
    }

    private func known(_ ip: IPAddress, _ bench: borrowing Bench) -> [(String, String)] {
        let known = sources.find(ip)
        let resident = sources.residents.find(ip.source)
        guard known != nil || resident != nil else { return [] }
        var rows: [(String, String)] = []
        if let known {
            rows.append(("first seen", Self.epoch(known.firstSeen, bench.now)))
            rows.append(("last seen", Self.epoch(known.lastSeen, bench.now)))
        }
        rows.append(("good accounts", "\(sources.accounts(of: ip))"))
        if let resident, sources.residents[resident].until > bench.now.monotonic {
            let until = sources.residents[resident].until
            rows.append(("protected until", Self.epoch(until, bench.now)))
        }
        if let country = country(of: ip), country != .unknown {
            rows.append(("country", country.code))
        }
        return rows + (known.map { Self.counts($0, bench) } ?? [])
    }

    private static func counts(
        _ source: Source, _ bench: borrowing Bench
    ) -> [(String, String)] {
        var rows: [(String, String)] = []
        for detector in Detector.allCases {
            let entry = source.counts[Int(detector.rawValue)]
            let limit = bench.settings.limit(detector)
            let age = bench.now.monotonic.seconds - Int64(entry.since)
            guard entry.count > 0, age < limit.window.seconds else { continue }
            rows.append(
                (
                    detector.key,
                    "\(entry.count) of \(limit.count) within \(limit.window.seconds) s"
                ))
        }
        return rows
    }

    /// A moment of the monotonic clock, in seconds since 1970.
    private static func epoch(_ moment: Milliseconds, _ now: Now) -> String {
        "\((now.sinceEpoch - (now.monotonic - moment)).seconds)"
    }

    private static func said(_ cause: Profiles.Cause) -> String {
        switch cause {
        case .trunk(let name): "because it is of the trunk \(name)"
        case .network(let network): "because of the network \(network)"
        case .resident: "because a phone is registered from there"
        case .country(let country): "because of the country \(country.code)"
        case .none: "as every other source"
        }
    }

    private static func said(
        _ decision: Recent.Decision, _ now: Milliseconds
    ) -> (String, String) {
        let age = (now - decision.moment).seconds
        let answer = decision.status == 0 ? "no answer" : "\(decision.status)"
        return (
            "\(age) s ago",
            "\(name(of: decision.method)) from \(decision.source) over \(decision.transport.name): \(decision.reason), \(answer)"
        )
    }
}
