internal import Messages
internal import Settings
internal import Sys

/// What `rempart explain` shows of an account: what its source says, and what sip-router has decided.
struct ExplainedAccount {
    private let name: String
    private var source: AccountExplanation
    private var guarded: GuardRow?
    private var phones: [PhoneRow] = []
    private var upstreams: [UpstreamRow] = []
    private var calls: [CallRow] = []
    private var standings: [AccountStanding] = []
    private var refusals: [RefusalRow] = []
    /// What could not be found out, and why.
    private let gaps: [String]

    /// The account of a name, of the rows of sip-router and of directory.
    init(_ name: String, _ rows: [ControlReply], gaps: [String] = []) {
        self.name = name
        self.gaps = gaps
        source = AccountExplanation(rows)
        for row in rows {
            switch row {
            case .guarded(let row): guarded = row
            case .phone(let row): phones.append(row)
            case .upstream(let row): upstreams.append(row)
            case .call(let row): calls.append(row)
            case .standing(let row): standings.append(row)
            case .refusal(let row): refusals.append(row)
            default: break
            }
        }
    }

    /// Whether the source has a row of the name, or sip-router anything.
    var isKnown: Bool { hasRow || isKnownToRouter }

    private var hasRow: Bool { source.row.map { $0.why != .noRow } ?? false }

    /// Whether sip-router has a phone or a call of it, or has refused something in its name.
    var isKnownToRouter: Bool {
        !phones.isEmpty || !calls.isEmpty || !standings.isEmpty || !refusals.isEmpty
            || guarded.map { !$0.holds.isEmpty || $0.isGuarded } ?? false
    }

    // MARK: JSON

    /// The account as JSON; `now` is since 1970.
    func json(_ now: Milliseconds) -> JSON {
        .object([
            .init("account", .string(name)), .init("known", .bool(isKnown)),
            .init("source", source.row == nil ? .object([]) : source.json(now)),
            .init("phones", Phones.json(phones)),
            .init("asterisks", .array(upstreams.map(\.json))),
            .init("calls", Calls.json(calls)),
            .init("barred", .array(standings.map(StatusReport.json))),
            .init("guarded", .bool(guarded?.isGuarded ?? false)),
            .init("requestsUsedUp", .bool(guarded?.isUsedUp ?? false)),
            .init(
                "held",
                .array(
                    (guarded?.holds ?? []).map { hold in
                        .object([
                            .init("address", .string("\(hold.source)")),
                            .init("seconds", .number(hold.left.seconds)),
                        ])
                    })),
            .init("refusals", .array(refusals.map(\.json))),
            .init("notKnown", .array(gaps.map { .string($0) })),
        ])
    }

    // MARK: Text

    /// The account as lines, moments told from `now`, since 1970; each one says what to do where something is wrong.
    func text(_ now: Milliseconds) -> String {
        guard isKnown || !gaps.isEmpty else {
            let why = source.row.map { ": \(source.verdict($0).terminalSafe)" } ?? "."
            return "Nobody knows an account `\(name.terminalSafe)`\(why)\n`rempart accounts`"
                + " lists those that the source has."
        }
        var lines = sourceLines(now)
        lines += standings.map { ("limits", said($0, now)) }
        lines += phoneLines + upstreams.map { ("at \($0.address)", $0.words(name)) }
        lines += calls.map { ("call", said($0, now)) }
        lines += guardLines
        lines += refusals.map { ("refused", $0.words(now)) }
        if refusals.isEmpty, guarded != nil {
            lines.append(("refused", "by the edge nothing, among its last 8192 decisions"))
        }
        lines += gaps.map { ("not known", $0) }
        return Why.text(lines.map { (name: $0.0, value: $0.1) }, now: now)
    }

    private func sourceLines(_ now: Milliseconds) -> [(String, String)] {
        guard let row = source.row else { return [] }
        var lines = [("account", source.verdict(row))]
        guard row.isAccount else { return lines }
        lines.append(("digest user", "\(row.user), \(row.algorithms.joined(separator: ", "))"))
        let remedy = row.mayRegister ? "" : ". \(Reason.remedy(Refusal.mayNotRegister.code))"
        lines.append(("may register", source.mayRegister(row) + remedy))
        lines.append(("access", row.access.long))
        if source.isPeerAlone {
            lines.append(
                (
                    "type",
                    "peer: Asterisk takes calls of such phones for those of another one, or refuses"
                        + " them with 403. Set type=friend in its row"
                ))
        }
        if let age = row.kept.age {
            lines.append(("directory has", "a row confirmed \(age.spoken) ago"))
        }
        return lines
    }

    private var phoneLines: [(String, String)] {
        if phones.isEmpty {
            guard guarded != nil else { return [] }
            return [
                (
                    "phone",
                    "none is registered: let the phone register at an endpoint of `outside`; what was"
                        + " refused stands below"
                )
            ]
        }
        return phones.map { ("phone", $0.words) }
    }

