import Messages
import Proxy
import Sys
import Testing

/// Texts that take the place of others in what a phone sends.
private typealias Changes = [(String, String)]

extension [UInt8] {
    fileprivate func changed(_ changes: Changes) -> [UInt8] {
        Array(replaced(String(decoding: self, as: UTF8.self), changes).utf8)
    }
}

extension Phone {
    /// Sends a request with its answer to the challenge, both changed; returns the last answer, if one came.
    @discardableResult
    fileprivate func ask(
        _ method: String, _ uri: String, changed changes: Changes, _ lines: [String] = []
    ) throws -> Message? {
        send(request(method, uri, callID: "u1", sequence: 1, lines).changed(changes))
        guard let challenge = next() else { throw Missing("no challenge came", #line) }
        let proof = credentials(challenge, method, uri)
        send(request(method, uri, callID: "u1", sequence: 2, lines + [proof]).changed(changes))
        return all().last
    }
}

@Suite struct EscapedNameTests {
    /// The name of an account, and a way to write it in a URI.
    private static let spellings = [
        ("alice", "%61lice"), ("alice", "alic%65"), ("alice", "alice;phone-context=x"),
        ("1001", "%31001"), ("office#1", "office%231"), ("office#1", "office#1"),
        ("*77", "%2A77"), ("*77", "%2a77"),
    ]

    @Test("a phone registers by its name however that is escaped", arguments: spellings)
    func registers(_ name: String, _ spelling: String) throws {
        let edge = Edge()
        edge.passwords[name] = "secret"
        let phone = Phone(edge, name)
        let changes = [("<sip:\(name)@example.com>", "<sip:\(spelling)@example.com>")]
        let answer = try phone.ask(
            "REGISTER", "sip:example.com", changed: changes, ["Contact: <sip:x@192.168.1.7>"])
        #expect(answer?.status == 200)
        #expect(answer?["To"].hasPrefix("<sip:\(spelling)@example.com>") == true)
        #expect(edge.kept.values.map(\.account) == [name])
        #expect(edge.bans.allSatisfy { if case .ban = $0 { false } else { true } })
    }

    @Test("an Asterisk reads the name of a caller as it is meant", arguments: spellings)
    func calls(_ name: String, _ spelling: String) throws {
        let edge = Edge()
        edge.passwords[name] = "secret"
        let phone = Phone(edge, name)
        let changes = [("From: <sip:\(name)@", "From: <sip:\(spelling)@")]
        let answer = try phone.ask("MESSAGE", "sip:100@example.com", changed: changes)
        #expect(answer == nil)
        let message = try Asterisk(edge).expect("MESSAGE")
        #expect(message["From"] == "<sip:\(name)@example.com>;tag=\(phone.tag)")
    }

    @Test(
        "an escape that hides what no name has proves no account, and counts as a wrong name",
        arguments: ["alice%00", "alice%3Bx", "%2561lice", "alice%", "alice%40example.com"])
    func noName(_ spelling: String) throws {
        let edge = Edge()
        for name in ["alice%00", "alice;x", "%61lice", "alice%", "alice@example.com"] {
            edge.passwords[name] = "wonder"
        }
        let phone = Phone(edge, "alice")
        let changes = [("From: <sip:alice@", "From: <sip:\(spelling)@")]
        let answer = try phone.ask("MESSAGE", "sip:100@example.com", changed: changes)
        #expect(answer?.status == 407)
        #expect(Asterisk(edge).next() == nil)
        #expect(edge.router.explain("u1").map { "\($0)" }.joined().contains("unknown-account"))
    }

    @Test("other spellings of a name have the same guard")
    func guarded() throws {
        let edge = Edge([.failures(3)])
        let thief = Phone(edge, "alice", at: "192.0.2.66:5060", .tcp, connection: 9)
        thief.password = "guess"
        for spelling in ["alice", "%61lice", "alice;x=1", "alic%65"] {
            _ = try? thief.ask(
                "MESSAGE", "sip:100@example.com",
                changed: [("From: <sip:alice@", "From: <sip:\(spelling)@")])
        }
        #expect(edge.banOrders.map(\.reason) == ["wrong-password"])
    }

    @Test(
        "an Asterisk reaches a phone by its name, escaped or not",
        arguments: ["office%231", "office#1"])
    func called(_ spelling: String) throws {
        let edge = Edge()
        edge.passwords["office#1"] = "secret"
        let phone = Phone(edge, "office#1")
        try phone.register(contacts: ["<sip:office%231@192.168.1.7:5060>"])
        let asterisk = Asterisk(edge)
        asterisk.call(spelling)
        // The phone's own Contact comes back as the phone wrote it.
        #expect(try phone.expect("INVITE").uri == "sip:office%231@192.168.1.7:5060")
        asterisk.send(
            wire([
                "OPTIONS sip:\(spelling)@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)",
                "Max-Forwards: 70", "From: <sip:a@10.0.0.10>;tag=o",
                "To: <sip:\(spelling)@10.0.0.1>", "Call-ID: o", "CSeq: 1 OPTIONS",
            ]))
        #expect(try asterisk.expect(200).sequenceMethod == "OPTIONS")
    }
}

@Suite struct DialledUserTests {
    @Test(
        "what is dialled goes to an Asterisk without escapes, parameters and password",
        arguments: [
            ("sip:%31%30%30@example.com", "100"), ("sip:%2B4930@example.com", "+4930"),
            ("sip:%2A98%23@example.com", "*98#"), ("sip:*98#@example.com", "*98#"),
            ("sip:600;phone-context=national@example.com", "600"),
            ("sip:600;cpc=ordinary;isup-oli=00@example.com;user=phone", "600"),
            ("sip:600;verstat=No-TN-Validation@example.com", "600"),
            ("sip:600;npdi;rn=+4930@example.com", "600"), ("sip:600:pw@example.com", "600"),
            ("tel:+33-1-23;phone-context=example.com", "+33-1-23"), ("tel:%2B33123", "+33123"),
        ])
    func dialled(_ uri: String, _ user: String) throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("INVITE", uri)
        let invite = try Asterisk(alice.edge).expect("INVITE")
        #expect(invite.uri == "sip:\(user)@10.0.0.10:5060")
        let to = uri.hasPrefix("tel:") ? "<tel:\(user)>" : "<sip:\(user)@example.com>"
        #expect(invite["To"] == to)
        let shown = alice.edge.router.callRows().contains {
            if case .call(let row) = $0 { row.peer == user } else { false }
        }
        #expect(shown)
    }

    @Test(
        "what is not dialable once it is read is refused with 404, in To too",
        arguments: [
            "1%200", "a%00b", "600%3Bx=y", "600%40198.51.100.1", "600%26SIP%2Fx", "%252A98",
            "600%0d%0aRoute", "6%", ";x=1", "%24%7BEXTEN%7D", "(600);x=1",
        ])
    func refused(_ user: String) throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("MESSAGE", "sip:\(user)@example.com")
        #expect(try alice.expect(404).status == 404)
        let other = Phone(alice.edge, "bob")
        let changes = [("To: <sip:100@", "To: <sip:\(user)@")]
        let answer = try other.ask("MESSAGE", "sip:100@example.com", changed: changes)
        #expect(answer?.status == 404)
        #expect(Asterisk(alice.edge).next() == nil)
    }

