// The bans in force: who, why, since when, until when.
internal import Messages
internal import Sys

/// The sources that are banned, each IPv4 address or IPv6 /64 once.
///
/// Moments are since 1970, so that bans outlive a reboot.
struct BanList {
    private var bans: [IPAddress: BanRow] = [:]
    private var allowed: [Network]
    /// No ban ends before this moment: most looks for ended bans end here.
    private var earliestEnd = Milliseconds(Int64.max)

    /// How many sources can be banned at a time; the kernel's sets hold as many each.
    static let capacity = 100_000

    /// What became of a wish to ban.
    enum Outcome: Equatable {
        /// The source is banned, as the row says.
        case banned(BanRow)
        /// The source lies in a network that is never banned.
        case allowed(Network)
        /// There is no room for another ban.
        case full
    }

    /// An empty list that never takes sources in these networks.
    init(allowed: [Network]) { self.allowed = allowed }

    /// The source that a ban of the address covers: the IPv4 address, the /64 of an IPv6 address.
    static func source(of address: IPAddress) -> IPAddress {
        address.isV4 ? address : Network(address, prefix: 64).address
    }

    /// Every ban, the earliest first.
    var rows: [BanRow] {
        bans.values.sorted {
            ($0.since, $0.source.address.high, $0.source.address.low) < (
                $1.since, $1.source.address.high, $1.source.address.low
            )
        }
    }

    /// How many sources are banned.
    var count: Int { bans.count }

    /// The ban of an address.
    func ban(of address: IPAddress) -> BanRow? { bans[Self.source(of: address)] }

    /// Bans a source for a span, or prolongs its ban; `count` offences more are held against it.
    ///
    /// A ban in force is never shortened, unless `exactly`, which is the administrator's word.
    mutating func ban(
        _ address: IPAddress, reason: String, count: UInt32, span: Milliseconds,
        exactly: Bool = false, now: Milliseconds
    ) -> Outcome {
        let source = Self.source(of: address)
        if let network = network(protecting: source) { return .allowed(network) }
        let old = bans[source]
        guard old != nil || bans.count < Self.capacity else { return .full }
        let end = now + span
        let row = BanRow(
            source: Network(source, prefix: source.isV4 ? 32 : 64), reason: reason,
            since: old?.since ?? now, until: exactly ? end : max(end, old?.until ?? end),
            firstSeen: now, lastSeen: now,
            count: (old?.count ?? 0).addingReportingOverflow(count).overflow
                ? .max : (old?.count ?? 0) + count)
        insert(row)
        return .banned(row)
    }

    /// Takes up a ban as it was kept; false when it has ended, is allowed now, or has no room.
    mutating func restore(_ row: BanRow, now: Milliseconds) -> Bool {
        guard row.until > now, bans.count < Self.capacity,
            row.source.address == Self.source(of: row.source.address),
            network(protecting: row.source.address) == nil
        else { return false }
        insert(row)
        return true
    }

    private mutating func insert(_ row: BanRow) {
        bans[row.source.address] = row
        earliestEnd = min(earliestEnd, row.until)
    }

    /// Lifts the ban of an address; what it was, or nil when there was none.
    mutating func lift(_ address: IPAddress) -> BanRow? {
        bans.removeValue(forKey: Self.source(of: address))
    }

    /// Lifts every ban.
    mutating func clear() {
        bans = [:]
        earliestEnd = Milliseconds(Int64.max)
    }

    /// Takes out the bans that have ended.
    mutating func expire(now: Milliseconds) -> [BanRow] {
        guard now >= earliestEnd else { return [] }
        let ended = rows.filter { $0.until <= now }
        for row in ended { bans[row.source.address] = nil }
        earliestEnd = bans.values.map(\.until).min() ?? Milliseconds(Int64.max)
        return ended
    }

    /// Takes other networks as never to be banned; the bans that this lifts.
    mutating func allow(_ networks: [Network]) -> [BanRow] {
        allowed = networks
        let lifted = rows.filter { network(protecting: $0.source.address) != nil }
        for row in lifted { bans[row.source.address] = nil }
        return lifted
    }

    /// The allowed network that a ban of the source would touch: it holds the source, or lies in
    /// its /64.
    private func network(protecting source: IPAddress) -> Network? {
        let whole = Network(source, prefix: source.isV4 ? 32 : 64)
        return allowed.first { $0.contains(source) || whole.contains($0.address) }
    }
}
