import Messages
import Proxy
import Sys
import Testing

/// A phone and an Asterisk that tells it things of the inside.
private struct Told {
    let edge: Edge
    let alice: Phone
    let asterisk: Asterisk

    init(_ extra: [RouterSetting] = []) throws {
        edge = Edge(extra)
        alice = Phone(edge, "alice")
        try alice.register()
        asterisk = Asterisk(edge)
    }

    /// A NOTIFY of the Asterisk out of any dialog, as the phone gets it.
    func notify(_ type: String, _ body: String, _ extra: [String] = []) throws -> Message {
        asterisk.send(
            wire(
                [
                    "NOTIFY sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)",
                    "Max-Forwards: 70", "From: \"Asterisk\" <sip:asterisk@10.0.0.10>;tag=as1",
                    "To: <sip:alice@10.0.0.1:5060>", "Contact: <sip:asterisk@10.0.0.10:5060>",
                    "Call-ID: a1@10.0.0.10:5060", "CSeq: 102 NOTIFY", "Event: message-summary",
                    "Content-Type: \(type)",
                ] + extra, body))
        return try alice.expect("NOTIFY")
    }
}

@Suite struct InsideHostTests {
    @Test(
        "who calls is at the domain, whatever host the Asterisk has written",
        arguments: [
            "10.0.0.10", "10.0.0.10:5070", "pbx.lan", "asterisk", "192.168.9.9", "[fd00::10]:5060",
            "carrier.example", "example.com", "example.com:5070",
        ])
    func parties(_ host: String) throws {
        let told = try Told()
        told.asterisk.send(
            wire([
                "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(told.asterisk.via)",
                "Max-Forwards: 70", "From: \"Carol\" <sip:300@\(host)>;tag=as9",
                "To: <sip:alice@\(host)>", "Call-ID: c1", "CSeq: 102 INVITE",
                "Contact: <sip:300@10.0.0.10:5060>",
                "P-Asserted-Identity: \"Carol\" <sip:300@\(host)>, <tel:+431>",
                "Remote-Party-ID: <sip:300@\(host)>;party=calling",
                "Diversion: <sip:301@\(host)>;reason=unconditional",
                "Referred-By: sip:302@\(host)",
            ]))
        let invite = try told.alice.expect("INVITE")
        #expect(invite["From"] == "\"Carol\" <sip:300@example.com>;tag=as9")
        #expect(invite["To"] == "<sip:alice@example.com>")
        let identity = invite["P-Asserted-Identity"]
        #expect(identity == "\"Carol\" <sip:300@example.com>, <tel:+431>")
        #expect(invite["Remote-Party-ID"] == "<sip:300@example.com>;party=calling")
        #expect(invite["Diversion"] == "<sip:301@example.com>;reason=unconditional")
        #expect(invite["Referred-By"] == "sip:302@example.com")
    }

    @Test("a caller who is not named stays at anonymous.invalid, and the edge's own address stays")
    func kept() throws {
        let told = try Told()
        told.asterisk.send(
            wire([
                "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(told.asterisk.via)",
                "Max-Forwards: 70", "From: <sip:anonymous@anonymous.invalid>;tag=as9",
                "To: <sip:alice@203.0.113.5>", "Call-ID: c1", "CSeq: 102 INVITE",
                "Contact: <sip:300@10.0.0.10:5060>",
            ]))
        let invite = try told.alice.expect("INVITE")
        #expect(invite["From"] == "<sip:anonymous@anonymous.invalid>;tag=as9")
        #expect(invite["To"] == "<sip:alice@203.0.113.5>")
    }

    @Test(
        "a transfer to a foreign domain is passed on as it is, one to a host of the inside is not")
    func targets() throws {
        let told = try Told()
        for (target, expected) in [
            ("<sip:100@other.example>", "<sip:100@other.example>"),
            ("<sip:100@pbx.lan:5060>", "<sip:100@example.com>"),
            ("<sip:100@172.16.3.4>", "<sip:100@example.com>"),
        ] {
            told.asterisk.send(
                wire([
                    "REFER sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(told.asterisk.via)",
                    "Max-Forwards: 70", "From: <sip:300@10.0.0.10>;tag=as9",
                    "To: <sip:alice@10.0.0.1>", "Call-ID: \(target.utf8.count)\(expected)",
                    "CSeq: 102 REFER", "Contact: <sip:300@10.0.0.10:5060>", "Refer-To: \(target)",
                ]))
            #expect(try told.alice.expect("REFER")["Refer-To"] == expected)
        }
    }

