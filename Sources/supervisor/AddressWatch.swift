internal import Messages
internal import Sys

/// Which addresses of the settings are on this machine.
///
/// A socket is bound to an address that is not there yet, or that has gone, and serves once it is
/// there.
struct AddressWatch {
    /// An address and whether the machine has it.
    private struct Place {
        let address: SocketAddress
        let side: Side
        var isThere = true
    }

    /// How often it is looked.
    private static let interval = Milliseconds.seconds(5)

    private var places: [Place] = []
    /// When it is looked next.
    private(set) var next: Milliseconds

    /// The addresses of listeners, none looked at yet.
    init(_ listeners: [Listener], at now: Milliseconds) {
        next = now
        for listener in listeners {
            let bound = listener.endpoint.address
            let address = SocketAddress(bound.ip, port: 0, scope: bound.scope)
            guard !places.contains(where: { $0.address == address }) else { continue }
            places.append(Place(address: address, side: listener.side))
        }
    }

    /// Looks at each address; those that have come or gone since the last time.
    mutating func look(at now: Milliseconds) -> [(ip: IPAddress, side: Side, isThere: Bool)] {
        next = now + Self.interval
        var changes: [(ip: IPAddress, side: Side, isThere: Bool)] = []
        for index in places.indices {
            guard let isThere = Socket.isLocal(places[index].address),
                isThere != places[index].isThere
            else { continue }
            places[index].isThere = isThere
            changes.append((places[index].address.ip, places[index].side, isThere))
        }
        return changes
    }

    /// What is wrong while addresses are absent.
    var condition: Condition? {
        let absent = places.filter { !$0.isThere }
        guard let first = absent.first else { return nil }
        let names =
            absent.prefix(4).map(\.address.ip.description).joined(separator: ", ")
            + (absent.count > 4 ? " and \(absent.count - 4) more" : "")
        if places.contains(where: { $0.side == .outside }),
            places.allSatisfy({ $0.side == .inside || !$0.isThere })
        {
            return Condition(
                .noSIP,
                "no phone is served, for no address of outside is on this machine: \(names)",
                recorded: .both)
        }
        if absent.count == 1 {
            return Condition(
                .address,
                "\(names) of \(first.side.name) is not on this machine, and served once it is",
                recorded: .both)
        }
        return Condition(
            .address, "addresses are not on this machine, and served once they are: \(names)",
            recorded: .both)
    }
}
