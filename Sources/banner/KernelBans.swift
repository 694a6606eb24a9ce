// The kernel's table, in step with the list of bans.
internal import Journal
internal import Messages
internal import Sys

/// What the kernel must still be told, whether it listens, and whether the table is still ours.
struct KernelBans {
    private let firewall: any Firewall
    private let journal: Journal
    /// When each ban ends as the kernel knows it.
    private var told: [Network: Milliseconds] = [:]
    /// When each protection ends as the kernel knows it.
    private var toldProtections: [Network: Milliseconds] = [:]
    private var touched: Set<Network> = []
    private var touchedProtections: Set<Network> = []
    private var dirtyRanges: Set<KernelSet> = []
    /// The ranges as the kernel knows them.
    private var toldRanges: [KernelSet: [AddressRange]] = [:]
    private var needsRebuild = false
    private var nextTry = Milliseconds(0)
    private var wasTried = false
    private var generation: UInt32?
    private var fingerprint: Int?
    /// The addresses whose elements the kernel would not take last time, so that each is told once.
    private var refused: Set<IPAddress> = []

    /// What the table is made of.
    private(set) var plan = TablePlan()
    private var allowed = AddressRanges()
    private var blocked = AddressRanges()
    private var country = AddressRanges()

    /// Whether the kernel drops the banned sources, or counts them in the mode that observes.
    private(set) var isActive = false
    /// Why it does not; empty when it does.
    private(set) var whyNot = "not tried yet"
    /// The same once it was tried, nil while it enforces them.
    var trouble: String? { wasTried && !isActive ? whyNot : nil }

    /// How many elements the kernel's sets hold.
    static let size = 131_072
    /// How long a failed firewall is left alone; each try rebuilds the whole table.
    private static let retryAfter = Milliseconds.seconds(30)
    /// How many elements the kernel may refuse before it counts as one that does not listen.
    private static let mostRefused = 64
    /// A protection is told to the kernel for longer than it lasts, so that each renewal need not be.
    private static let slack = Milliseconds.seconds(600)

    /// The name of the table.
    var table: String { firewall.table }

    /// The bans behind a firewall, which is not touched before `rebuild`.
    init(_ firewall: any Firewall, _ journal: Journal) {
        self.firewall = firewall
        self.journal = journal
    }

    /// The ban of a source has begun, changed or ended.
    mutating func touch(_ source: Network) { touched.insert(source) }

    /// The protection of a source has begun, changed or ended.
    mutating func touchProtection(_ source: Network) { touchedProtections.insert(source) }

    /// Everything has changed.
    mutating func touchAll() { needsRebuild = true }

    /// Makes the table by another plan.
    mutating func follow(_ plan: TablePlan) {
        needsRebuild = needsRebuild || plan != self.plan
        self.plan = plan
    }

    /// Lets these networks pass.
    mutating func allow(_ ranges: AddressRanges) {
        if ranges != allowed { dirtyRanges.formUnion([.allowed4, .allowed6]) }
        allowed = ranges
    }

    /// Shuts these networks out.
    mutating func block(_ ranges: AddressRanges) {
        if ranges != blocked { dirtyRanges.formUnion([.blocked4, .blocked6]) }
        blocked = ranges
    }

    /// Lets strangers come from these networks alone; from any when nil.
    mutating func admit(_ ranges: AddressRanges?) {
        if ranges != country { dirtyRanges.formUnion([.country4, .country6]) }
        country = ranges ?? AddressRanges()
        var changed = plan
        changed.hasCountries = ranges != nil
        follow(changed)
    }

    /// Tries a failed firewall again with the next turn.
    mutating func retry() { needsRebuild = needsRebuild || !isActive }

    /// The same, when enough time has passed.
    mutating func retryWhenDue(_ now: Milliseconds) {
        if !isActive, now >= nextTry { retry() }
    }

    /// The sources that the kernel protects, and until when: an earlier banner told it.
    func keptProtections(now: Milliseconds) -> [Network: Milliseconds] {
        var kept: [Network: Milliseconds] = [:]
        for set in [KernelSet.protected4, .protected6] {
            for (address, left) in firewall.elements(set) ?? [:] where left > Self.slack {
                let rest = min(left - Self.slack, Bounds.longestProtection)
                kept[.source(of: address)] = now + rest
            }
        }
        return kept
    }

