// What banner does for sip-router and for the administrator: bans made, prolonged, lifted, ended.
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// banner's part of the service loop.
///
/// Within a turn of the loop bans only gather; its end puts them into the kernel by one command.
final class BannerService: Service {
    let router = PeerLink()
    private let journal: Journal
    private let store: BanStore?
    private let clock: () -> Milliseconds
    private var bans: BanList
    private var kernel: KernelBans
    private var defaultSpan: Milliseconds
    private var isGreeted = false
    private var isFull = false
    private var isUnsaved = false
    private var isStoreFailing = false
    private var nextSave = Milliseconds(0)

    /// The service of these settings; `folder` keeps the bans, `clock` is since 1970.
    init(
        _ settings: [Setting], folder: Descriptor?, _ firewall: any Firewall, _ journal: Journal,
        clock: @escaping () -> Milliseconds = { Clock.sinceEpoch }
    ) {
        self.journal = journal
        self.clock = clock
        store = folder.map(BanStore.init)
        bans = BanList(allowed: Self.allowed(settings))
        defaultSpan = Self.span(settings)
        kernel = KernelBans(firewall, journal)
        load()
        kernel.rebuild(bans.rows, now: clock())
    }

    private static func allowed(_ settings: [Setting]) -> [Network] {
        settings.compactMap { if case .allow(let network) = $0 { network } else { nil } }
    }

    private static func span(_ settings: [Setting]) -> Milliseconds {
        for case .ban(let span) in settings { return span }
        return .seconds(3600)
    }

    private func load() {
        guard let store else {
            return degraded("bans are not kept: no state folder was handed over")
        }
        do {
            let (kept, broken) = try store.load()
            let now = clock()
            for ban in kept where !bans.restore(ban, now: now) { isUnsaved = true }
            if broken > 0 {
                degraded("\(broken) lines of the bans' file are none and were left out")
            }
        } catch {
            degraded("the kept bans cannot be read: \(error)")
        }
    }

    func linked() { isGreeted = false }

    func receive(_ frame: Span<UInt8>) throws(WireError) {
        let message = try RouterToBanner(decoding: frame)
        guard isGreeted != (message == .hello) else { throw .notPermitted }
        switch message {
        case .hello:
            isGreeted = true
            for row in bans.rows { tell(.banned(row.source, until: row.until)) }
            tell(.all)
        case .ban(let order):
            // A source that may not be banned is the router's to know too: no word goes back.
            let span = max(defaultSpan, order.atLeast)
            _ = ban(order.address, Self.line(order.reason), order.count, span, byHand: false)
        case .protect, .locate: break
        }
    }

    func reload(_ set: StartSet) -> String? {
        defaultSpan = Self.span(set.settings)
        for row in bans.allow(Self.allowed(set.settings)) { lifted(row, "allowed") }
        kernel.retry()
        return nil
    }

    func answer(_ request: ControlRequest) -> [ControlReply] {
        switch request {
        case .bans:
            return bans.rows.map(ControlReply.ban)
                + [.kernelBans(kernel.isActive, kernel.whyNot), .done]
        case .ban(let address, let span, let words):
            let reason = words.isEmpty ? "by hand" : Self.line(words)
            let wanted = span.count == 0 ? defaultSpan : span
            switch ban(address, reason, 0, wanted, byHand: true) {
            case .banned(let row): return [.ban(row), .done]
            case .allowed(let network):
                return [
                    .failed(
                        "\(address) is not banned: defence.allow holds \(network); take it out of "
                            + "the settings and reload first")
                ]
            case .full: return [.failed(Self.full)]
            }
        case .unban(let address?):
            guard let row = bans.lift(address) else {
                return [.failed("\(address) is not banned; 'rempart bans' lists who is")]
            }
            lifted(row, "by hand")
            return [.done]
        case .unban(nil):
            clear()
            return [.done]
        default: return [.failed("banner answers no such request")]
        }
    }

    func second() -> String {
        for row in bans.expire(now: clock()) { lifted(row, "expired") }
        kernel.retryWhenDue(Clock.monotonic)
        return "\(bans.count) bans, the kernel "
            + (kernel.isActive ? "drops them" : "does not: \(kernel.whyNot)")
    }

    func endOfTurn() {
        kernel.carryOut(bans, now: clock())
        if isUnsaved, Clock.monotonic >= nextSave { save() }
    }

    func stop() {
        kernel.carryOut(bans, now: clock())
        if isUnsaved { save() }
    }

    private static let full =
        "\(BanList.capacity) sources are banned, there is no room for more: lift some by "
        + "'rempart unban', or all"

    /// Text as it fits one line of the bans' file, at most 400 bytes.
    private static func line(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            let next = isControl ? " " : String(scalar)
            if result.utf8.count + next.utf8.count > 400 { break }
            result += next
        }
        return result
    }

    private func tell(_ message: BannerToRouter) {
        if isGreeted { router.send(message.encoded()) }
    }

    private func degraded(_ message: String) { journal.write(.degraded, .warning, message) }

    private func ban(
        _ address: IPAddress, _ reason: String, _ count: UInt32, _ span: Milliseconds, byHand: Bool
    ) -> BanList.Outcome {
        let outcome = bans.ban(
            address, reason: reason, count: count, span: span, exactly: byHand, now: clock())
        switch outcome {
        case .banned(let row):
            kernel.touch(row.source.address)
            isUnsaved = true
            isFull = false
            tell(.banned(row.source, until: row.until))
            let source =
                row.source.address.isV4 ? "\(row.source.address)" : "\(row.source.address)/64"
            let seconds = (row.until - clock()).seconds
            journal.write(
                .banned, .notice, "banned \(source) for \(seconds) s: \(reason)",
                [
                    (.address, "\(row.source.address)"), (.reason, reason),
                    (.count, "\(row.count)"),
                    (.seconds, "\(seconds)"),
                ])
        case .full where !isFull:
            isFull = true
            degraded(Self.full)
        case .full, .allowed: break
        }
        return outcome
    }

    private func lifted(_ row: BanRow, _ reason: String) {
        kernel.touch(row.source.address)
        isUnsaved = true
        tell(.unbanned(row.source))
        journal.write(
            .unbanned, .notice, "the ban of \(row.source.address) has ended: \(reason)",
            [(.address, "\(row.source.address)"), (.reason, reason)])
    }

    private func clear() {
        let count = bans.count
        bans.clear()
        kernel.touchAll()
        isUnsaved = true
        tell(.cleared)
        journal.write(
            .unbanned, .notice, "all \(count) bans were lifted by hand",
            [(.reason, "by hand"), (.count, "\(count)")])
    }

    /// Keeps the bans; at most once a second, since the whole file is written.
    private func save() {
        nextSave = Clock.monotonic + .seconds(1)
        guard let store else { return isUnsaved = false }
        do {
            try store.save(bans.rows)
            isUnsaved = false
            isStoreFailing = false
        } catch {
            if !isStoreFailing {
                degraded("bans are not kept over a restart: \(error)")
            }
            isStoreFailing = true
        }
    }
}
