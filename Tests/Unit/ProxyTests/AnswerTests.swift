import Messages
import Proxy
import ProxyBench
import Sys
import Testing

/// Datagrams that come at a steady rate, each with the address of another of the senders.
private struct Flood {
    let edge: Edge
    let senders: [Phone]
    let request: [UInt8]
    /// How many a second.
    let rate: Int
    private(set) var sent = 0

    init(_ edge: Edge, _ method: String = "REGISTER", from places: [String], rate: Int) {
        self.edge = edge
        self.rate = rate
        senders = places.map { Phone(edge, "forged", at: $0) }
        request = asked(method, senders[0])
    }

    /// Lets the flood go on for a while.
    mutating func last(_ span: Milliseconds) {
        for _ in 0..<span.count / 20 {
            for _ in 0..<rate / 50 {
                senders[sent % senders.count].send(request)
                sent += 1
            }
            edge.advance(Milliseconds(20))
        }
    }

    /// How many answers came, and how many of them were longer than what was asked.
    func answers() -> (all: Int, long: Int) {
        var found = (all: 0, long: 0)
        for sender in senders {
            for answer in sender.all() {
                #expect(answer.length <= 3 * request.count, "\(answer)")
                found.all += 1
                if answer.length > request.count { found.long += 1 }
            }
        }
        return found
    }
}

/// What phones send before they have proven anything.
private let methods = [
    "REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "REFER", "PUBLISH", "NOTIFY", "BYE",
    "FOO",
]

/// A request of about 350 bytes as phones write it.
private func asked(_ method: String, _ phone: Phone, _ extra: [String] = []) -> [UInt8] {
    plain(phone, method, "sip:\(method == "REGISTER" ? "" : "bob@")example.com", extra)
}

/// A request of as few bytes as there can be, and some more.
private func minimal(_ method: String, _ padding: Int) -> [UInt8] {
    let lines =
        [
            "\(method) sip:example.com SIP/2.0", "v:SIP/2.0/UDP a", "f:<sip:a@example.com>;tag=1",
            "t:<sip:a@example.com>", "i:1", "CSeq:1 \(method)",
        ] + (padding == 0 ? [] : ["s:\(String(repeating: "x", count: padding))"])
    return Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
}

/// The first address of a network of documentation, by its family.
private let victims = ["192.0.2.66", "[2001:db8:7::66]"]

@Suite("Answers to who has proven nothing")
struct AnswerTests {
    /// Four tries of a phone, each of which is challenged at once.
    private func isHeard(
        _ phone: Phone, every span: Milliseconds = Milliseconds(300), during flood: inout Flood
    ) {
        for _ in 0..<4 {
            flood.last(span)
            _ = flood.answers()
            phone.send(phone.request("REGISTER", "sip:example.com", callID: "v", sequence: 1))
            #expect(phone.all().map(\.status) == [401])
        }
    }

    @Test(
        "no answer by UDP is longer than three times what was asked, whoever asks, and each is answered",
        arguments: methods)
    func threeTimes(_ method: String) throws {
        for place in ["192.0.2.66:5060", "[2001:db8::66]:5060"] {
            for length in stride(from: 0, through: 400, by: 20) {
                let edge = Edge()
                let phone = Phone(edge, "alice", at: place)
                // By a way that a phone has registered by the same holds as of a stranger.
                if length % 40 == 0 { try phone.register() }
                let request = asked(
                    method, phone, ["Subject: \(String(repeating: "x", count: length))"])
                phone.send(request)
                let answers = phone.all()
                #expect(answers.count == 1)
                #expect(answers.allSatisfy { $0.length <= 3 * request.count && !$0.isCompact })
            }
        }
    }

    @Test("a request that is too short for the long form of its answer gets the short one")
    func shortest() {
        let edge = Edge([.algorithm(.sha256), .algorithm(.md5)])
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060")
        let request = minimal("REGISTER", 0)
        phone.send(request)
        let answers = phone.all()
        #expect(answers.map(\.status) == [401])
        #expect(answers.allSatisfy { $0.isCompact && $0.length <= 3 * request.count })
    }

