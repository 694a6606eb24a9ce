import AccountCache
import AsteriskPool
import Authentication
import BenchHarness
import Connections
import Messages
import ProxyBench
import Reactor
import SIP
import SIPTransactions
import Sys
import Transactions

/// A pool of Asterisks with what it is lent, and nothing above it.
final class PoolBench {
    /// A request that left.
    struct Sent {
        /// The Asterisk that it went to.
        let to: SocketAddress
        /// The number of the listener that it left by.
        let listener: UInt8
        /// Its lines.
        let lines: [String]

        /// The value of a header; empty when there is none.
        subscript(name: String) -> String {
            lines.first { $0.hasPrefix("\(name): ") }.map { String($0.dropFirst(name.count + 2)) }
                ?? ""
        }

        /// Whether it is of a method.
        func isA(_ method: String) -> Bool { lines[0].hasPrefix("\(method) ") }

        /// Whether it is a REGISTER that asks which contacts there are.
        var isQuestion: Bool { isA("REGISTER") && self["Contact"].isEmpty }
    }

    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
        Listener(index: 2, side: .inside, endpoint: Endpoint(.udp, address("10.1.0.1:5060"))),
        Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("[2001:db8::1]:5060"))),
    ]

    private var bench: Bench
    private var accounts = AccountCache()
    private var authentication: Authentication
    private var transactions = ClientTransactions()
    private var connections = Connections()
    private var pool = AsteriskPool()
    /// The Asterisks that answer what they are asked, but no REGISTER.
    var answering: Set<SocketAddress> = []
    /// The registrar of those that have one, which holds the names of the accounts that are registered.
    var registrars: [SocketAddress: Set<String>] = [:]
    /// What left and was not looked at yet, but for probes that were answered.
    private var sent: [Sent] = []

    init(_ asterisks: [String]) {
        let now = Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000))
        bench = Bench(
            RouterSettings([.domain("example.com")]), Self.listeners, key: key(32),
            seed: key(32), timers: 10_000, now: now)
        authentication = Authentication(key: key(32), life: 1, now: now)
        adopt(asterisks)
        probe()
        askForContacts()
    }

    /// Asterisks that all answer what they are asked, and are known to.
    convenience init(up asterisks: [String]) {
        self.init(asterisks)
        answering = Set(asterisks.map(address))
        advance(.seconds(3))
        _ = takeSentences()
    }

    // MARK: Accounts

    /// The account of a name, of which directory has not been asked.
    func account(_ name: String) -> AccountID {
        guard let account = accounts.account(of: Array(name.utf8).span, &bench) else {
            preconditionFailure("no room for an account")
        }
        return account
    }

    /// An account that directory knows, with a binding.
    func bound(_ name: String) -> AccountID {
        let account = account(name)
        accounts.ask(account, &bench)
        found(account)
        appear(account)
        return account
    }

    /// Whether the cache has heard of a name.
    func knows(_ name: String) -> Bool { accounts.find(Array(name.utf8).span) != nil }

    /// How many questions to directory were asked since the last look.
    func takeQuestions() -> Int {
        bench.effects.toDirectory.takeAll().count
    }

    /// directory answers what it was last asked: the account is one.
    func found(_ account: AccountID) {
        let found = Account(
            ha1MD5: key(16), ha1SHA256: [], authUser: "auth-user", aor: "the-aor",
            mayRegister: true)
        for id in lastQuestions() {
            _ = accounts.receive(id, .found(found), age: Milliseconds(0), bench)
        }
        pool.refresh(account, &bench)
    }

    private func lastQuestions() -> [UInt32] {
        bench.effects.toDirectory.takeAll().map { question in
            guard case .lookUp(let id, _, _, _) = question else {
                preconditionFailure("directory was asked something else")
            }
            return id
        }
    }

    func appear(_ account: AccountID) { pool.appear(account, &accounts, &bench) }

    func leave(_ account: AccountID) { pool.leave(account, &bench) }

    /// An account has a new phone.
    func renew(_ account: AccountID) { pool.renew(account, &bench) }

    // MARK: Asterisks

    /// An Asterisk calls an account.
    func calls(_ account: AccountID) { pool.calls(account, bench) }

    /// An Asterisk says that it has no way to an account.
    func cannotCall(_ account: AccountID, at asterisk: String) {
        pool.cannotCall(account, at: address(asterisk), bench)
    }

    /// Other Asterisks are in the settings from now on.
    func adopt(_ asterisks: [String]) {
        pool.adopt(
            asterisks.map(address), &accounts, &transactions, &connections, &bench)
    }

    /// The supervisor tells by which listeners Asterisks are called.
    func follow(_ ways: [String: UInt8]) {
        let told = ways.map { AsteriskWay(to: address("\($0):5060").ip, by: $1) }
        for (asterisk, former) in bench.follow(told) {
            pool.moved(asterisk, from: former, accounts, &bench)
        }
    }

    /// The Asterisk that is next in turn.
    func choose(tried: UInt64 = 0) -> Int? {
        pool.choose(tried: tried, bench.now.monotonic)?.number
    }

    /// An INVITE has had no answer of an Asterisk.
    func missed(_ number: Int) { pool.missed(number, &bench) }

    /// An INVITE of an account, from an address, is not answered.
    func leftUnanswered(_ number: Int, _ account: Int32, _ source: String) {
        pool.leftUnanswered(
            number, .account(AccountID(account)), from: address("\(source):5060").ip, &bench)
    }

    /// What `rempart status` shows.
    var rows: [AsteriskRow] {
        pool.rows(bench.now).compactMap { if case .asterisk(let row) = $0 { row } else { nil } }
    }
    /// What `rempart explain` shows of an account.
    func rows(of account: AccountID) -> [UpstreamRow] {
        pool.rows(of: account, bench.now).compactMap {
            if case .upstream(let row) = $0 { row } else { nil }
        }
    }
    /// For how long the first Asterisk has stood as it does.
    var age: Milliseconds { bench.now.sinceEpoch - rows[0].since }
    var up: Int { pool.up.up }
    var conditions: [Condition] { pool.conditions }
    var registrationCount: Int { pool.registrationCount }
    /// How many requests are not over.
    var requestCount: Int { transactions.count }

    private func askForContacts() {
        pool.askForContacts(&accounts, &transactions, &connections, &bench)
        settle()
    }

    private func probe() {
        pool.probe(&accounts, &transactions, &connections, &bench)
        settle()
    }

    // MARK: Time

    /// Lets time pass.
    func advance(_ span: Milliseconds) {
        let end = bench.now.monotonic + span
        while bench.now.monotonic < end {
            bench.pass(Milliseconds(16))
            while let payload = bench.timers.next(bench.now.monotonic) { fire(payload) }
            settle()
        }
    }

    private func fire(_ payload: UInt64) {
        let handle = Handle(payload: payload)
        switch TimerKind(rawValue: UInt8(payload >> 56)) {
        case .probe: pool.probe(&accounts, &transactions, &connections, &bench)
        case .contacts: askForContacts()
        case .registration:
            pool.registrationDue(handle, &accounts, &transactions, &connections, &bench)
        case .clientRetransmit: happened(handle, .retransmit)
        case .clientEnd: happened(handle, .timeout)
        default: break
        }
    }

    private func happened(_ handle: Handle, _ event: ClientEvent) {
        let event = transactions.timer(handle, event, &accounts, &connections, &bench)
        guard case .failed = event, case .registration(let user) = transactions[handle].user
        else { return }
        pool.registrationFailed(user, handle, &accounts, &bench)
        transactions.end(handle, &accounts, &connections, &bench)
    }

    // MARK: Messages

    /// The requests of a method that left since the last look at them.
    func take(_ method: String) -> [Sent] {
        defer { sent.removeAll { $0.isA(method) } }
        return sent.filter { $0.isA(method) }
    }

    /// The same, which stay to be looked at.
    func look(_ method: String) -> [Sent] { sent.filter { $0.isA(method) } }

    /// An Asterisk answers a request of ours.
    func answer(_ request: Sent, _ status: Int, _ lines: [String] = []) {
        let names = ["Via", "From", "Call-ID", "CSeq"]
        let head =
            ["SIP/2.0 \(status) Something", "To: \(request["To"]);tag=a"]
            + names.map { "\($0): \(request[$0])" }
        let text = (head + lines + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
        let bytes = Array(text.utf8)
        var message = Incoming(
            bytes.span, Flow(.udp, listener: request.listener, peer: request.to),
            moment: bench.now.monotonic,
            number: 1)
        guard (try? bench.parser.parse(message.bytes, into: &message.index)) != nil,
            let handle = transactions.find(message)
        else { return }
        let event = transactions.receive(handle, message, isReadable: true, &bench)
        guard case .final = event else { return }
        switch transactions[handle].user {
        case .probe(let number):
            pool.probeAnswered(
                number, handle, &accounts, &transactions, &connections, &bench)
        case .registration(let user):
            pool.registrationAnswered(
                user, handle, message.bytes, message.index, &accounts, &authentication,
                &transactions, &connections, &bench)
            transactions.finish(
                handle, message.index.status, &accounts, &connections, &bench)
        default: break
        }
        settle()
    }

    /// Takes what is to be sent; the Asterisks that answer do so.
    private func settle() {
        let new = bench.effects.outbox.takeAll().map { sent in
            Sent(
                to: sent.flow.peer, listener: sent.flow.listener,
                lines: String(decoding: sent.bytes, as: UTF8.self).split(separator: "\r\n").map(
                    String.init))
        }
        for request in new {
            if request.isA("OPTIONS"), answering.contains(request.to) {
                answer(request, 200)
                continue
            }
            sent.append(request)
            if request.isA("REGISTER"), answering.contains(request.to) { register(request) }
        }
    }

    /// The registrar of an Asterisk, where it has one, does what a REGISTER says, and tells what it has.
    private func register(_ request: Sent) {
        guard registrars[request.to] != nil else { return }
        let name = request["From"]
        if request.isQuestion {
            let isHeld = registrars[request.to]?.contains(name) ?? false
            // The latter is how chan_sip 16 says that there is none.
            let contact = isHeld ? "<sip:x@10.0.0.1:5060>;expires=90" : "<>;expires=120"
            answer(request, 200, ["Contact: \(contact)"])
        } else {
            if request["Expires"] == "0" {
                registrars[request.to]?.remove(name)
            } else {
                registrars[request.to]?.insert(name)
            }
            answer(request, 200)
        }
    }

    /// What the journal was told since the last look.
    func takeSentences() -> [String] { bench.effects.journal.takeSentences() }
}
