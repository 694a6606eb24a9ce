import Messages
import Proxy
import Sys
import Testing

/// Session descriptions on their way in: one way of reading them, or none.
@Suite struct SessionDescriptionTests {
    private static let sdp = "Content-Type: application/sdp"
    private static let good = "v=0\r\no=- 1 1 IN IP4 192.168.1.7\r\ns=-\r\nm=audio 9 RTP/AVP 0\r\n"

    @Test(
        "what can be read in one way reaches the Asterisk in canonical form",
        arguments: [
            good, good.replacing("\r\n", with: "\n"), String(good.dropLast()), good + "\r\n\n",
            good.replacing("s=-\r\n", with: ""),
            "v=0\no=- 1 1 IN IP4 192.168.1.7\ns=-\nm=audio 9 RTP/AVP 0",
        ])
    func taken(_ body: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:100@example.com", [Self.sdp], body: body)
        let invite = try Asterisk(edge).expect("INVITE")
        #expect(invite.body == Self.good && invite["Content-Type"] == "application/sdp")
    }

    @Test("nothing but the form is judged", arguments: ["a=\tx", "z=", "a=gr\u{FC}n", "q=1"])
    func content(_ line: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let body = Self.good + line + "\r\n"
        try alice.ask("INVITE", "sip:100@example.com", [Self.sdp], body: body)
        #expect(try Asterisk(edge).expect("INVITE").body == body)
    }

    private static let bad = [
        "v=0\r\n", "o=- 1 1 IN IP4 1.2.3.4\r\nv=0\r\ns=-\r\n",
        "v=0\r\ns=-\r\no=- 1 1 IN IP4 1.2.3.4\r\n",
        good + "A=x\r\n", good + "a x\r\n", good + "a\r\n", good + " a=x\r\n",
        good + "\r\na=x\r\n", good + "a=\u{0}\r\n", good + "a=\u{7F}\r\n", good + "a=x\ra=y\r\n",
        good + "a=x\r", "\r\n" + good, "text", "\r\n",
    ]

    @Test("what cannot is refused with 488, and Asterisk hears nothing of it", arguments: bad)
    func refused(_ body: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        for type in [
            "application/sdp", "Application/SDP;charset=utf-8", "application / sdp",
            "application\r\n /sdp",
        ] {
            try alice.ask(
                "INVITE", "sip:100@example.com", callID: "\(type.utf8.count)",
                ["Content-Type: \(type)"], body: body)
            #expect(try alice.expect(488)["Content-Length"] == "0")
        }
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("it is refused inside several bodies as well, whoever sends it")
    func multipart() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        let type = "Content-Type: multipart/mixed; boundary=b1"
        let whole = { (body: String) in
            "--b1\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\n\(body)\r\n--b1\r\n"
                + "Content-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n--b1--\r\n"
        }
        let lines = whole(Self.good.replacing("\r\n", with: "\n"))
        try alice.ask("INVITE", "sip:100@example.com", [type], body: lines)
        let expected = whole(Self.good).replacing("Content-Length: 4\r\n", with: "")
        #expect(try asterisk.expect("INVITE").body == expected)
        for (number, body) in Self.bad.enumerated() where !body.isEmpty {
            try alice.ask(
                "INVITE", "sip:100@example.com", callID: "m\(number)", [type], body: whole(body))
            _ = try alice.expect(488)
            asterisk.call("alice", callID: "o\(number)", [type], body: whole(body))
            _ = try asterisk.expect(488)
        }
        #expect(asterisk.next() == nil && alice.next() == nil)
    }

    private static let part = "Content-Type: application/sdp\r\n\r\nv=0\r\nx\r\n"

