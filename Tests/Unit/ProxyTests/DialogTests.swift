import Messages
import Proxy
import Sys
import Testing

/// Both sides of a dialog between alice's phone and an Asterisk.
private struct Conversation {
    let stage: Stage
    var phone: Dialog
    var asterisk: Dialog

    /// A call that alice makes, or gets.
    init(_ stage: Stage, isMade: Bool) throws {
        self.stage = stage
        if isMade {
            let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: "d")
            let invite = try stage.asterisk.expect("INVITE")
            asterisk = Dialog(called: invite, tag: "as1")
            stage.asterisk.answer(invite, 200)
            phone = Dialog(caller: sent, try stage.alice.expect(200))
        } else {
            let sent = stage.asterisk.call("alice", callID: "d@10.0.0.10:5060")
            let invite = try stage.alice.expect("INVITE")
            phone = Dialog(called: invite, tag: "p1")
            let contact = "Contact: <\(stage.alice.contact)>"
            stage.alice.send(response(to: invite, 200, tag: "p1", [contact]))
            asterisk = Dialog(caller: sent, try stage.asterisk.expect(200))
        }
    }

    /// The phone asks something and the Asterisk answers; the phone's next requests go where the answer says.
    mutating func phoneSays(_ method: String) throws {
        let alice = stage.alice
        alice.send(phone.request(method, via: alice.via, ["Contact: <\(alice.contact)>"]))
        let request = try stage.asterisk.expect(method)
        #expect(request.uri == asteriskContact)
        stage.asterisk.send(
            response(to: request, 200, ["Contact: <\(asteriskContact)>"]))
        let answer = try alice.expect(200)
        if !answer.contactURI.isEmpty { phone.target = answer.contactURI }
        guard method == "INVITE" else { return }
        alice.send(phone.request("ACK", via: alice.via))
        _ = try stage.asterisk.expect("ACK")
    }

    /// The Asterisk asks something and the phone answers; the phone's next requests go where the request says.
    mutating func asteriskSays(_ method: String) throws {
        let contact = "Contact: <\(asteriskContact)>"
        stage.asterisk.send(asterisk.request(method, via: stage.asterisk.via, [contact]))
        let request = try stage.alice.expect(method)
        if !request.contactURI.isEmpty { phone.target = request.contactURI }
        stage.alice.send(response(to: request, 200, ["Contact: <\(stage.alice.contact)>"]))
        _ = try stage.asterisk.expect(200)
        guard method == "INVITE" else { return }
        stage.asterisk.send(asterisk.request("ACK", via: stage.asterisk.via))
        _ = try stage.alice.expect("ACK")
    }

    private var asteriskContact: String {
        asterisk.callID.contains("@") ? "sip:300@10.0.0.10:5060" : stage.asterisk.contact
    }
}

@Suite("Long dialogs") struct DialogTests {
    @Test(
        "both sides go on in a call however often they renew it, and over a restart",
        arguments: [true, false])
    func renewed(_ isMade: Bool) throws {
        let stage = try Stage()
        try stage.alice.register()
        var call = try Conversation(stage, isMade: isMade)
        for round in 0..<3 {
            if round == 1 { stage.edge.restart() }
            for method in ["INVITE", "UPDATE", "INVITE", "INFO", "MESSAGE"] {
                try call.phoneSays(method)
                try call.asteriskSays(method)
            }
        }
        try call.phoneSays("BYE")
        #expect(stage.edge.router.load.calls == 0)
    }

    @Test("the Asterisk ends a call after a restart, whoever made it", arguments: [true, false])
    func ended(_ isMade: Bool) throws {
        let stage = try Stage()
        try stage.alice.register()
        var call = try Conversation(stage, isMade: isMade)
        stage.edge.restart()
        try call.asteriskSays("INVITE")
        #expect(stage.edge.router.load.calls == 1)
        try call.asteriskSays("BYE")
        #expect(stage.edge.router.load.calls == 0)
    }

