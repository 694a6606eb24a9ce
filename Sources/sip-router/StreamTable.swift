internal import Messages
internal import Reactor
internal import Registrar
internal import Sys

/// The TCP connections, by index and generation.
struct StreamTable {
    /// How many there may be.
    static let capacity = 20_000
    /// How many one source may have, an IPv4 address or an IPv6 /64; an office behind one address has a few hundred
    /// phones at most.
    static let perSource = 512

    private var peers: [StreamPeer?] = []
    private var generations: [UInt32] = []
    private var free: [Int] = []
    private var sources: [IPAddress: Int] = [:]

    /// The peers that stand.
    var all: [StreamPeer] { peers.compactMap { $0 } }

    /// The peer of an event, nil for one that is over.
    subscript(token: Token) -> StreamPeer? {
        let index = Int(token.index)
        guard index < peers.count, generations[index] == token.generation else {
            return nil
        }
        return peers[index]
    }

    /// The peer of a flow, nil for one that is over or was never here.
    subscript(flow: Flow) -> StreamPeer? {
        let index = ConnectionHandle(raw: flow.connection).place
        guard index < peers.count, let peer = peers[index], peer.flow == flow else { return nil }
        return peer
    }

    /// Takes a connection and returns its peer and token; nil when there are too many.
    mutating func add(
        _ socket: Descriptor, listener: UInt8, peer address: SocketAddress, now: Milliseconds
    ) -> (peer: StreamPeer, token: Token)? {
        guard sources[address.ip.source, default: 0] < Self.perSource,
            !free.isEmpty || peers.count < Self.capacity
        else { return nil }
        let index = free.popLast() ?? peers.count
        if index == peers.count { addPlace() }
        let handle = ConnectionHandle(.tcp, place: UInt16(index))
        let flow = Flow(.tcp, listener: listener, peer: address, connection: handle.raw)
        let peer = StreamPeer(flow, socket: socket, now: now)
        put(peer, at: index)
        return (peer, token(of: peer))
    }

    /// Takes over connections that an earlier process had accepted, each at its handle's place, before there is
    /// any other.
    mutating func adopt(
        _ connections: [(connection: KeptConnection, socket: Descriptor)], now: Milliseconds
    ) -> [StreamPeer] {
        var adopted: [StreamPeer] = []
        for (kept, socket) in connections.sorted(by: {
            $0.connection.handle.place < $1.connection.handle.place
        }) {
            let place = kept.handle.place
            guard place >= peers.count, place < Self.capacity else { continue }
            while peers.count < place {
                free.append(peers.count)
                addPlace()
            }
            addPlace()
            let flow = Flow(
                .tcp, listener: kept.listener, peer: kept.peer, connection: kept.handle.raw)
            let peer = StreamPeer(flow, socket: socket, now: now)
            put(peer, at: place)
            adopted.append(peer)
        }
        return adopted
    }

    private mutating func addPlace() {
        peers.append(nil)
        generations.append(0)
    }

    private mutating func put(_ peer: StreamPeer, at place: Int) {
        peers[place] = peer
        sources[peer.flow.peer.ip.source, default: 0] += 1
    }

    /// The token that a peer is watched with.
    func token(of peer: StreamPeer) -> Token {
        let index = ConnectionHandle(raw: peer.flow.connection).place
        return Token(
            kind: RouterProcess.Watched.stream, index: UInt32(index),
            generation: generations[index])
    }

    /// Lets go of a peer.
    mutating func remove(_ peer: StreamPeer) {
        let index = ConnectionHandle(raw: peer.flow.connection).place
        guard index < peers.count, peers[index] === peer else { return }
        peers[index] = nil
        generations[index] = (generations[index] + 1) & 0xFF_FFFF
        free.append(index)
        let source = peer.flow.peer.ip.source
        let left = sources[source, default: 1] - 1
        sources[source] = left == 0 ? nil : left
    }
}
