import AsteriskPool
import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

/// The life of an account's registration at an Asterisk.
@Suite struct UpstreamRegistrationTests {
    private let first = "10.0.0.10:5060"
    private let second = "10.0.0.20:5060"
    private let challenge = "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"n1\",qop=\"auth\""

    @Test(
        "an account is registered while it has a binding: challenged, refreshed in time, and ended")
    func life() throws {
        let bench = PoolBench(up: [first])
        let alice = bench.bound("alice")
        bench.advance(Milliseconds(40))
        let plain = try #require(bench.take("REGISTER").first)
        #expect(plain.lines[0] == "REGISTER sip:10.0.0.10:5060 SIP/2.0")
        #expect(plain["To"] == "<sip:the-aor@10.0.0.10>" && plain["Expires"] == "3600")
        #expect(plain["Contact"] == "<sip:alice@10.0.0.1:5060>" && plain["Authorization"].isEmpty)

        bench.answer(plain, 401, [challenge])
        let proven = try #require(bench.take("REGISTER").first)
        #expect(proven["Authorization"].hasPrefix("Digest username=\"auth-user\""))
        #expect(proven["Authorization"].contains("uri=\"sip:10.0.0.10:5060\""))
        #expect(proven["Call-ID"] == plain["Call-ID"])
        #expect(plain["CSeq"] == "2 REGISTER" && proven["CSeq"] == "3 REGISTER")

        bench.answer(proven, 200, ["Contact: <sip:alice@10.0.0.1:5060>;expires=100"])
        bench.advance(.seconds(74))
        #expect(bench.take("REGISTER").allSatisfy { $0.isQuestion })
        bench.advance(.seconds(2))
        let refresh = try #require(bench.take("REGISTER").first { !$0.isQuestion })
        bench.answer(refresh, 200)

        bench.leave(alice)
        bench.advance(Milliseconds(40))
        let ending = try #require(bench.take("REGISTER").first)
        #expect(ending["Expires"] == "0" && bench.registrationCount == 1)
        bench.answer(ending, 200)
        #expect(bench.registrationCount == 0)
        #expect(bench.takeSentences().isEmpty)
    }

    @Test("an account that has registrations stays known, and is forgotten with the last of them")
    func retained() {
        let bench = PoolBench([first, second])
        for number in [0, 0, 0, 1, 1, 1] { bench.missed(number) }
        let alice = bench.account("alice")
        bench.appear(alice)
        #expect(bench.knows("alice") && bench.registrationCount == 2)
        bench.adopt([first])
        #expect(bench.knows("alice") && bench.registrationCount == 1)
        bench.leave(alice)
        bench.advance(Milliseconds(40))
        // Nothing is sent to an Asterisk that is down: it is over at once.
        #expect(!bench.knows("alice") && bench.registrationCount == 0)
    }

    @Test("without credentials directory is asked, and the registration goes on with its answer")
    func credentials() {
        let bench = PoolBench([first])
        let alice = bench.account("alice")
        bench.appear(alice)
        bench.advance(Milliseconds(40))
        #expect(bench.take("REGISTER").isEmpty)
        bench.found(alice)
        bench.advance(Milliseconds(40))
        #expect(bench.take("REGISTER").count == 1 && bench.takeQuestions() == 0)
    }

    @Test(
        "two challenges are answered; the third is a refusal, told once and tried again ever later")
    func challenges() throws {
        let bench = PoolBench(up: [first])
        _ = bench.bound("alice")
        let refusal =
            "Asterisk 10.0.0.10:5060 refuses to register alice with 401: is its account table the one of"
            + " accounts.source?"
        bench.advance(Milliseconds(40))
        for wait in [Milliseconds.seconds(10), .seconds(20)] {
            for answered in 1...3 {
                let request = try #require(bench.take("REGISTER").first)
                #expect(request["Authorization"].isEmpty == (answered == 1))
                bench.answer(request, 401, [challenge])
            }
            bench.advance(wait - .seconds(1))
            #expect(bench.take("REGISTER").isEmpty)
            bench.advance(.seconds(2))
        }
        #expect(bench.takeSentences().filter { $0.contains("refuses") } == [refusal])
    }

