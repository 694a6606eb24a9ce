import AccountCache
import Authentication
import BenchHarness
import Digest
import Messages
import ProxyBench
import Reactor
import SIP
import SIPWriting
import Sys

import func RouterHarness.between
import func RouterHarness.bytes
import func RouterHarness.hashed
import func RouterHarness.wire

/// What a check says, to be compared.
enum Outcome: Equatable {
    case pass, later, other
    case challenge(Challenge)
    case refuse(Refusal)

    init<Pass>(_ verdict: Verdict<Pass>) {
        self =
            switch verdict {
            case .pass: .pass
            case .later: .later
            case .challenge(let challenge): .challenge(challenge)
            case .refuse(let refusal): .refuse(refusal)
            default: .other
            }
    }
}

/// Credentials as a phone writes them.
struct Credentials {
    var nonce = ""
    var method = "REGISTER"
    /// The Request-URI, and the `uri` of the digest unless that is another.
    var target = "sip:example.com"
    var uri: String?
    var realm = AuthenticationBench.realm
    var user = "alice"
    var password = "wonder"
    var algorithm = DigestAlgorithm.md5
    var count = "00000001"
    /// What stands behind the parts that every phone writes.
    var rest = ",cnonce=\"c0\",qop=auth"
    /// What tells the message from others.
    var sequence = 1

    /// The request that has them.
    var request: [UInt8] {
        let uri = uri ?? target
        let proof = hashed(
            algorithm, hashed(algorithm, user, realm, password), nonce, count, "c0", "auth",
            hashed(algorithm, method, uri))
        let name = method == "REGISTER" ? "Authorization" : "Proxy-Authorization"
        let line =
            "\(name): Digest username=\"\(user)\",realm=\"\(realm)\",nonce=\"\(nonce)\","
            + "uri=\"\(uri)\",response=\"\(proof)\",algorithm=\(algorithm.name),nc=\(count)\(rest)"
        return AuthenticationBench.request(method, target, sequence, [line])
    }
}

