import Messages
import ProxyBench
import SIP
import Sys
import Testing

@testable import Admission

@Suite("Admission: passwords and budgets") struct AdmissionBudgetTests {
    private let stranger = Caller("192.0.2.66:5060")

    private func guesser(_ number: Int) -> Caller { Caller("198.51.\(number).7:5060", .tcp) }

    // MARK: Passwords

    @Test("an account that all guess at is guarded against strangers, not where it is known")
    func guarded() {
        let stage = AdmissionStage()
        let home = Caller("203.0.113.77:5060", .tcp)
        let bytes = request("REGISTER")
        let message = stage.message(bytes.span, home)
        stage.admission.succeeded(stage.mark("alice"), message, stage.bench)
        for number in 0..<19 { stage.guess("alice", guesser(number)) }
        #expect(stage.reason("alice", guesser(100)) == nil)
        stage.guess("alice", guesser(19))
        // One look every half a minute, for all strangers together.
        #expect(stage.reason("alice", guesser(100)) == nil)
        #expect(stage.reason("alice", guesser(101)) == .accountGuarded)
        #expect(stage.reason("alice", guesser(101), isRepetition: true) == .accountGuarded)
        #expect(stage.reason("alice", guesser(101), isResumed: true) == nil)
        #expect(stage.reason("alice", guesser(101), isOwnFlow: true) == nil)
        #expect(stage.reason("alice", home) == nil)
        #expect(stage.reason("bob", guesser(101)) == nil)
        stage.advance(.seconds(30))
        #expect(stage.reason("alice", guesser(101)) == nil)
    }

    @Test("a copy takes nobody's look at a guarded account")
    func copies() {
        let stage = AdmissionStage()
        for number in 0..<20 { stage.guess("alice", guesser(number)) }
        for _ in 0..<9 {
            #expect(stage.reason("alice", stranger, isRepetition: true) == .accountGuarded)
        }
        #expect(stage.reason("alice", stranger) == nil)
    }

    @Test("where phones are registered an account and its source are held, and nothing else there")
    func pairs() {
        let stage = AdmissionStage()
        let office = Caller("192.0.2.66:5060", .tcp)
        stage.reside(office.ip, account: "bob")
        for _ in 0..<5 { stage.guess("alice", office) }
        #expect(stage.bans.isEmpty)
        #expect(stage.reason("alice", office) == .accountHeld)
        #expect(stage.reason("alice", office, isOwnFlow: true) == nil)
        #expect(stage.reason("alice", guesser(1)) == nil)
        #expect(stage.reason("carol", office) == nil)
        stage.advance(.seconds(300))
        #expect(stage.reason("alice", office) == nil)
    }

    @Test("what an account's own flow has wrong holds nobody")
    func ownFlow() {
        let stage = AdmissionStage()
        let office = Caller("192.0.2.66:5060", .tcp)
        stage.reside(office.ip)
        for _ in 0..<5 { stage.guess("alice", office, isOwnFlow: true) }
        #expect(stage.reason("alice", office) == nil)
    }

    @Test("a name that only an attacker tries bans at once, unless it is an account's")
    func traps() {
        let stage = AdmissionStage([.trap("admin")])
        stage.guess("admin", guesser(1), .wrongPassword)
        #expect(stage.bans.isEmpty)
        stage.guess("admin", guesser(2), .unknownAccount)
        #expect(stage.bans.map(\.reason) == [Detector.honeyAccount.code])
    }

