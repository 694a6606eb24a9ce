import Messages
import Sys
import Testing

@Suite("A guesser at a phone's address")
struct NeighbourTests {
    /// Wrong passwords for an account, each from a port of its own.
    private func guess(_ edge: Edge, _ name: String, at place: String, times: Int) {
        for number in 0..<times {
            _ = try? Phone(edge, name, at: "\(place):\(6000 + number)", password: "guess")
                .register()
        }
    }

    @Test(
        "a neighbour's wrong passwords do not keep a registered phone from refreshing and calling",
        arguments: [Transport.udp, .tcp, .tls],
        [("198.51.100.7", "198.51.100.7"), ("[2001:db8:7::66]", "[2001:db8:7::99]")])
    func registered(_ transport: Transport, _ places: (String, String)) throws {
        let edge = Edge()
        let alice = Phone(
            edge, "alice", at: "\(places.0):40000", transport,
            connection: transport.isStream ? 5 : 0)
        let asterisk = Asterisk(edge)
        #expect(try alice.register().status == 200)
        for round in 0..<36 {
            guess(edge, "alice", at: places.1, times: 6)
            #expect(try alice.register().status == 200, "round \(round)")
            try alice.ask("INVITE", "sip:100@example.com", callID: "c\(round)")
            let invite = try asterisk.expect("INVITE")
            asterisk.answer(invite, 486)
            alice.send(alice.acknowledgement(of: try alice.expect(486), "sip:100@example.com"))
            let guesser = Phone(edge, "alice", at: "\(places.1):7000")
            #expect((try? guesser.register())?.status != 200, "the guesser is held")
            edge.leap(.seconds(100))
        }
        #expect(edge.banOrders.isEmpty)
    }

    @Test("a registered phone's own wrong passwords do not hold its account at its address")
    func own() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice", at: "198.51.100.7:40000")
        #expect(try alice.register().status == 200)
        alice.password = "mistyped"
        for _ in 0..<6 { #expect(try alice.register().status == 401) }
        let second = Phone(edge, "alice", at: "198.51.100.7:40002")
        #expect(try second.register().status == 200)
    }

    @Test(
        "of an account under attack, a stranger's password that waits for directory is looked at once"
    )
    func waited() throws {
        let edge = Edge()
        // A name that is not known yet has to be asked for each time.
        for number in 0..<40 { guess(edge, "dave", at: "192.0.\(number).1", times: 1) }
        edge.advance(.seconds(31))
        edge.passwords["dave"] = "later"
        edge.isDirectorySilent = true
        let stranger = Phone(edge, "dave", at: "203.0.113.78:5060")
        #expect(throws: Missing.self) { try stranger.register() }
        edge.directorySpeaks()
        #expect(stranger.all().map(\.status) == [200])
        #expect(try Phone(edge, "dave", at: "203.0.114.78:5060").register().status == 401)
    }
}
