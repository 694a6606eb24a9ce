package import Digest
internal import Journal
package import Messages
package import Proxy
import ProxyBench
internal import Registrar
internal import SIP
package import Sys

/// A router with a clock and a directory of its own, and inboxes for whoever it sends to.
///
/// Everything that leaves is checked for what must hold of every message; what does not hold goes to `fault`.
package final class SimulatedEdge {
    /// The realm of the edge.
    package static let realm = "edge.example"
    /// The sockets: UDP, TCP and TLS outside, UDP inside, and another one there for a trunk.
    package static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("203.0.113.5:5060"))),
        Listener(index: 2, side: .outside, endpoint: Endpoint(.tls, address("203.0.113.5:5061"))),
        Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
        Listener(index: 4, side: .inside, endpoint: trunkEndpoint),
    ]
    /// Where a trunk's calls leave for the Asterisks.
    package static let trunkEndpoint = Endpoint(.udp, address("10.0.0.1:5071"))
    /// The secret of the installation, which has bound tokens to dialogs from the first one on.
    package static let secret: [UInt8] = keys + [UInt8](repeating: 0, count: 8)
    private static let keys: [UInt8] = (0..<64).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }

    /// What is tried out.
    package var router: Router
    /// The clocks, which only `advance` and `leap` move.
    package var now = Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000))
    /// When the installation began to bind tokens to dialogs, since 1970; a restarted router knows it.
    package var boundSince = Milliseconds(0)
    /// The settings it began with.
    package let settings: [RouterSetting]
    /// Its sockets.
    private let listeners: [Listener]
    /// The passwords of the accounts there are.
    package var passwords = ["alice": "wonder", "bob": "builder", "carol": "carrol"]
    /// The digest users of accounts, where they are other names.
    package var digestUsers: [String: String] = [:]
    /// The addresses-of-record of accounts, where they are other names.
    package var addressesOfRecord: [String: String] = [:]
    /// Whether the account database cannot be asked.
    package var isUnavailable = false
    /// The accounts that phones may not register.
    package var barred: Set<String> = []
    /// From where accounts may be used, as far as that is limited.
    package var access: [String: AccessList] = [:]
    /// What directory keeps, by account and key.
    package var kept: [String: BindingRecord] = [:]
    /// What directory keeps of accounts.
    package var standings: [String: AccountStanding] = [:]
    /// What was written to the journal since the last look, but for what the normal course writes.
    package var records: [String] = []
    /// Whether a From or To that cannot be read may be repeated to whoever wrote it, in a 400, an ACK or a BYE.
    package var repeatsUnreadable = false
    /// Whether phones answer when they are asked whether they are there.
    package var phonesAnswer = true
    /// The questions whether they are there that phones were asked.
    package private(set) var keepAlives: [Message] = []
    /// Whether directory leaves questions unanswered.
    package var isDirectorySilent = false
    /// The questions that it has left.
    package var questions: [RouterToDirectory] = []
    /// What banner was asked for.
    package var bans: [RouterToBanner] = []
    /// The bans among that.
    package var banOrders: [BanOrder] {
        bans.compactMap { if case .ban(let order) = $0 { order } else { nil } }
    }
    /// What arrived and was not read yet.
    package var inboxes: [Flow: [Message]] = [:]
    /// The only addresses of the inside that anything may be sent to.
    package var insiders: Set<IPAddress>
    /// The addresses of trunks, to which routes go and come as they are.
    package var carriers: Set<IPAddress> = []
    /// Asterisks that answer OPTIONS and REGISTER by themselves.
    package var helpful: Set<SocketAddress> = []
    /// The accounts registered at each Asterisk, with how it answers.
    package var registered: [SocketAddress: [String: Message]] = [:]
    /// The realm in which an Asterisk asks for credentials; nil when it does not ask.
    package var inwardRealm: String?
    /// The algorithm by which it asks.
    package var inwardAlgorithm = DigestAlgorithm.md5
    /// How many messages left.
    package var sentCount = 0
    /// Sees every message that leaves.
    package var observe: (([UInt8], Flow) -> Void)?
    /// Sees every record, those of the normal course too: each field by its name.
    package var observeRecord: (([Substring: Substring]) -> Void)?
    private let fault: (String) -> Void
    /// Where the kernel's way to the inside begins, for what leaves by an inside endpoint at a wildcard address.
    package var insideWay: IPAddress?
    private var branches = 0

    /// An edge with these settings besides the necessary ones; its Asterisks have answered its first question.
    ///
    /// Its sockets are as many, and of the same kinds, as those of `SimulatedEdge.listeners`.
    package init(
        _ extra: [RouterSetting], asterisks: [String], domain: String = "example.com",
        listeners: [Listener] = SimulatedEdge.listeners, insideWay: IPAddress? = nil,
        fault: @escaping (String) -> Void
    ) {
        self.fault = fault
        self.listeners = listeners
        self.insideWay = insideWay
        settings =
            [.domain(domain), .realm(SimulatedEdge.realm)]
            + asterisks.map { .asterisk(address($0)) } + extra
        router = Router(
            settings: RouterSettings(settings), listeners: listeners,
            secret: SimulatedEdge.secret, seed: [UInt8](repeating: 42, count: 32), now: now,
            timers: 60_000)
        helpful = Set(asterisks.map { address($0) })
        insiders = Set(helpful.map(\.ip))
        advance(Milliseconds(100))
    }

    /// A router that knows nothing takes the place of this one, as after a crash.
    ///
    /// It is told of connections that stand before it is told of the bindings.
    package func restart(standing flows: [Flow] = []) {
        let moment = (0..<8).map { place in
            UInt8(truncatingIfNeeded: boundSince.count >> Int64(56 - 8 * place))
        }
        router = Router(
            settings: RouterSettings(settings), listeners: listeners,
            secret: SimulatedEdge.keys + moment, seed: [UInt8](repeating: 43, count: 32),
            now: now, timers: 60_000)
        for flow in flows { router.opened(flow) }
        for standing in standings.values { router.receive(.standing(standing), now) }
        for record in kept.values { router.receive(.binding(record), now) }
        router.receive(.bindings, now)
        advance(Milliseconds(100))
    }

    /// A branch that was not used yet.
    package func branch() -> String {
        branches += 1
        return "z9hG4bKtest\(branches)"
    }

    /// Hands a message in and lets everything happen that follows at once.
    package func receive(_ bytes: [UInt8], _ flow: Flow) {
        router.receive(bytes.span, flow, now)
        drain()
        answerLate()
    }

    /// Answers to wrong passwords leave a little later than they could.
    private func answerLate() {
        if router.load.delayed > 0 { advance(Milliseconds(280)) }
    }

    /// Lets time pass in steps as short as the wheel's tick.
    package func advance(_ span: Milliseconds) {
        let end = now.monotonic + span
        while now.monotonic < end { step(Milliseconds(20)) }
    }

    /// Lets a long time pass in as many steps, so that timers fire late as on a busy machine.
    package func leap(_ span: Milliseconds, steps: Int64 = 100) {
        let end = now.monotonic + span
        let length = max(span.count / steps, 20)
        while now.monotonic < end { step(Milliseconds(length)) }
    }

    private func step(_ span: Milliseconds) {
        now.monotonic = now.monotonic + span
        now.sinceEpoch = now.sinceEpoch + span
        router.advance(now)
        drain()
    }

    /// Lets everything happen that follows at once from what was done to the router directly.
    package func drain() {
        var isBusy = true
        while isBusy {
            isBusy = false
            let asked = takeQuestions(&router)
            for question in asked { ask(question) }
            bans += router.bench.effects.toBanner
            router.bench.effects.toBanner = []
            for record in takeRecords(&router) {
                observeRecord?(record)
                guard record["PRIORITY"] != "6" else { continue }
                records = records.suffix(99) + [String(record["MESSAGE"] ?? "")]
            }
            var sent: [(Flow, [UInt8])] = []
            for index in 0..<router.bench.effects.outbox.count {
                sent.append(
                    (
                        router.bench.effects.outbox.flow(index),
                        Array(copying: router.bench.effects.outbox.message(index))
                    ))
            }
            router.bench.effects.outbox.removeAll()
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
        case .storeStanding(let standing):
            standings[standing.account] = standing.isEmpty ? nil : standing
        case .hello: break
        }
    }

    /// Answers what directory has left unanswered.
    package func directorySpeaks() {
        isDirectorySilent = false
        let left = questions
        questions = []
        for question in left { answer(question) }
        drain()
        answerLate()
    }

    /// Answers one question of the router.
    package func answer(_ question: RouterToDirectory) {
        guard case .lookUp(let id, let name, let realm, _) = question else { return }
        router.receive(.account(id: id, found(name, realm), age: Milliseconds(0)), now)
    }

    /// directory says unasked what has become of an account, for the realm of the settings.
    package func update(_ name: String) {
        let realm = SimulatedEdge.realm
        router.receive(.update(account: name, realm: realm, found(name, realm)), now)
        drain()
    }

    /// What directory says of an account.
    private func found(_ name: String, _ realm: String) -> AccountAnswer {
        guard !isUnavailable else { return .unavailable }
        guard let password = passwords[name] else { return .unknown }
        let user = digestUsers[name] ?? name
        let account = Account(
            ha1MD5: bytes(hex: hashed(.md5, user, realm, password)),
            ha1SHA256: bytes(hex: hashed(.sha256, user, realm, password)), authUser: user,
            aor: addressesOfRecord[name] ?? name, mayRegister: !barred.contains(name),
            access: access[name] ?? AccessList())
        return .found(account)
    }

    // MARK: Deliveries

    private func deliver(_ bytes: [UInt8], _ flow: Flow) {
        // What keeps a way open.
        if bytes == Array("\r\n\r\n".utf8) { return }
        guard let message = Message(bytes) else {
            observe?(bytes, flow)
            fault("not a message: \(String(decoding: bytes, as: UTF8.self))")
            return
        }
        check(message, bytes, flow)
        let back = answered(flow)
        if message.isRequest, message.branch.hasPrefix("z9hG4bKk") {
            keepAlives.append(message)
            if phonesAnswer { router.receive(response(to: message, 200, tag: "p").span, back, now) }
            return
        }
        sentCount += 1
        observe?(bytes, flow)
        guard flow.listener == 3, helpful.contains(flow.peer), answerAsHelpful(message, back) else {
            inboxes[back, default: []].append(message)
            return
        }
    }

    /// The way by which what leaves is answered: where the router leaves the choice, from what the kernel chose.
    private func answered(_ flow: Flow) -> Flow {
        let isInside = flow.listener >= 3
        guard isInside, flow.connection == 0, let insideWay else { return flow }
        return router.flow(flow.listener, from: flow.peer, at: insideWay)
    }

    /// What must hold of every message that leaves.
    private func check(_ message: Message, _ bytes: [UInt8], _ flow: Flow) {
        var index = MessageIndex()
        do {
            try MessageParser().parse(bytes.span, into: &index)
        } catch {
            let isRepeated =
                message.status == 400
                || message.isRequest && ["ACK", "BYE"].contains(message.method)
            if !repeatsUnreadable || !isRepeated || ![.address, .uri, .parameter].contains(error) {
                fault("\(error) in what was sent:\n\(message)")
            }
        }
        if message["Content-Length"] != "\(message.body.utf8.count)" {
            fault("another length than is said: \(message)")
        }
        for header in message.headers {
            if header.value.utf8.contains(0x0A) { fault("a folded line in \(message)") }
        }
        let isInward = flow.listener >= 3
        if message.isCompact, message.isRequest || flow.transport != .udp || isInward {
            fault("a compact name in \(message)")
        }
        if isInward {
            if !insiders.contains(flow.peer.ip) { fault("sent to \(flow.peer.ip): \(message)") }
            if flow.listener == 3, message.isRequest, message.has("P-Asserted-Identity") {
                let account = between(message["From"], "<sip:", "@")
                let asserted = between(message["P-Asserted-Identity"], "<sip:", "@")
                let mayShow = settings.contains(.callers(account, .any))
                if asserted != account, !mayShow {
                    fault("another's identity is asserted inward: \(message)")
                }
            }
            return
        }
        let head = Array(bytes.dropLast(message.body.utf8.count))
        if place(of: Array("10.0.0.".utf8), in: head, from: 0) != nil {
            fault("an inside address leaves: \(message)")
        }
        if message.has("Record-Route"), !carriers.contains(flow.peer.ip) {
            fault("a Record-Route leaves: \(message)")
        }
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
            // One without a Contact asks which there are.
            guard !message["Contact"].isEmpty else {
                let held = registered[flow.peer]?[user].map { "Contact: \($0["Contact"])" }
                let all = [held].compactMap(\.self)
                router.receive(response(to: message, 200, tag: "a", all).span, flow, now)
                return true
            }
            registered[flow.peer, default: [:]][user] = message["Expires"] == "0" ? nil : message
            let expires = ["Expires: \(message["Expires"])"]
            router.receive(response(to: message, 200, tag: "a", expires).span, flow, now)
            return true
        }
        let challenge = [
            "WWW-Authenticate: Digest realm=\"\(realm)\", nonce=\"n1\","
                + " algorithm=\(inwardAlgorithm.name)"
        ]
        router.receive(response(to: message, 401, tag: "a", challenge).span, flow, now)
        return true
    }

    /// Whether a request carries the right digest for an Asterisk's realm, without qop as chan_sip asks.
    package func isProven(_ message: Message, _ realm: String) -> Bool {
        let name = message.has("Authorization") ? "Authorization" : "Proxy-Authorization"
        let header = message[name]
        let user = between(header, "username=\"", "\"")
        guard let password = passwords[user] else { return false }
        let ha1 = hashed(inwardAlgorithm, user, realm, password)
        let ha2 = hashed(inwardAlgorithm, message.method, between(header, "uri=\"", "\""))
        let expected = hashed(inwardAlgorithm, ha1, between(header, "nonce=\"", "\""), ha2)
        return between(header, "response=\"", "\"") == expected
            && between(header, "realm=\"", "\"") == realm
    }
}

