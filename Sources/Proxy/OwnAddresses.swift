internal import Messages
internal import Sys

/// From where a peer reaches us.
enum Nearness: BitwiseCopyable {
    /// From one of `local-networks`, at what we are bound to.
    case near
    /// From everywhere else, at what a NAT before us has, if there is one.
    case far
}

/// The addresses of our sockets, as they are bound and as peers are shown them.
struct OwnAddresses: Sendable {
    /// An outside socket behind NAT.
    private struct Face {
        let bound: IPAddress
        let advertised: IPAddress
    }

    private let bound: [SocketAddress]
    private let advertised: [SocketAddress]
    /// Whether some peers are shown another address or port than others.
    private let isTranslated: Bool
    private let faces: [Face]
    /// Those of the outside, of either kind.
    private let outside: [IPAddress]
    private var local = AddressRanges()

    /// Those of all sockets, each at its number.
    init(_ listeners: [Listener]) {
        bound = listeners.map(\.endpoint.address)
        advertised = listeners.map { $0.advertised ?? $0.endpoint.address }
        isTranslated = bound != advertised
        let outer = listeners.filter { $0.side == .outside }
        faces = outer.compactMap { listener in
            let own = listener.endpoint.address.ip
            // At a wildcard address nobody can be told which one is meant.
            guard let shown = listener.advertised?.ip, shown != own, !own.isUnspecified else {
                return nil
            }
            return Face(bound: own, advertised: shown)
        }
        outside =
            outer.map(\.endpoint.address.ip).filter { !$0.isUnspecified }
            + outer.compactMap(\.advertised?.ip)
    }

    /// Takes over which networks have no NAT between them and us.
    mutating func follow(_ settings: RouterSettings) {
        local = AddressRanges(settings.localNetworks)
    }

    /// From where a peer reaches us; without a NAT it makes no difference.
    func nearness(_ peer: IPAddress) -> Nearness {
        isTranslated && local.contains(peer) ? .near : .far
    }

    /// The address of a socket that a peer is shown; a wildcard stays one.
    func shown(_ listener: UInt8, to peer: IPAddress) -> SocketAddress {
        let place = Int(listener)
        return nearness(peer) == .far ? advertised[place] : bound[place]
    }

    /// Whether an address is one of ours outside, as bound or as shown.
    func isOutside(_ ip: IPAddress) -> Bool { outside.contains(ip) }

    /// Whether an address with its port is that of a socket of ours, as bound or as shown.
    func contains(_ address: SocketAddress) -> Bool {
        bound.contains(address) || advertised.contains(address)
    }

    /// What a peer from there is not told: the addresses by which only others reach us.
    func hidden(from nearness: Nearness) -> [IPAddress] {
        let own = faces.map(\.bound)
        guard nearness == .far else {
            let known = Set(bound.map(\.ip))
            return faces.map(\.advertised).filter { !known.contains($0) }
        }
        // One that has no other face at another port of it is shown to everybody.
        let known = Set(advertised.map(\.ip))
        return own.filter { !known.contains($0) }
    }

    /// The address that a peer from there is shown in the place of one of ours, nil when it is no other one.
    func face(of ip: IPAddress, to nearness: Nearness) -> IPAddress? {
        switch nearness {
        case .far: faces.first { $0.bound == ip }?.advertised
        case .near: faces.first { $0.advertised == ip }?.bound
        }
    }
}

extension RouterSettings {
    /// Takes an address of ours that is a served domain as one by its other face too.
    mutating func serveFaces(of own: OwnAddresses) {
        for domain in domains {
            guard let ip = IPAddress(host: domain.span) else { continue }
            for face in [own.face(of: ip, to: .far), own.face(of: ip, to: .near)] {
                guard let text = face?.host, !domains.contains(text) else { continue }
                domains.append(text)
            }
        }
    }
}

extension IPAddress {
    /// The address that a host is, an IPv6 address in its brackets; nil when it is a name.
    init?(host: Span<UInt8>) {
        let isBracketed = host.count > 2 && host[0] == UInt8(ascii: "[")
        let text = isBracketed ? host.extracting(1..<host.count - 1) : host
        self.init(parsing: text)
    }

    /// The address as a host of a URI.
    var host: [UInt8] { Array((isV4 ? "\(self)" : "[\(self)]").utf8) }
}
