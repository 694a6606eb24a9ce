import Messages
import Proxy
import SIP
import Sys
import Testing

/// A message with another text in some places of it.
func changed(_ bytes: [UInt8], _ changes: [(from: String, to: String)]) -> [UInt8] {
    var text = String(decoding: bytes, as: UTF8.self)
    for change in changes { text = text.replacing(change.from, with: change.to) }
    return Array(text.utf8)
}

/// What phones and providers write that others do not.
@Suite struct DialectTests {
    /// Sends alice's request with changes and answers its challenge; the request as sent the second time.
    private func ask(
        _ alice: Phone, _ method: String, _ uri: String, _ changes: [(from: String, to: String)],
        _ extra: [String] = []
    ) throws -> [UInt8] {
        var lines = extra
        if method == "INVITE" { lines.append("Contact: <\(alice.contact)>") }
        var bytes = alice.request(method, uri, callID: "f1", sequence: 1, lines)
        alice.send(changed(bytes, changes))
        let challenge = try alice.expect(method == "REGISTER" ? 401 : 407)
        if method == "INVITE" { alice.send(alice.acknowledgement(of: challenge, uri)) }
        lines.append(alice.credentials(challenge, method, uri))
        bytes = changed(alice.request(method, uri, callID: "f1", sequence: 2, lines), changes)
        alice.send(bytes)
        return bytes
    }

    /// alice's INVITE with changes, and what her phone and the Asterisk got.
    private func call(
        _ changes: [(from: String, to: String)], _ extra: [String] = [],
        uri: String = "sip:100@example.com"
    ) throws -> (edge: Edge, alice: Phone, asterisk: Asterisk, invite: Message) {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        _ = try ask(alice, "INVITE", uri, changes, extra)
        return (edge, alice, asterisk, try asterisk.expect("INVITE"))
    }

    private static let own = "<sip:alice@example.com>"

