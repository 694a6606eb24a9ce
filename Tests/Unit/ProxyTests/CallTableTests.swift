import Messages
import Proxy
import Sys
import Testing

@Suite("Transfers and forwarding") struct TransferTests {
    /// What `explain` says of a Call-ID.
    private func explained(_ edge: Edge, _ callID: String) -> String {
        edge.router.explain(callID).map { "\($0)" }.joined()
    }

    @Test("a transfer to a number that nobody calls is refused as a call to it is")
    func never() throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "d")
        try stage.alice.refer(&dialog, "<sip:00881612345678@example.com>")
        _ = try stage.alice.expect(403)
        #expect(stage.asterisk.next() == nil)
        #expect(explained(stage.edge, "d").contains("number-never, 403"))
        try stage.alice.refer(&dialog, "<tel:+881612345678>")
        _ = try stage.alice.expect(403)
    }

    @Test(
        "a transfer to what a dialplan could take for something else is refused",
        arguments: ["<sip:100&SIP@example.com>", "<sip:example.com>", "<http://example.com>", "<<"])
    func dialString(_ target: String) throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "d")
        try stage.alice.refer(&dialog, target)
        _ = try stage.alice.expect(403)
        #expect(stage.asterisk.next() == nil)
    }

    @Test("transfers out of any dialog are judged like those inside one")
    func outside() throws {
        let stage = try Stage()
        let target = "Refer-To: <sip:00881612345678@example.com>"
        try stage.alice.ask("REFER", "sip:100@example.com", callID: "r", [target])
        _ = try stage.alice.expect(403)
        #expect(stage.asterisk.next() == nil)
        try stage.alice.ask(
            "REFER", "sip:100@example.com", callID: "s", ["Refer-To: <sip:101@example.com>"])
        _ = try stage.asterisk.expect("REFER")
    }

    @Test("a call abroad that was transferred keeps its place for a while")
    func kept() throws {
        let stage = try Stage([.calls(.abroadAtOnce(1))])
        var dialog = try stage.connect("sip:100@example.com", "d")
        try stage.alice.refer(&dialog, "<sip:+33123456789@example.com>")
        stage.asterisk.answer(try stage.asterisk.expect("REFER"), 202)
        stage.hangUp(&dialog)
        try stage.alice.ask("INVITE", "sip:+33123456780@example.com", callID: "second")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "second").contains("abroad-at-once"))
        stage.edge.leap(.seconds(901))
        _ = try stage.connect("sip:+33123456780@example.com", "third")
    }

    @Test("handing over the only call abroad is no new one, doing it twice is")
    func attended() throws {
        let stage = try Stage([.calls(.abroadAtOnce(1))])
        let abroad = try stage.connect("sip:+33123456789@example.com", "abroad")
        var desk = try stage.connect("sip:100@example.com", "desk")
        let replaces = "\(abroad.callID)%3Bto-tag%3Das1%3Bfrom-tag%3Dalice1"
        try stage.alice.refer(&desk, "<sip:+33123456789@example.com?Replaces=\(replaces)>")
        stage.asterisk.answer(try stage.asterisk.expect("REFER"), 202)
        _ = try stage.alice.expect(202)
        try stage.alice.refer(&desk, "<sip:+33123456789@example.com?Replaces=bogus>")
        _ = try stage.alice.expect(403)
    }

    @Test("a transfer to the other end of a call, which the phone knows by our token, passes")
    func token() throws {
        let stage = try Stage()
        let other = try stage.connect("sip:101@example.com", "other")
        var desk = try stage.connect("sip:100@example.com", "desk")
        try stage.alice.refer(
            &desk, "<\(other.target)?Replaces=other%3Bto-tag%3Das1%3Bfrom-tag%3Dalice1>")
        _ = try stage.asterisk.expect("REFER")
    }

    /// A call to alice's phone, which sends it elsewhere.
    private func forward(_ stage: Stage, _ contacts: [String]) throws {
        try stage.alice.register()
        stage.asterisk.call("alice")
        let invite = try stage.alice.expect("INVITE")
        stage.alice.send(
            response(to: invite, 302, tag: "p1", contacts.map { "Contact: \($0)" }))
    }

    @Test(
        "a phone that sends a call on to a number that nobody calls ends it with 403 instead",
        arguments: [
            ["<sip:00881612345678@example.com>"], ["<tel:+881612345678>"],
            ["<sip:100@example.com>, <sip:00881612345678@example.com>"],
            ["<sip:100@example.com>", "<sip:00881612345678@example.com>"],
            ["<sip:100&x@example.com>"], ["<sip:example.com>"],
        ])
    func forwarded(_ contacts: [String]) throws {
        let stage = try Stage()
        try forward(stage, contacts)
        let answer = try stage.asterisk.expect(403)
        #expect(!answer.has("Contact"))
    }

    @Test("a phone may send calls on within the limits for its own calls")
    func forwardedWell() throws {
        let stage = try Stage([.calls(.abroadAtOnce(1))])
        try forward(stage, ["<sip:+33123456789@example.com>"])
        #expect(try stage.asterisk.expect(302).contactURI == "sip:+33123456789@example.com")
        stage.asterisk.call("alice", callID: "again@10.0.0.10")
        let invite = try stage.alice.expect("INVITE")
        stage.alice.send(
            response(to: invite, 302, tag: "p2", ["Contact: <sip:+33123456780@example.com>"]))
        _ = try stage.asterisk.expect(403)
    }
}

