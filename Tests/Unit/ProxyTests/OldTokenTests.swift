import Digest
import Messages
import Proxy
import SIP
import SIPWriting
import Sys
import Testing

/// Seals tokens as they were before they were bound to dialogs.
private struct OldTokens {
    private static let key = Array(Edge.secret.prefix(32))

    private static func bytes(_ address: SocketAddress) -> [UInt8] {
        let family: [UInt8] = address.ip.isV4 ? [4] : [6]
        let ip = (address.ip.isV4 ? 12..<16 : 0..<16).map { address.ip.byte($0) }
        return family + ip + [UInt8(address.port >> 8), UInt8(address.port & 0xFF)]
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private static func sealed(_ plaintext: [UInt8]) -> String {
        var seal = TokenSeal(key: key)
        var buffer = ByteBuffer(capacity: 512)
        seal.seal(plaintext.span, into: &buffer)
        return buffer.span.text
    }

    /// The way to an Asterisk for the phone of an account at an address.
    static func toAsterisk(
        _ asterisk: String, account: String, at source: IPAddress, user: String
    ) -> String {
        var tokens = Tokens(key: key)
        let name = tokens.mark(Array(account.utf8).span)
        let place = tokens.mark(source)
        return sealed(
            [1] + bytes(address(asterisk)) + [0, 0] + bytes(name) + bytes(place)
                + Array(user.utf8))
    }

    /// The way to a phone of an account.
    static func toPhone(_ flow: Flow, account: String) -> String {
        sealed(
            [2, flow.transport.rawValue, flow.listener] + bytes(flow.peer) + Array(account.utf8))
    }
}

/// A call of alice's whose tokens are old ones, as both sides know it.
private struct OldCall {
    let edge = Edge()
    let alice: Phone
    let asterisk: Asterisk
    var phone: Dialog
    var inside: Dialog

    /// The upgrade was so many seconds ago; the call may be one that sip-router still knows.
    init(upgraded seconds: Int64?, isKnown: Bool = false) throws {
        alice = Phone(edge, "alice")
        asterisk = Asterisk(edge)
        if let seconds { edge.boundSince = edge.now.sinceEpoch - .seconds(seconds) }
        if isKnown { edge.restart() }
        try alice.register()
        let sent = try alice.ask("INVITE", "sip:100@example.com", callID: "d")
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        phone = Dialog(caller: sent, try alice.expect(200))
        inside = Dialog(called: invite, tag: "as1")
        alice.send(phone.request("ACK", via: alice.via))
        _ = try asterisk.expect("ACK")
        if !isKnown { edge.restart() }
        let token = OldTokens.toAsterisk(
            "10.0.0.10:5060", account: "alice", at: alice.flow.peer.ip, user: "100")
        phone.target = "sip:\(token)@203.0.113.5:5060"
        let route = OldTokens.toPhone(alice.flow, account: "alice")
        inside.route = ["<sip:\(route)@10.0.0.1:5060;lr>"]
    }

    /// alice asks something; what came to the Asterisk, and what she was told.
    func ask(_ method: String, body: String = "") -> (heard: [Message], told: [Int]) {
        var dialog = phone
        dialog.sequence += 1
        let lines = ["Contact: <\(alice.contact)>"]
        alice.send(dialog.request(method, via: alice.via, lines, body: body))
        return (asterisk.all(), alice.all().map(\.status).filter { $0 > 100 })
    }
}

@Suite("Tokens of before they were bound to dialogs") struct OldTokenTests {
    private static let fourHours: Int64 = 4 * 3600

    @Test(
        "for four hours an old token ends a call or refreshes it without a new session description",
        arguments: ["BYE", "ACK", "INVITE", "UPDATE"], [-100, 0, 4 * 3600 - 1] as [Int64])
    func taken(_ method: String, _ seconds: Int64) throws {
        for isKnown in [false, true] {
            let call = try OldCall(upgraded: seconds, isKnown: isKnown)
            let (heard, told) = call.ask(method)
            #expect(heard.map(\.method) == [method] && told.isEmpty)
            #expect(heard.first?.uri == call.asterisk.contact)
        }
    }

    @Test(
        "it brings no new session description, and serves no other method", arguments: dialogMethods
    )
    func refused(_ method: String) throws {
        let call = try OldCall(upgraded: 60)
        let (heard, told) = call.ask(method, body: "v=0\r\n")
        #expect(heard.isEmpty && told == (method == "ACK" ? [] : [481]))
        let said = call.edge.router.explain("d").map { "\($0)" }.joined()
        #expect(said.contains(method == "ACK" ? "old-token, no answer" : "old-token, 481"))
        guard !["BYE", "ACK", "INVITE", "UPDATE"].contains(method) else { return }
        let bare = call.ask(method)
        #expect(bare.heard.isEmpty && bare.told == [481])
    }