    @Test(
        "the number is judged as it is dialled, escaped or with parameters",
        arguments: [
            "sip:%30%30881612345678@example.com", "sip:+881612345678;phone-context=+1@example.com",
            "tel:%2B881612345678", "sip:%2A31%2300881612345678@example.com",
        ])
    func judged(_ uri: String) throws {
        let alice = Phone(Edge(), "alice")
        try alice.ask("INVITE", uri)
        #expect(try alice.expect(403).status == 403)
        #expect(Asterisk(alice.edge).next() == nil)
    }

    @Test(
        "inside a dialog a party that no Asterisk could read alike is written without its user")
    func partyInDialog() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        let tag = dialog.remote.split(separator: ";").last.map(String.init) ?? ""
        for (user, seen) in [
            ("John%20Doe", "<sip:example.com>"), ("%31%30%30;x=1", "<sip:100@example.com>"),
        ] {
            dialog.remote = "<sip:\(user)@example.com>;\(tag)"
            alice.send(dialog.request("INFO", via: alice.via))
            let info = try asterisk.expect("INFO")
            #expect(info["To"] == "\(seen);\(tag)")
            asterisk.answer(info, 200)
            #expect(try alice.expect(200)["To"] == dialog.remote)
        }
    }

    @Test("many numbers with parameters from one connection are no forged tokens")
    func notTokens() throws {
        let edge = Edge()
        let gateway = Phone(edge, "alice", .tcp, connection: 9)
        for number in 0..<30 {
            let uri = "sip:+4930123456\(number + 10);phone-context=example.com@example.com"
            gateway.send(
                gateway.request("MESSAGE", uri, callID: "g\(number)", sequence: 1, to: uri))
        }
        #expect(edge.banOrders.isEmpty)
    }
}

