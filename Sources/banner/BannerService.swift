// What banner does for sip-router and in the course of time: bans made, prolonged, lifted, ended.
internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// banner's part of the service loop.
///
/// Within a turn of the loop changes only gather; its end puts them into the kernel by one
/// transaction. Only then sip-router and callers are told. Records and the bans' file, which may
/// wait, are written piece by piece as the loop has time.
final class BannerService: Service {
    let router = PeerLink(.router)
    var peers: [PeerLink] { [router] }
    let journal: Journal
    let clock: () -> Milliseconds
    private let uptime: () -> Milliseconds
    /// The addresses of this machine, asked for once: a reload changes no endpoint, and comes after the confinement.
    private let machine: [IPAddress]
    var bans = BanList()
    var exceptions = Exceptions()
    var neighbours = Neighbours()
    var kernel: KernelBans
    var countries: Countries
    var blockLists: BlockLists
    var mode = Setting.defence.mode.standard
    /// How long the first ban of a source lasts, the second, and so on.
    var spans: [Milliseconds] = []
    private let store: BanStore?
    private var unsaved: [BanStore.Change] = []
    private var records = RecordQueue()
    /// Why bans are not kept at the moment.
    private var storeFault: String?
    /// Whether the file of an earlier process could not be read, and so must not be written over.
    private var isUnread = false
    private var nextSave = Milliseconds(0)
    private var nextPrune = Milliseconds(0)
    private var removesTable = Setting.defence.cleanup.standard
    private var isGreeted = false
    /// What was refused for want of room since when, so that it is said once.
    private var minute = Milliseconds(0)
    private var bansInMinute = 0
    private var saidFull = false
    private var saidCrowded = false
    private var prolongedInMinute = 0

    /// How many sources sip-router may have banned within a minute; the kernel's limits and its own
    /// list hold beyond that.
    static let bansPerMinute = 20_000

    /// How long a disk that failed is left alone.
    static let retryAfter = Milliseconds.seconds(60)

    /// The service of these settings; `folder` keeps the bans, `clock` is since 1970, `uptime` never leaps.
    ///
    /// `machine` are the addresses of this machine.
    init(
        _ settings: BannerSettings, folder: Descriptor?, _ firewall: any Firewall,
        _ journal: Journal,
        usualPlaces: [String] = Countries.usualPlaces, machine: [IPAddress] = Socket.ownAddresses(),
        clock: @escaping () -> Milliseconds = { Clock.sinceEpoch },
        uptime: @escaping () -> Milliseconds = { Clock.monotonic }
    ) {
        self.journal = journal
        self.clock = clock
        self.uptime = uptime
        self.machine = machine
        store = folder.map(BanStore.init)
        kernel = KernelBans(firewall, journal)
        countries = Countries(folder: folder, journal, usualPlaces: usualPlaces)
        blockLists = BlockLists(journal)
        for (source, until) in kernel.keptProtections(now: clock()) {
            _ = exceptions.protect(source.address, until: until, now: clock())
        }
        load()
        follow(settings)
        kernel.rebuild(bans, exceptions, now: clock())
    }

    private func follow(_ settings: BannerSettings) {
        removesTable = settings.removesTable
        spans = settings.spans
        mode = settings.plan.mode
        exceptions.read(settings, machine: machine)
        kernel.follow(settings.plan)
        kernel.allow(AddressRanges(exceptions.networks))
        blockLists.follow(settings.blockLists)
        _ = blockLists.refresh()
        kernel.block(blockLists.ranges)
        countries.follow(settings)
        _ = countries.refresh(uptime())
        kernel.admit(countries.ranges)
    }

    /// A record costs some microseconds, for which the loop's other work waits.
    private static let recordsAtOnce = 64

    private func load() {
        guard let store else {
            return degraded("bans are not kept: no state folder was handed over")
        }
        do {
            try restoreBans(store)
        } catch {
            isUnread = true
            storeFault = Self.unreadWords(error)
            nextSave = uptime() + Self.retryAfter
            return degraded(
                "the kept bans cannot be read: \(Self.unreadWords(error)); it is tried again each minute"
            )
        }
        // Now, so that no order waits for it later.
        guard store.isWorn(bans.count) else { return }
        save()
        if storeFault == nil { nextSave = Milliseconds(0) }
    }

    /// Why the kept bans are not read, and what to do about it.
    private static func unreadWords(_ error: BanStoreError) -> String {
        if case .newer(let words) = error { return words }
        return
            "\(error); let \(Role.banner.user) read the file bans in its folder of the state folder"
    }

    private func restoreBans(_ store: BanStore) throws(BanStoreError) {
        let now = clock()
        let broken = try store.load(expect: { bans.reserve($0) }) { restore($0, now) }
        count(now)
        if broken > 0 {
            degraded("\(broken) lines of the bans' file are none and were left out")
        }
    }

