import Messages
import Proxy
import ProxyBench
import RouterHarness
import SIP
import Sys
import Testing

private let own = "172.31.5.10"
private let shown = "203.0.113.5"

/// An edge behind NAT with phones on either side of that, which must see each its own address of us.
private struct Ground {
    private static func listeners(_ host: String) -> [Listener] {
        func listener(
            _ index: UInt8, _ transport: Transport, _ port: UInt16, as other: UInt16
        ) -> Listener {
            Listener(
                index: index, side: .outside,
                endpoint: Endpoint(transport, address("\(host):\(port)")),
                advertised: address("\(shown):\(other)"))
        }
        return [
            listener(0, .udp, 5060, as: 5070), listener(1, .tcp, 5060, as: 5060),
            listener(2, .tls, 5061, as: 15_061),
            Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
            Listener(index: 4, side: .inside, endpoint: Edge.trunkEndpoint),
        ]
    }

    let edge: Edge
    let asterisk: Asterisk
    private let isWildcard: Bool

    /// One at a single address of the machine, or at all that it has.
    init(
        _ extra: [RouterSetting] = [], domain: String = "example.com", isWildcard: Bool = false
    ) throws {
        let local = try #require(Network("192.168.1.0/24"))
        self.isWildcard = isWildcard
        edge = SimulatedEdge(
            extra + [.localNetwork(local)], asterisks: ["10.0.0.10:5060"], domain: domain,
            listeners: Self.listeners(isWildcard ? "0.0.0.0" : own)
        ) { Issue.record("\($0)") }
        if isWildcard { edge.router.learn([address("\(own):1").ip]) }
        edge.observe = { bytes, flow in
            guard flow.listener < 3 else { return }
            let hidden = local.contains(flow.peer.ip) ? shown : own
            guard place(of: Array(hidden.utf8), in: bytes, from: 0) != nil else { return }
            let text = String(decoding: bytes, as: UTF8.self)
            Issue.record("\(flow.peer) is told \(hidden): \(text)")
        }
        asterisk = Asterisk(edge)
    }

    /// A phone in one of the local networks.
    func near(_ name: String, _ transport: Transport = .udp) -> Phone {
        phone(name, at: "192.168.1.7:5062", transport, 7)
    }

    /// A phone beyond the NAT.
    func far(_ name: String, _ transport: Transport = .udp) -> Phone {
        phone(name, at: "198.51.100.7:40000", transport, 8)
    }

    private func phone(
        _ name: String, at source: String, _ transport: Transport, _ connection: UInt64
    ) -> Phone {
        let phone = Phone(
            edge, name, at: source, transport, connection: transport.isStream ? connection : 0)
        guard isWildcard else { return phone }
        let asked = address("\(own):1").ip
        if transport.isStream {
            edge.router.opened(phone.flow, at: asked)
        } else {
            phone.flow = edge.router.flow(0, from: phone.flow.peer, at: asked)
        }
        return phone
    }

    /// A call of a phone that the Asterisk answers, as the phone and as the Asterisk hold it.
    func call(of phone: Phone, _ callID: String = "call-1") throws -> (own: Dialog, other: Dialog) {
        let sent = try phone.ask("INVITE", "sip:100@example.com", callID: callID)
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        let dialog = Dialog(caller: sent, try phone.expect(200))
        return (dialog, Dialog(called: invite, tag: "as1"))
    }
}

/// Where a URI leads: what stands behind the sign, without the bracket.
private func host(_ uri: String) -> String {
    String((uri.split(separator: "@").last ?? "").prefix { $0 != ">" })
}

@Suite("NAT") struct NATTests {
    @Test(
        "a phone beyond the NAT is shown the NAT's address, one in a local network ours, and both call",
        arguments: [
            (Transport.udp, "\(shown):5070", "\(own):5060"),
            (.tcp, "\(shown):5060;transport=tcp", "\(own):5060;transport=tcp"),
            (.tls, "\(shown):15061;transport=tls", "\(own):5061;transport=tls"),
        ], [false, true])
    func shownAddress(_ seen: (Transport, far: String, near: String), isWildcard: Bool) throws {
        let (transport, seenFromFar, seenFromNear) = seen
        let ground = try Ground(isWildcard: isWildcard)
        for (phone, expected) in [
            (ground.near("alice", transport), seenFromNear),
            (ground.far("bob", transport), seenFromFar),
        ] {
            #expect(try phone.register().status == 200)
            var (own, other) = try ground.call(of: phone, "call-\(phone.name)")
            #expect(host(own.target) == expected)
            phone.send(own.request("ACK", via: phone.via))
            _ = try ground.asterisk.expect("ACK")
            ground.asterisk.send(other.request("INFO", via: ground.asterisk.via))
            let info = try phone.expect("INFO")
            let sentBy = expected.split(separator: ";")[0]
            #expect(info["Via"].contains(" \(sentBy);branch="))
            phone.send(response(to: info, 200))
            phone.send(own.request("BYE", via: phone.via))
            _ = try ground.asterisk.expect("BYE")
        }
    }

