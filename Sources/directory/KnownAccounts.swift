// What directory knows of the accounts: it answers from memory, and tells what has changed.
internal import Messages
internal import Sys

/// The rows that directory has answered with, which sip-router is kept right about.
///
/// A row that was confirmed within a minute serves at once, unless a change of its source has been told
/// since. Else accounts-reader is asked. After 150 ms without an answer the row serves with its age, and
/// what comes later is told as an update.
final class KnownAccounts {
    /// A look-up under way.
    private struct Question {
        /// The questions of sip-router that wait for it.
        var ids: [UInt32] = []
        /// Whether one of them was answered before.
        var isLate = false
    }

    /// When a question of sip-router is answered with what is known.
    private struct Deadline {
        let at: Milliseconds
        let id: UInt32
        let query: AccountQuery
    }

    /// How long a look-up waits for its source while a row is known.
    static let patience = Milliseconds(150)
    /// How many rows are kept; accounts beyond are answered for from their source alone.
    static let most = 200_000
    /// How much older a row may be in the file than it is.
    static let writtenAfter = Milliseconds.seconds(600)

    let reader: AccountReader
    let bindings: BindingStore
    let store: KnownStore
    let clock: () -> Moment
    private(set) var settings: KnownSettings
    private(set) var rows: [AccountQuery: KnownRow] = [:]
    /// The realms of all rows, since this process began: our own, and those in which Asterisks ask for passwords.
    private var realms: Set<String> = []
    private var questions: [AccountQuery: Question] = [:]
    private var deadlines: [Deadline] = []
    /// What sip-router is to be told, in this order.
    private var messages: [DirectoryToRouter] = []
    /// How many changes of the source have been told, one at the least: what came before may have been missed.
    var changes = 1
    var brake = Brake()
    var round: AccountRound?
    /// When the next round may begin, by the monotonic clock; nil while none is due.
    var nextRound: Milliseconds? = Milliseconds(0)
    /// How many rows a round asks for at a time, as the speed of the source was last.
    var batchSize = AccountRound.most
    /// When rows are looked through next for those that are too old.
    private var nextSweep = Milliseconds(0)
    /// How long the last round took, and how many rows it has read.
    var lastRound: (took: Milliseconds, count: Int)?
    /// What is to be told to the administrator.
    var records: [String] = []

    /// What is known, from a file in a folder (nil: nothing), and asked of a reader.
    init(
        _ settings: KnownSettings, folder: String?, _ reader: AccountReader,
        _ bindings: BindingStore, clock: @escaping () -> Moment
    ) {
        self.settings = settings
        self.reader = reader
        self.bindings = bindings
        self.clock = clock
        store = KnownStore(folder: folder)
        let now = clock()
        rows = store.load(after: now.sinceEpoch - settings.stale, most: Self.most, now)
        realms = Set(rows.keys.map(\.realm))
    }

    /// Uses other settings: what was known may be of another source.
    func adopt(_ settings: KnownSettings) {
        self.settings = settings
        changed()
    }

    /// The source has told that rows have, or may have, changed: the next round waits no longer.
    func changed() {
        changes += 1
        let now = clock().monotonic
        nextRound = min(nextRound ?? now, now)
    }

    /// A new sip-router has asked nothing.
    func forgetQuestions() {
        for query in questions.keys { questions[query]?.ids = [] }
        deadlines = []
        forgetNews()
    }

    /// There is no sip-router: the next one is told what ends when it has been told what there is.
    func forgetNews() { messages.removeAll { !$0.isRevocation } }

    /// What sip-router is to be told since the last call; without what ends while it is still told what there is.
    func drainMessages(isToldAll: Bool) -> [DirectoryToRouter] {
        let drained = isToldAll ? messages : messages.filter { !$0.isRevocation }
        messages.removeAll { isToldAll || !$0.isRevocation }
        return drained
    }

