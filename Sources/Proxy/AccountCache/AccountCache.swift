package import Digest
package import Messages
package import ProxyBench
internal import SIP
package import Sys

/// What a parked request waits for, and so where it goes on.
package enum ParkedStep: UInt8, BitwiseCopyable, Sendable {
    /// Its credentials: whether they prove its account.
    case credentials
    /// A trunk's caller: whether an account has that name.
    case caller
}

/// A request that has waited for directory.
package struct ParkedRequest: Sendable {
    /// The request, which whoever takes it up again gives back.
    package var block: Block
    /// The way that it came by.
    package let flow: Flow
    /// When it came.
    package let moment: Milliseconds
    /// Its number among all that came.
    package let number: UInt64
    /// What is known of its sender.
    package let sender: Sender
    /// What it has waited for.
    package let step: ParkedStep
}

/// What became of a request that is to wait for directory.
package enum Parking: Sendable {
    /// It waits, or the same one does.
    case waits
    /// Too many of its account wait already.
    case tooMany
    /// All places are taken.
    case noRoom
}

/// What directory has said of an account.
package struct AccountNews: Sendable {
    /// The account.
    package let account: AccountID
    /// Whether it is about our own realm; else its hashes for an Asterisk's have come.
    package let isOurRealm: Bool
    /// The requests that have waited for it, in their order.
    package let waiting: [ParkedRequest]
}

