internal import Messages
package import Registrar
package import Sys

/// Endpoints at wildcard addresses: which address of this machine a peer asks, and by which we ask others.
extension Router {
    /// Whether some endpoint is at a wildcard address.
    package var hasWildcards: Bool { listeners.contains { $0.endpoint.isWildcard } }

    /// The Asterisks and the servers of trunks: whom we ask by ourselves.
    package var callees: [SocketAddress] { settings.asterisks + settings.trunks.flatMap(\.servers) }

    /// The flow of a datagram that came by a wildcard endpoint, sent to the address `own` of this machine.
    package mutating func flow(
        _ listener: UInt8, from peer: SocketAddress, at own: IPAddress?
    ) -> Flow {
        var flow = Flow(.udp, listener: listener, peer: peer)
        if let own { flow.connection = mark(of: own, by: listener) }
        return flow
    }

    /// The address that what goes by a flow of UDP leaves from; nil leaves the choice to the kernel.
    ///
    /// A mark may be older than the settings: what is bound to one address leaves from that.
    package func source(of flow: Flow) -> IPAddress? {
        guard listeners[Int(flow.listener)].endpoint.isWildcard else { return nil }
        return writer.wildcards.asked(by: flow)
    }

    /// Takes over the addresses of this machine.
    package mutating func learn(_ addresses: [IPAddress]) {
        for ip in addresses { _ = writer.wildcards.add(ip) }
        insideSources = sourcesOfInside()
    }

    /// Takes over from which address of ours the kernel's way to somebody whom we ask begins.
    package mutating func leads(toward peer: IPAddress, from own: IPAddress) {
        learn([own])
        if isAsterisk(peer) { learn(inside: own) }
        if let mark = writer.wildcards.mark(ifKnown: own) {
            writer.wildcards.leads(toward: peer, from: mark)
        }
    }

    /// Takes over an address that Asterisks see, which may not leave.
    private mutating func learn(inside own: IPAddress) {
        if writer.wildcards.addInside(own) { writer.configure(settings) }
    }

    private mutating func mark(of own: IPAddress, by listener: UInt8) -> UInt64 {
        if listeners[Int(listener)].side == .inside { learn(inside: own) }
        if let mark = writer.wildcards.mark(ifKnown: own) { return mark }
        learn([own])
        return writer.wildcards.mark(ifKnown: own) ?? 0
    }

    /// The way by which we ask an Asterisk or a trunk.
    func way(_ listener: UInt8, to peer: SocketAddress) -> Flow {
        let isWildcard = listeners[Int(listener)].endpoint.isWildcard
        return Flow(
            .udp, listener: listener, peer: peer,
            connection: isWildcard ? writer.wildcards.way(toward: peer.ip) : 0)
    }

    /// Somebody whom we asked from an address that the kernel chose has answered: from then on it is always that one.
    mutating func noteWay(_ flow: Flow, to client: Flow) {
        guard client.connection == 0, isAsterisk(flow.peer.ip) || trunk(at: flow.peer.ip) != nil
        else { return }
        writer.wildcards.leads(toward: flow.peer.ip, from: flow.connection)
    }

    /// Whether an address, with its port, is one of our endpoints, as bound, asked or shown.
    func isEndpoint(_ address: SocketAddress) -> Bool {
        writer.own.contains(address)
            || listeners.contains {
                $0.endpoint.isReached(at: address) && writer.wildcards.contains(address.ip)
            }
    }

    /// Whether an address is one of an outside endpoint, as bound, asked or shown.
    func isOutside(_ ip: IPAddress) -> Bool {
        writer.own.isOutside(ip)
            || listeners.contains {
                $0.side == .outside && $0.endpoint.isWildcard
                    && $0.endpoint.address.ip.isV4 == ip.isV4 && writer.wildcards.contains(ip)
            }
    }
}
