import Messages
import Proxy
import Sys
import Testing

/// Every method that a phone may send inside a dialog.
let dialogMethods = [
    "INVITE", "BYE", "INFO", "UPDATE", "REFER", "NOTIFY", "SUBSCRIBE", "PRACK", "MESSAGE", "ACK",
    "OPTIONS",
]

/// Two phones, each in a call of its own.
struct TwoCalls {
    let edge: Edge
    let asterisk: Asterisk
    var alice: Phone
    var bob: Phone
    var hers: Dialog
    var his: Dialog

    init(_ transport: Transport = .udp) throws {
        edge = Edge()
        asterisk = Asterisk(edge)
        alice = Phone(edge, "alice")
        bob = Self.bob(edge, transport, connection: 7)
        try alice.register()
        try bob.register()
        hers = try Self.connect(alice, asterisk, "hers")
        his = try Self.connect(bob, asterisk, "his")
    }

    private static func bob(_ edge: Edge, _ transport: Transport, connection: UInt64) -> Phone {
        Phone(
            edge, "bob", at: "198.51.100.8:40000", transport,
            connection: transport.isStream ? connection : 0)
    }

    static func connect(_ phone: Phone, _ asterisk: Asterisk, _ callID: String) throws -> Dialog {
        let sent = try phone.ask("INVITE", "sip:100@example.com", callID: callID)
        asterisk.answer(try asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try phone.expect(200))
        phone.send(dialog.request("ACK", via: phone.via))
        _ = try asterisk.expect("ACK")
        return dialog
    }

    /// sip-router is another one, to which bob's connection is new.
    mutating func restart() throws {
        edge.restart()
        bob = Self.bob(edge, bob.flow.transport, connection: 8)
        try bob.register()
    }

    /// Sends every method as bob in a dialog; what he is told of each, and whether anything came to the Asterisk.
    func attempts(_ dialog: Dialog) -> (statuses: Set<Int>, isHeard: Bool) {
        var dialog = dialog
        var statuses: Set<Int> = []
        for method in dialogMethods {
            bob.send(dialog.request(method, via: bob.via, ["Contact: <\(bob.contact)>"]))
            let told = bob.all().map(\.status).filter { $0 > 100 }
            if method == "ACK" {
                #expect(told.isEmpty)
            } else {
                #expect(told.count == 1, "\(method)")
            }
            statuses.formUnion(told)
        }
        return (statuses, !asterisk.all().isEmpty)
    }

    /// Whether alice can still speak in her call.
    mutating func isUndisturbed() throws -> Bool {
        guard alice.all().isEmpty else { return false }
        alice.send(hers.request("BYE", via: alice.via))
        return try asterisk.expect("BYE")["From"] == hers.local
    }
}

@Suite("Tokens of other dialogs") struct ForeignTokenTests {
    private func explained(_ edge: Edge, _ callID: String) -> String {
        edge.router.explain(callID).map { "\($0)" }.joined()
    }

    @Test(
        "nobody speaks in another's call with a token of his own, whatever the method and the transport",
        arguments: [Transport.udp, .tcp, .tls], [false, true])
    func another(_ transport: Transport, _ isRestarted: Bool) throws {
        var calls = try TwoCalls(transport)
        if isRestarted { try calls.restart() }
        for from in [calls.hers.local, "<sip:bob@example.com>;tag=alice1"] {
            var forged = calls.hers
            forged.target = calls.his.target
            forged.local = from
            let (statuses, isHeard) = calls.attempts(forged)
            #expect(statuses == [481] && !isHeard)
        }
        #expect(explained(calls.edge, "hers").contains("foreign-token, 481"))
        #expect(try calls.isUndisturbed())
    }

    @Test("nor in the callee's name")
    func callee() throws {
        let calls = try TwoCalls()
        calls.asterisk.call("alice", callID: "in@10.0.0.10:5060")
        let invite = try calls.alice.expect("INVITE")
        let contact = "Contact: <\(calls.alice.contact)>"
        calls.alice.send(response(to: invite, 200, tag: "p1", [contact]))
        _ = try calls.asterisk.expect(200)
        var forged = Dialog(called: invite, tag: "p1")
        forged.target = calls.his.target
        let (statuses, isHeard) = calls.attempts(forged)
        #expect(statuses == [481] && !isHeard && calls.alice.all().isEmpty)
    }

