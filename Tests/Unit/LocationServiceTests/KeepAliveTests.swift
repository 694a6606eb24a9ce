import BenchHarness
import LocationService
import Messages
import ProxyBench
import Sys
import Testing

/// Whether phones are there: how they are asked, when they are taken to be gone, and what Asterisks are told then.
@Suite struct KeepAliveTests {
    private let flow = Flow(.udp, listener: 0, peer: address("198.51.100.7:40000"))
    private let other = Flow(.udp, listener: 0, peer: address("198.51.100.8:40000"))
    private let tls = Flow(.tls, listener: 2, peer: address("198.51.100.7:41000"), connection: 8)
    private let contact = ["Contact: <sip:alice@192.168.1.7>", "Expires: 3600"]

    private func stage(_ lines: [String]? = nil) -> (bench: LocationBench, alice: AccountID) {
        let bench = LocationBench([.domain("example.com")])
        let alice = bench.account("alice")
        bench.register(alice, flow, lines ?? contact)
        return (bench, alice)
    }

    @Test(
        "a phone by UDP is asked 3 s after its REGISTER, then each 25 to 30 s, and stays while it answers"
    )
    func asked() throws {
        let (bench, alice) = stage()
        let start = bench.now.monotonic
        let (sent, changes) = bench.keepAlive(.seconds(300)) { _ in true }
        #expect(changes.isEmpty && bench.hasReachablePhone(alice))
        let first = try #require(sent.first)
        #expect((3000...4100).contains((first.at - start).count))
        #expect(
            first.text.hasPrefix("OPTIONS sip:alice@192.168.1.7 SIP/2.0\r\n") && first.flow == flow)
        let gaps = zip(sent, sent.dropFirst()).map { ($1.at - $0.at).count }
        #expect(gaps.allSatisfy { (25_000...31_100).contains($0) }, "\(gaps)")
        #expect(Set(sent.map(\.text)).count == sent.count)
    }

    @Test("a phone that answered and is killed is gone within 120 s, and Asterisks are told once")
    func killed() throws {
        let (bench, alice) = stage()
        _ = bench.keepAlive(.seconds(70)) { _ in true }
        _ = bench.takeSentences()
        let (sent, changes) = bench.keepAlive(.seconds(120))
        #expect(changes.map(\.isRegistered) == [false] && changes.first?.account == alice)
        #expect(bench.targets(alice).isEmpty && bench.isRegistered(alice))
        #expect(bench.phones.map(\.presence) == [.gone])
        #expect(bench.takeSentences().contains { $0.contains("does not answer any more") })
        // It is asked on, and an answer brings it back.
        let last = try #require(sent.last)
        #expect(bench.answered(last))
        #expect(bench.targets(alice).count == 1)
        let back = bench.keepAlive(.seconds(1)) { _ in true }
        #expect(back.changes.map(\.isRegistered) == [true])
    }

    @Test(
        "a REGISTER brings a phone back at once; one that went comes back after five seconds at the earliest"
    )
    func back() throws {
        let (bench, alice) = stage()
        _ = bench.keepAlive(.seconds(10)) { _ in true }
        var gone: Milliseconds?
        while gone == nil {
            if bench.keepAlive(Milliseconds(50)).changes.contains(where: { !$0.isRegistered }) {
                gone = bench.now.monotonic
            }
        }
        bench.proven(by: flow)
        #expect(bench.hasReachablePhone(alice))
        #expect(bench.keepAlive(Milliseconds(4900)) { _ in true }.changes.isEmpty)
        #expect(
            bench.keepAlive(Milliseconds(200)) { _ in true }.changes.map(\.isRegistered) == [true])
        _ = bench.keepAlive(.seconds(120))
        let change = try #require(bench.register(alice, flow, contact, sequence: 2).change)
        #expect(change.isRegistered && !change.isNewPhone)
    }

    @Test("a phone that never answers OPTIONS is called on, and its way is kept open")
    func mute() {
        let (bench, alice) = stage()
        let (sent, changes) = bench.keepAlive(.seconds(600))
        #expect(changes.isEmpty && bench.hasReachablePhone(alice))
        #expect(bench.phones.map(\.presence) == [.mute])
        #expect(sent.prefix(3).allSatisfy { $0.text.hasPrefix("OPTIONS ") })
        let kept = sent.dropFirst(3)
        #expect(kept.allSatisfy { $0.text == "\r\n\r\n" && $0.flow == flow } && kept.count > 15)
        // One that was started anew may be another one.
        bench.register(alice, flow, contact, callID: "r2")
        #expect(
            bench.keepAlive(.seconds(5)) { _ in true }.sent.first?.text.hasPrefix("OPTIONS ")
                == true)
        #expect(bench.phones.map(\.presence) == [.there])
    }

    @Test("a phone that is woken by push notifications is never gone")
    func push() {
        let (bench, alice) = stage([
            "Contact: <sip:alice@192.168.1.7;pn-provider=apns;pn-prid=00fc13>", "Expires: 3600",
        ])
        _ = bench.keepAlive(.seconds(40)) { _ in true }
        #expect(bench.keepAlive(.seconds(600)).changes.isEmpty && bench.hasReachablePhone(alice))
    }

    @Test(
        "what a phone sends of itself spares questions, but a proof comes every 120 s at the least")
    func keptAlive() {
        let (bench, _) = stage()
        _ = bench.keepAlive(.seconds(10)) { _ in true }
        var asked = 0
        for _ in 0..<60 {
            asked += bench.keepAlive(.seconds(10)) { _ in true }.sent.count
            bench.keptAlive(by: flow)
        }
        #expect((5...7).contains(asked), "\(asked)")
        // A forged keep-alive does not keep a dead phone.
        var changes = 0
        for _ in 0..<24 {
            changes += bench.keepAlive(.seconds(10)).changes.count
            bench.keptAlive(by: flow)
        }
        #expect(changes == 1)
    }

    @Test("an account is gone when none of its phones is there")
    func several() {
        let (bench, alice) = stage()
        bench.register(
            alice, other, ["Contact: <sip:alice@192.168.1.8>", "Expires: 3600"], callID: "b")
        _ = bench.keepAlive(.seconds(40)) { _ in true }
        let dead = flow
        let one = bench.keepAlive(.seconds(200)) { $0.flow != dead }
        #expect(one.changes.isEmpty && bench.targets(alice).values.map(\.peer) == [other.peer])
        #expect(bench.keepAlive(.seconds(200)).changes.map(\.isRegistered) == [false])
    }

    @Test("a phone by a connection is gone 30 s after that has closed")
    func closed() {
        let bench = LocationBench([.domain("example.com")])
        let alice = bench.account("alice")
        bench.opened(tls)
        bench.register(alice, tls, contact)
        #expect(bench.keepAlive(.seconds(120)).sent.isEmpty)
        bench.closed(tls)
        #expect(!bench.hasReachablePhone(alice))
        #expect(bench.keepAlive(.seconds(29)).changes.isEmpty)
        #expect(bench.keepAlive(.seconds(3)).changes.map(\.isRegistered) == [false])
        let again = Flow(.tls, listener: 2, peer: tls.peer, connection: 9)
        bench.opened(again)
        #expect(bench.register(alice, again, contact, sequence: 2).change?.isRegistered == true)
        #expect(bench.keepAlive(.seconds(60)).changes.isEmpty && bench.hasReachablePhone(alice))
    }

    @Test("an answer is known by its branch and by where it comes from")
    func forged() throws {
        let (bench, _) = stage()
        let question = try #require(bench.keepAlive(.seconds(5)).sent.first)
        #expect(!bench.answered(question, from: other))
        #expect(!bench.answered(question, from: tls))
        #expect(!bench.answered(question, branch: "z9hG4bKk000000000000000000000000"))
        #expect(!bench.answered(question, branch: "z9hG4bKk7fffffff0000000000000000"))
        let moved = Flow(.udp, listener: 0, peer: address("198.51.100.7:1024"))
        #expect(bench.answered(question, from: moved, status: 481))
        #expect(bench.phones.map(\.presence) == [.there])
    }

    @Test("a new Contact, and a phone that was started anew, are told of; a refresh is not")
    func newPhone() {
        let (bench, alice) = stage()
        #expect(bench.register(alice, flow, contact, sequence: 2).change?.isNewPhone == false)
        #expect(
            bench.register(alice, flow, contact, sequence: 3, callID: "b").change?.isNewPhone
                == true)
        let second = ["Contact: <sip:alice@192.168.1.8>", "Expires: 3600"]
        #expect(bench.register(alice, other, second, callID: "c").change?.isNewPhone == true)
    }

    @Test("an account is gone with the only phone that was left of it")
    func lastLeaves() {
        let (bench, alice) = stage()
        let second = ["Contact: <sip:alice@192.168.1.8>", "Expires: 3600"]
        bench.register(alice, other, second, callID: "b")
        _ = bench.keepAlive(.seconds(40)) { _ in true }
        let dead = flow
        #expect(bench.keepAlive(.seconds(200)) { $0.flow != dead }.changes.isEmpty)
        let goodbye = ["Contact: <sip:alice@192.168.1.8>", "Expires: 0"]
        bench.register(alice, other, goodbye, sequence: 2, callID: "b")
        #expect(bench.keepAlive(.seconds(1)).changes.map(\.isRegistered) == [false])
    }

    @Test("a phone that proves itself before it is asked for the first time is found dead too")
    func proofFirst() {
        let (bench, _) = stage()
        _ = bench.keepAlive(.seconds(1))
        bench.proven(by: flow)
        #expect(bench.keepAlive(.seconds(5)) { _ in true }.sent.count == 1)
        #expect(bench.keepAlive(.seconds(120)).changes.map(\.isRegistered) == [false])
    }

    @Test(
        "a phone that sends keep-alives, however often, is asked 3 s after its REGISTER as well",
        arguments: [100, 500, 1000, 1500, 1900])
    func keptAliveFirst(_ interval: Int64) {
        let (bench, _) = stage()
        var asked = 0
        for _ in 0..<9000 / interval {
            asked += bench.keepAlive(Milliseconds(interval)) { _ in true }.sent.count
            bench.keptAlive(by: flow)
        }
        #expect(asked == 1)
    }

    @Test("a REGISTER of a phone that was gone says in the journal that it is there again")
    func backByRegister() {
        let (bench, alice) = stage()
        _ = bench.keepAlive(.seconds(10)) { _ in true }
        _ = bench.keepAlive(.seconds(120))
        _ = bench.takeSentences()
        bench.register(alice, flow, contact, sequence: 2)
        bench.reportAll()
        #expect(bench.takeSentences().contains { $0.contains("is there again") })
    }

    @Test("where phones are asked late, the next question follows a missed one at once")
    func late() {
        let (bench, _) = stage()
        #expect(bench.keepAlive(.seconds(5)).sent.count == 1)
        bench.advance(.seconds(26))
        #expect(bench.keepAlive(Milliseconds(50)).sent.count == 1)
    }

    // MARK: After a restart

    @Test("phones that a process before has known are asked at once, and none is gone for that")
    func restarted() {
        let (bench, _) = stage()
        #expect(bench.restart().map(\.isRegistered) == [true])
        let again = bench.account("alice")
        let (sent, changes) = bench.keepAlive(.seconds(5)) { _ in true }
        #expect(sent.count == 1 && changes.isEmpty && bench.hasReachablePhone(again))
        #expect(bench.keepAlive(.seconds(300)) { _ in true }.changes.isEmpty)
    }

    @Test("a phone that had answered the process before is found dead by the next one")
    func deadAfterRestart() {
        let (bench, _) = stage()
        _ = bench.keepAlive(.seconds(5)) { _ in true }
        _ = bench.restart()
        #expect(bench.keepAlive(.seconds(120)).changes.map(\.isRegistered) == [false])
        #expect(bench.phones.map(\.presence) == [.gone])
    }

    @Test("a phone that never answers is called on after a restart, one that was started anew too")
    func muteAfterRestart() {
        let (bench, alice) = stage()
        _ = bench.keepAlive(.seconds(5)) { _ in true }
        // Another phone, perhaps, in the same place: what the one before had answered says nothing of it.
        bench.register(alice, flow, contact, sequence: 2, callID: "r2")
        _ = bench.keepAlive(.seconds(200))
        _ = bench.restart()
        #expect(bench.keepAlive(.seconds(300)).changes.isEmpty)
        #expect(bench.phones.map(\.presence) == [.mute])
    }
}

/// How phones are asked that are many.
@Suite struct ManyPhonesTests {
    @Test("many that come at once are asked 5,000 a second at the most, and nothing is wrong then")
    func burst() {
        let bench = LocationBench([.domain("example.com")])
        for number in 0..<30_000 {
            let ip = "198.51.\(number >> 8).\(number & 255)"
            bench.register(
                bench.account("a\(number)"),
                Flow(.udp, listener: 0, peer: address("\(ip):5060")),
                ["Contact: <sip:a@\(ip)>", "Expires: 3600"])
        }
        var sent: [Int] = []
        for _ in 0..<12 { sent.append(bench.keepAlive(.seconds(1)) { _ in true }.sent.count) }
        #expect(sent.reduce(0, +) == 30_000 && sent.allSatisfy { $0 <= 5_600 }, "\(sent)")
        #expect(bench.keepAliveCondition == nil)
    }
}
