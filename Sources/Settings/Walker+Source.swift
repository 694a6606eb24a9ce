internal import Messages

/// What `accounts.source` names, as far as the keys beside it are concerned.
private struct SourceKind {
    /// What its URL begins with.
    let schemes: [String]
    /// What it is called in a sentence.
    let name: String
    /// The keys beside it that it uses, but for those that every source uses.
    let uses: Set<String>

    static let query = "accounts.query"
    static let tables = "accounts.tables"
    static let manager = "accounts.ami"
    /// As whom it is asked.
    static let login = ["accounts.user", "accounts.secret-file"]

    /// What is asked through ARI.
    static let asterisk = SourceKind(
        schemes: ["ari", "ari+https"], name: "Asterisk itself", uses: Set(login + [manager]))

    private static let all = [
        SourceKind(schemes: ["sqlite"], name: "a SQLite file", uses: [query, tables]),
        SourceKind(schemes: ["odbc"], name: "a DSN", uses: Set(login + [query, tables])),
        SourceKind(schemes: ["asterisk"], name: "Asterisk's files", uses: Set(login)),
        SourceKind(schemes: ["freepbx"], name: "FreePBX's file", uses: Set(login)),
        asterisk,
    ]

    /// The one that a URL names; nil of no source.
    static func named(by url: String) -> SourceKind? {
        all.first { $0.schemes.contains { url.hasPrefix("\($0)://") } }
    }

    /// Whether it is asked through ARI.
    var isAsterisk: Bool { schemes == Self.asterisk.schemes }
}

/// Rules that hold between `accounts.source` and the keys beside it.
extension Walker {
    /// Checks the keys beside the source.
    mutating func checkSource() {
        checkBesideQuery()
        for value in values {
            guard case .source(let url)? = value.setting.told.accountsReader,
                let kind = SourceKind.named(by: url)
            else { continue }
            checkUnused(beside: kind)
            if kind.isAsterisk { checkAsked(value.position) }
        }
    }

    /// A query says itself where in a database the accounts are.
    private mutating func checkBesideQuery() {
        guard given[SourceKind.query] != nil else { return }
        for path in ["accounts.schema", SourceKind.tables] {
            guard let position = given[path] else { continue }
            error(
                position,
                "`\(path)` stands beside `accounts.query`, which says itself where the accounts are: leave one of"
                    + " them out")
        }
    }

    /// What a source has no use for.
    private mutating func checkUnused(beside kind: SourceKind) {
        if let query = given[SourceKind.query], !kind.uses.contains(SourceKind.query) {
            error(
                query,
                "`accounts.query` is asked of a database, and `accounts.source` names \(kind.name): name"
                    + " sqlite:///PATH or odbc://DSN there, or leave the query out")
        }
        for path in [SourceKind.tables, SourceKind.manager] + SourceKind.login
        where !kind.uses.contains(path) {
            guard let position = given[path] else { continue }
            warn(position, "`\(path)` is not used: `accounts.source` names \(kind.name)")
        }
    }

    /// What Asterisk tells nothing without.
    private mutating func checkAsked(_ position: Position) {
        for path in SourceKind.login where given[path] == nil {
            error(
                position,
                "`accounts.source` names Asterisk itself, which takes a login: add `\(path)`, for a user of ari.conf"
            )
        }
        let hasChanSIP = values.contains {
            if case .schema(.chanSip)? = $0.setting.told.accountsReader { true } else { false }
        }
        if hasChanSIP, given[SourceKind.manager] == nil, let position = given["accounts.schema"] {
            error(
                position,
                "ARI does not tell chan_sip's accounts: add `accounts.ami`, or name another schema")
        }
    }
}
