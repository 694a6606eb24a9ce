import Messages
import Proxy
import SIP
import Sys
import Testing

/// An edge with a trunk of two servers, one of the servers, and the Asterisk as it is reached for the trunk.
struct TrunkEdge {
    let edge: Edge
    let carrier: Carrier
    let other: Carrier
    let asterisk: Asterisk

    init(_ extra: [RouterSetting] = [], asterisks: [String] = ["10.0.0.10:5060"]) throws {
        let rules: [TrunkRule] = [
            .inside(Edge.trunkEndpoint), .server(address("192.0.2.10:5060")),
            .server(address("192.0.2.11:5060")), .network(try #require(Network("192.0.2.128/28"))),
            .domain("carrier.example"),
        ]
        edge = Edge(rules.map { .trunk("telco", $0) } + extra, asterisks: asterisks)
        carrier = Carrier(edge, at: "192.0.2.10:5060")
        other = Carrier(edge, at: "192.0.2.11:5060")
        asterisk = Asterisk(edge, listener: 4)
    }

    /// Calls a number at the trunk, from the trunk's own socket unless told otherwise.
    @discardableResult
    func callOut(
        _ uri: String = "sip:+4420999@carrier.example", method: String = "INVITE",
        by way: Asterisk? = nil, callID: String = "out1@10.0.0.10", _ extra: [String] = []
    ) throws -> Message {
        let way = way ?? asterisk
        let bytes = wire(
            [
                "\(method) \(uri) SIP/2.0", "Via: \(way.via)", "Max-Forwards: 70",
                "From: \"Carol\" <sip:+43300@10.0.0.10>;tag=as9", "To: <\(uri)>",
                "Call-ID: \(callID)", "CSeq: 102 \(method)", "Contact: <sip:300@10.0.0.10:5060>",
            ] + extra)
        way.send(bytes)
        return try #require(Message(bytes))
    }
}

@Suite struct TrunkCallTests {
    @Test("a trunk's call needs no password and no served domain, and leaves by the trunk's socket")
    func incoming() throws {
        let trunk = try TrunkEdge()
        let claims = [
            "P-Asserted-Identity: <sip:+4420123@carrier.example>",
            "Diversion: <sip:+431@carrier.example>",
            "Authorization: Digest username=\"x\", realm=\"y\", nonce=\"z\", uri=\"sip:a\", response=\"0\"",
        ]
        let sent = trunk.carrier.call(extra: claims)
        let invite = try trunk.asterisk.expect("INVITE")
        #expect(invite.start == "INVITE sip:+43123@10.0.0.10:5060 SIP/2.0")
        #expect(invite["Via"].hasPrefix("SIP/2.0/UDP 10.0.0.1:5071;"))
        #expect(invite["From"] == "<sip:+4420123@carrier.example>;tag=t1")
        #expect(invite.has("P-Asserted-Identity") && invite.has("Diversion"))
        #expect(!invite.has("Authorization"))
        trunk.asterisk.answer(invite, 200, body: "v=0\r\n")
        let answer = try trunk.carrier.expect(200)
        #expect(answer["From"] == sent["From"])
        var dialog = Dialog(caller: sent, answer)
        trunk.carrier.send(dialog.request("ACK", via: trunk.carrier.via))
        #expect(try trunk.asterisk.expect("ACK").uri == trunk.asterisk.contact)
        trunk.carrier.send(dialog.request("BYE", via: trunk.carrier.via))
        trunk.asterisk.answer(try trunk.asterisk.expect("BYE"), 200)
        _ = try trunk.carrier.expect(200)
        #expect(trunk.edge.router.load.calls == 0)
    }

    @Test(
        "the dialog of a trunk's call goes on from another of its addresses, not from a stranger's")
    func otherAddress() throws {
        let trunk = try TrunkEdge()
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try trunk.carrier.expect(200))
        let stranger = Carrier(trunk.edge, at: "198.51.100.66:5060")
        stranger.send(dialog.request("BYE", via: stranger.via))
        #expect(stranger.next()?.status == 407 && trunk.asterisk.all().isEmpty)
        stranger.send(dialog.request("ACK", via: stranger.via))
        #expect(stranger.next() == nil && trunk.asterisk.all().isEmpty)
        let sibling = Carrier(trunk.edge, at: "192.0.2.130:5060")
        sibling.send(dialog.request("BYE", via: sibling.via))
        trunk.asterisk.answer(try trunk.asterisk.expect("BYE"), 200)
        _ = try sibling.expect(200)
    }

