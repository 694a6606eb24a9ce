import Messages
import Proxy
import Sys
import Testing

@Suite("Call guard") struct GuardedCallTests {
    private let satellite = "sip:00881612345678@example.com"

    /// An edge, alice's phone, and its Asterisk.
    private func stage(_ rules: [CallRule] = [], _ more: [RouterSetting] = []) throws -> Stage {
        try Stage(rules.map { .calls($0) } + more)
    }

    /// What `explain` says of a Call-ID.
    private func explained(_ edge: Edge, _ callID: String) -> String {
        edge.router.explain(callID).map { "\($0)" }.joined()
    }

    // MARK: What never leaves

    @Test("a call without a good password never reaches an Asterisk, whatever it carries")
    func unauthenticated() throws {
        let edge = Edge()
        edge.repeatsUnreadable = true
        let phone = Phone(edge, "alice", password: "guess")
        let contact = ["Contact: <\(phone.contact)>"]
        for (number, uri) in [satellite, "sip:100@example.com", "tel:+881612345678"].enumerated() {
            phone.send(phone.request("INVITE", uri, callID: "n\(number)", sequence: 1, contact))
            phone.send(
                phone.request(
                    "INVITE", uri, callID: "t\(number)", sequence: 1, to: "\(uri)>;tag=x;a=<b",
                    contact))
            phone.send(
                phone.request(
                    "INVITE", uri, callID: "r\(number)", sequence: 1,
                    contact + ["Route: <sip:10.0.0.10;lr>"]))
            try phone.ask("INVITE", uri, callID: "p\(number)")
        }
        let forged = String(repeating: "A", count: 60)
        phone.send(
            phone.request("INVITE", "sip:\(forged)@203.0.113.5", callID: "f", sequence: 1, contact))
        edge.advance(.seconds(1))
        #expect(Asterisk(edge).all().isEmpty)
    }

    // MARK: Limits

