import Journal
import Messages
import Proxy
import Sys
import Testing

@Suite("Records of refusals") struct RefusalRecordTests {
    private func options(_ phone: Phone, _ extra: [String] = []) -> [UInt8] {
        wire(
            [
                "OPTIONS sip:100@example.com SIP/2.0", "Via: \(phone.via)", "Max-Forwards: 70",
                "From: <sip:alice@example.com>;tag=1", "To: <sip:100@example.com>",
                "Call-ID: o", "CSeq: 1 OPTIONS",
            ] + extra)
    }

    @Test(
        "a datagram that cannot be read and gets no answer has no status, however long it is",
        arguments: [0, 300, 900])
    func unreadable(_ padding: Int) throws {
        let edge = Edge()
        let refused = Written(.refused, of: edge)
        let phone = Phone(edge, "alice")
        phone.send(Array("REGISTER sip:x\r\n\(String(repeating: "a", count: padding))".utf8))
        #expect(phone.next() == nil)
        #expect(try refused.only()["REMPART_STATUS"] == nil)
    }

    @Test("a scanner's record has what it calls itself, and no status: it gets no answer")
    func scanner() throws {
        let edge = Edge()
        let refused = Written(.refused, of: edge)
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060")
        phone.send(options(phone, ["User-Agent: friendly-scanner"]))
        #expect(phone.next() == nil)
        let record = try refused.only()
        #expect(record["REMPART_USER_AGENT"] == "friendly-scanner")
        #expect(record["REMPART_STATUS"] == nil)
    }

    @Test("an ACK that is refused, and what a profile leaves unanswered, has no status")
    func silent() throws {
        let network = try #require(Network("192.0.2.66/32"))
        let edge = Edge([.profile("dark", .network(network)), .profile("dark", .answer(.silence))])
        let refused = Written(.refused, of: edge)
        let dark = Phone(edge, "alice", at: "192.0.2.66:5060")
        dark.send(options(dark))
        let phone = Phone(edge, "alice")
        phone.send(phone.request("ACK", "sips:100@example.com", callID: "a", sequence: 1))
        #expect(dark.next() == nil && phone.next() == nil)
        #expect(refused.records.count == 2)
        #expect(refused.records.allSatisfy { $0["REMPART_STATUS"] == nil })
    }

    @Test("as many records have a status as answers were sent, when a source has had its answers")
    func overBudget() {
        let edge = Edge([.replies(1), .packets(2)])
        let refused = Written(.refused, of: edge)
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060")
        for number in 0..<40 {
            phone.send(
                phone.request("FOO", "sip:100@example.com", callID: "f\(number)", sequence: 1))
        }
        let answers = phone.all()
        #expect(refused.records.count == 40)
        #expect(refused.records.count { $0["REMPART_STATUS"] == "501" } == answers.count)
        #expect(!answers.isEmpty && answers.count < 40)
    }

    @Test("wrong passwords are told with the status that was sent; the one that bans has none")
    func banned() throws {
        let edge = Edge()
        let refused = Written(.refused, of: edge)
        let phone = Phone(edge, "alice", at: "192.0.2.66:5060", password: "wrong")
        var answered = 0
        for number in 0..<5 {
            try phone.ask("OPTIONS", "sip:100@example.com", callID: "w\(number)")
            answered += phone.all().count { $0.status == 407 }
        }
        #expect(!edge.banOrders.isEmpty)
        let wrong = refused.records.filter { $0["REMPART_REASON"] == "wrong-password" }
        #expect(wrong.count { $0["REMPART_STATUS"] == "407" } == answered)
        #expect(wrong.count == answered + 1)
    }

    @Test("while the database is down the phone gets 503, and the record says that it is down")
    func databaseDown() throws {
        let edge = Edge()
        let refused = Written(.refused, of: edge)
        let phone = Phone(edge, "alice")
        edge.isDirectorySilent = true
        try phone.ask("OPTIONS", "sip:100@example.com", callID: "d")
        for case .lookUp(let id, _, _, _) in edge.questions {
            edge.router.receive(.account(id: id, .unavailable, age: Milliseconds(0)), edge.now)
        }
        edge.drain()
        edge.advance(Milliseconds(300))
        _ = try phone.expect(503)
        let record = try refused.only()
        #expect(record["REMPART_REASON"] == "database-down")
        #expect(record["REMPART_STATUS"] == "503")
    }
}
