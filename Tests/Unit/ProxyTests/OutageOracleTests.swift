import Messages
import Proxy
import RouterHarness
import Sys
import Testing

/// Whether an outage of the source of accounts tells which names are known.
@Suite("No oracle in an outage") struct OutageOracleTests {
    typealias Source = KnowingDirectory.Source
    typealias Sight = KnowingDirectory.Sight

    /// Two guessers at addresses of their own, of whom one tries a name that is known and one a name that nobody has.
    private struct Guessers {
        let directory: KnowingDirectory
        let known: Phone
        let unknown: Phone

        /// alice's row is of so long ago.
        init(age: Milliseconds) throws {
            let edge = Edge()
            directory = KnowingDirectory(edge)
            #expect(try directory.register(Phone(edge, "alice"))?.status == 200)
            known = Phone(edge, "alice", at: "198.51.100.1:5060", password: "wander")
            unknown = Phone(edge, "nobody", at: "198.51.100.2:5060", password: "wander")
            directory.pass(age)
        }

        /// Both guess at once, and the source changes meanwhile; the status that each gets, both at the same time.
        func guess(_ source: Source, after span: Int64) throws -> [Int?] {
            let phones = [known, unknown]
            var requests: [[UInt8]] = []
            for phone in phones {
                phone.sequence += 1
                directory.send(request(phone), by: phone)
                let proof = phone.credentials(
                    try phone.expect(401), "REGISTER", "sip:example.com")
                phone.sequence += 1
                requests.append(request(phone, [proof]))
            }
            if span < 0 { change(source, -span) }
            for (phone, request) in zip(phones, requests) { directory.send(request, by: phone) }
            var sights: [Sight?] = [nil, nil]
            for passed in Int64(1)...400 {
                if passed == span + 1 { directory.source = source }
                directory.wait(1)
                for (place, phone) in phones.enumerated() {
                    if let answer = phone.next() {
                        sights[place] = Sight(status: answer.status, after: passed)
                    }
                }
            }
            #expect(sights[0]?.after == sights[1]?.after)
            return sights.map { $0?.status }
        }

        private func change(_ source: Source, _ span: Int64) {
            directory.source = source
            directory.wait(span)
        }

        private func request(_ phone: Phone, _ lines: [String] = []) -> [UInt8] {
            phone.request(
                "REGISTER", "sip:example.com", callID: phone.callID, sequence: phone.sequence,
                ["Contact: <\(phone.contact)>"] + lines)
        }
    }

    static let outages: [Source] = [.dead, .unavailable, .answers(2000), .answers(190)]
    /// How long after the guesses the source changes, in milliseconds.
    static let moments: [Int64] = [-1000, -1, 0, 50, 149, 210]

    @Test(
        "as the source begins to fail, and is well again, known and unknown names get the same",
        arguments: outages, moments)
    func edges(_ outage: Source, _ moment: Int64) throws {
        for age in [Milliseconds.seconds(5), .seconds(70)] {
            let guessers = try Guessers(age: age)
            let directory = guessers.directory
            #expect(try guessers.guess(.answers(0), after: 0) == [401, 401])
            let first = try guessers.guess(outage, after: moment)
            #expect(first[0] == first[1])
            #expect(try guessers.guess(outage, after: 0) == [503, 503])
            let last = try guessers.guess(.answers(0), after: moment)
            #expect(last[0] == last[1])
            // The source has said since then what was asked of it before.
            directory.wait(3000)
            #expect(try guessers.guess(.answers(0), after: 0) == [401, 401])
        }
    }

    @Test(
        "an outage in which known names alone are tried gives them 503 all the same",
        arguments: outages)
    func knownAlone(_ outage: Source) throws {
        let guessers = try Guessers(age: .seconds(5))
        let directory = guessers.directory
        directory.source = outage
        for _ in 0..<3 {
            #expect(try directory.register(guessers.known)?.status == 503)
        }
        // The right password passes as before.
        let phone = Phone(directory.edge, "alice", at: "198.51.100.3:5060")
        #expect(try directory.register(phone)?.status == 200)
    }

    @Test("a password that was changed within a minute is right at once, before any round")
    func changed() throws {
        let guessers = try Guessers(age: .seconds(5))
        guessers.directory.rows["alice"]?.password = "wander"
        #expect(try guessers.directory.register(guessers.known)?.status == 200)
    }