/// Authentication with what it is lent, and nothing above it.
final class AuthenticationBench {
    static let realm = "edge.example"
    /// A phone's way by UDP.
    static let phone = Flow(.udp, listener: 0, peer: address("192.0.2.66:5060"))
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("203.0.113.5:5060"))),
        Listener(index: 2, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
    ]

    private var bench: Bench
    private var accounts = AccountCache()
    private var authentication: Authentication
    /// What is known of the sender of the last message.
    private(set) var sender = Sender()

    init(_ algorithms: [OfferedAlgorithm] = [.md5]) {
        bench = Bench(
            [.realm(Self.realm)] + algorithms.map { .algorithm($0) }, Self.listeners)
        authentication = Authentication(key: key(32), life: 1, now: bench.now)
    }

    /// Another process takes the place of this one, with the same key.
    func restart() { authentication = Authentication(key: key(32), life: 2, now: bench.now) }

    /// A request without credentials, but for these lines.
    static func request(
        _ method: String, _ target: String, _ sequence: Int = 1, _ lines: [String] = []
    ) -> [UInt8] {
        wire(
            [
                "\(method) \(target) SIP/2.0",
                "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK\(sequence)", "Max-Forwards: 70",
                "From: <sip:alice@example.com>;tag=1", "To: <sip:alice@example.com>",
                "Call-ID: authentication", "CSeq: \(sequence) \(method)",
            ] + lines)
    }

    // MARK: Time

    /// Lets time pass, in steps that a timer is never late by.
    func advance(_ span: Milliseconds) {
        for _ in 0..<span.count { advance() }
    }

    private func advance() {
        bench.pass(Milliseconds(1))
        while let payload = bench.timers.next(bench.now.monotonic) {
            if TimerKind(rawValue: UInt8(payload >> 56)) == .delayed {
                authentication.sendDelayed(&bench)
            }
        }
    }

    /// Lets much time pass, in which nothing is due.
    func leap(_ span: Milliseconds) { bench.pass(span) }

    // MARK: Challenges

    /// The lines of a challenge to a flow.
    func challenge(
        _ flow: Flow = AuthenticationBench.phone, isRegister: Bool = true, isStale: Bool = false,
        isCompact: Bool = false
    ) -> [String] {
        bench.writer.begin(status: 401, "Unauthorized", isCompact: isCompact, to: flow.peer.ip)
        let before = bench.writer.buffer.count
        authentication.writeChallenge(flow, isRegister: isRegister, isStale: isStale, &bench)
        written = bench.writer.buffer.count - before
        return text(bench.writer.buffer).split(separator: "\r\n").dropFirst().map(String.init)
    }

    /// How many bytes the lines of the last challenge had.
    private(set) var written = 0

    /// How many bytes the lines of a challenge are said to have.
    func length(isRegister: Bool, isStale: Bool) -> Int {
        Authentication.challengeLength(isRegister: isRegister, isStale: isStale, bench)
    }

    /// A nonce for a flow.
    func nonce(_ flow: Flow = AuthenticationBench.phone) -> String {
        between(challenge(flow)[0], "nonce=\"", "\"")
    }

    // MARK: Credentials

    /// What is said of a request's credentials.
    @discardableResult
    func check(_ request: [UInt8], _ flow: Flow = AuthenticationBench.phone) -> Outcome {
        var message = bench.incoming(request.span, flow)
        message.sender.proof = .none
        message.sender.replyLimit = request.count
        let verdict = authentication.credentials(of: &message, bench)
        sender = message.sender
        return Outcome(verdict)
    }

    /// Whether a request proves that it is of alice.
    func prove(_ request: [UInt8], _ flow: Flow = AuthenticationBench.phone) -> Outcome {
        var message = bench.incoming(request.span, flow)
        return prove(&message)
    }

    private func prove(_ message: inout Incoming) -> Outcome {
        guard case .pass(let header) = authentication.credentials(of: &message, bench) else {
            preconditionFailure("no credentials of ours")
        }
        let name = message.accountName
        guard let account = accounts.account(of: name.span, &bench) else {
            preconditionFailure("no room for an account")
        }
        let candidates = Candidates(party: account)
        let verdict = authentication.prove(header, message, candidates, &accounts, &bench)
        guard case .refuse(let refusal) = verdict else { return Outcome(verdict) }
        let isLeftOpen =
            message.isResumed
            && candidates.isAnyLeftOpen(
                since: message.moment, accounts, bench.now.monotonic)
        if !message.sender.isSourceAsked, !isLeftOpen {
            message.sender.isSourceAsked = true
            candidates.askSource(since: message.moment, &accounts, &bench)
        }
        let reason = authentication.awaitSource(
            refusal, message, candidates, &accounts, &bench)
        guard let reason else { return .later }
        candidates.forgetIdle(&accounts, bench.now.monotonic)
        return .refuse(reason)
    }

    // MARK: directory

    /// What directory has of alice, by her password.
    static func alice(
        _ password: String = "wonder", realm: String = AuthenticationBench.realm,
        authUser: String = "alice", access: AccessList = AccessList()
    ) -> AccountAnswer {
        .found(
            Account(
                ha1MD5: bytes(hex: hashed(.md5, authUser, realm, password)),
                ha1SHA256: bytes(hex: hashed(.sha256, authUser, realm, password)),
                authUser: authUser, aor: "alice", mayRegister: true, access: access))
    }

    /// The account of alice, of which directory has told so.
    @discardableResult
    func know(_ answer: AccountAnswer) -> AccountID {
        guard let account = accounts.account(of: Array("alice".utf8).span, &bench) else {
            preconditionFailure("no room for an account")
        }
        accounts.ask(account, &bench)
        tell(answer)
        leap(Milliseconds(1))
        return account
    }

    /// directory answers all that it was asked; what comes of the requests that have waited for it.
    @discardableResult
    func tell(_ answer: AccountAnswer, age: Milliseconds = Milliseconds(0)) -> [Outcome] {
        var outcomes: [Outcome] = []
        for question in bench.effects.toDirectory.takeAll() {
            guard case .lookUp(let id, _, _, _) = question,
                let news = accounts.receive(id, answer, age: age, bench)
            else { continue }
            for request in news.waiting {
                outcomes.append(resume(request))
                accounts.leave(request)
            }
        }
        return outcomes
    }

    private func resume(_ request: ParkedRequest) -> Outcome {
        var block = request.block
        let bytes = [UInt8](copying: bench.blocks.span(block))
        bench.blocks.release(&block)
        var message = bench.incoming(bytes.span, request.flow, isResumed: true)
        message.sender = request.sender
        return prove(&message)
    }

    /// Whether the cache has heard of alice.
    var knowsAlice: Bool { accounts.find(Array("alice".utf8).span) != nil }

    // MARK: Delayed answers

    /// Delays an answer of a status to a message of a number that came a span ago.
    func delay(_ number: UInt64, _ status: UInt16, ago: Milliseconds = Milliseconds(0)) {
        let bytes = Self.request("REGISTER", "sip:example.com")
        let message = Incoming(
            bytes.span, Self.phone, moment: bench.now.monotonic - ago, number: number)
        bench.writer.begin(status: status, "Something", to: Self.phone.peer.ip)
        bench.writer.endEmpty()
        authentication.delay(message, &bench)
    }

    /// The statuses of the answers that left since the last look.
    func takeAnswers() -> [String] {
        bench.effects.outbox.takeAll().map {
            String(decoding: $0.bytes[8..<11], as: UTF8.self)
        }
    }

    /// How many answers wait.
    var delayedCount: Int { authentication.delayedCount }

    // MARK: Asterisks

    /// What is said to an Asterisk's challenge of an INVITE in the name of an account; nil while directory is asked,
    /// empty when nothing can be said.
    func answer(
        _ status: Int, _ challenges: [String], _ account: AccountID, uri: String
    ) -> String? {
        let name = status == 401 ? "WWW-Authenticate" : "Proxy-Authenticate"
        let response = wire(
            [
                "SIP/2.0 \(status) Something", "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
                "From: <sip:alice@10.0.0.1>;tag=1", "To: <sip:100@10.0.0.10>;tag=2", "Call-ID: c",
                "CSeq: 1 INVITE",
            ] + challenges.map { "\(name): Digest \($0)" })
        let flow = Flow(.udp, listener: 2, peer: address("10.0.0.10:5060"))
        let message = bench.incoming(response.span, flow)
        let outcome = authentication.answerChallenge(
            message.bytes, message.index, account, "INVITE", Array(uri.utf8), &accounts, &bench)
        return switch outcome {
        case .answer(let answer): String(decoding: answer.header, as: UTF8.self)
        case .asked: nil
        case .impossible: ""
        }
    }
}

private func text(_ buffer: borrowing ByteBuffer) -> String { buffer.span.text }
