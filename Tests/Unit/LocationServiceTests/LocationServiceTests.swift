import BenchHarness
import LocationService
import Messages
import Sys
import Testing

@Suite struct LocationServiceTests {
    private let flow = Flow(.udp, listener: 0, peer: address("198.51.100.7:40000"))
    private let other = Flow(.udp, listener: 0, peer: address("198.51.100.8:40000"))
    private let tcp = Flow(.tcp, listener: 1, peer: address("198.51.100.7:40000"), connection: 7)
    private let tcp2 = Flow(.tcp, listener: 1, peer: address("198.51.100.7:41000"), connection: 8)
    private let contact = "Contact: <sip:alice@192.168.1.7>"

    private func outbound(_ flow: Int) -> [String] {
        [
            "Contact: <sip:alice@192.168.1.\(flow)>;+sip.instance=\"<urn:uuid:1>\";reg-id=\(flow)",
            "Supported: outbound",
        ]
    }

    // MARK: REGISTER

    @Test("a REGISTER gives back that the account has a binding, by which flow and until when")
    func registers() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        let lines = ["\(contact);expires=600", "Contact: <sip:alice@192.168.1.8>;expires=60"]
        let outcome = bench.register(alice, flow, lines)
        #expect(outcome.change?.account == alice && outcome.change?.isRegistered == true)
        #expect(outcome.change?.residence?.flow == flow)
        #expect(outcome.change?.residence?.until == bench.now.monotonic + .seconds(600))
        #expect(bench.isRegistered(alice) && bench.isRegistered(alice, by: flow))
        #expect(bench.isRegistered(by: flow) && bench.hasFlow(flow) && !bench.hasFlow(other))
    }

    @Test("a refresh prolongs the binding: its first timer ends nothing")
    func refreshes() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact, "Expires: 60"])
        bench.advance(.seconds(50))
        let outcome = bench.register(alice, flow, [contact, "Expires: 60"], sequence: 2)
        #expect(outcome.change?.residence?.until == bench.now.monotonic + .seconds(60))
        #expect(bench.timers == 1)
        #expect(bench.advance(.seconds(59)).isEmpty && bench.count == 1)
        #expect(bench.advance(.seconds(2)).map(\.isRegistered) == [false])
    }

    @Test("a binding that runs out is taken from directory, and its account is told of")
    func expires() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact, "Expires: 60"])
        bench.register(
            alice, other, ["Contact: <sip:alice@192.168.1.8>", "Expires: 120"], callID: "r2")
        let first = bench.advance(.seconds(61))
        #expect(first.map(\.isRegistered) == [true] && first.first?.residence == nil)
        #expect(bench.targets(alice).values.map(\.peer) == [other.peer])
        let second = bench.advance(.seconds(60))
        #expect(second.map(\.account) == [alice] && second.map(\.isRegistered) == [false])
        #expect(bench.count == 0 && bench.stored.isEmpty && bench.timers == 0)
        #expect(!bench.isRegistered(alice) && !bench.hasFlow(flow) && !bench.hasFlow(other))
    }

    @Test("an older REGISTER of the same Call-ID changes nothing; one of another Call-ID does")
    func outOfOrder() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact], sequence: 10)
        let end = [contact, "Expires: 0"]
        #expect(bench.register(alice, flow, end, sequence: 3).refusal == .registerOutOfOrder)
        #expect(bench.count == 1)
        #expect(bench.register(alice, flow, end, sequence: 3, callID: "r2").refusal == nil)
        #expect(bench.count == 0)
    }

    @Test("an account has as many bindings as it may, of which one that is unreachable makes room")
    func tooMany() {
        let bench = LocationBench([.contacts(2)])
        let alice = bench.account("alice")
        bench.opened(tcp)
        bench.register(alice, tcp, [contact])
        bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.8>"], callID: "r2")
        let third = ["Contact: <sip:alice@192.168.1.9>"]
        #expect(bench.register(alice, other, third, callID: "r3").refusal == .tooManyBindings)
        #expect(bench.count == 2)
        bench.closed(tcp)
        #expect(bench.register(alice, other, third, callID: "r3").refusal == nil)
        #expect(
            bench.targets(alice).keys.sorted() == [
                "sip:alice@192.168.1.8", "sip:alice@192.168.1.9",
            ])
    }

    @Test("a name that directory knows no more stays while it has a binding, and is mourned")
    func forgotten() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact, "Expires: 60"])
        _ = bench.account("alice", .unknown)
        bench.advance(.seconds(30))
        #expect(bench.knows("alice"))
        #expect(bench.advance(.seconds(31)).map(\.isRegistered) == [false])
        // Nobody is counted for ten minutes who asks for it.
        bench.advance(.seconds(11))
        #expect(bench.knows("alice"))
    }

    // MARK: Targets

    @Test("a call is forked to every phone, and to one flow of each: the one refreshed last")
    func forks() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        for (place, flow) in [tcp, tcp2].enumerated() {
            bench.opened(flow)
            bench.register(alice, flow, outbound(place + 1), sequence: place + 1)
            bench.advance(.seconds(1))
        }
        bench.register(alice, other, ["Contact: <sip:alice@192.168.1.9>"], callID: "r2")
        let expected = ["sip:alice@192.168.1.2": tcp2, "sip:alice@192.168.1.9": other]
        #expect(bench.targets(alice) == expected)
        // The other flow was refreshed.
        bench.register(alice, tcp, outbound(1), sequence: 3)
        #expect(bench.targets(alice)["sip:alice@192.168.1.1"] == tcp)
        #expect(bench.targets(alice).count == 2)
    }

    @Test(
        "a phone whose flow has failed is tried by the one it refreshed before, never by a later one"
    )
    func otherFlow() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        for (place, flow) in [tcp, tcp2].enumerated() {
            bench.opened(flow)
            bench.register(alice, flow, outbound(place + 1), sequence: place + 1)
            bench.advance(.seconds(1))
        }
        bench.register(alice, other, ["Contact: <sip:alice@192.168.1.9>"], callID: "r2")
        #expect(bench.target(alice, before: tcp2) == "sip:alice@192.168.1.1")
        #expect(bench.target(alice, before: tcp) == nil)
        #expect(
            bench.target(alice, before: other) == nil && bench.target(alice, before: flow) == nil)
        bench.closed(tcp)
        #expect(bench.target(alice, before: tcp2) == nil)
    }

    @Test("the latest flow is that of the binding that lasts longest and can be reached")
    func latest() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        #expect(bench.latestFlow(alice) == nil)
        bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.8>", "Expires: 60"])
        bench.opened(tcp)
        bench.register(alice, tcp, [contact, "Expires: 600"], callID: "r2")
        #expect(bench.latestFlow(alice) == tcp)
        bench.closed(tcp)
        #expect(bench.latestFlow(alice) == flow)
    }

    // MARK: Connections

    @Test("a phone whose connection has closed is registered still, and cannot be reached")
    func closes() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.opened(tcp)
        bench.register(alice, tcp, [contact])
        #expect(bench.boundConnections == [tcp])
        #expect(bench.isRegistered(by: tcp) && bench.hasReachablePhone(alice))
        bench.closed(tcp)
        #expect(!bench.hasReachablePhone(alice) && bench.targets(alice).isEmpty)
        #expect(!bench.isRegistered(alice, by: tcp) && !bench.isRegistered(by: tcp))
        #expect(bench.isRegistered(alice) && bench.phones.map(\.presence) == [.gone])
        // It comes back by another one.
        bench.opened(tcp2)
        bench.register(alice, tcp2, [contact], sequence: 2)
        #expect(bench.targets(alice).values.map(\.connection) == [8] && bench.count == 1)
    }

    @Test("the end of a connection that a binding has left does not concern it")
    func moved() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.opened(tcp)
        bench.opened(tcp2)
        bench.register(alice, tcp, [contact])
        bench.register(alice, tcp2, [contact], sequence: 2)
        bench.closed(tcp)
        #expect(bench.targets(alice).values.map(\.connection) == [8])
    }

    // MARK: directory

    @Test("a router that begins takes back what directory stored; streams count once they are seen")
    func restores() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.opened(tcp)
        bench.opened(tcp2)
        bench.register(alice, flow, ["Contact: <sip:alice@192.168.1.8>", "Expires: 60"])
        bench.register(alice, tcp, [contact], callID: "r2")
        bench.register(alice, tcp2, ["Contact: <sip:alice@192.168.1.9>"], callID: "r3")
        let stored = bench.stored
        let changes = bench.restart(standing: [tcp])
        #expect(changes.count == 3 && changes.allSatisfy { $0.isRegistered })
        #expect(Set(changes.compactMap(\.residence?.flow)) == [flow, tcp, tcp2])
        let account = changes[0].account
        #expect(Set(bench.targets(account).values) == [flow, tcp])
        bench.opened(tcp2)
        #expect(bench.targets(account).count == 3)
        #expect(bench.stored == stored)
        #expect(bench.advance(.seconds(61)).count == 1 && bench.count == 2)
    }

    @Test(
        "a directory that was started anew is given what it lacks, and what it has too much is taken"
    )
    func directoryRestarts() throws {
        let bench = LocationBench()
        _ = bench.restart()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact, "Contact: <sip:alice@192.168.1.8>"])
        let all = bench.stored
        let (key, kept) = try #require(all.first)
        var old = kept
        old.key = 1
        bench.stored = [key: kept, "alice 1": old]
        for record in bench.stored.values { #expect(bench.restore(record) == nil) }
        #expect(bench.restored())
        #expect(bench.stored == all && bench.count == 2)
    }

    @Test("a stored binding that no phone of these sockets can have made is not taken back")
    func nonsense() throws {
        let bench = LocationBench()
        bench.register(bench.account("alice"), flow, [contact])
        let (key, good) = try #require(bench.stored.first)
        let late = bench.now.sinceEpoch + Bounds.longestBinding + Bounds.clockStep + .seconds(1)
        let changes: [(inout BindingRecord) -> Void] = [
            { $0.expires = late }, { $0.expires = Milliseconds(1) }, { $0.listener = 4 },
            { $0.listener = 3 }, { $0.listener = 1 },
        ]
        for change in changes {
            var record = good
            change(&record)
            bench.stored = [key: record]
            #expect(bench.restart().isEmpty && bench.count == 0, "\(record)")
            #expect(!bench.knows("alice"))
        }
    }

    // MARK: Rows and records

    @Test("every phone has a row, with what is left of its binding")
    func rows() throws {
        let bench = LocationBench()
        bench.register(bench.account("alice"), flow, [contact, "Expires: 600"])
        bench.advance(.seconds(100))
        let row = try #require(bench.phones.first)
        #expect(row.account == "alice" && row.contact == "sip:alice@192.168.1.7")
        #expect(row.expires == .seconds(500) && row.userAgent == "Phone" && row.presence == .there)
        #expect(row.address == flow.peer && row.transport == .udp)
    }

    @Test("a phone in a loop is told of once in ten seconds, with what was left out")
    func records() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        for round in 0..<3 {
            bench.register(alice, flow, [contact], sequence: 2 * round + 1)
            bench.register(alice, flow, [contact, "Expires: 0"], sequence: 2 * round + 2)
        }
        #expect(bench.takeSentences() == ["alice registered from 198.51.100.7 over udp"])
        bench.advance(.seconds(9))
        #expect(bench.takeSentences().isEmpty)
        bench.advance(.seconds(2))
        #expect(
            bench.takeSentences() == [
                "alice unregistered from 198.51.100.7 over udp, after 4 changes that were left out"
            ])
        bench.register(alice, flow, [contact], sequence: 7)
        bench.register(alice, flow, [contact, "Expires: 0"], sequence: 8)
        bench.advance(.seconds(11))
        #expect(
            bench.takeSentences() == [
                "alice unregistered from 198.51.100.7 over udp, after 1 change that was left out"
            ])
        bench.register(alice, other, [contact], sequence: 9)
        bench.reportAll()
        #expect(bench.takeSentences() == ["alice registered from 198.51.100.8 over udp"])
    }

    @Test("a phone that comes another way has moved, and one whose time is up has expired")
    func words() {
        let bench = LocationBench()
        let alice = bench.account("alice")
        bench.register(alice, flow, [contact, "Expires: 60"])
        bench.advance(.seconds(11))
        bench.register(alice, other, [contact, "Expires: 60"], sequence: 2)
        bench.advance(.seconds(61))
        #expect(
            bench.takeSentences() == [
                "alice registered from 198.51.100.7 over udp",
                "alice moved from 198.51.100.8 over udp",
                "alice expired from 198.51.100.8 over udp",
            ])
    }
}
