// The kernel's table held in step with the list of bans.
internal import Journal
internal import Messages
internal import Sys

/// What the kernel must still be told, and whether it listens.
struct KernelBans {
    private let firewall: any Firewall
    private let journal: Journal
    private var touched: Set<IPAddress> = []
    private var needsRebuild = false
    private var nextTry = Milliseconds(0)
    private var wasTried = false

    /// Whether the kernel drops the banned sources.
    private(set) var isActive = false
    /// Why it does not; empty when it does.
    private(set) var whyNot = "not tried yet"

    /// How long a failed firewall is left alone; each try rebuilds the whole table.
    private static let retryAfter = Milliseconds.seconds(30)

    /// The bans behind a firewall, which is not touched before `rebuild`.
    init(_ firewall: any Firewall, _ journal: Journal) {
        self.firewall = firewall
        self.journal = journal
    }

    /// The ban of a source has begun, changed or ended.
    mutating func touch(_ source: IPAddress) { touched.insert(source) }

    /// Every ban has changed.
    mutating func touchAll() { needsRebuild = true }

    /// Tries a failed firewall again with the next turn.
    mutating func retry() { needsRebuild = needsRebuild || !isActive }

    /// The same, when enough time has passed.
    mutating func retryWhenDue(_ now: Milliseconds) {
        if !isActive, now >= nextTry { retry() }
    }

    /// Tells the kernel what has been touched, in one transaction; `now` is since 1970.
    mutating func carryOut(_ bans: BanList, now: Milliseconds) {
        if needsRebuild { return rebuild(bans.rows, now: now) }
        guard isActive, !touched.isEmpty else { return touched.removeAll(keepingCapacity: true) }
        var begun: [BanRow] = []
        var ended: [IPAddress] = []
        for source in touched {
            if let row = bans.ban(of: source) { begun.append(row) } else { ended.append(source) }
        }
        touched.removeAll(keepingCapacity: true)
        let commands =
            FirewallCommands.lift(ended) + FirewallCommands.ban(begun, now: now)
        // Somebody may have flushed the ruleset: then the table is made again, with every ban.
        if firewall.run(commands) != nil { rebuild(bans.rows, now: now) }
    }

    /// Makes the table anew with these bans.
    mutating func rebuild(_ rows: [BanRow], now: Milliseconds) {
        needsRebuild = false
        touched.removeAll(keepingCapacity: true)
        nextTry = Clock.monotonic + Self.retryAfter
        let failure = firewall.run(FirewallCommands.rebuild(rows, now: now))
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
}
