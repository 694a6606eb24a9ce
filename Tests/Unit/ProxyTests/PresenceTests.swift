import Digest
import Messages
import Proxy
import ProxyBench
import SIP
import Sys
import Testing

@Suite struct PresenceTests {
    @Test("an account with a binding is registered at every Asterisk, and no more once it has none")
    func registered() throws {
        let edge = Edge(asterisks: ["10.0.0.10:5060", "10.0.0.20:5060"])
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.advance(.seconds(1))
        for server in edge.helpful {
            let register = try #require(edge.registered[server]?["alice"])
            #expect(register["Contact"] == "<sip:alice@10.0.0.1:5060>")
        }
        try alice.register(expires: 0)
        edge.advance(.seconds(1))
        for server in edge.helpful { #expect(edge.registered[server]?["alice"] == nil) }
        #expect(edge.router.load.registrations == 0)
    }

    @Test(
        "an Asterisk's challenge is answered with the account's own digest",
        arguments: [Edge.realm, "pbx"], [DigestAlgorithm.md5, .sha256])
    func challenged(_ realm: String, _ algorithm: DigestAlgorithm) throws {
        let edge = Edge()
        edge.inwardRealm = realm
        edge.inwardAlgorithm = algorithm
        try Phone(edge, "alice").register()
        edge.advance(.seconds(3))
        let register = edge.registered[address("10.0.0.10:5060")]?["alice"]
        #expect(register?["Authorization"].contains("realm=\"\(realm)\"") == true)
    }

    @Test("an account that leaves before Asterisk has answered is unregistered all the same")
    func leavesEarly() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = Phone(edge, "alice")
        edge.helpful = []
        try alice.register()
        edge.advance(Milliseconds(40))
        let first = try asterisk.expect("REGISTER")
        try alice.register(expires: 0)
        asterisk.send(response(to: first, 200, tag: "a", ["Expires: 3600"]))
        edge.advance(.seconds(1))
        #expect(try asterisk.expect("REGISTER")["Expires"] == "0")
    }

    @Test(
        "an account that comes back before Asterisk has confirmed its leaving is registered again")
    func comesBack() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        let alice = Phone(edge, "alice")
        try alice.register()
        edge.advance(Milliseconds(40))
        edge.helpful = []
        try alice.register(expires: 0)
        edge.advance(Milliseconds(40))
        let leaving = try asterisk.expect("REGISTER")
        #expect(leaving["Expires"] == "0")
        try alice.register()
        asterisk.send(response(to: leaving, 200, tag: "a"))
        edge.advance(.seconds(1))
        #expect(try asterisk.expect("REGISTER")["Expires"] == "3600")
    }

    @Test("an Asterisk that answers no question is down after three, and up with the first answer")
    func probes() throws {
        let edge = Edge()
        #expect(edge.router.asterisksUp.up == 1)
        edge.helpful = []
        edge.advance(.seconds(9))
        #expect(edge.router.asterisksUp.up == 0)
        let asterisk = Asterisk(edge)
        _ = asterisk.all()
        edge.advance(.seconds(2))
        asterisk.send(response(to: try asterisk.expect("OPTIONS"), 404, tag: "a"))
        #expect(edge.router.asterisksUp.up == 1)
    }

    @Test("an Asterisk that was started anew gets every registration again")
    func startedAnew() throws {
        let edge = Edge()
        try Phone(edge, "alice").register()
        edge.advance(.seconds(1))
        edge.helpful = []
        edge.advance(.seconds(8))
        edge.registered = [:]
        edge.helpful = [address("10.0.0.10:5060")]
        edge.advance(.seconds(3))
        #expect(edge.registered[address("10.0.0.10:5060")]?["alice"] != nil)
    }

    @Test("an Asterisk that a reload adds gets the registrations, and one that stays keeps its own")
    func reloaded() throws {
        let edge = Edge()
        try Phone(edge, "alice").register()
        edge.advance(.seconds(1))
        let new = address("10.0.0.20:5060")
        edge.helpful.insert(new)
        edge.insiders.insert(new.ip)
        edge.router.adopt(
            RouterSettings([
                .domain("example.com"), .realm(Edge.realm), .asterisk(new),
                .asterisk(address("10.0.0.10:5060")),
            ]))
        edge.advance(.seconds(5))
        #expect(edge.registered[new]?["alice"] != nil)
        #expect(edge.registered[address("10.0.0.10:5060")]?["alice"]?["Expires"] == "3600")
        #expect(edge.router.load.registrations == 2)
    }
}
