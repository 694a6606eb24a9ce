// The answers to `rempart accounts`: asked of accounts-reader bit by bit, while everything else goes on.
internal import Messages
internal import Privsep
internal import Sys

/// What directory does for `rempart accounts`.
///
/// It never waits, and has at most one page in memory for each caller. The look-ups of phones wait for
/// those of one batch, no more.
final class AccountsCommand {
    private let known: KnownAccounts
    private var reader: AccountReader { known.reader }

    /// How many names are looked up together, while the page has time.
    private static let batch = 4
    /// How long a page takes at most, unless its first look-up takes longer: a slow source has shorter pages.
    static let longestPage = Milliseconds.seconds(1)

    /// The command over what directory knows of the accounts, and how it asks for them.
    init(_ known: KnownAccounts) { self.known = known }

    /// A page that is being made.
    private final class Page {
        let answer = LateAnswer()
        let end: Milliseconds
        var names: ArraySlice<String> = []
        var isLast = false
        var rows: [ControlReply] = []

        init(end: Milliseconds) { self.end = end }
    }

    /// The answers to several look-ups, which a slow source gives bit by bit, and late; none when nobody owes them any
    /// more and one is missing.
    private final class Gathering {
        private let queries: [AccountQuery]
        private var found: [AccountQuery: ReadAccount] = [:]
        private let then: ([ReadAccount]?) -> Void
        private var isOver = false

        init(_ queries: [AccountQuery], _ then: @escaping ([ReadAccount]?) -> Void) {
            self.queries = queries
            self.then = then
        }

        deinit { if !isOver { then(nil) } }

        /// What is still to be asked for.
        var left: [AccountQuery] { queries.filter { found[$0] == nil } }

        /// Takes answers; whether the rest is to be asked for now.
        func take(_ asked: [AccountQuery], _ answers: [ReadAccount]) -> Bool {
            let read = zip(asked, answers).filter { $0.1.answer != .unavailable }
            // Late answers may follow.
            guard !read.isEmpty else { return false }
            for (query, answer) in read { found[query] = answer }
            guard left.isEmpty else { return true }
            isOver = true
            then(queries.compactMap { found[$0] })
            return false
        }
    }

    /// A page of the accounts that the source has, from behind a name on.
    func page(after name: String) -> LateAnswer {
        let page = Page(end: now.monotonic + Self.longestPage)
        if let why = whyNot ?? whyNotListed {
            page.answer.complete([.failed(why)])
            return page.answer
        }
        let failed = { page.answer.complete([.failed($0)]) }
        reader.inquiries.names(after: name, now: now.monotonic, orElse: failed) {
            [weak self] names, isLast in
            guard let self else { return }
            // A page without names may be one of a source that can be read no more.
            if names.isEmpty, let whyNot { return failed(whyNot) }
            known.bindings.commit(now: now.sinceEpoch)
            page.names = names[...]
            page.isLast = isLast
            goOn(page)
        }
        return page.answer
    }

    /// Looks the next names of a page up, until it is complete.
    private func goOn(_ page: Page) {
        let isOver = now.monotonic >= page.end && !page.rows.isEmpty
        guard !page.names.isEmpty, !isOver else {
            let isLast = page.isLast && page.names.isEmpty
            return page.answer.complete(page.rows + (isLast ? [.done] : [.isMore, .done]))
        }
        let names = Array(page.names.prefix(now.monotonic < page.end ? Self.batch : 1))
        page.names = page.names.dropFirst(names.count)
        lookUp(names) { [weak self] rows, why in
            guard let self, let rows else { return page.answer.complete([.failed(why)]) }
            page.rows += rows.map { .account($0) }
            goOn(page)
        }
    }

