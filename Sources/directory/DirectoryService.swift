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
    private let known: KnownAccounts
    var peers: [PeerLink] { [router, accounts.link] }
    private let journal: Journal
    private let bindings: BindingStore
    private let command: AccountsCommand
    private let clock: () -> Moment
    private let readerHangs: () -> Void
    private var isGreeted = false
    /// Where the sending of what is kept goes on, nil when all is told.
    private var sending: Telling?

    /// What is told next: first what is kept of accounts, then bindings, each after a row.
    private enum Telling {
        case standings(Int64)
        case bindings(Int64)
    }

    /// How many bindings are read and told at a time.
    private static let pageLength = 256

    /// The service of these settings, with what it keeps in a folder (nil: in memory), and its clock.
    ///
    /// `readerHangs` has the supervisor replace accounts-reader.
    init(
        _ settings: [DirectorySetting], stateFolder: String?, _ journal: Journal,
        clock: @escaping () -> Moment = {
            Moment(monotonic: Clock.monotonic, sinceEpoch: Clock.sinceEpoch)
        },
        readerHangs: @escaping () -> Void
    ) {
        self.journal = journal
        self.clock = clock
        self.readerHangs = readerHangs
        bindings = BindingStore(folder: stateFolder)
        known = KnownAccounts(
            KnownSettings(settings), folder: stateFolder, accounts, bindings, clock: clock)
        command = AccountsCommand(known)
        report()
    }

    func linked(_ peer: Role) {
        if peer == .accountsReader { return accounts.linked(clock().monotonic) }
        isGreeted = false
        sending = nil
        known.forgetQuestions()
    }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        if peer == .accountsReader { return try accounts.receive(frame, clock().monotonic) }
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
            for standing in bindings.barred(now: clock().sinceEpoch) { send(standing) }
            sending = .standings(0)
        case .lookUp(let id, let account, let realm, let asksSource):
            known.lookUp(
                id: id, AccountQuery(name: account, realm: realm), asksSource: asksSource)
        case .bind(let record): bindings.store(record, now: clock().sinceEpoch)
        case .unbind(let account, let key): bindings.forget(account: account, key: key)
        case .storeStanding(let standing): bindings.store(standing, now: clock().sinceEpoch)
        }
    }

    func reload(_ set: StartSet) -> String? {
        known.adopt(KnownSettings(set.settings.compactMap(\.told.directory)))
        return nil
    }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        let reply: ControlReply
        do throws(SQLiteError) {
            if request == .copyBindings {
                try bindings.layCopy(now: clock().sinceEpoch)
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
        bindings.commit(now: clock().sinceEpoch)
        known.second()
        let source =
            switch accounts.state {
            case .up(let layout, let source, _): "accounts: \(layout) in \(source)"
            case .down(let why, _): "no source of accounts: \(why)"
            case nil: "no source of accounts: not opened yet"
            }
        return "\(source); \(known.status)"
    }

    var patience: Milliseconds? {
        [accounts.patience(clock().monotonic), known.patience].compactMap(\.self).min()
    }

    var conditions: [Condition] {
        let trouble: String? =
            if case .down(let why, _) = accounts.state {
                "\(whoAuthenticates): \(why)"
            } else if let silence = accounts.silence(clock().monotonic) {
                "\(whoAuthenticates): accounts-reader has not answered for \(silence.seconds) s: see"
                    + " whether the disk or server that has the accounts does"
            } else { nil }
        let fault = bindings.fault.map {
            "bindings are in memory only, a restart of directory forgets what has changed: \($0)"
                + (bindings.isNewer ? "" : "; make room for the state folder")
        }
        // What stands in the way of both is told once.
        let forgotten =
            bindings.fault != nil
            ? nil
            : known.store.fault.map {
                "the accounts that are known are in memory only, a restart of directory forgets them: \($0);"
                    + " make room for the state folder"
            }
        return [
            trouble.map { Condition(.accounts, $0, recorded: .both) },
            known.heldBack.map { Condition(.heldBack, $0, recorded: .begin) },
            fault.map { Condition(.state, $0, recorded: .both) },
            forgotten.map { Condition(.state, $0, recorded: .both) },
        ].compactMap(\.self)
    }

    func endOfTurn() {
        report()
        known.endOfTurn()
        // After what the turn and the rounds have asked.
        accounts.endOfTurn(clock().monotonic)
        sendKept()
        sendNews()
        report()
    }

    func stop() {
        bindings.close(now: clock().sinceEpoch)
        known.stop()
        report()
    }

    private func send(_ standing: AccountStanding) {
        router.send(DirectoryToRouter.standing(standing).encoded())
    }

    /// Tells what has become of accounts.
    private func sendNews() {
        guard isGreeted, router.link != nil else { return known.forgetNews() }
        for message in known.drainMessages(isToldAll: sending == nil) {
            router.send(message.encoded())
        }
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
        let page = bindings.page(after: cursor, limit: Self.pageLength, now: clock().sinceEpoch)
        for record in page.records { router.send(DirectoryToRouter.binding(record).encoded()) }
        sending = page.next.map { .bindings($0) }
        if page.next == nil { router.send(DirectoryToRouter.bindings.encoded()) }
    }

    private func report() {
        for event in accounts.drainEvents() {
            switch event {
            case .source(let state): record(state)
            case .hangs: readerHangs()
            case .changed: known.changed()
            }
        }
        for record in known.drainRecords() { journal.write(.degraded, .warning, record) }
        for trouble in bindings.drainTroubles() { journal.write(.degraded, .warning, trouble) }
    }

    private func record(_ state: SourceState) {
        let file = [(Field.file, state.file)]
        switch state {
        case .up(let layout, _, _):
            journal.write(.databaseUp, .notice, "accounts are read (\(layout))", file)
        case .down(let why, _):
            journal.write(.databaseDown, .error, "\(whoAuthenticates): \(why)", file)
        }
    }

    /// Who authenticates while the source cannot be read.
    private var whoAuthenticates: String {
        let count = known.count
        return count == 0
            ? "no account can authenticate"
            : "only accounts that are known (\(count)) can authenticate"
    }
}