    @Test("a call that is sent on to a host of the inside is sent on to the domain")
    func redirected() throws {
        let told = try Told()
        try told.alice.ask("INVITE", "sip:100@example.com")
        let invite = try told.asterisk.expect("INVITE")
        told.asterisk.answer(invite, 302, ["Contact: Transfer <sip:200@pbx.lan:5060>"])
        #expect(try told.alice.expect(302)["Contact"] == "Transfer <sip:200@example.com>")
    }

    @Test(
        "what an Asterisk is, no phone hears, in requests and in answers; Asterisk hears of phones")
    func product() throws {
        let told = try Told()
        told.asterisk.call("alice", ["User-Agent: Asterisk PBX 16.28.0"])
        #expect(try !told.alice.expect("INVITE").has("User-Agent"))
        try told.alice.ask("INVITE", "sip:100@example.com")
        let invite = try told.asterisk.expect("INVITE")
        #expect(invite["User-Agent"].hasPrefix("Phone T42"))
        for (status, name) in [(183, "Server"), (200, "User-Agent"), (200, "Server")] {
            told.asterisk.answer(invite, status, ["\(name): Asterisk PBX 16.28.0"])
            let answer = try told.alice.expect(status)
            #expect(!answer.has("Server") && !answer.has("User-Agent"))
        }
    }

    @Test(
        "an inside address leaves nowhere, whatever stands beside it",
        arguments: [
            ("as-10.0.0.10-17", "as-example.com-17"), ("ast10.0.0.10", "astexample.com"),
            ("a:10.0.0.10", "a:example.com"), ("x%4010.0.0.10:5060", "x%40example.com"),
            ("at 10.0.0.10.", "at example.com."), ("10.0.0.10_1", "example.com_1"),
            ("110.0.0.10", "110.0.0.10"), ("10.0.0.101", "10.0.0.101"),
            ("1.10.0.0.10", "1.10.0.0.10"), ("10.0.0.10.1", "10.0.0.10.1"),
        ])
    func beside(_ text: String, _ expected: String) throws {
        let told = try Told()
        #expect(try told.notify("application/xml", "<a>\(text)</a>").body == "<a>\(expected)</a>")
        // The check of everything that leaves takes a part of a number for an address.
        guard text != expected else { return }
        #expect(try told.notify("text/plain", "x", ["X-Id: \(text)"])["X-Id"] == expected)
    }

    // MARK: Call-IDs

    @Test(
        "a Call-ID of an Asterisk leaves without its host, and comes back whole",
        arguments: [
            "id@10.0.0.10", "id@10.0.0.10:5060", "id@@10.0.0.10", "id10.0.0.10", "id-10.0.0.10@x",
            "id@pbx.lan", "id@asterisk:5060", "id@x@10.0.0.10", "id[fd00::10]", "id@192.168.9.9",
            "id@pbx", "id@voip1", "id@",
        ])
    func callID(_ callID: String) throws {
        let told = try Told()
        told.asterisk.call("alice", callID: callID)
        let invite = try told.alice.expect("INVITE")
        let outside = invite["Call-ID"]
        #expect(outside.hasPrefix("id") && outside != callID)
        for part in ["pbx", "asterisk", "10.0.0", "192.168", "fd00"] {
            #expect(place(of: Array(part.utf8), in: Array(outside.utf8), from: 0) == nil)
        }
        told.alice.send(response(to: invite, 200, tag: "p1", ["Contact: <\(told.alice.contact)>"]))
        let answer = try told.asterisk.expect(200)
        #expect(answer["Call-ID"] == callID)
        var own = Dialog(called: invite, tag: "p1")
        told.alice.send(own.request("INFO", via: told.alice.via))
        #expect(try told.asterisk.expect("INFO")["Call-ID"] == callID)
        var other = Dialog(caller: Message(callOf(told, callID))!, answer)
        told.asterisk.send(other.request("BYE", via: told.asterisk.via))
        #expect(try told.alice.expect("BYE")["Call-ID"] == outside)
    }

