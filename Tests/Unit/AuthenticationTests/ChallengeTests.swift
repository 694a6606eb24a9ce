import BenchHarness
import Digest
import Messages
import ProxyBench
import Sys
import Testing

import func RouterHarness.between
import func RouterHarness.hashed

/// Challenges, delayed answers, and answers to the challenges of Asterisks.
@Suite struct ChallengeTests {
    // MARK: Toward phones

    @Test("a challenge offers each algorithm in a line, which is as long as was said")
    func lines() {
        let bench = AuthenticationBench([.sha256, .md5])
        for (isRegister, isStale) in [(true, false), (true, true), (false, false), (false, true)] {
            let lines = bench.challenge(isRegister: isRegister, isStale: isStale)
            let name = isRegister ? "WWW-Authenticate" : "Proxy-Authenticate"
            #expect(lines.count == 2 && lines.allSatisfy { $0.hasPrefix("\(name): Digest ") })
            #expect(lines.map { between($0, "algorithm=", ",") } == ["SHA-256", "MD5"])
            #expect(lines.allSatisfy { $0.contains("realm=\"edge.example\"") })
            #expect(lines.allSatisfy { $0.contains(",stale=true") == isStale })
            #expect(bench.written == bench.length(isRegister: isRegister, isStale: isStale))
        }
    }

    @Test("a short challenge offers MD5 alone without its name, and SHA-256 where there is no MD5")
    func compact() {
        let both = AuthenticationBench([.sha256, .md5]).challenge(isCompact: true)
        #expect(both.count == 1 && !both[0].contains("algorithm"))
        let one = AuthenticationBench([.sha256]).challenge(isCompact: true)
        #expect(one.count == 1 && one[0].contains("algorithm=SHA-256"))
    }

    // MARK: Delayed answers

    @Test("every answer leaves the same span after its request came, in the order of the requests")
    func delayed() {
        let bench = AuthenticationBench()
        bench.delay(1, 401)
        bench.advance(Milliseconds(40))
        bench.delay(3, 403)
        // One that has waited for directory goes before those whose requests came later.
        bench.delay(2, 402, ago: Milliseconds(40))
        bench.advance(Milliseconds(209))
        #expect(bench.takeAnswers().isEmpty && bench.delayedCount == 3)
        bench.advance(Milliseconds(20))
        #expect(bench.takeAnswers() == ["401", "402"])
        bench.advance(Milliseconds(40))
        #expect(bench.takeAnswers() == ["403"] && bench.delayedCount == 0)
    }

    @Test("one that finds all places taken has the oldest leave at once")
    func full() {
        let bench = AuthenticationBench()
        bench.delay(0, 401)
        for number in 1...Capacity.delayed { bench.delay(UInt64(number), 403) }
        #expect(bench.takeAnswers() == ["401"] && bench.delayedCount == Capacity.delayed)
    }

    // MARK: Toward Asterisks

    private let uri = "sip:100@10.0.0.10:5060"

    /// The digest that answers an Asterisk's challenge with `auth` for our INVITE.
    private func proof(_ line: String, realm: String, _ nonce: String) -> String {
        hashed(
            .md5, hashed(.md5, "alice", realm, "wonder"), nonce, "00000001",
            between(line, "cnonce=\"", "\""), "auth", hashed(.md5, "INVITE", uri))
    }

    @Test("an Asterisk of our realm is answered at once, with all that it asks for")
    func ownRealm() throws {
        let bench = AuthenticationBench()
        let alice = bench.know(AuthenticationBench.alice())
        let challenge = "realm=\"edge.example\",nonce=\"n1\",opaque=\"o1\",qop=\"auth-int,auth\""
        let line = try #require(bench.answer(401, [challenge], alice, uri: uri))
        #expect(
            line.hasPrefix("Authorization: Digest username=\"alice\", ") && line.hasSuffix("\r\n"))
        #expect(between(line, "response=\"", "\"") == proof(line, realm: "edge.example", "n1"))
        #expect(line.contains("uri=\"\(uri)\"") && line.contains("opaque=\"o1\""))
        #expect(line.contains("algorithm=MD5, qop=auth, nc=00000001"))
        let proxy = try #require(bench.answer(407, [challenge], alice, uri: uri))
        #expect(proxy.hasPrefix("Proxy-Authorization: "))
        #expect(between(proxy, "cnonce=\"", "\"") != between(line, "cnonce=\"", "\""))
    }

    @Test("an Asterisk that offers no qop gets the digest of RFC 2069")
    func withoutQop() throws {
        let bench = AuthenticationBench()
        let alice = bench.know(AuthenticationBench.alice())
        let challenge = "realm=\"edge.example\",nonce=\"n1\""
        let line = try #require(bench.answer(401, [challenge], alice, uri: uri))
        let expected = hashed(
            .md5, hashed(.md5, "alice", "edge.example", "wonder"), "n1",
            hashed(.md5, "INVITE", uri))
        #expect(between(line, "response=\"", "\"") == expected)
        #expect(!line.contains("qop") && !line.contains("cnonce") && !line.contains("opaque"))
    }

    @Test("for another realm directory is asked once, and then the challenge is answered")
    func otherRealm() throws {
        let bench = AuthenticationBench()
        let alice = bench.know(AuthenticationBench.alice())
        let challenge = "realm=\"asterisk\",nonce=\"n1\",qop=\"auth\""
        #expect(bench.answer(401, [challenge], alice, uri: uri) == nil)
        bench.tell(AuthenticationBench.alice(realm: "asterisk"))
        let line = try #require(bench.answer(401, [challenge], alice, uri: uri))
        #expect(between(line, "response=\"", "\"") == proof(line, realm: "asterisk", "n1"))
    }

    @Test("the first challenge that can be answered is, and to none nothing is said")
    func choice() throws {
        let bench = AuthenticationBench()
        let alice = bench.know(AuthenticationBench.alice())
        let unknown = "realm=\"edge.example\",nonce=\"n1\",algorithm=SHA-512-256"
        let empty = "realm=\"edge.example\",nonce=\"\""
        let good = "realm=\"edge.example\",nonce=\"n2\""
        let line = try #require(bench.answer(401, [unknown, empty, good], alice, uri: uri))
        #expect(between(line, "nonce=\"", "\"") == "n2")
        #expect(bench.answer(401, [unknown, empty], alice, uri: uri) == "")
        #expect(bench.answer(407, [], alice, uri: uri) == "")
    }
}