    /// What the administrator is to be told since the last call.
    func drainRecords() -> [String] {
        defer { records = [] }
        return records + store.drainTroubles()
    }

    func tell(_ message: DirectoryToRouter) {
        messages.append(brake.isDeciding ? message.whileDeciding : message)
    }

    /// How many accounts are known for our own realm; it looks at all that is known.
    var count: Int { rows.keys.count { $0.realm == settings.realm } }

    /// What is known, and how the last round went, for `rempart status`.
    var status: String {
        let round = lastRound.map {
            ", \($0.count) read again in \($0.took.count) ms "
                + (reader.state?.tellsOfChanges == false
                    ? "in the last round" : "after the last change")
        }
        return "\(rows.count) known\(round ?? "")"
    }

    // MARK: Look-ups

    /// Answers a question of sip-router, at once or within 150 ms; with `asksSource` by what is known only if the source
    /// does not answer.
    func lookUp(id: UInt32, _ query: AccountQuery, asksSource: Bool) {
        let now = clock()
        rows[query]?.asked = now.monotonic
        if !asksSource, rows[query]?.isFresh(changes, now) == true {
            return answer(id, query, now)
        }
        // A source that cannot be read says so itself when it can again.
        if case .down = reader.state { return answer(id, query, now) }
        deadlines.append(Deadline(at: now.monotonic + Self.patience, id: id, query: query))
        guard questions[query] == nil else {
            questions[query]?.ids.append(id)
            return
        }
        // One that was given up is not asked again before it is answered.
        let isUnderWay = reader.owes(query)
        questions[query] = Question(ids: [id], isLate: isUnderWay)
        guard !isUnderWay else { return }
        reader.ask([query], .last, now: now.monotonic) { [weak self, changes] answers in
            if let answer = answers.first { self?.answered(query, answer, change: changes) }
        }
    }

    /// Answers with the row that is known and its age, else that nothing can be said.
    private func answer(_ id: UInt32, _ query: AccountQuery, _ now: Moment) {
        guard let row = rows[query], let age = row.age(now), age <= settings.stale else {
            return tell(.account(id: id, .unavailable, age: Milliseconds(0)))
        }
        // One that a change may concern is confirmed by nobody, however young it is; no age says that the source has
        // just been asked.
        let least = Milliseconds(row.isFresh(changes, now) ? 1 : KnownRow.freshness.count + 1)
        let told = max(age, least)
        tell(.account(id: id, .found(row.account), age: told))
    }

    /// Takes the answer to a look-up that began after so many changes of the source; it may come when the question was
    /// given up.
    private func answered(_ query: AccountQuery, _ read: ReadAccount, change: Int) {
        let question = questions.removeValue(forKey: query) ?? Question(isLate: true)
        let now = clock()
        guard read.answer != .unavailable else {
            for id in question.ids { answer(id, query, now) }
            return
        }
        let before = rows[query]
        take(read, of: query, change: change, now)
        if let before { compare(query, before.account, read.answer, endsCalls: question.isLate) }
        // While it is not decided what ends, sip-router hears first that the row before serves no more.
        if question.isLate || brake.isDeciding {
            tell(.update(account: query.name, realm: query.realm, read.answer))
        }
        for id in question.ids { tell(.account(id: id, read.answer, age: Milliseconds(0))) }
    }

    /// Takes what a source says now.
    func take(_ read: ReadAccount, of query: AccountQuery, change: Int, _ now: Moment) {
        guard case .found(let account) = read.answer else {
            if read.answer == .unknown, rows.removeValue(forKey: query) != nil {
                store.forget(query)
            }
            return
        }
        guard rows.count < Self.most || rows[query] != nil else { return }
        let before = rows[query]
        var row = KnownRow(
            account: account, version: read.version, confirmed: now.sinceEpoch,
            read: now.monotonic, change: change, asked: before?.asked ?? now.monotonic)
        if let before, before.account == account, before.version == read.version,
            let written = before.written, now.sinceEpoch >= written,
            now.sinceEpoch - written < Self.writtenAfter
        {
            row.written = written
        } else {
            row.written = now.sinceEpoch
            store.store(query, row)
        }
        rows[query] = row
        realms.insert(query.realm)
        if let before, before.account != account { doubt(query) }
    }