    @Test("a stranger with a token of another dialog hears nothing on UDP")
    func stranger() throws {
        let calls = try TwoCalls()
        let stranger = Phone(calls.edge, "alice", at: "192.0.2.66:5060")
        var forged = calls.hers
        forged.target = calls.his.target
        for method in dialogMethods {
            stranger.send(forged.request(method, via: stranger.via))
            #expect(stranger.next() == nil && calls.asterisk.next() == nil, "\(method)")
        }
        #expect(explained(calls.edge, "hers").contains("foreign-token"))
    }

    @Test(
        "a token of one call leads nowhere in another call of the same account",
        arguments: [false, true])
    func sameAccount(_ isRestarted: Bool) throws {
        var calls = try TwoCalls()
        let second = try TwoCalls.connect(calls.bob, calls.asterisk, "second")
        if isRestarted { try calls.restart() }
        var forged = calls.his
        forged.target = second.target
        let (statuses, isHeard) = calls.attempts(forged)
        #expect(statuses == [481] && !isHeard)
    }

    @Test(
        "who copies another's Call-ID and tag into a call of his own is refused in the other's call"
    )
    func copied() throws {
        var calls = try TwoCalls()
        let uri = "sip:100@example.com"
        func invite(_ sequence: Int, _ extra: [String] = []) -> [UInt8] {
            let lines = ["Contact: <\(calls.bob.contact)>"] + extra
            let bytes = calls.bob.request(
                "INVITE", uri, callID: "hers", sequence: sequence, lines)
            let text = String(decoding: bytes, as: UTF8.self)
            return Array(text.replacing("tag=bob1", with: "tag=alice1").utf8)
        }
        calls.bob.send(invite(1))
        let proof = calls.bob.credentials(try calls.bob.expect(407), "INVITE", uri)
        calls.bob.send(invite(2, [proof]))
        let arrived = try calls.asterisk.expect("INVITE")
        let contact = "Contact: <\(calls.asterisk.contact)>"
        calls.asterisk.send(response(to: arrived, 200, tag: "as2", [contact]))
        var forged = calls.hers
        forged.target = try calls.bob.expect(200).contactURI
        let (statuses, isHeard) = calls.attempts(forged)
        #expect(statuses == [481] && !isHeard)
        #expect(explained(calls.edge, "hers").contains("foreign-token, 481"))
        #expect(try calls.isUndisturbed())
    }

    @Test("a way to a phone, and the host of a Call-ID, are no tokens in a Request-URI")
    func otherKinds() throws {
        let calls = try TwoCalls()
        let sent = try calls.bob.ask("INVITE", "sip:100@example.com", callID: "third")
        let invite = try calls.asterisk.expect("INVITE")
        calls.asterisk.answer(invite, 200)
        var forged = Dialog(caller: sent, try calls.bob.expect(200))
        let way = between(invite["Record-Route"], "sip:", "@")
        calls.asterisk.call("bob", callID: "in@10.0.0.10:5060")
        let host = between(try calls.bob.expect("INVITE")["Call-ID"], "@", " ")
        _ = calls.asterisk.all()
        forged.target = "sip:\(way)@203.0.113.5:5060"
        let (statuses, isHeard) = calls.attempts(forged)
        #expect(statuses == [481] && !isHeard)
        // So short that it is like any other name at a foreign address.
        forged.target = "sip:\(host)@203.0.113.5:5060"
        for method in dialogMethods {
            calls.bob.send(forged.request(method, via: calls.bob.via))
            #expect(calls.bob.next() == nil && calls.asterisk.next() == nil)
        }
    }

    @Test("a dialog's token is no host of a Call-ID")
    func noHost() throws {
        let calls = try TwoCalls()
        let token = between(calls.his.target, "sip:", "@")
        let callID = "mine@\(token)"
        try calls.bob.ask("INVITE", "sip:100@example.com", callID: callID)
        #expect(try calls.asterisk.expect("INVITE")["Call-ID"] == callID)
    }