    private func callOf(_ told: Told, _ callID: String) -> [UInt8] {
        wire([
            "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(told.asterisk.via)",
            "From: \"Carol\" <sip:300@10.0.0.10>;tag=as9", "To: <sip:alice@10.0.0.1:5060>",
            "Call-ID: \(callID)", "CSeq: 102 INVITE",
        ])
    }

    @Test(
        "a phone finds its own Call-ID, From and To again, whatever hosts it has written",
        arguments: ["call@10.0.0.10", "call@192.168.1.7", "call@phone.lan", "call10.0.0.10"])
    func ownCallID(_ callID: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        // The check of everything that leaves does not know whose address that is.
        let isInside = place(of: Array("10.0.0.".utf8), in: Array(callID.utf8), from: 0) != nil
        let written = isInside ? callID.replacing("10.0.0.10", with: "10.9.9.9") : callID
        let sent = try alice.ask("INVITE", "sip:100@example.com", callID: written)
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        let answer = try alice.expect(200)
        let own = Dialog(caller: sent, answer)
        var dialog = Dialog(called: invite, tag: "as1")
        asterisk.send(dialog.request("BYE", via: asterisk.via))
        let bye = try alice.expect("BYE")
        #expect(bye["Call-ID"] == written && bye["From"] == own.remote && bye["To"] == own.local)
    }

    @Test("a Call-ID that is an inside address and nothing else does not leave")
    func nameless() throws {
        let told = try Told()
        told.asterisk.call("alice", callID: "10.0.0.10")
        #expect(told.alice.next() == nil)
        #expect(try told.asterisk.expect(513).status == 513)
    }

    // MARK: Bodies

