// Asterisk's own files as the source of the accounts: read, seen to change, kept while one is broken.
internal import AsteriskFiles
internal import Glibc
internal import Messages
internal import Sys

/// The accounts of Asterisk's folder, and of the database that Realtime has beside it.
///
/// The files are looked at each second. What has changed counts once it has stood for a second: programs write one
/// file after the other. While a file is broken, an included one too, what was read before serves.
final class AsteriskSource: AccountSource {
    /// A reading that did not come to anything.
    private struct Broken {
        /// Which files were read until then.
        let stamp: FolderStamp
        /// Where, why, and what to do.
        let why: String
        /// When it is read again, though no file has changed.
        let nextTry: Milliseconds
        /// Whether it has stood for a second: a file that is being written is broken for a moment.
        var hasStood = false
    }

    private let settings: AccountSettings
    private let folder: String
    private var accounts: FileAccounts?
    private var database: (any AccountSource)?
    /// What was read of files that have changed, until it has stood for a second.
    private var changed: AsteriskConfiguration?
    private var broken: Broken?
    /// What was told last.
    private var told: SourceState?
    private var events: [AccountEvent] = []
    private var hasChanged = false
    private var complaints = ListComplaints()

    /// How long a folder that cannot be read is left alone while nothing of it changes.
    private static let retry = Milliseconds.seconds(10)
    /// How many findings are told.
    private static let mostFindings = 3

    /// The folder that the settings name; nothing is read before the first `tick`.
    init(_ settings: AccountSettings, folder: String) {
        self.settings = settings
        self.folder = folder
    }

    var state: SourceState? {
        guard let accounts else {
            return broken.map { .down(why: $0.why, source: settings.url) }
        }
        // The accounts of files are read all the same, but for those that the database comes before.
        if accounts.isEmpty || accounts.asksRealtimeFirst, let database {
            switch database.state {
            case .down(let why, _): return .down(why: why, source: settings.url)
            case nil: return nil
            case .up: break
            }
        }
        return .up(
            layout: accounts.layout, source: settings.url,
            tellsOfChanges: !accounts.realtime.isServer)
    }

    var failing: String? { database?.failing }

    var isStale: Bool { broken?.hasStood ?? false }

    var lack: String? {
        guard let accounts, accounts.isEmpty else { return nil }
        if let database { return database.lack }
        return
            "the source has no account: no file of \(folder) has a phone with a password. Name in"
            + " accounts.source the folder that Asterisk uses"
    }

    var unread: [String] {
        guard let accounts else { return [] }
        var result: [String] = []
        if let broken, broken.hasStood {
            result.append("\(broken.why). The accounts that were read before serve until then")
        }
        if case .unread(let why) = accounts.realtime { result.append(why) }
        if case .up? = state, case .down(let why, _)? = database?.state {
            result.append("\(why). The accounts of files serve")
        }
        result += (database?.unread ?? []) + accounts.further
        let missing = accounts.files.findings.filter { $0.kind == .missing }
        result += missing.prefix(Self.mostFindings).map(\.description)
        let left = missing.count - Self.mostFindings
        return result + (left > 0 ? ["\(left) more places of \(folder) are not read"] : [])
    }

    func drainEvents() -> [AccountEvent] {
        for event in database?.drainEvents() ?? [] {
            switch event {
            // It is told with the files.
            case .source: break
            case .changed: hasChanged = true
            case .nobody: events.append(event)
            }
        }
        var all: [AccountEvent] = []
        if let state, state != told {
            told = state
            all.append(.source(state))
        }
        all += events + (hasChanged ? [.changed] : [])
        (events, hasChanged) = ([], false)
        return all
    }

    func tick(_ now: Milliseconds) {
        look(now)
        database?.tick(now)
    }

    // MARK: Files

    private func look(_ now: Milliseconds) {
        if let changed, changed.stamp.isCurrent {
            take(changed, now)
        } else if let broken, now < broken.nextTry, broken.stamp.isCurrent {
            self.broken?.hasStood = true
        } else if accounts?.files.stamp.isCurrent == true {
            (changed, broken) = (nil, nil)
        } else {
            read(now)
        }
    }

