import Messages
import Proxy
import RouterHarness
import Sys
import Testing

/// Who the account of a request is, and who stands as its caller (RFC 3261 section 22.3, RFC 3323, RFC 3325).
@Suite("Identity") struct IdentityTests {
    private static let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>"
    /// What tells an Asterisk of a caller beside From.
    private static let asserting = ["P-Asserted-Identity", "Remote-Party-ID", "Privacy"]
    /// What a phone claims of itself, by which nobody shall be told who calls.
    private static let claims = [
        "P-Asserted-Identity: <sip:+49666@example.com>",
        "P-Preferred-Identity: <sip:+49666@example.com>",
        "Remote-Party-ID: <sip:+49666@example.com>;party=calling",
    ]

    /// A phone of an account, which shows itself as `shown`.
    private func phone(_ edge: Edge, _ name: String = "alice", as shown: String) -> Phone {
        let phone = Phone(edge, name)
        phone.shown = shown
        return phone
    }

    /// The INVITE that reaches the Asterisk when a phone calls.
    private func invite(
        _ phone: Phone, _ extra: [String] = [], callID: String = "call-1"
    ) throws -> Message {
        try phone.ask("INVITE", "sip:100@example.com", callID: callID, extra)
        return try Asterisk(phone.edge).expect("INVITE")
    }

    // MARK: What Asterisk is told

    @Test("a phone that calls as itself is told of by its account alone, whatever it claims")
    func itself() throws {
        let invite = try invite(phone(Edge(), as: "\"Al\" <sip:alice@example.com>"), Self.claims)
        #expect(invite["From"].hasPrefix("\"Al\" <sip:alice@example.com>;tag="))
        for name in Self.asserting + ["P-Preferred-Identity"] { #expect(!invite.has(name)) }
    }

    @Test("a phone that calls anonymously calls as its account, which Asterisk is asked to hide")
    func anonymously() throws {
        let edge = Edge()
        let invite = try invite(phone(edge, as: Self.anonymous), Self.claims)
        #expect(invite["From"].hasPrefix("\"Anonymous\" <sip:alice@example.com>;tag="))
        #expect(invite.all("P-Asserted-Identity") == ["<sip:alice@example.com>"])
        #expect(
            invite.all("Remote-Party-ID") == [
                "<sip:alice@example.com>;party=calling;privacy=full;screen=yes"
            ])
        #expect(invite.all("Privacy") == ["id"])
        #expect(!invite.has("P-Preferred-Identity"))
    }

    @Test(
        "a phone that asks for privacy is hidden under its own name too",
        arguments: ["id", "user;id", "Header", "critical; id"])
    func privately(_ privacy: String) throws {
        let invite = try invite(
            phone(Edge(), as: "\"Al\" <sip:alice@example.com>"), ["Privacy: \(privacy)"])
        #expect(invite["From"].hasPrefix("\"Anonymous\" <sip:alice@example.com>;tag="))
        #expect(invite["P-Asserted-Identity"] == "<sip:alice@example.com>")
        #expect(invite.all("Privacy") == ["id"])
    }

    @Test("a phone that asks for no privacy is not hidden", arguments: ["none", "session"])
    func openly(_ privacy: String) throws {
        let invite = try invite(
            phone(Edge(), as: "<sip:alice@example.com>"), ["Privacy: \(privacy)"])
        #expect(invite["From"].hasPrefix("<sip:alice@example.com>;tag="))
        for name in Self.asserting { #expect(!invite.has(name)) }
    }

    @Test("a gateway that may show callers calls as its account, and shows the caller")
    func gateway() throws {
        let edge = Edge([.callers("alice", .any)])
        let invite = try invite(
            phone(edge, as: "\"Anna B\" <sip:+4930123@example.com>"), Self.claims)
        #expect(invite["From"].hasPrefix("<sip:alice@example.com>;tag="))
        #expect(invite.all("P-Asserted-Identity") == ["\"Anna B\" <sip:+4930123@example.com>"])
        #expect(
            invite.all("Remote-Party-ID") == [
                "\"Anna B\" <sip:+4930123@example.com>;party=calling;privacy=off;screen=no"
            ])
        #expect(!invite.has("Privacy"))
    }

