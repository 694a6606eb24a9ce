package import Messages

/// Every key there is, and where in the file it may stand; what a key is stands in its row, in Messages.
package enum Schema {
    /// The keys, in the order in which they are documented.
    package static let keys = SettingKey.all

    /// The key of a path.
    package static func key(_ path: String) -> SettingKey? { keys.first { $0.path == path } }

    /// The groups whose names the file chooses.
    static let namedGroups = [trunkNames, profileNames]

    /// The lists whose items hold keys.
    static let listGroups = [certificates]

    /// The keys whose values stand behind names that the file chooses.
    static let namedValues = [callers]

    /// Whom accounts may show, by the accounts' names.
    static let callers = NamedValues(
        path: "accounts.callers", what: "account", limit: Bounds.mostCallers, example: "gw1",
        range: "1 to \(Bounds.longestName) letters, digits and \(Value.signsOfAccounts),"
            + " without a domain",
        isName: Value.isAccountName)

    /// The trunks by name.
    static let trunkNames = NamedGroup(
        name: "trunks", what: "trunk", limit: Bounds.mostTrunks, example: "telco",
        range: "1 to \(Bounds.longestGroupName) letters, digits, `-`, `_` and `.`",
        isName: Value.isTrunkName)

    /// The profiles by name.
    static let profileNames = NamedGroup(
        name: "profiles", what: "profile", limit: nil, example: "office",
        range: "one word of at most \(Bounds.longestGroupName) bytes",
        isName: { (1...Bounds.longestGroupName).contains($0.utf8.count) })

    /// The certificates by name.
    static let certificates = ListGroup(
        path: "tls.certificates", what: "certificate", items: 1...Bounds.mostCertificates)
}

extension SettingKey {
    /// The group of the key, empty at the top.
    var group: Substring { path.lastIndex(of: ".").map { path[..<$0] } ?? "" }

    /// The key without its group.
    var name: Substring { path.split(separator: ".").last ?? "" }

    /// Whether the key stands under names that the file chooses, or in the items of a list.
    package var isUnderName: Bool {
        Schema.namedGroups.contains { $0.keys == group }
            || Schema.listGroups.contains { $0.keys == group }
            || Schema.namedValues.contains { $0.path == group }
    }
}

/// A list whose items hold the same keys.
struct ListGroup: Sendable {
    /// The list with its group: "tls.certificates".
    let path: String
    /// What an item stands for: "certificate".
    let what: String
    /// How many items it takes.
    let items: ClosedRange<Int>

    /// The group of the keys of an item, as it is documented: "tls.certificates[]".
    var keys: String { path + SettingKey.itemPlaceholder }

    /// The list without its group.
    var name: Substring { path.split(separator: ".").last ?? "" }
}

/// A key that holds names of the administrator's, and behind each of them a value.
struct NamedValues: Sendable {
    /// The key with its group: "accounts.callers".
    let path: String
    /// What a name stands for: "account".
    let what: String
    /// How many names it takes.
    let limit: Int
    /// Such a name, as it would be written.
    let example: String
    /// What a name is made of, for a reader.
    let range: String
    /// Whether a text is such a name.
    let isName: @Sendable (String) -> Bool

    /// The key without its group.
    var name: Substring { path.split(separator: ".").last ?? "" }
}

/// A group that holds names of the administrator's, and under each of them the same keys.
struct NamedGroup: Sendable {
    /// The group: "trunks".
    let name: String
    /// What a name in it stands for: "trunk".
    let what: String
    /// How many names it takes; nil for any number.
    let limit: Int?
    /// Such a name, as it would be written.
    let example: String
    /// What a name is made of, for a reader.
    let range: String
    /// Whether a text is such a name.
    let isName: @Sendable (String) -> Bool

    /// The group of the keys under a name, as it is documented: "trunks.NAME".
    var keys: String { "\(name).\(SettingKey.namePlaceholder)" }
}
