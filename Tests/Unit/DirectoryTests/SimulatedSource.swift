internal import Messages
internal import Sys
internal import TemporaryFolder

@testable internal import directory

/// A directory between sip-router's end and a source behind accounts-reader's, whose times are the test's.
final class SimulatedSource {
    let router: Router
    /// The accounts there are, by name.
    var accounts: [String: Account] = [:]
    /// How long the source takes for a look-up; nil: it never answers.
    var delay: Milliseconds? = Milliseconds(0)
    /// How long it takes for each look-up, one after the other; what a frame has not reached after a second is
    /// unavailable, as accounts-reader has it.
    var pace = Milliseconds(0)
    /// Until when it looks up what it has been asked for.
    private var busyUntil = Milliseconds(0)
    /// How many look-ups it has been asked for.
    private(set) var lookUps = 0
    private var owed: [(at: Milliseconds, message: ReaderToDirectory)] = []
    private var lastID: UInt32 = 0
    private var version: UInt64 = 1
    /// What it is called.
    private let url: String

    static let realm = "asterisk"

    init(
        _ folder: TemporaryFolder? = nil, settings: [DirectorySetting] = [],
        url: String = "sqlite:///a"
    ) throws {
        self.url = url
        router = try Router(folder, settings: settings)
    }

    /// An account whose HA1s are made of one byte.
    static func account(
        _ secret: UInt8, mayRegister: Bool = true, access: AccessList = AccessList()
    ) -> Account {
        Account(
            ha1MD5: Array(repeating: secret, count: 16),
            ha1SHA256: Array(repeating: secret, count: 32), authUser: "u", aor: "a",
            mayRegister: mayRegister, access: access)
    }

    /// Begins: the source can be read, and sip-router is told what is kept.
    func begin() throws {
        try up()
        try router.tell(.hello)
        try pass(Milliseconds(50))
        _ = try router.answers()
    }

    func up() throws {
        let tellsOfChanges = !url.hasPrefix("odbc://")
        try router.answer(
            .source(.up(layout: "pjsip", source: url, tellsOfChanges: tellsOfChanges)))
        try router.answer(.changed)
    }

    func down() throws {
        try router.answer(.source(.down(why: "it is gone", source: url)))
    }

    /// The source tells that rows have changed.
    func changed() throws { try router.answer(.changed) }

    /// So many accounts, all of one secret, each asked for by sip-router and bound.
    func bind(_ count: Int, from first: Int = 1) throws {
        let expires = router.clock.sinceEpoch + .seconds(36_000)
        for number in first..<(first + count) {
            accounts["\(number)"] = Self.account(1)
            _ = try ask("\(number)")
            var record = binding("\(number)")
            record.expires = expires
            try router.tell(.bind(record))
        }
        _ = try router.answers()
    }

    /// Time passes, in small steps in which the source answers what is due.
    func pass(_ span: Milliseconds, step: Milliseconds = Milliseconds(5)) throws {
        let end = router.clock.now + span
        repeat {
            try serve()
            router.wait(min(step, max(end - router.clock.now, Milliseconds(0))))
        } while router.clock.now < end
        try serve()
    }

    private func serve() throws {
        let now = router.clock.now
        for question in try router.questions() {
            guard case .lookUp(let id, let queries) = question else { continue }
            lookUps += queries.count
            guard let delay else { continue }
            let began = max(now, busyUntil)
            busyUntil = began
            let answers = queries.map { query in
                guard busyUntil - began < .seconds(1) else { return ReadAccount.unavailable }
                busyUntil = busyUntil + pace
                return read(query)
            }
            owed.append((busyUntil + delay, .answers(id: id, answers)))
        }
        while let next = owed.first, next.at <= now {
            owed.removeFirst()
            try router.answer(next.message)
        }
    }

    private func read(_ query: AccountQuery) -> ReadAccount {
        guard let account = accounts[query.name] else {
            return ReadAccount(answer: .unknown, source: "t", version: 0, why: .noRow)
        }
        var hasher = Hasher()
        hasher.combine(account.ha1MD5)
        hasher.combine(account.mayRegister)
        hasher.combine(account.access.bytes)
        return ReadAccount(
            answer: .found(account), source: "t", version: UInt64(hasher.finalize().magnitude))
    }

    /// Asks as sip-router does; what it is told by the end of a span.
    func ask(
        _ name: String, realm: String = realm, asksSource: Bool = false,
        within span: Milliseconds = Milliseconds(5)
    ) throws -> [DirectoryToRouter] {
        lastID += 1
        try router.tell(.lookUp(id: lastID, account: name, realm: realm, asksSource: asksSource))
        try pass(span)
        return try router.answers()
    }

    /// The answer to the last question among what was told, and its age.
    func answer(_ told: [DirectoryToRouter]) -> (answer: AccountAnswer, age: Milliseconds)? {
        for case .account(lastID, let answer, let age) in told { return (answer, age) }
        return nil
    }
}

extension [DirectoryToRouter] {
    /// Whose bindings end, in the order of their names.
    var revoked: [String] {
        compactMap { if case .revoke(let account, _) = $0 { account } else { nil } }.sorted()
    }

    /// Whose bindings and calls end.
    var endedCalls: [String] {
        compactMap { if case .revoke(let account, true) = $0 { account } else { nil } }
    }

    /// What is told unasked of accounts.
    var updates: [String: AccountAnswer] {
        var updates: [String: AccountAnswer] = [:]
        for case .update(let account, _, let answer) in self { updates[account] = answer }
        return updates
    }
}
