// The bans in force: who, why, since when, until when; and who was banned before.
internal import Messages
internal import Sys

/// The sources that are banned, each IPv4 address, IPv6 /64, /24 or /48 once.
///
/// Moments are since 1970, so that bans outlive a reboot.
struct BanList {
    /// The rows in the order in which the bans began, and gaps where some have ended.
    private var slots: [BanRow?] = []
    private var places: [Network: Int] = [:]
    /// Bans that have ended, for sources that come back.
    private var past: [Network: BanRow] = [:]
    /// Which bans end in a second, told by its number; a ban that was prolonged stands in both.
    private var endings: [Int64: [Network]] = [:]
    private var expiredUpTo = Int64.min
    private var rollUps = 0

    /// How many sources can be banned at a time; the kernel's sets hold as many each.
    static let capacity = 120_000
    /// How many neighbourhoods can be banned at a time.
    static let rollUpCapacity = 1_000

    /// Nobody is banned.
    init() {}

    /// Every ban, the earliest first.
    var rows: some Sequence<BanRow> { slots.lazy.compactMap(\.self) }

    /// Those that have ended and still count against their sources.
    var ended: some Sequence<BanRow> { past.values }

    /// How many sources are banned.
    var count: Int { places.count }

    /// The ban of exactly this source.
    func ban(of source: Network) -> BanRow? { places[source].flatMap { slots[$0] } }

    /// The ban that shuts an address out: its own, or that of its neighbourhood.
    func ban(covering address: IPAddress) -> BanRow? {
        ban(of: .source(of: address)) ?? ban(of: .neighbourhood(of: address))
    }

    /// The last ban of an address that has ended.
    func past(of address: IPAddress) -> BanRow? { past[.source(of: address)] }

    /// How often a source has been banned lately, a ban in force included.
    func level(of source: Network, now: Milliseconds) -> UInt32 {
        if let row = ban(of: source) { return row.level }
        guard let row = past[source], now - row.until <= Bounds.banMemory else { return 0 }
        return row.level
    }

    /// Whether there is room for one more.
    func hasRoom(for source: Network) -> Bool {
        if count < Self.capacity, !source.isWide || rollUps < Self.rollUpCapacity {
            return true
        }
        return places[source] != nil
    }

    /// Puts a ban on the list in place of the source's old one.
    mutating func insert(_ row: BanRow) {
        let place = places[row.source, default: slots.count]
        if place < slots.count {
            slots[place] = row
        } else {
            places[row.source] = place
            slots.append(row)
            if row.source.isWide { rollUps += 1 }
        }
        if !past.isEmpty { past[row.source] = nil }
        endings[Self.second(after: row.until), default: []].append(row.source)
    }

    /// Makes room for so many bans at once.
    mutating func reserve(_ count: Int) {
        places.reserveCapacity(min(count, Self.capacity))
        slots.reserveCapacity(min(count, Self.capacity))
    }

    /// Takes up a row as it was stored, in place of the source's old one.
    ///
    /// It is in force, or counts against its source when it has ended within the time that bans are
    /// remembered.
    mutating func restore(_ row: BanRow, now: Milliseconds) {
        if row.until > now, hasRoom(for: row.source) { return insert(row) }
        _ = lift(row.source)
        if now - row.until <= Bounds.banMemory { remember(row) }
    }

    private mutating func remember(_ row: BanRow) {
        if past.count >= Self.capacity {
            // Half of them, the longest gone first: this happens once in 50,000 bans.
            let oldest = past.values.sorted { $0.until < $1.until }.prefix(Self.capacity / 2)
            for row in oldest { past[row.source] = nil }
        }
        past[row.source] = row
    }

    private static func second(after moment: Milliseconds) -> Int64 { (moment.count + 999) / 1000 }

    /// Lifts the ban of a source and forgets what counted against it; the ban, if any.
    mutating func lift(_ source: Network) -> BanRow? {
        past[source] = nil
        return remove(source)
    }

    private mutating func remove(_ source: Network) -> BanRow? {
        guard let place = places.removeValue(forKey: source) else { return nil }
        let row = slots[place]
        slots[place] = nil
        if source.isWide { rollUps -= 1 }
        // Once most places are gaps: a few steps for each ban that has ended.
        if slots.count > 1024, slots.count > 2 * places.count {
            slots.removeAll { $0 == nil }
            for (place, row) in slots.enumerated() {
                if let row { places[row.source] = place }
            }
        }
        return row
    }

    /// Lifts every ban and forgets everything.
    mutating func clear() { self = BanList() }

    /// Takes out the bans that have ended.
    mutating func expire(now: Milliseconds) -> [BanRow] {
        let second = now.seconds
        guard second > expiredUpTo else { return [] }
        // Second by second in the normal course; by all of them after the start or a leap of the clock.
        let due =
            expiredUpTo > second - 1000
            ? Array(expiredUpTo + 1...second) : endings.keys.filter { $0 <= second }
        expiredUpTo = second
        var ended: [BanRow] = []
        for source in due.flatMap({ endings.removeValue(forKey: $0) ?? [] }) {
            guard let row = ban(of: source), row.until <= now else { continue }
            _ = remove(source)
            remember(row)
            ended.append(row)
        }
        return ended
    }

    /// The bans that a network touches.
    func rows(touching network: Network) -> [BanRow] {
        rows.filter { network.overlaps($0.source) }
    }
}