    private var guardLines: [(String, String)] {
        guard let guarded else { return [] }
        var lines = guarded.holds.map { hold in
            (
                "held",
                "passwords from \(hold.source) are not looked at for \(hold.left.spoken):"
                    + " \(Reason.remedy(Refusal.accountHeld.code))"
            )
        }
        if guarded.isGuarded {
            lines.append(("guarded", Reason.words(Refusal.accountGuarded.code)))
        }
        if guarded.isUsedUp {
            lines.append(
                (
                    "requests",
                    "\(guarded.requests) a second (accounts.requests) are used up:"
                        + " \(Reason.remedy(Refusal.accountRequests.code))"
                ))
        }
        return lines
    }

    private func said(_ standing: AccountStanding, _ now: Milliseconds) -> String {
        let remedy = "`rempart release \(standing.account)` lets it call again"
        guard standing.barredSince.count > 0 else {
            return "calls nobody abroad for \((standing.heldUntil - now).spoken): it was seen in a"
                + " country where it never was. If its user travels, \(remedy)"
        }
        return "barred from calling since \((now - standing.barredSince).spoken)"
            + " (\(standing.reason): \(standing.evidence)). Change its password, then \(remedy)"
    }

    private func said(_ call: CallRow, _ now: Milliseconds) -> String {
        let state = call.isAnswered ? "answered" : "ringing"
        return "\(call.direction.name), with \(call.peer), \(state) since"
            + " \((now - call.since).spoken), \(call.phoneWords) and Asterisk \(call.asterisk),"
            + " Call-ID \(call.callID)"
    }
}

extension Reason {
    /// What the administrator may do about a reason of a code; empty when nothing is to be done.
    fileprivate static func remedy(_ code: String) -> String {
        all.first { $0.code == code }?.remedy ?? ""
    }

    /// What a reason of a code means, and what the administrator may do; empty without such a reason.
    static func words(_ code: String) -> String {
        guard let reason = all.first(where: { $0.code == code }) else { return "" }
        return reason.remedy.isEmpty ? reason.meaning : "\(reason.meaning) \(reason.remedy)"
    }
}

extension PhoneRow {
    /// The phone in a line, with what to do when it cannot be called.
    fileprivate var words: String {
        let head = "\(transport.name) \(address)"
        let heard = silence.map { ", heard \($0.spoken) ago" } ?? ""
        let rest = "\(heard), registered for \(expires.spoken) more"
        switch presence {
        case .there: return "\(head), can be called\(rest)"
        case .mute:
            return "\(head), is called though it answers no OPTIONS\(rest): let it answer them, so"
                + " that it is seen when it goes"
        case .gone:
            return transport == .udp
                ? "\(head), is gone: it left three OPTIONS unanswered\(rest). See whether it has power"
                    + " and a network"
                : "\(head), cannot be called: its connection is over\(rest). It has to connect and"
                    + " register again"
        }
    }
}

extension UpstreamRow {
    /// The row as a JSON object.
    fileprivate var json: JSON {
        .object([
            .init("address", .string(address.description)),
            .init("asterisk", .string(asterisk.name)), .init("state", .string(state.name)),
            .init("status", .number(Int64(status))),
        ])
    }

    /// Where the registration of an account stands, with what to do when it is missing.
    fileprivate func words(_ name: String) -> String {
        let isDown = asterisk == .down
        let lookAtIt = "`rempart status`, and Asterisk's log, tell more"
        switch state {
        case .none: return "not registered, since no phone of it is there"
        case .waiting:
            return isDown
                ? "waits until this Asterisk answers: \(lookAtIt)"
                : "waits for its turn, or for the account database: `rempart status` tells of either"
        case .trying: return "is being registered"
        case .registered:
            return asterisk == .up
                ? "registered" : "registered, but Asterisk is \(asterisk.words): \(lookAtIt)"
        case .refused:
            return
                "refused with \(status): see whether its account table has \(name) with the secret"
                + " that accounts.source has; Asterisk's log tells more"
        case .unanswered:
            return "Asterisk does not answer the REGISTER: \(lookAtIt)"
        case .leaving: return "is being unregistered, since no phone of it is there"
        }
    }
}

extension RefusalRow {
    /// The row as a JSON object; the moment in seconds since 1970.
    fileprivate var json: JSON {
        .object([
            .init("moment", .number(moment.seconds)), .init("method", .string(method)),
            .init("address", .string("\(source)")), .init("transport", .string(transport.name)),
            .init("reason", .string(reason)), .init("status", .number(Int64(status))),
            .init("remedy", .string(Reason.remedy(reason))),
        ])
    }

    /// The refusal in a line, with what to do about it.
    fileprivate func words(_ now: Milliseconds) -> String {
        let answer = status == 0 ? "no answer" : "\(status)"
        let meaning = Reason.words(reason)
        return "\((now - moment).spoken) ago: \(method) from \(source) over \(transport.name):"
            + " \(reason), \(answer)" + (meaning.isEmpty ? "" : ". \(meaning)")
    }
}
