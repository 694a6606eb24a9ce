package import Messages
package import Sys

/// The addresses of this machine at which wildcard endpoints are reached.
///
/// An answer leaves from the address that was asked, and so does what is sent to a phone later. A flow of UDP says
/// which one that is by a mark (`OwnMark`). What a mark stands for is looked up here; without a wildcard endpoint
/// nothing is in it.
package struct WildcardAddresses: Sendable {
    /// How many addresses are known at most; the kernel chooses among further ones.
    static let most = 256

    private struct Known {
        let mark: UInt64
        let ip: IPAddress
    }

    private var known: [Known] = []
    /// The addresses at which Asterisks have asked, which never leave.
    private(set) var inside: [IPAddress] = []
    /// Our ends of the connections that stand.
    private var connections: [Flow: IPAddress] = [:]
    /// The marks of our addresses toward those whom we ask: Asterisks and trunks.
    private var ways: [IPAddress: UInt64] = [:]

    /// No address.
    init() {}

    /// All addresses that are known.
    package var all: [IPAddress] { known.map(\.ip) }

    /// Whether an address is known.
    package func contains(_ ip: IPAddress) -> Bool { mark(ifKnown: ip) != nil }

    /// The mark of an address that is known.
    package func mark(ifKnown ip: IPAddress) -> UInt64? {
        let mark = OwnMark.of(ip)
        return address(of: mark) == ip ? mark : nil
    }

    /// The address of a mark; nil of one that is not known here.
    private func address(of mark: UInt64) -> IPAddress? {
        for place in known.indices where known[place].mark == mark { return known[place].ip }
        return nil
    }

    /// Adds an address; false when there is no room, or another one has its mark.
    mutating func add(_ ip: IPAddress) -> Bool {
        guard known.count < Self.most, !ip.isUnspecified, !ip.isMulticast else { return false }
        let mark = OwnMark.of(ip)
        guard address(of: mark) == nil else { return false }
        known.append(Known(mark: mark, ip: ip))
        return true
    }

    /// Adds an address to those of the inside; false when it is there.
    package mutating func addInside(_ ip: IPAddress) -> Bool {
        guard inside.count < Self.most, !inside.contains(ip) else { return false }
        inside.append(ip)
        return true
    }

    /// A connection of a wildcard endpoint stands.
    package mutating func opened(_ flow: Flow, at ip: IPAddress) { connections[flow] = ip }

    /// A connection is over.
    package mutating func closed(_ flow: Flow) {
        if !connections.isEmpty { connections[flow] = nil }
    }

    /// The address of ours that the peer of a flow asks; nil when it is not known.
    package func asked(by flow: Flow) -> IPAddress? {
        guard flow.transport.isStream else {
            return flow.connection == 0 ? nil : address(of: flow.connection)
        }
        return connections[flow]
    }

    /// The mark of our address toward somebody whom we ask; 0 when it is not known.
    package func way(toward ip: IPAddress) -> UInt64 { ways[ip] ?? 0 }

    /// Somebody whom we ask is reached from the address of a mark.
    package mutating func leads(toward ip: IPAddress, from mark: UInt64) { ways[ip] = mark }

    /// Somebody whom we ask does not answer: the kernel chooses the way to him anew.
    package mutating func forget(toward ip: IPAddress) { ways[ip] = nil }
}
