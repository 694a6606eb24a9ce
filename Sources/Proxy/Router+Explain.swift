package import Messages
internal import SIP
internal import Sys

/// What `rempart explain` says.
extension Router {
    /// How many decisions are told.
    private static let told = 20

    /// What was decided about an address, or about a Call-ID.
    package func explain(_ what: String) -> [ControlReply] {
        guard let ip = IPAddress(what) else { return explain(callID: what) }
        let (number, cause) = classify(ip)
        var rows = [("profile", "\(bench.settings.profiles.all[number].name), \(Self.said(cause))")]
        if isAsterisk(ip) {
            rows.append(("standing", "an Asterisk: nothing is held against it"))
        } else if trunk(at: ip) != nil {
            rows.append(
                ("standing", "a trunk: it needs no password, and nothing is held against it"))
        } else if let network = bench.settings.allow.first(where: { $0.contains(ip) }) {
            rows.append(("standing", "in \(network) of defence.allow: nothing is held against it"))
        } else if defence.isListed(ip, bench.now.monotonic) {
            rows.append(("standing", "banned: rempart why \(ip) tells for what"))
        } else if defence.isHeld(ip, bench.now.monotonic) {
            rows.append(("standing", "only its registered phones are answered for a while"))
        } else {
            rows.append(("standing", "answered"))
        }
        let known = known(ip)
        rows +=
            known.isEmpty
            ? [("proven", "nothing: it may be forged, so nothing is counted against it")] : known
        rows += unusualAnswers(ip)
        let moment = bench.now.sinceEpoch
        for decision in recent.find(Self.told, where: { $0.source == ip }) {
            rows.append(Self.said(decision, moment))
        }
        return rows.map { .finding(name: $0.0, value: $0.1) }
    }

    /// That requests in the name of an address were answered in short form or not at all, when that is so.
    ///
    /// The phones there may be unable to read the one, and hear nothing of the other.
    private func unusualAnswers(_ ip: IPAddress) -> [(String, String)] {
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

    private func explain(callID: String) -> [ControlReply] {
        let bytes = Array(callID.utf8)
        let hash = NameTable.hash(bytes.span)
        let found = recent.find(Self.told) { $0.callID == hash }
        guard !found.isEmpty else {
            return [
                .finding(
                    name: "decisions", value: "none of the last 8192 is about this Call-ID")
            ]
        }
        let moment = bench.now.sinceEpoch
        return found.map { decision in
            let row = Self.said(decision, moment)
            return .finding(name: row.0, value: row.1)
        }
    }

    private func known(_ ip: IPAddress) -> [(String, String)] {
        let source = ip.source
        let place = defence.sources.find(source)
        let resident = defence.residents.find(source)
        guard place != nil || resident != nil else { return [] }
        var rows: [(String, String)] = []
        if let place {
            rows.append(("first seen", epoch(defence.sources[place].firstSeen)))
            rows.append(("last seen", epoch(defence.sources[place].lastSeen)))
        }
        rows.append(("good accounts", "\(defence.accounts(of: ip))"))
        if let resident, defence.residents[resident].until > bench.now.monotonic {
            rows.append(("protected until", epoch(defence.residents[resident].until)))
        }
        if let country = defence.whereabouts(of: ip)?.country, country != .unknown {
            rows.append(("country", country.code))
        }
        return rows + (place.map { counts(defence.sources[$0]) } ?? [])
    }

    private func counts(_ source: Source) -> [(String, String)] {
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

    private func epoch(_ moment: Milliseconds) -> String {
        "\((bench.now.sinceEpoch - (bench.now.monotonic - moment)).seconds)"
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
        let method = decision.method == .other ? "message" : "\(decision.method.name)"
        return (
            "\(age) s ago",
            "\(method) from \(decision.source) over \(decision.transport.name): \(decision.reason), \(answer)"
        )
    }

    /// banner has been started anew: it is told again where phones are registered.
    package mutating func bannerLinked(_ now: Now) {
        self.bench.now = now
        residentsTold = 0
        nextTelling = now.monotonic
        tellResidents()
    }

    /// How many residents banner is told of at once; the link to it has room for some hundred thousand.
    private static let toldAtOnce = 16_384

    /// Tells banner of the residents that it was not told of yet, some at a time.
    mutating func tellResidents() {
        guard residentsTold < defence.residents.places, bench.now.monotonic >= nextTelling else {
            return
        }
        nextTelling = bench.now.monotonic + Milliseconds(100)
        let places =
            residentsTold..<min(residentsTold + Self.toldAtOnce, defence.residents.places)
        residentsTold = places.upperBound
        for place in places where defence.residents[place].until > bench.now.monotonic {
            let resident = defence.residents[place]
            let left = resident.announcedUntil - bench.now.monotonic
            bench.effects.toBanner.append(
                .protect(resident.address, until: bench.now.sinceEpoch + left))
        }
    }
}
