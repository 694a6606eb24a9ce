internal import Messages
internal import Sys

/// The country of a source, as banner has said it.
struct Whereabouts: BitwiseCopyable, Sendable {
    /// The country; unknown while banner has not said it.
    var country = Country.unknown
    /// Whether banner was asked for it.
    var isAsked = false
    /// Whether banner has answered.
    var isLocated = false
}

/// An address that phones are registered from: an IPv4 address, or an IPv6 /64.
struct Resident: BitwiseCopyable, Sendable {
    /// The address, or the first of the /64.
    var address: IPAddress
    /// Until when a phone is registered from there, on the monotonic clock.
    var until = Milliseconds(0)
    /// Until when banner knows it, which is never before `until`.
    var announcedUntil = Milliseconds(0)
    /// Until when its flows without a registered phone get no response.
    var heldUntil = Milliseconds(0)
    /// One bit of 64 for each account that has authenticated from there.
    var accounts: UInt64 = 0
    /// What it has had of the answers to residents.
    var part = BudgetPart()
    /// Where it is.
    var whereabouts = Whereabouts()
    /// The next free place, -1 at the end; of a place in use -2.
    fileprivate var next: Int32 = -2

    fileprivate init(_ address: IPAddress) { self.address = address }

    /// Whether nothing of it need be remembered.
    fileprivate func isOver(_ now: Milliseconds) -> Bool {
        announcedUntil <= now && heldUntil <= now
    }
}

/// The addresses that phones are registered from, as many as there can be bindings.
///
/// An entry takes 72 bytes, and 11 to 22 in the table that finds it. Only a registration makes one, and only its
/// end takes it away, so nothing that others send displaces it.
struct Residents: ~Copyable {
    private var entries: ReservedArray<Resident>
    private var table = NameTable()
    private var free: Int32 = -1
    private var hand = 0
    /// How many places are looked at for one that is over, each time that one is taken.
    private static let sweep = 2
    /// How many when none is free.
    private static let search = 64

    /// No residents, and room for so many.
    init(capacity: Int) { entries = ReservedArray(capacity: capacity) }

    /// How many places have been used; some are free again.
    var places: Int { entries.count }

    /// An entry by its place, below `places`.
    subscript(place: Int) -> Resident {
        _read { yield entries[place] }
        _modify { yield &entries[place] }
    }

    /// The place of a source, or nil when no phone was registered from it.
    func find(_ source: IPAddress) -> Int? {
        guard entries.count > 0 else { return nil }
        return table.find(source.keyedHash) { entries[Int($0)].address == source }.map(Int.init)
    }

    /// The place of a source, taken now if need be; nil when all are in use.
    mutating func place(_ source: IPAddress, _ now: Milliseconds) -> Int? {
        if let place = find(source) { return place }
        for _ in 0..<Self.sweep { release { $0.isOver(now) } }
        guard let place = takeFree(source) ?? append(source) ?? search(source, now) else {
            return nil
        }
        table.add(Int32(place), source.keyedHash)
        return place
    }

    private mutating func takeFree(_ source: IPAddress) -> Int? {
        guard free >= 0 else { return nil }
        let place = Int(free)
        free = entries[place].next
        entries[place] = Resident(source)
        return place
    }

    private mutating func append(_ source: IPAddress) -> Int? {
        entries.append(Resident(source)) ? entries.count - 1 : nil
    }

    private mutating func search(_ source: IPAddress, _ now: Milliseconds) -> Int? {
        for _ in 0..<Self.search where free < 0 { release { $0.until <= now } }
        return takeFree(source)
    }

    /// Frees the place that comes next, if its entry may go.
    private mutating func release(_ mayGo: (Resident) -> Bool) {
        guard entries.count > 0 else { return }
        hand = (hand + 1) % entries.count
        guard entries[hand].next == -2, mayGo(entries[hand]) else { return }
        let place = Int32(hand)
        table.remove(place, entries[hand].address.keyedHash)
        // An address that no source has: nobody finds the free place.
        entries[hand] = Resident(IPAddress(high: 0, low: 0))
        entries[hand].next = free
        free = place
    }
}
