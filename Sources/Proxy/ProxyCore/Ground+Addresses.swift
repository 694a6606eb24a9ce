internal import Admission
internal import AsteriskPool
package import Messages
package import ProxyBench
internal import SIPWriting
package import Sys
internal import Trunks

/// Endpoints at wildcard addresses: which address of this machine a peer asks, and by which we ask others.
extension Ground {
    /// The flow of a datagram that came by a wildcard endpoint, sent to the address `own` of this machine.
    package mutating func flow(
        _ listener: UInt8, from peer: SocketAddress, at own: IPAddress?, _ bench: inout Bench
    ) -> Flow {
        var flow = Flow(.udp, listener: listener, peer: peer)
        if let own {
            asked(own, by: flow, &bench)
            flow.connection = bench.writer.wildcards.mark(ifKnown: own) ?? 0
        }
        return flow
    }

    /// Takes over which address of this machine the peer of a flow asks by a wildcard endpoint.
    ///
    /// Anybody can ask inside endpoints at any of them; those that Asterisks ask are the inside's.
    package mutating func asked(_ own: IPAddress, by flow: Flow, _ bench: inout Bench) {
        if bench.side(flow) == .inside, asterisks.isAsterisk(flow.peer.ip) {
            learn(inside: own, &bench)
        }
        // Every datagram comes by here.
        if !bench.writer.wildcards.contains(own) { learn([own], &bench) }
    }

    /// Takes over addresses of this machine.
    package mutating func learn(_ addresses: [IPAddress], _ bench: inout Bench) {
        var isNew = false
        for address in addresses where bench.writer.learn(address) { isNew = true }
        if isNew { followAddresses(&bench) }
    }

    /// Takes over an address that Asterisks see, which may not leave.
    private func learn(inside own: IPAddress, _ bench: inout Bench) {
        if bench.writer.wildcards.addInside(own) { bench.configureWriter() }
    }

    /// Takes over what the settings and the addresses of this machine make of messages and sources.
    package mutating func followAddresses(_ bench: inout Bench) {
        bench.serveFaces()
        bench.configureWriter()
        admission.follow(bench.listeners, bench)
    }

    /// Takes over from which address of ours the kernel's way to somebody whom we ask begins.
    package mutating func leads(
        toward peer: IPAddress, from own: IPAddress, _ bench: inout Bench
    ) {
        learn([own], &bench)
        if asterisks.isAsterisk(peer) { learn(inside: own, &bench) }
        if let mark = bench.writer.wildcards.mark(ifKnown: own) {
            bench.writer.wildcards.leads(toward: peer, from: mark)
        }
    }

    /// A peer has answered by a flow; when the kernel chose from which address of ours it was asked, it is always
    /// that one from then on.
    package func answered(_ flow: Flow, asked: Flow, _ bench: inout Bench) {
        let ip = flow.peer.ip
        guard flow.connection != asked.connection, asked.connection == 0,
            asterisks.isAsterisk(ip) || trunks.trunk(at: ip) != nil
        else { return }
        bench.writer.wildcards.leads(toward: ip, from: flow.connection)
    }
}
