import Messages
import Proxy
import Registrar
import Sys
import Testing

/// What bans nobody, however many names fail.
private let lenient: [Setting] =
    [.failures(1000)]
    + [Detector.wrongPasswordSlow, .wrongPasswordSlower, .namesSwept].map {
        .limit($0, Limit(1000, in: .seconds(60)))
    }

/// What one account, or somebody who tries names, may take of what belongs to all.
@Suite("Budgets") struct BudgetScenarios {
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

    @Test(
        "names that are not known are looked up 20 times a second for a source",
        arguments: ["198.51.100.7", "2001:db8::7"])
    func lookUps(_ host: String) throws {
        let edge = Edge(lenient)
        let place = host.contains(":") ? "[\(host)]" : host
        edge.isDirectorySilent = true
        for number in 0..<60 {
            let phone = Phone(edge, "nobody\(number)", at: "\(place):\(5000 + number)")
            _ = try? phone.register()
        }
        #expect(edge.questions.count == 20)
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
        let alice = Phone(edge, "alice", at: "198.51.100.7:4999")
        try alice.register()
        for number in 0..<20 {
            let phone = Phone(edge, "ghost\(number)", at: "203.0.113.66:\(5000 + number)")
            #expect(try phone.register().status == 401)
        }
        for name in ["alice", "ghost"] {
            let phone = Phone(edge, name, at: "203.0.113.66:6000", password: "wrong")
            #expect(try phone.register().status == 503, "\(name)")
        }
        let known = Phone(edge, "alice", at: "203.0.113.66:6001")
        #expect(try known.register().status == 200)
    }

    @Test("all sources together try 200 names a second; who is known passes all the same")
    func all() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:4999")
        try alice.register()
        edge.isDirectorySilent = true
        for number in 0..<300 {
            let phone = Phone(edge, "ghost\(number)", at: "192.0.2.\(number % 250):5060")
            _ = try? phone.register()
        }
        // What is answered at once lets some time pass, in which a few more may be tried.
        #expect((200...220).contains(edge.questions.count))
        #expect(try alice.register().status == 200)
    }
}