    @Test(
        "a caller is not shown for an account that may show none, and never one that is an account or no number",
        arguments: [
            ("alice", "<sip:+4930123@example.com>", false),
            ("bob", "<sip:+4930123@example.com>", true),
            ("bob", "\"Boss\" <sip:101@example.com>", false),
            ("bob", "<sip:boss@example.com>", false), ("bob", "<sip:carol@example.com>", false),
        ])
    func notShown(_ name: String, _ shown: String, _ isShown: Bool) throws {
        let edge = Edge([.callers("bob", .any)])
        edge.passwords["101"] = "secret"
        let invite = try invite(phone(edge, name, as: shown))
        #expect(invite["From"].hasPrefix("<sip:\(name)@example.com>;tag="))
        #expect(invite.has("P-Asserted-Identity") == isShown)
        #expect(invite.has("Remote-Party-ID") == isShown)
    }

    @Test("a caller is not shown while directory cannot tell whether an account has the number")
    func unavailable() throws {
        let edge = Edge([.callers("alice", .any)])
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.isUnavailable = true
        alice.shown = "<sip:+4930123@example.com>"
        let invite = try invite(alice)
        #expect(invite["From"].hasPrefix("<sip:alice@example.com>;tag="))
        #expect(!invite.has("P-Asserted-Identity"))
    }

    // MARK: Which account it is

    @Test("the account of the digest's username is it where From's has another digest user")
    func byUsername() throws {
        let edge = Edge()
        edge.passwords["T7_102"] = "seven"
        edge.passwords["102"] = "other"
        let invite = try invite(phone(edge, "T7_102", as: "<sip:102@example.com>"))
        #expect(invite["From"].hasPrefix("<sip:T7_102@example.com>;tag="))
        #expect(!invite.has("P-Asserted-Identity"))
    }

    @Test("From's account is it where its digest user is another account's name")
    func byDigestUser() throws {
        let edge = Edge()
        edge.passwords["102"] = "second"
        edge.digestUsers["102"] = "alice"
        let second = phone(edge, "alice", as: "<sip:102@example.com>")
        second.password = "second"
        #expect(try invite(second)["From"].hasPrefix("<sip:102@example.com>;tag="))
        // And whose name it is calls as itself.
        let alice = Phone(edge, "alice", at: "198.51.100.8:5060")
        let other = try invite(alice, callID: "call-2")
        #expect(other["From"].hasPrefix("<sip:alice@example.com>;tag="))
    }