    @Test(
        "the account of waiting messages is one that the phone can call",
        arguments: [
            ("sip:asterisk@10.0.0.10", "asterisk"), ("sip:*97@10.0.0.10:5060", "*97"),
            ("sip:*97@pbx.lan", "*97"), ("sip:*97@example.com:5070", "*97"),
        ])
    func voiceMail(_ account: String, _ user: String) throws {
        let told = try Told()
        let notify = try told.notify(
            "application/simple-message-summary",
            "Messages-Waiting: no\r\nMessage-Account: \(account)\r\nVoice-Message: 0/0 (0/0)\r\n")
        let expected = "sip:\(user)@example.com"
        #expect(
            notify.body == "Messages-Waiting: no\r\nMessage-Account: \(expected)\r\n"
                + "Voice-Message: 0/0 (0/0)\r\n")
        try told.alice.ask("INVITE", expected)
        #expect(try told.asterisk.expect("INVITE").uri == "sip:\(user)@10.0.0.10:5060")
    }

    @Test(
        "a state names parties that the phone can call",
        arguments: [
            "application/dialog-info+xml", "application/pidf+xml", "application/xpidf+xml",
            "application/cpim-pidf+xml;charset=utf-8", "message/sipfrag;version=2.0",
        ])
    func states(_ type: String) throws {
        let told = try Told()
        let body = { (host: String) in
            "<dialog-info entity=\"sip:1002@\(host)\">\n<dialog id=\"1002\">\r\n<target uri='sip:\(host)'/>"
                + "<identity display=\"x\">sip:1002@\(host)</identity>\n"
                + "<presentity uri=\"sip:1002@\(host);method=SUBSCRIBE\" /><contact>sips:a&amp;b@\(host)</contact>"
                + "<presence entity=\"pres:1002@\(host)\"/>"
        }
        for host in ["10.0.0.10:5060", "pbx.lan", "example.com"] {
            let notify = try told.notify(type, body(host))
            #expect(notify.body == body("example.com"))
            #expect(notify["Content-Length"] == "\(body("example.com").utf8.count)")
        }
    }

    @Test("a body that is no state of anybody stays as it is")
    func otherBodies() throws {
        let told = try Told()
        let body = "call sip:100@pbx.lan or sip:100@10.0.0.10"
        #expect(try told.notify("text/plain", body).body == body)
    }

    @Test("a phone picks up a call by the Call-ID that it was told of")
    func pickup() throws {
        let told = try Told()
        let notify = try told.notify(
            "application/dialog-info+xml",
            "<dialog id=\"1\" call-id=\"abc@10.0.0.10:5060\" local-tag=\"a\" remote-tag=\"b\">")
        let callID = between(notify.body, "call-id=\"", "\"")
        #expect(callID.hasPrefix("abc@") && !callID.hasSuffix(":5060"))
        let replaces = "Replaces: \(callID);to-tag=b;from-tag=a"
        try told.alice.ask("INVITE", "sip:1002@example.com", [replaces])
        let invite = try told.asterisk.expect("INVITE")
        #expect(invite["Replaces"] == "abc@10.0.0.10:5060;to-tag=b;from-tag=a")
    }

    @Test(
        "a phone transfers to a call by the Call-ID that it knows, whatever host the Asterisk wrote",
        arguments: [
            ("id@10.0.0.10:5060", "id%4010.0.0.10%3A5060"), ("id@pbx.lan", "id%40pbx.lan"),
            ("id@pbx:5062", "id%40pbx%3A5062"), ("id10.0.0.10", "id10.0.0.10"),
        ])
    func attended(_ callID: String, _ expected: String) throws {
        let told = try Told()
        told.asterisk.call("alice", callID: callID)
        let invite = try told.alice.expect("INVITE")
        told.alice.send(response(to: invite, 200, tag: "p1", ["Contact: <\(told.alice.contact)>"]))
        let sent = try told.alice.ask("INVITE", "sip:100@example.com", callID: "own")
        told.asterisk.answer(try told.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try told.alice.expect(200))
        let outside = invite["Call-ID"].replacing("@", with: "%40")
        let tags = "%3Bto-tag%3Das9%3Bfrom-tag%3Dp1"
        try told.alice.refer(&dialog, "<\(invite.contactURI)?Replaces=\(outside)\(tags)>")
        let refer = try told.asterisk.expect("REFER")
        let replaces = between(refer["Refer-To"], "Replaces=", ">")
        #expect(replaces.lowercased() == (expected + tags).lowercased())
    }

    @Test(
        "what names a dialog has the Asterisk's Call-ID inside and the phone's outside",
        arguments: ["Replaces", "Join", "Target-Dialog"])
    func named(_ field: String) throws {
        let told = try Told()
        told.asterisk.call("alice", callID: "id@pbx.lan")
        let outside = try told.alice.expect("INVITE")["Call-ID"]
        try told.alice.ask(
            "INVITE", "sip:100@example.com", callID: "own",
            ["\(field): \(outside);to-tag=b;from-tag=a"])
        let invite = try told.asterisk.expect("INVITE")
        #expect(invite[field] == "id@pbx.lan;to-tag=b;from-tag=a")
        told.asterisk.call(
            "alice", callID: "other", ["\(field): id@10.0.0.10;to-tag=b;from-tag=a"])
        #expect(try !told.alice.expect("INVITE")[field].contains("10.0.0"))
    }

    @Test(
        "a trunk is called at its domain, when the Asterisk names a host of the inside",
        arguments: ["edge.lan:5071", "edge", "10.0.0.1:5071", "192.168.9.9"])
    func insideTarget(_ host: String) throws {
        let trunk = try TrunkEdge()
        try trunk.callOut("sip:+431@\(host)")
        #expect(try trunk.carrier.expect("INVITE").uri == "sip:+431@carrier.example")
        try trunk.callOut("tel:+431", callID: "out2")
        #expect(try trunk.carrier.expect("INVITE").uri == "tel:+431")
    }

    @Test("a list of states is read part by part, and nothing beside the hosts is changed")
    func list() throws {
        let told = try Told()
        let body = { (host: String) in
            "preamble sip:x@10.1.1.1\r\n--b1\r\nContent-Type: application/rlmi+xml\r\n\r\n"
                + "<list uri=\"sip:l@\(host)\" cid=\"1@\(host)\"/>\r\n--b1\r\nContent-ID: <1@\(host)>\r\n"
                + "content-type:\r\n application/pidf+xml\r\n\r\n<presence entity=\"sip:1@\(host)\"/>"
                + "\r\n--b1\r\n\r\nplain sip:x@pbx.lan\r\n--b1--\r\n"
        }
        let type = "multipart/related;type=\"application/rlmi+xml\";boundary=\"b1\""
        #expect(try told.notify(type, body("10.0.0.10:5060")).body == body("example.com"))
    }
}