    @Test(
        "several bodies in which not everybody finds the same session description are refused",
        arguments: [
            ("", "--b1\r\n\(part)--b1--\r\n"), (";boundary=b2", "--b1\r\n\(part)--b1--\r\n"),
            (";boundary=b1;boundary=b2", "--b1\r\n\(part)--b1--\r\n"),
            (";boundary=\"b\\1\"", "--b\\1\r\n\(part)--b\\1--\r\n"),
            (";boundary=b1", "--b1\r\n\(part)"),
            (";boundary=b1", "--b1\r\nc: application/sdp\r\n\r\nv=0\r\nx\r\n--b1--\r\n"),
            (";boundary=b1", "--b1\r\n\(part.replacing("sdp", with: "sdp\rx"))--b1--\r\n"),
            (
                ";boundary=b1",
                "--b1\r\nContent-Type: application/sdp\r\nContent-Type: a/b\r\n\r\nv=0\r\n--b1--\r\n"
            ),
            (";boundary=b1", "--b1\r\n\(part.replacing("sdp", with: "sdpx"))--b1--\r\n"),
            // Who looks for the boundary within lines, or for the beginning of one, finds other parts.
            (";boundary=b1", "--b1\r\n\r\nx--b1\r\n\(part)--b1--\r\n"),
            (";boundary=b1", "--b1\r\n\r\n--b1x\r\n\(part)--b1--\r\n"),
            (";boundary=b1", "--b1\r\n\r\n--B1\r\n\(part)--b1--\r\n"),
            (";boundary=\"ab\r\n cd\"", "--ab\r\n cd\r\n\r\nx\r\n--ab\r\n cd--\r\n"),
            (";boundary=b1;x=\";boundary=b2\"", "--b1\r\n\r\nx\r\n--b1--\r\n"),
            (";boundary=b1", "--b1\r\n\r\n\(part)\r\n--b1--\r\n"),
            (";boundary=b1", "\(part)--b1\r\n\r\nx\r\n--b1--\r\n"),
            (";boundary=b1", "--b1\r\n\r\nx\r\n--b1--\r\n\(part)"),
            (";boundary=b1", "--b1\r\n \r\n\(part)--b1--\r\n"),
            (";boundary=b1", "--b1\r\n x: y\r\n\(part)--b1--\r\n"),
            (
                ";boundary=b1",
                "--b1\r\nContent-Type: multipart/mixed;boundary=\"c\r\n d\"\r\n\r\n--c\r\n d\r\n\r\nx\r\n--c\r\n d--\r\n--b1--\r\n"
            ),
            (";boundary=\(String(repeating: "b", count: 71))", "--b1\r\n\(part)--b1--\r\n"),
        ])
    func ambiguous(_ parameters: String, _ body: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let type = "Content-Type: multipart/mixed\(parameters)"
        try alice.ask("INVITE", "sip:100@example.com", [type], body: body)
        _ = try alice.expect(488)
        #expect(Asterisk(edge).next() == nil)
    }

