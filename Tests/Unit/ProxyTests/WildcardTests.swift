import Messages
import Proxy
import Sys
import Testing

/// Endpoints at 0.0.0.0 and [::]: the address that was asked is the one that answers, calls and is shown.
@Suite("Wildcard endpoints") struct WildcardTests {
    private static func listeners(_ host: String) -> [Listener] {
        func endpoint(_ transport: Transport, _ port: Int) -> Endpoint {
            Endpoint(transport, address("\(host):\(port)"))
        }
        return [
            Listener(index: 0, side: .outside, endpoint: endpoint(.udp, 5060)),
            Listener(index: 1, side: .outside, endpoint: endpoint(.tcp, 5060)),
            Listener(index: 2, side: .outside, endpoint: endpoint(.tls, 5061)),
            Listener(
                index: 3, side: .inside, endpoint: Endpoint(.udp, address("0.0.0.0:5070"))),
            Listener(
                index: 4, side: .inside, endpoint: Endpoint(.udp, address("0.0.0.0:5071"))),
        ]
    }

    private static let trunk: [RouterSetting] = [
        .trunk("telco", .inside(Endpoint(.udp, address("0.0.0.0:5071")))),
        .trunk("telco", .server(address("198.51.100.5:5060"))),
    ]
    private static let ways = [
        ("0.0.0.0", "198.51.100.7:40000", "203.0.113.6"),
        ("[::]", "[2001:db8:7::7]:40000", "[2001:db8::6]"),
    ]

    private func edge(_ host: String = "0.0.0.0", _ extra: [RouterSetting] = []) -> Edge {
        Edge(
            extra, asterisks: ["10.0.0.10:5060"], listeners: Self.listeners(host),
            insideWay: address("10.0.0.1:1").ip
        ) { Issue.record("\($0)") }
    }

    /// A phone that asks one of the edge's addresses.
    private func phone(
        _ edge: Edge, _ name: String, at source: String = "198.51.100.7:40000",
        asking own: String = "203.0.113.6"
    ) -> Phone {
        let phone = Phone(edge, name, at: source)
        phone.flow = edge.router.flow(0, from: phone.flow.peer, at: address("\(own):1").ip)
        return phone
    }

    private func asterisk(_ edge: Edge, listener: UInt8 = 3) -> Asterisk {
        let asterisk = Asterisk(edge, listener: listener)
        asterisk.flow.connection = OwnMark.of(address("10.0.0.1:1").ip)
        return asterisk
    }

    @Test("a call to a phone leaves from the address that it asked, and shows it", arguments: ways)
    func called(_ host: String, _ source: String, _ own: String) throws {
        let edge = edge(host)
        let phone = phone(edge, "alice", at: source, asking: own)
        #expect(try phone.register().status == 200)
        #expect(edge.router.source(of: phone.flow) == address("\(own):1").ip)
        asterisk(edge).call("alice")
        let invite = try phone.expect("INVITE")
        #expect(invite["Via"].contains("SIP/2.0/UDP \(own):5060;"))
        #expect(invite.contactURI.hasSuffix("@\(own):5060"))
    }

    @Test(
        "a router that was started anew calls from the same address", arguments: ways,
        [true, false])
    func restarted(_ way: (String, String, String), isStillThere: Bool) throws {
        let edge = edge(way.0)
        let phone = phone(edge, "alice", at: way.1, asking: way.2)
        #expect(try phone.register().status == 200)
        edge.restart()
        let own = address("\(way.2):1").ip
        if isStillThere { edge.router.learn([own]) }
        asterisk(edge).call("alice")
        let invite = try phone.expect("INVITE")
        // From an address that is gone nothing can leave: the kernel chooses, until the phone asks another.
        #expect(edge.router.source(of: phone.flow) == (isStillThere ? own : nil))
        #expect(invite.contactURI.hasSuffix(isStillThere ? "@\(way.2):5060" : "@example.com:5060"))
    }

