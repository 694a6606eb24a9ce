import Messages
import ProxyBench
import SIP
import Sys
import Testing

@testable import Admission

@Suite("Admission: who is looked at, counted and shut out") struct AdmissionTests {
    private let stranger = Caller("192.0.2.66:5060")
    private let byTCP = Caller("192.0.2.66:5060", .tcp)

    /// A caller of each standing against which nothing is held.
    private var trusted: [Caller] {
        [Standing(isAsterisk: true), Standing(trunk: TrunkID(0)), Standing(isAllowed: true)].map {
            var caller = byTCP
            caller.standing = $0
            return caller
        }
    }

    // MARK: Who is looked at

    @Test("a datagram in the name of the edge or of an Asterisk is not looked at, a connection is")
    func insideAddress() {
        let stage = AdmissionStage()
        #expect(!stage.admits(Caller("10.0.0.10:5060")))
        #expect(!stage.admits(Caller("203.0.113.5:5060")))
        #expect(stage.admits(Caller("203.0.113.5:5060", .tcp)))
        #expect(stage.admits(stranger))
        #expect(AdmissionStage([.mode(.observe)]).admits(Caller("10.0.0.10:5060")))
    }

    @Test("what a sender has proven follows from its transport, and how long its answer may be")
    func proof() throws {
        let stage = AdmissionStage()
        let bytes = request("OPTIONS")
        let byUDP = try #require(stage.sender(of: bytes, stranger))
        #expect(byUDP.proof == .none && byUDP.isStranger && byUDP.replyLimit == bytes.count)
        let connected = try #require(stage.sender(of: bytes, byTCP))
        #expect(connected.proof == .connection && !connected.isUnproven)
        var allowed = stranger
        allowed.standing.isAllowed = true
        let unbounded = try #require(stage.sender(of: bytes, allowed))
        #expect(unbounded.proof == .none && !unbounded.isUnproven)
        var phone = stranger
        phone.isRegistered = true
        let registered = try #require(stage.sender(of: bytes, phone))
        #expect(!registered.isStranger && registered.isUnproven)
    }

    @Test("of a source that is held only the flows that phones have registered by are looked at")
    func held() {
        let stage = AdmissionStage()
        stage.reside(stranger.ip)
        // Five more than of a source without a good account.
        stage.offence(.malformed, byTCP, times: 20)
        var phone = stranger
        phone.isRegistered = true
        #expect(!stage.admits(stranger) && stage.admits(phone))
        #expect(stage.bans.isEmpty)
        stage.advance(.seconds(300))
        #expect(stage.admits(stranger))
    }

    // MARK: Who is counted

    @Test("what has proven nothing is not counted, what has is banned at the limit")
    func proven() throws {
        for (proof, isBanned) in [(Proof.none, false), (.nonce, true), (.connection, true)] {
            let stage = AdmissionStage()
            var caller = proof == .connection ? byTCP : stranger
            caller.hasNonce = proof == .nonce
            stage.offence(.malformed, caller, times: 14)
            #expect(stage.admits(stranger) && stage.bans.isEmpty)
            stage.offence(.malformed, caller)
            #expect(stage.admits(stranger) == !isBanned)
            #expect(stage.bans.count == (isBanned ? 1 : 0))
            #expect(stage.bench.effects.closing.count == (isBanned ? 1 : 0))
        }
    }

    @Test("a ban order has its evidence, its count and the profile")
    func order() throws {
        let stage = AdmissionStage()
        for _ in 0..<5 { stage.guess("alice", byTCP) }
        let order = try #require(stage.bans.first)
        #expect(order.address == byTCP.ip && order.count == 5 && order.profile == "world")
        #expect(order.reason == Detector.wrongPassword.code)
        #expect(order.evidence.contains("the last for alice"))
    }

    @Test("nothing is held against Asterisks, trunks and networks of defence.allow")
    func trustedSources() {
        for caller in trusted {
            let stage = AdmissionStage(trunks: ["carrier"])
            stage.offence(.malformed, caller, times: 1000)
            for number in 0..<100 { stage.guess("a\(number)", caller) }
            #expect(stage.bans.isEmpty && stage.admits(stranger))
        }
    }

