import Digest
import Messages
import Proxy
import Sys
import Testing

@Suite struct RegisterTests {
    @Test("a phone that answers the challenge is registered, and its binding is kept")
    func registers() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let answer = try alice.register()
        #expect(answer.status == 200)
        #expect(answer["Contact"] == "<\(alice.contact)>;expires=3600")
        #expect(edge.kept.values.map(\.account) == ["alice"])
        #expect(edge.kept.values.first?.address == alice.flow.peer)
    }

    @Test(
        "SHA-256 is offered and accepted where it is set",
        arguments: [DigestAlgorithm.md5, .sha256])
    func algorithms(_ algorithm: DigestAlgorithm) throws {
        let edge = Edge([.algorithm(.sha256), .algorithm(.md5)])
        let alice = Phone(edge, "alice")
        alice.algorithm = algorithm
        #expect(try alice.register().status == 200)
    }

    @Test("MD5 alone is offered unless SHA-256 is asked for")
    func onlyMD5() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let challenge = try alice.expect(401)
        #expect(challenge.all("WWW-Authenticate").count == 1)
        #expect(challenge["WWW-Authenticate"].contains("algorithm=MD5"))
    }

    @Test("a wrong password and an account that there is not get the same bytes")
    func indistinguishable() throws {
        func answers(_ name: String, _ password: String) throws -> [String] {
            let edge = Edge()
            edge.passwords = ["alice": "wonder"]
            let phone = Phone(edge, name, password: password)
            phone.send(phone.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
            let challenge = try phone.expect(401)
            let proof = phone.credentials(challenge, "REGISTER", "sip:example.com")
            phone.send(
                phone.request("REGISTER", "sip:example.com", callID: "r", sequence: 2, [proof]))
            return ([challenge] + phone.all()).map { message in
                let nonce = between(message.description, "nonce=\"", "\"")
                return replaced(message.description, [(nonce, "N"), (name, "alice")])
            }
        }
        let wrong = try answers("alice", "guess")
        let unknown = try answers("mallo", "guess")
        #expect(wrong.count == 2)
        #expect(wrong == unknown)
    }

    @Test("wrong passwords ban their source at the threshold; from then on it is met with silence")
    func bans() throws {
        let edge = Edge([.failures(3)])
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060", password: "guess")
        for _ in 0..<2 { #expect(try thief.register().status == 401) }
        #expect(edge.bans.isEmpty)
        #expect(throws: Missing.self) { try thief.register() }
        guard case .ban(let order) = edge.bans.first else {
            Issue.record("banner was not told")
            return
        }
        #expect(order.address == thief.flow.peer.ip && order.count == 3)
        thief.send(thief.request("OPTIONS", "sip:example.com", callID: "o", sequence: 1))
        #expect(thief.next() == nil)
        // Another source is as welcome as before, and the ban ends by itself.
        #expect(try Phone(edge, "alice").register().status == 200)
        edge.advance(.seconds(301))
        thief.send(thief.request("OPTIONS", "sip:example.com", callID: "o", sequence: 1))
        #expect(thief.next()?.status == 200)
    }

    @Test("a network that is never to be banned is challenged for ever")
    func allowed() throws {
        let network = try #require(Network("192.0.2.0/24"))
        let edge = Edge([.failures(2), .allow(network)])
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060", password: "guess")
        for _ in 0..<4 { #expect(try phone.register().status == 401) }
        #expect(edge.bans.isEmpty)
    }

    @Test("a wrong answer to a nonce of another source is challenged and never counted")
    func unproven() throws {
        let edge = Edge([.failures(2)])
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let challenge = try alice.expect(401)
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060", password: "guess")
        let proof = thief.credentials(challenge, "REGISTER", "sip:example.com")
        for number in 0..<5 {
            thief.send(
                thief.request(
                    "REGISTER", "sip:example.com", callID: "r", sequence: 2 + number, [proof]))
            #expect(thief.next()?.status == 401)
        }
        #expect(edge.bans.isEmpty)
    }

    @Test("one wrong answer counts once, however often it is sent while directory is silent")
    func retransmittedGuess() throws {
        let edge = Edge([.failures(3)])
        let phone = Phone(edge, "alice", password: "guess")
        phone.send(phone.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let proof = phone.credentials(try phone.expect(401), "REGISTER", "sip:example.com")
        let request = phone.request(
            "REGISTER", "sip:example.com", callID: "r", sequence: 2, [proof])
        edge.isDirectorySilent = true
        for _ in 0..<5 { phone.send(request) }
        #expect(phone.next() == nil)
        edge.directorySpeaks()
        #expect(edge.bans.isEmpty)
        #expect(phone.all().map(\.status) == [401])
    }

    @Test("a REGISTER waits while directory is silent, and is answered when it speaks")
    func parked() throws {
        let edge = Edge()
        edge.isDirectorySilent = true
        let alice = Phone(edge, "alice")
        #expect(throws: Missing.self) { try alice.register() }
        #expect(edge.router.load.parked == 1)
        edge.directorySpeaks()
        #expect(alice.next()?.status == 200)
        #expect(edge.router.load.parked == 0 && edge.router.load.questions == 0)
    }

    @Test(
        "more unanswered questions than there is room for do not leave an account waiting for ever")
    func manyQuestions() throws {
        let edge = Edge([.replies(100_000)])
        edge.isDirectorySilent = true
        // As many as may be asked: 20 a second by each source, 200 by all of them.
        for number in 0..<8000 where edge.questions.count < 4096 {
            let phone = Phone(edge, "x\(number)", at: "192.0.2.\(number / 20 % 200):5060")
            _ = try? phone.register()
            if number % 200 == 199 { edge.advance(.seconds(1)) }
        }
        #expect(edge.questions.count == 4096)
        let alice = Phone(edge, "alice")
        #expect(try alice.register().status == 503)
        edge.directorySpeaks()
        #expect(try alice.register().status == 200)
        #expect(edge.banOrders.allSatisfy { "\($0.address)".hasPrefix("192.0.2.") })
    }

    @Test("whoever tries names without end keeps nobody else from directory")
    func endlessNames() throws {
        let edge = Edge([.replies(100_000)])
        edge.isDirectorySilent = true
        let begun = edge.now.monotonic
        for number in 0..<500 {
            let phone = Phone(edge, "x\(number)", at: "192.0.2.1:\(1024 + number)")
            _ = try? phone.register()
        }
        let seconds = Int((edge.now.monotonic - begun).count) / 1000 + 1
        #expect(edge.questions.count <= 20 + 20 * seconds)
        let alice = Phone(edge, "alice")
        #expect(throws: Missing.self) { try alice.register() }
        edge.directorySpeaks()
        #expect(alice.next()?.status == 200)
    }

    @Test("a lifetime shorter than allowed is refused with 423 and the shortest one")
    func tooBrief() throws {
        let edge = Edge([.minimumExpires(.seconds(120))])
        let answer = try Phone(edge, "alice").register(expires: 60)
        #expect(answer.status == 423 && answer["Min-Expires"] == "120")
        #expect(edge.kept.isEmpty)
    }

    @Test("a lifetime longer than allowed is cut")
    func tooLong() throws {
        let edge = Edge([.maximumExpires(.seconds(600))])
        let answer = try Phone(edge, "alice").register(expires: 86_400)
        #expect(answer["Contact"].hasSuffix(";expires=600"))
    }

    @Test("Contact * with Expires 0 ends every binding; with another Expires it is refused")
    func star() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register(contacts: ["<sip:alice@192.168.1.7>", "<sip:alice@192.168.1.8>"])
        #expect(edge.kept.count == 2)
        #expect(try alice.register(expires: 60, contacts: ["*"]).status == 400)
        #expect(edge.kept.count == 2)
        let answer = try alice.register(expires: 0, contacts: ["*"])
        #expect(answer.status == 200 && !answer.has("Contact"))
        #expect(edge.kept.isEmpty)
    }

    @Test("a REGISTER without Contact lists the bindings and changes nothing")
    func fetch() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.advance(.seconds(100))
        let answer = try alice.register(expires: nil, contacts: [])
        #expect(answer.all("Contact") == ["<\(alice.contact)>;expires=3500"])
        #expect(edge.kept.count == 1)
    }

    @Test("a binding that is not refreshed ends with its time")
    func expires() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register(expires: 60)
        edge.advance(.seconds(59))
        #expect(edge.kept.count == 1)
        edge.advance(.seconds(2))
        #expect(edge.kept.isEmpty)
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        #expect(try asterisk.expect(480).status == 480)
    }

    @Test("a kept binding that no phone of this edge can have made is not taken up, nor announced")
    func nonsensicalBindings() throws {
        let edge = Edge()
        try Phone(edge, "alice").register()
        let (key, good) = try #require(edge.kept.first)
        let longest = edge.now.sinceEpoch + Bounds.longestBinding + Bounds.clockStep
        let changes: [(inout BindingRecord) -> Void] = [
            { $0.expires = longest + .seconds(1) }, { $0.listener = 5 }, { $0.listener = 3 },
            { ($0.listener, $0.transport, $0.connection) = (0, .tcp, 1) }, { $0.listener = 1 },
        ]
        for change in changes {
            var record = good
            change(&record)
            edge.kept = [key: record]
            edge.bans = []
            edge.restart()
            #expect(edge.router.phoneCount == 0, "\(record)")
            #expect(edge.bans.isEmpty)
        }
        edge.kept = [key: good]
        edge.restart()
        #expect(edge.router.phoneCount == 1)
    }

    @Test("a retransmitted REGISTER gets the same 200 again")
    func retransmitted() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let proof = alice.credentials(try alice.expect(401), "REGISTER", "sip:example.com")
        let request = alice.request(
            "REGISTER", "sip:example.com", callID: "r", sequence: 2,
            ["Contact: <\(alice.contact)>", proof])
        alice.send(request)
        alice.send(request)
        let answers = alice.all().map(\.description)
        #expect(answers.count == 2 && answers.first == answers.last)
        #expect(answers.first?.contains(" 200 ") == true)
        #expect(edge.kept.count == 1)
    }

    @Test("credentials that are used a second time, for another request, get a stale challenge")
    func replayed() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let challenge = try alice.expect(401)
        let proof = alice.credentials(challenge, "REGISTER", "sip:example.com")
        for (sequence, status) in [(2, 200), (3, 401)] {
            alice.send(
                alice.request(
                    "REGISTER", "sip:example.com", callID: "r", sequence: sequence, [proof]))
            let answer = try alice.expect(status)
            #expect(answer["WWW-Authenticate"].contains("stale=true") == (status == 401))
        }
        // The next count of the same nonce is good.
        let next = alice.credentials(challenge, "REGISTER", "sip:example.com", count: 2)
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 4, [next]))
        #expect(alice.next()?.status == 200)
    }

    @Test("a nonce that is too old gets a stale challenge, which bans nobody")
    func stale() throws {
        let edge = Edge([.failures(1)])
        let alice = Phone(edge, "alice")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
        let challenge = try alice.expect(401)
        edge.advance(.seconds(121))
        let proof = alice.credentials(challenge, "REGISTER", "sip:example.com")
        alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 2, [proof]))
        #expect(try alice.expect(401)["WWW-Authenticate"].contains("stale=true"))
        #expect(edge.bans.isEmpty)
    }

    @Test("an older REGISTER of the same Call-ID changes nothing")
    func outOfOrder() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        alice.sequence = 10
        try alice.register()
        alice.sequence = 3
        #expect(try alice.register(expires: 0).status == 500)
        #expect(edge.kept.count == 1)
    }

    @Test(
        "a Contact that names the edge or an Asterisk is refused",
        arguments: ["203.0.113.5", "203.0.113.5:5060", "10.0.0.10"])
    func ownContact(_ host: String) throws {
        let edge = Edge()
        let answer = try Phone(edge, "alice").register(contacts: ["<sip:alice@\(host)>"])
        #expect(answer.status == 400)
        #expect(edge.kept.isEmpty)
    }

    @Test("a new password is taken as soon as directory has it")
    func newPassword() throws {
        let edge = Edge()
        try Phone(edge, "alice").register()
        edge.advance(.seconds(61))
        edge.passwords["alice"] = "changed"
        #expect(try Phone(edge, "alice").register().status == 200)
        #expect(try Phone(edge, "alice", password: "wonder").register().status == 401)
    }
}

/// The text with each first text of a pair replaced by the second.
func replaced(_ text: String, _ pairs: [(String, String)]) -> String {
    var result = text
    for (old, new) in pairs where !old.isEmpty {
        var rest = Substring(result)
        var output = ""
        while !rest.isEmpty {
            if rest.hasPrefix(old) {
                output += new
                rest = rest.dropFirst(old.count)
            } else {
                output.append(rest.removeFirst())
            }
        }
        result = output
    }
    return result
}
