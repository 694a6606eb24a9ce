internal import Messages
internal import Privsep
internal import Proxy
internal import Sys

/// How many connections of each source have not authenticated, over TCP and TLS together.
struct UnprovenConnections {
    private var counts: [IPAddress: Int] = [:]

    /// How many a source has.
    func count(of ip: IPAddress) -> Int { counts[ip.source, default: 0] }

    /// A source has one more.
    mutating func begin(_ ip: IPAddress) { counts[ip.source, default: 0] += 1 }

    /// One has authenticated, or is over.
    mutating func end(_ ip: IPAddress) {
        let source = ip.source
        let left = counts[source, default: 1] - 1
        counts[source] = left <= 0 ? nil : left
    }
}

extension RouterProcess {
    /// For how long connections are not counted: a router that was started anew is told of those that have
    /// authenticated long ago, before it knows whose they are.
    private static var grace: Milliseconds { .seconds(10) }

    /// Whether a source may have one connection more that has not authenticated.
    func mayOpen(_ ip: IPAddress) -> Bool {
        loop.now - started < Self.grace
            || unproven.count(of: ip) < router.openingsAllowed(ip)
    }

    /// A connection from outside or inside begins; `own` is the address of this machine that one to a wildcard
    /// endpoint has.
    func begin(_ peer: StreamPeer, at own: IPAddress?) {
        peer.isUnproven = listeners[Int(peer.flow.listener)].side == .outside
        if peer.isUnproven { unproven.begin(peer.flow.peer.ip) }
        router.opened(peer.flow, at: own)
    }

    /// Counts a connection as unproven no longer once an account has authenticated by it.
    func forgetIfProven(_ peer: StreamPeer) {
        guard peer.isUnproven, router.hasAuthenticated(by: peer.flow) else {
            return
        }
        forget(peer)
    }

    /// A connection is no longer one that has to authenticate.
    func forget(_ peer: StreamPeer) {
        guard peer.isUnproven else { return }
        peer.isUnproven = false
        unproven.end(peer.flow.peer.ip)
    }
}