    @Test("Asterisk's requests inside a trunk's call reach it by its proxies' routes")
    func routes() throws {
        let trunk = try TrunkEdge()
        let routes = [
            "Record-Route: <sip:192.0.2.10;lr;x=1>, <sip:192.0.2.140;lr>",
            "Record-Route: <sip:192.0.2.141;lr>",
        ]
        trunk.carrier.call(extra: routes)
        let invite = try trunk.asterisk.expect("INVITE")
        #expect(invite.all("Record-Route").count == 4)
        trunk.asterisk.answer(invite, 200)
        let answer = try trunk.carrier.expect(200)
        let own = ["<sip:192.0.2.10;lr;x=1>", "<sip:192.0.2.140;lr>", "<sip:192.0.2.141;lr>"]
        #expect(answer.all("Record-Route") == own)
        var dialog = Dialog(called: invite, tag: "as1")
        trunk.asterisk.send(dialog.request("BYE", via: trunk.asterisk.via))
        let bye = try trunk.carrier.expect("BYE")
        #expect(bye.uri == trunk.carrier.contact && bye.all("Route") == own)
        trunk.carrier.answer(bye, 200)
        #expect(try trunk.asterisk.expect(200).sequenceMethod == "BYE")
    }

    @Test(
        "who calls is never taken for an account: neither its name nor anything but a number stays",
        arguments: [
            ("<sip:alice@carrier.example>", "<sip:telco@carrier.example>;tag=t1"),
            ("<sip:ALICE@carrier.example>", "<sip:telco@carrier.example>;tag=t1"),
            ("\"A\" <sip:1001@carrier.example>", "\"A\" <sip:telco@carrier.example>;tag=t1"),
            ("<sip:1002@carrier.example>", "<sip:1002@carrier.example>;tag=t1"),
            ("<sip:1002;cpc=x@carrier.example>", "<sip:1002@carrier.example>;tag=t1"),
            ("<sip:100%31@carrier.example>", "<sip:telco@carrier.example>;tag=t1"),
            ("<sip:Anonymous@anonymous.invalid>", "<sip:anonymous@anonymous.invalid>;tag=t1"),
            ("<sip:1001>", "<sip:anonymous@1001>;tag=t1"),
            ("<tel:+4420123;ext=5>", "<sip:+4420123@example.com>;tag=t1"),
        ])
    func caller(_ from: String, _ seen: String) throws {
        let trunk = try TrunkEdge()
        trunk.edge.passwords["1001"] = "secret"
        trunk.carrier.call(from: from)
        #expect(try trunk.asterisk.expect("INVITE")["From"] == seen)
    }

