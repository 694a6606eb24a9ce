// What accounts-reader has found at the source of the accounts, in words.
internal import Messages
internal import Sys

extension SourceFindings {
    /// What was read, how, and how many accounts it has.
    var summary: String {
        "\(source): good: \(layout), \(counted), read by \(Role.accountsReader.name) as "
            + Role.accountsReader.user
    }

    private var counted: String {
        let all = "\(count) \(count == 1 ? "account" : "accounts")"
        if isWhole { return all }
        let span = "\(SourceLook.longest.seconds) s"
        return count == 0
            ? "accounts not counted within \(span)" : "more than \(all), counted for \(span)"
    }

    /// What an administrator may not want, line by line.
    var warnings: [String] {
        if count == 0, isWhole {
            return ["\(source): warning: it has no account, so no phone can register"]
        }
        let sum = unusable.map(\.count).reduce(0, +)
        guard sum > 0 else { return [] }
        let among = lookedUp < count ? " of the first \(lookedUp)" : " of them"
        let head = "\(source): warning: \(sum)\(among) can be used by nobody:"
        return [head]
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

extension SourceProblem {
    /// The same with what is known of the end of accounts-reader.
    func completed(by end: ReaderProcess.End) -> SourceProblem {
        switch self {
        case .hangs(let span, _): .hangs(span, isKilled: end.how != nil)
        case .ended:
            .ended([end.how, end.lastWords].compactMap { $0 }.joined(separator: ": "))
        case .notStarted, .down, .slow, .garbled: self
        }
    }

    /// What is wrong and what to do; `url` is `accounts.source` of the settings.
    func words(_ url: String) -> String {
        let name = Role.accountsReader.name
        // Of another URL the scheme alone: behind it a password may stand.
        let file = Setting.path(ofSource: url)
        let source = file ?? String(url.prefix { $0 != ":" })
        let remedy =
            file == nil
            ? "See whether the server answers, and check again."
            : "Where that lies on a mount whose server is away, bring it back or name another "
                + "accounts.source, and check again."
        switch self {
        case .notStarted(let why), .down(let why): return why
        case .hangs(let span, let isKilled):
            let end = isKilled ? "was killed" : "does not even end when it is killed"
            return
                "\(name) has said nothing for \(span.seconds) s and \(end): it waits for \(source). "
                + remedy
        case .slow(let span):
            return "\(name) has not opened \(source) within \(span.seconds) s. " + remedy
        case .ended(let how): return "\(name) has ended by itself (\(how))"
        case .garbled(let what):
            return "\(name) is of another build (\(what)): install all programs anew"
        }
    }
}
