internal import ArgumentParser
internal import Messages
internal import Settings
internal import Sys

/// `rempart explain`: what was decided about an account, an address or a call, and by which rule.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain what was decided about an account, an address or a Call-ID, and why.",
        discussion: """
            Of an account it tells what its source says, its phones, its registration at each Asterisk, its calls, \
            what is held against it, and what was refused of late. Where something is wrong a line says what to \
            do. A reason code of the journal is explained too.
            """)

    @Argument(help: "An account's name, an IP address, a Call-ID, or a reason code.")
    var what: String
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var table: TableOptions

    func validate() throws {
        guard (1...255).contains(what.utf8.count) else {
            throw ValidationError(
                "name an account, an IP address, a Call-ID or a reason code, in 1 to 255 bytes")
        }
    }

    func run() throws {
        let now = Clock.sinceEpoch
        guard IPAddress(what) == nil else {
            let rows = Why.findings(try daemon.ask(.explain(what)))
            table.show(json: Why.json(rows), text: Why.text(rows, now: now))
            return
        }
        let client = ControlClient(runtime: daemon.runtime)
        do throws(ControlError) {
            let explanation = try Explanation(what) { request throws(ControlError) in
                try client.ask(request)
            }
            table.show(json: explanation.json(now), text: explanation.text(now))
        } catch {
            throw failure(error.description)
        }
    }
}

/// What a word that is no address means: an account's name, a Call-ID, a reason code, or several of them.
struct Explanation {
    private let word: String
    /// What was decided about it as a Call-ID; empty when nothing was.
    private let decisions: [(name: String, value: String)]
    /// What it is as an account; nil when it cannot be the name of one.
    private let account: ExplainedAccount?

    /// Asks what a word means; throws when nobody answers.
    ///
    /// What one component says is told even when the other says nothing. The source of the accounts is not asked for
    /// the Call-ID of a call.
    init(
        _ word: String, _ ask: (ControlRequest) throws(ControlError) -> [ControlReply]
    ) throws(ControlError) {
        self.word = word
        let isName = word.utf8.count <= Bounds.longestName
        var rows: [ControlReply] = []
        var failures: [ControlError] = []
        do throws(ControlError) {
            rows += try ask(.explain(word))
            if isName { rows += try ask(.explainAccount(word)) }
        } catch {
            failures.append(error)
        }
        decisions = Why.findings(rows).filter { $0.name != ControlReply.noDecisions }
        let isCall = !decisions.isEmpty && !ExplainedAccount(word, rows).isKnownToRouter
        guard isName, !isCall else {
            if let first = failures.first { throw first }
            account = nil
            return
        }
        do throws(ControlError) {
            rows += try ask(.account(word))
        } catch {
            if !failures.isEmpty { throw error }
            failures.append(error)
        }
        account = ExplainedAccount(word, rows, gaps: failures.map(\.description))
    }

    private var reason: Reason? { Reason.all.first { $0.code == word } }

    /// What is told of the account: nothing where nobody knows one, and the word means something else.
    private var toldAccount: ExplainedAccount? {
        guard let account, account.isKnown || decisions.isEmpty && reason == nil else { return nil }
        return account
    }

    /// The explanation as JSON; `now` is since 1970.
    func json(_ now: Milliseconds) -> JSON {
        var members: [JSON.Member] = []
        if case .object(let known)? = toldAccount?.json(now) { members += known }
        if !decisions.isEmpty || account == nil {
            members.append(.init("decisions", .array(decisions.map { .string("\($0): \($1)") })))
        }
        if let reason {
            members.append(
                .init(
                    "reason",
                    .object([
                        .init("code", .string(reason.code)),
                        .init("meaning", .string(reason.meaning)),
                        .init("remedy", .string(reason.remedy)),
                    ])))
        }
        return .object(members)
    }

    /// The explanation as text; `now` is since 1970.
    func text(_ now: Milliseconds) -> String {
        var parts = [toldAccount?.text(now)].compactMap(\.self)
        if !decisions.isEmpty { parts.append(Why.text(decisions, now: now)) }
        if let reason { parts.append("\(reason.code): \(Reason.words(reason.code))") }
        let subject = account == nil ? "this Call-ID" : "it as a Call-ID"
        let nothing = "None of the last 8192 decisions is about \(subject)."
        if decisions.isEmpty, reason == nil, account.map({ !$0.isKnown }) ?? true {
            parts.append(nothing)
        }
        return parts.joined(separator: "\n\n")
    }
}
