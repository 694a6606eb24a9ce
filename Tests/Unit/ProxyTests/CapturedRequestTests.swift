import Digest
import Messages
import Proxy
import Sys
import Testing

/// What somebody can do with a request that he has seen on its way.
@Suite("Captured requests") struct CapturedRequestTests {
    /// What a copy is changed in; none of it is covered by a digest.
    static let changes: [(String, String, String)] = [
        ("the Request-URI", " sip:100@example.com SIP", " sip:600@example.com SIP"),
        ("the sent-by", "192.168.1.7:5060;branch", "192.168.1.7:5999;branch"),
        ("the branch", ";branch=z9hG4bK", ";branch=z9hG4bKx"),
        ("From's tag", ";tag=alice1", ";tag=other"),
        ("the Call-ID", "Call-ID: ", "Call-ID: x"),
        ("the Contact", "<sip:alice@192.168.1.7:5060>", "<sip:alice@192.168.1.66:5060>"),
        ("another header", "Subject: mine", "Subject: his!"),
        ("the body", "c=IN IP4 192.168.1.7", "c=IN IP4 192.168.1.9"),
    ]

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// A request of a phone as it was sent with its credentials, and the end of its transaction.
    private func captured(_ phone: Phone, _ method: String) throws -> [UInt8] {
        let uri = "sip:100@example.com"
        let lines =
            ["Subject: mine"] + (method == "REFER" ? ["Refer-To: <sip:101@example.com>"] : [])
        let contact = ["Contact: <\(phone.contact)>"]
        let body = "v=0\r\nc=IN IP4 192.168.1.7\r\n"
        phone.send(
            phone.request(
                method, uri, callID: "seen", sequence: 1, lines + contact, body: body))
        let challenge = try phone.expect(407)
        if method == "INVITE" { phone.send(phone.acknowledgement(of: challenge, uri)) }
        let sent = phone.request(
            method, uri, callID: "seen", sequence: 2,
            lines + contact + [phone.credentials(challenge, method, uri)], body: body)
        phone.send(sent)
        return sent
    }

    /// Asterisk refuses what has come to it, and the transactions end.
    private func end(_ edge: Edge, _ asterisk: Asterisk, _ phone: Phone, _ method: String) throws {
        let request = try asterisk.expect(method)
        asterisk.answer(request, 480)
        let answer = try phone.expect(480)
        if method == "INVITE" {
            phone.send(phone.acknowledgement(of: answer, "sip:100@example.com"))
        }
        edge.advance(.seconds(40))
        _ = asterisk.all()
        _ = phone.all()
    }