    @Test("a caller speaks before the answer, by what the ringing has told")
    func early() throws {
        let stage = try Stage()
        let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: "d")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 183, ["Require: 100rel", "RSeq: 1"])
        var phone = Dialog(caller: sent, try stage.alice.expect(183))
        var asterisk = Dialog(called: invite, tag: "as1")
        stage.alice.send(
            phone.request("PRACK", via: stage.alice.via, ["RAck: 1 2 INVITE"]))
        stage.asterisk.answer(try stage.asterisk.expect("PRACK"), 200)
        let contact = "Contact: <\(stage.alice.contact)>"
        for _ in 0..<2 {
            stage.alice.send(phone.request("UPDATE", via: stage.alice.via, [contact]))
            stage.asterisk.answer(try stage.asterisk.expect("UPDATE"), 200)
            phone.target = try stage.alice.expect("UPDATE", answeredBy: 200).contactURI
            let own = "Contact: <\(stage.asterisk.contact)>"
            stage.asterisk.send(asterisk.request("UPDATE", via: stage.asterisk.via, [own]))
            let update = try stage.alice.expect("UPDATE")
            phone.target = update.contactURI
            stage.alice.send(response(to: update, 200, [contact]))
            _ = try stage.asterisk.expect(200)
        }
        stage.asterisk.answer(invite, 200)
        phone.target = try stage.alice.expect("INVITE", answeredBy: 200).contactURI
        stage.alice.send(phone.request("BYE", via: stage.alice.via))
        _ = try stage.asterisk.expect("BYE")
    }

    @Test("a subscription of a phone is told, renewed and ended, also over a restart")
    func subscription() throws {
        let stage = try Stage()
        try stage.alice.register()
        let contact = "Contact: <\(stage.alice.contact)>"
        let sent = try stage.alice.ask(
            "SUBSCRIBE", "sip:100@example.com", callID: "s", [contact, "Event: dialog"])
        let subscribe = try stage.asterisk.expect("SUBSCRIBE")
        stage.asterisk.answer(subscribe, 200)
        var phone = Dialog(caller: sent, try stage.alice.expect(200))
        var asterisk = Dialog(called: subscribe, tag: "as1")
        for round in 0..<3 {
            if round == 1 { stage.edge.restart() }
            let own = ["Contact: <\(stage.asterisk.contact)>", "Event: dialog"]
            stage.asterisk.send(asterisk.request("NOTIFY", via: stage.asterisk.via, own))
            let notify = try stage.alice.expect("NOTIFY")
            if round > 0 { phone.target = notify.contactURI }
            stage.alice.send(response(to: notify, 200, [contact]))
            _ = try stage.asterisk.expect(200)
            stage.alice.send(
                phone.request("SUBSCRIBE", via: stage.alice.via, [contact, "Event: dialog"]))
            stage.asterisk.answer(try stage.asterisk.expect("SUBSCRIBE"), 200)
            phone.target = try stage.alice.expect(200).contactURI
        }
    }

    @Test("a phone tells an Asterisk that has subscribed, also over a restart")
    func subscribed() throws {
        let stage = try Stage()
        try stage.alice.register()
        stage.asterisk.send(
            wire([
                "SUBSCRIBE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(stage.asterisk.via)",
                "Max-Forwards: 70", "From: <sip:300@10.0.0.10>;tag=as9",
                "To: <sip:alice@10.0.0.1:5060>", "Call-ID: s@10.0.0.10:5060",
                "CSeq: 1 SUBSCRIBE", "Contact: <sip:300@10.0.0.10:5060>", "Event: presence",
            ]))
        let subscribe = try stage.alice.expect("SUBSCRIBE")
        let contact = "Contact: <\(stage.alice.contact)>"
        stage.alice.send(response(to: subscribe, 200, tag: "p1", [contact]))
        _ = try stage.asterisk.expect(200)
        var phone = Dialog(called: subscribe, tag: "p1")
        for round in 0..<3 {
            if round == 1 { stage.edge.restart() }
            stage.alice.send(
                phone.request("NOTIFY", via: stage.alice.via, [contact, "Event: presence"]))
            let notify = try stage.asterisk.expect("NOTIFY")
            #expect(notify.uri == "sip:300@10.0.0.10:5060")
            stage.asterisk.send(
                response(to: notify, 200, ["Contact: <sip:300@10.0.0.10:5060>"]))
            phone.target = try stage.alice.expect(200).contactURI
        }
    }

    @Test("after a restart a call is of the account that its token names, whatever From says")
    func otherFrom() throws {
        let stage = try Stage()
        try stage.alice.register()
        var dialog = try stage.connect("sip:100@example.com", "d")
        stage.edge.restart()
        dialog.local = "\"Desk\" <sip:desk@example.com>;tag=alice1"
        let contact = "Contact: <\(stage.alice.contact)>"
        stage.alice.send(dialog.request("INVITE", via: stage.alice.via, [contact]))
        _ = try stage.asterisk.expect("INVITE")
        let rows = stage.edge.router.callRows()
        #expect(rows.count == 1 && "\(rows)".contains("alice"))
    }

    @Test("an account whose name is too long for a token keeps its calls")
    func longName() throws {
        let edge = Edge()
        let name = "reception-of-the-house-in-vienna"
        edge.passwords[name] = "long"
        let phone = Phone(edge, name)
        let asterisk = Asterisk(edge)
        try phone.register()
        var dialog = try TwoCalls.connect(phone, asterisk, "d")
        edge.restart()
        for _ in 0..<2 {
            phone.send(dialog.request("INVITE", via: phone.via, ["Contact: <\(phone.contact)>"]))
            asterisk.answer(try asterisk.expect("INVITE"), 200)
            dialog.target = try phone.expect(200).contactURI
        }
        #expect("\(edge.router.callRows())".contains(name))
        edge.restart()
        // Nobody knows now whose call an INVITE in another name would be.
        var other = dialog
        other.local = "<sip:desk@example.com>;tag=\(name)1"
        phone.send(other.request("INVITE", via: phone.via, ["Contact: <\(phone.contact)>"]))
        #expect(phone.all().map(\.status) == [403] && asterisk.next() == nil)
        phone.send(dialog.request("BYE", via: phone.via))
        _ = try asterisk.expect("BYE")
        #expect(edge.router.load.calls == 0)
    }
}