    @Test("the edge's own address is held, and never banned; the loopback is nobody's")
    func ownAddress() {
        let stage = AdmissionStage()
        let own = Caller("203.0.113.5:6000", .tcp)
        stage.offence(.malformed, own, times: 15)
        #expect(stage.bans.isEmpty && !stage.admits(own))
        #expect(stage.neverBanned(own.ip) == "the edge's own address")
        #expect(stage.neverBanned(stranger.ip) == nil)
        #expect(stage.neverBanned(IPAddress(v4: 0x7F00_0001)) == nil)
    }

    @Test("while the defence only observes, bans are ordered and nobody is shut out")
    func observing() {
        let stage = AdmissionStage([.mode(.observe)])
        stage.offence(.malformed, byTCP, times: 15)
        #expect(stage.bans.count == 1 && stage.admits(stranger))
        #expect(stage.bench.effects.closing.isEmpty)
    }

    @Test("a good account behind an address lets it make five mistakes more")
    func patience() {
        let stage = AdmissionStage()
        let bytes = request("REGISTER")
        let message = stage.message(bytes.span, byTCP)
        stage.admission.succeeded(stage.mark("alice"), message, stage.bench)
        stage.offence(.malformed, byTCP, times: 19)
        #expect(stage.bans.isEmpty)
        stage.offence(.malformed, byTCP)
        #expect(stage.bans.count == 1)
    }

    // MARK: Requests of strangers

    @Test("a scanner gets no answer, but as a phone's flow or a trusted source")
    func scanner() {
        let bytes = request("OPTIONS", "100", ["User-Agent: friendly-scanner"])
        func outcome(_ stage: AdmissionStage, _ caller: Caller) -> Outcome {
            let message = stage.message(bytes.span, caller)
            return Outcome(stage.admission.checkWriter(message, stage.bench))
        }
        let stage = AdmissionStage()
        var phone = stranger
        phone.isRegistered = true
        #expect(outcome(stage, stranger) == .silence(.scanner))
        #expect(outcome(stage, phone) == .pass)
        for caller in trusted { #expect(outcome(stage, caller) == .pass) }
        #expect(outcome(AdmissionStage([.mode(.observe)]), stranger) == .observed(.scanner))
    }

    /// Lets a caller begin so many calls without a password; how many bans that has led to.
    private func knock(_ stage: AdmissionStage, _ caller: Caller, calls: Int) -> Int {
        for _ in 0..<calls {
            let bytes = request("INVITE")
            let message = stage.message(bytes.span, caller)
            stage.admission.countKnock(message, &stage.bench)
        }
        return stage.bans.count
    }

    @Test("calls without a password count when they are proven, and nobody has authenticated there")
    func knocks() {
        #expect(knock(AdmissionStage(), byTCP, calls: 9) == 0)
        #expect(knock(AdmissionStage(), byTCP, calls: 10) == 1)
        #expect(knock(AdmissionStage(), stranger, calls: 100) == 0)
        var phone = byTCP
        phone.isRegistered = true
        #expect(knock(AdmissionStage(), phone, calls: 100) == 0)
        let stage = AdmissionStage()
        let bytes = request("REGISTER")
        let message = stage.message(bytes.span, byTCP)
        stage.admission.succeeded(stage.mark("pbx"), message, stage.bench)
        #expect(knock(stage, byTCP, calls: 100) == 0)
    }

    @Test("a forged token counts once, whether or not its message has waited")
    func forgedToken() {
        let stage = AdmissionStage()
        let bytes = request("BYE")
        for isResumed in [Bool](repeating: false, count: 9) + [Bool](repeating: true, count: 9) {
            let message = stage.message(bytes.span, byTCP, isResumed: isResumed)
            stage.admission.countForgedToken(message, &stage.bench)
        }
        #expect(stage.bans.isEmpty)
        let message = stage.message(bytes.span, byTCP)
        stage.admission.countForgedToken(message, &stage.bench)
        #expect(stage.bans.count == 1)
    }

    @Test("a source with good accounts may have more connections that have proven nothing")
    func openings() {
        let stage = AdmissionStage()
        func allowed(_ caller: Caller) -> Int {
            stage.admission.openingsAllowed(caller.ip, caller.standing, stage.bench)
        }
        #expect(allowed(stranger) == 20)
        stage.reside(stranger.ip)
        #expect(allowed(stranger) == 24)
        for caller in trusted { #expect(allowed(caller) == .max) }
    }
}