    @Test(
        "a changed copy is challenged as stale, and reaches nobody",
        arguments: ["INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"], changes)
    func changed(_ method: String, _ change: (name: String, old: String, new: String)) throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let phone = Phone(edge, "alice")
        let sent = text(try captured(phone, method))
        let copy = sent.replacingOccurrences(change.old, change.new)
        #expect(copy != sent)
        try end(edge, asterisk, phone, method)
        // From the phone's own port, where the copy is forged, and from another one behind its address.
        for port in [40_000, 41_000] {
            let other = Phone(edge, "alice", at: "198.51.100.7:\(port)")
            other.send(Array(copy.utf8))
            let answer = try #require(other.next())
            #expect([400, 407].contains(answer.status), "\(change.name)")
            #expect(answer.status == 400 || answer["Proxy-Authenticate"].contains("stale=true"))
        }
        #expect(asterisk.next() == nil)
    }

    @Test(
        "while its transaction stands a copy is absorbed, from whatever port",
        arguments: ["INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"])
    func absorbed(_ method: String) throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let phone = Phone(edge, "alice")
        let sent = try captured(phone, method)
        _ = try asterisk.expect(method)
        for port in [40_000, 41_000] {
            let other = Phone(edge, "alice", at: "198.51.100.7:\(port)")
            other.send(sent)
            // What an attacker's port asks goes to the phone's.
            if port != 40_000 { #expect(other.next() == nil) }
        }
        #expect(asterisk.next() == nil)
    }

    @Test(
        "the very copy of a request whose transaction is over is challenged",
        arguments: ["INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"])
    func over(_ method: String) throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let phone = Phone(edge, "alice")
        let sent = try captured(phone, method)
        try end(edge, asterisk, phone, method)
        phone.send(sent)
        #expect(try phone.expect(407)["Proxy-Authenticate"].contains("stale=true"))
        #expect(asterisk.next() == nil)
    }

    /// A REGISTER with its credentials, as it was sent.
    private func registered(_ phone: Phone, _ extra: [String] = []) throws -> [UInt8] {
        let uri = "sip:example.com"
        let lines = ["Contact: <\(phone.contact)>", "Expires: 3600"] + extra
        phone.send(phone.request("REGISTER", uri, callID: "r", sequence: 1, lines))
        let challenge = try phone.expect(401)
        let sent = phone.request(
            "REGISTER", uri, callID: "r", sequence: 2,
            lines + [phone.credentials(challenge, "REGISTER", uri)])
        phone.send(sent)
        return sent
    }

    @Test("a REGISTER whose answer was lost is answered again, and changes nothing")
    func lostAnswer() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let sent = try registered(phone)
        _ = try phone.expect(200)
        for _ in 0..<5 {
            edge.advance(.seconds(5))
            phone.send(sent)
            let left = try #require(try phone.expect(200)["Contact"].expires)
            #expect(left <= 3600)
        }
        #expect(edge.router.phoneCount == 1)
        edge.advance(.seconds(8))
        phone.send(sent)
        #expect(try phone.expect(401)["WWW-Authenticate"].contains("stale=true"))
    }

    @Test("a copy of a REGISTER brings no ended binding back, from whatever port")
    func endedBinding() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let sent = try registered(phone)
        _ = try phone.expect(200)
        phone.callID = "r"
        phone.sequence = 10
        #expect(try phone.register(expires: 0, contacts: ["*"]).status == 200)
        #expect(edge.router.phoneCount == 0)
        let other = Phone(edge, "alice", at: "198.51.100.7:41000")
        other.send(sent)
        let answer = try other.expect(200)
        #expect(!answer.has("Contact") && edge.router.phoneCount == 0)
    }

    @Test(
        "a changed copy of a REGISTER changes no binding",
        arguments: [
            ("Contact: <sip:alice@192.168.1.7:5060>", "Contact: <sip:alice@192.168.1.66:5060>"),
            ("Contact: <sip:alice@192.168.1.7:5060>\r\nExpires: 3600", "Contact: *\r\nExpires: 0"),
            ("Expires: 3600", "Expires: 0"), ("To: <sip:alice", "To: <sip:bob"),
            ("CSeq: 2", "CSeq: 3"),
        ])
    func changedRegister(_ old: String, _ new: String) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let sent = text(try registered(phone))
        _ = try phone.expect(200)
        let copy = sent.replacingOccurrences(old, new)
        #expect(copy != sent)
        for port in [40_000, 41_000] {
            let other = Phone(edge, "alice", at: "198.51.100.7:\(port)")
            other.send(Array(copy.utf8))
            #expect(try other.expect(401)["WWW-Authenticate"].contains("stale=true"))
        }
        #expect(edge.router.phoneCount == 1 && edge.kept.count == 1)
    }

    @Test(
        "a stream repeats nothing: every repetition is challenged",
        arguments: [Transport.tcp, .tls])
    func stream(_ transport: Transport) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", transport, connection: 7)
        let sent = try registered(phone)
        _ = try phone.expect(200)
        phone.send(sent)
        #expect(try phone.expect(401)["WWW-Authenticate"].contains("stale=true"))
    }

    @Test("copies are no evidence: a thousand wrong answers that were seen once count as one")
    func evidence() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", password: "wrong")
        let sent = try registered(phone)
        _ = try phone.expect(401)
        for number in 0..<1000 {
            let other = Phone(edge, "alice", at: "198.51.100.7:\(40_000 + number % 500)")
            other.send(number % 2 == 0 ? sent : Array((text(sent) + "\r\n").utf8))
            edge.advance(Milliseconds(20))
        }
        #expect(edge.banOrders.isEmpty)
        _ = phone.all()
        phone.password = "wonder"
        #expect(try phone.register().status == 200)
    }

    @Test("a copy that waits for directory beside its original changes nothing either")
    func waiting() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        edge.isDirectorySilent = true
        let sent = try registered(phone)
        let other = Phone(edge, "alice", at: "198.51.100.7:41000")
        other.send(sent)
        edge.directorySpeaks()
        #expect(try phone.expect(200).has("Contact"))
        #expect(edge.kept.values.map(\.address) == [phone.flow.peer])
        #expect(other.next()?.status == 200)
    }

    @Test("credentials of before a restart are asked for again")
    func restart() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let sent = try registered(phone)
        _ = try phone.expect(200)
        edge.advance(.seconds(1))
        edge.restart()
        phone.send(sent)
        #expect(try phone.expect(401)["WWW-Authenticate"].contains("stale=true"))
    }

    @Test(
        "a clock that is set, back or on, makes no answer stale and none good again",
        arguments: [-3600, 3600] as [Int64])
    func clock(_ seconds: Int64) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let sent = try registered(phone)
        _ = try phone.expect(200)
        edge.now.sinceEpoch = edge.now.sinceEpoch + .seconds(seconds)
        #expect(try phone.register().status == 200)
        edge.advance(.seconds(40))
        phone.send(sent)
        #expect(try phone.expect(401)["WWW-Authenticate"].contains("stale=true"))
    }

    @Test("copies of a wrong REGISTER get as many answers as whatever else proves nothing")
    func copiesOfWrong() throws {
        let edge = Edge([.replies(10)])
        let phone = Phone(edge, "alice", password: "wrong")
        let sent = try registered(phone)
        _ = try phone.expect(401)
        for _ in 0..<2000 {
            edge.router.receive(sent.span, phone.flow, edge.now)
            edge.drain()
        }
        edge.advance(Milliseconds(300))
        // Short ones, 400 a second and twice as many at once.
        #expect(phone.all().count == 800)
    }

    // MARK: The digest's uri

    private func answer(_ phone: Phone, _ uri: String, digest: String, _ method: String) throws
        -> Int
    {
        phone.send(phone.request(method, uri, callID: "u", sequence: 1, to: "sip:100@example.com"))
        let challenge = try #require(phone.next())
        phone.send(
            phone.request(
                method, uri, callID: "u", sequence: 2, to: "sip:100@example.com",
                [phone.credentials(challenge, method, digest)]))
        return phone.next()?.status ?? 0
    }

    @Test(
        "credentials for another URI get 400 before an account is looked up",
        arguments: [
            ("sip:100@example.com", "sip:101@example.com"),
            ("sip:100@example.com", "sip:example.com"),
            ("sip:100@example.com", "sip:100@example.org"), ("sip:100@example.com", "x"),
            ("sip:100@example.com", "sip:%31%30%31@example.com"),
            ("sip:100@example.com", "sip:100@10.0.0.10"),
            ("sip:a@example.com", "sip:A@example.com"),
            ("tel:+431234", "tel:+431235"), ("tel:+431234", "sip:+431234@example.com"),
        ])
    func otherURI(_ uri: String, _ digest: String) throws {
        let edge = Edge()
        edge.isDirectorySilent = true
        let phone = Phone(edge, "alice")
        #expect(try answer(phone, uri, digest: digest, "MESSAGE") == 400)
        #expect(edge.questions.isEmpty)
        #expect(edge.router.explain("u").map { "\($0)" }.joined().contains("digest-uri, 400"))
    }

    @Test(
        "credentials for the same URI written otherwise are good",
        arguments: [
            ("sip:100@example.com", "sip:100@example.com:5060;transport=udp"),
            ("sip:100@example.com;transport=udp", "sip:100@EXAMPLE.com"),
            ("sip:100@example.com", "sip:%31%30%30@example.com"),
            ("sip:%2a100@example.com", "sip:*100@example.com"),
            ("sip:100;phone-context=national@example.com", "sip:100@example.com"),
            ("sip:100@example.com", "sip:100@203.0.113.5"),
            ("sip:100@example.com", "sips:100@example.com"),
            ("tel:+43-1234", "tel:+431(234)"), ("tel:%2B431234", "tel:+431234"),
        ])
    func sameURI(_ uri: String, _ digest: String) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        _ = try answer(phone, uri, digest: digest, "MESSAGE")
        #expect(try Asterisk(edge).expect("MESSAGE").has("From"))
    }

    @Test(
        "a REGISTER is compared by the host alone",
        arguments: [
            ("sip:example.com", 200), ("sip:alice@example.com", 200), ("sip:203.0.113.5", 200),
            ("sip:example.org", 400), ("sip:10.0.0.1", 400),
        ])
    func register(_ digest: String, _ status: Int) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        let lines = ["Contact: <\(phone.contact)>"]
        phone.send(phone.request("REGISTER", "sip:example.com", callID: "u", sequence: 1, lines))
        let challenge = try phone.expect(401)
        phone.send(
            phone.request(
                "REGISTER", "sip:example.com", callID: "u", sequence: 2,
                lines + [phone.credentials(challenge, "REGISTER", digest)]))
        #expect(phone.next()?.status == status)
    }

    @Test("wrong URIs count as malformed messages, by a connection")
    func malformed() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", .tcp, connection: 5)
        for _ in 0..<15 {
            _ = try answer(phone, "sip:100@example.com", digest: "sip:101@example.com", "MESSAGE")
        }
        #expect(edge.banOrders.map(\.reason) == ["malformed"])
    }
}

extension String {
    /// The text with another one in place of the first such part.
    fileprivate func replacingOccurrences(_ old: String, _ new: String) -> String {
        replacing(old, with: new, maxReplacements: 1)
    }

    /// The seconds that its parameter `expires` says.
    fileprivate var expires: Int? { split(separator: "expires=").last.flatMap { Int($0) } }
}
