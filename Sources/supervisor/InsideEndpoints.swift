internal import Messages
internal import Sys

/// The inside endpoints by which Asterisks are called: those of UDP, without the trunks' own.
struct InsideEndpoints {
    private struct Own {
        let ip: IPAddress
        let listener: UInt8
    }

    private let own: [Own]
    /// The addresses of outside endpoints at which no inside one is.
    private let outside: [IPAddress]

    /// Those of settings.
    init(_ settings: [RouterSetting]) {
        own = zip(settings.filter { $0.endpoint != nil }, Listener.numbered(settings)).compactMap {
            guard case .inside(let endpoint) = $0, endpoint.transport == .udp else { return nil }
            return Own(ip: endpoint.address.ip, listener: $1.index)
        }
        let insides = own.map(\.ip)
        outside = settings.compactMap {
            guard case .outside(let endpoint, _) = $0, !endpoint.isWildcard,
                !insides.contains(endpoint.address.ip)
            else { return nil }
            return endpoint.address.ip
        }
    }

    /// Whether a way that begins at an address leads to the Internet: no Asterisk is there.
    func isOutside(_ source: IPAddress) -> Bool { outside.contains(source) }

    /// The way by which an Asterisk is called where the kernel's way to it says so; nil where it says nothing.
    ///
    /// Its endpoint is the one at the address that the kernel's way to the Asterisk begins at. There may be none, since
    /// an endpoint can be at an address that moves between machines. Then it is one in the network of the Asterisk, or
    /// else of that address. `networks` are those of this machine.
    func way(
        toward asterisk: IPAddress, from source: IPAddress?, networks: [Network]
    ) -> AsteriskWay? {
        let family = family(of: asterisk)
        guard family.count > 1 else { return usualWay(toward: asterisk, from: source) }
        if let exact = family.first(where: { $0.ip == source }) {
            return AsteriskWay(to: asterisk, by: exact.listener)
        }
        // The narrowest network that holds an address says most of where that is.
        let networks = networks.sorted { $0.prefix > $1.prefix }
        for anchor in [asterisk, source].compactMap(\.self) {
            for network in networks where network.contains(anchor) {
                let beside = family.first { !$0.ip.isUnspecified && network.contains($0.ip) }
                if let beside { return AsteriskWay(to: asterisk, by: beside.listener) }
            }
        }
        return nil
    }

    /// The way that is taken otherwise: by the endpoint at every address, or the first of the family; nil when no endpoint
    /// is of that.
    func usualWay(toward asterisk: IPAddress, from source: IPAddress?) -> AsteriskWay? {
        let family = family(of: asterisk)
        guard let own = family.first(where: { $0.ip.isUnspecified }) ?? family.first else {
            return nil
        }
        return AsteriskWay(
            to: asterisk, by: own.listener, from: own.ip.isUnspecified ? source : nil)
    }

    private func family(of asterisk: IPAddress) -> [Own] {
        own.filter { $0.ip.isV4 == asterisk.isV4 }
    }
}
