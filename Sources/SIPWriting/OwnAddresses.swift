internal import Messages
package import Sys

/// From where a peer reaches us.
enum Nearness: BitwiseCopyable {
    /// From one of `local-networks`, at what we are bound to.
    case near
    /// From everywhere else, at what a NAT before us has, if there is one.
    case far
}

/// The addresses of our sockets, as they are bound and as peers are shown them.
package struct OwnAddresses: Sendable {
    /// An address of ours at which an outside socket behind NAT is reached.
    private struct Face {
        let bound: IPAddress
        let advertised: IPAddress
    }

    private let bound: [SocketAddress]
    private let advertised: [SocketAddress]
    /// Whether some peers are shown another address or port than others.
    private let isTranslated: Bool
    private let faces: [Face]
    /// Outside sockets at wildcard addresses, by what a NAT has for each; nil without one.
    private let wildcards: [(isV4: Bool, advertised: IPAddress?)]
    /// The faces of those behind NAT, by the addresses of this machine that are known.
    private var askedFaces: [Face] = []
    /// The addresses that the settings name outside, as bound and as shown.
    package let namedOutside: [IPAddress]
    private var local = AddressRanges()

    /// Those of all sockets, each at its number.
    init(_ listeners: [Listener]) {
        bound = listeners.map(\.endpoint.address)
        advertised = listeners.map { $0.advertised ?? $0.endpoint.address }
        isTranslated = bound != advertised
        let outer = listeners.filter { $0.side == .outside }
        faces = outer.compactMap { listener in
            let own = listener.endpoint.address.ip
            guard let shown = listener.advertised?.ip, shown != own, !own.isUnspecified else {
                return nil
            }
            return Face(bound: own, advertised: shown)
        }
        wildcards = outer.filter(\.endpoint.isWildcard).map {
            ($0.endpoint.address.ip.isV4, $0.advertised?.ip)
        }
        namedOutside =
            outer.map(\.endpoint.address.ip).filter { !$0.isUnspecified }
            + outer.compactMap(\.advertised?.ip)
    }

    /// Takes over which networks have no NAT between them and us.
    mutating func follow(_ settings: WriterSettings) {
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

    /// Takes over an address of this machine, at which wildcard endpoints are reached.
    mutating func learn(_ ip: IPAddress) {
        guard !ip.isLoopback else { return }
        for case (ip.isV4, let shown?) in wildcards
        where shown != ip
            && !askedFaces.contains(where: { $0.bound == ip && $0.advertised == shown })
        {
            askedFaces.append(Face(bound: ip, advertised: shown))
        }
    }

    /// Whether an address is one that the settings name outside, as bound or as shown.
    package func isNamedOutside(_ ip: IPAddress) -> Bool { namedOutside.contains(ip) }

    /// Whether outside endpoints are at every address of this machine of its family.
    package func isAtEvery(isV4: Bool) -> Bool { wildcards.contains { $0.isV4 == isV4 } }

    /// Whether an address with its port is that of a socket of ours, as bound or as shown.
    package func contains(_ address: SocketAddress) -> Bool {
        bound.contains(address) || advertised.contains(address)
    }

    /// What a peer from there is not told: the addresses by which only others reach us.
    func hidden(from nearness: Nearness) -> [IPAddress] {
        switch nearness {
        case .far:
            // One that has no other face at another port of it is shown to everybody.
            let shown = Set(advertised.map(\.ip))
            let asked = askedFaces.map(\.bound).filter { !isShownAsAsked($0) }
            return (faces.map(\.bound) + asked).filter { !shown.contains($0) }
        case .near:
            let own = Set(bound.map(\.ip))
            let shown = faces.map(\.advertised) + wildcards.compactMap(\.advertised)
            return shown.filter { !own.contains($0) }
        }
    }

    /// Whether another wildcard endpoint, which no NAT is before, shows an address to everybody.
    private func isShownAsAsked(_ ip: IPAddress) -> Bool {
        wildcards.contains { $0.isV4 == ip.isV4 && $0.advertised == nil }
    }

    /// The address that a peer from there is shown in the place of one of ours, nil when it is no other one.
    ///
    /// From near a wildcard endpoint has several, of which none can be said to be the one that is meant.
    func face(of ip: IPAddress, to nearness: Nearness) -> IPAddress? {
        switch nearness {
        case .far: (faces + askedFaces).first { $0.bound == ip }?.advertised
        case .near: faces.first { $0.advertised == ip }?.bound
        }
    }

    /// The addresses by which others reach what this one stands for.
    package func otherFaces(of ip: IPAddress) -> [IPAddress] {
        (faces + askedFaces).compactMap {
            if $0.bound == ip { return $0.advertised }
            return $0.advertised == ip ? $0.bound : nil
        }
    }
}