    @Test("inside the call too nothing but a number is passed on as the caller")
    func callerInDialog() throws {
        let trunk = try TrunkEdge()
        let sent = trunk.carrier.call(from: "<sip:1%00x@carrier.example>")
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try trunk.carrier.expect(200))
        for method in ["ACK", "BYE"] {
            trunk.carrier.send(dialog.request(method, via: trunk.carrier.via))
            let from = try trunk.asterisk.expect(method)["From"]
            #expect(from == "<sip:anonymous@carrier.example>;tag=t1")
        }
    }

    @Test("a trunk that has the name of an account stands for nobody, and the journal says so")
    func trunkNamedAsAccount() throws {
        let trunk = try TrunkEdge()
        trunk.edge.passwords["telco"] = "secret"
        trunk.edge.advance(.seconds(61))
        trunk.edge.drain()
        #expect(trunk.edge.records.contains { $0.contains("give the trunk another name") })
        trunk.carrier.call(from: "<sip:alice@carrier.example>")
        let from = try trunk.asterisk.expect("INVITE")["From"]
        #expect(from == "<sip:anonymous@carrier.example>;tag=t1")
    }

    @Test("while the database is silent the call waits; while it is down no caller is believed")
    func withoutDatabase() throws {
        let trunk = try TrunkEdge()
        trunk.edge.isDirectorySilent = true
        trunk.carrier.call()
        #expect(trunk.asterisk.all().isEmpty)
        trunk.edge.directorySpeaks()
        let asWritten = try trunk.asterisk.expect("INVITE")["From"]
        #expect(asWritten == "<sip:+4420123@carrier.example>;tag=t1")
        trunk.edge.isDirectorySilent = true
        trunk.carrier.call(callID: "t2")
        for case .lookUp(let id, _, _, _) in trunk.edge.questions {
            trunk.edge.router.receive(
                .account(id: id, .unavailable, age: Milliseconds(0)), trunk.edge.now)
        }
        trunk.edge.drain()
        let asTrunk = try trunk.asterisk.expect("INVITE")["From"]
        #expect(asTrunk == "<sip:telco@carrier.example>;tag=t1")
    }

    @Test(
        "what a dialplan could take for more than a number is refused",
        arguments: ["100&SIP/x", "${EXTEN}", "1=2"])
    func dialStrings(_ user: String) throws {
        let trunk = try TrunkEdge()
        trunk.edge.repeatsUnreadable = true
        trunk.carrier.call("sip:\(user)@203.0.113.5")
        let refused = trunk.carrier.next()
        #expect(refused?.status == 404 || refused?.status == 400 || refused == nil)
        #expect(trunk.asterisk.all().isEmpty)
    }

    @Test("parameters of a number are left out")
    func numberParameters() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call("sip:+43123;npdi;rn=+431@203.0.113.5;user=phone")
        let invite = try trunk.asterisk.expect("INVITE")
        #expect(invite.uri == "sip:+43123@10.0.0.10:5060")
        #expect(invite["To"] == "<sip:+43123@203.0.113.5>")
    }

    @Test("Asterisk's challenge to a trunk's call is a refusal, and the journal says what to mend")
    func challenged() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call()
        trunk.asterisk.answer(
            try trunk.asterisk.expect("INVITE"), 401,
            ["WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"n\""])
        let refused = try trunk.carrier.expect(403)
        #expect(!refused.has("WWW-Authenticate"))
        #expect(trunk.edge.records.contains { $0.contains("type=peer without secret") })
    }

    @Test(
        "a trunk's connection counts as one that has authenticated, and its calls come and go by it"
    )
    func connection() throws {
        let trunk = try TrunkEdge()
        let carrier = Carrier(trunk.edge, at: "192.0.2.130:40000", connection: 77)
        let before = trunk.edge.router.hasAuthenticated(by: carrier.flow)
        carrier.send(carrier.request("OPTIONS", "sip:203.0.113.5", callID: "ping"))
        _ = try carrier.expect(200)
        let after = trunk.edge.router.hasAuthenticated(by: carrier.flow)
        #expect(!before && after)
        carrier.call()
        let invite = try trunk.asterisk.expect("INVITE")
        trunk.asterisk.answer(invite, 200)
        #expect(try carrier.expect(200)["Contact"].hasSuffix(";transport=tcp>"))
        var dialog = Dialog(called: invite, tag: "as1")
        trunk.asterisk.send(dialog.request("INFO", via: trunk.asterisk.via))
        _ = try carrier.expect("INFO")
        trunk.edge.router.closed(carrier.flow)
        trunk.asterisk.send(dialog.request("BYE", via: trunk.asterisk.via))
        let again = Carrier(trunk.edge, at: "192.0.2.130:40000")
        #expect(try again.expect("BYE").uri == carrier.contact)
    }

    @Test("OPTIONS from a trunk is answered here, REGISTER asks for a password as from anybody")
    func others() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.send(trunk.carrier.request("OPTIONS", "sip:ping@203.0.113.5"))
        _ = try trunk.carrier.expect(200)
        trunk.carrier.send(trunk.carrier.request("REGISTER", "sip:example.com"))
        _ = try trunk.carrier.expect(401)
        trunk.carrier.send(trunk.carrier.request("REGISTER", "sip:203.0.113.5"))
        #expect(trunk.carrier.all().isEmpty && trunk.asterisk.all().isEmpty)
    }
}

