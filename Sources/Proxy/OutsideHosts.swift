internal import Messages
internal import SIP
internal import Sys

/// How much of a host that an Asterisk has written leaves.
enum HostRule: BitwiseCopyable {
    /// All but the addresses of the inside: for texts of which nobody knows what they mean.
    case text
    /// All but what only the inside knows: for where a call is to go, which may be anywhere, and for trunks, to
    /// whom the domain of another caller may be told.
    case target
    /// Only hosts of ours: for who somebody is, so that a phone can dial what it was told. A caller's own domain
    /// ends here as well, since the edge passes on no call to it.
    case party
}

/// The hosts that may leave; the first served domain stands for all others.
struct OutsideHosts: Sendable {
    /// The inside addresses, which never leave.
    private(set) var inside: [IPAddress] = []
    /// The first served domain.
    private(set) var domain: [UInt8] = []
    /// The edge's own addresses outside.
    private var outside: [IPAddress] = []
    private var domains: [[UInt8]] = []
    private var trunks = AddressRanges()
    private var trunkDomains: [[UInt8]] = []

    /// No host of anybody.
    init() {}

    /// The hosts of these settings and sockets; `asked` are the addresses of inside endpoints at wildcard addresses.
    init(_ settings: RouterSettings, _ listeners: [Listener], inside asked: [IPAddress]) {
        domains = settings.domains
        domain = settings.domains.first ?? Array("invalid".utf8)
        inside = settings.asterisks.map(\.ip) + asked
        // A wildcard address is nobody's; in a session description it puts a call on hold.
        for listener in listeners where !listener.endpoint.isWildcard {
            let ip = listener.endpoint.address.ip
            if listener.side == .inside { inside.append(ip) } else { outside.append(ip) }
        }
        trunks = AddressRanges(settings.trunks.flatMap(\.sources))
        trunkDomains = settings.trunks.map(\.domain)
    }

    /// Whether a host, an IPv6 address with its brackets, leaves as it is.
    func leaves(_ host: Span<UInt8>, _ rule: HostRule) -> Bool {
        if Self.names(host, among: domains) { return true }
        let isBracketed = host.count > 2 && host[0] == UInt8(ascii: "[")
        let text = isBracketed ? host.extracting(1..<host.count - 1) : host
        guard let ip = IPAddress(parsing: text) else {
            switch rule {
            case .text: return true
            case .target: return Self.names(host, among: trunkDomains) || !Self.isInside(name: host)
            // RFC 3323 section 4.1.1.3: who is not named is at anonymous.invalid.
            case .party: return Self.label(host, is: "invalid")
            }
        }
        if outside.contains(ip) { return true }
        switch rule {
        case .text: return !inside.contains(ip)
        case .target: return trunks.contains(ip) || !inside.contains(ip) && !ip.isPrivate
        case .party: return false
        }
    }

    /// Whether a host is a served domain.
    func isServed(_ host: Span<UInt8>) -> Bool { Self.names(host, among: domains) }

    private static func names(_ host: Span<UInt8>, among names: [[UInt8]]) -> Bool {
        for position in names.indices {
            let name = names[position]
            if host.equalsCaseless(name.span) { return true }
        }
        return false
    }

    /// Whether no name server outside knows a name: it is a single label, or of a domain that is kept for
    /// networks of one's own (RFC 6762 appendix G, RFC 8375).
    private static func isInside(name: Span<UInt8>) -> Bool {
        guard name.first(UInt8(ascii: ".")) != nil else { return true }
        return label(name, is: "local") || label(name, is: "lan") || label(name, is: "internal")
            || label(name, is: "intranet") || label(name, is: "localdomain")
            || label(name, is: "localhost") || label(name, is: "home") || label(name, is: "corp")
            || label(name, is: "private") || label(name, is: "arpa")
    }

    /// Whether a name's last label is this one.
    private static func label(_ name: Span<UInt8>, is label: StaticString) -> Bool {
        let length = label.utf8CodeUnitCount
        guard name.count >= length,
            name.count == length || name[name.count - length - 1] == UInt8(ascii: ".")
        else { return false }
        return name.extracting(name.count - length..<name.count).isCaseless(label)
    }
}
