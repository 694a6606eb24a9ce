package import Digest
package import Messages
package import ProxyBench
internal import SIP
package import Sys

/// What directory has said of an account.
package struct AccountNews: Sendable {
    /// The account.
    package let account: AccountID
    /// Whether it is about our own realm; else its hashes for an Asterisk's have come.
    package let isOurRealm: Bool
    /// The requests that have waited for it, in their order.
    package let waiting: [ParkedRequest]
    /// What it means for what the row before has let in.
    package let verdict: RowVerdict
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
        /// Whether it is for an Asterisk's realm.
        var isForeign: Bool
        /// Whether the source itself is to answer.
        var asksSource: Bool
        /// When it was asked.
        var moment: Milliseconds
    }

    private var accounts: Accounts
    private var questions: [UInt32: Question] = [:]
    private var lastQuestion: UInt32 = 0
    /// HA1s for realms of Asterisks that are not ours.
    private var foreignHA1: [AccountID: [ForeignRealm: HashValue]] = [:]
    private var parked = ParkedRequests()
    /// Whether directory could not ask the source when it last tried, or left a question for too long.
    ///
    /// What is right by a known row need not wait then. No wrong password is judged by it, for it is learnt from others'
    /// questions.
    package private(set) var areUnavailable = false

    /// No accounts.
    package init() { accounts = Accounts(capacity: Capacity.accounts) }

    /// How many questions to directory are under way.
    package var questionCount: Int { questions.count }

    /// How many requests wait.
    package var parkedCount: Int { parked.count }

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

    /// The mark of an account's secret; 0 without one.
    package func secret(_ account: AccountID) -> UInt32 { accounts.secret(account) }

    /// Whether an account's row serves at once: its source has confirmed it within a minute.
    package func isConfirmed(_ account: AccountID, _ now: Milliseconds) -> Bool {
        accounts.isConfirmed(account, now)
    }

    /// How long after a request came the source may answer about its names for a refusal to stand: as long as directory
    /// waits for it, however many questions one after the other that took.
    package static let sourcePatience = Milliseconds(150)

    /// Whether the source itself has answered about an account since a moment.
    package func isHeard(_ account: AccountID, since moment: Milliseconds) -> Bool {
        accounts.isHeard(account, since: moment)
    }

    /// Whether an account was there less than ten minutes ago, and is gone.
    package func isMourned(_ account: AccountID, _ now: Milliseconds) -> Bool {
        accounts.isMourned(account, now)
    }

    /// Whether an account's row lets an address in: it is not gone, and its access list does.
    package func admits(_ account: AccountID, _ ip: IPAddress) -> Bool {
        accounts.admits(account, ip)
    }

    /// Whether a call of an account may go on whose phone is at an address: nothing has shut it out, or not for a
    /// minute, and directory has not said that it ends.
    package func mayGoOn(_ account: AccountID, at ip: IPAddress, _ now: Milliseconds) -> Bool {
        accounts.mayGoOn(account, at: ip, now)
    }

    /// Something is let in by a row that its source has not confirmed for a minute.
    package mutating func serveUnconfirmed(_ account: AccountID) {
        accounts.serveUnconfirmed(account)
    }

    /// Directory has said that what an account has ends.
    package mutating func revoke(_ account: AccountID) { accounts.revoke(account) }

    /// Whether passwords cannot be looked at now, whoever asks by a message of such a length: were only those refused
    /// for whom there is no room, the others would be known to be accounts.
    package func isNobodyAsked(_ length: Int, _ bench: borrowing Bench) -> Bool {
        accounts.isFull || questions.count >= Capacity.questions
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

    /// Forgets an account that nothing is known of: a name that was only tried, or one that has been gone for long.
    package mutating func forgetIfIdle(_ account: AccountID, _ now: Milliseconds) {
        accounts.forgetGone(account, now)
        // Another name may get its place, and none of its hashes.
        if accounts.forgetIfIdle(account) { foreignHA1[account] = nil }
    }

    // MARK: Asking directory

    /// Asks directory about an account, unless it is being asked; false when it cannot be.
    ///
    /// With `asksSource` the source itself is asked, however young what directory knows is. With too many questions under
    /// way the account counts as one that the source could not be asked for.
    @discardableResult
    package mutating func ask(
        _ account: AccountID, asksSource: Bool = false, _ bench: inout Bench
    ) -> Bool {
        accounts.expire(account, after: bench.settings.stale, bench.now.monotonic)
        let isUnderWay =
            accounts.question(account) != 0 && (!asksSource || accounts.asksSource(account))
        let isAsked =
            isUnderWay
            || lookUp(account, realm: bench.settings.realm, asksSource: asksSource, &bench) != nil
        accounts.asked(account, isAsked)
        return isAsked
    }

    /// Asks for an account's HA1s for a realm; the question's number, or nil when it cannot be asked now.
    @discardableResult
    private mutating func lookUp(
        _ account: AccountID, realm: [UInt8], asksSource: Bool = false, _ bench: inout Bench
    ) -> UInt32? {
        guard questions.count < Capacity.questions else {
            bench.shortages.count(.questions)
            return nil
        }
        let isForeign = realm != bench.settings.realm
        // 0 is none.
        lastQuestion = max(lastQuestion &+ 1, 1)
        // The answer is told apart by the account's place.
        retain(account)
        if !isForeign { accounts.setQuestion(account, lastQuestion, asksSource: asksSource) }
        questions[lastQuestion] = Question(
            account: account, realm: realm, isForeign: isForeign, asksSource: asksSource,
            moment: bench.now.monotonic)
        bench.effects.toDirectory.append(
            .lookUp(
                id: lastQuestion, account: accounts.name(account).text,
                realm: String(decoding: realm, as: UTF8.self), asksSource: asksSource))
        return lastQuestion
    }

    /// Asks for an account's HA1s for an Asterisk's realm, unless that is under way.
    private mutating func askForeign(
        _ account: AccountID, _ realm: [UInt8], _ bench: inout Bench
    ) {
        let isAsked = questions.values.contains { $0.account == account && $0.realm == realm }
        if !isAsked { lookUp(account, realm: realm, &bench) }
    }

    /// A new link to directory stands: what was asked over the old one is asked again.
    package mutating func relink(_ bench: inout Bench) {
        let asked = questions
        questions = [:]
        for (id, question) in asked {
            // One that the source itself is to answer has taken the place of another one about its account.
            if question.isForeign || accounts.question(question.account) == id {
                lookUp(
                    question.account, realm: question.realm, asksSource: question.asksSource,
                    &bench)
            }
            release(question.account)
        }
    }

    /// Takes over what directory says, which the source has confirmed so long ago; nil when that was not asked, or is of
    /// no use.
    package mutating func receive(
        _ id: UInt32, _ answer: AccountAnswer, age: Milliseconds, _ bench: borrowing Bench
    ) -> AccountNews? {
        guard let question = questions.removeValue(forKey: id) else { return nil }
        defer {
            // What follows from an answer for our own realm has the account still, and forgets it then.
            if question.isForeign {
                release(question.account)
            } else {
                accounts.giveBack(question.account)
            }
        }
        let now = bench.now.monotonic
        if !question.isForeign, accounts.question(question.account) == id {
            accounts.setQuestion(question.account, 0, asksSource: false)
        }
        let isHeard = age == Milliseconds(0)
        if answer == .unavailable || age > Accounts.freshness || question.asksSource && !isHeard {
            areUnavailable = true
        } else if age <= Self.prompt, now - question.moment <= ParkedRequests.patience {
            areUnavailable = false
        }
        if isHeard, !question.isForeign, answer != .unavailable {
            accounts.heard(question.account, now)
        }
        return take(answer, of: question.account, question.realm, age: age, bench)
    }

    /// How long ago the source may have confirmed a row that is told of when directory has just asked it.
    private static let prompt = Milliseconds.seconds(1)

    /// Takes over what directory says unasked; nil when the account was not heard of, or it is of no use.
    package mutating func update(
        _ name: Span<UInt8>, realm: [UInt8], _ answer: AccountAnswer, _ bench: borrowing Bench
    ) -> AccountNews? {
        guard let account = accounts.find(name) else { return nil }
        return take(answer, of: account, realm, age: Milliseconds(0), bench)
    }

    private mutating func take(
        _ answer: AccountAnswer, of account: AccountID, _ realm: [UInt8], age: Milliseconds,
        _ bench: borrowing Bench
    ) -> AccountNews? {
        let now = bench.now.monotonic
        guard realm == bench.settings.realm else {
            guard case .found(let found) = answer else { return nil }
            for algorithm in [DigestAlgorithm.md5, .sha256] {
                let key = ForeignRealm(realm: realm, algorithm: algorithm.rawValue)
                foreignHA1[account, default: [:]][key] = HashValue(
                    algorithm == .md5 ? found.ha1MD5 : found.ha1SHA256)
            }
            return AccountNews(account: account, isOurRealm: false, waiting: [], verdict: .nothing)
        }
        let secret = accounts.secret(account)
        let verdict = accounts.receive(answer, for: account, age: age, now)
        // Another secret has other hashes for every realm.
        if secret != 0, accounts.secret(account) != secret { foreignHA1[account] = nil }
        return AccountNews(
            account: account, isOurRealm: true, waiting: parked.take(account), verdict: verdict)
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
                ask(account, &bench)
                return nil
            }
            return accounts.ha1(account, algorithm)
        }
        let key = ForeignRealm(realm: realm, algorithm: algorithm.rawValue)
        if let known = foreignHA1[account]?[key] { return known }
        guard realm.count <= Bounds.longestRealm else { return HashValue() }
        askForeign(account, realm, &bench)
        return nil
    }

    // MARK: Waiting

    /// Whether a request that came at a moment may wait for what directory says of an account: it is being asked, and
    /// the request has not waited for 200 ms.
    package func mayWait(
        _ account: AccountID, since moment: Milliseconds, _ now: Milliseconds
    ) -> Bool {
        accounts.question(account) != 0 && now - moment < ParkedRequests.patience
    }

    /// Parks a request until directory has answered about an account, or for 200 ms.
    ///
    /// Its names, of which the other one may be known meanwhile, stay until it is given back by `leave`.
    package mutating func park(
        _ message: borrowing Incoming, _ account: AccountID, beside other: AccountID? = nil,
        _ step: ParkedStep, _ bench: inout Bench
    ) -> Parking {
        let before = parked.count
        let parking = parked.park(message, account, beside: other, step, &bench)
        if parked.count > before {
            retain(account)
            if let other { retain(other) }
        }
        return parking
    }

    /// A request that has waited is decided about, or waits anew: its names need not stay for it.
    package mutating func leave(_ request: ParkedRequest) {
        release(request.account)
        if let other = request.other { release(other) }
    }

    /// The requests that have waited for long enough: directory was asked too late for them.
    package mutating func takeOverdue(_ bench: inout Bench) -> [ParkedRequest] {
        let overdue = parked.takeOverdue(&bench)
        if !overdue.isEmpty { areUnavailable = true }
        return overdue
    }
}
