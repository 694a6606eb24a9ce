import Journal
import Messages
import Proxy
import Sys
import Testing

/// What happens when there is no room, and how much room there is.
@Suite("Room") struct RoomTests {
    /// The session description of a phone with ICE, of about so many bytes with a head of 1,000.
    private static func description(_ bytes: Int) -> String {
        let line = "a=candidate:1 1 UDP 2130706431 198.51.100.7 50000 typ host\r\n"
        return "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
            + "m=audio 10000 RTP/AVP 0\r\n"
            + String(repeating: line, count: max(bytes - 1000, 0) / line.utf8.count)
    }

    /// No limits for calls but those of the tables.
    private static let unlimited: [RouterSetting] = [.calls(.atOnce(0)), .calls(.perMinute(0))]

    /// A call that somebody makes.
    private struct Ringing {
        let caller: Phone
        let sent: Message
        let invite: Message
    }

    /// An edge with accounts whose phones speak by a transport.
    private struct Office {
        let edge: Edge
        let phones: [Phone]
        let asterisk: Asterisk
        var number = 0

        init(_ count: Int, _ transport: Transport) {
            edge = Edge(RoomTests.unlimited)
            for number in 0..<count { edge.passwords["user\(number)"] = "secret" }
            let edge = edge
            phones = (0..<count).map {
                Phone(
                    edge, "user\($0)", at: "198.51.100.\($0 + 1):5060", transport,
                    connection: transport == .udp ? 0 : UInt64($0 + 1))
            }
            asterisk = Asterisk(edge)
        }

        /// A call of a phone by an INVITE of about so many bytes; nil when it was refused.
        mutating func ring(_ phone: Phone, bytes: Int) throws -> Ringing? {
            number += 1
            let sent = try phone.ask(
                "INVITE", "sip:100@example.com", callID: "room\(number)",
                ["Content-Type: application/sdp"], body: RoomTests.description(bytes))
            let invite = asterisk.all().first { $0.method == "INVITE" }
            guard let invite else { return nil }
            asterisk.answer(invite, 180)
            _ = try phone.expect(180)
            return Ringing(caller: phone, sent: sent, invite: invite)
        }

        /// What was recorded of tables that are full.
        var shortages: [String] { edge.records.filter { $0.contains(" are taken") } }

        /// Whoever calls hangs up before anybody has answered.
        func cancel(_ call: Ringing) throws {
            call.caller.cancel(call.sent)
            let cancel = try asterisk.expect("CANCEL")
            asterisk.answer(cancel, 200)
            asterisk.answer(call.invite, 487)
            _ = try asterisk.expect("ACK")
            let answer = try call.caller.expect(487)
            call.caller.send(call.caller.acknowledgement(of: answer, call.sent.uri))
        }
    }