    @Test(
        "a challenge is short exactly where the long one would be more than three times the request",
        arguments: ["REGISTER", "INVITE"], ["192.0.2.66:5060", "[2001:db8::66]:5060"])
    func exact(_ method: String, _ place: String) throws {
        let edge = Edge([.algorithm(.sha256), .algorithm(.md5)])
        let phone = Phone(edge, "alice", at: place)
        var sizes: [Int: (isShort: Bool, length: Int)] = [:]
        for padding in 0..<120 {
            let request = minimal(method, padding)
            phone.send(request)
            let answer = try #require(phone.next())
            sizes[request.count] = (answer.isCompact, answer.length)
            edge.advance(.seconds(1))
        }
        let shortest = try #require(sizes.filter { !$0.value.isShort }.keys.min())
        let length = try #require(sizes[shortest]).length
        #expect(sizes.allSatisfy { $0.value.isShort == (3 * $0.key < length) })
        // Both kinds were seen.
        #expect(sizes.contains { $0.value.isShort })
    }

    @Test("a phone's REGISTER of 464 bytes and a minimal one of 282 get a 401 in long form")
    func minimalRegisters() {
        for length in [282, 294, 302, 316, 328, 335, 342, 352, 464] {
            let edge = Edge()
            let phone = Phone(edge, "alice", at: "192.0.2.66:5060")
            let request = minimal("REGISTER", length - minimal("REGISTER", 1).count + 1)
            #expect(request.count == length)
            phone.send(request)
            let answers = phone.all()
            #expect(answers.map(\.status) == [401])
            #expect(answers.allSatisfy { !$0.isCompact })
            let said = edge.router.explain("192.0.2.66").map { "\($0)" }.joined()
            #expect(!said.contains("short"), "\(said)")
        }
    }

    @Test("explain says that an address is answered in short form, and says nothing of another one")
    func explained() {
        let edge = Edge([.algorithm(.sha256), .algorithm(.md5)])
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060")
        phone.send(minimal("REGISTER", 0))
        let said = edge.router.explain("192.0.2.66").map { "\($0)" }.joined()
        #expect(said.contains("1 in short form, the last 0 s ago"), "\(said)")
        #expect(said.contains(": short-answer, 401"), "\(said)")
        #expect(!edge.router.explain("192.0.2.67").map { "\($0)" }.joined().contains("short"))
    }

    @Test("a flood of short answers leaves in mind what was decided about others before")
    func mindful() {
        let edge = Edge()
        let other = Phone(edge, "bob", at: "192.0.2.67:5060")
        other.send(plain(other, "FOO", "sip:bob@example.com"))
        var flood = Flood(edge, from: ["192.0.2.66:9"], rate: 500)
        flood.last(.seconds(20))
        #expect(flood.answers().all > 8192)
        let said = edge.router.explain("192.0.2.67").map { "\($0)" }.joined()
        #expect(said.contains("unknown-method, 501"), "\(said)")
    }

    @Test(
        "forged requests in a stranger's name do not keep a challenge from his phone",
        arguments: victims, [100, 390])
    func stranger(_ victim: String, _ rate: Int) {
        for method in rate == 390 ? methods : ["REGISTER"] {
            let edge = Edge()
            var flood = Flood(edge, method, from: ["\(victim):9"], rate: rate)
            // Long enough for what an address may have at once.
            flood.last(.seconds(rate == 390 ? 2 : 4))
            isHeard(Phone(edge, "alice", at: "\(victim):5060"), during: &flood)
        }
    }

