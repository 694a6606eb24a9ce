package import Messages
internal import Sys

/// The connections of TCP and TLS: which stand, who has authenticated by them, and what goes by them.
///
/// Of each the whole flow counts, never the handle alone: what was kept of a connection may be older than the process
/// that gives handles now. A flow of UDP is in none of the sets.
package struct Connections: ~Copyable {
    private let anchor = Anchor()

    /// Those that stand.
    private var live: Set<Flow> = []
    /// Those by which an account has authenticated, or that a trunk has made.
    private var proven: Set<Flow> = []
    /// The places of the bindings that came by each, perhaps before they moved to another one.
    private var bindings: [Flow: Set<Int32>] = [:]
    /// How many requests are under way by each.
    private var requests: [Flow: Int] = [:]
    /// Those that have closed with requests under way, until those are taken.
    private var lost: Set<Flow> = []

    /// No connections.
    package init() {}

    /// Whether a connection stands.
    package func isLive(_ flow: Flow) -> Bool { live.contains(flow) }

    /// A connection stands now; the places of the bindings that came by it.
    package mutating func opened(_ flow: Flow) -> Set<Int32> {
        live.insert(flow)
        return bindings[flow] ?? []
    }

    /// A connection is over, and forgotten; the places of the bindings that came by it.
    ///
    /// With requests under way by it, it is among the next lost ones.
    package mutating func closed(_ flow: Flow) -> Set<Int32> {
        live.remove(flow)
        proven.remove(flow)
        if requests[flow] != nil { lost.insert(flow) }
        return bindings.removeValue(forKey: flow) ?? []
    }

    // MARK: Who

    /// An account has authenticated by a connection, or it is a trunk's, which stays open between its calls.
    package mutating func authenticated(_ flow: Flow) {
        if flow.transport.isStream { proven.insert(flow) }
    }

    /// Whether an account has authenticated by a connection, or is registered by it.
    package func hasAuthenticated(by flow: Flow) -> Bool {
        proven.contains(flow) || isRegistered(by: flow)
    }

    /// Whether a phone has registered by a connection.
    package func isRegistered(by flow: Flow) -> Bool { bindings[flow] != nil }

    /// A binding came by a flow; whether it is the first one of a connection of TCP, which outlives this process then.
    package mutating func attach(_ place: Int32, _ flow: Flow) -> Bool {
        guard flow.transport.isStream else { return false }
        let isFirst = bindings[flow] == nil
        bindings[flow, default: []].insert(place)
        return isFirst && flow.transport == .tcp
    }

    // MARK: Requests

    /// A request was sent by a flow, and is under way.
    package mutating func sent(_ flow: Flow) {
        if flow.transport.isStream { requests[flow, default: 0] += 1 }
    }

    /// A request that was sent by a flow is over.
    package mutating func ended(_ flow: Flow) {
        guard let count = requests[flow] else { return }
        requests[flow] = count == 1 ? nil : count - 1
    }

    /// Takes the connections that have closed with requests under way: one look through those requests a turn,
    /// however many connections that were.
    package mutating func takeLost() -> Set<Flow> {
        guard !lost.isEmpty else { return [] }
        defer { lost = [] }
        return lost
    }
}
