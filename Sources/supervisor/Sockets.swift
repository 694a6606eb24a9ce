internal import Glibc
internal import Messages
internal import Sys

/// The bound sockets, which stay open here over every restart of a child.
struct Sockets {
    /// Each listener with its socket.
    let bound: [(listener: Listener, socket: Descriptor)]
    /// Inherited sockets that no setting names, by their place among those inherited.
    let surplus: Int

    /// How much a socket of datagrams holds while its reader is busy or restarts, in bytes.
    private static let datagramBuffer: Int32 = 4 << 20

    /// Takes each listener's socket from those inherited, or binds it.
    init(_ listeners: [Listener], inherited: [Descriptor]) throws(StartFailure) {
        guard listeners.count <= 64 else {
            throw StartFailure("more than 64 endpoints: take some out of outside and inside")
        }
        var rest = inherited
        var bound: [(listener: Listener, socket: Descriptor)] = []
        for listener in listeners {
            let kind: SocketKind = listener.endpoint.transport.isStream ? .stream : .datagram
            let address = listener.endpoint.address
            let place = rest.firstIndex { descriptor in
                guard let found = Socket.adopted(descriptor.raw) else { return false }
                return found.kind == kind && found.address == address
            }
            let socket =
                if let place { rest.remove(at: place) } else {
                    try Self.bind(listener.endpoint, kind)
                }
            if kind == .datagram { Socket.setBufferSizes(socket.raw, bytes: Self.datagramBuffer) }
            bound.append((listener, socket))
        }
        self.bound = bound
        surplus = rest.count
    }

    private static func bind(
        _ endpoint: Endpoint, _ kind: SocketKind
    ) throws(StartFailure) -> Descriptor {
        do {
            return try Socket.bound(kind, to: endpoint.address)
        } catch {
            switch error.code {
            case EADDRINUSE:
                throw StartFailure(
                    "\(endpoint) is taken by another program: "
                        + "find it with ss -lnp, or choose another port")
            case EADDRNOTAVAIL:
                throw StartFailure(
                    "\(endpoint) is not an address of this machine: correct outside or inside")
            case EACCES:
                throw StartFailure(
                    "\(endpoint) may not be bound without root: choose a port above 1023")
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
