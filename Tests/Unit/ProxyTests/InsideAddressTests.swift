import Messages
import Proxy
import ProxyBench
import Sys
import Testing

/// Datagrams that come by an outside endpoint in the name of the inside.
@Suite("The inside's addresses outside") struct InsideAddressTests {
    static let methods = ["REGISTER", "INVITE", "OPTIONS", "BYE", "ACK", "CANCEL", "BREW"]

    @Test(
        "a datagram in the name of an Asterisk, of an inside endpoint or of the edge itself is dropped",
        arguments: ["10.0.0.10:5060", "10.0.0.10:9", "10.0.0.1:5060", "203.0.113.5:5060"], methods)
    func forged(_ place: String, _ method: String) {
        let edge = Edge()
        let forger = Phone(edge, "alice", at: place)
        for uri in ["sip:100@example.com", "sip:100@10.0.0.10", "sip:example.com"] {
            forger.send(forger.request(method, uri, callID: "f", sequence: 1))
        }
        forger.send(Array("OPTIONS sip:example.com SIP/2.0\r\nVia: x\r\n\r\n".utf8))
        #expect(forger.all().isEmpty && Asterisk(edge).all().isEmpty)
        let host = String(place.prefix { $0 != ":" })
        let said = edge.router.explain(host).map { "\($0)" }.joined()
        #expect(said.contains("inside-address, no answer"))
    }

    @Test("an Asterisk that is added by a reload is known as well")
    func reload() throws {
        let edge = Edge()
        edge.router.adopt(RouterSettings(edge.settings + [.asterisk(address("10.0.0.20:5060"))]))
        let forger = Phone(edge, "alice", at: "10.0.0.20:5060")
        forger.send(forger.request("OPTIONS", "sip:example.com", callID: "f", sequence: 1))
        #expect(forger.next() == nil)
    }

    @Test("a connection proves its peer: from there it is answered")
    func connection() {
        // Its own address is told to it in Via, which nobody else may hear of.
        let edge = SimulatedEdge([], asterisks: ["10.0.0.10:5060"]) { _ in }
        let phone = Phone(edge, "alice", at: "10.0.0.10:40000", .tcp, connection: 3)
        phone.send(phone.request("OPTIONS", "sip:example.com", callID: "f", sequence: 1))
        #expect(phone.next()?.status == 200)
    }

    @Test("what the Asterisk says to the inside endpoint goes on")
    func inside() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        try phone.register()
        Asterisk(edge).call("alice")
        #expect(try phone.expect("INVITE").has("Contact"))
    }
}

/// What is forged in a trunk's name.
@Suite("Forged in a trunk's name") struct ForgedTrunkTests {
    @Test("refused transfers in its name bar no trunk and end none of its calls")
    func transfers() throws {
        let trunk = "telco"
        let edge = Edge([
            .trunk(trunk, .inside(SimulatedEdge.trunkEndpoint)),
            .trunk(trunk, .server(address("198.51.100.5:5060"))),
            .tripNever(Limit(5, in: .seconds(600))),
        ])
        let carrier = Carrier(edge, at: "198.51.100.5:5060")
        for number in 0..<20 {
            carrier.send(
                carrier.request(
                    "REFER", "sip:+43123@203.0.113.5", callID: "r\(number)",
                    extra: ["Refer-To: <sip:0088161234567\(number)@example.com>"]))
            #expect(try carrier.expect(403).isRequest == false)
        }
        #expect(edge.standings.isEmpty && edge.router.standingRows().isEmpty)
        carrier.call()
        let pbx = Asterisk(edge, listener: 4)
        #expect(try pbx.expect("INVITE").has("From"))
    }
}

extension RouterSetting {
    /// So many refused numbers of `calls.never` bar an account.
    fileprivate static func tripNever(_ limit: Limit) -> RouterSetting { .calls(.tripNever(limit)) }
}
