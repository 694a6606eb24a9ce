internal import Messages
package import Sys

/// Our listeners toward the Asterisks: by which of them each Asterisk is called.
///
/// The kernel's routes say so, and the supervisor tells. Whoever was not told of, as in tests, is called by the first
/// inside UDP listener of the family; the listeners of trunks are for those alone.
package struct AsteriskWays: Sendable {
    /// How many Asterisks that are in the settings no more are remembered, for the BYEs of calls that they still have.
    private static let mostFormer = Bounds.mostAsterisks

    private let listeners: [Listener]
    /// Those of the settings first.
    private var ways: [AsteriskWay] = []
    private let firstV4: UInt8
    private let firstV6: UInt8

    /// No Asterisk was told of yet; `trunks` are the endpoints of trunks.
    init(_ all: [Listener], trunks: [Endpoint]) {
        let own = all.filter {
            $0.side == .inside && $0.endpoint.transport == .udp && !trunks.contains($0.endpoint)
        }
        listeners = own
        func first(isV4: Bool) -> UInt8 {
            (own.first { $0.endpoint.address.ip.isV4 == isV4 } ?? own.first)?.index ?? 0
        }
        firstV4 = first(isV4: true)
        firstV6 = first(isV4: false)
    }

    /// The listener by which an Asterisk is called.
    package func listener(toward asterisk: IPAddress) -> UInt8 {
        for place in ways.indices where ways[place].asterisk == asterisk {
            return ways[place].listener
        }
        return asterisk.isV4 ? firstV4 : firstV6
    }

    /// Of what the supervisor tells the Asterisks that are called from elsewhere than before.
    func moved(_ told: [AsteriskWay]) -> [IPAddress] {
        told.filter { way in
            guard isGood(way) else { return false }
            guard let before = ways.first(where: { $0.asterisk == way.asterisk }) else {
                return listener(toward: way.asterisk) != way.listener
            }
            return before != way
        }.map(\.asterisk)
    }

    /// Takes over what the supervisor tells, but for listeners that do not reach the Asterisk.
    mutating func adopt(_ told: [AsteriskWay]) {
        let former = ways.filter { way in !told.contains { $0.asterisk == way.asterisk } }
        ways = told.filter(isGood) + former.prefix(Self.mostFormer)
    }

    private func isGood(_ way: AsteriskWay) -> Bool {
        listeners.contains {
            $0.index == way.listener && $0.endpoint.address.ip.isV4 == way.asterisk.isV4
        }
    }
}