@Suite("Table of calls") struct CallTableTests {
    private func rows(_ edge: Edge) -> [CallRow] {
        edge.router.callRows().compactMap { if case .call(let row) = $0 { row } else { nil } }
    }

    @Test("calls are listed with who calls whom, from the first ring to the BYE of either side")
    func listed() throws {
        let stage = try Stage()
        try stage.alice.register()
        let sent = try stage.alice.ask("INVITE", "sip:+33123456789@example.com", callID: "out")
        let ringing = try #require(rows(stage.edge).first)
        #expect(!ringing.isAnswered && ringing.peer == "+33123456789" && ringing.callID == "out")
        #expect(ringing.asterisk == stage.asterisk.flow.peer)
        stage.asterisk.answer(try stage.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try stage.alice.expect(200))
        stage.asterisk.call("alice", callID: "in@10.0.0.10:5060")
        let invite = try stage.alice.expect("INVITE")
        // While it rings the phone is told that it rings at, and not the Asterisk.
        #expect(rows(stage.edge).map(\.phones) == [1, 1])
        #expect(rows(stage.edge).map(\.phone) == [stage.alice.flow.peer, stage.alice.flow.peer])
        stage.alice.send(
            response(to: invite, 200, tag: "p1", ["Contact: <\(stage.alice.contact)>"]))
        let answer = try stage.asterisk.expect(200)
        let both = rows(stage.edge)
        #expect(both.map(\.direction) == [.made, .received])
        #expect(both.map(\.peer) == ["+33123456789", "300"])
        #expect(both.map(\.isAbroad) == [true, false])
        #expect(both.allSatisfy { $0.isAnswered && $0.account == "alice" })
        #expect(both.allSatisfy { $0.phone == stage.alice.flow.peer })
        #expect(both[1].callID == "in@10.0.0.10:5060")
        stage.hangUp(&dialog)
        #expect(rows(stage.edge).map(\.direction) == [.received])
        // The Asterisk hangs up the other one.
        let bye = [
            "BYE \(answer.contactURI) SIP/2.0", "Via: \(stage.asterisk.via)", "Max-Forwards: 70",
            "Route: \(answer["Record-Route"])", "From: \(answer["From"])", "To: \(answer["To"])",
            "Call-ID: \(answer["Call-ID"])", "CSeq: 103 BYE",
        ]
        stage.asterisk.send(wire(bye))
        _ = try stage.alice.expect("BYE")
        #expect(rows(stage.edge).isEmpty)
    }

    @Test("a call that rings at several phones is told with how many")
    func ringing() throws {
        let (desk, cell, asterisk) = try twoPhones()
        asterisk.call("alice")
        let invites = [try desk.expect("INVITE"), try cell.expect("INVITE")]
        #expect(rows(desk.edge).map(\.phones) == [2])
        desk.send(response(to: invites[0], 486, tag: "d"))
        #expect(rows(desk.edge).map(\.phones) == [1])
        #expect(rows(desk.edge).map(\.phone) == [cell.flow.peer])
        cell.send(
            response(to: invites[1], 200, tag: "c", ["Contact: <sip:alice@10.9.9.9:6000>"]))
        #expect(rows(desk.edge).map(\.phones) == [1])
        #expect(rows(desk.edge).map(\.phone) == [cell.flow.peer])
    }

