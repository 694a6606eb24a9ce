// Whole neighbourhoods that misbehave.
internal import Sys

/// Counts banned sources by neighbourhood: the IPv4 /24, the IPv6 /48.
struct Neighbours {
    private var groups: [Network: [Network: Milliseconds]] = [:]

    /// How many sources of a neighbourhood must be banned within a day for it to be banned as a whole.
    static let threshold = 8
    private static let window = Milliseconds.seconds(86_400)

    /// Nobody is banned.
    init() {}

    /// A source was banned: its neighbours banned within a day and itself, once there are enough.
    mutating func add(_ source: Network, now: Milliseconds) -> [Network]? {
        let wide = Network.neighbourhood(of: source.address)
        var group = groups[wide] ?? [:]
        group[source] = now
        if group.count >= Self.threshold {
            group = group.filter { now - $0.value <= Self.window }
        }
        groups[wide] = group
        guard group.count >= Self.threshold else { return nil }
        return group.keys.sorted { $0.address.isBefore($1.address) }
    }

    /// The ban of a source was lifted: it does not count.
    mutating func remove(_ source: Network) {
        let wide = Network.neighbourhood(of: source.address)
        groups[wide]?[source] = nil
        if groups[wide]?.isEmpty == true { groups[wide] = nil }
    }

    /// The count of a neighbourhood begins anew.
    mutating func forget(_ wide: Network) { groups[wide] = nil }

    /// Forgets whom no day holds any more.
    mutating func prune(now: Milliseconds) {
        groups = groups.compactMapValues { group in
            let young = group.filter { now - $0.value <= Self.window }
            return young.isEmpty ? nil : young
        }
    }
}
