import AccountCache
import BenchHarness
import Digest
import Messages
import ProxyBench
import SIP
import Sys

/// The cache of accounts with the tools that it is lent, and nothing above it.
final class CacheBench {
    static let realm = "edge.example"
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060")))
    ]

    /// A question that directory was asked.
    struct Question: Equatable {
        let id: UInt32
        let account: String
        let realm: String
        var asksSource = false
    }

    /// A request that has waited, as it is given back.
    struct Waiting: Equatable {
        let text: String
        let flow: Flow
        let moment: Milliseconds
        let number: UInt64
        let step: ParkedStep
        let isRepetition: Bool
    }

    private var bench: Bench
    private var cache = AccountCache()

    init() { bench = Bench([.realm(Self.realm)], Self.listeners) }

    func advance(_ span: Milliseconds) { bench.pass(span) }

    // MARK: Names

    func account(_ name: String) -> AccountID? {
        cache.account(of: Array(name.utf8).span, &bench)
    }

    /// The account of a name, for which there is room.
    func taken(_ name: String) -> AccountID {
        guard let account = account(name) else { preconditionFailure("no room for an account") }
        return account
    }

    func knows(_ name: String) -> Bool { cache.find(Array(name.utf8).span) != nil }

    func state(_ account: AccountID) -> AccountState { cache.state(account) }

    /// Whether a row serves at once.
    func isConfirmed(_ account: AccountID) -> Bool {
        cache.isConfirmed(account, bench.now.monotonic)
    }

    /// The name, the digest user name, and the user part of To at Asterisk.
    func texts(_ account: AccountID) -> [String] {
        [name(cache, account), authUser(cache, account), aor(cache, account)]
    }

    /// The first byte of an account's HA1 for our realm; nil when there is none.
    func ha1(_ account: AccountID, _ algorithm: DigestAlgorithm) -> UInt8? {
        let value = cache.ha1(account, algorithm)
        return value.length > 0 ? value.bytes[0] : nil
    }

    func retain(_ account: AccountID) { cache.retain(account) }
    func release(_ account: AccountID) { cache.release(account) }
    func pin(_ account: AccountID) { cache.pin(account) }
    func forgetIfIdle(_ account: AccountID) { cache.forgetIfIdle(account, bench.now.monotonic) }
    func useSHA256() -> Bool { cache.useSHA256() }

    // MARK: directory

    func ask(_ account: AccountID, asksSource: Bool = false) {
        cache.ask(account, asksSource: asksSource, &bench)
    }

    func isHeard(_ account: AccountID, since moment: Milliseconds) -> Bool {
        cache.isHeard(account, since: moment)
    }

    var now: Milliseconds { bench.now.monotonic }

    func relink() { cache.relink(&bench) }

    /// What directory was asked since the last look.
    func takeQuestions() -> [Question] {
        bench.effects.toDirectory.takeAll().map { message in
            guard case .lookUp(let id, let account, let realm, let asksSource) = message else {
                preconditionFailure("directory was asked something else")
            }
            return Question(id: id, account: account, realm: realm, asksSource: asksSource)
        }
    }

    /// An account whose HA1s are made of one byte.
    static func found(_ byte: UInt8, authUser: String = "", aor: String = "") -> AccountAnswer {
        .found(
            Account(
                ha1MD5: [UInt8](repeating: byte, count: 16),
                ha1SHA256: [UInt8](repeating: byte, count: 32), authUser: authUser, aor: aor,
                mayRegister: true))
    }

    /// directory answers a question; whether that is of use.
    @discardableResult
    func tell(
        _ id: UInt32, _ answer: AccountAnswer, age: Milliseconds = Milliseconds(0)
    ) -> AccountNews? {
        cache.receive(id, answer, age: age, bench)
    }

    /// directory says unasked what has become of an account.
    @discardableResult
    func update(
        _ name: String, _ answer: AccountAnswer, realm: String = CacheBench.realm
    ) -> AccountNews? {
        cache.update(Array(name.utf8).span, realm: Array(realm.utf8), answer, bench)
    }

    /// Something is let in by a row as it is.
    func serveUnconfirmed(_ account: AccountID) { cache.serveUnconfirmed(account) }

    /// Whether an account is gone, and counts against nobody.
    func isMourned(_ account: AccountID) -> Bool { cache.isMourned(account, bench.now.monotonic) }

    /// directory answers all that it was asked.
    func tell(_ answer: AccountAnswer) {
        for question in takeQuestions() { tell(question.id, answer) }
    }

    /// An account of which directory has told so.
    func known(_ name: String, _ answer: AccountAnswer) -> AccountID {
        let account = taken(name)
        ask(account)
        tell(answer)
        return account
    }

    /// What is said of an account's HA1 for a realm.
    enum Foreign: Equatable {
        case asked, none
        case hash(UInt8)
    }

    func ha1(_ account: AccountID, realm: String, _ algorithm: DigestAlgorithm = .md5) -> Foreign {
        guard let value = cache.ha1(account, Array(realm.utf8), algorithm, &bench) else {
            return .asked
        }
        return value.length > 0 ? .hash(value.bytes[0]) : .none
    }

    /// Whether passwords cannot be looked at now.
    var isNobodyAsked: Bool { cache.isNobodyAsked(500, bench) }
    var areUnavailable: Bool { cache.areUnavailable }
    var questionCount: Int { cache.questionCount }
    var parkedCount: Int { cache.parkedCount }

    // MARK: Waiting

    /// Parks a message of a phone's.
    @discardableResult
    func park(
        _ text: String, _ account: AccountID, port: UInt16 = 5060, number: UInt64 = 1,
        _ step: ParkedStep = .credentials, isRepetition: Bool = false
    ) -> Parking {
        let bytes = Array(text.utf8)
        let flow = Flow(
            .udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0xC000_0242), port: port))
        var message = Incoming(
            bytes.span, flow, moment: bench.now.monotonic, number: number)
        message.sender.isRepetition = isRepetition
        return cache.park(message, account, step, &bench)
    }

    /// The requests that an answer gives back, whose room is given back too.
    func takeWaiting(_ news: AccountNews) -> [Waiting] {
        news.waiting.map { request in
            var block = request.block
            defer { bench.blocks.release(&block) }
            return Waiting(
                text: stored(bench.blocks, block), flow: request.flow, moment: request.moment,
                number: request.number, step: request.step,
                isRepetition: request.sender.isRepetition)
        }
    }
}

private func name(_ cache: borrowing AccountCache, _ account: AccountID) -> String {
    cache.name(account).text
}

private func authUser(_ cache: borrowing AccountCache, _ account: AccountID) -> String {
    cache.authUser(account).text
}

private func aor(_ cache: borrowing AccountCache, _ account: AccountID) -> String {
    cache.aor(account).text
}

private func stored(_ blocks: borrowing BlockStore, _ block: Block) -> String {
    blocks.span(block).text
}