    /// A row is another one in its realm: what is known of it in others serves no more without a look at the source.
    private func doubt(_ query: AccountQuery) {
        for realm in realms where realm != query.realm {
            rows[AccountQuery(name: query.name, realm: realm)]?.change = -1
        }
    }

    /// Looks whether bindings end by what an answer says of an account that was another one, or was not known.
    func compare(
        _ query: AccountQuery, _ before: Account?, _ answer: AccountAnswer, endsCalls: Bool
    ) {
        guard before?.isLess(in: answer) ?? (answer == .unknown) else { return }
        let now = clock()
        let bound = bindings.bindings(of: query.name, now: now.sinceEpoch)
        let count = before?.endings(answer, bound) ?? bound.count
        brake.add(
            Brake.Ending(query: query, before: before, count: count, endsCalls: endsCalls),
            now.monotonic)
    }

    // MARK: Time

    /// Does what is due; to be called at the end of each turn.
    func endOfTurn() {
        let now = clock()
        var late = 0
        for deadline in deadlines {
            guard deadline.at <= now.monotonic else { break }
            late += 1
            guard let at = questions[deadline.query]?.ids.firstIndex(of: deadline.id) else {
                continue
            }
            questions[deadline.query]?.ids.remove(at: at)
            questions[deadline.query]?.isLate = true
            answer(deadline.id, deadline.query, now)
        }
        deadlines.removeFirst(late)
        advanceRound(now)
        decideAboutAnswers(now)
    }

    /// When `endOfTurn` has something to do although nothing comes, as a span from now; nil: never.
    var patience: Milliseconds? {
        let now = clock().monotonic
        let undecided = round == nil ? brake.undecidedSince.map { $0 + Brake.patience } : nil
        let moments = [deadlines.first?.at, round?.nextBatch, undecided, roundAt]
        return moments.compactMap(\.self).min().map { max($0 - now, Milliseconds(0)) }
    }

    /// Writes what has changed, and forgets what is too old to serve; to be called each second.
    func second() {
        let now = clock()
        if store.isBlank {
            store.fill()
            for (query, row) in rows { store.store(query, row) }
        }
        store.commit(now: now.sinceEpoch)
        guard now.monotonic >= nextSweep else { return }
        nextSweep = now.monotonic + KnownRow.freshness
        for (query, row) in rows where !isKept(row, now) {
            rows[query] = nil
            store.forget(query)
        }
    }

    /// Whether a row may serve, and is asked for now and then: rounds confirm it whoever needs it.
    private func isKept(_ row: KnownRow, _ now: Moment) -> Bool {
        guard let age = row.age(now) else { return false }
        return age <= settings.stale && now.monotonic - row.asked <= Bounds.longestBinding
    }

    /// Writes all: the process is about to end.
    func stop() {
        for (query, row) in rows where row.written != row.confirmed { store.store(query, row) }
        store.close(now: clock().sinceEpoch)
    }
}

extension DirectoryToRouter {
    /// Whether it ends bindings.
    fileprivate var isRevocation: Bool {
        if case .revoke = self { true } else { false }
    }
}

/// What the settings say of accounts that are known.
struct KnownSettings: Equatable {
    /// `accounts.realm`.
    var realm = Setting.accounts.realm.standard
    /// `accounts.stale`.
    var stale = Setting.accounts.stale.standard

    /// The settings of a start set.
    init(_ settings: [DirectorySetting] = []) {
        for setting in settings {
            switch setting {
            case .realm(let realm): self.realm = realm
            case .stale(let stale): self.stale = stale
            }
        }
    }
}