    /// Tells the kernel what has changed, in one transaction; `now` is since 1970.
    mutating func carryOut(_ bans: BanList, _ exceptions: Exceptions, now: Milliseconds) {
        if needsRebuild { return rebuild(bans, exceptions, now: now) }
        guard isActive else { return forgetTouched() }
        var steps: [ElementChange] = []
        var begun: Set<Network> = []
        for source in touched { change(source, bans, &steps, &begun, now: now) }
        let protections = exceptions.protections
        for source in touchedProtections { protect(source, protections, &steps, now: now) }
        for set in dirtyRanges { changeRanges(of: set, &steps) }
        forgetTouched()
        guard !steps.isEmpty else { return }
        // Somebody may have flushed the ruleset: then the table is made again, with every ban.
        if firewall.change(steps) != nil { return rebuild(bans, exceptions, now: now) }
        generation = generation.map { $0 &+ 1 }
        if plan.mode == .enforce, !begun.isEmpty { firewall.endFlows(of: begun) }
    }

    /// Forgets the protections that the kernel has let end by itself.
    mutating func forgetEnded(_ now: Milliseconds) {
        toldProtections = toldProtections.filter { $0.value > now }
    }

    private mutating func forgetTouched() {
        touched.removeAll(keepingCapacity: true)
        touchedProtections.removeAll(keepingCapacity: true)
        dirtyRanges.removeAll()
    }

    private mutating func change(
        _ source: Network, _ bans: BanList, _ steps: inout [ElementChange],
        _ begun: inout Set<Network>, now: Milliseconds
    ) {
        let set = KernelSet.bans(source)
        let row = bans.ban(of: source)
        // The kernel may leave an element that is added again its old timeout. It refuses to delete
        // one that is not there. Hence add, delete, add.
        if told[source] != nil {
            steps.append(.add(set, source.address, .seconds(60)))
            steps.append(.delete(set, source.address))
        } else if row != nil {
            begun.insert(source)
        }
        if let row { steps.append(.add(set, source.address, row.until - now)) }
        told[source] = row?.until
    }

    private mutating func protect(
        _ source: Network, _ protections: [Network: Milliseconds], _ steps: inout [ElementChange],
        now: Milliseconds
    ) {
        let set: KernelSet = source.address.isV4 ? .protected4 : .protected6
        let until = protections[source]
        let old = toldProtections[source]
        if let until, let old, until <= old, until > now { return }
        if old != nil {
            steps.append(.add(set, source.address, .seconds(60)))
            steps.append(.delete(set, source.address))
        }
        toldProtections[source] = nil
        guard let until, until > now else { return }
        let end = until + Self.slack
        steps.append(.add(set, source.address, end - now))
        toldProtections[source] = end
    }

    /// A list that is replaced is mostly the same: 100,000 ranges anew would keep every order waiting
    /// for a third of a second.
    private mutating func changeRanges(of set: KernelSet, _ steps: inout [ElementChange]) {
        let wanted = ranges(of: set)
        let (gone, come) = AddressRange.difference(from: toldRanges[set] ?? [], to: wanted)
        if !gone.isEmpty { steps.append(.removeRanges(set, gone)) }
        if !come.isEmpty { steps.append(.ranges(set, come)) }
        toldRanges[set] = wanted
    }

    private func ranges(of set: KernelSet) -> [AddressRange] {
        switch set {
        case .allowed4: allowed.v4
        case .allowed6: allowed.v6
        case .blocked4: blocked.v4
        case .blocked6: blocked.v6
        case .country4: country.v4
        case .country6: country.v6
        default: []
        }
    }

    /// Brings the table to what is known here; `anew` takes away first what others made of it.
    ///
    /// A table that is there keeps its elements until one transaction replaces them all: no packet of
    /// a banned source slips through a restart.
    mutating func rebuild(
        _ bans: BanList, _ exceptions: Exceptions, anew: Bool = false, now: Milliseconds
    ) {
        needsRebuild = false
        forgetTouched()
        nextTry = Clock.monotonic + Self.retryAfter
        let text = TableText(firewall.table)
        let fresh = text.removal + text.make(plan)
        var failure = firewall.run(anew ? fresh : text.make(plan))
        // A set of another version may stand in the way.
        if failure != nil, !anew { failure = firewall.run(fresh) }
        if failure == nil { failure = fill(bans, exceptions, now: now) }
        generation = firewall.generation()
        fingerprint = firewall.fingerprint()
        report(failure)
    }

    /// Fills the sets; why the kernel does not have the bans, if it has not.
    ///
    /// It is one transaction, unless the kernel refuses that. Then the bans come first, whatever is
    /// wrong with a protection, and an element that the kernel refuses is left out.
    private mutating func fill(
        _ bans: BanList, _ exceptions: Exceptions, now: Milliseconds
    ) -> String? {
        let steps = everyBan(bans, now: now)
        let protections = everyProtection(exceptions, now: now)
        guard firewall.change(steps + protections) != nil else {
            refused = []
            return nil
        }
        var leftOut: [ElementChange] = []
        var reason = ""
        switch firewall.changeInParts(steps, leavingOut: Self.mostRefused) {
        case .failed(let why): return why
        case .done(let elements, let why): (leftOut, reason) = (elements, why)
        }
        switch firewall.changeInParts(protections, leavingOut: Self.mostRefused) {
        case .failed(let why):
            // How many the kernel has is not known; it forgets them by itself.
            leftOut += protections
            reason = why
        case .done(let elements, let why):
            leftOut += elements
            if !elements.isEmpty { reason = why }
        }
        leaveOut(leftOut, reason)
        return nil
    }

