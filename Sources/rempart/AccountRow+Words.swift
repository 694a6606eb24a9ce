// What a row of an account says, in words.
internal import Messages
internal import Sys

extension AccountRow {
    /// The digest algorithms that it can authenticate with.
    var algorithms: [String] { (hasMD5 ? ["MD5"] : []) + (hasSHA256 ? ["SHA-256"] : []) }

    /// What it may not do at a moment since 1970.
    func limits(_ now: Milliseconds) -> [String] {
        var limits: [String] = []
        if kept.standing.barredSince.count > 0 { limits.append("barred") }
        if kept.standing.heldUntil > now {
            limits.append("not abroad for \((kept.standing.heldUntil - now).spoken)")
        }
        return limits
    }

    /// The members of its JSON object; `now` is since 1970.
    func members(_ now: Milliseconds) -> [JSON.Member] {
        [
            .init("account", .string(name)), .init("isAccount", .bool(isAccount)),
            .init("user", .string(user)),
            .init("algorithms", .array(algorithms.map { .string($0) })),
            .init("mayRegister", .bool(mayRegister)),
            .init("phones", .number(Int64(kept.phones))),
            .init("access", .string(isAccount ? access.long : "")),
            .init("limits", .array(limits(now).map { .string($0) })),
            .init("known", .bool(kept.age != nil)),
            .init("age", .number(kept.age?.seconds ?? 0)),
            .init("confirmed", .bool(kept.isConfirmed)),
            .init("source", .string(source)), .init("why", .string(why?.long(self) ?? "")),
        ]
    }
}

extension AccountAbsence {
    /// The reason in a few words.
    var short: String {
        switch self {
        case .noRow: "no account: no row"
        case .noSecret: "no account: no secret"
        case .wrongKind: "no account: wrong kind of secret"
        case .tooLong: "no account: too long"
        case .realmBound: "hashes for another realm"
        case .unreadableAccessList: "lets nobody in"
        case .noAuthRow: "no account: no row in ps_auths"
        case .brokenHash: "no account: its hash is none"
        case .trunk: "no account: a trunk"
        case .severalRows: "no account: several rows"
        }
    }

    /// The reason as the rest of a sentence about a row.
    func long(_ row: AccountRow) -> String {
        // Of a file its path is told, or its name, of an Asterisk that is asked its URL, and of a database the table.
        let isAsked = row.source.contains("://")
        let isFile = row.source.hasPrefix("/") || row.source.contains(".conf")
        let place = isAsked ? "endpoint" : isFile ? "section" : "row"
        return switch self {
        case .noRow: "no \(place) of \(row.source) has this name"
        case .noSecret: "its \(place) has no secret"
        case .wrongKind:
            "its \(place) wants to be authenticated in a way that is not understood here"
        case .tooLong: "its digest user or its address of record is longer than 255 bytes"
        case .realmBound: "its hashes are for another realm than accounts.realm"
        case .unreadableAccessList: "its access lists let nobody in, or cannot be read"
        case .noAuthRow:
            place == "row"
                ? "its endpoint names a row of ps_auths that is missing"
                : "its endpoint names an auth that is missing"
        case .brokenHash: "what stands there as its hash is none"
        case .severalRows: "several rows of \(row.source) have this name"
        case .trunk: "it is another exchange: Asterisk registers there, or knows it by its address"
        }
    }