    @Test("a number that nobody calls gets 403 and no more, and explain names the reason")
    func never() throws {
        let stage = try stage()
        try stage.alice.ask("INVITE", satellite)
        let answer = try stage.alice.expect(403)
        #expect(answer.start == "SIP/2.0 403 Forbidden")
        let known = ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"]
        #expect(answer.headers.allSatisfy { known.contains($0.name) })
        #expect(stage.asterisk.next() == nil)
        #expect(explained(stage.edge, "call-1").contains("number-never, 403"))
        #expect(
            stage.edge.records.contains(
                "refused a call of alice to 00881612345678: number-never"))
    }

    @Test("a refused INVITE that comes again is challenged anew, and counted once")
    func again() throws {
        let stage = try stage([.tripNever(Limit(2, in: .seconds(60)))])
        let sent = try stage.alice.ask("INVITE", satellite)
        _ = try stage.alice.expect(403)
        for _ in 0..<20 {
            stage.alice.send(
                wire([sent.start] + sent.headers.dropLast().map { "\($0.name): \($0.value)" }))
            #expect(try stage.alice.expect(407)["Proxy-Authenticate"].contains("stale=true"))
        }
        #expect(stage.edge.standings["alice"] == nil)
    }

    @Test("so many calls at a time, then 403, and room again when one ends")
    func atOnce() throws {
        let stage = try stage([.atOnce(2)])
        var first = try stage.connect("sip:100@example.com", "a")
        _ = try stage.connect("sip:101@example.com", "b")
        try stage.alice.ask("INVITE", "sip:102@example.com", callID: "c")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "c").contains("calls-at-once"))
        stage.hangUp(&first)
        _ = try stage.connect("sip:103@example.com", "d")
    }

    @Test("calls that were refused by Asterisk, or given up, take no room")
    func failed() throws {
        let stage = try stage([.atOnce(1)])
        for (number, status) in [486, 404, 603, 480].enumerated() {
            let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: "f\(number)")
            stage.asterisk.answer(try stage.asterisk.expect("INVITE"), status)
            let end = try stage.alice.expect(status)
            stage.alice.send(stage.alice.acknowledgement(of: end, sent.uri))
        }
        let sent = try stage.alice.ask("INVITE", "sip:100@example.com", callID: "g")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 180)
        stage.alice.cancel(sent)
        stage.asterisk.answer(try stage.asterisk.expect("CANCEL"), 200)
        stage.asterisk.answer(invite, 487)
        _ = try stage.alice.expect(487)
        _ = try stage.connect("sip:100@example.com", "h")
        #expect(stage.edge.router.load.calls == 1)
    }

    @Test("so many calls a minute, then 403, and more as time passes")
    func perMinute() throws {
        let stage = try stage([.perMinute(6)])
        for number in 0..<6 {
            var call = try stage.connect("sip:100@example.com", "m\(number)")
            stage.hangUp(&call)
        }
        try stage.alice.ask("INVITE", "sip:100@example.com", callID: "late")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "late").contains("calls-per-minute"))
        stage.edge.advance(.seconds(11))
        _ = try stage.connect("sip:100@example.com", "later")
    }

    @Test("calls abroad have limits of their own, which others do not share")
    func abroad() throws {
        let stage = try stage()
        var calls: [Dialog] = []
        for number in 0..<2 {
            calls.append(try stage.connect("sip:003312345678\(number)@example.com", "a\(number)"))
        }
        try stage.alice.ask("INVITE", "sip:+33123456789@example.com", callID: "third")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "third").contains("abroad-at-once"))
        _ = try stage.connect("sip:0612345678@example.com", "home")
        for number in 0..<2 { stage.hangUp(&calls[number]) }
        for number in 2..<4 {
            var call = try stage.connect("sip:003312345678\(number)@example.com", "a\(number)")
            stage.hangUp(&call)
        }
        try stage.alice.ask("INVITE", "sip:+33123456789@example.com", callID: "fifth")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "fifth").contains("abroad-per-minute"))
        #expect(stage.edge.standings["alice"] == nil, "nobody is barred for that")
    }

    @Test("home is not abroad, and of other countries the allowed ones alone are called")
    func tiers() throws {
        let stage = try stage([.home("FR"), .allowed("BE"), .abroadAtOnce(1)])
        for number in 0..<4 {
            _ = try stage.connect("sip:+3312345678\(number)@example.com", "h\(number)")
        }
        _ = try stage.connect("sip:+32212345678@example.com", "be")
        try stage.alice.ask("INVITE", "sip:+493012345678@example.com", callID: "de")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "de").contains("country-not-allowed"))
    }

    @Test("outside the hours nobody calls abroad; the local time counts")
    func hours() throws {
        // The simulated clock begins on a Tuesday at 22:13 UTC.
        let office = OpenHours(days: 0b001_1111, from: 420, to: 1200)
        let stage = try stage([.hours(office)])
        try stage.alice.ask("INVITE", "sip:+33123456789@example.com", callID: "night")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "night").contains("off-hours"))
        _ = try stage.connect("sip:0612345678@example.com", "home")
        stage.edge.router.utcOffset = .seconds(-5 * 3600)
        _ = try stage.connect("sip:+33123456789@example.com", "afternoon")
    }

    @Test("a profile's own number of calls goes first")
    func profile() throws {
        let stage = try stage([.atOnce(1)], [.profile("world", .calls(3))])
        for number in 0..<3 { _ = try stage.connect("sip:100@example.com", "p\(number)") }
        try stage.alice.ask("INVITE", "sip:100@example.com", callID: "fourth")
        _ = try stage.alice.expect(403)
    }

    @Test("an emergency number is put through whatever else holds")
    func emergency() throws {
        let stage = try stage([.atOnce(1), .perMinute(1)])
        _ = try stage.connect("sip:100@example.com", "a")
        try stage.trip()
        _ = try stage.connect("sip:112@example.com", "b")
    }

    @Test("while it only observes, every call is put through, and the journal says what would be")
    func observing() throws {
        let stage = try stage([.atOnce(1)], [.mode(.observe)])
        for number in 0..<6 {
            _ = try stage.connect("sip:0088161234567\(number)@example.com", "o\(number)")
        }
        #expect(stage.edge.records.contains { $0.hasPrefix("would refuse a call of alice") })
        #expect(stage.edge.records.contains { $0.hasPrefix("alice would be barred") })
        #expect(stage.edge.standings["alice"] == nil)
    }

    // MARK: Countries

    @Test("from a new country nobody calls abroad until the time is over, or it is released")
    func newCountry() throws {
        let stage = try stage()
        let place = IPAddress(v4: 0xC000_0242)
        try stage.alice.register()
        stage.edge.router.receive(.located(stage.alice.flow.peer.ip, country: "FR"), stage.edge.now)
        var call = try stage.connect("sip:+32212345678@example.com", "home")
        stage.hangUp(&call)
        let away = Phone(stage.edge, "alice", at: "192.0.2.66:5060")
        try away.register()
        stage.edge.router.receive(.located(place, country: "RO"), stage.edge.now)
        try away.ask("INVITE", "sip:+32212345678@example.com", callID: "away")
        _ = try away.expect(403)
        #expect(explained(stage.edge, "away").contains("new-country"))
        #expect(stage.edge.standings["alice"]?.countries == "FRRO")
        #expect(stage.edge.records.contains { $0.contains("in RO, where it never was") })
        #expect(stage.edge.router.standingRows().count == 1)
        stage.edge.restart()
        try stage.alice.ask("INVITE", "sip:+32212345678@example.com", callID: "restarted")
        _ = try stage.alice.expect(403)
        #expect(stage.edge.router.release("alice", stage.edge.now) == .done)
        stage.edge.drain()
        _ = try stage.connect("sip:+32212345678@example.com", "released")
        try away.ask("INVITE", "sip:+32212345678@example.com", callID: "known")
        #expect(throws: Missing.self) { try away.expect(403) }
    }

    @Test("a caller that never registered is judged as soon as its country is known")
    func unlocated() throws {
        let stage = try stage()
        try stage.alice.register()
        stage.edge.router.receive(.located(stage.alice.flow.peer.ip, country: "FR"), stage.edge.now)
        try stage.alice.register()
        let thief = Phone(stage.edge, "alice", at: "192.0.2.66:5060")
        let sent = try thief.ask("INVITE", "sip:+32212345678@example.com", callID: "thief")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 180)
        #expect(stage.edge.bans.contains(.locate(thief.flow.peer.ip)))
        stage.edge.router.receive(.located(thief.flow.peer.ip, country: "RO"), stage.edge.now)
        stage.edge.drain()
        stage.asterisk.answer(try stage.asterisk.expect("CANCEL"), 200)
        stage.asterisk.answer(invite, 487)
        let end = try thief.expect(487)
        thief.send(thief.acknowledgement(of: end, sent.uri))
        #expect(stage.edge.router.load.calls == 0)
    }

    @Test(
        "a BYE calls nobody: whom an old chan_sip would send the other end to does not go on",
        arguments: ["Also: <sip:00881612345678@example.com>", "ALSO : sip:100@example.com"])
    func also(_ line: String) throws {
        let stage = try stage()
        var made = try stage.connect("sip:0612345678@example.com", "made")
        stage.alice.send(made.request("BYE", via: stage.alice.via, [line]))
        let bye = try stage.asterisk.expect("BYE")
        #expect(!bye.headers.contains { $0.name.lowercased() == "also" })
        #expect(bye.has("User-Agent"))
        let trunk = try TrunkEdge()
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        var taken = Dialog(caller: sent, try trunk.carrier.expect(200))
        trunk.carrier.send(taken.request("BYE", via: trunk.carrier.via, [line]))
        let end = try trunk.asterisk.expect("BYE")
        #expect(!end.headers.contains { $0.name.lowercased() == "also" })
    }

    // MARK: Trips

    @Test("an account that goes on trying is barred: its calls end on both sides, ringing ones too")
    func trip() throws {
        let stage = try stage()
        var made = try stage.connect("sip:0612345678@example.com", "made")
        stage.alice.send(made.request("INFO", via: stage.alice.via))
        stage.asterisk.answer(try stage.asterisk.expect("INFO"), 200)
        _ = try stage.alice.expect(200)
        let ringing = try stage.alice.ask("INVITE", "sip:101@example.com", callID: "ringing")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 180)
        _ = try stage.alice.expect(180)
        try stage.trip()
        // The Asterisk gets a BYE as from the phone, and a CANCEL.
        let inward = stage.asterisk.all().filter { $0.method != "INVITE" && $0.method != "ACK" }
        #expect(Set(inward.map(\.method)) == ["BYE", "CANCEL"])
        let toAsterisk = try #require(inward.first { $0.method == "BYE" })
        #expect(toAsterisk.uri == stage.asterisk.contact)
        #expect(toAsterisk["Call-ID"] == "made" && toAsterisk.toTag == "as1")
        #expect(toAsterisk["From"].contains("tag=alice1"))
        #expect(toAsterisk.sequence == made.sequence + 1)
        // The phone gets one as from the Asterisk.
        let toPhone = try stage.alice.expect("BYE")
        #expect(toPhone.uri == stage.alice.contact)
        #expect(toPhone["From"] == made.remote && toPhone["To"] == made.local)
        #expect(toPhone["Call-ID"] == "made")
        stage.alice.send(response(to: toPhone, 200))
        stage.asterisk.answer(toAsterisk, 200)
        stage.asterisk.answer(invite, 487)
        let end = try stage.alice.expect(487)
        stage.alice.send(stage.alice.acknowledgement(of: end, ringing.uri))
        #expect(stage.edge.router.load.calls == 0)
        #expect(stage.edge.standings["alice"]?.reason == "number-never")
        #expect(stage.edge.records.contains { $0.hasPrefix("alice is barred from calling") })
        // Nothing is sent again once both have answered.
        stage.edge.advance(.seconds(3))
        #expect(stage.alice.next() == nil)
        #expect(stage.asterisk.all().map(\.method) == ["ACK"])
        try stage.alice.ask("INVITE", "sip:100@example.com", callID: "barred")
        _ = try stage.alice.expect(403)
        #expect(explained(stage.edge, "barred").contains("account-barred"))
    }

    @Test("a call of another account goes on when one is barred")
    func others() throws {
        let stage = try stage()
        let bob = Phone(stage.edge, "bob", at: "198.51.100.8:40000")
        try bob.ask("INVITE", "sip:100@example.com", callID: "bob")
        stage.asterisk.answer(try stage.asterisk.expect("INVITE"), 200)
        _ = try bob.expect(200)
        try stage.trip()
        #expect(bob.next() == nil)
        #expect(stage.edge.router.callRows().count == 1)
    }

    @Test("a call to the account's phone is ended by a BYE to both sides as well")
    func received() throws {
        let stage = try stage()
        try stage.alice.register()
        let sent = stage.asterisk.call("alice")
        let invite = try stage.alice.expect("INVITE")
        stage.alice.send(
            response(to: invite, 200, tag: "p1", ["Contact: <\(stage.alice.contact)>"]))
        let answer = try stage.asterisk.expect(200)
        #expect(stage.edge.router.callRows().map(direction) == [.received])
        try stage.trip()
        let toPhone = try stage.alice.expect("BYE")
        #expect(toPhone["Call-ID"] == invite["Call-ID"] && toPhone["From"] == invite["From"])
        #expect(toPhone.toTag == "p1" && toPhone.sequence == sent.sequence + 1)
        let toAsterisk = try stage.asterisk.expect("BYE")
        #expect(toAsterisk["Call-ID"] == sent["Call-ID"] && toAsterisk["From"] == answer["To"])
        #expect(toAsterisk["To"] == sent["From"] && toAsterisk.uri == "sip:300@10.0.0.10:5060")
    }

    private func direction(_ reply: ControlReply) -> CallDirection? {
        if case .call(let row) = reply { row.direction } else { nil }
    }

    @Test("who answers a call that is being ended gets a BYE")
    func race() throws {
        let stage = try stage()
        try stage.alice.ask("INVITE", "sip:101@example.com", callID: "race")
        let invite = try stage.asterisk.expect("INVITE")
        stage.asterisk.answer(invite, 180)
        try stage.trip()
        _ = try stage.asterisk.expect("CANCEL")
        stage.asterisk.answer(invite, 200)
        _ = try stage.alice.expect(200)
        _ = try stage.alice.expect("BYE")
        _ = try stage.asterisk.expect("BYE")
        #expect(stage.edge.router.load.calls == 0)
    }

    @Test("a restart of any process releases nobody, release does")
    func release() throws {
        let stage = try stage()
        try stage.trip()
        stage.edge.restart()
        try stage.alice.ask("INVITE", "sip:100@example.com", callID: "a")
        _ = try stage.alice.expect(403)
        // directory comes back a second behind: it is told again.
        stage.edge.standings = [:]
        stage.edge.router.receive(.bindings, stage.edge.now)
        stage.edge.drain()
        #expect(stage.edge.standings["alice"]?.reason == "number-never")
        guard case .failed = stage.edge.router.release("bob", stage.edge.now) else {
            Issue.record("nothing is held against bob")
            return
        }
        #expect(stage.edge.router.release("alice", stage.edge.now) == .done)
        stage.edge.drain()
        #expect(stage.edge.standings["alice"] == nil)
        _ = try stage.connect("sip:100@example.com", "b")
    }

    @Test("a barred account can still be called, and cannot send the caller on")
    func called() throws {
        let stage = try stage()
        try stage.alice.register()
        try stage.trip()
        stage.asterisk.call("alice", callID: "in1@10.0.0.10")
        let invite = try stage.alice.expect("INVITE")
        stage.alice.send(response(to: invite, 302, tag: "p1", ["Contact: <sip:100@example.com>"]))
        _ = try stage.asterisk.expect(403)
        stage.asterisk.call("alice", callID: "in2@10.0.0.10")
        let other = try stage.alice.expect("INVITE")
        stage.alice.send(response(to: other, 200, tag: "p2", ["Contact: <\(stage.alice.contact)>"]))
        _ = try stage.asterisk.expect(200)
    }
}

