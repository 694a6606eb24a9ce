import Messages
import Proxy
import Sys
import Testing

/// Who comes by a connection that has another one's handle; a process that was started anew must not give
/// one, and a conquered or an older one might.
@Suite("Connections") struct ConnectionTests {
    /// A phone's connection, and one with its handle that is another.
    struct Pair: Sendable {
        var transport: Transport
        var phone: String
        var stranger: String
        var listener: UInt8?
    }

    /// From another host, from another port of the same, and by another listener.
    static let pairs: [Pair] = [Transport.tcp, .tls].flatMap { transport in
        [
            Pair(transport: transport, phone: "198.51.100.7:40000", stranger: "192.0.2.66:40000"),
            Pair(transport: transport, phone: "198.51.100.7:40000", stranger: "198.51.100.7:40001"),
            Pair(
                transport: transport, phone: "[2001:db8:1::7]:40000",
                stranger: "[2001:db8:2::66]:40000"),
            Pair(
                transport: transport, phone: "[2001:db8:1::7]:40000",
                stranger: "[2001:db8:1::7]:40001"),
            Pair(
                transport: transport, phone: "198.51.100.7:40000", stranger: "198.51.100.7:40000",
                listener: 0),
        ]
    }

    private let edge = Edge()
    private let asterisk: Asterisk

    init() { asterisk = Asterisk(edge) }

    private func phone(_ pair: Pair) throws -> Phone {
        let phone = Phone(edge, "alice", at: pair.phone, pair.transport, connection: 77)
        #expect(try phone.register().status == 200)
        return phone
    }

    private func stranger(_ pair: Pair) -> Flow {
        let listener = pair.listener ?? (pair.transport == .tcp ? 1 : 2)
        return Flow(
            pair.transport, listener: listener, peer: address(pair.stranger), connection: 77)
    }

    /// Starts the router anew; the stranger's connection stands before the bindings are told, or after.
    private func restart(_ flow: Flow, early: Bool) {
        edge.restart(standing: early ? [flow] : [])
        if !early { edge.router.opened(flow) }
    }

    @Test(
        "after a restart a call does not go to who comes by a phone's handle from elsewhere",
        arguments: pairs, [true, false])
    func calls(_ pair: Pair, early: Bool) throws {
        let alice = try phone(pair)
        let flow = stranger(pair)
        restart(flow, early: early)
        asterisk.call("alice")
        #expect(try asterisk.expect(480).status == 480)
        #expect(edge.inboxes[flow] == nil)
        edge.router.opened(alice.flow)
        asterisk.call("alice", callID: "c2@10.0.0.10:5060")
        #expect(try alice.expect("INVITE").method == "INVITE")
        #expect(edge.inboxes[flow] == nil)
    }

    @Test(
        "after a restart who comes by a phone's handle from elsewhere has not authenticated",
        arguments: pairs, [true, false])
    func authenticated(_ pair: Pair, early: Bool) throws {
        let alice = try phone(pair)
        let flow = stranger(pair)
        restart(flow, early: early)
        let isKnown = edge.router.hasAuthenticated(by: flow)
        #expect(!isKnown)
        // Nor is it a registered phone's way, by which a scanner would be answered.
        edge.receive(
            wire([
                "OPTIONS sip:100@example.com SIP/2.0",
                "Via: SIP/2.0/TCP 192.0.2.66:5060;branch=z9hG4bKs1;rport", "Max-Forwards: 70",
                "From: <sip:100@example.com>;tag=s", "To: <sip:100@example.com>", "Call-ID: s",
                "CSeq: 1 OPTIONS", "User-Agent: friendly-scanner",
            ]), flow)
        #expect(edge.inboxes[flow] == nil)
        edge.router.opened(alice.flow)
        let isOldKnown = edge.router.hasAuthenticated(by: alice.flow)
        #expect(isOldKnown)
    }

    @Test(
        "after a restart a request inside a dialog does not go to who comes by the handle in its token",
        arguments: pairs, [true, false])
    func dialogs(_ pair: Pair, early: Bool) throws {
        let alice = try phone(pair)
        let sent = asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        alice.send(response(to: invite, 200, tag: "a", ["Contact: <\(alice.contact)>"]))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        _ = alice.all()
        let flow = stranger(pair)
        restart(flow, early: early)
        asterisk.send(dialog.request("INFO", via: asterisk.via))
        #expect(try asterisk.expect(430).status == 430)
        #expect(edge.inboxes[flow] == nil)
        edge.router.opened(alice.flow)
        asterisk.send(dialog.request("INFO", via: asterisk.via))
        #expect(try alice.expect("INFO").method == "INFO")
    }

    @Test(
        "an answer counts only by the connection that the request went by", arguments: pairs)
    func answers(_ pair: Pair) throws {
        let alice = try phone(pair)
        asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        let flow = stranger(pair)
        edge.router.opened(flow)
        let answer = response(to: invite, 200, tag: "a", ["Contact: <\(alice.contact)>"])
        edge.receive(answer, flow)
        #expect(asterisk.all().map(\.status) == [100])
        edge.receive(answer, alice.flow)
        #expect(try asterisk.expect(200).status == 200)
    }

    @Test("the end of a connection does not end another one of the same handle", arguments: pairs)
    func ends(_ pair: Pair) throws {
        let alice = try phone(pair)
        let flow = stranger(pair)
        edge.router.opened(flow)
        asterisk.call("alice")
        _ = try alice.expect("INVITE")
        edge.router.closed(flow)
        edge.advance(Milliseconds(100))
        #expect(asterisk.all().map(\.status) == [100])
        asterisk.call("alice", callID: "c2@10.0.0.10:5060")
        _ = try alice.expect("INVITE")
        let isKnown = edge.router.hasAuthenticated(by: alice.flow)
        #expect(isKnown)
    }

    @Test("a phone on the link is found by its token, which carries no scope")
    func scope() throws {
        let alice = Phone(edge, "alice", at: "[fe80::7]:40000", .tls, connection: 77)
        edge.router.closed(alice.flow)
        alice.flow.peer.scope = 2
        edge.router.opened(alice.flow)
        try alice.register()
        let sent = asterisk.call("alice")
        let invite = try alice.expect("INVITE")
        alice.send(response(to: invite, 200, tag: "a", ["Contact: <\(alice.contact)>"]))
        var dialog = Dialog(caller: sent, try asterisk.expect(200))
        asterisk.send(dialog.request("INFO", via: asterisk.via))
        #expect(try alice.expect("INFO").method == "INFO")
    }
}
