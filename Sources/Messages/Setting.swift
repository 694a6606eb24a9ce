package import Sys
package import Wire

/// The table layout an account database has.
package enum AccountSchema: UInt8, CaseIterable, Sendable {
    /// Found by looking at the tables.
    case automatic = 0
    /// chan_sip's `sippeers`.
    case chanSip = 1
    /// PJSIP's `ps_endpoints`, `ps_auths`, `ps_aors`.
    case pjsip = 2

    /// The word in the settings.
    package var name: String {
        switch self {
        case .automatic: "automatic"
        case .chanSip: "chan_sip"
        case .pjsip: "pjsip"
        }
    }
}

/// In which order the rules of an account's row apply.
package enum AccessOrder: UInt8, CaseIterable, Sendable {
    /// In the order of the row's columns, as Asterisk applies them.
    case asAsterisk = 1
    /// Every deny before every permit.
    case denyThenPermit = 2
    /// Not at all: the lists are written for Asterisk alone.
    case ignore = 3

    /// The word in the settings.
    package var name: String {
        switch self {
        case .asAsterisk: "as-asterisk"
        case .denyThenPermit: "deny-then-permit"
        case .ignore: "ignore"
        }
    }
}

/// A digest algorithm that phones may be offered (RFC 8760).
package enum OfferedAlgorithm: UInt8, CaseIterable, Sendable {
    case md5 = 1
    case sha256 = 2

    /// The word in the settings and in a challenge.
    package var name: String { self == .md5 ? "MD5" : "SHA-256" }
}

/// What the defence does with a source that it judges.
package enum DefenceMode: UInt8, CaseIterable, Sendable {
    /// Bans it, and drops its packets.
    case enforce = 1
    /// Records what it would do, and drops nothing.
    case observe = 2

    /// The word in the settings.
    package var name: String { self == .enforce ? "enforce" : "observe" }
}

/// One setting as the unprivileged reader of the text hands it on: typed, bounded, in one frame.
///
/// The order of frames is the order of the text; list settings come as one frame an item.
package enum Setting: Equatable, Sendable {
    /// A served domain, lower case, at most 255 bytes (`domains`).
    case domain(String)
    /// Where the Internet reaches us (`outside`), and the address that a NAT has for it, of the same family (`as`).
    case outside(Endpoint, advertised: SocketAddress? = nil)
    /// A network that reaches us at what we are bound to, with no NAT between (`local-networks`).
    case localNetwork(Network)
    /// Where the Asterisks reach us (`inside`); UDP or TCP.
    case inside(Endpoint)
    /// An Asterisk, by its UDP address (`asterisk.servers`).
    case asterisk(SocketAddress)
    /// The account database's URL, at most 1,024 bytes (`accounts.database`).
    case database(String)
    /// The tables' layout (`accounts.schema`).
    case schema(AccountSchema)
    /// In which order the rules of a row's access lists apply (`accounts.acl-order`).
    case accessOrder(AccessOrder)
    /// The digest realm, as Asterisk's own; at most 128 bytes (`accounts.realm`).
    case realm(String)
    /// A certificate chain's path, PEM, at most 4,096 bytes (`tls.certificate`, `tls.certificates`); the first is
    /// the default.
    case certificate(String)
    /// A private key's path, PEM, at most 4,096 bytes (`tls.key`, `tls.certificates`): the n-th belongs to the
    /// n-th certificate.
    case key(String)
    /// How many proven wrong digests within the window ban a source, 1 to 1,000 (`defence.failures`).
    case failures(UInt32)
    /// The window they are counted in, 1 s to 1 d (`defence.window`).
    case window(Milliseconds)
    /// How long the first ban lasts, 1 s to 365 d (`defence.ban`).
    case ban(Milliseconds)
    /// A network that is never banned (`defence.allow`).
    case allow(Network)
    /// The shortest binding a phone may ask for, 30 s to 1 d (`registration.minimum`).
    case minimumExpires(Milliseconds)
    /// The longest binding a phone gets, 60 s to 7 d (`registration.maximum`).
    case maximumExpires(Milliseconds)
    /// How many requests a second an account may make, 1 to 100,000, ten times as many at once
    /// (`accounts.requests`).
    case requests(UInt32)
    /// How many bindings an account may have, 1 to 32 (`registration.contacts`).
    case contacts(UInt32)
    /// A digest algorithm that phones are offered, in the order of preference (`accounts.algorithms`).
    case algorithm(OfferedAlgorithm)
    /// A detector's limit, other than its standard (`limits.NAME`).
    case limit(Detector, Limit)
    /// A name that only an attacker tries, at most 64 bytes (`defence.traps`).
    case trap(String)
    /// How many answers a second go to an address that has proven nothing, 1 to 100,000
    /// (`defence.replies`).
    case replies(UInt32)
    /// One line of a profile, whose name has at most 32 bytes (`profiles.NAME`).
    case profile(String, ProfileRule)
    /// Whether the defence acts, or records alone (`defence.mode`).
    case mode(DefenceMode)
    /// A country that strangers may come from, two capital letters (`defence.countries`).
    case country(String)
    /// The MaxMind database's path, at most 4,096 bytes (`defence.geoip`).
    case geoip(String)
    /// A file of networks that are shut out, its path at most 4,096 bytes (`defence.blocklists`).
    case blockList(String)
    /// How long the next ban of a source lasts, 1 s to 365 d, one for each ban after the first
    /// (`defence.growth`).
    ///
    /// The last holds for all that follow.
    case growth(Milliseconds)
    /// How many datagrams a second a stranger may send, 0 to 1,000,000; 0: any (`defence.packets`).
    case packets(UInt32)
    /// How many TCP connections a second a stranger may open, 0 to 100,000; 0: any
    /// (`defence.connections`).
    case connections(UInt32)
    /// Whether the firewall's table goes when the daemon stops (`defence.cleanup`).
    case cleanup(Bool)
    /// What an account may call, and how much (`calls`).
    case calls(CallRule)
    /// One line of a trunk, whose name has at most 32 bytes (`trunks.NAME`).
    case trunk(String, TrunkRule)

    /// Which processes are told the setting.
    package var readers: [Role] {
        switch self {
        case .failures, .window, .minimumExpires, .maximumExpires, .contacts, .algorithm,
            .limit, .trap, .replies, .profile, .calls, .requests, .localNetwork:
            [.router]
        case .domain, .realm: [.router, .directory]
        case .inside: [.router, .directory, .banner]
        case .database, .schema, .accessOrder: [.directory]
        case .certificate, .key: [.terminator]
        case .outside, .asterisk, .ban, .allow, .mode, .packets, .trunk: [.router, .banner]
        case .country, .geoip, .blockList, .growth, .connections, .cleanup: [.banner]
        }
    }

    /// Whether a change needs new sockets, hence a restart of the daemon rather than a reload.
    package var isFixedAtStart: Bool {
        switch self {
        case .outside, .inside, .trunk(_, .inside): true
        default: false
        }
    }
}