    @Test("the boundary of several bodies ends their Content-Type, where every Asterisk finds it")
    func boundary() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let body = "--b1\r\nContent-Type: application/sdp\r\n\r\n\(Self.good)\r\n--b1--\r\n"
        for (written, seen) in [
            ("multipart/mixed ; boundary=b1; x=y", "multipart/mixed;x=y;boundary=b1"),
            (
                "multipart/related;start=\"<a>\";boundary=\"b1\"",
                "multipart/related;start=\"<a>\";boundary=\"b1\""
            ),
            ("Multipart/Mixed;boundary=b1", "Multipart/Mixed;boundary=b1"),
        ] {
            try alice.ask(
                "INVITE", "sip:100@example.com", callID: "\(seen.utf8.count)",
                ["Content-Type: \(written)"], body: body)
            let invite = try Asterisk(edge).expect("INVITE")
            #expect(invite["Content-Type"] == seen && invite.body == body)
        }
    }

    @Test("what an Asterisk writes that cannot be read is refused as well")
    func fromInside() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice", body: "v=0\r\nx\r\n")
        _ = try asterisk.expect(488)
        #expect(alice.next() == nil)
    }

    @Test("a provisional answer and a failure go on without it")
    func answers() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        for status in [183, 488] {
            asterisk.answer(
                invite, status, [Self.sdp, "Content-Disposition: session"], body: "v=0\r\n")
            let answer = try alice.expect(status)
            #expect(answer.body.isEmpty && !answer.has("Content-Type"))
            #expect(!answer.has("Content-Disposition") && answer["Content-Length"] == "0")
        }
    }

    @Test("a call that an Asterisk accepts with one is refused with 500, and ended there")
    func accepted() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200, [Self.sdp], body: "v=0\r\n")
        _ = try asterisk.expect("ACK")
        #expect(try asterisk.expect("BYE").toTag == "as1")
        _ = try alice.expect(500)
    }

    /// A phone accepts a call with a session description that does not go on.
    private func accept(_ body: String, _ transport: Transport = .udp) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", transport, connection: transport.isStream ? 9 : 0)
        try alice.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        let lines = ["Contact: <\(alice.contact)>", Self.sdp]
        alice.send(response(to: invite, 200, tag: "p1", lines, body: body))
        _ = try alice.expect("ACK")
        #expect(try alice.expect("BYE").toTag == "p1")
        _ = try asterisk.expect(500)
    }

    @Test("a phone that accepts a call with one has it ended, and the Asterisk hears 500")
    func acceptedOutside() throws { try accept("v=0\r\n") }

    @Test("an answer too long for its way on is a 500, and the phone's call is ended")
    func tooLong() throws {
        // Each line end becomes two bytes.
        try accept(Self.good + String(repeating: "a=\n", count: 16_500), .tcp)
    }

    @Test("an ACK and a PRACK go on without it", arguments: ["ACK", "PRACK"])
    func acknowledgements(_ method: String) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        let lines = [Self.sdp] + (method == "PRACK" ? ["RAck: 1 2 INVITE"] : [])
        alice.send(dialog.request(method, via: alice.via, lines, body: "v=0\r\nx\r\n"))
        let got = try asterisk.expect(method)
        #expect(got.body.isEmpty && !got.has("Content-Type"))
    }

    @Test("a BYE goes on without it, since its sender has hung up", arguments: [true, false])
    func end(_ isPhone: Bool) throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        if isPhone {
            var dialog = Dialog(caller: sent, try alice.expect(200))
            alice.send(dialog.request("BYE", via: alice.via, [Self.sdp], body: "v=0\r\nx\r\n"))
            #expect(try asterisk.expect("BYE").body.isEmpty)
        } else {
            var dialog = Dialog(called: invite, tag: "as1")
            asterisk.send(
                dialog.request("BYE", via: asterisk.via, [Self.sdp], body: "v=0\r\nx\r\n"))
            #expect(try alice.expect("BYE").body.isEmpty)
        }
        #expect(edge.router.load.calls == 0)
    }

    @Test("a re-INVITE with one that cannot be read is refused, and the call goes on")
    func inDialog() throws {
        let stage = try Stage()
        let (alice, asterisk) = (stage.alice, stage.asterisk)
        var dialog = try stage.connect("sip:100@example.com", "c")
        let contact = "Contact: <\(alice.contact)>"
        alice.send(dialog.request("INVITE", via: alice.via, [Self.sdp, contact], body: "v=0\r\n"))
        _ = try alice.expect(488)
        alice.send(dialog.request("BYE", via: alice.via))
        _ = try asterisk.expect("BYE")
    }
}

/// Session descriptions on their way out.
@Suite struct LeavingSessionTests {
    private func call(_ body: String, _ type: String = "application/sdp") throws -> (Edge, Message)
    {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.ask("INVITE", "sip:100@example.com")
        let asterisk = Asterisk(edge)
        asterisk.answer(
            try asterisk.expect("INVITE"), 200, ["Content-Type: \(type)"], body: body)
        return (edge, try alice.expect(200))
    }