    @Test("a call is ended by its Call-ID from the command line")
    func byHand() throws {
        let stage = try Stage()
        _ = try stage.connect("sip:100@example.com", "one")
        _ = try stage.connect("sip:100@example.com", "two")
        #expect(stage.edge.router.endCalls("one", stage.edge.now) == .done)
        stage.edge.drain()
        #expect(try stage.alice.expect("BYE")["Call-ID"] == "one")
        #expect(rows(stage.edge).map(\.callID) == ["two"])
        guard case .failed = stage.edge.router.endCalls("one", stage.edge.now) else {
            Issue.record("there is no such call any more")
            return
        }
    }

    @Test("a BYE of ours is sent again by UDP until it is answered")
    func again() throws {
        let stage = try Stage()
        _ = try stage.connect("sip:100@example.com", "one")
        _ = stage.edge.router.endCalls("one", stage.edge.now)
        stage.edge.advance(Milliseconds(1600))
        #expect(stage.alice.all().filter { $0.method == "BYE" }.count == 3)
        let last = try stage.asterisk.expect("BYE")
        stage.asterisk.answer(last, 481)
        let before = stage.edge.router.load.transactions
        stage.edge.leap(.seconds(40))
        #expect(stage.edge.router.load.transactions < before)
    }

    @Test("a BYE goes to the Contact that a re-INVITE has named, with a CSeq that is the next")
    func retargeted() throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "d")
        stage.alice.send(
            dialog.request("INVITE", via: stage.alice.via, ["Contact: <sip:alice@192.168.1.9>"]))
        stage.asterisk.answer(try stage.asterisk.expect("INVITE"), 200)
        _ = try stage.alice.expect(200)
        stage.alice.send(dialog.request("ACK", via: stage.alice.via))
        _ = stage.asterisk.all()
        _ = stage.edge.router.endCalls("d", stage.edge.now)
        stage.edge.drain()
        #expect(try stage.alice.expect("BYE").uri == "sip:alice@192.168.1.9")
        #expect(try stage.asterisk.expect("BYE").sequence == dialog.sequence + 1)
    }

    @Test("after a restart a call is known again once its phone says something in it")
    func rebuilt() throws {
        let stage = try Stage()
        try stage.alice.register()
        var dialog = try stage.connect("sip:0612345678@example.com", "d")
        stage.edge.restart()
        #expect(rows(stage.edge).isEmpty)
        stage.alice.send(
            dialog.request("INVITE", via: stage.alice.via, ["Contact: <\(stage.alice.contact)>"]))
        stage.asterisk.answer(try stage.asterisk.expect("INVITE"), 200)
        _ = try stage.alice.expect(200)
        let row = try #require(rows(stage.edge).first)
        #expect(row.direction == .unknown && row.account == "alice" && row.callID == "d")
        _ = stage.edge.router.endCalls("d", stage.edge.now)
        stage.edge.drain()
        let toPhone = try stage.alice.expect("BYE")
        #expect(toPhone["From"] == dialog.remote && toPhone.uri == stage.alice.contact)
        let toAsterisk = try stage.asterisk.expect("BYE")
        #expect(toAsterisk["From"] == dialog.local && toAsterisk.sequence == dialog.sequence + 1)
        #expect(toAsterisk.uri == stage.asterisk.contact)
    }

    @Test("after a restart a call is known again once the Asterisk says something in it")
    func rebuiltFromInside() throws {
        let stage = try Stage()
        try stage.alice.register()
        try stage.alice.ask("INVITE", "sip:100@example.com", callID: "d")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 200)
        _ = try stage.alice.expect(200)
        var dialog = Dialog(called: invite, tag: "as1")
        stage.edge.restart()
        let contact = "Contact: <\(stage.asterisk.contact)>"
        stage.asterisk.send(dialog.request("INVITE", via: stage.asterisk.via, [contact]))
        _ = try stage.alice.expect("INVITE")
        _ = stage.edge.router.endCalls("d", stage.edge.now)
        stage.edge.drain()
        let toPhone = try stage.alice.expect("BYE")
        #expect(toPhone.uri == stage.alice.contact && toPhone.sequence == dialog.sequence + 1)
        let toAsterisk = try stage.asterisk.expect("BYE")
        #expect(toAsterisk.uri == stage.asterisk.contact && toAsterisk.toTag == "as1")
    }

    @Test("a barred account's call that is older than the process ends with its first word")
    func barredRebuilt() throws {
        let stage = try Stage()
        try stage.alice.register()
        var dialog = try stage.connect("sip:0612345678@example.com", "d")
        let bar = AccountStanding(
            account: "alice", barredSince: stage.edge.now.sinceEpoch, reason: "number-never")
        stage.edge.standings["alice"] = bar
        stage.edge.restart()
        stage.alice.send(
            dialog.request("INVITE", via: stage.alice.via, ["Contact: <\(stage.alice.contact)>"]))
        _ = try stage.alice.expect("BYE")
        _ = try stage.alice.expect(403)
        _ = try stage.asterisk.expect("BYE")
    }

    @Test("an INVITE in a dialog that nobody knows counts as a call, so none is begun unseen")
    func madeUp() throws {
        let stage = try Stage([.calls(.atOnce(2))])
        let real = try stage.connect("sip:100@example.com", "d")
        for number in 0..<5 {
            var forged = real
            forged.local = "<sip:alice@example.com>;tag=made\(number)"
            stage.alice.send(
                forged.request(
                    "INVITE", via: stage.alice.via, ["Contact: <\(stage.alice.contact)>"])
            )
        }
        #expect(stage.asterisk.all().filter { $0.method == "INVITE" }.count == 1)
    }

    @Test("a token of another Asterisk begins no call in the name of one that is under way")
    func otherAsterisk() throws {
        let edge = Edge([.calls(.atOnce(1))], asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice = Phone(edge, "alice")
        let both = [Asterisk(edge), Asterisk(edge, at: "10.0.0.20:5060")]
        var dialogs: [Dialog] = []
        for number in 0..<2 {
            let sent = try alice.ask("INVITE", "sip:100@example.com", callID: "d")
            for asterisk in both {
                for invite in asterisk.all() where invite.method == "INVITE" {
                    asterisk.answer(invite, 200)
                }
            }
            var dialog = Dialog(caller: sent, try alice.expect(200))
            alice.send(dialog.request("ACK", via: alice.via))
            if number == 0 { alice.send(dialog.request("BYE", via: alice.via)) }
            dialogs.append(dialog)
        }
        for asterisk in both { _ = asterisk.all() }
        var forged = dialogs[1]
        forged.target = dialogs[0].target
        alice.send(forged.request("INVITE", via: alice.via, ["Contact: <\(alice.contact)>"]))
        _ = try alice.expect(403)
        for asterisk in both { #expect(asterisk.next() == nil) }
    }

    @Test("a call of which nothing was heard for long is forgotten; one that is refreshed is not")
    func silent() throws {
        let stage = try Stage()
        _ = try stage.connect("sip:100@example.com", "silent")
        var heard = try stage.connect("sip:100@example.com", "heard")
        for _ in 0..<9 {
            stage.edge.leap(.seconds(3600), steps: 60)
            stage.alice.send(heard.request("INFO", via: stage.alice.via))
            stage.asterisk.answer(try stage.asterisk.expect("INFO"), 200)
        }
        #expect(rows(stage.edge).map(\.callID) == ["heard"])
    }

    @Test("of a call whose phones both answer one is kept, and nothing is left when it ends")
    func forked() throws {
        let edge = Edge()
        let first = Phone(edge, "alice", at: "198.51.100.7:40000")
        let second = Phone(edge, "alice", at: "198.51.100.8:40000")
        for phone in [first, second] {
            try phone.register(contacts: ["<sip:alice@192.168.1.\(phone === first ? 1 : 2)>"])
        }
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        for (number, phone) in [first, second].enumerated() {
            let invite = try phone.expect("INVITE")
            phone.send(
                response(to: invite, 200, tag: "p\(number)", ["Contact: <\(phone.contact)>"]))
        }
        #expect(rows(edge).map(\.phone) == [first.flow.peer])
        _ = edge.router.endCalls("c1@10.0.0.10:5060", edge.now)
        edge.drain()
        #expect(try first.expect("BYE").toTag == "p0")
        #expect(rows(edge).isEmpty)
    }
}
