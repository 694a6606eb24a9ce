import Journal
import Messages
import Proxy
import Sys
import Testing

/// The records of one kind that an edge has written.
final class Written {
    private let kind: Record
    private(set) var records: [[Substring: Substring]] = []

    /// Listens to an edge from now on.
    init(_ kind: Record, of edge: Edge) {
        self.kind = kind
        let before = edge.observeRecord
        edge.observeRecord = { [weak self] record in
            before?(record)
            if record["MESSAGE_ID"] == kind.rawValue[...] { self?.records.append(record) }
        }
    }

    /// The only record, without what every record has.
    func only() throws -> [Substring: Substring] {
        try #require(records.count == 1, "\(records)")
        return records[0].filter { $0.key.hasPrefix("REMPART_") && $0.key != "REMPART_PROCESS" }
    }

    /// The sentence of the last record.
    var sentence: String { String(records.last?["MESSAGE"] ?? "") }
}

@Suite("Records of calls") struct CallRecordTests {
    /// A stage whose records of calls are kept.
    private struct Told {
        let stage: Stage
        let began: Written
        let ended: Written

        init(_ settings: [RouterSetting] = []) throws {
            stage = try Stage(settings)
            began = Written(.callBegan, of: stage.edge)
            ended = Written(.callEnded, of: stage.edge)
        }

        /// A call of the Asterisk that alice's phone answers: as each side knows it.
        func receive() throws -> (inside: Dialog, phone: Dialog) {
            try stage.alice.register()
            let sent = stage.asterisk.call("alice")
            let invite = try stage.alice.expect("INVITE")
            stage.alice.send(
                response(to: invite, 200, tag: "p1", ["Contact: <\(stage.alice.contact)>"]))
            var dialog = Dialog(caller: sent, try stage.asterisk.expect(200))
            stage.asterisk.send(dialog.request("ACK", via: stage.asterisk.via))
            return (dialog, Dialog(called: invite, tag: "p1"))
        }
    }

    private static let outward: [Substring: Substring] = [
        "REMPART_ACCOUNT": "alice", "REMPART_NUMBER": "0612345678",
        "REMPART_DIRECTION": "outward", "REMPART_ASTERISK": "10.0.0.10:5060",
        "REMPART_ADDRESS": "198.51.100.7", "REMPART_PORT": "40000", "REMPART_TRANSPORT": "udp",
        "REMPART_CALL_ID": "d",
    ]

    @Test(
        "a call that a phone makes is told with its number, its ways, its length, and who ended it why"
    )
    func outward() throws {
        let told = try Told()
        var dialog = try told.stage.connect("sip:0612345678@example.com", "d")
        #expect(try told.began.only() == Self.outward)
        #expect(told.began.sentence == "call from alice to 0612345678 answered")
        told.stage.edge.advance(.seconds(12))
        told.stage.alice.send(
            dialog.request(
                "BYE", via: told.stage.alice.via,
                ["Reason: preemption;cause=1, Q.850 ;cause=16;text=\"Normal, clearing\""]))
        told.stage.asterisk.answer(try told.stage.asterisk.expect("BYE"), 200)
        let end =
            ["REMPART_SECONDS": "12", "REMPART_ENDED_BY": "phone", "REMPART_CAUSE": "Q.850 16"]
            as [Substring: Substring]
        #expect(try told.ended.only() == Self.outward.merging(end) { $1 })
        #expect(told.ended.sentence == "call from alice to 0612345678 ended by phone after 12 s")
    }

    @Test("a call to a phone is told with its caller, and the Asterisk that hangs up")
    func inward() throws {
        let told = try Told()
        var dialog = try told.receive().inside
        let wanted: [Substring: Substring] = [
            "REMPART_ACCOUNT": "alice", "REMPART_NUMBER": "300", "REMPART_DIRECTION": "inward",
            "REMPART_ASTERISK": "10.0.0.10:5060", "REMPART_ADDRESS": "198.51.100.7",
            "REMPART_PORT": "40000", "REMPART_TRANSPORT": "udp",
            "REMPART_CALL_ID": "c1@10.0.0.10:5060",
        ]
        #expect(try told.began.only() == wanted)
        told.stage.edge.advance(.seconds(3))
        told.stage.asterisk.send(dialog.request("BYE", via: told.stage.asterisk.via))
        let bye = try told.stage.alice.expect("BYE")
        told.stage.alice.send(response(to: bye, 200, tag: ""))
        let end =
            ["REMPART_SECONDS": "3", "REMPART_ENDED_BY": "asterisk"]
            as [Substring: Substring]
        #expect(try told.ended.only() == wanted.merging(end) { $1 })
    }

