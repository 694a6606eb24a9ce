package import Sys
package import Wire

/// How SIP is carried.
package enum Transport: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// One message a datagram.
    case udp = 1
    /// A stream of messages.
    case tcp = 2
    /// A stream of messages inside TLS, ended by tls-terminator.
    case tls = 3

    /// The transport's name in settings and in SIP's `transport` parameter.
    package var name: String {
        switch self {
        case .udp: "udp"
        case .tcp: "tcp"
        case .tls: "tls"
        }
    }

    /// Whether messages come as a stream.
    package var isStream: Bool { self != .udp }
}

/// Which world a socket faces; a message's side is the socket it came by, nothing in it.
package enum Side: UInt8, Sendable {
    /// The Internet: hostile.
    case outside = 1
    /// The configured Asterisks.
    case inside = 2

    /// The key of the settings that names it.
    package var name: String { self == .outside ? "outside" : "inside" }
}

/// A transport and an address to listen at.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// How SIP is carried there.
    package let transport: Transport
    /// The address and port.
    package let address: SocketAddress

    /// An endpoint of a transport and an address.
    package init(_ transport: Transport, _ address: SocketAddress) {
        self.transport = transport
        self.address = address
    }

    /// Whether it is at every address that this machine has of its family, 0.0.0.0 or [::].
    package var isWildcard: Bool { address.ip.isUnspecified }

    /// Whether what is sent to an address of this machine comes to it, of its transport.
    package func isReached(at other: SocketAddress) -> Bool {
        address.port == other.port
            && (address.ip == other.ip || isWildcard && address.ip.isV4 == other.ip.isV4)
    }

    /// Our end's address of a connection that was accepted here.
    package func own(of connection: Descriptor) -> SocketAddress {
        guard isWildcard else { return address }
        return (try? Socket.localAddress(connection.raw)) ?? address
    }

    /// "udp://203.0.113.5:5060", as in the settings.
    package var description: String { "\(transport.name)://\(address)" }
}

/// A bound socket that the supervisor hands to a child.
package struct Listener: Hashable, Sendable {
    /// The listener's number, the same in every process and over restarts of a child.
    package let index: UInt8
    /// The world it faces.
    package let side: Side
    /// What it is bound to.
    package let endpoint: Endpoint
    /// The address that a NAT before this machine has for it, if there is one.
    ///
    /// It is of the endpoint's family, and shown to all peers but those of `local-networks`.
    package let advertised: SocketAddress?

    /// A listener of its number, side and endpoint, and of the address that a NAT has for it.
    package init(
        index: UInt8, side: Side, endpoint: Endpoint, advertised: SocketAddress? = nil
    ) {
        self.index = index
        self.side = side
        self.endpoint = endpoint
        self.advertised = advertised
    }
}

extension Listener {
    /// The listeners of settings; a listener's number is its place among `outside`, `inside` and those of
    /// trunks there.
    package static func numbered(_ settings: [RouterSetting]) -> [Listener] {
        settings.lazy.compactMap { setting -> (Side, OutsideEndpoint)? in
            if let outside = setting.outside { return (.outside, outside) }
            return setting.endpoint.map { (.inside, OutsideEndpoint($0)) }
        }.enumerated().map { place, end in
            Listener(
                index: UInt8(truncatingIfNeeded: place), side: end.0, endpoint: end.1.endpoint,
                advertised: end.1.advertised)
        }
    }
}

extension RouterSetting {
    /// The endpoint toward the Internet that it names, if it names one.
    package var outside: OutsideEndpoint? {
        guard case .outside(let endpoint, let advertised) = self else { return nil }
        return OutsideEndpoint(endpoint, advertised: advertised)
    }

    /// The endpoint of the edge that it names, if it names one.
    package var endpoint: Endpoint? {
        switch self {
        case .outside(let endpoint, _), .inside(let endpoint), .trunk(_, .inside(let endpoint)):
            endpoint
        default: nil
        }
    }
}

extension WireWriter {
    /// Writes a transport and an address.
    package mutating func endpoint(_ value: Endpoint) {
        u8(value.transport.rawValue)
        address(value.address)
    }

    /// Writes the address that a NAT has for an endpoint, if there is one.
    mutating func advertised(_ value: SocketAddress?) {
        bool(value != nil)
        if let value { address(value) }
    }
}

extension WireReader {
    /// Reads a transport and an address, which has a port.
    package mutating func endpoint() throws(WireError) -> Endpoint {
        let transport = try choice("transport", of: Transport.self)
        return Endpoint(transport, try reachable("endpoint"))
    }

    /// Reads the address that a NAT has for an endpoint, nil when there is none; it has a port.
    mutating func advertised() throws(WireError) -> SocketAddress? {
        try bool() ? try reachable("advertised") : nil
    }
}
