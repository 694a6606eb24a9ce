import BenchHarness
import Digest
import Messages
import ProxyBench
import Sys
import Testing

import func RouterHarness.between
import func RouterHarness.hashed

/// Who a request comes from, by its credentials.
@Suite struct AuthenticationTests {
    // MARK: Nonces

    @Test(
        "credentials are asked for as if there were none when a part is missing or of another realm",
        arguments: [
            "realm", "algorithm", "user", "qop", "count", "cnonce",
        ])
    func incomplete(_ part: String) {
        let bench = AuthenticationBench()
        var credentials = Credentials(nonce: bench.nonce())
        switch part {
        case "realm": credentials.realm = "elsewhere.example"
        case "algorithm": credentials.rest += ",algorithm=MD5"
        case "user": credentials.user = ""
        case "qop": credentials.rest = ",cnonce=\"c0\",qop=auth-int"
        case "count": credentials.count = "0000001"
        default: credentials.rest = ",qop=auth"
        }
        #expect(bench.check(credentials.request) == .challenge(.first))
        #expect(bench.sender.proof == .none && !bench.sender.isAnswered)
        // What was not whole has used nothing up.
        let whole = Credentials(nonce: credentials.nonce)
        #expect(bench.check(whole.request) == .pass)
    }

    @Test("a nonce proves the address that it was made for, and nobody else's")
    func foreign() {
        let bench = AuthenticationBench()
        let request = Credentials(nonce: bench.nonce()).request
        let other = Flow(.udp, listener: 0, peer: address("192.0.2.67:5060"))
        #expect(bench.check(request, other) == .challenge(.foreign))
        #expect(bench.sender.isUnproven)
        // A NAT may give the phone another port.
        let moved = Flow(.udp, listener: 0, peer: address("192.0.2.66:1024"))
        #expect(bench.check(request, moved) == .pass)
        #expect(bench.sender.proof == .nonce && !bench.sender.isUnproven)
    }

    @Test("a nonce that is too old, or of the process before, is stale")
    func stale() {
        let bench = AuthenticationBench()
        let old = Credentials(nonce: bench.nonce())
        bench.leap(Nonces.lifetime)
        #expect(bench.check(old.request) == .challenge(.stale))
        let before = Credentials(nonce: bench.nonce())
        bench.restart()
        #expect(bench.check(before.request) == .challenge(.stale))
        #expect(bench.sender.isUnproven)
    }

    @Test("a count that another message has used is asked for anew, a higher one is good")
    func used() {
        let bench = AuthenticationBench()
        var credentials = Credentials(nonce: bench.nonce())
        #expect(bench.check(credentials.request) == .pass)
        credentials.sequence = 2
        #expect(bench.check(credentials.request) == .challenge(.used))
        credentials.count = "00000002"
        #expect(bench.check(credentials.request) == .pass)
    }

    @Test("a REGISTER that comes again in every byte by UDP is let through, and proves nothing")
    func repeated() {
        let bench = AuthenticationBench()
        let request = Credentials(nonce: bench.nonce()).request
        bench.check(request)
        bench.leap(.seconds(31))
        #expect(bench.check(request) == .pass)
        #expect(bench.sender.isRepetition && bench.sender.isUnproven)
        bench.leap(.seconds(1))
        #expect(bench.check(request) == .challenge(.used))
    }

    @Test("an INVITE that comes again, or anything by a connection, is asked for anew")
    func repeatedOtherwise() {
        let bench = AuthenticationBench()
        let invite = Credentials(
            nonce: bench.nonce(), method: "INVITE", target: "sip:100@example.com"
        ).request
        bench.check(invite)
        #expect(bench.check(invite) == .challenge(.used))
        let stream = Flow(.tcp, listener: 1, peer: address("192.0.2.66:5060"), connection: 7)
        let register = Credentials(nonce: bench.nonce(stream)).request
        #expect(bench.check(register, stream) == .pass)
        #expect(bench.check(register, stream) == .challenge(.used))
    }

    @Test(
        "credentials are for the Request-URI that they stand with, whatever its ports and parameters",
        arguments: [
            ("REGISTER", "sip:example.com", "sip:203.0.113.5:5060;transport=udp", true),
            ("REGISTER", "sip:example.com", "sip:elsewhere.example", false),
            ("REGISTER", "sip:example.com", "tel:+43123", false),
            ("INVITE", "sip:100@example.com", "sip:100@example.com:5060;user=phone", true),
            ("INVITE", "sip:%31%30%30@example.com", "sip:100@example.com", true),
            ("INVITE", "sip:100@example.com", "sip:101@example.com", false),
            ("INVITE", "sip:100@example.com", "sip:100@elsewhere.example", false),
            ("INVITE", "tel:+43-123", "tel:+43123", true),
            ("INVITE", "tel:+43123", "sip:+43123@example.com", false),
            ("INVITE", "urn:service:sos", "URN:service:SOS", true),
            ("INVITE", "urn:service:sos", "urn:service:sos.fire", false),
        ])
    func digestURI(_ method: String, _ target: String, _ uri: String, _ isGood: Bool) {
        let bench = AuthenticationBench()
        let credentials = Credentials(
            nonce: bench.nonce(), method: method, target: target, uri: uri)
        let said = bench.check(credentials.request)
        #expect(said == (isGood ? .pass : .refuse(.digestURI)))
    }

    // MARK: Accounts

