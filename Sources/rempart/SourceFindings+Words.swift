// What accounts-reader has found at the source of the accounts, in words.
internal import Messages
internal import Sys

extension SourceFindings {
    /// What was read, how, and how many accounts it has.
    var summary: String {
        "\(shown): good: \(layout), \(counted)\(left), read by \(Role.accountsReader.name) as "
            + Role.accountsReader.user
    }

    /// The source, as it may be shown.
    private var shown: String { Setting.shown(source: source) }

    /// How many were looked up, when others were left out.
    private var left: String {
        lookedUp < count ? ", \(lookedUp == 0 ? "none" : "only \(lookedUp)") looked up" : ""
    }

    private var counted: String {
        guard isListed else {
            return "which finds one account by its name and lists none (`rempart accounts NAME`)"
        }
        let all = "\(count) \(count == 1 ? "account" : "accounts")"
        if isWhole { return all }
        let span = "\(SourceLook.longest.seconds) s"
        return count == 0
            ? "accounts not counted within \(span)" : "more than \(all), counted for \(span)"
    }

    /// What an administrator may not want, line by line.
    var warnings: [String] {
        let unread = remarks.map { "\(shown): warning: \($0)" }
        if count == 0, isWhole {
            return unread + [
                "\(shown): warning: it has no account, so no phone can register. Where Asterisk has accounts, look at"
                    + " accounts.source, accounts.schema and accounts.tables"
            ]
        }
        let sum = unusable.map(\.count).reduce(0, +)
        guard sum > 0 else { return unread }
        let among = lookedUp < count ? " of the \(lookedUp) looked up" : " of them"
        let head = "\(shown): warning: \(sum)\(among) can be used by nobody:"
        return unread + [head]
            + unusable.map { one in
                "    \(one.why.short) (\(Self.few(one.names, of: one.count))). \(one.why.remedy)"
            }
    }

    /// What Asterisk needs, so that it shows the caller that the edge names; `callers` may show others than themselves.
    func hint(callers: [String]) -> String {
        let places: [(layout: AccountSchema, place: String)] = [
            (.pjsip, "trust_id_inbound=yes in PJSIP's endpoints"),
            (.chanSip, "trustrpid=yes in chan_sip's peers"),
        ]
        let own = places.filter { $0.layout.name == layout }
        let named = (own.isEmpty ? places : own).map(\.place).joined(separator: ", or ")
        let shown = Self.few(Array(callers.prefix(Self.mostNames)), of: callers.count)
        return "hint: set \(named): without it Asterisk shows the number of an anonymous caller"
            + (callers.isEmpty ? "" : ", and not the callers of \(shown)")
    }

    /// The first names of so many.
    private static func few(_ names: [String], of count: Int) -> String {
        let rest = count - names.count
        return names.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}

extension LookFailure {
    /// What is wrong and what to do; `url` is `accounts.source` of the settings.
    func words(_ url: String) -> String {
        switch self {
        case .notStarted(let why): why
        case .givenUp(let problem, let end): problem.words(url, end)
        }
    }
}

extension SourceProblem {
    fileprivate func words(_ url: String, _ end: ReaderProcess.End) -> String {
        let name = Role.accountsReader.name
        let source = Setting.shown(source: url)
        let remedy =
            Setting.path(ofSource: url) == nil
            ? "See whether the server answers, and check again."
            : "Where that lies on a mount whose server is away, bring it back or name another "
                + "accounts.source, and check again."
        let stays = "does not even end when it is killed"
        switch self {
        case .notWatched(let why), .down(let why): return why
        case .hangs(let span):
            return
                "\(name) has said nothing for \(span.seconds) s and "
                + "\(end.how == nil ? stays : "was killed"): it waits for \(source). \(remedy)"
        case .slow(let span):
            return "\(name) has not opened \(source) within \(span.seconds) s. " + remedy
        case .ended:
            let how = end.how.map { "ended by itself (\($0))" } ?? "closed its links and \(stays)"
            return
                "\(name) has \(how)\(end.lastWords.map { ": \($0)" } ?? ""). "
                + "Check again. When it ends once more, install all programs anew."
        case .garbled(let what):
            return "\(name) is of another build (\(what)): install all programs anew"
        }
    }
}