    @Test(
        "an Asterisk that has no accounts under its own address gets the served domain, at once and from then on",
        arguments: [403, 404])
    func servedDomain(_ status: Int) throws {
        let bench = PoolBench(up: [first])
        _ = bench.bound("alice")
        bench.advance(Milliseconds(40))
        bench.answer(try #require(bench.take("REGISTER").first), 401, [challenge])
        bench.answer(try #require(bench.take("REGISTER").first), status)
        let named = try #require(bench.take("REGISTER").first)
        #expect(named.lines[0] == "REGISTER sip:10.0.0.10:5060 SIP/2.0")
        #expect(named["From"].hasPrefix("<sip:alice@example.com>;tag="))
        #expect(named["To"] == "<sip:the-aor@example.com>" && named["Authorization"].isEmpty)
        bench.answer(named, 401, [challenge])
        let proven = try #require(bench.take("REGISTER").first)
        #expect(proven["Authorization"].contains("uri=\"sip:10.0.0.10:5060\""))
        bench.answer(proven, 200)
        #expect(
            bench.takeSentences() == [
                "Asterisk 10.0.0.10:5060 registers nobody under its own address, so accounts are registered there"
                    + " under example.com: write autodomain=yes or domain=10.0.0.10 into [general] of its sip.conf"
            ])
        _ = bench.bound("bob")
        bench.advance(Milliseconds(40))
        let next = try #require(bench.take("REGISTER").first)
        #expect(next["To"] == "<sip:the-aor@example.com>")
        // Mended otherwise, it has only its address again.
        bench.answer(next, status)
        let back = try #require(bench.take("REGISTER").first)
        #expect(back["To"] == "<sip:the-aor@10.0.0.10>")
        bench.answer(back, 200)
        #expect(bench.takeSentences().isEmpty)
    }

    @Test(
        "an account that Asterisk refuses under either name is told once, with what may help",
        arguments: [
            (
                403,
                "Was the password changed?"
                    + " chan_sip reads it again after: asterisk -rx 'sip prune realtime peer alice'"
            ),
            (404, "If its sip.conf has domain=, write autodomain=yes beside it"),
        ])
    func refusedUnderBoth(_ status: Int, _ remedy: String) throws {
        let bench = PoolBench(up: [first])
        _ = bench.bound("alice")
        bench.advance(Milliseconds(40))
        for wait in [Milliseconds.seconds(10), .seconds(20)] {
            for domain in ["10.0.0.10", "example.com"] {
                let request = try #require(bench.take("REGISTER").first)
                #expect(request["To"] == "<sip:the-aor@\(domain)>")
                bench.answer(request, status)
            }
            bench.advance(wait - .seconds(1))
            #expect(bench.take("REGISTER").isEmpty)
            bench.advance(.seconds(2))
        }
        let refusal =
            "Asterisk 10.0.0.10:5060 refuses to register alice with \(status): is its account table"
            + " the one of accounts.source?"
        #expect(bench.takeSentences() == ["\(refusal) \(remedy)"])
    }

    @Test("a registration that is not answered at all is sent again, given up, and tried anew")
    func silent() throws {
        let bench = PoolBench(up: [first])
        _ = bench.bound("alice")
        bench.advance(.seconds(33))
        let sent = bench.take("REGISTER")
        #expect(sent.count > 5 && Set(sent.map { $0["CSeq"] }).count == 1)
        bench.advance(.seconds(10))
        let anew = try #require(bench.take("REGISTER").first)
        #expect(anew["CSeq"] == "3 REGISTER" && anew["Call-ID"] == sent[0]["Call-ID"])
    }

    @Test("the answer to an older request says nothing any more")
    func stale() throws {
        let bench = PoolBench([first])
        let alice = bench.bound("alice")
        bench.advance(Milliseconds(40))
        let old = try #require(bench.take("REGISTER").first)
        bench.leave(alice)
        bench.advance(Milliseconds(40))
        let ending = try #require(bench.take("REGISTER").first)
        bench.answer(old, 403)
        #expect(bench.registrationCount == 1 && bench.takeSentences().isEmpty)
        bench.answer(ending, 200)
        #expect(bench.registrationCount == 0)
    }

    @Test("an account that comes back before its leaving is confirmed is registered again")
    func comesBack() throws {
        let bench = PoolBench([first])
        let alice = bench.bound("alice")
        bench.advance(Milliseconds(40))
        bench.answer(try #require(bench.take("REGISTER").first), 200)
        bench.leave(alice)
        bench.advance(Milliseconds(40))
        let ending = try #require(bench.take("REGISTER").first)
        bench.appear(alice)
        bench.answer(ending, 200)
        bench.advance(Milliseconds(40))
        #expect(bench.take("REGISTER").map { $0["Expires"] } == ["3600"])
        #expect(bench.registrationCount == 1)
    }

    @Test(
        "an Asterisk that comes up is told of every account, 500 a second; down it is told of none")
    func comesUp() {
        let bench = PoolBench([first])
        for _ in 0..<3 { bench.missed(0) }
        for number in 0..<600 { _ = bench.bound("phone\(number)") }
        bench.advance(Milliseconds(500))
        #expect(bench.take("REGISTER").isEmpty)
        bench.answering = [address(first)]
        while bench.up == 0 { bench.advance(Milliseconds(16)) }
        bench.advance(Milliseconds(480))
        let early = Set(bench.take("REGISTER").map { $0["Call-ID"] })
        #expect(early.count > 100 && early.count < 300)
        bench.advance(.seconds(1))
        #expect(early.union(bench.take("REGISTER").map { $0["Call-ID"] }).count == 600)
    }

    @Test("after a reload registrations at Asterisks that stay go on, others end, new ones begin")
    func renumber() throws {
        let bench = PoolBench([first, second])
        let alice = bench.bound("alice")
        bench.advance(Milliseconds(40))
        let sent = bench.take("REGISTER")
        #expect(Set(sent.map(\.to)) == [address(first), address(second)])
        let kept = try #require(sent.first { $0.to == address(second) })
        let third = "10.0.0.30:5060"
        bench.adopt([third, second])
        #expect(bench.registrationCount == 2)
        bench.advance(Milliseconds(40))
        #expect(bench.take("REGISTER").map(\.to) == [address(third)])
        // The challenge of before the reload is answered where it came from.
        bench.answer(kept, 401, [challenge])
        let proven = try #require(bench.take("REGISTER").first)
        #expect(proven.to == address(second) && proven["Call-ID"] == kept["Call-ID"])
        bench.answer(proven, 200)
        bench.adopt([second, third])
        bench.leave(alice)
        bench.advance(Milliseconds(40))
        let ending = bench.take("REGISTER").filter { $0["Expires"] == "0" }
        #expect(ending.first { $0["Call-ID"] == kept["Call-ID"] }?.to == address(second))
        #expect(Set(ending.map(\.to)) == [address(second), address(third)])
    }

    @Test("an account without a binding is registered at no new Asterisk")
    func unbound() {
        let bench = PoolBench([first])
        let alice = bench.bound("alice")
        bench.advance(Milliseconds(40))
        bench.leave(alice)
        bench.adopt([first, second])
        #expect(bench.registrationCount == 1)
    }
}
