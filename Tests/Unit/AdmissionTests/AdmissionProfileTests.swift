import Messages
import ProxyBench
import SIP
import Sys
import Testing

@testable import Admission

@Suite("Admission: profiles, and what banner says of sources") struct AdmissionProfileTests {
    private let stranger = Caller("192.0.2.66:5060")

    private func outcome(
        _ stage: AdmissionStage, _ method: String, _ caller: Caller
    ) -> Outcome {
        let bytes = request(method)
        let message = stage.message(bytes.span, caller)
        return Outcome(stage.admission.checkProfile(message, stage.bench))
    }

    @Test("a method that the profile does not have is refused, or gets no answer as it says")
    func methods() {
        let rules: [RouterSetting] = [.profile("world", .method("REGISTER"))]
        let silent: [RouterSetting] = rules + [.profile("world", .answer(.silence))]
        #expect(outcome(AdmissionStage(rules), "REGISTER", stranger) == .pass)
        #expect(outcome(AdmissionStage(rules), "INVITE", stranger) == .refuse(.profile))
        #expect(outcome(AdmissionStage(silent), "INVITE", stranger) == .silence(.profile))
        #expect(
            outcome(AdmissionStage(silent + [.mode(.observe)]), "INVITE", stranger)
                == .observed(.profile))
        // They belong to an INVITE that was allowed.
        for method in ["ACK", "CANCEL"] {
            #expect(outcome(AdmissionStage(rules), method, stranger) == .pass)
        }
        #expect(outcome(AdmissionStage(), "INVITE", stranger) == .pass)
    }

    @Test("a transport that the profile does not have is refused")
    func transports() {
        let stage = AdmissionStage([.profile("world", .transport(.tls))])
        #expect(outcome(stage, "INVITE", stranger) == .refuse(.profile))
        #expect(outcome(stage, "INVITE", Caller("192.0.2.66:5060", .tls)) == .pass)
    }

    @Test("a source's profile is that of its trunk, network, phones or country, in this order")
    func classes() throws {
        let network = try #require(Network("192.0.2.0/24"))
        let stage = AdmissionStage(
            [
                .profile("lab", .network(network)), .profile("french", .country("FR")),
                .profile("carriers", .trunk("carrier")),
            ], trunks: ["other", "carrier"])
        func name(_ caller: Caller) -> String {
            stage.admission.profile(of: caller.ip, caller.standing, stage.bench).name
        }
        var trunk = stranger
        trunk.standing.trunk = TrunkID(1)
        #expect(name(trunk) == "carriers" && name(stranger) == "lab")
        trunk.standing.trunk = TrunkID(0)
        #expect(name(trunk) == "trunks")
        let phone = Caller("198.51.100.7:5060")
        #expect(name(phone) == "world")
        stage.reside(phone.ip)
        _ = stage.admission.receive(.located(phone.ip, country: "FR"), &stage.bench)
        #expect(name(phone) == "phones")
        stage.advance(.seconds(3600))
        #expect(name(phone) == "french")
    }

    @Test("the first answer and the limit of wrong passwords are the profile's")
    func firstAnswer() {
        let stage = AdmissionStage([
            .profile("world", .answer(.refuse)), .profile("world", .failures(2)),
        ])
        #expect(stage.firstAnswer(stranger) == .refuse)
        let guesser = Caller("192.0.2.66:5060", .tcp)
        stage.guess("alice", guesser)
        #expect(stage.bans.isEmpty)
        stage.guess("alice", guesser)
        #expect(stage.bans.first?.count == 2)
        #expect(AdmissionStage().firstAnswer(stranger) == .challenge)
    }

    // MARK: banner

    @Test("banner's bans shut out and close connections, until it says that they have ended")
    func bans() {
        let stage = AdmissionStage()
        let until = stage.bench.now.sinceEpoch + .seconds(60)
        let network = Network.neighbourhood(of: stranger.ip)
        for banned in [Network.source(of: stranger.ip), network] {
            _ = stage.admission.receive(.banned(banned, until: until), &stage.bench)
            #expect(!stage.admits(stranger))
            #expect(stage.bench.effects.closing == [banned])
            stage.bench.effects.closing = []
            _ = stage.admission.receive(.unbanned(banned), &stage.bench)
            #expect(stage.admits(stranger))
        }
        _ = stage.admission.receive(.banned(network, until: until), &stage.bench)
        _ = stage.admission.receive(.cleared, &stage.bench)
        #expect(stage.admits(stranger))
        let observing = AdmissionStage([.mode(.observe)])
        _ = observing.admission.receive(.banned(network, until: until), &observing.bench)
        #expect(observing.admits(stranger))
    }

    @Test("where a source is is asked once, and known when banner has said it")
    func countries() {
        let stage = AdmissionStage()
        let ip = stranger.ip
        #expect(stage.country(of: ip) == nil)
        #expect(!stage.isUnlocated(ip))
        stage.admission.askWhere(ip, &stage.bench)
        #expect(stage.bench.effects.toBanner.isEmpty)
        stage.reside(ip)
        let until = stage.bench.now.sinceEpoch + .seconds(3600) + Bounds.announcement
        #expect(stage.bench.effects.toBanner == [.protect(ip, until: until), .locate(ip)])
        stage.admission.askWhere(ip, &stage.bench)
        #expect(stage.bench.effects.toBanner.count == 2)
        #expect(stage.country(of: ip) == .unknown && stage.isUnlocated(ip))
        let located = stage.admission.receive(.located(ip, country: "NO"), &stage.bench)
        #expect(located == ip)
        #expect(stage.country(of: ip) == Country("NO"))
        #expect(!stage.isUnlocated(ip))
    }

    @Test("a banner that was started anew hears of every resident")
    func linked() {
        let stage = AdmissionStage()
        stage.reside(stranger.ip)
        stage.bench.effects.toBanner = []
        stage.admission.announceResidents(&stage.bench)
        #expect(stage.bench.effects.toBanner.isEmpty)
        stage.admission.bannerLinked(&stage.bench)
        #expect(stage.bench.effects.toBanner.count == 1)
    }

    // MARK: What is said

    @Test("`rempart explain` says how a source stands, and what was decided of it")
    func explained() throws {
        let network = try #require(Network("198.51.100.0/24"))
        let stage = AdmissionStage([.allow(network)], trunks: ["carrier"])
        #expect(stage.said(stranger).contains("answered"))
        #expect(stage.said(stranger).contains("it may be forged"))
        var caller = Caller("198.51.100.7:5060")
        caller.standing.isAllowed = true
        #expect(stage.said(caller).contains("198.51.100.0/24 of defence.allow"))
        caller.standing = Standing(trunk: TrunkID(0))
        #expect(stage.said(caller).contains("because it is of the trunk carrier"))
        let bytes = request("INVITE")
        let message = stage.message(bytes.span, stranger)
        stage.admission.recordRefusal("scheme", 416, message, &stage.bench)
        #expect(stage.said(stranger).contains("scheme, 416"))
        let said = stage.admission.explain(callID: "admission", stage.bench)
        #expect(said.count == 1 && "\(said)".contains("INVITE from 192.0.2.66"))
        stage.offence(.malformed, Caller("192.0.2.66:5060", .tcp), times: 15)
        #expect(stage.said(stranger).contains("banned: rempart why 192.0.2.66"))
    }

    @Test("a flood of short answers leaves what was decided otherwise known")
    func samples() {
        let stage = AdmissionStage()
        let bytes = request("INVITE")
        let message = stage.message(bytes.span, Caller("198.51.100.7:5060"))
        stage.admission.decided("passed on", 100, message, stage.bench)
        let flood = stage.message(bytes.span, stranger)
        for _ in 0..<20_000 { stage.admission.sampled(.shortAnswer, 401, flood, stage.bench) }
        #expect(stage.said(Caller("198.51.100.7:5060")).contains("passed on"))
        #expect(stage.said(stranger).contains("200 in short form"))
    }
}