    @Test("while the source is dead five guesses are looked at, and no address is banned")
    func held() throws {
        let guessers = try Guessers(age: .seconds(5))
        let directory = guessers.directory
        directory.source = .dead
        for _ in 0..<8 {
            #expect(try directory.register(guessers.known)?.status == 503)
            #expect(try directory.register(guessers.unknown)?.status == 503)
        }
        #expect(directory.edge.banOrders.isEmpty)
        // The right one is not looked at now, and gets what a wrong one gets.
        let right = Phone(directory.edge, "alice", at: "198.51.100.1:5060")
        #expect(try directory.register(right)?.status == 503)
        directory.source = .answers(0)
        #expect(try directory.register(right)?.status == 401)
        directory.pass(.seconds(61))
        #expect(try directory.register(right)?.status == 200)
    }

    @Test("after an outage the ban comes at the same try, whether a name was known in it or not")
    func banned() throws {
        let guessers = try Guessers(age: .seconds(5))
        let directory = guessers.directory
        directory.source = .unavailable
        for _ in 0..<8 {
            #expect(try directory.register(guessers.known)?.status == 503)
            #expect(try directory.register(guessers.unknown)?.status == 503)
        }
        directory.source = .answers(0)
        directory.wait(3000)
        for _ in 0..<4 {
            #expect(try directory.register(guessers.known)?.status == 401)
            #expect(try directory.register(guessers.unknown)?.status == 401)
        }
        #expect(try directory.register(guessers.known) == nil)
        #expect(try directory.register(guessers.unknown) == nil)
        #expect(directory.edge.banOrders.count == 2)
    }

    @Test(
        "at a source that looks names up one after the other pairs of names get the same, whatever was asked before",
        arguments: [Int64(60), 74, 80, 90, 149])
    func pairs(_ span: Int64) throws {
        var seen: [[Int?]] = []
        for (name, user) in [
            ("alice", "bob"), ("alice", "ghost"), ("ghost", "alice"), ("ghost", "spook"),
        ] {
            let guessers = try Guessers(age: .seconds(5))
            let directory = guessers.directory
            _ = try directory.register(
                Phone(directory.edge, "bob", at: "198.51.100.9:5060", password: "builder"))
            directory.wait(10)
            directory.isSerial = true
            directory.source = .answers(span)
            let guesser = Phone(directory.edge, name, at: "198.51.100.8:5060", password: "no")
            var statuses: [Int?] = []
            for _ in 0..<3 {
                statuses.append(try directory.register(guesser, as: user)?.status)
                directory.wait(1000)
            }
            seen.append(statuses)
        }
        #expect(Set(seen).count == 1, "\(seen)")
    }

    @Test("a ban that is lifted leaves nothing behind")
    func lifted() throws {
        let guessers = try Guessers(age: .seconds(5))
        let directory = guessers.directory
        for _ in 0..<5 { _ = try directory.register(guessers.known) }
        #expect(directory.edge.banOrders.count == 1)
        directory.edge.router.receive(.cleared, directory.edge.now)
        let right = Phone(directory.edge, "alice", at: "198.51.100.1:5060")
        #expect(try directory.register(right)?.status == 200)
    }

    @Test("of guesses that come at once five are looked at")
    func burst() throws {
        let guessers = try Guessers(age: .seconds(5))
        let directory = guessers.directory
        let phones = (0..<7).map { number in
            Phone(
                directory.edge, "alice", at: "198.51.100.1:\(5070 + number)",
                password: number == 6 ? "wonder" : "guess\(number)")
        }
        var requests: [[UInt8]] = []
        for phone in phones {
            phone.sequence += 1
            let uri = "sip:example.com"
            directory.send(
                phone.request(
                    "REGISTER", uri, callID: phone.callID, sequence: phone.sequence), by: phone)
            let proof = phone.credentials(try phone.expect(401), "REGISTER", uri)
            phone.sequence += 1
            requests.append(
                phone.request(
                    "REGISTER", uri, callID: phone.callID, sequence: phone.sequence,
                    ["Contact: <\(phone.contact)>", proof]))
        }
        directory.source = .answers(20)
        for (phone, request) in zip(phones, requests) { directory.send(request, by: phone) }
        directory.wait(400)
        // The fifth bans the address, and the right one is not looked at.
        let answers = phones.map { $0.all().map(\.status) }
        #expect(answers == [[401], [401], [401], [401], [], [], []])
    }
}
