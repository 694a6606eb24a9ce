package import Messages
package import Sys

/// Endpoints at wildcard addresses: which address of this machine a peer asks, and by which we ask others.
extension Router {
    /// Whether some endpoint is at a wildcard address.
    package var hasWildcards: Bool { listeners.contains { $0.endpoint.isWildcard } }

    /// The Asterisks and the servers of trunks: whom we ask by ourselves.
    package var callees: [SocketAddress] {
        bench.settings.asterisks + bench.settings.trunks.flatMap(\.servers)
    }

    /// The flow of a datagram that came by a wildcard endpoint, sent to the address `own` of this machine.
    package mutating func flow(
        _ listener: UInt8, from peer: SocketAddress, at own: IPAddress?
    ) -> Flow {
        var flow = Flow(.udp, listener: listener, peer: peer)
        if let own {
            noteAsked(own, by: flow)
            flow.connection = bench.writer.wildcards.mark(ifKnown: own) ?? 0
        }
        return flow
    }

    /// The address that what goes by a flow of UDP leaves from; nil leaves the choice to the kernel.
    ///
    /// A mark may be older than the settings: what is bound to one address leaves from that.
    package func source(of flow: Flow) -> IPAddress? {
        guard listeners[Int(flow.listener)].endpoint.isWildcard else { return nil }
        return bench.writer.wildcards.asked(by: flow)
    }

    /// Takes over the addresses of this machine.
    package mutating func learn(_ addresses: [IPAddress]) {
        let new = addresses.filter { bench.writer.learn($0) }
        if !new.isEmpty { followAddresses() }
    }

    /// Takes over what the settings and the addresses of this machine make of messages and sources.
    mutating func followAddresses() {
        bench.settings.serveFaces(of: bench.writer.own)
        bench.writer.configure(bench.settings)
        admission.follow(listeners, bench)
    }

    /// Takes over from which address of ours the kernel's way to somebody whom we ask begins.
    package mutating func leads(toward peer: IPAddress, from own: IPAddress) {
        learn([own])
        if isAsterisk(peer) { learn(inside: own) }
        if let mark = bench.writer.wildcards.mark(ifKnown: own) {
            bench.writer.wildcards.leads(toward: peer, from: mark)
        }
    }

    /// Takes over an address that Asterisks see, which may not leave.
    private mutating func learn(inside own: IPAddress) {
        if bench.writer.wildcards.addInside(own) { bench.writer.configure(bench.settings) }
    }

    /// Takes over which address of this machine the peer of a flow asks by a wildcard endpoint.
    ///
    /// Anybody can ask inside endpoints at any of them; those that Asterisks ask are the inside's.
    mutating func noteAsked(_ own: IPAddress, by flow: Flow) {
        if listeners[Int(flow.listener)].side == .inside, isAsterisk(flow.peer.ip) {
            learn(inside: own)
        }
        // Every datagram comes by here.
        if !bench.writer.wildcards.contains(own) { learn([own]) }
    }

    /// The way by which we ask an Asterisk or a trunk.
    func way(_ listener: UInt8, to peer: SocketAddress) -> Flow {
        let isWildcard = listeners[Int(listener)].endpoint.isWildcard
        return Flow(
            .udp, listener: listener, peer: peer,
            connection: isWildcard ? bench.writer.wildcards.way(toward: peer.ip) : 0)
    }

    /// Somebody whom we asked from an address that the kernel chose has answered: from then on it is always that one.
    mutating func noteWay(_ flow: Flow, to client: Flow) {
        guard client.connection == 0, isAsterisk(flow.peer.ip) || trunk(at: flow.peer.ip) != nil
        else { return }
        bench.writer.wildcards.leads(toward: flow.peer.ip, from: flow.connection)
    }

    /// Whether an address, with its port, is one of our endpoints, as bound, asked or shown.
    func isEndpoint(_ address: SocketAddress) -> Bool {
        bench.writer.own.contains(address)
            || listeners.contains {
                $0.endpoint.isReached(at: address) && bench.writer.wildcards.contains(address.ip)
            }
    }

    /// Whether an address is one of an outside endpoint, as bound, asked or shown.
    func isOutside(_ ip: IPAddress) -> Bool {
        bench.writer.own.isNamedOutside(ip)
            || bench.writer.own.isAtEvery(isV4: ip.isV4) && bench.writer.wildcards.contains(ip)
    }
}
