import Messages
import Proxy
import ProxyBench
import Sys
import Testing

/// Asterisks in several networks: each is called from the endpoint that the kernel's route to it uses.
@Suite("Several inside endpoints") struct InsidesTests {
    private static let near = "10.0.0.10:5060"
    private static let far = "10.0.1.10:5060"
    private static let six = "[2001:db8:5::10]:5060"
    private static let hosts = [
        near: "10.0.0.1:5060", far: "10.0.1.1:5060", six: "[2001:db8:5::1]:5060",
    ]
    private static let numbers: [String: UInt8] = [near: 3, far: 5, six: 6]
    private static let listeners =
        Edge.listeners + [
            Listener(index: 5, side: .inside, endpoint: Endpoint(.udp, address("10.0.1.1:5060"))),
            Listener(
                index: 6, side: .inside, endpoint: Endpoint(.udp, address("[2001:db8:5::1]:5060"))
            ),
        ]
    private static let trunk: [RouterSetting] = [
        .trunk("telco", .inside(Edge.trunkEndpoint)),
        .trunk("telco", .server(address("192.0.2.10:5060"))),
        .trunk("telco", .domain("carrier.example")),
    ]

    /// An edge before one Asterisk, and that Asterisk as it is to be called.
    private func ground(
        _ asterisks: [String], _ extra: [RouterSetting] = []
    ) throws -> (edge: Edge, asterisk: Asterisk) {
        let edge = Edge(extra, asterisks: asterisks, listeners: Self.listeners) {
            Issue.record("\($0)")
        }
        edge.router.follow(
            asterisks.map { AsteriskWay(to: address($0).ip, by: Self.numbers[$0] ?? 0) }, edge.now)
        let last = try #require(asterisks.last)
        let number = try #require(Self.numbers[last])
        return (edge, Asterisk(edge, at: last, listener: number))
    }

    @Test(
        "a call goes to the Asterisk from its own endpoint, which stands in Via and Record-Route",
        arguments: [near, far, six])
    func call(_ place: String) throws {
        let (edge, asterisk) = try ground([place])
        let host = try #require(Self.hosts[place])
        let phone = Phone(edge, "alice")
        try phone.register()
        // The first one's listener is that of the Asterisk that answers by itself.
        edge.advance(Milliseconds(40))
        let register =
            try edge.registered[asterisk.flow.peer]?["alice"] ?? asterisk.expect("REGISTER")
        #expect(register["Contact"].contains("sip:alice@\(host)"))
        let call = try phone.ask("INVITE", "sip:600@example.com", body: "v=0\r\n")
        let invite = try asterisk.expect("INVITE")
        #expect(invite["Via"].hasPrefix("SIP/2.0/UDP \(host);"))
        #expect(invite["Record-Route"].contains("@\(host);lr"))
        asterisk.answer(invite, 200)
        var dialog = Dialog(caller: call, try phone.expect(200))
        phone.send(dialog.request("ACK", via: phone.via))
        #expect(try asterisk.expect("ACK")["Via"].hasPrefix("SIP/2.0/UDP \(host);"))
        phone.send(dialog.request("BYE", via: phone.via))
        let bye = try asterisk.expect("BYE")
        #expect(bye["Via"].hasPrefix("SIP/2.0/UDP \(host);"))
        asterisk.answer(bye, 200)
        _ = try phone.expect(200)
    }

    @Test("an Asterisk that a reload takes out is told of a call that an administrator ends")
    func reload() throws {
        let (edge, asterisk) = try ground([Self.far])
        let phone = Phone(edge, "alice")
        try phone.register()
        let call = try phone.ask("INVITE", "sip:600@example.com", body: "v=0\r\n")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        var dialog = Dialog(caller: call, try phone.expect(200))
        phone.send(dialog.request("ACK", via: phone.via))
        _ = try asterisk.expect("ACK")
        edge.insiders.insert(address(Self.near).ip)
        edge.router.follow([AsteriskWay(to: address(Self.near).ip, by: 3)], edge.now)
        let others = edge.settings.filter { if case .asterisk = $0 { false } else { true } }
        edge.router.adopt(RouterSettings(others + [.asterisk(address(Self.near))]))
        guard case .call(let row)? = edge.router.callRows().first else {
            Issue.record("no call")
            return
        }
        _ = edge.router.endCalls(row.callID, edge.now)
        edge.drain()
        #expect(try asterisk.expect("BYE")["Via"].hasPrefix("SIP/2.0/UDP 10.0.1.1:5060;"))
    }

    @Test("at a wildcard endpoint the address in Via and Contact is where the route begins")
    func wildcard() throws {
        let every = Self.listeners.map { listener in
            listener.index == 3
                ? Listener(
                    index: 3, side: .inside, endpoint: Endpoint(.udp, address("0.0.0.0:5070")))
                : listener
        }
        let edge = Edge([], asterisks: [Self.near], listeners: every) { Issue.record("\($0)") }
        for own in ["10.0.0.1", "10.0.0.2"] {
            let way = AsteriskWay(to: address(Self.near).ip, by: 3, from: address("\(own):1").ip)
            edge.router.follow([way], edge.now)
            let phone = Phone(edge, "alice")
            try phone.register()
            edge.advance(Milliseconds(40))
            let register = try #require(edge.registered[address(Self.near)]?["alice"])
            #expect(register["Via"].hasPrefix("SIP/2.0/UDP \(own):5070;"))
            #expect(register["Contact"].contains("sip:alice@\(own):5070"))
        }
    }

    @Test("a call of a trunk goes to the Asterisks of its endpoint's family, from that endpoint")
    func trunks() throws {
        let (edge, six) = try ground([Self.near, Self.six], Self.trunk)
        let carrier = Carrier(edge, at: "192.0.2.10:5060")
        let near = Asterisk(edge, at: Self.near, listener: 4)
        for number in 1...4 {
            carrier.call(callID: "trunk\(number)")
            let invite = try near.expect("INVITE")
            #expect(invite["Via"].hasPrefix("SIP/2.0/UDP 10.0.0.1:5071;"))
        }
        #expect(!six.all().contains { $0.method == "INVITE" })
    }

    @Test("where no Asterisk of its family answers, a trunk's call is refused")
    func noneForTrunk() throws {
        let (edge, six) = try ground([Self.six], Self.trunk)
        let carrier = Carrier(edge, at: "192.0.2.10:5060")
        carrier.call()
        #expect(try carrier.expect(503).status == 503)
        #expect(!six.all().contains { $0.method == "INVITE" })
    }
}
