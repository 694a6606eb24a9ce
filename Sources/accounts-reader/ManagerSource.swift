// chan_sip's accounts of an Asterisk that tells them by its manager interface: ARI does not know chan_sip.
internal import AsteriskFiles
internal import Messages
internal import Sys

/// The accounts of sip.conf and users.conf, as an Asterisk tells those files (`accounts.ami`).
///
/// What it told last serves while it is away, for three minutes: then it counts as any source that cannot be read.
final class ManagerSource: AccountSource {
    private let settings: AccountSettings
    private let manager: Manager?
    private var accounts: FileAccounts?
    /// Why what was told before serves on, though something else was told since.
    private var loss: String?
    /// Whether it was told too long ago.
    private var isOld = false
    private var told: SourceState?
    private var events: [AccountEvent] = []
    private var complaints = ListComplaints()

    /// The Asterisk that the settings name, not asked before the first `tick`.
    init(_ settings: AccountSettings, _ times: AskingTimes = AskingTimes()) {
        self.settings = settings
        manager = Manager(settings, driver: .chanSip, times)
    }

    var state: SourceState? {
        guard let manager else {
            return .down(
                why:
                    "ARI does not tell chan_sip's accounts: set accounts.ami, or accounts.schema to pjsip",
                source: settings.url)
        }
        if accounts != nil, !isOld {
            return .up(
                layout: AccountSchema.chanSip.name, source: settings.url,
                tellsOfChanges: manager.tellsOfChanges)
        }
        return (manager.fault ?? manager.hidden).map { .down(why: $0, source: settings.url) }
    }

    var lack: String? {
        accounts?.isEmpty == true
            ? "the source has no account: neither sip.conf nor users.conf has a phone with a password"
            : nil
    }

    var unread: [String] {
        guard let accounts else { return [] }
        var result = [manager?.fault, manager?.hidden, loss].compactMap(\.self)
        if accounts.realtime != .none {
            result.append(
                "Asterisk has accounts of chan_sip in Realtime, which AMI does not tell: they serve nobody here. Read them"
                    + " by odbc:// or sqlite://")
        }
        return result
    }

    func drainEvents() -> [AccountEvent] {
        var all: [AccountEvent] = []
        if let state, state != told {
            told = state
            all.append(.source(state))
        }
        defer { events = [] }
        return all + events
    }

    func tick(_ now: Milliseconds) {
        guard let manager else { return }
        defer { isOld = manager.isOld(now) }
        guard manager.tick(now), let files = manager.files else { return }
        // With a driver that is chosen there is nothing to be undecided about.
        guard let read = try? FileAccounts(files, settings, folder: manager.name) else { return }
        loss = accounts.flatMap(read.loss)
        guard loss == nil else { return }
        accounts = read
        events.append(.changed)
        complaints.forget()
    }

    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds,
        steps: TraceSteps?
    ) -> [ReadAccount] {
        guard let accounts, !isOld else { return queries.map { _ in .unavailable } }
        let answers = accounts.lookUp(queries, settings, steps)
        events += complaints.events(queries, answers)
        return answers
    }

    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        accounts?.names(after: name, limit: limit)
    }
}