    @Test("an address gets 30 long answers a second, then short ones, then none, by two settings")
    func rates() {
        let edge = Edge([.replies(10), .packets(100)])
        var flood = Flood(edge, from: ["192.0.2.66:9"], rate: 500)
        flood.last(.seconds(4))
        let first = flood.answers()
        // What a second has, and what has been saved before.
        #expect((115...125).contains(first.long))
        #expect((590...610).contains(first.all))
        let said = edge.router.explain("192.0.2.66").map { "\($0)" }.joined()
        #expect(said.contains("answers-used-up, no answer"))
        edge.advance(.seconds(20))
        flood.last(Milliseconds(100))
        #expect(flood.answers() == (50, 50))
    }

    @Test("with no limit of packets an address gets as many answers as all strangers have")
    func unlimited() {
        let edge = Edge([.packets(0)])
        var flood = Flood(edge, from: ["192.0.2.66:9"], rate: 1500)
        flood.last(.seconds(2))
        #expect(flood.answers().all == 3000)
    }

    @Test("a profile's rate is that of long answers, and leaves what all have together as it is")
    func profile() throws {
        let network = try #require(Network("192.0.2.0/24"))
        let edge = Edge([.profile("lab", .network(network)), .profile("lab", .replies(1))])
        var flood = Flood(edge, from: ["192.0.2.66:9"], rate: 300)
        flood.last(.seconds(2))
        let answers = flood.answers()
        #expect(answers.all == 600 && answers.long <= 10)
    }

    @Test("a flood in the names of a phone's whole network leaves it its challenge")
    func neighbourhood() {
        let edge = Edge()
        var flood = Flood(edge, from: (1...250).map { "192.0.2.\($0):9" }, rate: 1500)
        flood.last(.seconds(4))
        isHeard(Phone(edge, "alice", at: "192.0.2.66:5060"), during: &flood)
    }

    @Test(
        "when one network uses up what all strangers have, a stranger of another one is answered at once",
        arguments: [
            (0, "203.0.113.66:5060"), (1, "[2001:db9::66]:5060"), (0, "[2001:db9::66]:5060"),
            (1, "203.0.113.66:5060"),
        ])
    func otherNetwork(_ family: Int, _ place: String) {
        let edge = Edge()
        let places = (0..<500).map { number in
            family == 0
                ? "198.18.\(number / 250).\(number % 250 + 1):9" : "[2001:db8:\(number)::1]:9"
        }
        var flood = Flood(edge, from: places, rate: 4000)
        flood.last(.seconds(4))
        #expect(flood.answers().all <= 7680 + 4 * 1920)
        isHeard(Phone(edge, "alice", at: place), during: &flood)
    }

    @Test("networks that were made up leave one that is silent its equal part")
    func madeUp() {
        let edge = Edge()
        let places = (0..<1000).map { "\(20 + $0 / 250).\($0 % 250).0.1:9" }
        var flood = Flood(edge, from: places, rate: 6000)
        flood.last(.seconds(4))
        _ = flood.answers()
        // Of 1,920 among a thousand.
        let phone = Phone(edge, "alice", at: "203.0.113.66:5060")
        isHeard(phone, every: .seconds(1), during: &flood)
    }

    @Test(
        "a flood in a registered phone's name is answered within the residents' budget, and phones go on",
        arguments: ["198.51.100.7", "[2001:db8:7::66]"])
    func registered(_ place: String) throws {
        for method in ["REGISTER", "INVITE", "BYE"] {
            let edge = Edge()
            let alice = Phone(edge, "alice", at: "\(place):40000")
            let bob = Phone(edge, "bob", at: "198.51.100.9:5060")
            try alice.register()
            try bob.register()
            alice.send(alice.request("REGISTER", "sip:example.com", callID: "r", sequence: 1))
            let challenge = try alice.expect(401)
            var flood = Flood(edge, method, from: ["\(place):40000"], rate: 8000)
            var answers = 0
            for count in 1...4 {
                flood.last(Milliseconds(300))
                answers += flood.answers().all
                alice.send(
                    alice.request(
                        "REGISTER", "sip:example.com", callID: "r", sequence: 1 + count,
                        [
                            "Contact: <\(alice.contact)>",
                            alice.credentials(
                                challenge, "REGISTER", "sip:example.com", count: count),
                        ]))
                #expect(alice.all().contains { $0.status == 200 })
                #expect(try bob.register().status == 200)
            }
            #expect(answers > 3840 && answers <= 3840 + 3840 * 12 / 10)
            #expect(edge.banOrders.isEmpty)
        }
    }