    @Test(
        "a call that nobody answers is told with the status that its caller gets, and whose it is",
        arguments: [([String](), "SIP 486"), (["Reason: Q.850;cause=17"], "Q.850 17")])
    func failed(_ reason: [String], _ cause: String) throws {
        let told = try Told()
        try told.stage.alice.ask("INVITE", "sip:0612345678@example.com", callID: "d")
        told.stage.asterisk.answer(try told.stage.asterisk.expect("INVITE"), 486, reason)
        let end =
            ["REMPART_STATUS": "486", "REMPART_ENDED_BY": "asterisk", "REMPART_CAUSE": cause[...]]
            as [Substring: Substring]
        #expect(try told.ended.only() == Self.outward.merging(end) { $1 })
        let sentence = "call from alice to 0612345678 not answered: 486 by asterisk"
        #expect(told.ended.sentence == sentence)
        #expect(told.began.records.isEmpty)
    }

    /// The CANCEL of an INVITE, with a reason.
    private func cancel(_ sent: Message) -> [UInt8] {
        wire([
            "CANCEL \(sent.uri) SIP/2.0", "Via: \(sent["Via"])", "Max-Forwards: 70",
            "From: \(sent["From"])", "To: \(sent["To"])", "Call-ID: \(sent["Call-ID"])",
            "CSeq: \(sent.sequence) CANCEL", "Reason: SIP;cause=200",
        ])
    }

    @Test("a call that its caller cancels is told as ended by him, with the cause of his CANCEL")
    func cancelled() throws {
        let told = try Told()
        try told.stage.alice.register()
        let sent = told.stage.asterisk.call("alice")
        let invite = try told.stage.alice.expect("INVITE")
        told.stage.alice.send(response(to: invite, 180, tag: "p1"))
        told.stage.asterisk.send(cancel(sent))
        told.stage.alice.send(response(to: invite, 487, tag: "p1"))
        let record = try told.ended.only()
        #expect(record["REMPART_ENDED_BY"] == "asterisk" && record["REMPART_CAUSE"] == "SIP 200")
        #expect(record["REMPART_STATUS"] == "487" && record["REMPART_SECONDS"] == nil)
        // Nobody has answered: there is no phone that the call was with.
        #expect(record["REMPART_ADDRESS"] == nil)
    }

    /// A call to an account with two phones, and the INVITE that each of them has.
    private func forkedCall(
        _ edge: Edge
    ) throws -> (asterisk: Asterisk, sent: Message, phones: [Phone], invites: [Message]) {
        let phones = [7, 8].map { Phone(edge, "alice", at: "198.51.100.\($0):40000") }
        for (number, phone) in phones.enumerated() {
            try phone.register(contacts: ["<sip:alice@192.168.1.\(number)>"])
        }
        let asterisk = Asterisk(edge)
        let sent = asterisk.call("alice")
        return (asterisk, sent, phones, try phones.map { try $0.expect("INVITE") })
    }

    @Test("of a call that rings at two phones the end of the one that answered counts")
    func forked() throws {
        let edge = Edge()
        let ended = Written(.callEnded, of: edge)
        let (asterisk, sent, phones, invites) = try forkedCall(edge)
        phones[0].send(response(to: invites[0], 180, tag: "p0"))
        phones[1].send(
            response(to: invites[1], 200, tag: "p1", ["Contact: <\(phones[1].contact)>"]))
        phones[0].send(response(to: invites[0], 487, tag: "p0"))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        asterisk.send(dialog.request("ACK", via: asterisk.via))
        #expect(ended.records.isEmpty)
        asterisk.send(dialog.request("BYE", via: asterisk.via))
        #expect(try ended.only()["REMPART_ADDRESS"] == "198.51.100.8")
    }