extension Setting {
    /// The setting's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .domain(let text): Self.text(1, text)
        case .outside(let endpoint, let advertised):
            Self.frame(2) { writer in
                writer.advertised(advertised)
                writer.endpoint(endpoint)
            }
        case .localNetwork(let network): Self.frame(40) { $0.network(network) }
        case .inside(let endpoint): Self.endpoint(3, endpoint)
        case .asterisk(let address): Self.frame(4) { $0.address(address) }
        case .database(let text): Self.text(5, text)
        case .schema(let schema): Self.frame(6) { $0.u8(schema.rawValue) }
        case .realm(let text): Self.text(7, text)
        case .certificate(let text): Self.text(8, text)
        case .key(let text): Self.text(9, text)
        case .failures(let count): Self.frame(10) { $0.u32(count) }
        case .window(let span): Self.frame(11) { $0.milliseconds(span) }
        case .ban(let span): Self.frame(12) { $0.milliseconds(span) }
        case .allow(let network): Self.frame(13) { $0.network(network) }
        case .minimumExpires(let span): Self.frame(14) { $0.milliseconds(span) }
        case .maximumExpires(let span): Self.frame(15) { $0.milliseconds(span) }
        case .contacts(let count): Self.frame(16) { $0.u32(count) }
        case .algorithm(let algorithm): Self.frame(17) { $0.u8(algorithm.rawValue) }
        case .requests(let count): Self.frame(19) { $0.u32(count) }
        case .accessOrder(let order): Self.frame(18) { $0.u8(order.rawValue) }
        case .mode(let mode): Self.frame(20) { $0.u8(mode.rawValue) }
        case .country(let text): Self.text(21, text)
        case .geoip(let text): Self.text(22, text)
        case .blockList(let text): Self.text(23, text)
        case .growth(let span): Self.frame(24) { $0.milliseconds(span) }
        case .packets(let count): Self.frame(25) { $0.u32(count) }
        case .connections(let count): Self.frame(26) { $0.u32(count) }
        case .cleanup(let isWanted): Self.frame(27) { $0.bool(isWanted) }
        case .limit(let detector, let limit):
            Self.frame(30) { writer in
                writer.u8(detector.rawValue)
                writer.limit(limit)
            }
        case .trap(let name): Self.text(31, name)
        case .replies(let count): Self.frame(32) { $0.u32(count) }
        case .profile(let name, let rule):
            Self.frame(33) { writer in
                writer.string(name)
                rule.write(to: &writer)
            }
        case .calls(let rule): Self.frame(34) { rule.write(to: &$0) }
        case .trunk(let name, let rule):
            Self.frame(35) { writer in
                writer.string(name)
                rule.write(to: &writer)
            }
        }
    }

    private static func text(_ kind: UInt8, _ text: String) -> [UInt8] {
        frame(kind) { $0.string(text) }
    }

    private static func endpoint(_ kind: UInt8, _ endpoint: Endpoint) -> [UInt8] {
        frame(kind) { $0.endpoint(endpoint) }
    }

    private static func frame(_ kind: UInt8, _ body: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter(kind: kind)
        body(&writer)
        return writer.bytes
    }

    /// The setting of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1: self = .domain(try reader.string("domain", limit: 255))
        case 2:
            let advertised = try reader.advertised()
            let endpoint = try reader.endpoint()
            guard advertised.map({ $0.ip.isV4 == endpoint.address.ip.isV4 }) ?? true else {
                throw .badValue("advertised")
            }
            self = .outside(endpoint, advertised: advertised)
        case 3:
            let endpoint = try reader.endpoint()
            guard endpoint.transport != .tls else { throw .badValue("inside") }
            self = .inside(endpoint)
        case 4: self = .asterisk(try reader.reachable("asterisk"))
        case 5: self = .database(try reader.string("database", limit: 1024))
        case 6: self = .schema(try reader.choice("schema"))
        case 7: self = .realm(try reader.string("realm", limit: 128))
        case 8: self = .certificate(try reader.string("certificate", limit: 4096))
        case 9: self = .key(try reader.string("key", limit: 4096))
        case 10: self = .failures(try reader.count("failures", in: 1...1000))
        case 11: self = .window(try reader.seconds("window", in: 1...86_400))
        case 12: self = .ban(try reader.seconds("ban", in: 1...31_536_000))
        case 13: self = .allow(try reader.network())
        case 14: self = .minimumExpires(try reader.seconds("minimum", in: 30...86_400))
        case 15: self = .maximumExpires(try reader.seconds("maximum", in: 60...604_800))
        case 16: self = .contacts(try reader.count("contacts", in: 1...32))
        case 17: self = .algorithm(try reader.choice("algorithm"))
        case 18: self = .accessOrder(try reader.choice("acl-order"))
        case 19: self = .requests(try reader.count("requests", in: 1...100_000))
        case 20: self = .mode(try reader.choice("mode"))
        case 21: self = .country(try reader.country())
        case 22: self = .geoip(try reader.string("geoip", limit: 4096))
        case 23: self = .blockList(try reader.string("blocklist", limit: 4096))
        case 24: self = .growth(try reader.seconds("growth", in: 1...31_536_000))
        case 25: self = .packets(try reader.count("packets", in: 0...1_000_000))
        case 26: self = .connections(try reader.count("connections", in: 0...100_000))
        case 27: self = .cleanup(try reader.bool())
        case 30:
            let detector = try reader.choice("detector", of: Detector.self)
            self = .limit(detector, try reader.limit())
        case 31: self = .trap(try reader.string("trap", limit: 64))
        case 32: self = .replies(try reader.count("replies", in: 1...100_000))
        case 33:
            let name = try reader.string("profile", limit: 32)
            self = .profile(name, try ProfileRule(from: &reader))
        case 34: self = .calls(try CallRule(from: &reader))
        case 35:
            let name = try reader.string("trunk", limit: 32)
            self = .trunk(name, try TrunkRule(from: &reader))
        case 40: self = .localNetwork(try reader.network())
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}

extension WireWriter {
    /// Writes a limit.
    mutating func limit(_ limit: Limit) {
        u32(limit.count)
        milliseconds(limit.window)
    }
}

extension WireReader {
    /// Reads a limit.
    mutating func limit() throws(WireError) -> Limit {
        let count = try count("limit", in: 1...100_000)
        return Limit(count, in: try seconds("window", in: 1...604_800))
    }
}