    /// Each look-up that a name takes, and what comes of them.
    func explain(_ name: String) -> LateAnswer {
        let answer = LateAnswer()
        if let why = whyNot {
            answer.complete([.failed(why + remembered(name))])
            return answer
        }
        let failed = { [weak self] (why: String) in
            answer.complete([.failed(why + (self?.remembered(name) ?? ""))])
        }
        reader.inquiries.trace(name, now: now.monotonic, orElse: failed) { [weak self] steps in
            guard let self else { return }
            known.bindings.commit(now: now.sinceEpoch)
            lookUp([name]) { rows, why in
                guard let rows else { return failed(why) }
                answer.complete(steps.map { .step($0) } + rows.map { .account($0) } + [.done])
            }
        }
        return answer
    }

    private var now: Moment { known.clock() }

    /// Why nothing can be read now; nil when it can, as far as is known.
    private var whyNot: String? {
        switch reader.state {
        case .up: nil
        case .down(let why, _): "no account can be read: \(why)"
        case nil: "the source of the accounts is not opened yet: try again"
        }
    }

    /// Why there is no list of accounts; nil when there is one.
    private var whyNotListed: String? {
        reader.state?.listsAccounts == false
            ? "accounts.query finds one account by its name, and can list none: `rempart accounts NAME` tells of one"
            : nil
    }

    /// Has `then` called with the rows of names, or with nil and why nothing can be read.
    private func lookUp(_ names: [String], _ then: @escaping ([AccountRow]?, String) -> Void) {
        let shorts = names.map(Self.withoutDomain)
        let queries = (names + shorts.compactMap(\.self)).map(query)
        let gathering = Gathering(queries) { [weak self] answers in
            guard let self else { return }
            guard let answers else { return then(nil, whyNot ?? ReaderInquiries.silence) }
            var aliases = answers.dropFirst(names.count)
            var rows: [AccountRow] = []
            for (index, name) in names.enumerated() {
                let read = answers[index]
                let alias = shorts[index].flatMap { short in
                    // The phones of `1001@example.com` are those of 1001, if that leads to the same row.
                    aliases.popFirst().flatMap { $0.isSame(as: read) ? short : nil }
                }
                guard let row = AccountRow(name, read, kept(of: name, alias)) else {
                    return then(nil, whyNot ?? ReaderInquiries.silence)
                }
                rows.append(row)
            }
            then(rows, "")
        }
        ask(gathering)
    }

    private func ask(_ gathering: Gathering) {
        let queries = gathering.left
        reader.ask(queries, .first, now: now.monotonic) { [weak self] answers in
            if gathering.take(queries, answers) { self?.ask(gathering) }
        }
    }

    private func query(_ name: String) -> AccountQuery {
        AccountQuery(name: name, realm: known.settings.realm)
    }

    /// What directory has of an account, under this name or the one that its phones use.
    private func kept(of name: String, _ alias: String?) -> KeptOfAccount {
        let now = now
        let (phones, standing) = known.bindings.kept(of: alias ?? name, now: now.sinceEpoch)
        let row = known.rows[query(name)] ?? alias.flatMap { known.rows[query($0)] }
        return KeptOfAccount(
            phones: phones, standing: standing, age: row?.age(now),
            isConfirmed: row?.isFresh(known.changes, now) ?? false)
    }

    /// What is known of a name whose source says nothing, as the end of a sentence; empty without.
    private func remembered(_ name: String) -> String {
        let kept = kept(of: name, nil)
        return kept.age.map {
            "; directory knows \(name) as its source said it \($0.spoken) ago, and so it serves until that "
                + "is \(known.settings.stale.duration) old (accounts.stale)"
        } ?? ""
    }

    /// `1001` of `1001@example.com`; nil without a domain.
    private static func withoutDomain(_ name: String) -> String? {
        name.firstIndex(of: "@").map { String(name[..<$0]) }
    }
}

extension ReadAccount {
    /// Whether both are accounts of which the source says the same.
    fileprivate func isSame(as other: ReadAccount) -> Bool {
        guard case .found = answer, case .found = other.answer else { return false }
        return version == other.version
    }
}
