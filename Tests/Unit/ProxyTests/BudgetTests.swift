import Messages
import Proxy
import ProxyBench
import Sys
import Testing

/// What bans nobody, however many names fail.
private let lenient: [RouterSetting] =
    [.failures(1000)]
    + [Detector.wrongPasswordSlow, .wrongPasswordSlower, .namesSwept].map {
        .limit($0, Limit(1000, in: .seconds(60)))
    }

/// What one account, or somebody who tries names, may take of what belongs to all.
@Suite("Budgets") struct BudgetTests {
    /// Sends a request that answers a challenge, and gives the status of the last answer.
    private func ask(_ phone: Phone, _ method: String, _ callID: String) throws -> Int {
        try phone.ask(method, "sip:100@example.com", callID: callID)
        return phone.next()?.status ?? 0
    }

    @Test("an account has 500 requests at once and 50 a second, then 503; nobody is banned")
    func account() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", .tcp, connection: 5)
        let asterisk = Asterisk(edge)
        var refused = 0
        for number in 0..<700 {
            let status = try ask(phone, "MESSAGE", "m\(number)")
            if status == 503 { refused += 1 }
        }
        #expect((195...200).contains(refused))
        #expect(asterisk.all().count == 700 - refused)
        #expect(edge.banOrders.isEmpty)
        edge.advance(.seconds(1))
        var served = 0
        for number in 0..<100 where try ask(phone, "MESSAGE", "n\(number)") != 503 { served += 1 }
        #expect((49...52).contains(served))
        // Another account has its own.
        let bob = Phone(edge, "bob", .tcp, connection: 6)
        #expect(try ask(bob, "MESSAGE", "b") != 503)
    }

    @Test("accounts.requests says how many")
    func setting() throws {
        let edge = Edge([.requests(2)])
        let phone = Phone(edge, "alice")
        var answers: [Int] = []
        for number in 0..<25 { answers.append(try ask(phone, "MESSAGE", "m\(number)")) }
        #expect(answers.count { $0 == 503 } == 5)
        #expect(
            edge.router.explain("m24").map { "\($0)" }.joined().contains("account-requests, 503"))
    }

    /// A REGISTER that answers the challenge to an earlier one.
    private func proof(_ phone: Phone) throws -> [UInt8] {
        let uri = "sip:example.com"
        let lines = ["Contact: <\(phone.contact)>"]
        phone.send(phone.request("REGISTER", uri, callID: phone.callID, sequence: 1, lines))
        let proof = phone.credentials(try phone.expect(401), "REGISTER", uri)
        return phone.request("REGISTER", uri, callID: phone.callID, sequence: 2, lines + [proof])
    }

    /// Has phones answer their challenges within one millisecond; the statuses of the answers.
    private func register(_ edge: Edge, _ phones: [Phone]) throws -> [Int] {
        let requests = try phones.map { try proof($0) }
        for (phone, request) in zip(phones, requests) {
            edge.router.receive(request.span, phone.flow, edge.now)
            edge.drain()
        }
        edge.advance(Milliseconds(300))
        return phones.map { $0.next()?.status ?? 0 }
    }

    @Test(
        "names that are not known are looked up 20 times a second for a source",
        arguments: ["198.51.100.7", "[2001:db8::7]"])
    func lookUps(_ host: String) throws {
        let edge = Edge(lenient)
        edge.isDirectorySilent = true
        let phones = (0..<60).map { Phone(edge, "nobody\($0)", at: "\(host):\(5000 + $0)") }
        let statuses = try register(edge, phones)
        #expect(edge.questions.count == 20)
        #expect(statuses == [Int](repeating: 503, count: 60))
        edge.directorySpeaks()
        #expect(edge.banOrders.isEmpty)
    }

    @Test("names that are right cost nothing: an office that comes back is looked up at once")
    func office() throws {
        let edge = Edge()
        for number in 0..<300 { edge.passwords["user\(number)"] = "secret" }
        for number in 0..<300 {
            let phone = Phone(edge, "user\(number)", at: "198.51.100.7:\(5000 + number)")
            #expect(try phone.register().status == 200)
        }
    }

    @Test(
        "while a source's tries are used up, known and unknown names get the same 503, and right ones pass"
    )
    func usedUp() throws {
        let edge = Edge(lenient)
        try Phone(edge, "alice", at: "198.51.100.7:4999").register()
        let ghosts = (0..<20).map { Phone(edge, "ghost\($0)", at: "192.0.2.66:\(5000 + $0)") }
        let known = Phone(edge, "alice", at: "192.0.2.66:6000", password: "wrong")
        let unknown = Phone(edge, "ghost", at: "192.0.2.66:6001")
        let right = Phone(edge, "alice", at: "192.0.2.66:6002")
        let statuses = try register(edge, ghosts + [known, unknown, right])
        #expect(statuses == [Int](repeating: 401, count: 20) + [503, 503, 200])
    }

    @Test("all sources together try 200 names a second; who is known passes all the same")
    func all() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:4999")
        try alice.register()
        edge.isDirectorySilent = true
        let phones = (0..<300).map { Phone(edge, "ghost\($0)", at: "192.0.2.\($0 % 250):5060") }
        _ = try register(edge, phones)
        #expect(edge.questions.count == 200)
        #expect(try alice.register().status == 200)
    }

    @Test("a dialog has 100 requests at once and 20 a second; its BYE passes all the same")
    func dialog() throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "d")
        var other = try stage.connect("sip:101@example.com", "e")
        func flood(_ count: Int) -> [Int] {
            (0..<count).compactMap { _ in
                stage.alice.send(dialog.request("INFO", via: stage.alice.via))
                return stage.alice.all().first?.status
            }
        }
        // The ACK was one of them.
        #expect(flood(150).count { $0 == 503 } == 51)
        #expect(stage.asterisk.all().count { $0.method == "INFO" } == 99)
        #expect(explained(stage.edge, "d").contains("dialog-requests, 503"))
        stage.alice.send(other.request("INFO", via: stage.alice.via))
        #expect(try stage.asterisk.expect("INFO").has("From"))
        stage.edge.advance(.seconds(1))
        #expect(flood(40).count { $0 == 503 } == 20)
        stage.alice.send(dialog.request("BYE", via: stage.alice.via))
        _ = try stage.asterisk.expect("BYE")
        #expect(stage.edge.banOrders.isEmpty)
    }

    @Test("a flood of BYEs is bounded too")
    func byes() throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "d")
        for _ in 0..<300 { stage.alice.send(dialog.request("BYE", via: stage.alice.via)) }
        #expect(stage.asterisk.all().count { $0.method == "BYE" } == 199)
    }

    @Test("one account has at most an eighth of the exchanges, and the others go on")
    func share() throws {
        let edge = Edge([.requests(100_000)])
        let alice = Phone(edge, "alice", .tcp, connection: 5)
        // Nobody answers, so that each is under way for 32 s.
        let challenge = try challenged(alice)
        var statuses: [Int: Int] = [:]
        for number in 1...12_510 {
            alice.send(
                alice.request(
                    "MESSAGE", "sip:100@example.com", callID: "m\(number)", sequence: 2,
                    [alice.credentials(challenge, "MESSAGE", "sip:100@example.com", count: number)])
            )
            statuses[alice.all().first?.status ?? 0, default: 0] += 1
        }
        #expect(statuses == [0: 12_500, 503: 10])
        #expect(explained(edge, "m12510").contains("account-share, 503"))
        let bob = Phone(edge, "bob", .tcp, connection: 6)
        #expect(try ask(bob, "MESSAGE", "b") == 0)
        edge.advance(.seconds(40))
        #expect(try ask(alice, "MESSAGE", "again") == 0)
    }

    @Test(
        "one account has at most an eighth of the blocks for long messages, and others their room")
    func longMessages() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", .tcp, connection: 5)
        let challenge = try challenged(alice)
        let body = String(repeating: "x", count: 30_000)
        var refused = 0
        for number in 1...200 {
            alice.send(
                alice.request(
                    "MESSAGE", "sip:100@example.com", callID: "m\(number)", sequence: 2,
                    [alice.credentials(challenge, "MESSAGE", "sip:100@example.com", count: number)],
                    body: body))
            if !alice.all().isEmpty { refused += 1 }
        }
        #expect(refused == 200 - 32)
        let bob = Phone(edge, "bob", .tcp, connection: 6)
        try bob.ask("MESSAGE", "sip:100@example.com", callID: "b", body: body)
        #expect(bob.next() == nil)
        edge.advance(.seconds(70))
        #expect(edge.router.load.contexts == 0)
    }

    @Test(
        "rows of dialogs that an account makes up are its share at most, and end when the Asterisk knows nothing of them"
    )
    func madeUpDialogs() throws {
        let stage = try Stage()
        let dialog = try stage.connect("sip:100@example.com", "d")
        for number in 0..<50 {
            var other = dialog
            other.local = "<sip:alice@example.com>;tag=made-up-\(number)"
            stage.alice.send(other.request("INFO", via: stage.alice.via))
            let info = try stage.asterisk.expect("INFO")
            stage.asterisk.answer(info, 481)
            _ = try stage.alice.expect(481)
        }
        #expect(stage.edge.router.load.calls == 1)
    }

    @Test("ten insiders who try names without end leave another source its tries")
    func insiders() throws {
        let edge = Edge(lenient)
        edge.isDirectorySilent = true
        for second in 0..<5 {
            let phones = (0..<400).map {
                Phone(edge, "ghost\(second)x\($0)", at: "192.0.2.\($0 % 10):\(6000 + $0)")
            }
            _ = try register(edge, phones)
            edge.advance(Milliseconds(920))
            let stranger = Phone(edge, "stranger\(second)", at: "198.51.100.\(second):5060")
            let before = edge.questions.count
            _ = try register(edge, phones + [stranger])
            #expect(edge.questions.count > before)
            #expect(
                edge.questions.contains {
                    if case .lookUp(_, let name, _, _) = $0 { name == stranger.name } else { false }
                })
        }
    }

    @Test("a trunk has no share: however much it has under way, nothing breaks")
    func trunk() throws {
        let edge = Edge([
            .trunk("telco", .inside(SimulatedEdge.trunkEndpoint)),
            .trunk("telco", .server(address("198.51.100.5:5060"))), .trunk("telco", .perSecond(0)),
        ])
        let carrier = Carrier(edge, at: "198.51.100.5:5060")
        for number in 0..<70_000 {
            let bytes = carrier.request(
                "MESSAGE", "sip:+43123@203.0.113.5", from: "<sip:bob@carrier.example>",
                callID: "m\(number)")
            edge.router.receive(bytes.span, carrier.flow, edge.now)
            edge.router.bench.effects.outbox.removeAll()
        }
        #expect(edge.router.load.contexts == 70_000)
    }

    /// The challenge to a request of a phone, which answers as many as it may.
    private func challenged(_ phone: Phone) throws -> Message {
        phone.send(
            phone.request("MESSAGE", "sip:100@example.com", callID: "c", sequence: 1))
        return try phone.expect(407)
    }

    private func explained(_ edge: Edge, _ callID: String) -> String {
        edge.router.explain(callID).map { "\($0)" }.joined()
    }
}
