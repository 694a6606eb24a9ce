import Messages
import Proxy
import Sys
import Testing

/// Several Asterisks, of which each knows its own calls alone.
@Suite struct OneAsteriskTests {
    /// Two Asterisks, and a phone.
    private struct Site {
        let edge = Edge(asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice: Phone
        let both: [Asterisk]

        init() {
            alice = Phone(edge, "alice")
            both = [Asterisk(edge), Asterisk(edge, at: "10.0.0.20:5060")]
        }

        /// The Asterisk that has got a request of a method, with that.
        func reached(_ method: String) throws -> (number: Int, request: Message) {
            for (number, asterisk) in both.enumerated() {
                for message in asterisk.all() where message.method == method {
                    return (number, message)
                }
            }
            throw Missing("no Asterisk got \(method)", #line)
        }

        /// A call that an Asterisk answers, and the number of that.
        func call(_ phone: Phone, _ name: String) throws -> (number: Int, dialog: Dialog) {
            let sent = try phone.ask("INVITE", "sip:100@example.com", callID: name)
            let (number, invite) = try reached("INVITE")
            both[number].answer(invite, 200)
            var dialog = Dialog(caller: sent, try phone.expect(200))
            phone.send(dialog.request("ACK", via: phone.via))
            _ = both[number].all()
            return (number, dialog)
        }
    }

    @Test("while an account has a call, its next calls and subscriptions go to the same Asterisk")
    func stays() throws {
        let site = Site()
        var (number, dialog) = try site.call(site.alice, "first")
        for count in 0..<3 {
            let next = try site.call(site.alice, "next-\(count)").number
            #expect(next == number)
            try site.alice.ask(
                "SUBSCRIBE", "sip:200@example.com", callID: "watch-\(count)",
                ["Event: dialog", "Contact: <\(site.alice.contact)>"])
            let asked = try site.reached("SUBSCRIBE").number
            #expect(asked == number)
        }
        // It is so for the account alone.
        let bob = Phone(site.edge, "bob", at: "198.51.100.8:40000")
        let carol = Phone(site.edge, "carol", at: "198.51.100.9:40000")
        let turns = try [site.call(bob, "bob").number, site.call(carol, "carol").number]
        #expect(Set(turns) == [0, 1])
        site.alice.send(dialog.request("BYE", via: site.alice.via))
    }

    @Test("a call that rings is one, and one that an Asterisk makes too")
    func rings() throws {
        let site = Site()
        try site.alice.register()
        for (number, asterisk) in site.both.enumerated() {
            asterisk.call("alice")
            let invite = try site.alice.expect("INVITE")
            for count in 0..<2 {
                try site.alice.ask("INVITE", "sip:100@example.com", callID: "c\(number)\(count)")
                let reached = try site.reached("INVITE")
                #expect(reached.number == number)
                asterisk.answer(reached.request, 486)
            }
            site.alice.send(response(to: invite, 486, tag: "busy"))
            _ = site.both.map { $0.all() }
        }
    }

    @Test("a call to an account that has a call goes where that is, so that the two can be joined")
    func called() throws {
        let site = Site()
        let number = try site.call(site.alice, "first").number
        let bob = Phone(site.edge, "bob", at: "198.51.100.8:40000")
        for count in 0..<3 {
            try bob.ask("INVITE", "sip:alice@example.com", callID: "called-\(count)")
            let reached = try site.reached("INVITE")
            #expect(reached.number == number)
            site.both[number].answer(reached.request, 486)
        }
    }

    @Test("without a call the turn decides again, and an Asterisk that is down gets none")
    func turns() throws {
        let site = Site()
        var (number, dialog) = try site.call(site.alice, "first")
        site.edge.helpful.remove(site.both[number].flow.peer)
        site.edge.advance(.seconds(8))
        let second = try site.call(site.alice, "second").number
        #expect(second == 1 - number)
        site.edge.helpful.insert(site.both[number].flow.peer)
        site.edge.advance(.seconds(3))
        site.alice.send(dialog.request("BYE", via: site.alice.via))
        let third = try site.call(site.alice, "third").number
        #expect(third == 1 - number)
    }

    @Test("calls that an Asterisk had before it was down keep nobody there")
    func deadCalls() throws {
        let site = Site()
        let (number, _) = try site.call(site.alice, "first")
        site.edge.helpful.remove(site.both[number].flow.peer)
        site.edge.advance(.seconds(8))
        site.edge.helpful.insert(site.both[number].flow.peer)
        site.edge.advance(.seconds(3))
        // The turn decides about the next call, and that about the ones after it.
        let bob = Phone(site.edge, "bob", at: "198.51.100.8:40000")
        let turn = try site.call(bob, "bob").number
        let second = try site.call(site.alice, "second").number
        let third = try site.call(site.alice, "third").number
        #expect(second == 1 - turn && third == second)
    }
}
