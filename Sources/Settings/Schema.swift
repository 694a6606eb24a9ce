internal import Messages
internal import Sys

/// A key of the settings file: what it may hold, what it means, and how it is read.
package struct SettingKey: Sendable {
    /// When the key must be there.
    package enum Need: Sendable {
        /// In every file; under every name of its group if the file chooses those (`NamedGroup`); in every item
        /// of its list (`ListGroup`).
        case always
        /// When an outside endpoint is `tls://`, unless `tls.certificates` is there.
        case withTLS
        /// Never.
        case never
    }

    /// The key with its group: "accounts.database".
    package let path: String
    /// When it must be there.
    package let need: Need
    /// How many items a list has; nil for a single value.
    package let items: ClosedRange<Int>?
    /// The value when the key is left out, as it would be written; nil when there is none.
    package let byDefault: String?
    /// The values it may have, for a reader.
    package let range: String
    /// A value as it would be written.
    package let example: String
    /// What it means, in a sentence or two.
    package let meaning: String
    /// Reads the text of one value; nil when it is right but has no frame.
    let read: @Sendable (String) throws(ValueError) -> Setting?

    init(
        _ path: String, _ need: Need = .never, items: ClosedRange<Int>? = nil,
        byDefault: String? = nil, range: String, example: String, meaning: String,
        read: @escaping @Sendable (String) throws(ValueError) -> Setting?
    ) {
        self.path = path
        self.need = need
        self.items = items
        self.byDefault = byDefault
        self.range = range
        self.example = example
        self.meaning = meaning
        self.read = read
    }

    /// A duration within bounds.
    init(
        _ path: String, byDefault: String, span: ClosedRange<Milliseconds>, meaning: String,
        make: @escaping @Sendable (Milliseconds) -> Setting
    ) {
        self.init(
            path, byDefault: byDefault, range: span.text, example: byDefault, meaning: meaning,
            read: { text throws(ValueError) in make(try Value.duration(text, in: span)) })
    }

    /// A whole number within bounds.
    init(
        _ path: String, byDefault: String, count: ClosedRange<UInt32>, meaning: String,
        make: @escaping @Sendable (UInt32) -> Setting
    ) {
        self.init(
            path, byDefault: byDefault, range: "\(count.lowerBound) to \(count.upperBound)",
            example: byDefault, meaning: meaning,
            read: { text throws(ValueError) in make(try Value.count(text, in: count)) })
    }

    /// The group of the key, empty at the top.
    var group: Substring { path.lastIndex(of: ".").map { path[..<$0] } ?? "" }

    /// The key without its group.
    var name: Substring { path.split(separator: ".").last ?? "" }

    /// Whether the key stands under names that the file chooses, or in the items of a list.
    package var isUnderName: Bool {
        Schema.namedGroups.contains { $0.keys == group }
            || Schema.listGroups.contains { $0.keys == group }
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
    var keys: String { path + Self.placeholder }

    /// The list without its group.
    var name: Substring { path.split(separator: ".").last ?? "" }

    /// What stands for the number of an item, from 1 on, in the paths of keys.
    static let placeholder = "[]"
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
    var keys: String { "\(name).\(Self.placeholder)" }

    /// What stands for a name in the paths of keys.
    static let placeholder = "NAME"
}

/// Every key there is, in the order it is documented; it drives reading, `rempart settings`, and
/// the search for the right name of a wrong one.
package enum Schema {
    /// The keys.
    package static let keys: [SettingKey] =
        sides + accounts + tls + trunks + calls + defence + strangers + limits + profiles
        + registration

    /// The groups whose names the file chooses.
    static let namedGroups = [trunkNames, profileNames]

    /// The lists whose items hold keys.
    static let listGroups = [certificates]

    /// The key of a path.
    package static func key(_ path: String) -> SettingKey? { keys.first { $0.path == path } }

    private static let sides: [SettingKey] = [
        SettingKey(
            "domains", .always, items: 1...256, range: "1 to 256 host names or IP addresses",
            example: "[sip.example.com]",
            meaning:
                "The SIP domains served here: what stands after the @ in the phones' addresses."
                + " Requests for any other domain are refused.",
            read: { text throws(ValueError) in .domain(try Value.domain(text)) }),
        SettingKey(
            "outside", .always, items: 1...32,
            range: "1 to 32 of udp://, tcp:// or tls://ADDRESS:PORT, behind NAT with `as ADDRESS`",
            example: "[udp://203.0.113.5:5060]",
            meaning:
                "Where the Internet reaches the edge. Without a port: 5060, for tls 5061. 0.0.0.0 and"
                + " [::] stand for every address of the machine. Behind NAT the address of this"
                + " machine, then `as` and the address that the Internet sees:"
                + " `udp://172.31.5.10:5060 as 203.0.113.5`; with a port when that differs. A change"
                + " needs a restart.",
            read: { text throws(ValueError) in try Value.outside(text) }),
        SettingKey(
            "local-networks", items: 0...1024, range: "0 to 1024 networks or addresses",
            example: "[192.168.1.0/24]",
            meaning:
                "Networks that reach the edge at its own address, with no NAT between: phones and"
                + " providers there are shown that address, all others the one after `as`.",
            read: { text throws(ValueError) in .localNetwork(try Value.network(text)) }),
        SettingKey(
            "inside", .always, items: 1...8, range: "1 to 8 of udp:// or tcp://ADDRESS:PORT",
            example: "[udp://10.0.0.1:5060]",
            meaning:
                "Where the Asterisks reach the edge; only they are answered there, and they are"
                + " called from its udp endpoint. Without a port: 5060. A change needs a restart.",
            read: { text throws(ValueError) in
                let endpoint = try Value.endpoint(text)
                guard endpoint.transport != .tls else {
                    throw ValueError("tls is for outside: inside is udp or tcp")
                }
                return .inside(endpoint)
            }),
        SettingKey(
            "asterisk.servers", .always, items: 1...64, range: "1 to 64 of ADDRESS:PORT, over UDP",
            example: "[10.0.0.10:5060]",
            meaning: "The Asterisks that calls are shared out to. Without a port: 5060.",
            read: { text throws(ValueError) in .asterisk(try Value.address(text, port: 5060)) }),
    ]

    private static let accounts: [SettingKey] = [
        SettingKey(
            "accounts.database", .always, range: "sqlite:///PATH, at most 1024 bytes",
            example: "sqlite:///var/lib/asterisk/realtime.sqlite3",
            meaning: "The database that Asterisk Realtime uses; it is only ever read.",
            read: { text throws(ValueError) in .database(try Value.database(text)) }),
        SettingKey(
            "accounts.schema", byDefault: AccountSchema.automatic.name,
            range: AccountSchema.allCases.map(\.name).joined(separator: ", "), example: "pjsip",
            meaning: "Whose tables hold the accounts; automatic finds out by looking at them.",
            read: { text throws(ValueError) in .schema(try Value.schema(text)) }),
        SettingKey(
            "accounts.acl-order", byDefault: AccessOrder.asAsterisk.name,
            range: AccessOrder.allCases.map(\.name).joined(separator: ", "),
            example: "deny-then-permit",
            meaning:
                "In which order an account's permit and deny columns apply to its phones' addresses:"
                + " the last rule that fits decides. as-asterisk takes the order of the columns in"
                + " the table; chan_sip's own tables have permit before deny, so that"
                + " deny=0.0.0.0/0 shuts out everybody there. ignore applies none of them.",
            read: { text throws(ValueError) in .accessOrder(try Value.accessOrder(text)) }),
        SettingKey(
            "accounts.realm", byDefault: "asterisk", range: "1 to 128 bytes without \" and \\",
            example: "asterisk",
            meaning:
                "The digest realm. Asterisk's own unless you changed it there; stored MD5 hashes"
                + " fit no other.",
            read: { text throws(ValueError) in .realm(try Value.realm(text)) }),
        SettingKey(
            "accounts.algorithms", items: 1...2,
            range: OfferedAlgorithm.allCases.map(\.name).joined(separator: ", "),
            example: "[MD5, SHA-256]",
            meaning:
                "The digest algorithms that phones are offered, the preferred one first; MD5 alone"
                + " when left out, since many phones give up at a challenge they do not know, even"
                + " beside one they do. An answer by SHA-256 is always accepted.",
            read: { text throws(ValueError) in .algorithm(try Value.algorithm(text)) }),
        SettingKey(
            "accounts.requests", byDefault: "50", count: 1...100_000,
            meaning:
                "How many requests a second an account may make, ten times as many at once after a"
                + " rest; more get 503 and ban nobody. What belongs to a call under way does not"
                + " count, but each call has 20 requests a second of its own.",
            make: { .requests($0) }),
    ]

    private static let tls: [SettingKey] = [
        SettingKey(
            "tls.certificate", .withTLS, range: "an absolute path, at most 4096 bytes",
            example: "/etc/rempart/fullchain.pem",
            meaning:
                "The certificate with its chain, PEM. Needed when an outside endpoint is tls. A renewed"
                + " file is seen by itself.",
            read: { text throws(ValueError) in .certificate(try Value.path(text)) }),
        SettingKey(
            "tls.key", .withTLS, range: "an absolute path, at most 4096 bytes",
            example: "/etc/rempart/privkey.pem",
            meaning: "The certificate's private key, PEM. Needed when an outside endpoint is tls.",
            read: { text throws(ValueError) in .key(try Value.path(text)) }),
        SettingKey(
            "tls.certificates[].certificate", .always,
            range: "an absolute path, at most 4096 bytes",
            example: "/etc/rempart/fullchain.pem",
            meaning:
                "Several certificates, in place of tls.certificate and tls.key: 1 to"
                + " \(Bounds.mostCertificates) items, each a certificate with its chain, PEM, and its"
                + " key. A phone gets the one for the name that it asks for; without a name, or with"
                + " one that none has, the first. Of a certificate with an RSA key and one with an EC"
                + " key for one name it gets the one that it can verify.",
            read: { text throws(ValueError) in .certificate(try Value.path(text)) }),
        SettingKey(
            "tls.certificates[].key", .always, range: "an absolute path, at most 4096 bytes",
            example: "/etc/rempart/privkey.pem",
            meaning: "The private key of this certificate, PEM.",
            read: { text throws(ValueError) in .key(try Value.path(text)) }),
    ]

    /// The certificates by name.
    static let certificates = ListGroup(
        path: "tls.certificates", what: "certificate", items: 1...Bounds.mostCertificates)

    private static let registration: [SettingKey] = [
        SettingKey(
            "registration.minimum", byDefault: "60s", span: .seconds(30) ... .seconds(86_400),
            meaning: "The shortest time a phone may register for; less is answered with 423.",
            make: { .minimumExpires($0) }),
        SettingKey(
            "registration.maximum", byDefault: "1h", span: .seconds(60) ... .seconds(604_800),
            meaning: "The longest time a phone is registered for; more is cut to it.",
            make: { .maximumExpires($0) }),
        SettingKey(
            "registration.contacts", byDefault: "10", count: 1...32,
            meaning: "How many phones may be registered for one account at a time.",
            make: { .contacts($0) }),
    ]
}
