import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite struct OutgoingCallTests {
    /// An edge, a phone of alice, an Asterisk, and the INVITE that reached it.
    private func call(
        _ edge: Edge = Edge(), _ extra: [String] = []
    ) throws -> (alice: Phone, asterisk: Asterisk, sent: Message, invite: Message) {
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com", extra, body: "v=0\r\n")
        return (alice, asterisk, sent, try asterisk.expect("INVITE"))
    }

    @Test(
        "an INVITE goes to Asterisk in canonical form, without the credentials and claims of trust")
    func canonical() throws {
        let edge = Edge()
        let claims = [
            "P-Asserted-Identity: <sip:boss@example.com>", "Remote-Party-ID: <sip:boss@x>",
            "Diversion: <sip:1@x>", "Privacy: none", "X-Own: kept", "s: short", "k: 100rel",
            "Subject-Like: one\r\n two",
        ]
        let (_, _, _, invite) = try call(edge, claims)
        #expect(invite.start == "INVITE sip:100@10.0.0.10:5060 SIP/2.0")
        #expect(!invite.has("Proxy-Authorization") && !invite.has("Authorization"))
        for claim in ["P-Asserted-Identity", "Remote-Party-ID", "Diversion", "Privacy"] {
            #expect(!invite.has(claim))
        }
        #expect(invite["X-Own"] == "kept" && invite["Subject"] == "short")
        #expect(invite["Supported"] == "100rel" && invite["Subject-Like"] == "one two")
        #expect(invite["Max-Forwards"] == "69" && invite.body == "v=0\r\n")
        #expect(invite.all("Via").count == 1)
    }

    @Test("a whole call: ringing, answer, re-INVITE and BYE from the phone")
    func whole() throws {
        let (alice, asterisk, sent, invite) = try call()
        #expect(alice.next()?.status == 100)
        asterisk.answer(invite, 180)
        #expect(alice.next()?.status == 180)
        asterisk.answer(invite, 200, body: "v=0\r\n")
        let answer = try alice.expect(200)
        #expect(answer.body == "v=0\r\n")
        var dialog = Dialog(caller: sent, answer)
        alice.send(dialog.request("ACK", via: alice.via))
        #expect(try asterisk.expect("ACK").uri == asterisk.contact)
        alice.send(dialog.request("INVITE", via: alice.via, ["Contact: <\(alice.contact)>"]))
        let again = try asterisk.expect("INVITE")
        #expect(again.uri == asterisk.contact)
        asterisk.answer(again, 200)
        _ = try alice.expect(200)
        alice.send(dialog.request("ACK", via: alice.via))
        _ = try asterisk.expect("ACK")
        alice.send(dialog.request("BYE", via: alice.via))
        asterisk.answer(try asterisk.expect("BYE"), 200)
        #expect(try alice.expect(200).sequenceMethod == "BYE")
    }

    @Test("Asterisk's requests inside the dialog reach the phone by the token in Route")
    func fromAsterisk() throws {
        let (alice, asterisk, _, invite) = try call()
        asterisk.answer(invite, 200)
        var dialog = Dialog(called: invite, tag: "as1")
        asterisk.send(
            dialog.request("INVITE", via: asterisk.via, ["Contact: <\(asterisk.contact)>"]))
        let again = try alice.expect("INVITE")
        #expect(again.uri == alice.contact && !again.has("Route"))
        alice.send(response(to: again, 200, ["Contact: <\(alice.contact)>"]))
        _ = try asterisk.expect(200)
        asterisk.send(dialog.request("ACK", via: asterisk.via))
        #expect(try alice.expect("ACK").uri == alice.contact)
        asterisk.send(dialog.request("BYE", via: asterisk.via))
        alice.send(response(to: try alice.expect("BYE"), 200))
        #expect(try asterisk.expect(200).sequenceMethod == "BYE")
    }

    @Test(
        "Asterisk's challenge is answered with the account's digest, and the CSeq is mapped from then on"
    )
    func challenged() throws {
        let edge = Edge()
        let (alice, asterisk, sent, first) = try call(edge)
        let challenge = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n2\", algorithm=MD5"
        // The digest for Asterisk's own realm has to be asked for first: register alice.
        asterisk.answer(first, 401, [challenge.replacing("pbx", with: Edge.realm)])
        _ = try asterisk.expect("ACK")
        let invite = try asterisk.expect("INVITE")
        #expect(edge.isProven(invite, Edge.realm))
        #expect(first.sequence == sent.sequence && invite.sequence == sent.sequence + 1)
        asterisk.answer(invite, 200)
        let answer = try alice.expect(200)
        #expect(answer.sequence == sent.sequence)
        var dialog = Dialog(caller: sent, answer)
        alice.send(dialog.request("ACK", via: alice.via))
        #expect(try asterisk.expect("ACK").sequence == invite.sequence)
        alice.send(dialog.request("BYE", via: alice.via))
        let bye = try asterisk.expect("BYE")
        #expect(bye.sequence == invite.sequence + 1)
        asterisk.answer(bye, 200)
        #expect(try alice.expect(200).sequence == sent.sequence + 1)
    }

    @Test(
        "a PRACK after an answered challenge names the INVITE by the number Asterisk knows",
        arguments: [" ", "  ", "\t", " \t "])
    func prack(_ blank: String) throws {
        let edge = Edge()
        let (alice, asterisk, sent, first) = try call(edge)
        let challenge = "WWW-Authenticate: Digest realm=\"\(Edge.realm)\", nonce=\"n\""
        asterisk.answer(first, 401, [challenge])
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 183, ["Require: 100rel", "RSeq: 7"])
        let progress = try alice.expect(183)
        var dialog = Dialog(caller: sent, progress)
        alice.send(
            dialog.request(
                "PRACK", via: alice.via, ["RAck: 7\(blank)\(sent.sequence)\(blank)INVITE"]))
        let seen = "7\(blank)\(invite.sequence)\(blank)INVITE"
        #expect(try asterisk.expect("PRACK")["RAck"] == seen)
    }

    @Test(
        "after an answered challenge the numbers follow each other, whoever renews the call, and a transfer is told by the phone's",
        arguments: [false, true])
    func challengedAndRenewed(_ isRestarted: Bool) throws {
        let edge = Edge()
        let (alice, asterisk, sent, first) = try call(edge)
        let challenge = "WWW-Authenticate: Digest realm=\"\(Edge.realm)\", nonce=\"n\""
        asterisk.answer(first, 401, [challenge])
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        var phone = Dialog(caller: sent, try alice.expect(200))
        var inside = Dialog(called: invite, tag: "as1")
        alice.send(phone.request("ACK", via: alice.via))
        if isRestarted { edge.restart() }
        let own = ["Contact: <\(asterisk.contact)>"]
        asterisk.send(inside.request("INVITE", via: asterisk.via, own))
        let renewal = try alice.expect("INVITE")
        // The phone's next requests go where the renewal says.
        phone.target = renewal.contactURI
        alice.send(response(to: renewal, 200, ["Contact: <\(alice.contact)>"]))
        asterisk.send(inside.request("ACK", via: asterisk.via))
        try alice.refer(&phone, "<sip:101@example.com>")
        let refer = try asterisk.expect("REFER")
        #expect(refer.sequence == phone.sequence + 1 && refer.sequence > invite.sequence)
        asterisk.answer(refer, 202)
        let event = [
            "Event: refer;x=\"id=1\" ; id=\(refer.sequence)", "Subscription-State: active",
        ]
        asterisk.send(inside.request("NOTIFY", via: asterisk.via, own + event))
        let told = try alice.expect("NOTIFY")
        #expect(told["Event"] == "refer;x=\"id=1\" ; id=\(phone.sequence)")
        alice.send(response(to: told, 200))
        alice.send(
            phone.request("SUBSCRIBE", via: alice.via, ["Event: refer;id=\(phone.sequence)"]))
        #expect(try asterisk.expect("SUBSCRIBE")["Event"] == "refer;id=\(refer.sequence)")
        alice.send(phone.request("BYE", via: alice.via, ["Event: dialog;id=7"]))
        let bye = try asterisk.expect("BYE")
        #expect(bye.sequence == phone.sequence + 1 && bye["Event"] == "dialog;id=7")
    }

    @Test("an Asterisk that challenges without end gives the phone a 403")
    func challengedForEver() throws {
        let (alice, asterisk, _, invite) = try call()
        var request = invite
        let challenge = "WWW-Authenticate: Digest realm=\"\(Edge.realm)\", nonce=\"n\""
        for _ in 0..<3 {
            asterisk.answer(request, 401, [challenge])
            if let next = try? asterisk.expect("INVITE") { request = next }
        }
        #expect(try alice.expect(403).status == 403)
    }

    @Test("the caller's CANCEL is answered, reaches Asterisk once it has answered, and ends in 487")
    func cancelled() throws {
        let (alice, asterisk, sent, invite) = try call()
        alice.cancel(sent)
        #expect(try alice.expect(200).sequenceMethod == "CANCEL")
        #expect(throws: Missing.self) { try asterisk.expect("CANCEL") }
        asterisk.answer(invite, 180)
        let cancel = try asterisk.expect("CANCEL")
        #expect(cancel.branch == invite.branch && cancel.uri == invite.uri)
        asterisk.answer(cancel, 200)
        asterisk.answer(invite, 487)
        #expect(try asterisk.expect("ACK").branch == invite.branch)
        let end = try alice.expect(487)
        alice.send(alice.acknowledgement(of: end, sent.uri))
    }

    @Test("a cancelled call whose Asterisk stays silent ends in 487 Request Terminated")
    func cancelledInSilence() throws {
        let edge = Edge()
        let (alice, asterisk, sent, invite) = try call(edge)
        alice.cancel(sent)
        edge.advance(.seconds(40))
        #expect(try alice.expect(487).start == "SIP/2.0 487 Request Terminated")
        withExtendedLifetime((asterisk, invite)) {}
    }

    @Test("a cancelled call is not taken to another Asterisk")
    func cancelledAndMoved() throws {
        let edge = Edge(asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice = Phone(edge, "alice")
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        alice.cancel(sent)
        edge.advance(.seconds(10))
        let invites = ["10.0.0.10:5060", "10.0.0.20:5060"].filter {
            (try? Asterisk(edge, at: $0).expect("INVITE")) != nil
        }
        #expect(invites.count == 1)
    }

    @Test("a failure of Asterisk is acknowledged there and passed on, its reason included")
    func failure() throws {
        let (alice, asterisk, sent, invite) = try call()
        asterisk.answer(invite, 486, ["Warning: 399 10.0.0.10 \"busy\""])
        _ = try asterisk.expect("ACK")
        let end = try alice.expect(486)
        #expect(end["Warning"] == "399 example.com \"busy\"")
        alice.send(alice.acknowledgement(of: end, sent.uri))
        #expect(asterisk.next() == nil)
    }

    @Test("over UDP the INVITE, and the failure that is not acknowledged, are sent again by timers")
    func retransmissions() throws {
        let edge = Edge()
        let (alice, asterisk, sent, invite) = try call(edge)
        edge.advance(Milliseconds(1600))
        #expect(asterisk.all().map(\.start) == [invite.start, invite.start])
        asterisk.answer(invite, 100)
        edge.advance(.seconds(10))
        #expect(asterisk.next() == nil)
        asterisk.answer(invite, 486)
        let end = try alice.expect(486)
        edge.advance(Milliseconds(1600))
        #expect(alice.all().map(\.status) == [486, 486])
        alice.send(alice.acknowledgement(of: end, sent.uri))
        edge.advance(.seconds(10))
        #expect(alice.next() == nil)
    }

    @Test(
        "an INVITE sent again before its answer is answered with the last response, and goes on once"
    )
    func absorbed() throws {
        let edge = Edge()
        let (alice, asterisk, sent, invite) = try call(edge)
        asterisk.answer(invite, 180)
        _ = alice.all()
        alice.send(
            wire(
                [sent.start] + sent.headers.dropLast().map { "\($0.name): \($0.value)" }, sent.body)
        )
        #expect(alice.all().map(\.status) == [180])
        #expect(asterisk.next() == nil)
    }

    @Test("a success is passed on each time Asterisk sends it, until it is acknowledged")
    func successAgain() throws {
        let (alice, asterisk, _, invite) = try call()
        asterisk.answer(invite, 200)
        asterisk.answer(invite, 200)
        #expect(alice.all().map(\.status) == [100, 200, 200])
    }

    @Test(
        "a dial string that a dialplan could take for something else is refused with 404",
        arguments: ["100&SIP", "$100", "1%200", "a%00b", "(100)", "1,2", "(1);2=3"])
    func dialString(_ user: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:\(user)@example.com")
        #expect(try alice.expect(404).status == 404)
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("a call in which Asterisk is silent for ever ends in 408")
    func silentAsterisk() throws {
        let edge = Edge()
        let (alice, _, _, _) = try call(edge)
        edge.advance(.seconds(33))
        #expect(try alice.expect(408).status == 408)
    }

    @Test("no Asterisk at all gives 503 or nothing, never a call")
    func allDown() throws {
        let edge = Edge()
        edge.helpful = []
        edge.advance(.seconds(10))
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:100@example.com")
        #expect(try alice.expect(503).status == 503)
    }

    @Test(
        "the next Asterisk gets the call when one is silent, or answers 503",
        arguments: [true, false])
    func nextAsterisk(_ isSilent: Bool) throws {
        let (edge, alice, _, invite, first, second) = try callBeforeTwo([])
        if isSilent { edge.advance(Milliseconds(3100)) } else { first.answer(invite, 503) }
        second.answer(try second.expect("INVITE"), 200)
        #expect(try alice.expect(200).contactURI.contains("@203.0.113.5"))
        if isSilent {
            // The one that was silent is told to stop as soon as it speaks.
            _ = first.all()
            first.answer(invite, 180)
            _ = try first.expect("CANCEL")
        }
    }

    /// A call with two Asterisks, of which the one that got it has said this.
    private func callBeforeTwo(
        _ statuses: [Int]
    ) throws -> (
        edge: Edge, alice: Phone, sent: Message, invite: Message, hung: Asterisk, other: Asterisk
    ) {
        let edge = Edge(asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice = Phone(edge, "alice")
        let both = [Asterisk(edge), Asterisk(edge, at: "10.0.0.20:5060")]
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let hung = try #require(both.first { edge.inboxes[$0.flow]?.isEmpty == false })
        let other = try #require(both.first { $0 !== hung })
        let invite = try hung.expect("INVITE")
        for status in statuses { hung.answer(invite, status) }
        return (edge, alice, sent, invite, hung, other)
    }

    @Test("the next Asterisk gets a call that one has challenged before it fell silent")
    func silentAfterChallenge() throws {
        let realm = ["WWW-Authenticate: Digest realm=\"\(Edge.realm)\", nonce=\"n1\""]
        let (edge, alice, _, first, hung, other) = try callBeforeTwo([])
        hung.answer(first, 401, realm)
        let proven = try hung.expect("INVITE")
        #expect(proven.has("Authorization"))
        edge.advance(Milliseconds(3100))
        let invite = try other.expect("INVITE")
        #expect(!invite.has("Authorization"))
        #expect(invite["CSeq"] == first["CSeq"])
        other.answer(invite, 200)
        #expect(try alice.expect(200).contactURI.contains("@203.0.113.5"))
    }

    @Test("the next Asterisk gets a call that one has said Trying to before it went")
    func hungAsterisk() throws {
        let (edge, alice, _, invite, hung, other) = try callBeforeTwo([100])
        edge.helpful.remove(hung.flow.peer)
        // Three OPTIONS of 2 s each, and the look each 3 s.
        edge.advance(.seconds(11))
        other.answer(try other.expect("INVITE"), 200)
        #expect(try alice.expect(200).contactURI.contains("@203.0.113.5"))
        let cancel = try hung.expect("CANCEL")
        #expect(cancel["Via"] == invite["Via"])
        // What the first says of it later is nothing to the caller.
        hung.answer(invite, 487)
        #expect(alice.all().isEmpty)
        #expect(hung.all().contains { $0.method == "ACK" })
    }

    @Test(
        "an answer of the Asterisk that was left begins no call: it is ended there",
        arguments: [0, 180, 200, 486, 487])
    func lateAnswer(_ status: Int) throws {
        let (edge, alice, sent, invite, hung, other) = try callBeforeTwo([100])
        edge.helpful.remove(hung.flow.peer)
        edge.advance(.seconds(11))
        let second = try other.expect("INVITE")
        _ = alice.all()
        _ = hung.all()
        if status == 487 {
            // The caller has given up by then.
            alice.cancel(sent)
            other.answer(second, 180)
            _ = try other.expect("CANCEL")
        }
        if status > 0 { other.answer(second, status) }
        let told = alice.all()
        for _ in 0..<2 {
            hung.answer(invite, 200)
            let ends = hung.all().map(\.method)
            #expect(ends.contains("ACK"))
        }
        edge.advance(.seconds(5))
        #expect(alice.all().allSatisfy { answer in told.contains { $0.start == answer.start } })
        #expect(!other.all().contains { $0.method == "CANCEL" })
        if status == 0 {
            other.answer(second, 200)
            #expect(try alice.expect(200).has("Contact"))
        }
    }

    @Test(
        "a call moves on from an Asterisk that is back before anybody looks, and once another one is up"
    )
    func shortlyDown() throws {
        let (edge, _, _, _, hung, other) = try callBeforeTwo([100])
        edge.helpful = []
        edge.advance(.seconds(20))
        #expect(!other.all().contains { $0.method == "INVITE" })
        edge.helpful = [hung.flow.peer, other.flow.peer]
        edge.advance(.seconds(6))
        _ = try other.expect("INVITE")
    }

    @Test(
        "a call stays at an Asterisk that works on it, or rings",
        arguments: [(true, [100]), (true, [100, 180]), (false, [100, 180]), (false, [183])])
    func stays(_ isUp: Bool, _ statuses: [Int]) throws {
        let (edge, _, _, _, hung, other) = try callBeforeTwo(statuses)
        if !isUp { edge.helpful.remove(hung.flow.peer) }
        edge.advance(.seconds(60))
        #expect(!other.all().contains { $0.method == "INVITE" })
        #expect(!hung.all().contains { $0.method == "CANCEL" })
    }

    @Test("a message that does not fit once it is written anew is refused, and holds nothing")
    func tooBig() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", .tcp, connection: 9)
        let body = String(repeating: "x", count: 64_200)
        let compact = [String](repeating: "u: a", count: 60)
        let before = edge.router.load
        try alice.ask("INVITE", "sip:100@example.com", compact, body: body)
        let answer = try #require(alice.all().last)
        #expect(answer.status == 513)
        alice.send(alice.acknowledgement(of: answer, "sip:100@example.com"))
        edge.advance(.seconds(40))
        #expect(edge.router.load.transactions == before.transactions)
        #expect(edge.router.load.contexts == 0)
    }
}