    private func restore(_ change: BanStore.Change, _ now: Milliseconds) {
        switch change {
        case .ban(let row): bans.restore(row, now: now)
        case .lifted(let source): _ = bans.lift(source)
        case .allowed(let network, let isAllowed): _ = exceptions.allow(network, isAllowed)
        }
    }

    /// Counts the neighbours among the bans that were kept.
    private func count(_ now: Milliseconds) {
        neighbours.reserve(bans.count)
        for row in bans.rows where !row.source.isWide {
            _ = neighbours.add(row.source, now: row.since)
        }
    }

    func linked(_ peer: Role) { isGreeted = false }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        try Parcel.forEach(in: frame) { (bytes: Span<UInt8>) throws(WireError) in
            try carryOut(try RouterToBanner(decoding: bytes))
        }
    }

    private func carryOut(_ message: RouterToBanner) throws(WireError) {
        guard isGreeted != (message == .hello) else { throw .notPermitted }
        switch message {
        case .hello:
            isGreeted = true
            sendAll()
        case .ban(let order): carryOut(order)
        case .protect(let address, let until):
            if !exceptions.protect(address, until: until, now: clock()) { sayCrowded() }
            kernel.touchProtection(.source(of: address))
        case .locate(let address):
            send(.located(address, country: countries.country(of: address)))
        }
    }

    private func sendAll() {
        if mode == .enforce {
            for row in bans.rows { send(.banned(row.source, until: row.until)) }
        }
        send(.all)
    }

    func reload(_ set: StartSet) -> String? {
        let before = mode
        follow(BannerSettings(set.settings.compactMap(\.told.banner)))
        liftExcepted("allowed")
        kernel.retry()
        if mode != before {
            send(.cleared)
            if mode == .enforce { sendAll() }
        }
        return nil
    }

    /// Lifts the bans that the exceptions do not permit.
    func liftExcepted(_ reason: String) {
        let now = clock()
        let excepted = bans.rows.filter {
            exceptions.reason(against: $0.source, byHand: true, now: now) != nil
        }
        for row in excepted {
            _ = bans.lift(row.source)
            ended(row, reason, isForgotten: true)
        }
    }

    func second() -> String {
        let now = clock()
        for row in bans.expire(now: now) { ended(row, "expired", isForgotten: false) }
        if blockLists.refresh() { kernel.block(blockLists.ranges) }
        if countries.refresh(uptime()) { kernel.admit(countries.ranges) }
        kernel.retryWhenDue(Clock.monotonic)
        kernel.check(bans, exceptions, now: now)
        if now >= nextPrune {
            nextPrune = now + .seconds(600)
            neighbours.prune(now: now)
            exceptions.expire(now: now)
            kernel.forgetEnded(now)
            saidCrowded = false
        }
        let isUsual = kernel.table == FirewallTable.standard
        let what =
            (mode == .enforce ? "the kernel drops them" : "observed: nothing is dropped")
            + (isUsual ? "" : ", by its table inet \(kernel.table)")
        return "\(bans.count.counted("ban")), "
            + (kernel.isActive ? what : "the kernel does not drop them: \(kernel.whyNot)")
            + (countries.isOff ? "; defence.countries is off: \(countries.state)" : "")
    }

    var conditions: [Condition] {
        var conditions: [Condition] = []
        if let storeFault {
            conditions.append(
                Condition(
                    .state,
                    isUnread
                        ? "the kept bans are not in force: \(storeFault)"
                        : "bans are not kept over a restart: \(storeFault); make room for the state"
                            + " folder",
                    recorded: .both))
        }
        if !countries.state.isEmpty, countries.isWanted {
            conditions.append(Condition(.firewall, countries.state, recorded: .both))
        }
        conditions += blockLists.faults.map { Condition(.firewall, $0, recorded: .both) }
        if mode == .enforce, let why = kernel.trouble {
            conditions.append(
                Condition(
                    .firewall, "the kernel does not drop what is banned: \(why)", recorded: .both))
        }
        return conditions
    }

    func endOfTurn() {
        kernel.carryOut(bans, exceptions, now: clock())
        router.sendGathered()
    }

    func whenSpare() -> Bool {
        records.write(Self.recordsAtOnce, to: journal)
        guard records.isEmpty else { return true }
        if !unsaved.isEmpty || storeFault != nil, uptime() >= nextSave { save() }
        return false
    }

    func stop() {
        endOfTurn()
        records.write(.max, to: journal)
        if !unsaved.isEmpty || storeFault != nil { save() }
        if removesTable { kernel.remove() }
    }

    /// Sends sip-router a message, once it has said hello.
    func send(_ message: BannerToRouter) {
        guard isGreeted else { return }
        let frame = message.encoded()
        router.gather(frame.span)
    }

    /// Records a ban that has begun or ended, when there is time.
    func record(_ event: RecordQueue.Event) { records.add(event) }

    /// Records that something is weaker than it should be.
    func degraded(_ message: String) { journal.write(.degraded, .warning, message) }

    /// Remembers a change that is to be written to the file; while the disk fails, everything is written once it does not.
    func store(_ change: BanStore.Change) {
        if storeFault == nil { unsaved.append(change) }
    }

    /// Whether one more ban by sip-router, or one that goes on, is within the measure of a minute; says
    /// so when too many begin.
    func isWithinMeasure(begins: Bool) -> Bool {
        let now = clock()
        if now - minute >= .seconds(60) || now < minute {
            minute = now
            bansInMinute = 0
            prolongedInMinute = 0
        }
        guard begins else {
            prolongedInMinute += 1
            return prolongedInMinute <= Self.bansPerMinute
        }
        bansInMinute += 1
        if bansInMinute == Self.bansPerMinute + 1 {
            degraded(
                "more than \(Self.bansPerMinute) sources were to be banned within a minute, which"
                    + " looks like forged addresses. The rest of the minute bans nobody; the limits"
                    + " of defence.packets and defence.connections hold")
        }
        return bansInMinute <= Self.bansPerMinute
    }

    /// Says once that there is no room for another ban, until there is.
    func sayFull(_ isFull: Bool) {
        if isFull, !saidFull { degraded(Self.full) }
        saidFull = isFull
    }

    /// Says that no more sources can be protected, at most once in ten minutes.
    private func sayCrowded() {
        guard !saidCrowded else { return }
        saidCrowded = true
        degraded(
            "\(Exceptions.mostProtected) sources are protected for their registrations, which is all"
                + " there is room for: others count as strangers until some end")
    }

    /// What to do when the list is full.
    static let full =
        "\(BanList.capacity) sources are banned, there is no room for more: lift some by "
        + "'rempart unban', or all"

    private func rewrite(_ store: BanStore) throws(SystemError) {
        try store.rewrite { write in
            for row in bans.ended { write(.ban(row)) }
            for row in bans.rows { write(.ban(row)) }
            for network in exceptions.byHand { write(.allowed(network, true)) }
        }
    }

    /// Takes up what could not be read at the start beside the bans since; a file that still cannot be
    /// read is put aside.
    private func readAgain(_ store: BanStore) throws {
        let since = bans
        let allowed = exceptions.byHand
        bans.clear()
        do throws(BanStoreError) {
            try restoreBans(store)
        } catch {
            bans = since
            // What this process or the machine lacks for now says nothing about the file.
            let lacks = [Errno.tooManyFiles, Errno.tooManyFilesInAll, Errno.noMemory]
            guard case .system(let cause) = error, !lacks.contains(cause.code) else { throw error }
            try store.setAside()
            isUnread = false
            return degraded(
                "the bans' file still cannot be read (\(error)): it was renamed to \(BanStore.aside)"
                    + " and a new one begun. To use it, stop rempart and rename it to bans")
        }
        isUnread = false
        join(since, allowed)
    }

    /// Puts bans and allowed networks of this process over the kept ones that were just read.
    private func join(_ since: BanList, _ allowed: Set<Network>) {
        let now = clock()
        for row in Array(since.ended) + Array(since.rows) {
            // The later end holds.
            if let kept = bans.ban(of: row.source), kept.until > row.until { continue }
            bans.restore(row, now: now)
        }
        for network in allowed { _ = exceptions.allow(network, true) }
        kernel.allow(AddressRanges(exceptions.networks))
        liftExcepted("allowed")
        kernel.touchAll()
        sendAll()
    }

    /// Keeps the changes, at most once a second; while the disk fails, tries it each minute.
    private func save() {
        nextSave = uptime() + .seconds(1)
        guard let store else { return unsaved.removeAll() }
        do {
            if isUnread {
                try readAgain(store)
                try rewrite(store)
            } else if store.isWorn(bans.count) {
                try rewrite(store)
            } else {
                try store.append(unsaved)
            }
            if storeFault != nil {
                journal.write(.degraded, .notice, "bans are kept over a restart again")
            }
            storeFault = nil
        } catch {
            if storeFault == nil {
                degraded(
                    "bans are not kept over a restart: \(error); make room for the state folder; it is"
                        + " tried again each minute, and then all are written")
            }
            storeFault = (error as? BanStoreError).map(Self.unreadWords) ?? "\(error)"
            nextSave = uptime() + Self.retryAfter
        }
        unsaved.removeAll()
    }
}