@Suite struct TrunkOutTests {
    @Test("a call to the trunk goes to its first server, and back, and ends from either side")
    func outgoing() throws {
        let trunk = try TrunkEdge()
        let sent = try trunk.callOut()
        let invite = try trunk.carrier.expect("INVITE")
        #expect(invite.uri == "sip:+4420999@carrier.example")
        #expect(invite["Via"].hasPrefix("SIP/2.0/UDP 203.0.113.5:5060;"))
        #expect(!invite.has("Record-Route") && !invite.has("Route"))
        trunk.carrier.answer(invite, 180)
        _ = try trunk.asterisk.expect(180)
        trunk.carrier.answer(invite, 200, ["Record-Route: <sip:192.0.2.10;lr>"], body: "v=0\r\n")
        let answer = try trunk.asterisk.expect(200)
        #expect(answer.all("Record-Route").count == 2)
        var asterisk = Dialog(caller: sent, answer)
        #expect(asterisk.route.first?.contains("10.0.0.1:5071;lr") == true)
        trunk.asterisk.send(asterisk.request("ACK", via: trunk.asterisk.via))
        let ack = try trunk.carrier.expect("ACK")
        #expect(ack.uri == trunk.carrier.contact)
        #expect(ack.all("Route") == ["<sip:192.0.2.10;lr>"])
        var carrier = Dialog(called: invite, tag: "c1")
        trunk.carrier.send(carrier.request("BYE", via: trunk.carrier.via))
        let bye = try trunk.asterisk.expect("BYE")
        #expect(bye.uri == "sip:300@10.0.0.10:5060")
        trunk.asterisk.answer(bye, 200)
        _ = try trunk.carrier.expect(200)
        #expect(trunk.edge.router.load.calls == 0)
    }

    @Test(
        "the trunk is found by its socket, its domain or a server's address, and stands for ours",
        arguments: [
            ("sip:99@10.0.0.1:5071", UInt8(4), "sip:99@carrier.example"),
            ("sip:99@carrier.example", 3, "sip:99@carrier.example"),
            ("sip:99@192.0.2.11:5060", 3, "sip:99@192.0.2.11:5060"),
        ])
    func target(_ uri: String, _ listener: UInt8, _ seen: String) throws {
        let trunk = try TrunkEdge()
        try trunk.callOut(uri, by: Asterisk(trunk.edge, listener: listener))
        #expect(try trunk.carrier.expect("INVITE").uri == seen)
    }

    @Test("a silent server and one that says 503 are passed over, and called last for a while")
    func failover() throws {
        let trunk = try TrunkEdge()
        try trunk.callOut()
        _ = try trunk.carrier.expect("INVITE")
        trunk.edge.advance(.seconds(4))
        _ = trunk.carrier.all()
        trunk.edge.advance(.seconds(10))
        #expect(trunk.carrier.all().isEmpty, "a server that was passed over is asked no more")
        trunk.other.answer(try trunk.other.expect("INVITE"), 486)
        _ = try trunk.asterisk.expect(486)
        #expect(trunk.edge.records.contains { $0.contains("of the trunk telco does not answer") })
        // What was sent again meanwhile.
        _ = (trunk.carrier.all(), trunk.other.all())
        try trunk.callOut(callID: "out2@10.0.0.10")
        trunk.other.answer(try trunk.other.expect("INVITE"), 503)
        trunk.carrier.answer(try trunk.carrier.expect("INVITE"), 200)
        _ = try trunk.asterisk.expect(200)
        #expect(trunk.edge.records.contains { $0.contains("of the trunk telco answers again") })
    }

    @Test("Asterisk cancels its call to the trunk")
    func cancelled() throws {
        let trunk = try TrunkEdge()
        let sent = try trunk.callOut()
        let invite = try trunk.carrier.expect("INVITE")
        trunk.carrier.answer(invite, 180)
        trunk.asterisk.send(
            wire([
                "CANCEL \(sent.uri) SIP/2.0", "Via: \(sent["Via"])", "Max-Forwards: 70",
                "From: \(sent["From"])", "To: \(sent["To"])", "Call-ID: \(sent["Call-ID"])",
                "CSeq: 102 CANCEL",
            ]))
        trunk.carrier.answer(try trunk.carrier.expect("CANCEL"), 200)
        trunk.carrier.answer(invite, 487)
        _ = try trunk.asterisk.expect(487)
        #expect(trunk.edge.router.load.calls == 0)
    }