    @Test(
        "of one call to two phones of an account, each leg shows its own address",
        arguments: [false, true])
    func twoLegs(isWildcard: Bool) throws {
        let ground = try Ground(isWildcard: isWildcard)
        let (near, far) = (ground.near("alice"), ground.far("alice"))
        try near.register()
        try far.register(contacts: ["<sip:alice@192.168.9.9:5060>"])
        ground.asterisk.call(
            "alice", ["P-Asserted-Identity: <sip:300@\(own)>, <sip:301@\(shown):5070>"],
            body: "v=0\r\no=- 1 1 IN IP4 \(own)\r\ns=\(shown)\r\nc=IN IP4 198.51.100.9\r\n"
                + "a=x:\(own) \(shown)\r\n")
        for (phone, expected, other) in [
            (near, "\(own):5060", own), (far, "\(shown):5070", shown),
        ] {
            let invite = try phone.expect("INVITE")
            #expect(host(invite.contactURI) == expected)
            let identities = invite["P-Asserted-Identity"]
            // None of many addresses is who somebody is.
            let isNamed = !isWildcard || phone === far
            #expect(identities.contains("\(other)") == isNamed)
            #expect(identities.contains("@example.com>"))
            let seen = phone === near ? "\(own) example.com" : "example.com \(shown)"
            #expect(invite.body.contains("a=x:\(seen)"))
        }
    }

    @Test(
        "a Call-ID of an Asterisk with an address of ours leaves without it to everybody",
        arguments: [own, shown, "\(own):5060", "\(shown):5070"], [false, true])
    func callIDs(_ host: String, isWildcard: Bool) throws {
        let ground = try Ground(isWildcard: isWildcard)
        let (near, far) = (ground.near("alice"), ground.far("alice"))
        try near.register()
        try far.register(contacts: ["<sip:alice@192.168.9.9:5060>"])
        let sent = ground.asterisk.call("alice", callID: "id@\(host)")
        let (first, second) = (try near.expect("INVITE"), try far.expect("INVITE"))
        #expect(!first["Call-ID"].contains(host) && first["Call-ID"] == second["Call-ID"])
        far.send(response(to: second, 200, tag: "p1", ["Contact: <\(far.contact)>"]))
        let answer = try ground.asterisk.expect(200)
        #expect(answer["Call-ID"] == "id@\(host)")
        var dialog = Dialog(caller: sent, answer)
        ground.asterisk.send(dialog.request("BYE", via: ground.asterisk.via))
        #expect(try far.expect("BYE")["Call-ID"] == first["Call-ID"])
    }

    @Test("a call outlives a restart, and a phone that leaves the local network for the Internet")
    func moved() throws {
        let ground = try Ground()
        let alice = ground.near("alice")
        try alice.register()
        var (dialog, _) = try ground.call(of: alice)
        alice.send(dialog.request("ACK", via: alice.via))
        _ = try ground.asterisk.expect("ACK")
        #expect(host(dialog.target) == "\(own):5060")
        ground.edge.restart()
        alice.flow = Flow(.udp, listener: 0, peer: address("198.51.100.9:40000"))
        let contact = "Contact: <\(alice.contact)>"
        alice.send(dialog.request("INVITE", via: alice.via, [contact]))
        let challenge = try alice.expect(407)
        alice.send(alice.acknowledgement(of: challenge, dialog.target))
        let proof = alice.credentials(challenge, "INVITE", dialog.target)
        alice.send(dialog.request("INVITE", via: alice.via, [contact, proof]))
        let invite = try ground.asterisk.expect("INVITE")
        ground.asterisk.send(response(to: invite, 200, ["Contact: <\(ground.asterisk.contact)>"]))
        let answer = try alice.expect(200)
        #expect(host(answer.contactURI) == "\(shown):5070")
        dialog.target = answer.contactURI
        alice.send(dialog.request("ACK", via: alice.via))
        _ = try ground.asterisk.expect("ACK")
    }

    @Test("the digest's uri may name either address of ours, and no other")
    func digestURI() throws {
        let ground = try Ground()
        let alice = ground.far("alice")
        // It repeats what the phone has written itself.
        ground.edge.observe = nil
        for (host, status) in [(own, 100), (shown, 100), ("203.0.113.6", 400)] {
            let uri = "sip:100@example.com"
            let id = "call-\(host)"
            alice.send(alice.request("INVITE", uri, callID: id, sequence: 1))
            let challenge = try alice.expect(407)
            alice.send(alice.acknowledgement(of: challenge, uri))
            let lines = [
                "Contact: <\(alice.contact)>",
                alice.credentials(challenge, "INVITE", "sip:100@\(host)"),
            ]
            alice.send(alice.request("INVITE", uri, callID: id, sequence: 2, lines))
            #expect(alice.next()?.status == status, "\(host)")
        }
    }

