internal import Journal
package import Messages
package import ProxyBench
internal import SIPWriting
package import Sys

/// The servers of trunks: which is next, and which answer.
extension Trunks {
    /// The server that a request has not tried yet and that answers best, and the flow to it; nil when there is none.
    ///
    /// `tried` has a bit for the place of each server that was tried.
    package func chooseServer(
        tried: UInt64, _ trunk: TrunkID, _ bench: borrowing Bench
    ) -> (place: Int, way: Flow)? {
        let servers = trunks[trunk.index].servers
        let left = servers.indices.filter { tried >> UInt64($0) & 1 == 0 }
        let now = bench.now.monotonic
        let best = left.first { servers[$0].avoidedUntil <= now } ?? left.first
        guard let place = best, let flow = bench.outsideWay(to: servers[place].address) else {
            return nil
        }
        return (place, flow)
    }

    /// Whether another server than those tried may get a request.
    package func hasOtherServer(tried: UInt64, _ trunk: TrunkID) -> Bool {
        trunks[trunk.index].servers.count > tried.nonzeroBitCount
    }

    /// A server has answered a request, or has not.
    package mutating func serverAnswered(
        _ peer: SocketAddress, _ trunk: TrunkID, _ isAnswered: Bool, _ bench: inout Bench
    ) {
        guard let place = trunks[trunk.index].servers.firstIndex(where: { $0.address == peer })
        else { return }
        let old = trunks[trunk.index].servers[place].state
        trunks[trunk.index].servers[place].state = isAnswered ? .up : .down
        trunks[trunk.index].servers[place].avoidedUntil =
            isAnswered ? Milliseconds(0) : bench.now.monotonic + TrunkServer.avoidance
        // The first answer of one that was never silent is nothing to tell.
        let isNews = isAnswered ? old == .down : old != .down
        guard isNews else { return }
        let name = name(trunk)
        if !isAnswered { bench.writer.wildcards.forget(toward: peer.ip) }
        bench.effects.journal.add(
            isAnswered ? .trunkUp : .trunkDown, isAnswered ? .notice : .error,
            isAnswered
                ? "\(peer) of the trunk \(name) answers again"
                : "\(peer) of the trunk \(name) does not answer; it is called last for a while",
            [(.trunk, name), (.address, "\(peer.ip)"), (.port, "\(peer.port)")])
    }

    /// A row for each server of a trunk that has so many calls, for `rempart status`.
    package func rows(_ trunk: TrunkID, calls: UInt32) -> [ControlReply] {
        trunks[trunk.index].servers.map { server in
            .trunk(
                TrunkRow(
                    name: name(trunk), server: server.address, state: server.state, calls: calls))
        }
    }

    // MARK: Passwords that nobody has

    /// A trunk asks for a password for a request that the Asterisk has addressed to us: its answer would be
    /// computed from that address, and be wrong.
    package func trunkAsksForPassword(
        _ trunk: TrunkID, _ asterisk: SocketAddress, _ bench: inout Bench
    ) {
        guard bench.effects.journal.allowsRefusal(bench.now.monotonic) else { return }
        let name = name(trunk)
        bench.effects.journal.add(
            .trunkRefused, .warning,
            "the trunk \(name) asks for a password, but Asterisk addresses the edge instead of it:"
                + " give Asterisk the trunk's own host, and the edge as outbound proxy",
            [(.trunk, name), (.asterisk, "\(asterisk)")])
    }

    /// An Asterisk asks a trunk for a password, which it has none of.
    package func asteriskAsksForPassword(
        _ trunk: TrunkID, _ asterisk: SocketAddress, _ bench: inout Bench
    ) {
        let name = name(trunk)
        bench.effects.journal.add(
            .trunkRefused, .warning,
            "Asterisk \(asterisk) asks the trunk \(name) for a password: it does not tell it by"
                + " the edge's address and port (chan_sip: type=peer without secret; PJSIP: an identify)",
            [(.trunk, name), (.asterisk, "\(asterisk)")])
    }
}