/// The address of a text.
package func address(_ text: String) -> SocketAddress {
    guard let result = SocketAddress(text) else { preconditionFailure("not an address: \(text)") }
    return result
}

/// What a router wants of directory, taken off its queue.
package func takeQuestions(_ router: inout Router) -> [RouterToDirectory] {
    var questions: [RouterToDirectory] = []
    for index in 0..<router.bench.effects.toDirectory.count {
        guard let question = question(router.bench.effects.toDirectory, index) else {
            preconditionFailure("directory cannot read what it is asked")
        }
        questions.append(question)
    }
    router.bench.effects.toDirectory.removeAll()
    return questions
}

private func question(_ queue: borrowing DirectoryQueue, _ index: Int) -> RouterToDirectory? {
    try? RouterToDirectory(decoding: queue.message(index))
}

/// The records that a router wants written, taken off it: each field by its name.
package func takeRecords(_ router: inout Router) -> [[Substring: Substring]] {
    var records: [[Substring: Substring]] = []
    for index in 0..<router.bench.effects.journal.records.count {
        var record = ByteBuffer(capacity: 16_384)
        router.bench.effects.journal.records.writeNative(
            index, process: "sip-router", into: &record)
        let pairs = record.span.text.split(separator: "\n").map { line in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (parts[0], parts[1])
        }
        records.append(Dictionary(uniqueKeysWithValues: pairs))
    }
    router.bench.effects.journal.removeAll()
    return records
}
