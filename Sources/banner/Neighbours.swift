// Whole neighbourhoods that misbehave.
internal import Messages
internal import Sys

/// Counts banned sources by neighbourhood: the IPv4 /24, the IPv6 /48.
struct Neighbours {
    /// When each of a neighbourhood was banned; they are few.
    private var groups: [Network: [(source: Network, since: Milliseconds)]] = [:]

    /// How many sources of a neighbourhood must be banned within a day for it to be banned as a whole.
    static let threshold = 8
    private static let window = Milliseconds.seconds(86_400)

    /// How many neighbourhoods are counted; beyond that the count begins anew.
    private static let capacity = 131_072

    /// Nobody is banned.
    init() {}

    /// A source was banned; whether enough of its neighbourhood was banned within a day.
    mutating func add(_ source: Network, now: Milliseconds) -> Bool {
        if groups.count >= Self.capacity { groups = [:] }
        return Self.add(source, now, to: &groups[.neighbourhood(of: source.address), default: []])
    }

    private static func add(
        _ source: Network, _ now: Milliseconds,
        to group: inout [(source: Network, since: Milliseconds)]
    ) -> Bool {
        group.removeAll { $0.source == source || now - $0.since > window }
        // The last ones tell enough.
        if group.count == threshold { group.removeFirst() }
        group.append((source, now))
        return group.count == threshold
    }

    /// The sources of a neighbourhood that were banned last, by their address.
    func members(of wide: Network) -> [Network] {
        (groups[wide] ?? []).map(\.source).sorted { $0.address.isBefore($1.address) }
    }

    /// Makes room for so many neighbourhoods at once.
    mutating func reserve(_ count: Int) { groups.reserveCapacity(count) }

    /// The ban of a source was lifted: it does not count.
    mutating func remove(_ source: Network) {
        let wide = Network.neighbourhood(of: source.address)
        groups[wide]?.removeAll { $0.source == source }
        if groups[wide]?.isEmpty == true { groups[wide] = nil }
    }

    /// The count of a neighbourhood begins anew.
    mutating func forget(_ wide: Network) { groups[wide] = nil }

    /// Forgets whom no day holds any more.
    mutating func prune(now: Milliseconds) {
        groups = groups.compactMapValues { group in
            let young = group.filter { now - $0.since <= Self.window }
            return young.isEmpty ? nil : young
        }
    }
}