    @Test(
        "Asterisk answers the trunk's challenge by itself; an answer for our own address is in vain"
    )
    func password() throws {
        let trunk = try TrunkEdge()
        let challenge = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n\""
        try trunk.callOut()
        trunk.carrier.answer(try trunk.carrier.expect("INVITE"), 407, [challenge])
        #expect(try trunk.asterisk.expect(407)["Proxy-Authenticate"].contains("carrier"))
        let proof =
            "Proxy-Authorization: Digest username=\"u\", realm=\"carrier\", nonce=\"n\","
            + " uri=\"sip:+4420999@carrier.example\", response=\"0\""
        try trunk.callOut(callID: "out2@10.0.0.10", [proof, "Privacy: id"])
        let proven = try trunk.carrier.expect("INVITE")
        #expect(proven["Proxy-Authorization"].contains("response=\"0\""))
        #expect(proven["Privacy"] == "id")
        trunk.carrier.answer(proven, 486)
        try trunk.callOut("sip:99@10.0.0.1:5071", callID: "out3@10.0.0.10")
        trunk.carrier.answer(try trunk.carrier.expect("INVITE"), 407, [challenge])
        _ = try trunk.asterisk.expect(403)
        #expect(trunk.edge.records.contains { $0.contains("as outbound proxy") })
    }

    @Test("Asterisk registers at the trunk, and the trunk calls the Asterisk that did")
    func registration() throws {
        let trunk = try TrunkEdge(asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let second = Asterisk(trunk.edge, at: "10.0.0.20:5060", listener: 4)
        second.send(
            wire([
                "REGISTER sip:carrier.example SIP/2.0", "Via: \(second.via)", "Max-Forwards: 70",
                "From: <sip:acct@carrier.example>;tag=r", "To: <sip:acct@carrier.example>",
                "Call-ID: reg", "CSeq: 1 REGISTER", "Contact: <sip:s@10.0.0.20:5060>;expires=600",
            ]))
        let register = try trunk.carrier.expect("REGISTER")
        #expect(register.uri == "sip:carrier.example")
        #expect(register["Contact"].hasSuffix("@203.0.113.5:5060>;expires=600"))
        trunk.carrier.send(
            response(
                to: register, 200, tag: "c",
                ["Contact: <sip:old@192.0.2.9>;expires=5", "Contact: \(register["Contact"])"]))
        let answer = try second.expect(200)
        #expect(answer.all("Contact") == ["<sip:s@10.0.0.20:5060>;expires=600"])
        trunk.carrier.call(register.contactURI)
        #expect(try second.expect("INVITE").uri == "sip:s@10.0.0.20:5060")
        trunk.carrier.send(trunk.carrier.request("OPTIONS", register.contactURI, callID: "o"))
        _ = try trunk.carrier.expect(200)
    }

    @Test(
        "where a trunk sends a call on is judged as a number that is dialled",
        arguments: [("+88213000000", 403), ("1002", 302)])
    func redirected(_ number: String, _ status: Int) throws {
        let trunk = try TrunkEdge([.calls(.home("AT"))])
        try trunk.callOut()
        trunk.carrier.answer(
            try trunk.carrier.expect("INVITE"), 302, ["Contact: <sip:\(number)@carrier.example>"])
        let answer = try trunk.asterisk.expect(status)
        #expect(answer.has("Contact") == (status == 302))
    }

    @Test("a trunk transfers nobody to a number that is never called")
    func transferred() throws {
        let trunk = try TrunkEdge([.calls(.home("AT"))])
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try trunk.carrier.expect(200))
        trunk.carrier.send(
            dialog.request(
                "REFER", via: trunk.carrier.via,
                [
                    "Refer-To: <sip:+88213000000@carrier.example>",
                    "Contact: <\(trunk.carrier.contact)>",
                ]))
        _ = try trunk.carrier.expect(403)
        #expect(!trunk.asterisk.all().contains { $0.method == "REFER" })
    }