/// The accounts that the core has heard of: what directory said of them, what it is being asked, and who waits.
package struct AccountCache: ~Copyable {
    private let anchor = Anchor()

    private struct ForeignRealm: Hashable {
        var realm: [UInt8]
        var algorithm: UInt8
    }

    /// A question to directory under way.
    private struct Question {
        var account: AccountID
        var realm: [UInt8]
        /// Whether it is for an Asterisk's realm: its account stays until it is answered, since the answer is told
        /// apart by the account's place.
        var isForeign: Bool
    }

    /// The longest realm of an Asterisk that directory is asked for, in bytes.
    private static let longestRealm = 128

    private var accounts: Accounts
    private var questions: [UInt32: Question] = [:]
    private var lastQuestion: UInt32 = 0
    /// HA1s for realms of Asterisks that are not ours.
    private var foreignHA1: [AccountID: [ForeignRealm: HashValue]] = [:]
    private var parked: [AccountID: [ParkedRequest]] = [:]
    /// How many requests wait.
    package private(set) var parkedCount = 0

    /// No accounts.
    package init() { accounts = Accounts(capacity: Capacity.accounts) }

    /// How many questions to directory are under way.
    package var questionCount: Int { questions.count }

    /// Whether directory could not ask the database when it last tried.
    package var areUnavailable: Bool { accounts.areUnavailable }

    /// Every place that accounts have, in use or free.
    package var places: Range<Int32> { 0..<Int32(accounts.count) }

    // MARK: What is known

    /// An account's name.
    @_lifetime(borrow self)
    package func name(_ account: AccountID) -> Span<UInt8> { accounts.name(account) }

    /// An account's digest user name.
    @_lifetime(borrow self)
    package func authUser(_ account: AccountID) -> Span<UInt8> { accounts.authUser(account) }

    /// The user part of To in a REGISTER at Asterisk.
    @_lifetime(borrow self)
    package func aor(_ account: AccountID) -> Span<UInt8> { accounts.aor(account) }

    /// From where an account may be used, as the bytes of an `AccessList`.
    @_lifetime(borrow self)
    package func access(_ account: AccountID) -> Span<UInt8> { accounts.access(account) }

    /// What is known of an account's credentials.
    package func state(_ account: AccountID) -> AccountState { accounts.state(account) }

    /// Whether phones may register an account.
    package func mayRegister(_ account: AccountID) -> Bool { accounts.mayRegister(account) }

    /// An account's HA1 for our realm, of length 0 when there is none.
    package func ha1(_ account: AccountID, _ algorithm: DigestAlgorithm) -> HashValue {
        accounts.ha1(account, algorithm)
    }

    /// Whether directory has to be asked before an account is used.
    package func isStale(_ account: AccountID, _ now: Milliseconds) -> Bool {
        accounts.isStale(account, now)
    }

    /// Whether passwords cannot be looked at now, whoever asks by a message of such a length: were only those refused
    /// for whom there is no room, the others would be known to be accounts.
    package func isNobodyAsked(_ length: Int, _ bench: borrowing Bench) -> Bool {
        accounts.areUnavailable || accounts.isFull || questions.count >= Capacity.questions
            || parkedCount >= Capacity.parked || !bench.blocks.hasRoom(length)
    }

    // MARK: Names

    /// The account of a name; nil when it was not heard of.
    package func find(_ name: Span<UInt8>) -> AccountID? { accounts.find(name) }

    /// The account of a name, which takes a place now if need be; nil when there is no room.
    package mutating func account(of name: Span<UInt8>, _ bench: inout Bench) -> AccountID? {
        if let account = accounts.account(of: name) { return account }
        if name.count <= Accounts.longestName { bench.shortages.count(.names) }
        return nil
    }

    /// A row of another owner's table is an account's: it stays until that is given back.
    package mutating func retain(_ account: AccountID) { accounts.retain(account) }

    /// A row of another owner's table is an account's no more.
    package mutating func release(_ account: AccountID) {
        if accounts.release(account) { foreignHA1[account] = nil }
    }

    /// Something is remembered of an account by its place, for good.
    package mutating func pin(_ account: AccountID) { accounts.pin(account) }

    /// Forgets an account that nothing is known of: a name that was only tried.
    package mutating func forgetIfIdle(_ account: AccountID) {
        // Another name may get its place, and none of its hashes.
        if accounts.forgetIfIdle(account) { foreignHA1[account] = nil }
    }

    // MARK: Asking directory

    /// Asks directory about an account; with too many questions under way the account counts as one that
    /// the database could not be asked for.
    package mutating func ask(_ account: AccountID, _ bench: inout Bench) {
        let isAsked = lookUp(account, realm: bench.settings.realm, &bench)
        guard accounts.state(account) != .found else { return }
        accounts.setState(account, isAsked ? .asked : .unavailable)
    }

    /// Asks for an account's HA1s for a realm, unless that is under way; false when it cannot be asked now.
    @discardableResult
    private mutating func lookUp(
        _ account: AccountID, realm: [UInt8], _ bench: inout Bench
    ) -> Bool {
        if questions.values.contains(where: { $0.account == account && $0.realm == realm }) {
            return true
        }
        guard questions.count < Capacity.questions else {
            bench.shortages.count(.questions)
            return false
        }
        let isForeign = realm != bench.settings.realm
        if isForeign { retain(account) }
        lastQuestion &+= 1
        questions[lastQuestion] = Question(account: account, realm: realm, isForeign: isForeign)
        bench.effects.toDirectory.append(
            .lookUp(
                id: lastQuestion, account: accounts.name(account).text,
                realm: String(decoding: realm, as: UTF8.self)))
        return true
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func relink(_ bench: inout Bench) {
        let asked = questions
        questions = [:]
        for question in asked.values {
            lookUp(question.account, realm: question.realm, &bench)
            if question.isForeign { release(question.account) }
        }
    }

    /// Takes over what directory says; nil when that was not asked, or is of no use.
    package mutating func receive(
        _ id: UInt32, _ answer: AccountAnswer, _ bench: borrowing Bench
    ) -> AccountNews? {
        guard let question = questions.removeValue(forKey: id) else { return nil }
        defer { if question.isForeign { release(question.account) } }
        guard question.realm == bench.settings.realm else {
            guard case .found(let found) = answer else { return nil }
            for algorithm in [DigestAlgorithm.md5, .sha256] {
                let key = ForeignRealm(realm: question.realm, algorithm: algorithm.rawValue)
                foreignHA1[question.account, default: [:]][key] = HashValue(
                    algorithm == .md5 ? found.ha1MD5 : found.ha1SHA256)
            }
            return AccountNews(account: question.account, isOurRealm: false, waiting: [])
        }
        accounts.receive(answer, for: question.account, bench.now.monotonic)
        let waiting = parked.removeValue(forKey: question.account) ?? []
        parkedCount -= waiting.count
        return AccountNews(account: question.account, isOurRealm: true, waiting: waiting)
    }

    /// The database has changed: everything answered before now is stale.
    package mutating func forgetAnswers() {
        accounts.forgetAnswers()
        foreignHA1 = [:]
    }

    /// Stores HA1s by SHA-256 from now on; whether that is new, so that directory has to be asked again.
    @discardableResult
    package mutating func useSHA256() -> Bool {
        guard !accounts.keepsSHA256 else { return false }
        accounts.keepsSHA256 = true
        accounts.forgetAnswers()
        return true
    }

    /// HA1 of an account for a realm: nil when directory has been asked for it, empty when there is none.
    package mutating func ha1(
        _ account: AccountID, _ realm: [UInt8], _ algorithm: DigestAlgorithm, _ bench: inout Bench
    ) -> HashValue? {
        if realm == bench.settings.realm {
            if algorithm == .sha256, useSHA256() {
                lookUp(account, realm: realm, &bench)
                return nil
            }
            return accounts.ha1(account, algorithm)
        }
        let key = ForeignRealm(realm: realm, algorithm: algorithm.rawValue)
        if let known = foreignHA1[account]?[key] { return known }
        guard realm.count <= Self.longestRealm else { return HashValue() }
        lookUp(account, realm: realm, &bench)
        return nil
    }

    // MARK: Waiting

    /// Parks a request until directory has answered about an account.
    package mutating func park(
        _ message: borrowing Incoming, _ account: AccountID, _ step: ParkedStep,
        _ bench: inout Bench
    ) -> Parking {
        let waiting = parked[account] ?? []
        // A retransmission is the same in every byte; it must not count twice when it turns out wrong.
        for other in waiting where other.flow == message.flow {
            if bench.blocks.span(other.block).equals(message.bytes) { return .waits }
        }
        guard parkedCount < Capacity.parked else {
            bench.shortages.count(.parked)
            return .noRoom
        }
        guard waiting.count < Capacity.parkedOfAccount else { return .tooMany }
        let block = bench.blocks.store(message.bytes)
        guard block.exists else { return .noRoom }
        var sender = message.sender
        sender.waits += 1
        parked[account, default: []].append(
            ParkedRequest(
                block: block, flow: message.flow, moment: message.moment, number: message.number,
                sender: sender, step: step))
        parkedCount += 1
        return .waits
    }
}