    @Test(
        "a call lasts over a restart: ACK and BYE go each way by the address asked", arguments: ways
    )
    func lasts(_ host: String, _ source: String, _ own: String) throws {
        let edge = edge(host)
        let alice = phone(edge, "alice", at: source, asking: own)
        let pbx = asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com", body: "v=0\r\n")
        let invite = try pbx.expect("INVITE")
        #expect(invite["Via"].contains("UDP 10.0.0.1:5070;"))
        #expect(invite["Record-Route"].contains("@10.0.0.1:5070;lr"))
        pbx.answer(invite, 200, body: "v=0\r\n")
        let answer = try alice.expect(200)
        #expect(answer.contactURI.hasSuffix("@\(own):5060"))
        var dialog = Dialog(caller: sent, answer)
        alice.send(dialog.request("ACK", via: alice.via))
        #expect(try pbx.expect("ACK")["Via"].contains("10.0.0.1:5070"))
        edge.restart()
        edge.router.learn([address("\(own):1").ip])
        var calling = Dialog(called: invite, tag: "as1")
        pbx.send(calling.request("INFO", via: pbx.via))
        alice.send(response(to: try alice.expect("INFO"), 200))
        #expect(try pbx.expect(200).method == "INFO")
        alice.send(dialog.request("BYE", via: alice.via))
        pbx.answer(try pbx.expect("BYE"), 200)
        #expect(try alice.expect(200).method == "BYE")
    }

    @Test("an Asterisk sees one address, which is learned from its first answer")
    func inside() throws {
        let edge = edge()
        let phone = phone(edge, "alice")
        #expect(try phone.register().status == 200)
        edge.advance(.seconds(3))
        let contact = try #require(edge.registered[address("10.0.0.10:5060")]?["alice"]).contactURI
        #expect(contact == "sip:alice@10.0.0.1:5070")
        var ways: Set<IPAddress?> = []
        edge.observe = { bytes, flow in
            if flow.listener == 3 { ways.insert(edge.router.source(of: flow)) }
        }
        edge.advance(.seconds(5))
        #expect(ways == [address("10.0.0.1:1").ip])
        // What names that address outside is the domain.
        asterisk(edge).call("alice", ["Subject: from 10.0.0.1"])
        #expect(try phone.expect("INVITE")["Subject"] == "from example.com")
    }

    @Test("a call on hold by c=0.0.0.0 stays so")
    func hold() throws {
        let edge = edge()
        let phone = phone(edge, "alice")
        #expect(try phone.register().status == 200)
        let held = "v=0\r\no=- 1 1 IN IP4 198.51.100.40\r\ns=-\r\nc=IN IP4 0.0.0.0\r\n"
        asterisk(edge).call("alice", body: held)
        #expect(try phone.expect("INVITE").body.contains("c=IN IP4 0.0.0.0\r\n"))
    }

    @Test("an Asterisk that is lost is looked for from any address again")
    func lost() {
        let edge = edge()
        edge.advance(.seconds(3))
        edge.helpful = []
        edge.advance(.seconds(10))
        edge.insideWay = address("10.0.0.2:1").ip
        edge.helpful = [address("10.0.0.10:5060")]
        edge.advance(.seconds(10))
        let flow = Flow(.udp, listener: 3, peer: address("10.0.0.10:5060"))
        var way: IPAddress?
        edge.observe = { bytes, sent in
            if sent.peer == flow.peer { way = edge.router.source(of: sent) }
        }
        edge.advance(.seconds(3))
        #expect(way == address("10.0.0.2:1").ip)
    }

    @Test("credentials may name any address of the machine, and no other one")
    func digest() throws {
        let edge = edge()
        edge.router.learn([address("203.0.113.9:1").ip])
        let phone = phone(edge, "alice")
        for (host, status) in [("203.0.113.6", 200), ("203.0.113.9", 200), ("203.0.113.77", 400)] {
            let lines = ["Contact: <\(phone.contact)>"]
            phone.sequence += 1
            phone.send(
                phone.request(
                    "REGISTER", "sip:example.com", callID: "d", sequence: phone.sequence, lines))
            let proof = phone.credentials(try phone.expect(401), "REGISTER", "sip:\(host)")
            phone.sequence += 1
            phone.send(
                phone.request(
                    "REGISTER", "sip:example.com", callID: "d", sequence: phone.sequence,
                    lines + [proof]))
            #expect(phone.next()?.status == status)
        }
    }