    @Test(
        "a domain that is an address of ours is served by both, and each peer is told its own",
        arguments: [(own, false), (shown, false), (own, true)])
    func domains(_ domain: String, isWildcard: Bool) throws {
        let ground = try Ground(domain: domain, isWildcard: isWildcard)
        let (near, far) = (ground.near("alice"), ground.far("bob"))
        for (phone, host) in [(near, own), (far, shown)] {
            phone.send(
                phone.request("OPTIONS", "sip:100@\(host)", callID: "o-\(host)", sequence: 1))
            #expect(phone.next()?.status == 407)
        }
        for (phone, host) in [(near, own), (far, shown)] {
            try registerAtAddress(phone, host)
            ground.asterisk.call(phone.name, callID: "c-\(host)", ["Reply-To: <sip:300@10.0.0.10>"])
            #expect(try phone.expect("INVITE")["Reply-To"] == "<sip:300@\(host)>")
        }
    }

    private func registerAtAddress(_ phone: Phone, _ host: String) throws {
        let uri = "sip:\(host)"
        let to = "sip:\(phone.name)@\(host)"
        var lines = ["Contact: <\(phone.contact)>"]
        phone.send(phone.request("REGISTER", uri, callID: "r", sequence: 1, to: to, lines))
        lines.append(phone.credentials(try phone.expect(401), "REGISTER", uri))
        phone.send(phone.request("REGISTER", uri, callID: "r", sequence: 2, to: to, lines))
        #expect(try phone.expect(200).all("Contact").count == 1)
    }

    @Test("nobody registers with an address of ours as his own")
    func ownContact() throws {
        for contact in ["\(own):5060", "\(shown):5070", "\(shown):15061"] {
            let ground = try Ground()
            ground.edge.observe = nil
            let answer = try ground.far("alice").register(contacts: ["<sip:a@\(contact)>"])
            #expect(answer.status == 400)
        }
    }

    @Test("local networks that a reload brings count from then on")
    func reload() throws {
        let ground = try Ground()
        let bob = ground.far("bob")
        try bob.register()
        #expect(host(try ground.call(of: bob, "one").own.target) == "\(shown):5070")
        ground.edge.observe = nil
        let network = try #require(Network("198.51.100.0/24"))
        ground.edge.router.adopt(RouterSettings(ground.edge.settings + [.localNetwork(network)]))
        #expect(host(try ground.call(of: bob, "two").own.target) == "\(own):5060")
    }

    // MARK: Trunks

    private func trunk(
        _ server: String
    ) throws -> (ground: Ground, carrier: Carrier, asterisk: Asterisk) {
        let rules: [TrunkRule] = [
            .inside(Edge.trunkEndpoint), .server(address(server)), .domain("carrier.example"),
        ]
        let ground = try Ground(rules.map { .trunk("telco", $0) })
        let carrier = Carrier(ground.edge, at: server)
        return (ground, carrier, Asterisk(ground.edge, listener: 4))
    }

    @Test(
        "a provider is shown the address by which it reaches us, in calls and in registrations",
        arguments: [("192.0.2.10:5060", "\(shown):5070"), ("192.168.1.20:5060", "\(own):5060")])
    func provider(_ server: String, _ expected: String) throws {
        let (ground, carrier, asterisk) = try trunk(server)
        _ = ground
        for (method, user) in [("INVITE", "+4420999@"), ("REGISTER", "")] {
            asterisk.send(
                wire([
                    "\(method) sip:\(user)carrier.example SIP/2.0", "Via: \(asterisk.via)",
                    "Max-Forwards: 70", "From: <sip:+43300@10.0.0.10>;tag=as9",
                    "To: <sip:\(user)carrier.example>", "Call-ID: \(method)@10.0.0.10",
                    "CSeq: 102 \(method)", "Contact: <sip:300@10.0.0.10:5060>",
                ]))
            let sent = try carrier.expect(method)
            #expect(host(sent.contactURI) == expected)
            #expect(sent["Via"].contains(" \(expected);branch="))
            guard method == "INVITE" else { continue }
            carrier.answer(sent, 200)
            _ = try asterisk.expect(200)
        }
        carrier.call("sip:+43123@\(host(expected).split(separator: ":")[0])", callID: "in")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        #expect(host(try carrier.expect(200).contactURI) == expected)
    }

    @Test(
        "what an Asterisk addresses to our own address goes to the trunk's",
        arguments: [own, "10.0.0.1"])
    func readdressed(_ host: String) throws {
        let (_, carrier, asterisk) = try trunk("192.0.2.10:5060")
        asterisk.send(
            wire([
                "INVITE sip:+4420999@\(host) SIP/2.0", "Via: \(asterisk.via)", "Max-Forwards: 70",
                "From: <sip:+43300@10.0.0.10>;tag=as9", "To: <sip:+4420999@\(host)>",
                "Call-ID: out", "CSeq: 102 INVITE", "Contact: <sip:300@10.0.0.10:5060>",
            ]))
        #expect(try carrier.expect("INVITE").uri == "sip:+4420999@carrier.example")
    }
}