    /// Forgets what the kernel was told of elements that it did not take, and says so once.
    private mutating func leaveOut(_ elements: [ElementChange], _ why: String) {
        var addresses: Set<IPAddress> = []
        for case .add(let set, let address, _) in elements {
            addresses.insert(address)
            switch set {
            case .protected4, .protected6: toldProtections[.source(of: address)] = nil
            case .wide4, .wide6: told[.neighbourhood(of: address)] = nil
            default: told[.source(of: address)] = nil
            }
        }
        defer { refused = addresses }
        guard let first = addresses.subtracting(refused).min(by: { $0.isBefore($1) }) else {
            return
        }
        journal.write(
            .degraded, .warning,
            "the kernel takes \(addresses.count) elements of the firewall's sets not, \(first) among"
                + " them (\(why)): they are left out, all other bans hold")
    }

    private mutating func everyBan(_ bans: BanList, now: Milliseconds) -> [ElementChange] {
        var steps = KernelSet.timed.map(ElementChange.flush)
        for set in KernelSet.fixed {
            let ranges = ranges(of: set)
            steps += [.flush(set), .ranges(set, ranges)]
            toldRanges[set] = ranges
        }
        told.removeAll(keepingCapacity: true)
        told.reserveCapacity(bans.count)
        steps.reserveCapacity(steps.count + bans.count)
        // The additions of a set follow each other, so that they share messages.
        for set in [KernelSet.banned4, .banned6, .wide4, .wide6] {
            for row in bans.rows where .bans(row.source) == set {
                steps.append(.add(set, row.source.address, row.until - now))
                told[row.source] = row.until
            }
        }
        return steps
    }

    private mutating func everyProtection(
        _ exceptions: Exceptions, now: Milliseconds
    ) -> [ElementChange] {
        var steps: [ElementChange] = []
        toldProtections = [:]
        let protections = exceptions.protections
        for isV4 in [true, false] {
            for source in protections.keys where source.address.isV4 == isV4 {
                protect(source, protections, &steps, now: now)
            }
        }
        return steps
    }

    private mutating func report(_ failure: String?) {
        if let failure, failure != whyNot {
            journal.write(
                .degraded, .warning,
                "the kernel does not drop banned sources, sip-router alone does: \(failure); "
                    + "banner needs CAP_NET_ADMIN and a kernel with nf_tables")
        } else if failure == nil, !isActive, wasTried {
            journal.write(.degraded, .notice, "the kernel drops banned sources again")
        }
        wasTried = true
        isActive = failure == nil
        whyNot = failure ?? ""
    }

    /// Looks whether somebody else has changed the table, and puts it right.
    mutating func check(_ bans: BanList, _ exceptions: Exceptions, now: Milliseconds) {
        guard isActive, let current = firewall.generation(), current != generation else { return }
        generation = current
        if firewall.fingerprint() == fingerprint, hasEveryRange, hasEveryBan(now: now) { return }
        journal.write(
            .degraded, .warning,
            "the firewall's table inet \(firewall.table) was changed by somebody else and is put right."
                + " Keep your rules in a table of your own, such as inet filter")
        rebuild(bans, exceptions, anew: true, now: now)
    }

    /// Whether the kernel's ranges are those it was told.
    private var hasEveryRange: Bool {
        KernelSet.fixed.allSatisfy { set in
            firewall.digest(set) == AddressRange.digest(toldRanges[set] ?? [])
        }
    }

    /// Whether the kernel's bans are those it was told, but for what ends about now.
    private func hasEveryBan(now: Milliseconds) -> Bool {
        var rest = told
        for set in [KernelSet.banned4, .banned6, .wide4, .wide6] {
            guard let found = firewall.elements(set) else { return false }
            for address in found.keys {
                let source =
                    set == .wide4 || set == .wide6
                    ? Network.neighbourhood(of: address) : .source(of: address)
                guard rest.removeValue(forKey: source) != nil else { return false }
            }
        }
        return rest.values.allSatisfy { $0 <= now + .seconds(2) }
    }

    /// Takes the table away: the kernel drops nothing any more.
    func remove() { _ = firewall.run(TableText(firewall.table).removal) }
}
