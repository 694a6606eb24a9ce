// The access lists of an account's row: permit, deny and acl, for its phones and for their Contacts.
internal import AsteriskFiles
internal import Messages
internal import Sys

/// How rows of rules are read.
struct AccessRules: Equatable {
    /// `accounts.acl-order`.
    var order = Setting.accounts.accessOrder.standard
    /// The addresses from which phones' calls come to the Asterisks: not those of trunks.
    var own: [IPAddress] = []
    /// The lists of acl.conf, which Asterisk asks before the table of lists.
    var lists = AccessLists()

    /// The list of rules in the order in which they stand, without what is written for Asterisk alone, to which every
    /// phone comes from the edge.
    ///
    /// That is permits of the edge itself, and the whole of a list that permits nobody else. More rules than a list
    /// can have let nobody in.
    func list(_ all: [AccessRule]) -> AccessList {
        func isOwn(_ rule: AccessRule) -> Bool {
            rule.permits && rule.network.isOneAddress && own.contains(rule.network.address)
        }
        func isSameList(_ one: AccessRule, _ other: AccessRule) -> Bool {
            one.list == other.list && one.target == other.target
        }
        let result = all.filter { rule in
            guard !isOwn(rule), all.contains(where: { isOwn($0) && isSameList($0, rule) }) else {
                return !isOwn(rule)
            }
            return all.contains { isSameList($0, rule) && $0.permits && !isOwn($0) }
        }
        return result.count <= AccessList.most ? AccessList(result) : .nobody
    }
}

/// The columns with access lists of one table, and the named lists.
///
/// A rule that cannot be read, or a list that is not there, lets nobody in, as an unknown list does
/// in Asterisk. The administrator wanted somebody to stay out.
struct AccessTables {
    /// The columns to read, in the order in which their rules apply.
    let names: [String]
    private let rules: AccessRules
    private let named: KeyedStatement?

    /// Which columns hold rules; chan_sip writes the names of those for Contacts in one word.
    private static let wanted = ["permit", "deny", "acl"].flatMap {
        [$0, "contact\($0)", "contact_\($0)"]
    }

    /// The columns of the table of named lists.
    private static let wantedOfLists = ["name", "rule_order", "sense", "rule"]

    /// The lists of a table, as far as it has such columns.
    init(
        _ database: any RealtimeDatabase, _ columns: TableColumns, of family: AccountFamily,
        _ rules: AccessRules
    ) throws(RealtimeError) {
        self.rules = rules
        if rules.order != .ignore {
            try columns.requireReadable(family, Self.wanted, in: database)
            try columns.requireReadable(.accessLists, Self.wantedOfLists, in: database)
        }
        names = Self.inOrder(columns.all(family).filter(Self.wanted.contains), rules.order)
        let isComplete = Self.wantedOfLists.allSatisfy(columns.all(.accessLists).contains)
        named =
            isComplete
            ? try columns.select(
                ["sense", "rule"], from: .accessLists, key: "name", order: "rule_order",
                in: database) : nil
    }

    /// The lists of a statement's result, which can name no others.
    init(columns: [String], _ rules: AccessRules) {
        self.rules = rules
        names = Self.inOrder(columns, rules.order)
        named = nil
    }

    /// Columns in the order in which their rules apply.
    private static func inOrder(_ columns: [String], _ order: AccessOrder) -> [String] {
        switch order {
        case .asAsterisk: columns
        case .denyThenPermit:
            columns.filter { $0.hasSuffix("deny") } + columns.filter { !$0.hasSuffix("deny") }
        case .ignore: []
        }
    }

    /// The texts of the columns in a row that has been selected with `names` from a place on.
    func texts(_ row: RealtimeRow, from first: Int) -> [String] {
        names.indices.map { row.text(first + $0) }
    }

    /// The list that the texts of a row make.
    func list(_ texts: [String], _ steps: TraceSteps?) throws(RealtimeError) -> AccessList {
        var result: [AccessRule] = []
        var lists: UInt8 = 0
        for (name, text) in zip(names, texts) {
            let target: AccessTarget = name.hasPrefix("contact") ? .contact : .source
            guard name.hasSuffix("acl") else {
                let items = Self.items(text)
                guard let rules = Self.rules(name.hasSuffix("permit"), items, target, list: 0)
                else { return .nobody }
                result += rules
                continue
            }
            for item in Self.items(text, keepsBlanks: true) {
                lists += 1
                guard lists < AccessList.mostLists,
                    let rules = try namedRules(item, target, list: lists, steps)
                else { return .nobody }
                result += rules
            }
        }
        return rules.list(result)
    }

