internal import Messages
internal import Sys

/// What is known of sources that have proven their address, and which of them are held.
struct KnownSources: ~Copyable {
    /// Those that have done something.
    private var table = SourceTable(places: 16_384)
    /// Where phones are registered: as many addresses as there can be bindings.
    var residents = Residents(capacity: 1_000_000)
    /// Until when the unregistered flows of sources get no answer that are no residents: those of the edge's own
    /// addresses.
    private var heldUntil: [IPAddress: Milliseconds] = [:]

    // MARK: Residents

    /// A phone is registered from a source until a moment; whether banner is to hear of it.
    mutating func reside(
        _ ip: IPAddress, until: Milliseconds, account: UInt64, _ now: Milliseconds
    ) -> Bool {
        let source = ip.source
        guard let place = residents.place(source, now) else { return false }
        if residents[place].announcedUntil.count == 0, let known = table.find(source) {
            residents[place].whereabouts = table[known].whereabouts
        }
        residents[place].until = max(residents[place].until, until)
        residents[place].accounts |= 1 << (account & 63)
        // Announced in steps, so that a phone that refreshes every minute is not announced every minute.
        guard residents[place].announcedUntil < until else { return false }
        residents[place].announcedUntil = until + Bounds.announcement
        return true
    }

    /// Whether a phone is registered from the source.
    func isResident(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        resident(ip.source, now) != nil
    }

    /// The place of a source where a phone is registered now; nil when none is.
    func resident(_ source: IPAddress, _ now: Milliseconds) -> Int? {
        guard let place = residents.find(source), residents[place].until > now else { return nil }
        return place
    }

    /// Whether the flows of a source that no phone has registered by get no answer now.
    func isHeld(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        let source = ip.source
        if !heldUntil.isEmpty, let until = heldUntil[source], until > now { return true }
        return residents.find(source).map { residents[$0].heldUntil > now } ?? false
    }

    /// Gives the unregistered flows of a source that is never banned no answer until a moment.
    mutating func hold(_ ip: IPAddress, until: Milliseconds, _ now: Milliseconds) {
        let source = ip.source
        if let place = residents.find(source) {
            residents[place].heldUntil = until
        } else {
            heldUntil = heldUntil.filter { $0.value > now }
            heldUntil[source] = until
        }
    }

    /// Forgets what a source has done, and lets it go.
    mutating func forgive(_ ip: IPAddress) {
        let source = ip.source
        if let place = table.find(source) { table.forgive(place) }
        heldUntil[source] = nil
        if let place = residents.find(source) { residents[place].heldUntil = Milliseconds(0) }
    }

    /// Forgets what all sources have done, and lets them go; where phones are registered is known on.
    mutating func forgiveAll() {
        heldUntil = [:]
        for place in 0..<table.places { table.forgive(place) }
        for place in 0..<residents.places { residents[place].heldUntil = Milliseconds(0) }
    }

    // MARK: Countries

    /// Where a source is; nil when it is not remembered.
    func whereabouts(of ip: IPAddress) -> Whereabouts? {
        let source = ip.source
        if let place = residents.find(source) { return residents[place].whereabouts }
        return table.find(source).map { table[$0].whereabouts }
    }

    /// Notes that banner is asked where a source is; false when it has been asked or nothing is kept of the source.
    mutating func ask(_ ip: IPAddress) -> Bool {
        guard var whereabouts = whereabouts(of: ip), !whereabouts.isAsked else { return false }
        whereabouts.isAsked = true
        setWhereabouts(of: ip, whereabouts)
        return true
    }

    /// Keeps where a source is, as far as anything is kept of it.
    mutating func setWhereabouts(of ip: IPAddress, _ whereabouts: Whereabouts) {
        let source = ip.source
        if let place = residents.find(source) { residents[place].whereabouts = whereabouts }
        if let place = table.find(source) { table[place].whereabouts = whereabouts }
    }

    // MARK: Offences

    /// Counts an offence that a source has proven to be its own.
    ///
    /// The limit grows with the accounts that have authenticated from there: an office behind one address
    /// makes more mistakes than one phone. When it is reached, the count within the window is given back, and counting
    /// begins again.
    mutating func offence(
        _ detector: Detector, _ ip: IPAddress, _ limit: Limit, mark: UInt64?, _ now: Milliseconds
    ) -> UInt32? {
        let place = table.place(ip.source, now)
        let count = table.count(place, detector, window: limit.window, mark: mark, now)
        let accounts = UInt32(accounts(of: ip))
        let patience = detector == .honeyAccount ? 0 : accounts * Self.patience
        guard count >= limit.count + patience else { return nil }
        table[place].counts[Int(detector.rawValue)] = WindowCount()
        return count
    }

    /// How many offences more a source may make for each good account behind it.
    private static let patience: UInt32 = 5

    /// What is kept of a source that has done something; nil when nothing is.
    func find(_ ip: IPAddress) -> Source? { table.find(ip.source).map { table[$0] } }

    /// When a source was first seen that has done something, on the monotonic clock.
    func firstSeen(_ ip: IPAddress) -> Milliseconds? {
        table.find(ip.source).map { table[$0].firstSeen }
    }

    /// Whether an account has authenticated from a source.
    func hasAuthenticated(_ ip: IPAddress) -> Bool { accounts(of: ip) > 0 }

    /// How many accounts have authenticated from a source, as far as 64 bits tell.
    func accounts(of ip: IPAddress) -> Int {
        let source = ip.source
        let resident = residents.find(source).map { residents[$0].accounts } ?? 0
        let other = table.find(source).map { table[$0].accounts } ?? 0
        return (resident | other).nonzeroBitCount
    }

    /// A good password came from a source: calls that had to be challenged were a phone's own.
    mutating func absolve(_ ip: IPAddress, _ account: UInt64, _ now: Milliseconds) {
        let source = ip.source
        let place: Int
        if let resident = resident(source, now) {
            residents[resident].accounts |= 1 << (account & 63)
            // Only the guilty need a place among the sources beside.
            guard let known = table.find(source) else { return }
            place = known
        } else {
            place = table.place(source, now)
            table[place].accounts |= 1 << (account & 63)
        }
        for detector in [Detector.strangerCalls, .numbersSwept, .flood, .nonceReplay] {
            table[place].counts[Int(detector.rawValue)].count = 0
        }
    }
}