    @Test("the password of From's account is none for another one's username")
    func wrongPair() throws {
        let edge = Edge()
        let mixed = phone(edge, "bob", as: "<sip:alice@example.com>")
        mixed.password = edge.passwords["alice"] ?? ""
        try mixed.ask("INVITE", "sip:100@example.com")
        _ = try mixed.expect(407)
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("both names are asked for at once, and the call waits until both are known")
    func waits() throws {
        let edge = Edge()
        edge.isDirectorySilent = true
        let alice = phone(edge, as: "<sip:+4930123@example.com>")
        try alice.ask("INVITE", "sip:100@example.com")
        let asked = edge.questions.compactMap { question -> String? in
            if case .lookUp(_, let name, _, _) = question { name } else { nil }
        }
        #expect(asked.sorted() == ["+4930123", "alice"])
        for question in edge.questions.reversed() {
            #expect(Asterisk(edge).next() == nil)
            edge.answer(question)
            edge.drain()
        }
        _ = try Asterisk(edge).expect("INVITE")
    }

    // MARK: REGISTER

    @Test(
        "a phone registers its own account alone, and whether the other exists nobody sees",
        arguments: ["bob", "nobody"])
    func foreignAddressOfRecord(_ other: String) throws {
        let edge = Edge()
        let alice = phone(edge, as: "<sip:\(other)@example.com>")
        alice.registered = other
        let answer = try alice.register()
        #expect(answer.status == 403)
        #expect(edge.kept.isEmpty && edge.bans.isEmpty)
        // Nobody is ever banned for it.
        for _ in 0..<50 { #expect(try alice.register().status == 403) }
        #expect(edge.banOrders.isEmpty)
        #expect(edge.records.contains { $0.contains("other-account") })
    }

    @Test("a phone registers its account's address-of-record, whose name may be another")
    func ownAddressOfRecord() throws {
        let edge = Edge()
        edge.passwords["T7_102"] = "seven"
        edge.addressesOfRecord["T7_102"] = "102"
        let seventh = phone(edge, "T7_102", as: "<sip:102@example.com>")
        seventh.registered = "102"
        #expect(try seventh.register().status == 200)
        #expect(edge.kept.values.map(\.account) == ["T7_102"])
    }

    // MARK: What is counted

    @Test("a trap's name as the caller is no trap, as the username it is one")
    func traps() throws {
        let edge = Edge([.trap("4711"), .callers("alice", .any)])
        let invite = try invite(phone(edge, as: "<sip:4711@example.com>"))
        #expect(invite["P-Asserted-Identity"] == "<sip:4711@example.com>")
        #expect(edge.banOrders.isEmpty)
        let guesser = Phone(edge, "4711", at: "192.0.2.66:5060")
        guesser.shown = "<sip:alice@example.com>"
        try guesser.ask("INVITE", "sip:100@example.com")
        edge.advance(Milliseconds(400))
        #expect(edge.banOrders.map(\.reason) == [Detector.honeyAccount.code])
    }

    @Test("names that a caller shows are not swept, usernames are")
    func sweeps() throws {
        // 64 bits hold which names a source has tried: two of five may pass for one, and passwords are counted too.
        let edge = Edge([.callers("alice", .any), .failures(1000)])
        for number in 0..<9 {
            let caller = phone(edge, as: "<sip:+493012\(number)@example.com>")
            _ = try invite(caller, callID: "call-\(number)")
        }
        #expect(edge.banOrders.isEmpty)
        for number in 0..<12 where edge.banOrders.isEmpty {
            let guesser = Phone(edge, "guess\(number)", at: "192.0.2.66:5060")
            guesser.shown = "<sip:alice@example.com>"
            try guesser.ask("INVITE", "sip:100@example.com")
            edge.advance(Milliseconds(400))
        }
        #expect(Set(edge.banOrders.map(\.address)) == [address("192.0.2.66:5060").ip])
        #expect(edge.banOrders.contains { $0.reason == Detector.namesSwept.code })
    }

    // MARK: Inside the dialog

    @Test(
        "every request of the dialog is the account's toward Asterisk, over a restart too",
        arguments: [false, true])
    func inDialog(_ restarts: Bool) throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = phone(edge, as: Self.anonymous)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        let answer = try alice.expect(200)
        #expect(answer["From"] == sent["From"])
        var phone = Dialog(caller: sent, answer)
        var far = Dialog(called: invite, tag: "as1")
        if restarts { edge.restart() }
        let own = "\"Anonymous\" <sip:alice@example.com>;tag=\(alice.tag)"
        alice.send(phone.request("ACK", via: alice.via))
        #expect(try asterisk.expect("ACK")["From"] == own)
        for method in ["INVITE", "UPDATE", "INFO"] {
            let contact = "Contact: <\(alice.contact)>"
            alice.send(phone.request(method, via: alice.via, [contact]))
            let request = try asterisk.expect(method)
            #expect(request["From"] == own, "\(method)")
            for name in Self.asserting { #expect(!request.has(name)) }
            asterisk.answer(request, 200)
            #expect(try alice.expect(200)["From"] == sent["From"])
        }
        try alice.refer(&phone, "<sip:200@example.com>")
        let refer = try asterisk.expect("REFER")
        #expect(refer["From"] == own)
        asterisk.answer(refer, 202)
        // What Asterisk says in the dialog has the tags by which the phone finds it.
        asterisk.send(far.request("INFO", via: asterisk.via))
        let info = try alice.expect("INFO")
        #expect(info["To"].hasSuffix(";tag=\(alice.tag)") && info["From"] == answer["To"])
        alice.send(response(to: info, 200, []))
        _ = try asterisk.expect(200)
        alice.send(phone.request("BYE", via: alice.via))
        #expect(try asterisk.expect("BYE")["From"] == own)
    }

    @Test("a call that is given up is cancelled as the account's")
    func cancelled() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = phone(edge, as: "<sip:+4930123@example.com>")
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 180)
        alice.cancel(sent)
        #expect(try asterisk.expect("CANCEL")["From"] == invite["From"])
        #expect(invite["From"].hasPrefix("<sip:alice@example.com>;tag="))
    }

    @Test(
        "a call that is ended by hand ends as the account's at Asterisk, as the phone's own at the phone"
    )
    func endedByHand() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = phone(edge, as: Self.anonymous)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        alice.send(dialog.request("ACK", via: alice.via))
        _ = edge.router.endCalls("call-1", edge.now)
        edge.drain()
        #expect(
            try asterisk.expect("BYE")["From"].contains("<sip:alice@example.com>;tag=\(alice.tag)"))
        #expect(try alice.expect("BYE")["To"] == sent["From"])
    }

    @Test("a phone whose address has changed proves in the call that it is the account")
    func moved() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = phone(edge, as: Self.anonymous)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        alice.flow = Flow(.udp, listener: 0, peer: address("198.51.100.77:6000"))
        alice.send(dialog.request("BYE", via: alice.via))
        let proof = alice.credentials(try alice.expect(407), "BYE", dialog.target)
        alice.send(dialog.request("BYE", via: alice.via, [proof]))
        #expect(try asterisk.expect("BYE")["From"].contains("<sip:alice@example.com>"))
    }
}
