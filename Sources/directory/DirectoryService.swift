// What directory does for sip-router: accounts asked for, bindings kept.
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// directory's part of the service loop.
final class DirectoryService: Service {
    let router = PeerLink(.router)
    var peers: [PeerLink] { [router] }
    private let journal: Journal
    private let bindings: BindingStore
    private var accounts: AccountDatabase
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

    /// The service of these settings, with its bindings in a folder (nil: kept in memory).
    init(_ settings: [DirectorySetting], stateFolder: String?, _ journal: Journal) {
        self.journal = journal
        accounts = AccountDatabase(AccountSettings(settings))
        bindings = BindingStore(folder: stateFolder)
        accounts.tick(Clock.monotonic)
        report()
    }

    func linked(_ peer: Role) {
        isGreeted = false
        sending = nil
    }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
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
            let answer = accounts.lookUp(account: account, realm: realm, now: Clock.monotonic)
            let age = Milliseconds(0)
            router.send(DirectoryToRouter.account(id: id, answer, age: age).encoded())
        case .bind(let record): bindings.store(record, now: Clock.sinceEpoch)
        case .unbind(let account, let key): bindings.forget(account: account, key: key)
        case .storeStanding(let standing): bindings.store(standing, now: Clock.sinceEpoch)
        }
    }

    func reload(_ set: StartSet) -> String? {
        accounts = AccountDatabase(AccountSettings(set.settings.compactMap(\.told.directory)))
        accounts.tick(Clock.monotonic)
        report()
        return nil
    }

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

    func second() -> String {
        accounts.tick(Clock.monotonic)
        bindings.commit(now: Clock.sinceEpoch)
        return accounts.status
    }

    var conditions: [Condition] {
        let trouble = accounts.trouble.map { "no account can authenticate: \($0)" }
        let fault = bindings.fault.map {
            "bindings are in memory only, a restart of directory forgets what has changed: \($0)"
                + (bindings.isNewer ? "" : "; make room for the state folder")
        }
        return [trouble.map { Condition(.accounts, $0) }, fault.map { Condition(.state, $0) }]
            .compactMap(\.self)
    }

    func endOfTurn() {
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
            case .up(let layout):
                journal.write(
                    .databaseUp, .notice, "accounts are read (\(layout))",
                    [(.file, accounts.source)])
            case .down(let why):
                journal.write(
                    .databaseDown, .error, "no account can authenticate: \(why)",
                    [(.file, accounts.source)])
            case .nobody(let account):
                journal.write(
                    .degraded, .warning,
                    "account \(account) can be used from nowhere: its permit, deny and acl let nobody"
                        + " in or cannot be read. Write networks as 10.0.0.0/8 or"
                        + " 10.0.0.0/255.0.0.0, put named lists into the table acls, and look at"
                        + " accounts.acl-order")
            case .changed: break
            }
        }
        for trouble in bindings.drainTroubles() { journal.write(.degraded, .warning, trouble) }
    }
}