    @Test(
        "origin and name of a session say nothing of the inside",
        arguments: ["application/sdp", "application/sdp;charset=utf-8", "APPLICATION/SDP ; x=y"])
    func session(_ type: String) throws {
        for host in ["10.0.0.10", "192.168.9.9", "pbx.lan", "198.51.100.40", "pbx.lan "] {
            let (_, answer) = try call(
                "v=0\r\no=root 18 18 IN IP4 \(host)\r\ns=Asterisk PBX 16.28.0\r\n"
                    + "i=on 10.0.0.10\r\nc=IN IP4 198.51.100.40\r\nt=0 0\r\na=x:10.0.0.10 9\r\n",
                type)
            #expect(
                answer.body
                    == "v=0\r\no=root 18 18 IN IP4 example.com\r\ns=-\r\ni=on example.com\r\n"
                    + "c=IN IP4 198.51.100.40\r\nt=0 0\r\na=x:example.com 9\r\n")
        }
    }

    private static let lines = [
        "c=IN IP4 10.0.0.10", "c=IN IP4 10.0.0.10/127", "a=rtcp:9 IN IP4 10.0.0.10",
        "a=candidate:1 1 UDP 2130706431 10.0.0.10 9 typ host",
        "a=candidate:1 1 UDP 16 198.51.100.40 9 typ srflx raddr 10.0.0.10 rport 9",
        "a=remote-candidates:1 10.0.0.10 9",
    ]

    @Test("where media goes stays as it is, and an inside address there is told", arguments: lines)
    func media(_ line: String) throws {
        let start = "v=0\r\no=- 1 1 IN IP4 example.com\r\ns=-\r\n"
        let (edge, answer) = try call(start + line + "\r\n")
        #expect(answer.body == start + line + "\r\n")
        let record = try #require(edge.records.last)
        #expect(record.hasPrefix("Asterisk 10.0.0.10:5060 tells phones to send media to an inside"))
        #expect(edge.router.insideMediaRows().contains(.finding(name: "warning", value: record)))
    }

    @Test("it is recorded once an hour, and told until an hour has passed without")
    func hourly() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let body = "v=0\r\no=- 1 1 IN IP4 10.0.0.10\r\nc=IN IP4 10.0.0.10\r\n"
        var counts: [Int] = []
        for (number, minutes) in [0, 30, 40, 61].enumerated() {
            edge.leap(.seconds(Int64(minutes) * 60), steps: 4000)
            counts.append(edge.router.insideMediaRows().count)
            edge.records = []
            try alice.ask(
                "INVITE", "sip:100@example.com", callID: "h\(number)")
            let invite = try asterisk.expect("INVITE")
            asterisk.answer(invite, 183, ["Content-Type: application/sdp"], body: body)
            asterisk.answer(invite, 486)
            counts.append(edge.records.count)
        }
        // Warnings before the call, records of it.
        #expect(counts == [0, 1, 1, 0, 1, 1, 0, 1])
    }

    @Test("it is also told of an Asterisk that calls from another port")
    func otherPort() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        let body = "v=0\r\no=- 1 1 IN IP4 10.0.0.10\r\nc=IN IP4 10.0.0.10\r\n"
        Asterisk(edge, at: "10.0.0.10:5062").call("alice", body: body)
        _ = try alice.expect("INVITE")
        #expect(edge.records.last?.hasPrefix("Asterisk 10.0.0.10:5060 tells phones") == true)
        #expect(edge.router.insideMediaRows().count == 1)
    }

    @Test("the media of a good answer is told to nobody")
    func good() throws {
        let (edge, _) = try call("v=0\r\no=- 1 1 IN IP4 10.0.0.10\r\nc=IN IP4 198.51.100.40\r\n")
        #expect(edge.records.allSatisfy { !$0.contains("tells phones") })
        #expect(edge.router.insideMediaRows().isEmpty)
    }
}