    @Test("while the defence only observes, and of trusted sources, every password is looked at")
    func everyPassword() {
        let observing = AdmissionStage([.mode(.observe)])
        for number in 0..<40 { observing.guess("alice", guesser(number)) }
        for _ in 0..<3 { #expect(observing.reason("alice", stranger) == nil) }
        let stage = AdmissionStage()
        for number in 0..<40 { stage.guess("alice", guesser(number)) }
        var allowed = stranger
        allowed.standing.isAllowed = true
        for _ in 0..<3 { #expect(stage.reason("alice", allowed) == nil) }
    }

    // MARK: Requests

    @Test("a source has twenty tries of names a second; a right one is given back")
    func tries() {
        let stage = AdmissionStage()
        let bytes = request("REGISTER")
        func isTaken(_ caller: Caller, isRight: Bool = false) -> Bool {
            var message = stage.message(bytes.span, caller)
            let isTaken = stage.admission.takeTry(&message, stage.bench)
            // The same message is charged once.
            let isTakenAgain = stage.admission.takeTry(&message, stage.bench)
            #expect(isTakenAgain == isTaken)
            if isRight { stage.admission.returnTry(&message, stage.bench) }
            return isTaken
        }
        for _ in 0..<100 { #expect(isTaken(stranger, isRight: true)) }
        for _ in 0..<20 { #expect(isTaken(stranger)) }
        #expect(!isTaken(stranger))
        #expect(isTaken(guesser(1)))
        var trunk = stranger
        trunk.standing.trunk = TrunkID(0)
        for _ in 0..<100 { #expect(isTaken(trunk)) }
        stage.advance(.seconds(1))
        #expect(isTaken(stranger))
    }

    @Test("an account has its rate of requests, ten times as many at once; a BYE is always taken")
    func requests() {
        for (mode, outcome) in [
            (DefenceMode.enforce, Outcome.refuse(.accountRequests)),
            (.observe, .observed(.accountRequests)),
        ] {
            let stage = AdmissionStage([.requests(2), .mode(mode)])
            func take(_ account: Int32, _ method: SIP.Method = .invite) -> Outcome {
                Outcome(stage.admission.takeRequest(of: AccountID(account), method, stage.bench))
            }
            for _ in 0..<20 { #expect(take(1) == .pass) }
            #expect(take(1) == outcome)
            #expect(take(1, .bye) == .pass && take(2) == .pass)
        }
    }

    @Test("a dialog has a hundred requests at once, and room for its BYE beyond")
    func dialogs() {
        let stage = AdmissionStage()
        func take(_ method: String, _ token: String = "token") -> Outcome {
            let bytes = request(method, token)
            let message = stage.message(bytes.span, stranger)
            return Outcome(stage.admission.takeDialogRequest(message, stage.bench))
        }
        for _ in 0..<100 { #expect(take("INFO") == .pass) }
        #expect(take("INFO") == .refuse(.dialogRequests))
        #expect(take("BYE") == .pass)
        #expect(take("INFO", "another") == .pass)
    }

    // MARK: Answers

    @Test("without proof an answer is at most three times as long as its request")
    func length() {
        let stage = AdmissionStage()
        let bytes = request("OPTIONS")
        let bound = 3 * bytes.count
        var proven = stranger
        proven.hasNonce = true
        #expect(stage.answers(stranger, to: bytes, length: bound))
        #expect(!stage.answers(stranger, to: bytes, length: bound + 1))
        #expect(stage.answers(proven, to: bytes, length: 60_000))
        #expect(stage.answers(Caller("192.0.2.66:5060", .tcp), to: bytes, length: 60_000))
        #expect(stage.fits(bound, stranger, to: bytes))
        #expect(!stage.fits(bound + 1, stranger, to: bytes))
    }

    /// How many of so many answers a caller gets.
    private func count(
        _ stage: AdmissionStage, _ caller: Caller, of most: Int, isCompact: Bool = true
    ) -> Int {
        let bytes = request("OPTIONS")
        return (0..<most).count {
            _ in stage.answers(caller, to: bytes, length: 10, isCompact: isCompact)
        }
    }

    @Test("a stranger's answers are bounded, and leave those of phones, residents and trunks alone")
    func answers() {
        let stage = AdmissionStage([.replies(1), .packets(5)])
        #expect(count(stage, stranger, of: 100) == 10)
        var phone = stranger
        phone.isRegistered = true
        #expect(count(stage, phone, of: 50) == 50)
        var trunk = stranger
        trunk.standing.trunk = TrunkID(0)
        #expect(count(stage, trunk, of: 50) == 50)
        stage.reside(stranger.ip)
        #expect(count(stage, stranger, of: 50) == 50)
        let observing = AdmissionStage([.replies(1), .packets(5), .mode(.observe)])
        #expect(count(observing, stranger, of: 100) == 100)
    }

    @Test("long answers have a rate of their own, which a profile may change")
    func longAnswers() {
        let bytes = request("OPTIONS")
        func mayBeLong(_ stage: AdmissionStage, _ caller: Caller) -> Bool {
            let message = stage.message(bytes.span, caller)
            return stage.admission.mayBeLong(message, stage.bench)
        }
        let stage = AdmissionStage([.replies(2)])
        #expect(mayBeLong(stage, stranger))
        #expect(count(stage, stranger, of: 100, isCompact: false) == 16)
        #expect(!mayBeLong(stage, stranger))
        #expect(mayBeLong(stage, Caller("192.0.2.66:5060", .tcp)))
        let written = AdmissionStage([.replies(2), .profile("world", .replies(1))])
        #expect(count(written, stranger, of: 100, isCompact: false) == 8)
    }
}