    @Test("in Route a token leads to the phone in its own dialog alone", arguments: [false, true])
    func route(_ isRestarted: Bool) throws {
        var calls = try TwoCalls()
        try calls.alice.ask("INVITE", "sip:100@example.com", callID: "first")
        let first = try calls.asterisk.expect("INVITE")
        try calls.bob.ask("INVITE", "sip:100@example.com", callID: "second")
        let second = try calls.asterisk.expect("INVITE")
        if isRestarted { try calls.restart() }
        _ = (calls.alice.all(), calls.bob.all(), calls.asterisk.all())
        var dialog = Dialog(called: first, tag: "as1")
        let toAsterisk = "<sip:\(between(calls.hers.target, "sip:", "@"))@10.0.0.1:5060;lr>"
        dialog.target = "sip:nobody@192.168.1.7"
        for route in [second["Record-Route"], toAsterisk] {
            dialog.route = [route]
            calls.asterisk.send(dialog.request("INFO", via: calls.asterisk.via))
            #expect(try calls.asterisk.expect(480).sequenceMethod == "INFO")
        }
        dialog.route = [first["Record-Route"]]
        calls.asterisk.send(dialog.request("INFO", via: calls.asterisk.via))
        _ = try calls.alice.expect("INFO")
        #expect(calls.bob.next() == nil)
    }
}

@Suite("Tokens of trunks") struct TrunkTokenTests {
    @Test("a trunk's tokens are of no use to a phone, nor a phone's to a trunk")
    func eachOther() throws {
        let trunk = try TrunkEdge()
        let alice = Phone(trunk.edge, "alice")
        let asterisk = Asterisk(trunk.edge)
        try alice.register()
        let hers = try TwoCalls.connect(alice, asterisk, "hers")
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        let its = Dialog(caller: sent, try trunk.carrier.expect(200))
        _ = trunk.carrier.all()
        for method in dialogMethods {
            for (dialog, token, peer) in [
                (its, its, alice), (its, hers, alice), (hers, hers, trunk.carrier),
                (hers, its, trunk.carrier),
            ] as [(Dialog, Dialog, Peer)] {
                var forged = dialog
                forged.target = token.target
                forged.sequence = 500
                let lines = ["Contact: <\(alice.contact)>"]
                peer.send(forged.request(method, via: peer.via, lines))
                let told = peer.all().map(\.status)
                let isOwn = dialog.callID == token.callID
                #expect(told == (method == "ACK" ? [] : [isOwn ? 407 : 481]), "\(method)")
            }
        }
        #expect(asterisk.all().isEmpty && trunk.asterisk.all().isEmpty)
    }

    /// An Asterisk has registered at the trunk; its Contact there.
    private func registered(_ trunk: TrunkEdge, _ callID: String = "reg") throws -> String {
        trunk.asterisk.send(
            wire([
                "REGISTER sip:carrier.example SIP/2.0", "Via: \(trunk.asterisk.via)",
                "Max-Forwards: 70", "From: <sip:acct@carrier.example>;tag=r",
                "To: <sip:acct@carrier.example>", "Call-ID: \(callID)", "CSeq: 1 REGISTER",
                "Contact: <sip:s@10.0.0.10:5060>;expires=600",
            ]))
        let register = try trunk.carrier.expect("REGISTER")
        trunk.carrier.send(response(to: register, 200, tag: "c"))
        _ = try trunk.asterisk.expect(200)
        return register.contactURI
    }

    @Test("a registered Contact is always the same, and is no token in a dialog, nor a phone's")
    func registration() throws {
        let trunk = try TrunkEdge()
        let contact = try registered(trunk)
        #expect(try registered(trunk, "again") == contact)
        let sent = trunk.carrier.call()
        trunk.asterisk.answer(try trunk.asterisk.expect("INVITE"), 200)
        var dialog = Dialog(caller: sent, try trunk.carrier.expect(200))
        _ = trunk.carrier.all()
        let toAsterisk = dialog.target
        dialog.target = contact
        for method in dialogMethods {
            trunk.carrier.send(dialog.request(method, via: trunk.carrier.via))
            let told = trunk.carrier.all().map(\.status)
            #expect(told == (method == "ACK" ? [] : [481]), "\(method)")
        }
        let alice = Phone(trunk.edge, "alice")
        try alice.register()
        alice.send(alice.request("INVITE", contact, callID: "a", sequence: 1))
        #expect(alice.all().map(\.status) == [481])
        // And the dialog's token is no registered Contact: out of the dialog it is a text that is dialled.
        trunk.carrier.call(toAsterisk, callID: "t1")
        let dialled = try trunk.asterisk.expect("INVITE").uri
        #expect(dialled == "sip:\(between(toAsterisk, "sip:", "@"))@10.0.0.10:5060")
        trunk.carrier.call(contact, callID: "t2")
        #expect(try trunk.asterisk.expect("INVITE").uri == "sip:s@10.0.0.10:5060")
    }
}