    @Test("a phone is not bound to the edge itself, whichever of its addresses it names")
    func ownContact() throws {
        let phone = phone(edge(), "alice")
        #expect(try phone.register(contacts: ["<sip:alice@203.0.113.6:5060>"]).status == 400)
        #expect(try phone.register(contacts: ["<sip:alice@203.0.113.6:5099>"]).status == 200)
    }

    @Test("a datagram in the name of one of the machine's addresses is dropped")
    func forged() {
        let edge = edge()
        edge.router.learn([address("203.0.113.9:1").ip])
        for source in ["203.0.113.9:40000", "203.0.113.6:40000", "10.0.0.10:40000"] {
            let forger = phone(edge, "alice", at: source)
            forger.send(forger.request("OPTIONS", "sip:example.com", callID: "f", sequence: 1))
            #expect(forger.next() == nil)
        }
    }

    @Test("an address that a connection asks is known as one of datagrams is")
    func learned() {
        let edge = edge()
        let asked = address("203.0.113.6:1").ip
        let peer = address("198.51.100.7:40000")
        edge.router.opened(Flow(.tcp, listener: 1, peer: peer, connection: 7), at: asked)
        let marked = Flow(.udp, listener: 0, peer: peer, connection: OwnMark.of(asked))
        #expect(edge.router.source(of: marked) == asked)
    }

    @Test("nobody but an Asterisk makes an address one of the inside")
    func stranger() throws {
        let edge = edge()
        _ = edge.router.flow(
            3, from: address("198.51.100.66:5060"), at: address("203.0.113.6:1").ip)
        let phone = phone(edge, "alice")
        #expect(try phone.register().status == 200)
        asterisk(edge).call("alice", ["Subject: from 203.0.113.6"])
        #expect(try phone.expect("INVITE")["Subject"] == "from 203.0.113.6")
    }

    @Test("a connection shows the address that it came to", arguments: [Transport.tcp, .tls])
    func streams(_ transport: Transport) throws {
        let edge = edge()
        let phone = Phone(edge, "alice", at: "198.51.100.7:40000", transport, connection: 7)
        edge.router.opened(phone.flow, at: address("203.0.113.6:1").ip)
        #expect(try phone.register().status == 200)
        asterisk(edge).call("alice")
        let port = transport == .tls ? 5061 : 5060
        let invite = try phone.expect("INVITE")
        #expect(invite["Via"].contains(" 203.0.113.6:\(port);"))
        #expect(invite.contactURI.hasSuffix("@203.0.113.6:\(port);transport=\(transport.name)"))
    }

    @Test(
        "a trunk is answered from the address that it asks, and called from the one that it answers"
    )
    func trunk() throws {
        let edge = edge("0.0.0.0", Self.trunk)
        let carrier = Carrier(edge, at: "198.51.100.5:5060")
        carrier.flow = edge.router.flow(0, from: carrier.flow.peer, at: address("203.0.113.6:1").ip)
        let pbx = asterisk(edge, listener: 4)
        carrier.call("sip:+43123@203.0.113.6")
        let invite = try pbx.expect("INVITE")
        #expect(invite["Record-Route"].contains("@10.0.0.1:5071;lr"))
        pbx.answer(invite, 200)
        #expect(try carrier.expect(200).contactURI.hasSuffix("@203.0.113.6:5060"))
        edge.router.leads(toward: carrier.flow.peer.ip, from: address("203.0.113.5:1").ip)
        pbx.call("+4420123", callID: "out")
        let main = edge.router.flow(0, from: carrier.flow.peer, at: address("203.0.113.5:1").ip)
        carrier.flow = main
        #expect(try carrier.expect("INVITE").contactURI.hasSuffix("@203.0.113.5:5060"))
    }

    @Test("of an endpoint at one address nothing is marked")
    func bound() {
        let edge = Edge()
        let flow = Flow(
            .udp, listener: 0, peer: address("198.51.100.7:40000"),
            connection: OwnMark.of(address("203.0.113.6:1").ip))
        #expect(!edge.router.hasWildcards && edge.router.source(of: flow) == nil)
    }
}