extension Peer {
    /// The next answer of a status to such a request, those before it thrown away.
    fileprivate func expect(_ method: String, answeredBy status: Int) throws -> Message {
        while true {
            let answer = try expect(status)
            if answer.sequenceMethod == method { return answer }
        }
    }
}

@Suite("Transfers by tokens") struct TokenTransferTests {
    /// So long a Contact that its token is no number that could be dialled.
    private static let contact = "Contact: <sip:a-contact-longer-than-any-number-is@10.0.0.10:5060>"

    /// A call of alice's that she makes or gets.
    private func call(_ stage: Stage, _ callID: String, isMade: Bool) throws -> Dialog {
        guard isMade else {
            stage.asterisk.send(
                wire([
                    "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(stage.asterisk.via)",
                    "Max-Forwards: 70", "From: <sip:300@10.0.0.10>;tag=as9",
                    "To: <sip:alice@10.0.0.1:5060>", "Call-ID: \(callID)@10.0.0.10:5060",
                    "CSeq: 102 INVITE", Self.contact,
                ]))
            let invite = try stage.alice.expect("INVITE")
            let contact = "Contact: <\(stage.alice.contact)>"
            stage.alice.send(response(to: invite, 200, tag: "p1", [contact]))
            _ = try stage.asterisk.expect(200)
            return Dialog(called: invite, tag: "p1")
        }
        let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: callID)
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.send(response(to: invite, 200, tag: "as1", [Self.contact]))
        var dialog = Dialog(caller: sent, try stage.alice.expect(200))
        stage.alice.send(dialog.request("ACK", via: stage.alice.via))
        _ = try stage.asterisk.expect("ACK")
        return dialog
    }

    /// The Replaces of a dialog, as it is escaped in a URI.
    private func replaces(_ dialog: Dialog) -> String {
        let tags = [dialog.remote, dialog.local].map { between($0, ";tag=", ";") }
        return "Replaces=\(dialog.callID.replacing("@", with: "%40"))"
            + "%3Bto-tag%3D\(tags[0])%3Bfrom-tag%3D\(tags[1])"
    }

    private func refer(_ phone: Phone, _ dialog: Dialog, _ to: String) throws {
        var dialog = dialog
        dialog.sequence = 200 + Int(phone.sequence)
        phone.sequence += 2
        try phone.refer(&dialog, "<\(to)>")
    }

    @Test(
        "an attended transfer passes, whichever of the two calls the phone has made",
        arguments: [true, false], [true, false])
    func attended(_ isFirstMade: Bool, _ isSecondMade: Bool) throws {
        let stage = try Stage()
        try stage.alice.register()
        let first = try call(stage, "first", isMade: isFirstMade)
        let second = try call(stage, "second", isMade: isSecondMade)
        try refer(stage.alice, first, "\(second.target)?\(replaces(second))")
        let passed = try stage.asterisk.expect("REFER")
        #expect(
            passed["Refer-To"].contains(
                isSecondMade
                    ? "Replaces=second%3B" : "Replaces=second%4010.0.0.10%3A5060%3B"))
        stage.asterisk.answer(passed, 202)
        _ = try stage.alice.expect(202)
    }

    @Test("it passes after a restart too, and the Asterisk tells what came of it")
    func restarted() throws {
        let stage = try Stage()
        try stage.alice.register()
        let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: "first")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 200)
        let first = Dialog(caller: sent, try stage.alice.expect(200))
        let second = try call(stage, "second", isMade: true)
        stage.edge.restart()
        try refer(stage.alice, first, "\(second.target)?\(replaces(second))")
        stage.asterisk.answer(try stage.asterisk.expect("REFER"), 202)
        var asterisk = Dialog(called: invite, tag: "as1")
        let lines = ["Contact: <\(stage.asterisk.contact)>", "Event: refer"]
        for _ in 0..<2 {
            stage.asterisk.send(
                asterisk.request("NOTIFY", via: stage.asterisk.via, lines, body: "SIP/2.0 200 OK"))
            let notify = try stage.alice.expect("NOTIFY")
            stage.alice.send(response(to: notify, 200))
            _ = try stage.asterisk.expect(200)
        }
    }

    @Test("a line of the same phone may hand over to the call of another line")
    func otherLine() throws {
        let stage = try Stage()
        let bob = Phone(stage.edge, "bob", at: "198.51.100.7:40002")
        let first = try TwoCalls.connect(bob, stage.asterisk, "first")
        let second = try call(stage, "second", isMade: true)
        try refer(bob, first, "\(second.target)?\(replaces(second))")
        _ = try stage.asterisk.expect("REFER")
    }

    @Test("a token passes in no other dialog's Replaces")
    func otherReplaces() throws {
        let stage = try Stage()
        let first = try call(stage, "first", isMade: true)
        let second = try call(stage, "second", isMade: true)
        for other in [replaces(first), "Replaces=", "Replaces", "Replaces=second", "Replaces=%3B"] {
            try refer(stage.alice, first, "\(second.target)?\(other)")
            #expect(stage.alice.all().map(\.status) == [403], "\(other)")
        }
        #expect(stage.asterisk.next() == nil)
    }

    @Test(
        "without Replaces a token passes for a call of the same account alone",
        arguments: [true, false])
    func withoutReplaces(_ isMade: Bool) throws {
        let stage = try Stage()
        try stage.alice.register()
        let first = try call(stage, "first", isMade: true)
        let second = try call(stage, "second", isMade: isMade)
        try refer(stage.alice, first, second.target)
        _ = try stage.asterisk.expect("REFER")
        let bob = Phone(stage.edge, "bob", at: "198.51.100.8:40000")
        let his = try TwoCalls.connect(bob, stage.asterisk, "his")
        try refer(bob, his, second.target)
        _ = try bob.expect(403)
        #expect(stage.asterisk.next() == nil)
    }

    @Test("a blind transfer names a number, inside a dialog and out of any")
    func blind() throws {
        let stage = try Stage()
        let first = try call(stage, "first", isMade: true)
        try refer(stage.alice, first, "sip:101@example.com")
        #expect(try stage.asterisk.expect("REFER")["Refer-To"] == "<sip:101@example.com>")
        try stage.alice.ask(
            "REFER", "sip:100@example.com", callID: "r", ["Refer-To: <sip:102@example.com>"])
        _ = try stage.asterisk.expect("REFER")
    }
}
