// What accounts-reader does for directory: it looks names up, and may wait for whoever has them.
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// accounts-reader's part of the service loop.
final class AccountsReaderService: Service {
    /// One frame a turn, each of which may wait for the source: a heartbeat goes out between two.
    let directory = PeerLink(.directory, framesPerTurn: 1)
    var peers: [PeerLink] { [directory] }
    private let journal: Journal
    private var settings: AccountSettings
    private var accounts: any AccountSource
    private let reach: Reach
    private let beginAnew: () -> Void
    private var isGreeted = false

    /// How long the look-ups of one frame take at most; what is left is unavailable then.
    static let longestBatch = Milliseconds.seconds(1)

    /// The service of these settings, confined to a reach; `beginAnew` has another process take its place.
    ///
    /// Nothing is opened before the first question or second: what hangs there hangs under the watch of the supervisor.
    init(
        _ settings: AccountSettings, _ reach: Reach, _ journal: Journal,
        beginAnew: @escaping () -> Void
    ) {
        self.settings = settings
        self.reach = reach
        self.journal = journal
        self.beginAnew = beginAnew
        accounts = settings.makeSource()
    }

    func linked(_ peer: Role) { isGreeted = false }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        let message = try DirectoryToReader(decoding: frame)
        guard isGreeted != (message == .hello) else { throw .notPermitted }
        switch message {
        case .hello:
            isGreeted = true
            if let state = accounts.state { tell(state) }
            // Nobody has told directory what changed while there was no link.
            if case .up = accounts.state { send(.changed) }
        case .lookUp(let id, let queries):
            openUntried()
            let answers = accounts.lookUp(
                queries, within: Self.longestBatch, now: Clock.monotonic, steps: nil)
            send(.answers(id: id, answers))
        case .trace(let id, let name):
            openUntried()
            let steps = TraceSteps()
            _ = accounts.lookUp(
                account: name, realm: settings.realm, now: Clock.monotonic, steps: steps)
            send(.trace(id: id, steps.all))
        case .list(let id, let after):
            openUntried()
            let limit = SourceState.namesOfPage
            let names = accounts.names(after: after, limit: limit, now: Clock.monotonic) ?? []
            // No names may mean that there is nothing to read from any more, which is told before.
            report()
            send(.names(id: id, names, isLast: names.count < limit))
        }
        report()
    }

    /// Opens a source that has not been tried yet, as after a reload: or known accounts would get 503 until the next second.
    private func openUntried() {
        guard accounts.state == nil, !Reach(settings).isNews(beside: reach) else { return }
        accounts.tick(Clock.monotonic)
    }

    func reload(_ set: StartSet) -> String? {
        let old = settings
        settings = AccountSettings(set)
        // While one of Asterisk's files is broken, what was read before is all that there is. So is what AMI has told.
        let isKept = settings.folder != nil || settings.asterisks != nil
        if settings != old || !isKept { accounts = settings.makeSource() }
        // The next question or second opens it: a reload is answered, whatever hangs there.
        send(.changed)
        return nil
    }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        let reply = ControlReply.failed("accounts-reader answers no request")
        return AnyIterator(CollectionOfOne(reply).makeIterator())
    }

    func second() -> String {
        // Before it is tried in vain.
        let isUp = if case .up = accounts.state { true } else { false }
        if !isUp || accounts.isStale, Reach(settings).isNews(beside: reach) { beginAnew() }
        accounts.tick(Clock.monotonic)
        return switch accounts.state {
        case .up(let layout, let source, _): "reads \(layout) in \(source)"
        case .down(let why, _): "reads nothing: \(why)"
        case nil: ""
        }
    }

    /// That nothing can be read is told by directory, which knows what it means.
    var conditions: [Condition] {
        [accounts.failing, accounts.lack].compactMap { $0.map { Condition(.accounts, $0) } }
            + accounts.unread.map { Condition(.source, $0) }
    }

    func endOfTurn() { report() }

    func stop() { report() }

    private func send(_ message: ReaderToDirectory) {
        if isGreeted { directory.send(message.encoded()) }
    }

    /// Tells whether the source can be read, and before that what of it is not.
    private func tell(_ state: SourceState) {
        let remarks = accounts.unread
        if !remarks.isEmpty { send(.remarks(remarks)) }
        send(.source(state))
    }

    private func report() {
        for event in accounts.drainEvents() {
            switch event {
            case .source(let state): tell(state)
            case .changed: send(.changed)
            case .nobody(let account):
                journal.write(
                    .degraded, .warning,
                    "account \(account) can be used from nowhere: its permit, deny and acl let nobody"
                        + " in or cannot be read. \(settings.remedyOfLists)")
            }
        }
    }
}
