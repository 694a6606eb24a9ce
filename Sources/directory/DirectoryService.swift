// What directory does for sip-router: accounts asked for, bindings kept.
internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// directory's part of the service loop.
final class DirectoryService: Service {
    let router = PeerLink()
    private let journal: Journal
    private let bindings: BindingStore
    private var accounts: AccountDatabase
    private var isGreeted = false
    /// Where the telling of the kept bindings goes on, nil when all are told.
    private var telling: Int64?

    /// How many bindings are read and told at a time.
    private static let pageLength = 256

    /// The service of these settings, with its bindings in a folder (nil: kept in memory).
    init(_ settings: [Setting], stateFolder: String?, _ journal: Journal) {
        self.journal = journal
        accounts = AccountDatabase(AccountSettings(settings))
        bindings = BindingStore(folder: stateFolder)
        accounts.tick(Clock.monotonic)
        report()
    }

    func linked() {
        isGreeted = false
        telling = nil
    }

    func receive(_ frame: Span<UInt8>) throws(WireError) {
        try Parcel.forEach(in: frame) { (bytes: Span<UInt8>) throws(WireError) in
            try take(try RouterToDirectory(decoding: bytes))
        }
    }

    private func take(_ message: RouterToDirectory) throws(WireError) {
        guard isGreeted != (message == .hello) else { throw .notPermitted }
        switch message {
        case .hello:
            isGreeted = true
            telling = 0
        case .lookUp(let id, let account, let realm):
            let answer = accounts.lookUp(account: account, realm: realm, now: Clock.monotonic)
            router.send(DirectoryToRouter.account(id: id, answer).encoded())
        case .bind(let record): bindings.keep(record)
        case .unbind(let account, let key): bindings.forget(account: account, key: key)
        }
    }

    func reload(_ set: StartSet) -> String? {
        accounts = AccountDatabase(AccountSettings(set.settings))
        accounts.tick(Clock.monotonic)
        // Also when the new database cannot be read: what came from the old one holds no more.
        if isGreeted { router.send(DirectoryToRouter.changed.encoded()) }
        report()
        return nil
    }

    func answer(_ request: ControlRequest) -> AnyIterator<ControlReply> {
        AnyIterator(CollectionOfOne(.failed("directory answers no such request")).makeIterator())
    }

    func whenSpare() -> Bool { false }

    func second() -> String {
        accounts.tick(Clock.monotonic)
        bindings.commit(now: Clock.sinceEpoch)
        return accounts.status
    }

    func endOfTurn() {
        tellBindings()
        report()
    }

    func stop() {
        bindings.commit(now: Clock.sinceEpoch)
        report()
    }

    /// Tells kept bindings for as long as the link has room; the rest follows when it has again.
    private func tellBindings() {
        while let cursor = telling, router.link != nil, !router.isWaiting {
            let page = bindings.page(
                after: cursor, limit: Self.pageLength, now: Clock.sinceEpoch)
            for record in page.records { router.send(DirectoryToRouter.binding(record).encoded()) }
            telling = page.next
            if page.next == nil { router.send(DirectoryToRouter.bindings.encoded()) }
        }
    }

    private func report() {
        for event in accounts.takeEvents() {
            switch event {
            case .up(let layout):
                journal.write(.databaseUp, .notice, "accounts are read (\(layout))")
            case .down(let why):
                journal.write(.databaseDown, .error, "no account can authenticate: \(why)")
            case .nobody(let account):
                journal.write(
                    .degraded, .warning,
                    "account \(account) can be used from nowhere: its permit, deny and acl let nobody"
                        + " in or cannot be read; write networks as 10.0.0.0/8 or"
                        + " 10.0.0.0/255.0.0.0, keep named lists in the table acls, look at"
                        + " accounts.acl-order")
            case .changed:
                if isGreeted { router.send(DirectoryToRouter.changed.encoded()) }
            }
        }
        for trouble in bindings.takeTroubles() { journal.write(.degraded, .warning, trouble) }
    }
}