    @Test(
        "300 calls of phones with ICE ring at once, also right after a round of cancelled ones",
        arguments: [2404, 6000], [Transport.udp, .tcp])
    func ringing(_ bytes: Int, _ transport: Transport) throws {
        var office = Office(10, transport)
        for size in [1395, bytes, bytes] {
            var calls: [Ringing] = []
            for phone in office.phones {
                for _ in 0..<30 {
                    let call = try office.ring(phone, bytes: size)
                    calls.append(try #require(call))
                }
            }
            #expect(calls.count == 300)
            for call in calls { try office.cancel(call) }
            // So many requests a second are an account's.
            office.edge.advance(.seconds(2))
        }
        #expect(office.shortages.isEmpty)
    }

    @Test("a cancelled call gives its large blocks back at once: the next ones ring")
    func cancelled() throws {
        var office = Office(9, .tcp)
        for _ in 0..<3 {
            var calls: [Ringing] = []
            for phone in office.phones {
                for _ in 0..<28 {
                    let call = try office.ring(phone, bytes: 10_000)
                    calls.append(try #require(call))
                }
            }
            for call in calls { try office.cancel(call) }
        }
        #expect(office.shortages.isEmpty)
    }

    @Test("an INVITE for which no block is left gets 503 and Retry-After, and one record tells it")
    func blocks() throws {
        var office = Office(9, .tcp)
        var ringing = 0
        var refused = 0
        for phone in office.phones {
            for _ in 0..<30 {
                if try office.ring(phone, bytes: 10_000) != nil {
                    ringing += 1
                } else {
                    refused += 1
                    let answer = try phone.expect(503)
                    #expect(answer["Retry-After"] == "30")
                }
            }
        }
        #expect(ringing == 256 && refused == 14)
        office.edge.advance(.seconds(2))
        #expect(office.shortages.count == 1)
        let record = try #require(office.shortages.first)
        #expect(record.contains("all 512 places for messages of up to 65536 bytes are taken"))
        #expect(record.contains("14 found none"))
        // Small ones go on.
        let small = try office.ring(office.phones[8], bytes: 500)
        #expect(small != nil)
    }

    @Test("an account that has its part of the large blocks gets 503; others go on")
    func share() throws {
        var office = Office(2, .tcp)
        var ringing = 0
        for _ in 0..<40 where try office.ring(office.phones[0], bytes: 10_000) != nil {
            ringing += 1
        }
        #expect(ringing == 32)
        #expect(try office.phones[0].expect(503)["Retry-After"] == "30")
        let other = try office.ring(office.phones[1], bytes: 10_000)
        #expect(other != nil)
    }

    /// Calls of a phone by TCP that ring until its account has its part of the large blocks.
    private func fill(_ phone: Phone, _ asterisks: [Asterisk], calls: Int) throws {
        for number in 0..<calls {
            try phone.ask(
                "INVITE", "sip:100@example.com", callID: "full\(number)",
                ["Content-Type: application/sdp"], body: Self.description(10_000))
            for asterisk in asterisks {
                for invite in asterisk.all() where invite.method == "INVITE" {
                    asterisk.answer(invite, 180)
                }
            }
        }
        _ = phone.all()
    }

    @Test("a call for which the next Asterisk's branch finds no block gets 503, and is over")
    func silent() throws {
        let edge = Edge(Self.unlimited, asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice = Phone(edge, "alice", .tcp, connection: 9)
        let both = [Asterisk(edge), Asterisk(edge, at: "10.0.0.20:5060")]
        try alice.ask(
            "INVITE", "sip:100@example.com", callID: "silent",
            ["Content-Type: application/sdp"], body: Self.description(10_000))
        for asterisk in both { _ = asterisk.all() }
        try fill(alice, both, calls: 31)
        edge.advance(.seconds(4))
        let answer = try alice.expect(503)
        #expect(answer["Call-ID"] == "silent" && answer["Retry-After"] == "30")
        #expect(edge.router.load.calls == 31)
    }

    @Test(
        "a BYE for which there is no room ends no call, the next one does",
        arguments: [true, false])
    func hangUp(_ isFromPhone: Bool) throws {
        let edge = Edge(Self.unlimited)
        let ended = Written(.callEnded, of: edge)
        let alice = Phone(edge, "alice", .tcp, connection: 9)
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com", callID: "d")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        var phone = Dialog(caller: sent, try alice.expect(200))
        var inside = Dialog(called: invite, tag: "as1")
        alice.send(phone.request("ACK", via: alice.via))
        try fill(alice, [asterisk], calls: 32)
        let (sender, other) =
            isFromPhone ? (alice as Peer, asterisk as Peer) : (asterisk as Peer, alice as Peer)
        for length in [10_000, 0] {
            let body = String(repeating: "x", count: length)
            sender.send(
                isFromPhone
                    ? phone.request("BYE", via: sender.via, body: body)
                    : inside.request("BYE", via: sender.via, body: body))
            guard length > 0 else { break }
            _ = try sender.expect(503)
            #expect(edge.router.load.calls == 33 && ended.records.isEmpty && other.next() == nil)
        }
        other.send(response(to: try other.expect("BYE"), 200))
        _ = try sender.expect(200)
        #expect(edge.router.load.calls == 32)
        #expect(try ended.only()["REMPART_ENDED_BY"] == (isFromPhone ? "phone" : "asterisk"))
    }

    @Test("a phone for whose branch there is no block hides no other phone of the account")
    func fork() throws {
        let edge = Edge(Self.unlimited)
        let alice = Phone(edge, "alice", .tcp, connection: 9)
        let asterisk = Asterisk(edge)
        // What the first and the last get is longer than 8,192 bytes, whichever is called first.
        let long = String(repeating: "x", count: 1800)
        let phones = [7, 8, 9].map { Phone(edge, "alice", at: "198.51.100.\($0):40000") }
        for (number, parameter) in [long, "1", long].enumerated() {
            let contact = "<sip:alice@192.168.1.\(number);x=\(parameter)>"
            try phones[number].register(contacts: [contact])
        }
        try fill(alice, [asterisk], calls: 32)
        asterisk.call("alice", body: Self.description(7300))
        let invite = try phones[1].expect("INVITE")
        #expect(phones[0].all().isEmpty && phones[2].all().isEmpty)
        phones[1].send(
            response(to: invite, 200, tag: "p1", ["Contact: <\(phones[1].contact)>"]))
        #expect(asterisk.all().map(\.status) == [100, 200])
    }

    @Test(
        "a call for whose answer there is no block counts all the same, and ends when it was to",
        arguments: [true, false])
    func answer(_ isEnding: Bool) throws {
        let edge = Edge(Self.unlimited)
        let (began, ended) = (Written(.callBegan, of: edge), Written(.callEnded, of: edge))
        let phone = Phone(edge, "alice")
        try phone.register()
        let asterisk = Asterisk(edge)
        try fill(Phone(edge, "alice", .tcp, connection: 9), [asterisk], calls: 32)
        // What is kept of the call is longer than 8,192 bytes once it has the phone's Contact.
        let long = String(repeating: "x", count: 2900)
        let bytes = wire([
            "INVITE sip:alice@10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)", "Max-Forwards: 70",
            "From: \"\(long)\" <sip:300@10.0.0.10>;tag=as9",
            "To: \"\(long)\" <sip:alice@10.0.0.1:5060>", "Call-ID: big", "CSeq: 102 INVITE",
            "Contact: <sip:300@10.0.0.10:5060>",
        ])
        asterisk.send(bytes)
        let sent = try #require(Message(bytes))
        let invite = try phone.expect("INVITE")
        phone.send(response(to: invite, 180, tag: "p1"))
        if isEnding {
            _ = edge.router.endCalls("big", edge.now)
            edge.drain()
            _ = try phone.expect("CANCEL")
        }
        let contact = ["Contact: <sip:alice@192.168.1.7:5060;x=\(long)>"]
        phone.send(response(to: invite, 200, tag: "p1", contact))
        if isEnding {
            _ = try phone.expect("ACK")
            phone.send(response(to: try phone.expect("BYE"), 200))
            _ = try asterisk.expect(500)
            #expect(try ended.only()["REMPART_ENDED_BY"] == "administrator")
            #expect(began.records.isEmpty)
        } else {
            var dialog = Dialog(caller: sent, try asterisk.expect(200))
            asterisk.send(dialog.request("ACK", via: asterisk.via))
            #expect(try began.only()["REMPART_CALL_ID"] == "big")
            #expect(edge.router.load.calls == 33)
            // It can be ended from here; a BYE as long as its INVITE finds no room either.
            _ = edge.router.endCalls("big", edge.now)
            edge.drain()
            #expect(try ended.only()["REMPART_ENDED_BY"] == "administrator")
        }
        #expect(edge.router.load.calls == 32)
    }

    // MARK: Look-ups

    /// What bans nobody.
    private static let lenient: [RouterSetting] = [.mode(.observe)]

    /// A phone that has the challenge to its REGISTER, and the REGISTER that answers it.
    private func proof(_ phone: Phone, _ number: Int = 1) throws -> [UInt8] {
        let uri = "sip:example.com"
        let lines = ["Contact: <\(phone.contact)>"]
        let callID = "\(phone.callID)-\(number)"
        phone.send(phone.request("REGISTER", uri, callID: callID, sequence: 1, lines))
        let proof = phone.credentials(try phone.expect(401), "REGISTER", uri)
        return phone.request("REGISTER", uri, callID: callID, sequence: 2, lines + [proof])
    }

    @Test(
        "with no place left to wait for directory known and unknown names get the same 503; right ones pass"
    )
    func parked() throws {
        let edge = Edge(Self.lenient)
        for number in 0..<128 { edge.passwords["user\(number)"] = "secret" }
        let users = (0..<128).map { Phone(edge, "user\($0)", at: "198.51.100.\($0):4999") }
        for user in users { try user.register() }
        // What directory has said of them is old.
        edge.advance(.seconds(61))
        let alice = Phone(edge, "alice", at: "198.51.100.200:4999")
        try alice.register()
        edge.isDirectorySilent = true
        for user in users {
            for number in 0..<16 { edge.receive(try proof(user, number), user.flow) }
        }
        #expect(edge.router.load.parked == 2048)
        let guessers = ["ghost", "alice"].map {
            Phone(edge, $0, at: "203.0.113.99:5060", password: "wrong")
        }
        let guesses = try guessers.map { try proof($0) }
        for (phone, guess) in zip(guessers, guesses) {
            edge.router.receive(guess.span, phone.flow, edge.now)
        }
        edge.drain()
        edge.advance(Milliseconds(280))
        for phone in guessers { #expect(try phone.expect(503)["Retry-After"] == "30") }
        #expect(try alice.register().status == 200)
        edge.advance(.seconds(2))
        #expect(edge.records.count { $0.contains("requests that wait for directory") } == 1)
    }

    @Test("however many wrong passwords come at once, each gets its answer")
    func held() throws {
        let edge = Edge(Self.lenient)
        let alice = Phone(edge, "alice", at: "198.51.100.7:4999")
        try alice.register()
        let phone = Phone(edge, "alice", password: "wrong")
        let wrong = try proof(phone)
        let text = String(decoding: wrong, as: UTF8.self)
        _ = phone.all()
        for number in 2..<8202 {
            let count = String(number, radix: 16)
            let digits = String(repeating: "0", count: 8 - count.count) + count
            let again = text.replacing("nc=00000001", with: "nc=\(digits)")
                .replacing("branch=", with: "branch=z\(number)")
            edge.router.receive(Array(again.utf8).span, phone.flow, edge.now)
        }
        // What had no place left was answered at once.
        edge.drain()
        #expect(phone.all().count == 8)
        edge.advance(Milliseconds(400))
        #expect(phone.all().count == 8192)
        edge.advance(.seconds(2))
        let records = edge.records.filter { $0.contains("answers to wrong passwords") }
        #expect(records.count == 1)
        let end = "8 found none, as many of the oldest left before their time"
        #expect(records.first?.hasSuffix(end) == true)
    }

    @Test("messages that one turn has no place for are told as lost, not as refused")
    func outbox() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        for _ in 0..<4100 {
            let bytes = wire([
                "OPTIONS sip:10.0.0.1:5060 SIP/2.0", "Via: \(asterisk.via)", "Max-Forwards: 70",
                "From: <sip:300@10.0.0.10>;tag=as9", "To: <sip:10.0.0.1:5060>",
                "Call-ID: o@10.0.0.10", "CSeq: 102 OPTIONS",
            ])
            edge.router.receive(bytes.span, asterisk.flow, edge.now)
        }
        edge.drain()
        #expect(asterisk.all().count == 4096)
        edge.advance(.seconds(2))
        let records = edge.records.filter { $0.contains("messages of one turn") }
        #expect(records.count == 1)
        #expect(records.first?.hasSuffix("4 found none, as many were lost") == true)
    }
}