    @Test(
        "a forwarding that is refused is told as the end only of a call that nothing else ends",
        arguments: [
            (603, "phone", "603", ""), (486, "limit", "403", "forwarding"),
            (487, "asterisk", "403", ""),
        ])
    func forwarding(_ status: Int, _ by: String, _ given: String, _ reason: String) throws {
        let edge = Edge()
        let ended = Written(.callEnded, of: edge)
        let (asterisk, sent, phones, invites) = try forkedCall(edge)
        phones[1].send(response(to: invites[1], 180, tag: "p1"))
        let elsewhere = ["Contact: <sip:00881612345678@example.com>"]
        phones[0].send(response(to: invites[0], 302, tag: "p0", elsewhere))
        #expect(ended.records.isEmpty)
        if status == 487 { asterisk.send(cancel(sent)) }
        phones[1].send(response(to: invites[1], status, tag: "p1"))
        let record = try ended.only()
        #expect(record["REMPART_ENDED_BY"] == by[...] && record["REMPART_STATUS"] == given[...])
        #expect(record["REMPART_REASON", default: ""] == reason[...])
    }

    @Test("a BYE out of any dialog that two phones answer ends no call, and the edge goes on")
    func outOfDialog() throws {
        let edge = Edge()
        let ended = Written(.callEnded, of: edge)
        let phones = [7, 8].map { Phone(edge, "alice", at: "198.51.100.\($0):40000") }
        for (number, phone) in phones.enumerated() {
            try phone.register(contacts: ["<sip:alice@192.168.1.\(number)>"])
        }
        let asterisk = Asterisk(edge)
        asterisk.send(
            wire([
                "BYE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)", "Max-Forwards: 70",
                "From: <sip:300@10.0.0.10>;tag=as9", "To: <sip:alice@10.0.0.1:5060>",
                "Call-ID: odd@10.0.0.10", "CSeq: 102 BYE",
            ]))
        for (number, phone) in phones.enumerated() {
            let bye = try phone.expect("BYE")
            phone.send(response(to: bye, 200, tag: "p\(number)"))
        }
        #expect(try asterisk.expect(200).toTag == "p0")
        #expect(asterisk.next() == nil && ended.records.isEmpty)
    }

    @Test("an administrator and a limit are told as who ended a call, with the reason")
    func byEdge() throws {
        let told = try Told()
        _ = try told.stage.connect("sip:0612345678@example.com", "d")
        _ = told.stage.edge.router.endCalls("d", told.stage.edge.now)
        told.stage.edge.drain()
        let byHand = try told.ended.only()
        #expect(byHand["REMPART_ENDED_BY"] == "administrator")
        #expect(byHand["REMPART_REASON"] == "by-hand" && byHand["REMPART_SECONDS"] == "0")
        let barred = try Told()
        _ = try barred.stage.connect("sip:0612345678@example.com", "d")
        try barred.stage.trip()
        let limit = try #require(barred.ended.records.first)
        #expect(limit["REMPART_ENDED_BY"] == "limit" && limit["REMPART_CALL_ID"] == "d")
        #expect(limit["REMPART_REASON"] == "account-barred")
    }

    @Test(
        "a ringing call that an administrator ends is told as his, not as the one who is cancelled")
    func ringing() throws {
        let told = try Told()
        try told.stage.alice.ask("INVITE", "sip:0612345678@example.com", callID: "d")
        let invite = try told.stage.asterisk.expect("INVITE")
        told.stage.asterisk.answer(invite, 180)
        _ = told.stage.edge.router.endCalls("d", told.stage.edge.now)
        told.stage.edge.drain()
        told.stage.asterisk.answer(invite, 487)
        let record = try told.ended.only()
        #expect(record["REMPART_ENDED_BY"] == "administrator" && record["REMPART_STATUS"] == "487")
    }

    @Test(
        "without any Asterisk a call is told as the edge's to refuse, and the refusal names the phone"
    )
    func noAsterisk() throws {
        let told = try Told()
        let refused = Written(.refused, of: told.stage.edge)
        told.stage.edge.helpful = []
        told.stage.edge.advance(.seconds(120))
        try told.stage.alice.ask("INVITE", "sip:0612345678@example.com", callID: "d")
        _ = try told.stage.alice.expect(503)
        let record = try told.ended.only()
        #expect(record["REMPART_ENDED_BY"] == "edge" && record["REMPART_STATUS"] == "503")
        #expect(record["REMPART_ASTERISK"] == nil)
        let refusal = try refused.only()
        #expect(refusal["REMPART_REASON"] == "no-asterisk" && refusal["REMPART_STATUS"] == "503")
        #expect(refusal["REMPART_ADDRESS"] == "198.51.100.7")
    }

