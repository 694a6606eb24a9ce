internal import Messages
internal import SIP
internal import Sys

/// How much of a host that an Asterisk has written leaves.
package enum HostRule: BitwiseCopyable {
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
package struct OutsideHosts: Sendable {
    /// From where the peer reaches us for whom they are judged.
    var nearness = Nearness.far
    /// The inside addresses, which never leave.
    private var inside: [IPAddress] = []
    /// Our own addresses that only others than this peer know, by from where it reaches us.
    private var hiddenFromFar: [IPAddress] = []
    private var hiddenFromNear: [IPAddress] = []
    private var farDomain: [UInt8] = []
    private var nearDomain: [UInt8] = []
    /// The edge's own addresses outside.
    private var own = OwnAddresses([])
    private var domains: [[UInt8]] = []
    private var trunks = AddressRanges()
    private var trunkDomains: [[UInt8]] = []

    /// No host of anybody.
    init() {}

    /// The hosts of these settings and sockets, and of the addresses that these have; `asked` are those of inside
    /// endpoints at wildcard addresses.
    init(
        _ settings: WriterSettings, _ listeners: [Listener], _ own: OwnAddresses,
        inside asked: [IPAddress]
    ) {
        self.own = own
        domains = settings.domains
        let first = settings.domains.first ?? Array("invalid".utf8)
        let ip = IPAddress(host: first.span)
        farDomain = ip.flatMap { own.face(of: $0, to: .far) }?.host ?? first
        nearDomain = ip.flatMap { own.face(of: $0, to: .near) }?.host ?? first
        hiddenFromFar = own.hidden(from: .far)
        hiddenFromNear = own.hidden(from: .near)
        inside = settings.asterisks.map(\.ip) + asked
        // A wildcard address is nobody's; in a session description it puts a call on hold.
        for listener in listeners where listener.side == .inside && !listener.endpoint.isWildcard {
            inside.append(listener.endpoint.address.ip)
        }
        trunks = AddressRanges(settings.trunkSources)
        trunkDomains = settings.trunkDomains
    }

    /// The first served domain; when that is an address of ours, the one that this peer is shown.
    var domain: [UInt8] { nearness == .far ? farDomain : nearDomain }

    /// Whether an address never leaves toward this peer.
    func hides(_ ip: IPAddress) -> Bool { inside.contains(ip) || isOtherFace(ip) }

    /// Whether an address leaves in no Call-ID: toward every peer a dialog has the same one, wherever the peer is
    /// by then.
    func hidesInCallID(_ ip: IPAddress) -> Bool {
        inside.contains(ip) || hiddenFromFar.contains(ip) || hiddenFromNear.contains(ip)
    }

    /// Whether this peer cannot reach an address that it is told for media.
    ///
    /// From near, the one that a NAT has for us is reached by way of that NAT, if at all.
    func isInsideMedia(_ ip: IPAddress) -> Bool {
        inside.contains(ip) || nearness == .far && hiddenFromFar.contains(ip)
    }

    /// Whether an address is ours, and this peer is shown another one for it.
    private func isOtherFace(_ ip: IPAddress) -> Bool {
        nearness == .far ? hiddenFromFar.contains(ip) : hiddenFromNear.contains(ip)
    }

    /// Whether a host, an IPv6 address with its brackets, leaves as it is.
    package func leaves(_ host: Span<UInt8>, _ rule: HostRule) -> Bool {
        let address = IPAddress(host: host)
        if let address, isOtherFace(address) { return false }
        if Self.names(host, among: domains) { return true }
        guard let ip = address else {
            switch rule {
            case .text: return true
            case .target: return Self.names(host, among: trunkDomains) || !Self.isInside(name: host)
            // RFC 3323 section 4.1.1.3: who is not named is at anonymous.invalid.
            case .party: return Self.label(host, is: "invalid")
            }
        }
        if own.isNamedOutside(ip) { return true }
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