    @Test("after four hours an old token leads nowhere", arguments: dialogMethods)
    func over(_ method: String) throws {
        for isKnown in [false, true] {
            let call = try OldCall(upgraded: Self.fourHours + 1, isKnown: isKnown)
            let (heard, told) = call.ask(method)
            #expect(heard.isEmpty && told == (method == "ACK" ? [] : [481]))
        }
    }

    @Test("where no token was ever sealed in the old way, one that is says nothing")
    func never() throws {
        let call = try OldCall(upgraded: nil)
        for method in ["BYE", "INVITE"] {
            let (heard, told) = call.ask(method)
            #expect(heard.isEmpty && told == [481])
        }
        let said = call.edge.router.explain("d").map { "\($0)" }.joined()
        #expect(said.contains("foreign-token"))
    }

    @Test("what answers a refresh brings new tokens, with which the call goes on as any other")
    func renewed() throws {
        var call = try OldCall(upgraded: 60)
        let contact = ["Contact: <\(call.alice.contact)>"]
        call.alice.send(call.phone.request("INVITE", via: call.alice.via, contact))
        call.asterisk.answer(try call.asterisk.expect("INVITE"), 200)
        let answer = try call.alice.expect(200)
        #expect(answer.contactURI != call.phone.target)
        call.phone.target = answer.contactURI
        call.edge.leap(.seconds(Self.fourHours))
        let (heard, told) = call.ask("INVITE", body: "v=0\r\n")
        #expect(heard.map(\.method) == ["INVITE"] && told.isEmpty)
    }

    @Test(
        "an Asterisk's old Route serves for every method, for four hours", arguments: dialogMethods)
    func inside(_ method: String) throws {
        for (seconds, isTaken) in [(Self.fourHours - 1, true), (Self.fourHours + 1, false)] {
            var call = try OldCall(upgraded: seconds)
            call.inside.target = "sip:nobody@192.168.1.7:5060"
            let lines = ["Contact: <\(call.asterisk.contact)>"]
            call.asterisk.send(
                call.inside.request(method, via: call.asterisk.via, lines, body: "v=0\r\n"))
            let heard = call.alice.all()
            #expect(heard.map(\.method) == (isTaken ? [method] : []))
            guard isTaken, method == "INVITE" else { continue }
            // The phone goes on by the new token that it has got.
            call.phone.target = try #require(heard.first).contactURI
            #expect(call.ask("INFO").heard.last?.method == "INFO")
        }
    }

    @Test("another's old token does nothing in a call that is known")
    func anothers() throws {
        var call = try OldCall(upgraded: 60, isKnown: true)
        let bob = Phone(call.edge, "bob", at: "198.51.100.8:40000")
        try bob.register()
        let token = OldTokens.toAsterisk(
            "10.0.0.10:5060", account: "bob", at: bob.flow.peer.ip, user: "100")
        call.phone.target = "sip:\(token)@203.0.113.5:5060"
        for from in [call.phone.local, "<sip:bob@example.com>;tag=alice1"] {
            call.phone.local = from
            bob.send(call.phone.request("BYE", via: bob.via))
            #expect(bob.all().map(\.status) == [403] && call.asterisk.next() == nil)
        }
    }

    @Test("from another address than the phone's an old token needs the password")
    func elsewhere() throws {
        var call = try OldCall(upgraded: 60)
        let thief = Phone(call.edge, "alice", at: "192.0.2.66:5060")
        thief.send(call.phone.request("BYE", via: thief.via))
        let challenge = try thief.expect(407)
        thief.send(call.phone.request("ACK", via: thief.via))
        #expect(call.asterisk.next() == nil)
        let proof = thief.credentials(challenge, "BYE", call.phone.target)
        thief.send(call.phone.request("BYE", via: thief.via, [proof]))
        _ = try call.asterisk.expect("BYE")
    }

    @Test("a trunk's dialogs and what an Asterisk has registered there go on for four hours")
    func trunk() throws {
        for (seconds, isTaken) in [(Self.fourHours - 1, true), (Self.fourHours + 1, false)] {
            let trunk = try TrunkEdge()
            let sent = trunk.carrier.call()
            trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
            var dialog = Dialog(caller: sent, try trunk.carrier.expect(200))
            trunk.edge.boundSince = trunk.edge.now.sinceEpoch - .seconds(seconds)
            trunk.edge.restart()
            let token = OldTokens.toAsterisk(
                "10.0.0.10:5060", account: "trunk:telco", at: trunk.carrier.flow.peer.ip,
                user: "s")
            dialog.target = "sip:\(token)@203.0.113.5:5060"
            trunk.carrier.send(dialog.request("BYE", via: trunk.carrier.via))
            #expect(trunk.asterisk.all().map(\.method) == (isTaken ? ["BYE"] : []))
            trunk.carrier.call(dialog.target, callID: "t2")
            let invite = trunk.asterisk.all().first
            #expect((invite?.uri == "sip:s@10.0.0.10:5060") == isTaken)
        }
    }
}
