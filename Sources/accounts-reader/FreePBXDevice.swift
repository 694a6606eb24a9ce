// What FreePBX's rows mean to Asterisk, as FreePBX writes its files from them.
internal import AsteriskFiles
internal import Messages

/// A device of FreePBX's: a row of `devices`, and what `sip` says of it.
struct FreePBXDevice {
    /// `id`, which is the account's name.
    let id: String
    /// `tech`: the channel driver.
    let tech: String
    /// The values by their keywords; a keyword without a row has none.
    var values: [String: [UInt8]]
    /// Whether several rows have the same keyword.
    var isAmbiguous = false

    /// The keywords that are read.
    static let keywords = [
        "account", "secret", "md5_cred", "username", "sipdriver", "max_contacts", "deny", "permit",
        "type", "host", "md5secret",
    ]

    private func text(_ keyword: String) -> String { (values[keyword] ?? []).text }

    /// The drivers, by what FreePBX calls them.
    private static let drivers: [(tech: String, sipDriver: String, schema: AccountSchema)] = [
        ("pjsip", "chan_pjsip", .pjsip), ("sip", "chan_sip", .chanSip),
    ]

    /// What `tech` says of the devices of a driver.
    static func tech(of schema: AccountSchema) -> String {
        schema == .chanSip ? "sip" : "pjsip"
    }

    /// Whose device it is in Asterisk; nil when FreePBX writes none of these names.
    ///
    /// Issabel says nothing of the driver. A row of another name for the account would be written under that name.
    var schema: AccountSchema? {
        guard values["account"] == Array(id.utf8),
            let driver = Self.drivers.first(where: { $0.tech == tech })
        else { return nil }
        let named = text("sipdriver")
        return named.isEmpty || named == driver.sipDriver ? driver.schema : nil
    }

    /// Whether an id is one of those that FreePBX gives to trunks, and to what it adds to every device.
    static func isReserved(_ id: String) -> Bool {
        id == "-1" || id.hasPrefix("tr-") || id.hasPrefix("pjsip-")
    }

    /// What its phones prove themselves with.
    ///
    /// Without a secret FreePBX writes no auth at all, and Asterisk lets anybody in: such a one is no account.
    func credentials(ownRealm: String) -> Credentials {
        var result = Credentials(user: id, boundRealm: ownRealm)
        // chan_sip's FreePBX writes with its semicolons escaped, PJSIP's as it is.
        let kept = values["secret"] ?? []
        let secret = schema == .chanSip ? kept : Variable.value(written: kept)
        let user = values["username"]?.text ?? id
        if Self.isReserved(id) {
            result.want = .trunk
        } else if isAmbiguous {
            result.want = .severalRows
        } else if schema == .chanSip {
            result.setChanSip(secret: secret, md5: values["md5secret"] ?? [])
        } else if !secret.isEmpty, !user.isEmpty {
            result.user = user
            let md5 = values["md5_cred"] ?? []
            if md5.isEmpty {
                result.secret = secret
            } else {
                result.md5 = HA1.bytes(hex: md5, length: 16) ?? []
                result.want = .brokenHash
            }
        }
        return result
    }

    /// How many phones PJSIP registers: FreePBX writes 1 for less than 2, and Asterisk takes no more than 100.
    var contacts: Int {
        let digits = (values["max_contacts"] ?? []).prefix { (0x30...0x39).contains($0) }
        return min(max(Int(digits.prefix(4).text) ?? 1, 1), 100)
    }

    /// What chan_sip lets its phones do; nil of another driver.
    private var abilities: ChanSipAbilities? {
        guard schema == .chanSip else { return nil }
        let host = text("host").lowercased()
        return ChanSipAbilities(
            type: text("type").lowercased(), host: host, isDynamic: host == "dynamic")
    }

    /// Whether phones may register it.
    var mayRegister: Bool { schema == .pjsip || abilities?.whyNotRegister == nil && schema != nil }

    /// From where phones may use it: FreePBX writes these lists for chan_sip alone, and deny before permit.
    func access(_ rules: AccessRules) -> AccessList {
        guard schema == .chanSip, rules.order != .ignore else { return rules.list([]) }
        var all: [AccessRule] = []
        for (permits, keyword) in [(false, "deny"), (true, "permit")] {
            for line in (values[keyword] ?? []).split(separator: UInt8(ascii: "&")) {
                let items = AccessTables.items(line.text)
                guard let read = AccessTables.rules(permits, items, .source, list: 0)
                else { return .nobody }
                all += read
            }
        }
        return rules.list(all)
    }

    /// What matters of it, for a trace; never a secret or a hash.
    var words: String {
        guard let schema else {
            return
                "account=\(text("account")) sipdriver=\(text("sipdriver")): not written under this"
                + " name for tech=\(tech)"
        }
        if Self.isReserved(id) { return "the name of a trunk" }
        if isAmbiguous { return "a keyword has several rows" }
        return schema == .pjsip ? "max_contacts=\(contacts)" : abilities?.words ?? ""
    }
}