@Suite struct TransferredUserTests {
    private func stage() throws -> (Phone, Asterisk, Dialog) {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        let dialog = Dialog(caller: sent, try alice.expect(200))
        _ = asterisk.all()
        return (alice, asterisk, dialog)
    }

    @Test(
        "whom a transfer names goes to an Asterisk without escapes, parameters and password",
        arguments: [
            ("<sip:%31%30%31@example.com>", "<sip:101@example.com>"),
            ("<sip:%2B4930;cpc=x@example.com;user=phone>", "<sip:+4930@example.com;user=phone>"),
            ("\"Bob\" <sip:10%31@example.com>;a=b", "\"Bob\" <sip:101@example.com>;a=b"),
            ("<sip:101:pw@example.com?X=%20y>", "<sip:101@example.com?X=%20y>"),
            ("<tel:%2B4930;phone-context=+1>", "<tel:+4930>"),
            ("sip:%31%30%31@example.com", "<sip:101@example.com>"),
            ("<sip:101@example.com>", "<sip:101@example.com>"),
            (
                "<sip:%31%30%31@example.com?Replaces=x%4010.0.0.1%3Bto-tag%3Dd>",
                "<sip:101@example.com?Replaces=x%4010.0.0.1%3Bto-tag%3Dd>"
            ),
        ])
    func referred(_ target: String, _ seen: String) throws {
        var (alice, asterisk, dialog) = try stage()
        try alice.refer(&dialog, target)
        #expect(try asterisk.expect("REFER")["Refer-To"] == seen)
    }

    @Test(
        "a transfer to what is not dialable or never called is refused with 403",
        arguments: ["1%200", "10%26SIP", "%2500", "%30%30881612345678", "+881612345678;x=1"])
    func refused(_ user: String) throws {
        var (alice, asterisk, dialog) = try stage()
        try alice.refer(&dialog, "<sip:\(user)@example.com>")
        #expect(try alice.expect(403).status == 403)
        #expect(asterisk.next() == nil)
    }

