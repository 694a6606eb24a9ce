import Messages
import Proxy
import RouterHarness
import Sys
import Testing

/// Guesses in the name of the edge's own addresses: nobody is banned there, and nobody new is answered.
@Suite("Own sources") struct OwnSourceTests {
    /// An edge at an address of the machine, which is shown as another one when a NAT has that for it.
    private func edge(at host: String, as shown: String? = nil) -> Edge {
        let outside = [(Transport.udp, 5060), (.tcp, 5060), (.tls, 5061)].enumerated().map {
            Listener(
                index: UInt8($0), side: .outside,
                endpoint: Endpoint($1.0, address("\(host):\($1.1)")),
                advertised: shown.map { address("\($0):5060") })
        }
        return SimulatedEdge(
            [], asterisks: ["10.0.0.10:5060"], listeners: outside + Edge.listeners.suffix(2)
        ) { Issue.record("\($0)") }
    }

    /// Five wrong passwords, of which the last one's answer a ban keeps back.
    private func guess(_ edge: Edge, from source: String, _ connection: UInt64) -> Phone {
        let phone = Phone(
            edge, "alice", at: "\(source):40000", .tcp, connection: connection, password: "wrong")
        for _ in 0..<5 { _ = try? phone.register() }
        return phone
    }

    private func isAnswered(_ phone: Phone) -> Bool {
        phone.sequence += 1
        phone.send(
            phone.request(
                "OPTIONS", "sip:example.com", callID: "o", sequence: phone.sequence))
        return phone.next() != nil
    }

    private func expectHeld(_ edge: Edge, _ source: String, _ why: String) {
        let guesser = guess(edge, from: source, 9)
        #expect(edge.banOrders.isEmpty)
        #expect(edge.records.contains { $0.contains(", \(why):") })
        #expect(edge.records.contains { $0.contains(", \(why), fail too often") })
        #expect(!isAnswered(guesser))
        edge.advance(.seconds(301))
        #expect(isAnswered(guesser))
    }

    @Test(
        "the edge's address and that of its NAT are never banned: what is not registered is held",
        arguments: ["203.0.113.5", "172.31.5.10"])
    func held(_ source: String) {
        let edge = edge(at: "172.31.5.10", as: "203.0.113.5")
        expectHeld(edge, source, "the edge's own address")
        _ = guess(edge, from: "198.51.100.66", 12)
        #expect(edge.banOrders.count == 1)
    }

    @Test("what is held there ends when its ban is lifted", arguments: [true, false])
    func lifted(isAlone: Bool) {
        let edge = edge(at: "172.31.5.10", as: "203.0.113.5")
        let guesser = guess(edge, from: "203.0.113.5", 9)
        #expect(!isAnswered(guesser))
        let source = Network(guesser.flow.peer.ip)
        edge.router.receive(isAlone ? .unbanned(source) : .cleared, edge.now)
        #expect(isAnswered(guesser))
    }

    @Test("the /64 of an own IPv6 address is one source, and no other is")
    func network() {
        let edge = edge(at: "[2001:db8::5]")
        expectHeld(edge, "[2001:db8::66]", "in the /64 of an address of the edge's own")
        _ = guess(edge, from: "[2001:db8:1::66]", 12)
        #expect(edge.banOrders.count == 1)
    }

    @Test(
        "at a wildcard address every address of the machine is an own one, of its family",
        arguments: [
            ("0.0.0.0", "203.0.113.9", "[2001:db8::9]"), ("[::]", "[2001:db8::9]", "203.0.113.9"),
        ])
    func wildcards(_ host: String, _ source: String, _ other: String) {
        let edge = edge(at: host)
        edge.router.learn([address("\(source):1").ip, address("\(other):1").ip])
        expectHeld(edge, source, "the edge's own address")
        _ = guess(edge, from: other, 12)
        #expect(edge.banOrders.count == 1)
    }
}
