package import Messages
internal import SIPWriting
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
        if let own {
            noteAsked(own, by: flow)
            flow.connection = writer.wildcards.mark(ifKnown: own) ?? 0
        }
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
        let new = addresses.filter { writer.learn($0) }
        if !new.isEmpty { followAddresses() }
    }

    /// Takes over what the settings and the addresses of this machine make of messages and sources.
    mutating func followAddresses() {
        settings.serveFaces(of: writer.own)
        writer.configure(settings)
        insideSources = sourcesOfInside()
        ownSources = sourcesOfOutside()
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

    /// Takes over which address of this machine the peer of a flow asks by a wildcard endpoint.
    ///
    /// Anybody can ask inside endpoints at any of them; those that Asterisks ask are the inside's.
    mutating func noteAsked(_ own: IPAddress, by flow: Flow) {
        if listeners[Int(flow.listener)].side == .inside, isAsterisk(flow.peer.ip) {
            learn(inside: own)
        }
        // Every datagram comes by here.
        if !writer.wildcards.contains(own) { learn([own]) }
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
        writer.own.isNamedOutside(ip)
            || writer.own.isAtEvery(isV4: ip.isV4) && writer.wildcards.contains(ip)
    }

    /// The sources of these addresses: an IPv6 one stands for its /64, as banner has it.
    ///
    /// Those of the loopback are excepted: who tries the edge on one machine has no others.
    private func sourcesOfOutside() -> Set<IPAddress> {
        let asked = writer.wildcards.all.filter { writer.own.isAtEvery(isV4: $0.isV4) }
        return Set((writer.own.namedOutside + asked).filter { !$0.isLoopback }.map(\.source))
    }
}