    @Test(
        "whom a transfer names stands in the first brackets, however they are looked for",
        arguments: [
            (#""\"<sip:00881612345678@x>" <sip:101@example.com>"#, "<sip:101@example.com>"),
            (
                #""a\\" <sip:101@example.com>;x="<sip:00881612345678@x>""#,
                #"<sip:101@example.com>;x="<sip:00881612345678@x>""#
            ),
            (
                #"sip:101@example.com;x="\\";y="<sip:00881612345678@x>""#,
                #"<sip:101@example.com>;x="\\";y="<sip:00881612345678@x>""#
            ),
            (
                #"sip:101@example.com;x="?Replaces=a%3Bto-tag%3Db""#,
                #"<sip:101@example.com>;x="?Replaces=a%3Bto-tag%3Db""#
            ),
            (#""<sip:00881612345678@x>" <sip:101@example.com>"#, "<sip:101@example.com>"),
            ("<sip:101@example.com>;", "<sip:101@example.com>"),
        ])
    func inFirstBrackets(_ target: String, _ seen: String) throws {
        var (alice, asterisk, dialog) = try stage()
        try alice.refer(&dialog, target)
        #expect(try asterisk.expect("REFER")["Refer-To"] == seen)
    }

    @Test(
        "to whom a phone sends a call on is read alike",
        arguments: [
            ("<sip:%31%30%31@example.com>", "<sip:101@example.com>"),
            ("<sip:+33123456789;phone-context=+33@example.com>", "<sip:+33123456789@example.com>"),
            ("<tel:%2B33123456789;x=1>", "<tel:+33123456789>"),
            ("<sip:1%2001@example.com>", nil), ("<sip:%2B881612345678@example.com>", nil),
        ] as [(String, String?)])
    func forwarded(_ contact: String, _ seen: String?) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        alice.send(response(to: invite, 302, tag: "p1", ["Contact: \(contact)"]))
        if let seen {
            #expect(try asterisk.expect(302)["Contact"] == seen)
        } else {
            #expect(try asterisk.expect(403).status == 403)
        }
    }
}

@Suite struct TrunkUserTests {
    @Test(
        "a trunk's caller is the number without escapes and parameters, unless an account has it",
        arguments: [
            (
                "<sip:+1555010;verstat=TN-Validation-Passed@carrier.example;user=phone>",
                "<sip:+1555010@carrier.example>"
            ),
            (
                "\"Caller\" <sip:+4930555;cpc=ordinary@carrier.example>",
                "\"Caller\" <sip:+4930555@carrier.example>"
            ),
            ("<sip:%2B4930555;isup-oli=00@carrier.example>", "<sip:+4930555@carrier.example>"),
            ("<tel:%2B4930555;cpc=ordinary>", "<sip:+4930555@example.com>"),
            ("<sip:100%31@carrier.example>", "<sip:telco@carrier.example>"),
            ("<sip:1001;cpc=x@carrier.example>", "<sip:telco@carrier.example>"),
            ("<sip:%61lice@carrier.example>", "<sip:telco@carrier.example>"),
            ("<sip:John%20Doe@carrier.example>", "<sip:anonymous@carrier.example>"),
            ("<sip:1001%3Bx@carrier.example>", "<sip:anonymous@carrier.example>"),
            ("<sip:%2531001@carrier.example>", "<sip:anonymous@carrier.example>"),
        ])
    func caller(_ from: String, _ seen: String) throws {
        let trunk = try TrunkEdge()
        trunk.edge.passwords["1001"] = "secret"
        trunk.carrier.call(from: from)
        #expect(try trunk.asterisk.expect("INVITE")["From"] == seen + ";tag=t1")
    }

    @Test(
        "what a trunk dials is read alike",
        arguments: [
            ("sip:%2B43123;npdi@203.0.113.5", "+43123"), ("sip:%34%33@203.0.113.5", "43"),
            ("tel:%2B43123;phone-context=x", "+43123"), ("sip:%23100@203.0.113.5", "#100"),
            ("sip:43%20@203.0.113.5", nil), ("sip:%2523@203.0.113.5", nil),
        ] as [(String, String?)])
    func dialled(_ uri: String, _ user: String?) throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call(uri)
        guard let user else {
            #expect(try trunk.carrier.expect(404).status == 404)
            return
        }
        #expect(try trunk.asterisk.expect("INVITE").uri == "sip:\(user)@10.0.0.10:5060")
    }

    @Test(
        "whom a trunk tells of is written as every Asterisk reads it",
        arguments: [
            (
                "\"A\" <sip:%2B1555;verstat=x@carrier.example;user=phone>;x=y",
                "\"A\" <sip:+1555@carrier.example;user=phone>;x=y"
            ),
            ("sip:+1555@carrier.example", "<sip:+1555@carrier.example>"),
            (
                "<sip:1@carrier.example>,<tel:+1555>",
                "<sip:1@carrier.example>, <tel:+1555>"
            ),
            ("Smith <sip:1@carrier.example>", "Smith <sip:1@carrier.example>"),
            ("\"a;tag=1\" <sip:1@carrier.example>", "<sip:1@carrier.example>"),
        ], ["P-Asserted-Identity", "Diversion", "Reply-To"])
    func told(_ values: (written: String, seen: String), _ name: String) throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call(extra: ["\(name): \(values.written)"])
        #expect(try trunk.asterisk.expect("INVITE")[name] == values.seen)
    }

    @Test("an Asterisk's parameters of a number go to the trunk as they are")
    func outward() throws {
        let trunk = try TrunkEdge()
        try trunk.callOut("sip:+4420999;cpc=ordinary;x=%31@carrier.example")
        let invite = try trunk.carrier.expect("INVITE")
        #expect(invite.uri == "sip:+4420999;cpc=ordinary;x=%31@carrier.example")
        #expect(invite["To"] == "<sip:+4420999;cpc=ordinary;x=%31@carrier.example>")
    }
}