/// An edge, a phone of alice, and an Asterisk.
struct Stage {
    let edge: Edge
    let alice: Phone
    let asterisk: Asterisk

    init(_ settings: [RouterSetting] = []) throws {
        edge = Edge(settings)
        alice = Phone(edge, "alice")
        asterisk = Asterisk(edge)
    }

    /// A call of alice that is answered at once.
    func connect(_ uri: String, _ callID: String) throws -> Dialog {
        let sent = try alice.ask("INVITE", uri, callID: callID)
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        alice.send(dialog.request("ACK", via: alice.via))
        _ = try asterisk.expect("ACK")
        return dialog
    }

    /// alice ends a call.
    func hangUp(_ dialog: inout Dialog) {
        alice.send(dialog.request("BYE", via: alice.via))
        while let message = asterisk.next() {
            if message.method == "BYE" { asterisk.answer(message, 200) }
        }
        _ = alice.all()
    }

    /// alice tries satellites until the account is barred.
    func trip() throws {
        for number in 0..<20 where edge.standings["alice"]?.reason.isEmpty ?? true {
            try alice.ask(
                "INVITE", "sip:008816123456\(10 + number)@example.com", callID: "t\(number)")
            while let message = edge.inboxes[alice.flow]?.first, message.status == 100 {
                _ = alice.next()
            }
        }
        #expect(edge.standings["alice"]?.barredSince.count ?? 0 > 0)
    }
}
