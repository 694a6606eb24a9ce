// What directory does for sip-router: accounts asked for at accounts-reader, bindings kept.
internal import Journal
internal import Messages
internal import Privsep
internal import SQLite
internal import Sys
internal import Wire

/// directory's part of the service loop.
final class DirectoryService: Service {
    let router = PeerLink(.router)
    let accounts = AccountReader()
    var peers: [PeerLink] { [router, accounts.link] }
    private let journal: Journal
    private let bindings: BindingStore
    private let command: AccountsCommand
    private let clock: () -> Milliseconds
    private let readerHangs: () -> Void
    private var isGreeted = false
    /// Counts the links to sip-router, whose questions each has asked itself.
    private var generation = 0
    /// Where the sending of what is kept goes on, nil when all is told.
    private var sending: Telling?

    /// What is told next: first what is kept of accounts, then bindings, each after a row.
    private enum Telling {
        case standings(Int64)
        case bindings(Int64)
    }

    /// How many bindings are read and told at a time.
    private static let pageLength = 256

    /// The service with its bindings in a folder (nil: kept in memory), at a monotonic clock.
    ///
    /// `readerHangs` has the supervisor replace accounts-reader.
    init(
        stateFolder: String?, _ journal: Journal,
        clock: @escaping () -> Milliseconds = { Clock.monotonic },
        readerHangs: @escaping () -> Void
    ) {
        self.journal = journal
        self.clock = clock
        self.readerHangs = readerHangs
        bindings = BindingStore(folder: stateFolder)
        command = AccountsCommand(accounts, bindings, clock: clock)
        report()
    }

    func linked(_ peer: Role) {
        if peer == .accountsReader { return accounts.linked(clock()) }
        isGreeted = false
        sending = nil
        generation += 1
    }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        if peer == .accountsReader { return try accounts.receive(frame, clock()) }
        try Parcel.forEach(in: frame) { (bytes: Span<UInt8>) throws(WireError) in
            try carryOut(try RouterToDirectory(decoding: bytes))
        }
    }

    private func carryOut(_ message: RouterToDirectory) throws(WireError) {
        guard isGreeted != (message == .hello) else { throw .notPermitted }
        switch message {
        case .hello:
            isGreeted = true
            // Before any account is answered for: a barred one calls nobody.
            for standing in bindings.barred(now: Clock.sinceEpoch) { send(standing) }
            sending = .standings(0)
        case .lookUp(let id, let account, let realm):
            let generation = generation
            accounts.ask([AccountQuery(name: account, realm: realm)], now: clock()) {
                [weak self] answers in
                // A sip-router that was started since asks anew.
                guard let self, self.generation == generation, let answer = answers.first else {
                    return
                }
                router.send(DirectoryToRouter.account(id: id, answer.answer).encoded())
            }
        case .bind(let record): bindings.store(record, now: Clock.sinceEpoch)
        case .unbind(let account, let key): bindings.forget(account: account, key: key)
        case .storeStanding(let standing): bindings.store(standing, now: Clock.sinceEpoch)
        }
    }

    func reload(_ set: StartSet) -> String? { nil }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        let reply: ControlReply
        do throws(SQLiteError) {
            if request == .copyBindings {
                try bindings.layCopy(now: Clock.sinceEpoch)
                reply = .done
            } else {
                reply = .failed("directory answers no such request")
            }
        } catch {
            reply = .failed("the bindings cannot be copied into the state folder: \(error)")
        }
        return AnyIterator(CollectionOfOne(reply).makeIterator())
    }

    func lateAnswer(to request: ControlRequest) -> LateAnswer? {
        switch request {
        case .accounts(let name): command.page(after: name)
        case .account(let name): command.explain(name)
        default: nil
        }
    }

    func second() -> String {
        bindings.commit(now: Clock.sinceEpoch)
        return switch accounts.state {
        case .up(let layout, let source): "accounts: \(layout) in \(source)"
        case .down(let why, _): "no accounts: \(why)"
        case nil: "no accounts: not opened yet"
        }
    }

    var patience: Milliseconds? { accounts.patience(clock()) }

    var conditions: [Condition] {
        let trouble: String? =
            if case .down(let why, _) = accounts.state { "no account can authenticate: \(why)" } else { nil }
        let fault = bindings.fault.map {
            "bindings are in memory only, a restart of directory forgets what has changed: \($0)"
                + (bindings.isNewer ? "" : "; make room for the state folder")
        }
        return [trouble.map { Condition(.accounts, $0) }, fault.map { Condition(.state, $0) }]
            .compactMap(\.self)
    }

    func endOfTurn() {
        accounts.endOfTurn(clock())
        sendKept()
        report()
    }

    func stop() {
        bindings.close(now: Clock.sinceEpoch)
        report()
    }

    private func send(_ standing: AccountStanding) {
        router.send(DirectoryToRouter.standing(standing).encoded())
    }

    /// Tells what is kept for as long as the link has room; the rest follows when it has again.
    private func sendKept() {
        while let next = sending, router.link != nil, !router.isWaiting {
            switch next {
            case .standings(let cursor): sendStandings(after: cursor)
            case .bindings(let cursor): sendBindings(after: cursor)
            }
        }
    }

    private func sendStandings(after cursor: Int64) {
        let page = bindings.standings(after: cursor, limit: Self.pageLength)
        for standing in page.standings { send(standing) }
        sending = page.next.map { .standings($0) } ?? .bindings(0)
    }

    private func sendBindings(after cursor: Int64) {
        let page = bindings.page(after: cursor, limit: Self.pageLength, now: Clock.sinceEpoch)
        for record in page.records { router.send(DirectoryToRouter.binding(record).encoded()) }
        sending = page.next.map { .bindings($0) }
        if page.next == nil { router.send(DirectoryToRouter.bindings.encoded()) }
    }

    private func report() {
        for event in accounts.drainEvents() {
            switch event {
            case .source(let state): record(state)
            case .hangs: readerHangs()
            case .changed:
                if isGreeted { router.send(DirectoryToRouter.changed.encoded()) }
            }
        }
        for trouble in bindings.drainTroubles() { journal.write(.degraded, .warning, trouble) }
    }

    private func record(_ state: SourceState) {
        let file = [(Field.file, state.file)]
        switch state {
        case .up(let layout, _):
            journal.write(.databaseUp, .notice, "accounts are read (\(layout))", file)
        case .down(let why, _):
            journal.write(.databaseDown, .error, "no account can authenticate: \(why)", file)
        }
    }
}