    @Test("a profile bounds the calls of a trunk, both ways together")
    func limited() throws {
        let rules: [ProfileRule] = [.trunk("telco"), .calls(1)]
        let trunk = try TrunkEdge(rules.map { .profile("carriers", $0) })
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        try trunk.callOut()
        #expect(try trunk.asterisk.expect(503).has("Retry-After"))
        trunk.carrier.call(callID: "t2")
        _ = try trunk.carrier.expect(200)
        _ = try trunk.carrier.expect(503)
        guard case .call(let row)? = trunk.edge.router.callRows().first else {
            Issue.record("no call is shown")
            return
        }
        #expect(row.account == "trunk:telco" && row.peer == "+43123" && row.isAnswered)
        #expect(row.direction == .received)
        #expect(trunk.edge.router.endCalls(sent["Call-ID"], trunk.edge.now) == .done)
        trunk.edge.drain()
        _ = try trunk.carrier.expect("BYE")
        _ = try trunk.asterisk.expect("BYE")
        try trunk.callOut(callID: "out2@10.0.0.10")
        _ = try trunk.carrier.expect("INVITE")
    }

    @Test(
        "a flood of calls in a trunk's name gets no answer, and the trunk is heard again after it")
    func flood() throws {
        let trunk = try TrunkEdge([.trunk("telco", .perSecond(10))])
        for number in 0..<500 { trunk.carrier.call(callID: "flood\(number)") }
        let heard = trunk.asterisk.all().count { $0.method == "INVITE" }
        #expect(heard == 40)
        #expect(trunk.carrier.all().allSatisfy { $0.status == 100 })
        trunk.edge.advance(.seconds(1))
        trunk.carrier.call(callID: "later")
        #expect(trunk.asterisk.all().contains { $0["Call-ID"] == "later" })
    }

    @Test("what asks in a trunk's name does not turn the edge against the trunk")
    func reflected() throws {
        let trunk = try TrunkEdge()
        for number in 0..<6000 {
            trunk.carrier.send(
                trunk.carrier.request("BYE", "sip:1@203.0.113.5", callID: "r\(number)"))
        }
        // What is left of a second's 3,840 is for the trunk's other addresses.
        #expect((1920..<3840).contains(trunk.carrier.all().count))
        trunk.other.send(trunk.other.request("BYE", "sip:1@203.0.113.5", callID: "o"))
        #expect(trunk.other.next()?.status == 481)
        let stranger = Carrier(trunk.edge, at: "198.51.100.66:5060")
        stranger.send(stranger.request("OPTIONS", "sip:example.com", callID: "s"))
        #expect(stranger.next()?.status == 200)
    }

    @Test("a trunk's source is of its class, and nothing is held against it")
    func explained() throws {
        let trunk = try TrunkEdge()
        for number in 0..<300 {
            trunk.carrier.send(
                Array("REGISTER sip:x SIP/2.0\r\nVia: garbage\(number)\r\n\r\n".utf8))
        }
        #expect(trunk.edge.banOrders.isEmpty)
        let rows = trunk.edge.router.explain("192.0.2.130")
        #expect(
            rows.first
                == .finding(
                    name: "profile", value: "trunks, because it is of the trunk telco"))
        #expect(
            trunk.edge.router.trunkRows()
                == ["192.0.2.10:5060", "192.0.2.11:5060"].map {
                    .trunk(TrunkRow(name: "telco", server: address($0), state: .unknown, calls: 0))
                })
    }

    @Test("calls of a trunk outlive the router: both sides' requests find their way")
    func restarted() throws {
        let trunk = try TrunkEdge()
        let sent = trunk.carrier.call()
        let invite = try trunk.asterisk.expect("INVITE")
        trunk.asterisk.answer(invite, 200)
        var caller = Dialog(caller: sent, try trunk.carrier.expect(200))
        var called = Dialog(called: invite, tag: "as1")
        trunk.edge.restart()
        trunk.carrier.send(
            caller.request(
                "INVITE", via: trunk.carrier.via, ["Contact: <\(trunk.carrier.contact)>"]))
        let again = try trunk.asterisk.expect("INVITE")
        #expect(again["Via"].contains("10.0.0.1:5071"))
        trunk.asterisk.answer(again, 200)
        trunk.asterisk.send(called.request("BYE", via: trunk.asterisk.via))
        trunk.carrier.answer(try trunk.carrier.expect("BYE"), 200)
        _ = try trunk.asterisk.expect(200)
    }
}
