import Digest
import Messages
import Proxy
import Registrar
import SIP
import Sys
import Testing

/// A router with a clock and a directory of its own, and inboxes for whoever it sends to.
///
/// Everything that leaves is checked for what must hold of every message.
final class Edge {
    static let realm = "edge.example"
    static let outside: IPAddress = address("203.0.113.5:5060").ip
    static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("203.0.113.5:5060"))),
        Listener(index: 2, side: .outside, endpoint: Endpoint(.tls, address("203.0.113.5:5061"))),
        Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
    ]
    static let secret: [UInt8] = (0..<64).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }

    var router: Router
    var now = Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000))
    let settings: [Setting]
    /// The passwords of the accounts there are.
    var passwords = ["alice": "wonder", "bob": "builder", "carol": "carrol"]
    /// What directory keeps, by account and key.
    var kept: [String: BindingRecord] = [:]
    /// Whether directory leaves questions unanswered, and those it has left.
    var isDirectorySilent = false
    var questions: [RouterToDirectory] = []
    /// What banner was asked for.
    var bans: [RouterToBanner] = []
    /// What arrived and was not read yet.
    var inboxes: [Flow: [Message]] = [:]
    /// Asterisks that answer OPTIONS and REGISTER by themselves.
    var helpful: Set<SocketAddress> = []
    /// The accounts registered at each Asterisk, with how it answers.
    var registered: [SocketAddress: [String: Message]] = [:]
    /// Whether an Asterisk asks for credentials, and its realm.
    var inwardRealm: String?
    /// How many messages left.
    var sentCount = 0
    private var branches = 0

    init(_ extra: [Setting] = [], asterisks: [String] = ["10.0.0.10:5060"]) {
        settings =
            [.domain("example.com"), .realm(Edge.realm)] + asterisks.map { .asterisk(address($0)) }
            + extra
        router = Router(
            settings: RouterSettings(settings), listeners: Edge.listeners, secret: Edge.secret,
            seed: 42, now: now, timers: 60_000)
        helpful = Set(asterisks.map { address($0) })
        // The first question to each Asterisk is answered.
        advance(Milliseconds(100))
    }

    /// A router that knows nothing takes the place of this one, as after a crash.
    func restart() {
        router = Router(
            settings: RouterSettings(settings), listeners: Edge.listeners, secret: Edge.secret,
            seed: 43, now: now, timers: 60_000)
        for record in kept.values { router.take(.binding(record), now) }
        router.take(.bindings, now)
        advance(Milliseconds(100))
    }

    /// A branch that was not used yet.
    func branch() -> String {
        branches += 1
        return "z9hG4bKtest\(branches)"
    }

    /// Hands a message in and lets everything happen that follows at once.
    func receive(_ bytes: [UInt8], _ flow: Flow) {
        router.receive(bytes.span, flow, now)
        drain()
        // Answers to wrong passwords leave a little later.
        if router.load.held > 0 { advance(Milliseconds(80)) }
    }

    /// Lets time pass in steps as short as the wheel's tick.
    func advance(_ span: Milliseconds) {
        let end = now.monotonic + span
        while now.monotonic < end {
            now.monotonic = now.monotonic + Milliseconds(20)
            now.sinceEpoch = now.sinceEpoch + Milliseconds(20)
            router.advance(now)
            drain()
        }
    }

    private func drain() {
        var isBusy = true
        while isBusy {
            isBusy = false
            let asked = router.toDirectory
            router.toDirectory = []
            for question in asked { ask(question) }
            bans += router.toBanner
            router.toBanner = []
            router.audit.removeAll()
            var sent: [(Flow, [UInt8])] = []
            for index in 0..<router.outbox.count {
                sent.append((router.outbox.flow(index), Array(router.outbox.message(index))))
            }
            router.outbox.removeAll()
            for (flow, bytes) in sent {
                isBusy = true
                deliver(bytes, flow)
            }
            if !asked.isEmpty { isBusy = true }
        }
    }

    // MARK: directory

    private func ask(_ question: RouterToDirectory) {
        switch question {
        case .lookUp:
            if isDirectorySilent { questions.append(question) } else { answer(question) }
        case .bind(let record): kept["\(record.account) \(record.key)"] = record
        case .unbind(let account, let key): kept["\(account) \(key)"] = nil
        case .hello: break
        }
    }

    /// Answers what directory has left unanswered.
    func directorySpeaks() {
        isDirectorySilent = false
        let left = questions
        questions = []
        for question in left { answer(question) }
        drain()
    }

    private func answer(_ question: RouterToDirectory) {
        guard case .lookUp(let id, let name, let realm) = question else { return }
        guard let password = passwords[name] else {
            router.take(.account(id: id, .unknown), now)
            return
        }
        let account = Account(
            ha1MD5: bytes(hex: hashed(.md5, name, realm, password)),
            ha1SHA256: bytes(hex: hashed(.sha256, name, realm, password)), authUser: name,
            aor: name, mayRegister: true)
        router.take(.account(id: id, .found(account)), now)
    }

    // MARK: Deliveries

    private func deliver(_ bytes: [UInt8], _ flow: Flow) {
        sentCount += 1
        guard let message = Message(bytes) else {
            Issue.record("not a message: \(String(decoding: bytes, as: UTF8.self))")
            return
        }
        check(message, bytes, isInward: flow.listener == 3)
        guard flow.listener == 3, helpful.contains(flow.peer), answerAsHelpful(message, flow) else {
            inboxes[flow, default: []].append(message)
            return
        }
    }

    /// What must hold of every message that leaves.
    private func check(_ message: Message, _ bytes: [UInt8], isInward: Bool) {
        var index = MessageIndex()
        do {
            try MessageParser().parse(bytes.span, into: &index)
        } catch {
            Issue.record("\(error) in what was sent:\n\(message)")
        }
        #expect(message["Content-Length"] == "\(message.body.utf8.count)")
        for header in message.headers {
            #expect(header.name.utf8.count > 1, "a compact name in \(message)")
            #expect(!header.value.contains("\n"), "a folded line in \(message)")
        }
        if isInward {
            #expect(!message.has("P-Asserted-Identity") || !message.isRequest)
            return
        }
        for header in message.headers {
            #expect(!header.value.contains("10.0.0."), "an inside address leaves: \(message)")
        }
        #expect(!message.start.contains("10.0.0."), "an inside address leaves: \(message)")
        #expect(!message.has("Record-Route"))
    }

    /// An Asterisk's answers to what the edge asks of its own accord; false for everything else.
    private func answerAsHelpful(_ message: Message, _ flow: Flow) -> Bool {
        if message.method == "OPTIONS", message.isRequest {
            router.receive(response(to: message, 200, tag: "a").span, flow, now)
            return true
        }
        guard message.method == "REGISTER", message.isRequest else { return false }
        guard let realm = inwardRealm, !isProven(message, realm) else {
            let user = between(message["To"], "sip:", "@")
            registered[flow.peer, default: [:]][user] = message["Expires"] == "0" ? nil : message
            let expires = ["Expires: \(message["Expires"])"]
            router.receive(response(to: message, 200, tag: "a", expires).span, flow, now)
            return true
        }
        let challenge = ["WWW-Authenticate: Digest realm=\"\(realm)\", nonce=\"n1\", algorithm=MD5"]
        router.receive(response(to: message, 401, tag: "a", challenge).span, flow, now)
        return true
    }

    /// Whether a request carries the right digest for an Asterisk's realm, without qop as chan_sip asks.
    func isProven(_ message: Message, _ realm: String) -> Bool {
        let name = message.has("Authorization") ? "Authorization" : "Proxy-Authorization"
        let header = message[name]
        let user = between(header, "username=\"", "\"")
        guard let password = passwords[user] else { return false }
        let expected = hashed(
            .md5, hashed(.md5, user, realm, password), between(header, "nonce=\"", "\""),
            hashed(.md5, message.method, between(header, "uri=\"", "\"")))
        return between(header, "response=\"", "\"") == expected
            && between(header, "realm=\"", "\"") == realm
    }
}

/// The address of a text.
func address(_ text: String) -> SocketAddress {
    guard let result = SocketAddress(text) else { preconditionFailure("not an address: \(text)") }
    return result
}