    private func namedRules(
        _ name: String, _ target: AccessTarget, list: UInt8, _ steps: TraceSteps?
    ) throws(RealtimeError) -> [AccessRule]? {
        if let lines = rules.lists.lines(Array(name.utf8)) {
            return rules.namedRules(lines, target, list: list)
        }
        guard let named else { return nil }
        var result: [AccessRule] = []
        var isSound = true
        try named.forEach(name, steps) { row in
            let permits = row.text(0).lowercased().hasPrefix("p")
            guard let rules = Self.rules(permits, Self.items(row.text(1)), target, list: list)
            else {
                isSound = false
                return false
            }
            result += rules
            return result.count <= AccessList.most
        }
        return isSound && !result.isEmpty ? result : nil
    }

    // MARK: Texts

    /// The items of a value.
    ///
    /// Asterisk splits at semicolons, which Realtime writes as ^3B, and since 10 at commas. Blanks mean nothing in
    /// networks, and belong to names within them.
    static func items(_ text: String, keepsBlanks: Bool = false) -> [String] {
        var items: [[UInt8]] = [[]]
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            let isEscaped = byte == UInt8(ascii: "^") && bytes.prefix(2).text.uppercased() == "3B"
            if isEscaped { bytes = bytes.dropFirst(2) }
            if isEscaped || byte == UInt8(ascii: ";") || byte == UInt8(ascii: ",") {
                items.append([])
            } else if byte > 0x20 || keepsBlanks {
                items[items.count - 1].append(byte)
            }
        }
        return items.map { Array($0.stripped) }.filter { !$0.isEmpty }.map(\.text)
    }

    /// The rules of a column's items; nil when one of them cannot be read.
    static func rules(
        _ permits: Bool, _ items: [String], _ target: AccessTarget, list: UInt8
    ) -> [AccessRule]? {
        var result: [AccessRule] = []
        for item in items {
            // A mark of exclamation turns the sense round (Asterisk 11 and later).
            let isTurned = item.hasPrefix("!")
            guard let network = network(isTurned ? item.dropFirst() : item[...]) else {
                return nil
            }
            result.append(AccessRule(permits != isTurned, network, target, list: list))
        }
        return result
    }

    /// The network of "10.0.0.0/255.0.0.0", "10.0.0.0/8", "2001:db8::/32", or of an address alone.
    static func network(_ text: Substring) -> Network? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = address(parts[0]) else { return nil }
        let isMapped = address.isV4 && parts[0].contains(":")
        let longest = address.isV4 ? 32 : 128
        guard parts.count == 2 else { return Network(address, prefix: UInt8(longest)) }
        guard var prefix = UInt8(parts[1]).map(Int.init) ?? ones(parts[1]) else { return nil }
        // A mask of the mapped form counts the 96 bits before.
        if isMapped { prefix -= 96 }
        guard prefix >= 0, prefix <= longest else { return nil }
        return Network(address, prefix: UInt8(prefix))
    }

    private static func address(_ text: Substring) -> IPAddress? {
        text.hasPrefix("[") && text.hasSuffix("]")
            ? IPAddress(text.dropFirst().dropLast()) : IPAddress(text)
    }

    /// How many leading ones a mask written as an address has; nil when zeros stand between them.
    private static func ones(_ text: Substring) -> Int? {
        guard let mask = address(text) else { return nil }
        let isV4 = !text.contains(":")
        let high = isV4 ? mask.low << 32 : mask.high
        let low = isV4 ? 0 : mask.low
        let count = (~high).leadingZeroBitCount
        let rest = count == 64 ? (~low).leadingZeroBitCount : 0
        let isWhole =
            count < 64
            ? high << UInt64(count) == 0 && low == 0 : low << UInt64(rest) == 0
        return isWhole ? count + rest : nil
    }
}
