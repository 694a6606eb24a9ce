import Messages
import Proxy
import SIP
import Sys
import Testing

/// Calls for which an Asterisk wants the account's password.
@Suite struct AsteriskPasswordTests {
    private let challenge = "WWW-Authenticate: Digest algorithm=MD5, realm=\"pbx\", nonce=\"n2\""

    /// An edge, a phone of alice, an Asterisk, and the INVITE that reached it.
    private func call() throws -> (edge: Edge, alice: Phone, asterisk: Asterisk, invite: Message) {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        try alice.ask("INVITE", "sip:100@example.com", body: "v=0\r\n")
        return (edge, alice, asterisk, try asterisk.expect("INVITE"))
    }

    @Test(
        "an Asterisk with a realm of its own gets the digest of an account that was never asked for there"
    )
    func ownRealm() throws {
        let (edge, alice, asterisk, first) = try call()
        edge.isDirectorySilent = true
        asterisk.answer(first, 401, [challenge])
        _ = try asterisk.expect("ACK")
        #expect(asterisk.next() == nil)
        edge.directorySpeaks()
        let again = try asterisk.expect("INVITE")
        #expect(again.sequence == first.sequence + 1 && !again.has("Authorization"))
        asterisk.answer(again, 401, [challenge])
        _ = try asterisk.expect("ACK")
        let proven = try asterisk.expect("INVITE")
        #expect(edge.isProven(proven, "pbx") && proven.sequence == first.sequence + 2)
        asterisk.answer(proven, 200)
        #expect(try alice.expect(200).sequence == first.sequence)
        #expect(!edge.records.contains { $0.contains("credentials") })
    }

    @Test("a call whose digest directory does not tell is refused with 503 after a second")
    func inVain() throws {
        let (edge, alice, asterisk, first) = try call()
        edge.isDirectorySilent = true
        asterisk.answer(first, 401, [challenge])
        edge.advance(Milliseconds(900))
        #expect(alice.all().allSatisfy { $0.status == 100 })
        edge.advance(Milliseconds(200))
        #expect(try alice.expect(503).has("Retry-After"))
        _ = asterisk.all()
        edge.directorySpeaks()
        #expect(asterisk.next() == nil)
    }

    @Test("a caller may give up while directory is asked for the digest")
    func cancelled() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        let sent = try alice.ask("INVITE", "sip:100@example.com", body: "v=0\r\n")
        edge.isDirectorySilent = true
        asterisk.answer(try asterisk.expect("INVITE"), 401, [challenge])
        _ = try asterisk.expect("ACK")
        alice.cancel(sent)
        #expect(try alice.expect(487).sequenceMethod == "INVITE")
        edge.directorySpeaks()
        #expect(asterisk.next() == nil)
    }

    /// What the journal says of a call of alice that is challenged and then refused with these lines.
    private func records(_ edge: Edge, _ lines: [String] = []) throws -> [String] {
        let alice = Phone(edge, "alice")
        let asterisk = Asterisk(edge)
        edge.records = []
        try alice.ask("INVITE", "sip:100@example.com", body: "v=0\r\n")
        let own = challenge.replacing("pbx", with: Edge.realm)
        asterisk.answer(try asterisk.expect("INVITE"), 401, [own])
        asterisk.answer(try asterisk.expect("INVITE"), 403, lines)
        _ = try alice.expect(403)
        return edge.records.filter { $0.contains("refuses a call") }
    }

    @Test(
        "a call that Asterisk refuses after it was given the password is recorded once a minute, with what may help"
    )
    func refused() throws {
        let edge = Edge()
        let sentence =
            "Asterisk 10.0.0.10:5060 refuses a call of alice with 403, although it was given the password."
            + " In chan_sip its row must have type=friend, not peer. Was the password changed?"
            + " chan_sip reads it again after: asterisk -rx 'sip prune realtime peer alice'"
        #expect(try records(edge) == [sentence])
        #expect(try records(edge) == [])
        edge.advance(.seconds(59))
        #expect(try records(edge) == [])
        edge.advance(.seconds(61))
        #expect(try records(edge) == [sentence])
    }

    @Test(
        "a call that the dialplan refuses is no fault of the account",
        arguments: ["Reason: Q.850;cause=21", "X-Asterisk-HangupCause: Call Rejected"])
    func refusedByDialplan(_ line: String) throws {
        #expect(try records(Edge(), [line]) == [])
    }
}