    private func read(_ now: Milliseconds) {
        changed = nil
        let reading = AsteriskFolder(folder)
        guard FileStamp(folder) != nil else {
            let why =
                errno == ENOENT
                ? "there is no folder \(folder): name in accounts.source the one that Asterisk uses"
                : DatabaseRights.unreadable(folder, errno)
            return fail(reading.stamp, why, until: now)
        }
        do throws(ConfigurationFault) {
            let files = try AsteriskConfiguration(
                reading, drivers: FileAccounts.drivers(settings.schema))
            guard let accounts else { return take(files, now) }
            // Asterisk would go on without the rest of an included file, and its accounts would end.
            if let cut = files.cut, accounts.files.cut == nil {
                fail(files.stamp, cut.description, until: now + Self.retry)
            } else {
                changed = files
            }
        } catch {
            let why = error.unreadable.map { DatabaseRights.unreadable($0, EACCES) }
            fail(reading.stamp, why ?? error.description, until: now + Self.retry)
        }
    }

    /// Remembers why nothing was read; it is read again then, or when a file has changed.
    private func fail(_ stamp: FolderStamp, _ why: String, until nextTry: Milliseconds) {
        // What has stood goes on to stand, though it is read again.
        let hasStood = broken.map { $0.why == why } ?? false
        broken = Broken(stamp: stamp, why: why, nextTry: nextTry, hasStood: hasStood)
    }

    /// Serves what was read from now on.
    private func take(_ files: AsteriskConfiguration, _ now: Milliseconds) {
        changed = nil
        do throws(AccountTablesError) {
            let accounts = try FileAccounts(files, settings, folder: folder)
            if let why = self.accounts.flatMap(accounts.loss) {
                return fail(files.stamp, why, until: now + Self.retry)
            }
            if self.accounts?.hasSameRealtime(as: accounts) != true { open(accounts) }
            self.accounts = accounts
        } catch {
            return fail(files.stamp, error.description, until: now + Self.retry)
        }
        broken = nil
        hasChanged = true
        complaints.forget()
    }

    /// Turns to the database that Realtime has beside the files; `tick` opens it.
    private func open(_ accounts: FileAccounts) {
        var settings = settings
        settings.schema = accounts.driver == .pjsip ? .pjsip : .chanSip
        settings.realm = accounts.realm(settings.realm)
        settings.access.lists = accounts.files.accessLists
        switch accounts.realtime {
        case .none, .unread: database = nil
        case .sqlite(let path, let tables):
            settings.url = "sqlite://\(path)"
            settings.tables = tables
            database = AccountDatabase(settings)
        case .server(let login, let tables):
            settings.tables = tables
            database = AccountServer(settings, settings.withOwnLogin(login))
        }
    }

    // MARK: Accounts

    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds, steps: TraceSteps?
    ) -> [ReadAccount] {
        guard let accounts else { return queries.map { _ in .unavailable } }
        guard let database else { return lookUp(queries, in: accounts, steps) }
        func ofDatabase(_ queries: [AccountQuery]) -> [ReadAccount] {
            zip(queries, database.lookUp(queries, within: span, now: now, steps: steps)).map {
                accounts.withoutTrunks($1, $0.name)
            }
        }
        // Not even what a file says counts, before it is known that what comes first has no such name.
        let first: ([AccountQuery]) -> [ReadAccount]
        let second: ([AccountQuery]) -> [ReadAccount]
        let ofFiles = { (queries) in self.lookUp(queries, in: accounts, steps) }
        (first, second) =
            accounts.asksRealtimeFirst ? (ofDatabase, ofFiles) : (ofFiles, ofDatabase)
        var answers = first(queries)
        let open = answers.indices.filter { answers[$0].why == .noRow }
        guard !open.isEmpty else { return answers }
        for (index, answer) in zip(open, second(open.map { queries[$0] })) {
            answers[index] = answer
        }
        return answers
    }

    private func lookUp(
        _ queries: [AccountQuery], in accounts: FileAccounts, _ steps: TraceSteps?
    ) -> [ReadAccount] {
        let answers = accounts.lookUp(queries, settings, steps)
        events += complaints.events(queries, answers)
        return answers
    }

    func names(after name: String, limit: Int, now: Milliseconds) -> [String]? {
        guard let accounts else { return nil }
        let own = accounts.names(after: name, limit: limit)
        guard let database else { return own }
        let others = database.names(after: name, limit: limit, now: now) ?? []
        let all = Set(own).union(others).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return Array(all.prefix(limit))
    }
}
