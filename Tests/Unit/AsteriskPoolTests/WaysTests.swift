import AsteriskPool
import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

/// By which of the edge's listeners an Asterisk is asked.
@Suite struct WaysTests {
    private let near = "10.0.0.10:5060"
    private let far = "10.1.0.10:5060"
    private let six = "[2001:db8::10]:5060"

    @Test("OPTIONS and REGISTER leave by the listener of each Asterisk, and name its address")
    func asked() throws {
        let bench = PoolBench([near, far, six])
        bench.follow(["10.0.0.10": 1, "10.1.0.10": 2, "[2001:db8::10]": 3])
        _ = bench.take("OPTIONS")
        bench.advance(.seconds(3))
        _ = bench.bound("alice")
        bench.advance(Milliseconds(40))
        let hosts = [near: "10.0.0.1:5060", far: "10.1.0.1:5060", six: "[2001:db8::1]:5060"]
        let numbers: [String: UInt8] = [near: 1, far: 2, six: 3]
        for asterisk in [near, far, six] {
            let host = try #require(hosts[asterisk])
            for method in ["OPTIONS", "REGISTER"] {
                let sent = try #require(
                    bench.look(method).first { $0.to == address(asterisk) }, "\(asterisk)")
                #expect(sent.listener == numbers[asterisk])
                #expect(sent["Via"].hasPrefix("SIP/2.0/UDP \(host);"))
                #expect(sent["Contact"].hasSuffix("\(host)>"))
            }
        }
    }

    @Test("an Asterisk that nobody told of is asked by the first listener of its family")
    func untold() {
        let bench = PoolBench([near, far, six])
        let sent = bench.take("OPTIONS").map(\.listener)
        #expect(sent == [1, 1, 3])
    }

    @Test("a listener that does not reach the Asterisk is not taken")
    func unfit() {
        let bench = PoolBench([near, six])
        bench.follow(["10.0.0.10": 3, "[2001:db8::10]": 0])
        _ = bench.take("OPTIONS")
        bench.advance(.seconds(3))
        #expect(bench.take("OPTIONS").map(\.listener) == [1, 3])
    }

    @Test("where the route changes all accounts are registered anew, from the other address")
    func moved() throws {
        let bench = PoolBench(up: [near, far])
        bench.follow(["10.0.0.10": 1, "10.1.0.10": 2])
        _ = bench.bound("alice")
        bench.advance(Milliseconds(40))
        for request in bench.take("REGISTER") { bench.answer(request, 200) }
        bench.follow(["10.0.0.10": 1, "10.1.0.10": 1])
        bench.advance(Milliseconds(40))
        let anew = bench.take("REGISTER")
        #expect(anew.count == 1)
        let only = try #require(anew.first)
        #expect(only.to == address(far) && only.listener == 1)
        // The first Contact is the one that counts for chan_sip.
        let contacts = only.lines.filter { $0.hasPrefix("Contact: ") }
        #expect(
            contacts == [
                "Contact: <sip:alice@10.0.0.1:5060>",
                "Contact: <sip:alice@10.1.0.1:5060>;expires=0",
            ])
        bench.answer(only, 200)
        bench.follow(["10.0.0.10": 1, "10.1.0.10": 1])
        bench.advance(.seconds(1))
        #expect(bench.take("REGISTER").allSatisfy { $0.isQuestion })
        // After an hour no Asterisk has the former one any more.
        bench.advance(.seconds(2701))
        let next = bench.take("REGISTER")
        #expect(next.contains { $0.lines.contains(contacts[1]) })
        for request in next { bench.answer(request, 200) }
        bench.advance(.seconds(2701))
        let last = bench.take("REGISTER")
        #expect(!last.isEmpty && !last.contains { $0.lines.contains(contacts[1]) })
    }
}
