internal import Glibc
internal import Messages
internal import Spawning
internal import Sys

/// The bound sockets, which stay open here over every restart of a child.
struct Sockets {
    /// Each listener with its socket.
    let bound: [(listener: Listener, socket: Descriptor)]
    /// How many inherited sockets no setting names.
    let surplus: Int

    /// How much a socket of datagrams holds while its reader is busy or restarts, in bytes.
    private static let datagramBuffer: Int32 = 4 << 20

    /// Takes each listener's socket from those inherited, or binds it.
    ///
    /// Those that serve no listener are closed before anything is bound: an old one may hold the
    /// very port that is wanted at another address.
    init(_ listeners: [Listener], taking inherited: inout [Descriptor]) throws(StartFailure) {
        guard listeners.count <= Bounds.mostListeners else {
            throw StartFailure(
                "more than \(Bounds.mostListeners) endpoints: take some out of outside, inside and"
                    + " trunks", lasts: true)
        }
        let adopted = listeners.map { listener in
            let place = inherited.firstIndex { Self.serves($0, listener.endpoint) }
            return place.map { inherited.remove(at: $0) }
        }
        // systemd hands over a socket of rempart.socket a second time when it also keeps it for us.
        surplus = inherited.count { socket in
            !listeners.contains { Self.serves(socket, $0.endpoint) }
        }
        inherited = []
        var bound: [(listener: Listener, socket: Descriptor)] = []
        for (listener, adopted) in zip(listeners, adopted) {
            let socket = if let adopted { adopted } else { try Self.bind(listener.endpoint) }
            if listener.endpoint.transport == .udp {
                Socket.setBufferSizes(socket.raw, bytes: Self.datagramBuffer)
                try Self.reportDestination(socket, listener.endpoint)
            } else {
                try Self.watchPeers(socket, listener.endpoint)
            }
            bound.append((listener, socket))
        }
        self.bound = bound
    }

    /// At a wildcard address an answer has to leave from the address that was asked.
    ///
    /// The option stays with the socket, whichever process receives by it.
    private static func reportDestination(
        _ socket: Descriptor, _ endpoint: Endpoint
    ) throws(StartFailure) {
        guard endpoint.isWildcard else { return }
        do {
            try Socket.reportDestination(socket.raw, isV4: endpoint.address.ip.isV4)
        } catch {
            throw StartFailure("\(endpoint) cannot tell which address is asked: \(error.reason)")
        }
    }

    /// A phone that has lost its power closes nothing.
    ///
    /// The sockets of systemd, and those of an older version, do not watch over it yet.
    private static func watchPeers(
        _ socket: Descriptor, _ endpoint: Endpoint
    ) throws(StartFailure) {
        do {
            try Socket.watchPeers(socket.raw)
        } catch {
            throw StartFailure("\(endpoint) cannot watch over its peers: \(error.reason)")
        }
    }

    private static func kind(_ endpoint: Endpoint) -> SocketKind {
        endpoint.transport.isStream ? .stream : .datagram
    }

    private static func serves(_ socket: Descriptor, _ endpoint: Endpoint) -> Bool {
        guard let found = Socket.adopted(socket.raw) else { return false }
        return found.kind == kind(endpoint) && found.address == endpoint.address
    }

    private static func bind(_ endpoint: Endpoint) throws(StartFailure) -> Descriptor {
        do {
            return try Socket.bound(kind(endpoint), to: endpoint.address, evenIfAbsent: true)
        } catch {
            switch error.code {
            case EADDRINUSE:
                throw StartFailure(
                    "\(endpoint) is taken by another program: "
                        + "find it with ss -lnp, or choose another port")
            case EAFNOSUPPORT:
                throw StartFailure(
                    "\(endpoint) cannot be bound, for this kernel has no IPv6: take it out",
                    lasts: true)
            case EACCES:
                throw StartFailure(
                    "\(endpoint) may not be bound without root: choose a port above 1023",
                    lasts: true)
            default:
                throw StartFailure("\(endpoint) cannot be bound: \(error.reason)")
            }
        }
    }

    /// Which child serves a listener.
    static func server(of listener: Listener) -> Role {
        listener.endpoint.transport == .tls ? .terminator : .router
    }

    /// The listeners of a child with their sockets.
    func served(by role: Role) -> [(listener: Listener, socket: Descriptor)] {
        bound.filter { Self.server(of: $0.listener) == role }
    }
}
