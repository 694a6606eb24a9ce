import Messages
import Proxy
import ProxyBench
import Sys
import Testing

@Suite("Defence") struct RouterDefenceTests {
    @Test("a short request as phones write it is challenged by UDP all the same")
    func shortest() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        phone.send(
            wire([
                "REGISTER sip:example.com SIP/2.0",
                "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK0123456789abcdef;rport",
                "Max-Forwards: 70", "From: <sip:alice@example.com>;tag=0123456789",
                "To: <sip:alice@example.com>", "Call-ID: 0123456789abcdef0123",
                "CSeq: 1 REGISTER", "Contact: <sip:alice@198.51.100.7:5060;transport=udp>",
                "Expires: 600",
            ]))
        let answer = try phone.expect(401)
        #expect(answer["WWW-Authenticate"].contains("nonce="))
    }

    @Test("a flood in the name of an office leaves its phones alone, and bans nobody")
    func forgedOffice() throws {
        let edge = Edge()
        let phones = [("alice", 5060), ("bob", 5061), ("carol", 5062)].map {
            Phone(edge, $0.0, at: "198.51.100.7:\($0.1)")
        }
        for phone in phones { try phone.register() }
        for number in 0..<3000 {
            let forged = Phone(edge, "x\(number)", at: "198.51.100.7:\(10_000 + number)")
            forged.send(
                forged.request("REGISTER", "sip:example.com", callID: "f\(number)", sequence: 1))
            if number % 60 == 0 { edge.advance(Milliseconds(20)) }
            if number % 500 == 0 {
                for phone in phones { #expect(try phone.register().status == 200) }
            }
        }
        for phone in phones { #expect(try phone.register().status == 200) }
        #expect(edge.banOrders.isEmpty)
    }

    /// Answers a challenge wrongly, as often as there are names.
    private func guess(_ edge: Edge, _ names: [String], at place: String) {
        for (number, name) in names.enumerated() {
            let phone = Phone(edge, name, at: "\(place):\(6000 + number)", password: "guess")
            _ = try? phone.register()
        }
    }

    @Test("a source that tries name after name is banned for the names, with its evidence")
    func names() throws {
        let edge = Edge([.failures(100)])
        // Names are told apart by 6 bits of a hash: of 20 no five are alike in all but four.
        guess(edge, (1...20).map { "a\($0)" }, at: "192.0.2.66")
        let order = try #require(edge.banOrders.first)
        #expect(order.reason == "names-swept" && order.count == 5)
        #expect(order.evidence.contains("the last for a"))
        #expect(order.atLeast == .seconds(3600))
        #expect(edge.router.bench.effects.closing.contains { $0.contains(order.address) })
    }

    @Test("one try of a trap is enough; the name of an account is none")
    func traps() throws {
        let edge = Edge([.trap("admin"), .trap("alice")])
        guess(edge, ["alice"], at: "192.0.2.67")
        #expect(edge.banOrders.isEmpty)
        guess(edge, ["admin"], at: "192.0.2.66")
        #expect(edge.banOrders.map(\.reason) == ["honey-account"])
    }

    @Test("where phones are registered one wrong phone is held, and the others notice nothing")
    func office() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:5060")
        try alice.register()
        guess(edge, Array(repeating: "bob", count: 40), at: "198.51.100.7")
        #expect(edge.banOrders.isEmpty)
        #expect(try alice.register().status == 200)
        // Even with the right password now: nobody looks at it for a while.
        let bob = Phone(edge, "bob", at: "198.51.100.7:7000")
        #expect(try bob.register().status != 200)
        edge.advance(.seconds(301))
        #expect(try bob.register().status == 200)
    }

    @Test("an account under attack from many places is looked at for those who are known to it")
    func distributed() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:5060")
        try alice.register()
        for number in 0..<40 { guess(edge, ["alice"], at: "192.0.\(number).1") }
        #expect(try alice.register().status == 200)
        let moved = Phone(edge, "alice", at: "198.51.100.99:5060")
        #expect(try moved.register().status == 200, "its own /24 is known")
        let stranger = Phone(edge, "alice", at: "203.0.113.77:5060")
        _ = try? stranger.register()
        #expect(try Phone(edge, "alice", at: "203.0.113.78:5060").register().status == 401)
        edge.advance(.seconds(31))
        #expect(try Phone(edge, "alice", at: "203.0.114.78:5060").register().status == 200)
    }

    @Test("a scanner gets no answer, and by TCP is banned")
    func scanner() throws {
        let edge = Edge()
        let udp = Phone(edge, "alice", at: "192.0.2.66:5060")
        func scan(_ phone: Phone, _ number: Int) -> [UInt8] {
            wire([
                "OPTIONS sip:100@example.com SIP/2.0",
                "Via: \(phone.via)", "Max-Forwards: 70",
                "From: \"sipvicious\"<sip:100@1.1.1.1>;tag=6",
                "To: \"sipvicious\"<sip:100@1.1.1.1>", "Call-ID: \(number)",
                "CSeq: 1 OPTIONS", "User-Agent: friendly-scanner",
            ])
        }
        udp.send(scan(udp, 1))
        #expect(udp.next() == nil && edge.banOrders.isEmpty)
        let tcp = Phone(edge, "alice", at: "192.0.2.67:5060", .tcp, connection: 9)
        for number in 0..<3 { tcp.send(scan(tcp, number)) }
        #expect(tcp.next() == nil)
        #expect(edge.banOrders.map(\.reason) == ["scanner"])
    }

    @Test("calls without a password are challenged for a while, then not at all")
    func knocking() throws {
        let edge = Edge()
        let tcp = Phone(edge, "alice", at: "192.0.2.67:5060", .tcp, connection: 9)
        for number in 0..<14 {
            tcp.send(
                tcp.request(
                    "INVITE", "sip:0033\(number)@example.com", callID: "k\(number)", sequence: 1))
        }
        #expect(tcp.all().count == 9)
        // Either may come first: two numbers can have the same mark.
        #expect(["stranger-calls", "numbers-swept"].contains(edge.banOrders.first?.reason))
        #expect(edge.banOrders.first?.atLeast == .seconds(86_400))
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("while it only observes, the same is recorded and everybody is answered")
    func observing() throws {
        let edge = Edge([.mode(.observe), .failures(3)])
        guess(edge, Array(repeating: "alice", count: 12), at: "192.0.2.66")
        #expect(!edge.banOrders.isEmpty)
        #expect(try Phone(edge, "alice", at: "192.0.2.66:5060").register().status == 200)
    }

    @Test("a profile's methods, transports and answer hold for its networks alone")
    func profiles() throws {
        let network = try #require(Network("192.0.2.0/24"))
        let edge = Edge([
            .profile("lab", .network(network)), .profile("lab", .method("REGISTER")),
            .profile("world", .answer(.silence)),
        ])
        let lab = Phone(edge, "alice", at: "192.0.2.5:5060")
        #expect(try lab.register().status == 200)
        lab.send(lab.request("INVITE", "sip:100@example.com", callID: "i", sequence: 1))
        #expect(lab.next()?.status == 403)
        let world = Phone(edge, "bob", at: "198.51.100.66:5060")
        #expect(throws: Missing.self) { try world.register() }
        let said = edge.router.explain("192.0.2.5").map { "\($0)" }.joined()
        #expect(said.contains("because of the network 192.0.2.0/24"))
    }

    @Test("explain tells of a Call-ID what was decided")
    func explained() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060", password: "guess")
        phone.send(phone.request("BYE", "sip:1@example.com", callID: "lost", sequence: 1))
        let said = edge.router.explain("lost").map { "\($0)" }.joined()
        #expect(said.contains("no-dialog, 481"))
    }
}