    /// What to do about it.
    var remedy: String {
        switch self {
        case .noRow:
            "Compare it with what the phone sends as its user, capital letters included: `rempart accounts` "
                + "lists the names there are, and accounts.source, accounts.query, accounts.schema and "
                + "accounts.tables say where they are read."
        case .noSecret:
            "Give it a secret in Asterisk's tables or files. Without one Asterisk lets anyone in, and Rempart nobody."
        case .wrongKind:
            "Set auth_type to userpass, md5 or digest, and write a hash as hexadecimal digits: 32 of MD5."
        case .tooLong: "Shorten username, or the id of its row in ps_aors."
        case .realmBound:
            "Store the secret itself, or hashes for accounts.realm, or set accounts.realm to theirs."
        case .unreadableAccessList:
            "Write networks as 10.0.0.0/8 or 10.0.0.0/255.0.0.0, put named lists into the table that "
                + "accounts.tables names or into acl.conf, and look at accounts.acl-order. With ari:// the rules "
                + "are read through accounts.ami."
        case .noAuthRow:
            "Add the row to ps_auths (in a file the section of type=auth), with username and password, or correct "
                + "auth of the endpoint."
        case .brokenHash:
            "Write the MD5 of NAME:REALM:SECRET as 32 hexadecimal digits into md5secret or ha1_md5, its SHA-256 as "
                + "64 into ha1_sha256. Or empty it, and set secret."
        case .severalRows:
            "Have accounts.query find one row for a name: where it joins tables, each of them has to have one."
        case .trunk:
            "A phone has host=dynamic in sip.conf. In pjsip.conf it has an auth, identify_by with username, and no "
                + "section of type=registration."
        }
    }
}

extension AccessList {
    /// How many items the short form has.
    private static let mostItems = 3

    /// From where phones may use it, in a few words.
    var short: String { words(isShort: true) }

    /// The same, in full, with what holds for IPv6.
    var long: String { words(isShort: false) }

    private func words(isShort: Bool) -> String {
        if self == .nobody { return "nobody" }
        let sources = words(of: .source, isShort) ?? "any"
        return words(of: .contact, isShort).map { "\(sources); Contact \($0)" } ?? sources
    }

    /// Each list of one kind that keeps somebody out; nil when there is none.
    private func words(of target: AccessTarget, _ isShort: Bool) -> String? {
        let rules = rules.filter { $0.target == target }
        let lists = Set(rules.map(\.list)).sorted().compactMap { list in
            Self.words(Self.effective(rules.filter { $0.list == list }), isShort)
        }
        return lists.isEmpty ? nil : lists.joined(separator: " and ")
    }

    /// The rules of one list that decide about some address: of those that fit, the last one does.
    private static func effective(_ rules: [AccessRule]) -> [AccessRule] {
        rules.enumerated().filter { index, rule in
            !rules[(index + 1)...].contains { $0.network.covers(rule.network) }
        }.map(\.element)
    }

    /// One list; nil when it keeps nobody out: an address that no rule fits may pass.
    ///
    /// Most lists deny everything first, and permit some: those are what a person wants to know.
    private static func words(_ rules: [AccessRule], _ isShort: Bool) -> String? {
        if rules.allSatisfy(\.permits) { return nil }
        let denied = rules.filter { !$0.permits && $0.network.prefix == 0 }
        let rest = rules.filter { $0.permits || $0.network.prefix > 0 }
        let isPlain = !denied.isEmpty && rest.allSatisfy(\.permits)
        var items = rest.map { rule in
            (isPlain ? "" : rule.permits ? "permit " : "deny ") + rule.network.short
        }
        if isPlain {
            for (family, isV4) in [("any IPv4", true), ("any IPv6", false)]
            where !rules.contains(where: { $0.network.address.isV4 == isV4 }) {
                if !isShort || items.isEmpty { items.append(family) }
            }
        } else {
            items = denied.map { "deny \($0.network)" } + items
        }
        if items.isEmpty { return "nobody" }
        guard isShort, items.count > mostItems else { return items.joined(separator: ", ") }
        return items.prefix(mostItems).joined(separator: ", ")
            + " and \(items.count - mostItems) more"
    }
}

extension Network {
    /// An address alone, or a network.
    fileprivate var short: String { isOneAddress ? "\(address)" : "\(self)" }

    /// Whether each address of another network is one of this.
    fileprivate func covers(_ other: Network) -> Bool {
        prefix <= other.prefix && address.isV4 == other.address.isV4 && contains(other.address)
    }
}