    @Test(
        "a name with a comma registers, and calls without it; the answers repeat what the phone wrote"
    )
    func comma() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let name = (from: Self.own, to: "Bond, James \(Self.own)")
        _ = try ask(phone, "REGISTER", "sip:example.com", [name])
        #expect(try phone.expect(200)["From"] == "Bond, James \(Self.own);tag=alice1")
        let (_, alice, asterisk, invite) = try call([name])
        #expect(invite["From"] == "\(Self.own);tag=alice1")
        asterisk.answer(invite, 180)
        #expect(try alice.expect(180)["From"] == "Bond, James \(Self.own);tag=alice1")
    }

    @Test("a trunk's caller with a comma in the name calls without it")
    func trunkComma() throws {
        let trunk = try TrunkEdge()
        trunk.carrier.call(from: "Smith, John <sip:+4930555@carrier.example>")
        let invite = try trunk.asterisk.expect("INVITE")
        #expect(invite["From"] == "<sip:+4930555@carrier.example>;tag=t1")
    }

    @Test("a name that is no UTF-8 is left out toward the Asterisk, and toward a phone")
    func noUTF8() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        func latin(_ bytes: [UInt8]) -> [UInt8] {
            bytes.map { $0 == UInt8(ascii: "^") ? 0xE9 : $0 }
        }
        let invite = alice.request("INVITE", "sip:100@example.com", callID: "f", sequence: 1)
        alice.send(latin(changed(invite, [(Self.own, "\"Ren^\" \(Self.own)")])))
        #expect(try alice.expect(407).status == 407)
        let asterisk = Asterisk(edge)
        let lines = [
            "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)",
            "From: \"Ren^\" <sip:300@carrier.example>;tag=as9", "To: <sip:alice@10.0.0.1:5060>",
            "Call-ID: n1", "CSeq: 102 INVITE", "Contact: <sip:300@10.0.0.10:5060>",
        ]
        asterisk.send(latin(wire(lines)))
        #expect(try alice.expect("INVITE")["From"] == "<sip:300@example.com>;tag=as9")
    }

    @Test("a name that hides where it ends gets 400, by every way, and counts as malformed")
    func hiding() throws {
        for transport in [Transport.udp, .tcp, .tls] {
            let edge = Edge()
            edge.repeatsUnreadable = true
            let alice = Phone(edge, "alice", transport, connection: transport.isStream ? 9 : 0)
            for name in ["a \"b\" ", "a\\b ", "a > ", "a, \"b "] {
                let bytes = alice.request("INVITE", "sip:100@example.com", callID: "h", sequence: 1)
                alice.send(changed(bytes, [(Self.own, name + Self.own)]))
                #expect(alice.next()?.status == 400, "\(name) by \(transport)")
            }
            #expect(edge.records.contains { $0.contains("malformed-address") })
        }
    }

    @Test("a dot behind the domain is read as none, and none is written")
    func dot() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let dotted = [(from: "@example.com>", to: "@example.com.>")]
        _ = try ask(alice, "REGISTER", "sip:example.com.", dotted, ["Contact: <\(alice.contact)>"])
        #expect(try alice.expect(200).has("Contact"))
        let changes = dotted + [(from: "@192.168.1.7:5060>", to: "@phone.example.:5060;x=y>")]
        let (_, _, _, invite) = try call(changes, uri: "sip:100@example.com.")
        #expect(invite.uri == "sip:100@10.0.0.10:5060")
        #expect(invite["From"] == "\(Self.own);tag=alice1")
        #expect(invite["To"] == "<sip:100@example.com>")
        #expect(invite["Contact"] == "<sip:alice@phone.example:5060;x=y>")
    }

    @Test("a Contact with the dot and one without are the same binding")
    func dottedBinding() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        for host in ["phone.example.", "PHONE.example", "phone.example.:5060"] {
            try alice.register(contacts: ["<sip:alice@\(host)>"])
        }
        let contacts = edge.router.phones().count
        #expect(contacts == 2)
    }

    @Test(
        "two dots, or one behind an address, are no host",
        arguments: ["example.com..", "192.0.2.1."])
    func dots(_ host: String) throws {
        let edge = Edge()
        edge.repeatsUnreadable = true
        let alice = Phone(edge, "alice")
        let bytes = alice.request("INVITE", "sip:100@\(host)", callID: "d", sequence: 1)
        alice.send(bytes)
        #expect(try alice.expect(400).status == 400)
    }

    @Test("a blank before a colon is read, and not written")
    func blank() throws {
        let changes = [
            (from: "From:", to: "From :"), (from: "To:", to: "To\t:"),
            (from: "Content-Length:", to: "Content-Length \t :"), (from: "CSeq:", to: "CSeq :"),
        ]
        let (_, _, _, invite) = try call(changes, ["X-Own \t : kept", "s : short"])
        #expect(invite["From"] == "\(Self.own);tag=alice1" && invite["To"].hasPrefix("<sip:100@"))
        #expect(invite["X-Own"] == "kept" && invite["Subject"] == "short")
    }

    @Test(
        "a semicolon at the end of From, To and Contact is cut, toward Asterisk and in the answer")
    func semicolon() throws {
        let changes = [
            (from: ";tag=alice1", to: ";tag=alice1;"),
            (from: "<sip:100@example.com>", to: "<sip:100@example.com>; "),
            (from: "@192.168.1.7:5060>", to: "@192.168.1.7:5060>;"),
        ]
        let (_, alice, asterisk, invite) = try call(changes)
        #expect(
            invite["From"] == "\(Self.own);tag=alice1" && invite["To"] == "<sip:100@example.com>")
        #expect(invite["Contact"] == "<\(alice.contact)>")
        asterisk.answer(invite, 200)
        #expect(try alice.expect(200)["To"] == "<sip:100@example.com>;tag=as1")
    }

    @Test(
        "a lifetime that is no number is left out of a call, one beyond 32 bits is cut",
        arguments: [
            ("Thu, 01 Dec 1994 16:00:00 GMT", ""), ("\"60\"", ""), ("-1", ""), ("060", "60"),
            ("99999999999999999999999", "2147483647"),
        ])
    func lifetime(_ value: String, _ expected: String) throws {
        let (_, _, _, invite) = try call([], ["Expires: \(value)"])
        #expect(invite["Expires"] == expected)
    }

    @Test(
        "what PJSIP drops without a word, and what stands twice, gets 400 and reaches no Asterisk",
        arguments: [
            "Content-Type: x/", "Min-SE: 90//", "Session-Expires: x", "Accept: ,", "Require: a b",
            "Supported: a,,b", "Event: ;", "RAck: 1", "RSeq: x", "Min-SE: 90\r\nMin-SE: 90",
            "Record-Route: <sip:p1", "Record-Route: <sip:p1;lr>, <s#p:p2;lr>",
            "Retry-After: 5 x", "Min-Expires: x", "Subscription-State: active;", "Replaces: a;",
            "Reply-To: <sip:a@b>\r\nReply-To: <sip:c@d>", "Contact: <sip:a@b>;q=0.5<sip:a@[1]>",
        ])
    func refused(_ line: String) throws {
        for transport in [Transport.udp, .tcp] {
            let edge = Edge()
            let alice = Phone(edge, "alice", transport, connection: transport.isStream ? 9 : 0)
            alice.send(
                alice.request("INVITE", "sip:100@example.com", callID: "r", sequence: 1, [line]))
            #expect(alice.next()?.status == 400)
            #expect(alice.next() == nil && Asterisk(edge).next() == nil)
        }
        let trunk = try TrunkEdge()
        trunk.carrier.send(
            changed(
                trunk.carrier.request("INVITE", "sip:+43123@203.0.113.5", extra: [line]),
                line.hasPrefix("Contact") ? [("Contact: <\(trunk.carrier.contact)>\r\n", "")] : []))
        #expect(trunk.carrier.next()?.status == 400 && trunk.asterisk.next() == nil)
    }

    @Test(
        "what cannot be read inside a dialog gets 400, also from a way that no phone has registered by"
    )
    func dialog() throws {
        let stage = try Stage()
        var dialog = try stage.connect("sip:100@example.com", "a")
        for line in ["Min-SE: x", "User-Agent: y", "X: a\nb"] {
            stage.alice.send(dialog.request("BYE", via: stage.alice.via, [line]))
            #expect(stage.alice.next()?.status == 400, "\(line)")
        }
        #expect(stage.asterisk.next() == nil)
    }

    @Test("an Asterisk whose request cannot be read hears so at once")
    func inside() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice", ["Min-SE: 90//"])
        #expect(asterisk.next()?.status == 400 && alice.next() == nil)
    }
}
