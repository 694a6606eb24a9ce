import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite struct IncomingCallTests {
    /// Two phones of alice and an Asterisk.
    private func two(
        _ edge: Edge = Edge()
    ) throws -> (edge: Edge, desk: Phone, cell: Phone, asterisk: Asterisk) {
        let desk = Phone(edge, "alice")
        let cell = Phone(edge, "alice", at: "198.51.100.99:6000")
        #expect(try desk.register().status == 200)
        #expect(try cell.register(contacts: ["<sip:alice@10.9.9.9:6000>"]).status == 200)
        return (edge, desk, cell, Asterisk(edge))
    }

    @Test(
        "a call to an account rings all of its phones; the one that answers has it, the other is cancelled"
    )
    func forks() throws {
        let (_, desk, cell, asterisk) = try two()
        asterisk.call("alice")
        let one = try desk.expect("INVITE")
        let other = try cell.expect("INVITE")
        #expect(one.uri == desk.contact && other.uri == "sip:alice@10.9.9.9:6000")
        desk.send(response(to: one, 180, tag: "d"))
        cell.send(response(to: other, 180, tag: "c"))
        desk.send(response(to: one, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        let cancel = try cell.expect("CANCEL")
        #expect(cancel.branch == other.branch)
        cell.send(response(to: cancel, 200, tag: "c"))
        cell.send(response(to: other, 487, tag: "c"))
        #expect(try cell.expect("ACK").branch == other.branch)
        #expect(asterisk.all().map(\.status) == [100, 180, 180, 200])
    }

    @Test(
        "the best failure of the phones is passed on when all have failed",
        arguments: [([486, 480], 486), ([503, 404], 404), ([486, 603], 603), ([503, 503], 500)])
    func best(_ statuses: [Int], _ expected: Int) throws {
        let (_, desk, cell, asterisk) = try two()
        asterisk.call("alice")
        desk.send(response(to: try desk.expect("INVITE"), statuses[0], tag: "d"))
        _ = try desk.expect("ACK")
        if statuses[0] < 600 { #expect(asterisk.all().map(\.status) == [100]) }
        cell.send(response(to: try cell.expect("INVITE"), statuses[1], tag: "c"))
        #expect(try asterisk.expect(expected).status == expected)
    }

    @Test("a 6xx of one phone ends the ringing of the others")
    func decline() throws {
        let (_, desk, cell, asterisk) = try two()
        asterisk.call("alice")
        let other = try cell.expect("INVITE")
        cell.send(response(to: other, 180, tag: "c"))
        desk.send(response(to: try desk.expect("INVITE"), 603, tag: "d"))
        cell.send(response(to: try cell.expect("CANCEL"), 200, tag: "c"))
        cell.send(response(to: other, 487, tag: "c"))
        #expect(try asterisk.expect(603).status == 603)
    }

    @Test("a CANCEL that is lost is sent again, and a phone that never answers it holds nothing")
    func lostCancel() throws {
        let (edge, desk, cell, asterisk) = try two()
        let before = edge.router.load
        asterisk.call("alice")
        cell.send(response(to: try cell.expect("INVITE"), 180, tag: "c"))
        let one = try desk.expect("INVITE")
        desk.send(response(to: one, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        _ = try cell.expect("CANCEL")
        edge.advance(Milliseconds(600))
        #expect(try cell.expect("CANCEL").sequenceMethod == "CANCEL")
        edge.advance(.seconds(70))
        #expect(edge.router.load.transactions == before.transactions)
        #expect(edge.router.load.contexts == 0)
        #expect(edge.router.load.freeBlocks == before.freeBlocks)
    }

    @Test("a call whose phone rings longer than timer C is cancelled and ends in 408")
    func timerC() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let before = edge.router.load
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        alice.send(response(to: try alice.expect("INVITE"), 180, tag: "d"))
        edge.advance(.seconds(186))
        _ = try alice.expect("CANCEL")
        #expect(try asterisk.expect(408).status == 408)
        edge.advance(.seconds(70))
        #expect(edge.router.load.transactions == before.transactions)
    }

    @Test("the Asterisk's CANCEL ends the ringing of every phone")
    func cancelled() throws {
        let (edge, desk, cell, asterisk) = try two()
        let sent = asterisk.call("alice")
        for phone in [desk, cell] {
            phone.send(response(to: try phone.expect("INVITE"), 180, tag: "p"))
        }
        asterisk.send(
            wire([
                "CANCEL \(sent.uri) SIP/2.0", "Via: \(sent["Via"])", "From: \(sent["From"])",
                "To: \(sent["To"])", "Call-ID: \(sent["Call-ID"])", "CSeq: 102 CANCEL",
            ]))
        for phone in [desk, cell] { _ = try phone.expect("CANCEL") }
        edge.advance(.seconds(33))
        #expect(try asterisk.expect(487).start == "SIP/2.0 487 Request Terminated")
    }

    @Test("Asterisk's Call-ID with its address is hidden from the phone, and restored for Asterisk")
    func callID() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice", callID: "abc@10.0.0.10:5060")
        let invite = try alice.expect("INVITE")
        #expect(invite["Call-ID"].hasPrefix("abc@") && !invite["Call-ID"].contains("10.0"))
        #expect(invite["From"] == "\"Carol\" <sip:300@example.com>;tag=as9")
        alice.send(response(to: invite, 200, tag: "d", ["Contact: <\(alice.contact)>"]))
        #expect(try asterisk.expect(200)["Call-ID"] == "abc@10.0.0.10:5060")
        var dialog = Dialog(called: invite, tag: "d")
        alice.send(dialog.request("BYE", via: alice.via))
        let bye = try asterisk.expect("BYE")
        #expect(bye["Call-ID"] == "abc@10.0.0.10:5060")
        #expect(bye.uri == "sip:300@10.0.0.10:5060" && bye.sequence == 101)
    }

    @Test("an attended transfer names the call as Asterisk does")
    func transfer() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice", callID: "abc@10.0.0.10:5060")
        let invite = try alice.expect("INVITE")
        alice.send(response(to: invite, 200, tag: "d", ["Contact: <\(alice.contact)>"]))
        _ = try asterisk.expect(200)
        let known = invite["Call-ID"].replacing("@", with: "%40")
        var dialog = Dialog(called: invite, tag: "d")
        try alice.refer(&dialog, "<sip:300@example.com?Replaces=\(known)%3Bto-tag%3Dd>")
        #expect(
            try asterisk.expect("REFER")["Refer-To"]
                == "<sip:300@example.com?Replaces=abc%4010.0.0.10%3A5060%3Bto-tag%3Dd>")
        alice.send(
            dialog.request("INVITE", via: alice.via, ["Replaces: \(invite["Call-ID"]);to-tag=d"]))
        #expect(try asterisk.expect("INVITE")["Replaces"] == "abc@10.0.0.10:5060;to-tag=d")
    }

    @Test("Asterisk's BYE for a call it made reaches the phone by the token in Route")
    func bye() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        let sent = asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        alice.send(response(to: invite, 200, tag: "d", ["Contact: <\(alice.contact)>"]))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        asterisk.send(dialog.request("ACK", via: asterisk.via))
        #expect(try alice.expect("ACK").uri == alice.contact)
        asterisk.send(dialog.request("BYE", via: asterisk.via))
        alice.send(response(to: try alice.expect("BYE"), 200))
        #expect(try asterisk.expect(200).sequenceMethod == "BYE")
    }

    @Test(
        "an OPTIONS of Asterisk for an account is answered by the edge with a phone, and by nobody without"
    )
    func qualify() throws {
        let edge = Edge()
        try Phone(edge, "alice").register()
        let asterisk = Asterisk(edge)
        for (user, status) in [("alice", 200), ("bob", nil)] {
            asterisk.send(
                wire([
                    "OPTIONS sip:\(user)@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)",
                    "From: <sip:asterisk@10.0.0.10>;tag=q", "To: <sip:\(user)@10.0.0.1:5060>",
                    "Call-ID: q-\(user)", "CSeq: 1 OPTIONS",
                ]))
            #expect(asterisk.next()?.status == status)
        }
    }

    @Test("the inside is deaf to whoever is not a configured Asterisk")
    func strangerInside() {
        let edge = Edge()
        let stranger = Asterisk(edge, at: "10.0.0.66:5060")
        stranger.call("alice")
        #expect(stranger.next() == nil)
    }

    @Test("a call over a TLS connection that closed goes to the account's other phone")
    func deadFlow() throws {
        let edge = Edge()
        let desk = Phone(edge, "alice", at: "198.51.100.7:50000", .tls, connection: 77)
        let cell = Phone(edge, "alice", at: "198.51.100.99:6000")
        try desk.register()
        try cell.register(contacts: ["<sip:alice@192.168.9.9>"])
        let asterisk = Asterisk(edge)
        let sent = asterisk.call("alice")
        let invite = try desk.expect("INVITE")
        desk.send(response(to: invite, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        _ = cell.all()
        edge.router.closed(desk.flow)
        asterisk.send(dialog.request("BYE", via: asterisk.via))
        #expect(try cell.expect("BYE").method == "BYE")
        // And when there is no other phone, Asterisk is told.
        edge.passwords["bob"] = "builder"
        let bob = Phone(edge, "bob", at: "198.51.100.8:50000", .tls, connection: 78)
        try bob.register()
        let second = asterisk.call("bob", callID: "c2@10.0.0.10:5060")
        bob.send(
            response(to: try bob.expect("INVITE"), 200, tag: "b", ["Contact: <\(bob.contact)>"]))
        var other = Dialog(caller: second, try asterisk.expect(200))
        edge.router.closed(bob.flow)
        asterisk.send(other.request("BYE", via: asterisk.via))
        #expect(try asterisk.expect(430).status == 430)
    }

    @Test("a router that was started anew passes the requests of a call that stands, both ways")
    func restart() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        var phoneSide = Dialog(caller: sent, try alice.expect(200))
        var asteriskSide = Dialog(called: invite, tag: "as1")
        edge.restart()
        alice.send(phoneSide.request("ACK", via: alice.via))
        _ = try asterisk.expect("ACK")
        alice.send(phoneSide.request("INFO", via: alice.via))
        asterisk.answer(try asterisk.expect("INFO"), 200)
        #expect(try alice.expect(200).sequenceMethod == "INFO")
        asterisk.send(asteriskSide.request("BYE", via: asterisk.via))
        alice.send(response(to: try alice.expect("BYE"), 200))
        _ = try asterisk.expect(200)
    }

    @Test("a router that was started anew takes its bindings back, and Asterisk is told of them")
    func restored() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.registered = [:]
        edge.restart()
        edge.advance(.seconds(1))
        let asterisk = Asterisk(edge)
        #expect(edge.registered[asterisk.flow.peer]?["alice"] != nil)
        asterisk.call("alice")
        _ = try alice.expect("INVITE")
    }
}