    @Test("what is wrong with credentials that prove no account is told apart")
    func wrong() throws {
        let elsewhere = AccessList([
            AccessRule(false, Network(IPAddress(v4: 0), prefix: 0))
        ])
        let cases: [(AccountAnswer, String, Outcome)] = [
            (AuthenticationBench.alice(), "wonder", .pass),
            (AuthenticationBench.alice(), "wander", .refuse(.wrongPassword)),
            (AuthenticationBench.alice(authUser: "a1"), "wonder", .refuse(.unknownAccount)),
            (AuthenticationBench.alice(access: elsewhere), "wonder", .refuse(.accessList)),
            (AuthenticationBench.alice(access: elsewhere), "wander", .refuse(.wrongPassword)),
        ]
        for (known, password, expected) in cases {
            let bench = AuthenticationBench()
            bench.know(known)
            let request = Credentials(nonce: bench.nonce(), password: password).request
            var said = bench.prove(request)
            if said == .later { said = try #require(bench.tell(known).first) }
            #expect(said == expected)
        }
    }

    @Test("an account that is not known waits for directory, and is proven when the answer comes")
    func asked() {
        let bench = AuthenticationBench()
        let right = Credentials(nonce: bench.nonce())
        #expect(bench.prove(right.request) == .later)
        let wrong = Credentials(nonce: bench.nonce(), password: "wander")
        #expect(bench.prove(wrong.request) == .later)
        #expect(bench.tell(AuthenticationBench.alice()) == [.pass, .refuse(.wrongPassword)])
    }

    @Test("of an account that there is none of nothing stays")
    func unknown() {
        let bench = AuthenticationBench()
        #expect(bench.prove(Credentials(nonce: bench.nonce()).request) == .later)
        #expect(bench.knowsAlice)
        #expect(bench.tell(.unknown) == [.refuse(.unknownAccount)])
        #expect(!bench.knowsAlice)
    }

    @Test("by an old answer an account is proven when there is no new one, and is never refused")
    func old() {
        let bench = AuthenticationBench()
        bench.know(AuthenticationBench.alice("wonder"))
        bench.leap(.seconds(61))
        #expect(bench.prove(Credentials(nonce: bench.nonce()).request) == .later)
        #expect(bench.tell(.unavailable) == [.pass])
        // While nobody can be asked, what is right does not wait.
        #expect(bench.prove(Credentials(nonce: bench.nonce()).request) == .pass)
        let wrong = Credentials(nonce: bench.nonce(), password: "guess").request
        #expect(bench.prove(wrong) == .later)
        #expect(bench.tell(.unavailable) == [.refuse(.databaseDown)])
        let changed = Credentials(nonce: bench.nonce(), password: "wander").request
        #expect(bench.prove(changed) == .later)
        #expect(bench.tell(AuthenticationBench.alice("wander")) == [.pass])
    }

    @Test("a wrong password is refused by what the source says after it came, and by nothing else")
    func doubted() {
        let bench = AuthenticationBench()
        bench.know(AuthenticationBench.alice())
        func guess() -> Outcome {
            bench.leap(Milliseconds(1))
            return bench.prove(Credentials(nonce: bench.nonce(), password: "wander").request)
        }
        #expect(guess() == .later)
        #expect(bench.tell(AuthenticationBench.alice()) == [.refuse(.wrongPassword)])
        #expect(guess() == .later)
        // directory has a young row, and its source does not answer.
        let young = Milliseconds.seconds(5)
        #expect(bench.tell(AuthenticationBench.alice(), age: young) == [.refuse(.databaseDown)])
        #expect(guess() == .later)
        #expect(bench.tell(.unavailable) == [.refuse(.databaseDown)])
        // Nothing of that is left over: what is right passes at once, what is wrong is asked about anew.
        #expect(bench.prove(Credentials(nonce: bench.nonce()).request) == .pass)
        #expect(guess() == .later)
        #expect(bench.tell(AuthenticationBench.alice("wander")) == [.pass])
    }

    @Test("a right password passes while a wrong one of the same account waits for the source")
    func besides() {
        let bench = AuthenticationBench()
        bench.know(AuthenticationBench.alice())
        let wrong = Credentials(nonce: bench.nonce(), password: "wander").request
        #expect(bench.prove(wrong) == .later)
        #expect(bench.prove(Credentials(nonce: bench.nonce()).request) == .pass)
    }

    @Test("the first phone that answers by SHA-256 waits until directory has told that hash")
    func sha256() {
        let bench = AuthenticationBench([.sha256, .md5])
        bench.know(AuthenticationBench.alice())
        let credentials = Credentials(nonce: bench.nonce(), algorithm: .sha256)
        #expect(bench.prove(credentials.request) == .later)
        #expect(bench.tell(AuthenticationBench.alice()) == [.pass])
        let next = Credentials(nonce: bench.nonce(), algorithm: .sha256)
        #expect(bench.prove(next.request) == .pass)
    }

    @Test("more than sixteen requests of one account do not wait for directory")
    func tooMany() {
        let bench = AuthenticationBench()
        let outcomes = (1...17).map { sequence in
            bench.prove(Credentials(nonce: bench.nonce(), sequence: sequence).request)
        }
        #expect(outcomes.dropLast().allSatisfy { $0 == .later })
        #expect(outcomes.last == .refuse(.tooManyAtOnce))
    }
}