    @Test(
        "of a call that is older than the process only what its BYE and token say is told, once",
        arguments: [true, false])
    func older(_ isFromPhone: Bool) throws {
        let told = try Told()
        try told.stage.alice.register()
        let sent = try told.stage.alice.ask(
            "INVITE", "sip:0612345678@example.com", callID: "d")
        let invite = try told.stage.asterisk.expect("INVITE")
        told.stage.asterisk.answer(invite, 200)
        let answer = try told.stage.alice.expect(200)
        var phone = Dialog(caller: sent, answer)
        var inside = Dialog(called: invite, tag: "as1")
        told.stage.edge.restart()
        let reason = ["Reason: Q.850;cause=16"]
        if isFromPhone {
            told.stage.alice.send(phone.request("BYE", via: told.stage.alice.via, reason))
        } else {
            told.stage.asterisk.send(inside.request("BYE", via: told.stage.asterisk.via, reason))
        }
        #expect(told.ended.records.isEmpty)
        let heard = isFromPhone ? told.stage.asterisk : told.stage.alice as Peer
        let bye = try heard.expect("BYE")
        // The other end hangs up at once too.
        if isFromPhone {
            told.stage.asterisk.send(inside.request("BYE", via: told.stage.asterisk.via))
            told.stage.alice.send(response(to: try told.stage.alice.expect("BYE"), 200, tag: ""))
        }
        heard.send(response(to: bye, 200, tag: ""))
        let record = try told.ended.only()
        var wanted = Self.outward
        wanted["REMPART_NUMBER"] = nil
        wanted["REMPART_DIRECTION"] = nil
        wanted["REMPART_ENDED_BY"] = isFromPhone ? record["REMPART_ENDED_BY"] : "asterisk"
        wanted["REMPART_CAUSE"] = isFromPhone ? record["REMPART_CAUSE"] : "Q.850 16"
        #expect(record == wanted)
    }

    @Test("who hangs up as the other does ends no second call")
    func glare() throws {
        let told = try Told()
        var (inside, phone) = try told.receive()
        told.stage.asterisk.send(inside.request("BYE", via: told.stage.asterisk.via))
        let bye = try told.stage.alice.expect("BYE")
        told.stage.alice.send(phone.request("BYE", via: told.stage.alice.via))
        for message in told.stage.asterisk.all() where message.method == "BYE" {
            told.stage.asterisk.answer(message, 200)
        }
        told.stage.alice.send(response(to: bye, 200, tag: ""))
        #expect(try told.ended.only()["REMPART_ENDED_BY"] == "asterisk")
    }

    @Test("a trunk's call is told with the trunk, and its direction as the house sees it")
    func trunk() throws {
        let trunk = try TrunkEdge()
        let began = Written(.callBegan, of: trunk.edge)
        let ended = Written(.callEnded, of: trunk.edge)
        trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        let record = try began.only()
        #expect(record["REMPART_TRUNK"] == "telco" && record["REMPART_ACCOUNT"] == nil)
        #expect(record["REMPART_DIRECTION"] == "inward" && record["REMPART_NUMBER"] == "+43123")
        try trunk.callOut()
        let invite = try trunk.carrier.expect("INVITE")
        trunk.carrier.answer(invite, 404)
        let out = try #require(ended.records.last)
        #expect(out["REMPART_DIRECTION"] == "outward" && out["REMPART_ENDED_BY"] == "trunk")
        #expect(out["MESSAGE"] == "call to +4420999 by trunk:telco not answered: 404 by trunk")
    }

    @Test("what begins no call is told as none, whoever answers it")
    func noCall() throws {
        let told = try Told()
        let body = ["Content-Type: text/plain"]
        try told.stage.alice.ask("MESSAGE", "sip:100@example.com", callID: "m", body, body: "hi")
        told.stage.asterisk.answer(try told.stage.asterisk.expect("MESSAGE"), 200)
        _ = try told.stage.alice.expect(200)
        #expect(told.began.records.isEmpty && told.ended.records.isEmpty)
        let trunk = try TrunkEdge()
        let began = Written(.callBegan, of: trunk.edge)
        for (number, method) in ["REGISTER", "OPTIONS"].enumerated() {
            let sent = try trunk.callOut(
                "sip:carrier.example", method: method, callID: "none\(number)@10.0.0.10")
            trunk.carrier.answer(try trunk.carrier.expect(method), 200)
            #expect(try trunk.asterisk.expect(200)["CSeq"] == sent["CSeq"])
        }
        #expect(began.records.isEmpty)
    }
}