    @Test(
        "what is forged in a registered phone's name holds nobody at its address",
        arguments: ["198.51.100.7", "[2001:db8:7::66]"])
    func forged(_ place: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "\(place):40000")
        try alice.register()
        for number in 0..<200 {
            alice.send(
                alice.request(
                    "OPTIONS", "sip:example.com", callID: "f\(number)", sequence: 1, ["X\u{1}: y"]))
        }
        #expect(try Phone(edge, "bob", at: "\(place):40002").register().status == 200)
        let bob = Phone(edge, "bob", at: "\(place):40003", .tls, connection: 5)
        #expect(try bob.register().status == 200)
    }

    @Test("what a trunk's name is forged into is answered with at most three times its length")
    func trunk() throws {
        for method in methods {
            let trunk = try TrunkEdge()
            for length in stride(from: 0, through: 200, by: 20) {
                let request = trunk.carrier.request(
                    method, "sip:+43123@203.0.113.5", callID: "\(length)",
                    extra: ["Subject: \(String(repeating: "x", count: length))"])
                trunk.carrier.send(request)
                #expect(trunk.carrier.all().allSatisfy { $0.length <= 3 * request.count })
            }
        }
    }

    @Test("networks of defence.allow are answered without a bound")
    func allowed() throws {
        let edge = Edge([.allow(try #require(Network("192.0.2.0/24")))])
        var flood = Flood(edge, from: ["192.0.2.66:9"], rate: 5000)
        flood.last(.seconds(2))
        #expect(flood.answers().all == 10_000)
    }

    @Test("what a banned and a held address sends gets no answer, and explain says why")
    func silences() throws {
        let edge = Edge()
        try Phone(edge, "alice", at: "198.51.100.7:5060").register()
        for number in 0..<40 {
            for place in ["198.51.100.7", "192.0.2.66"] {
                let guesser = Phone(
                    edge, "name\(number)", at: "\(place):\(6000 + number)", password: "x")
                _ = try? guesser.register()
            }
        }
        for (place, reason) in [("198.51.100.7", "held"), ("192.0.2.66", "banned")] {
            let phone = Phone(edge, "bob", at: "\(place):9")
            phone.send(phone.request("REGISTER", "sip:example.com", callID: "s", sequence: 1))
            #expect(phone.next() == nil)
            let said = edge.router.explain(place).map { "\($0)" }.joined()
            #expect(said.contains(": \(reason), no answer"), "\(said)")
        }
    }

    @Test(
        "a flood in the names of an office's other ports leaves its registered phones every answer")
    func registeredWays() throws {
        let edge = Edge()
        let phones = [("alice", 5060), ("bob", 5061)].map {
            Phone(edge, $0.0, at: "198.51.100.7:\($0.1)")
        }
        for phone in phones { try phone.register() }
        for second in 0..<5 {
            for number in 0..<12_000 {
                let flow = Flow(
                    .udp, listener: 0, peer: address("198.51.100.7:\(10_000 + number)"))
                let forged = phones[0].request(
                    "REGISTER", "sip:example.com", callID: "f\(second)-\(number)", sequence: 1)
                edge.router.receive(forged.span, flow, edge.now)
                if number % 1000 == 0 { edge.router.bench.effects.outbox.removeAll() }
            }
            edge.router.bench.effects.outbox.removeAll()
            for phone in phones { #expect(try phone.register().status == 200) }
            edge.advance(.seconds(1))
        }
    }
}
