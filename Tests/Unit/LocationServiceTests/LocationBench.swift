import AccountCache
import BenchHarness
import Connections
import LocationService
import Messages
import ProxyBench
import Reactor
import SIP
import SIPWriting
import Sys

/// A location service with what it is lent, and nothing above it: no router, no credentials.
final class LocationBench {
    /// The sockets: UDP, TCP and TLS outside, UDP inside.
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("203.0.113.5:5060"))),
        Listener(index: 2, side: .outside, endpoint: Endpoint(.tls, address("203.0.113.5:5061"))),
        Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
    ]

    private var bench: Bench
    private var accounts = AccountCache()
    private var connections = Connections()
    private var location = LocationService()
    /// What directory has stored, by account and key.
    var stored: [String: BindingRecord] = [:]
    /// The sentences of the journal since they were last taken.
    private var sentences: [String] = []

    init(_ settings: [RouterSetting] = []) {
        bench = Bench(settings, Self.listeners)
    }

    /// The clocks.
    var now: Now { bench.now }
    /// How many bindings there are.
    var count: Int { location.count }
    /// How many timers are set.
    var timers: Int { bench.timers.count }
    /// The connections that the loop was told of.
    var boundConnections: [Flow] { bench.effects.boundConnections }

    // MARK: Accounts

    /// The account of a name, of which directory has said so much.
    func account(
        _ name: String, mayRegister: Bool = true, access: AccessList = AccessList()
    ) -> AccountID {
        let found = Account(
            ha1MD5: key(16), ha1SHA256: [], authUser: name, aor: name, mayRegister: mayRegister,
            access: access)
        return account(name, .found(found))
    }

    /// The account of a name, of which directory has given an answer.
    func account(_ name: String, _ answer: AccountAnswer) -> AccountID {
        guard let account = accounts.account(of: Array(name.utf8).span, &bench) else {
            preconditionFailure("no room for an account")
        }
        accounts.ask(account, &bench)
        for question in bench.effects.toDirectory.takeAll() {
            guard case .lookUp(let id, _, _, _) = question else { continue }
            _ = accounts.receive(id, answer, age: Milliseconds(0), bench)
        }
        return account
    }

    /// Whether the cache has heard of a name.
    func knows(_ name: String) -> Bool { accounts.find(Array(name.utf8).span) != nil }

    // MARK: REGISTER

    /// What came of a REGISTER.
    struct Outcome {
        var refusal: Refusal?
        var change: RegistrationChange?
    }

    /// Carries out a REGISTER of an account.
    @discardableResult
    func register(
        _ account: AccountID, _ flow: Flow, _ lines: [String], sequence: Int = 1,
        callID: String = "r", via: [String] = ["198.51.100.7"]
    ) -> Outcome {
        let vias = via.map { "Via: SIP/2.0/UDP \($0);branch=z9hG4bK1" }
        let head =
            ["REGISTER sip:example.com SIP/2.0"] + vias + [
                "Max-Forwards: 70", "From: <sip:a@example.com>;tag=1", "To: <sip:a@example.com>",
                "Call-ID: \(callID)", "CSeq: \(sequence) REGISTER", "User-Agent: Phone",
            ]
        let text = (head + lines + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
        let bytes = Array(text.utf8)
        let message = bench.incoming(bytes.span, flow)
        defer { settle() }
        do throws(Refusal) {
            try location.check(message, account, accounts)
            try location.read(message, &bench)
            let change = try location.apply(message, account, &accounts, &connections, &bench)
            answer = answer(message, account)
            return Outcome(change: change)
        } catch {
            return Outcome(refusal: error)
        }
    }

    /// The lines of the last 200.
    private(set) var answer: [String] = []

    private func answer(_ message: borrowing Incoming, _ account: AccountID) -> [String] {
        bench.writer.begin(status: 200, "OK", to: message.flow.peer.ip)
        location.writeAnswer(message, account, &bench)
        return text(bench.writer.buffer).split(separator: "\r\n").map(String.init)
    }

    /// The Contacts that the last 200 lists.
    var contacts: [String] {
        answer.filter { $0.hasPrefix("Contact: ") }.map { String($0.dropFirst(9)) }
    }

    // MARK: Time and connections

    /// Lets time pass; what ran out meanwhile.
    @discardableResult
    func advance(_ span: Milliseconds) -> [RegistrationChange] {
        let end = bench.now.monotonic + span
        var changes: [RegistrationChange] = []
        while bench.now.monotonic < end {
            bench.pass(Milliseconds(20))
            while let payload = bench.timers.next(bench.now.monotonic) {
                let handle = Handle(payload: payload)
                if let change = location.expired(handle, &accounts, &connections, &bench) {
                    changes.append(change)
                }
            }
            _ = location.reportRegistrations(&accounts, &bench)
            settle()
        }
        return changes
    }

    func opened(_ flow: Flow) {
        location.opened(flow, connections.opened(flow), &accounts, &bench)
    }

    func closed(_ flow: Flow) { location.closed(flow, connections.closed(flow), bench) }

    // MARK: Whether phones are there

    /// What was sent to phones since the last look, each with when.
    struct Sent {
        let at: Milliseconds
        let text: String
        let flow: Flow
    }

    /// Lets time pass in which phones are asked; `phone` says what is answered to each question, nil for nothing.
    func keepAlive(
        _ span: Milliseconds, _ phone: (Sent) -> Bool = { _ in false }
    ) -> (sent: [Sent], changes: [RegistrationChange]) {
        let end = bench.now.monotonic + span
        var sent: [Sent] = []
        var changes: [RegistrationChange] = []
        while bench.now.monotonic < end {
            bench.pass(LocationService.keepAliveInterval)
            location.keepAlive(&accounts, &bench)
            for message in bench.effects.outbox.takeAll() {
                let one = Sent(
                    at: bench.now.monotonic,
                    text: String(decoding: message.bytes, as: UTF8.self), flow: message.flow)
                sent.append(one)
                if phone(one) { _ = answered(one) }
            }
            changes += location.settle(bench)
            _ = location.reportRegistrations(&accounts, &bench)
            settle()
        }
        return (sent, changes)
    }

    /// A phone answers a question, from where it was asked or from elsewhere; whether that is an answer of a phone.
    func answered(
        _ question: Sent, from flow: Flow? = nil, status: Int = 200, branch: String? = nil
    )
        -> Bool
    {
        let lines = question.text.split(separator: "\r\n").map(String.init)
        let kept = lines.filter { line in
            ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "].contains { line.hasPrefix($0) }
        }
        var text = (["SIP/2.0 \(status) X"] + kept + ["Content-Length: 0", "", ""])
            .joined(separator: "\r\n")
        if let branch {
            let old = text.split(separator: "branch=")[1].prefix(32)
            text.replace(String(old), with: branch)
        }
        let bytes = Array(text.utf8)
        let message = bench.incoming(bytes.span, flow ?? question.flow)
        defer { settle() }
        return location.answered(message, &accounts, &bench)
    }

    /// A phone proves itself, or sends a keep-alive.
    func proven(by flow: Flow) { location.proven(by: flow, &accounts, &bench) }
    /// What is wrong with asking the phones.
    var keepAliveCondition: Condition? { location.keepAliveCondition }

    func keptAlive(by flow: Flow) { location.keptAlive(by: flow, &accounts, &bench) }

    // MARK: directory and the journal

    /// A router that knows nothing takes the place of this one: directory tells it all that it has stored.
    func restart(standing flows: [Flow] = []) -> [RegistrationChange] {
        location = LocationService()
        accounts = AccountCache()
        connections = Connections()
        for flow in flows { opened(flow) }
        let changes = stored.values.compactMap { restore($0) }
        _ = restored()
        return changes
    }

    /// directory tells of a binding.
    func restore(_ record: BindingRecord) -> RegistrationChange? {
        defer { settle() }
        return location.restore(record, &accounts, &connections, &bench)
    }

    /// directory has told all bindings; whether it was started anew.
    func restored() -> Bool {
        defer { settle() }
        return location.restored(accounts, &bench)
    }

    /// What the journal was told since the last look.
    func takeSentences() -> [String] {
        defer { sentences = [] }
        return sentences
    }

    /// Tells the journal everything, as when the process ends.
    func reportAll() {
        _ = location.reportRegistrations(all: true, &accounts, &bench)
        settle()
    }

    /// Takes what is wanted of directory and the journal.
    private func settle() {
        for question in bench.effects.toDirectory.takeAll() {
            switch question {
            case .bind(let record): stored["\(record.account) \(record.key)"] = record
            case .unbind(let account, let key): stored["\(account) \(key)"] = nil
            default: break
            }
        }
        sentences += bench.effects.journal.takeSentences()
    }

    // MARK: Questions

    /// The Contacts, with their flows, that a call of an account is forked to.
    func targets(_ account: AccountID) -> [String: Flow] {
        let targets = location.targets(account)
        var result: [String: Flow] = [:]
        for number in 0..<targets.count {
            result[contact(targets[number])] = location.flow(targets[number])
        }
        return result
    }

    /// The Contact that is tried after the one of a flow that has failed.
    func target(_ account: AccountID, before flow: Flow) -> String? {
        location.target(account, before: flow).map { contact($0) }
    }

    private func contact(_ place: Int32) -> String {
        var buffer = ByteBuffer(capacity: 4096)
        location.writeContact(place, into: &buffer)
        return buffer.span.text
    }

    func latestFlow(_ account: AccountID) -> Flow? { location.latestFlow(account) }

    func hasReachablePhone(_ account: AccountID) -> Bool { location.hasReachablePhone(account) }

    func isRegistered(_ account: AccountID) -> Bool { location.isRegistered(account) }

    func isRegistered(_ account: AccountID, by flow: Flow) -> Bool {
        location.isRegistered(account, by: flow)
    }

    func isRegistered(by flow: Flow) -> Bool { location.isRegistered(by: flow, connections) }

    func hasFlow(_ flow: Flow) -> Bool { location.hasFlow(flow) }

    /// What `rempart phones` shows.
    var phones: [PhoneRow] {
        location.phones(accounts, bench).compactMap { reply in
            if case .phone(let row) = reply { row } else { nil }
        }
    }
}

private func text(_ buffer: borrowing ByteBuffer) -> String { buffer.span.text }
