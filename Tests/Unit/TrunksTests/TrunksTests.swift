import BenchHarness
import Messages
import ProxyBench
import SIP
import SIPWriting
import Sys
import Testing
import Trunks

/// A trunk of the settings.
private func trunk(
    _ name: String, _ number: UInt16 = 0, servers: [String], domain: String = "",
    networks: [Network] = [], perSecond: UInt32 = 50
) -> TrunkSettings {
    var settings = TrunkSettings(name)
    settings.adopt(.inside(TrunkBench.inside(number)))
    for server in servers { settings.adopt(.server(address(server))) }
    for network in networks { settings.adopt(.network(network)) }
    settings.adopt(.domain(domain))
    settings.adopt(.perSecond(perSecond))
    return settings
}

@Suite struct TrunksTests {
    private let first = "192.0.2.10:5060"
    private let second = "192.0.2.11:5060"

    // MARK: Reloads

    @Test("a trunk keeps its number over reloads, also over those that leave it out")
    func stable() throws {
        let a = trunk("a", 0, servers: [first])
        let b = trunk("b", 1, servers: [second])
        let bench = TrunkBench([a, b])
        let (idA, idB) = (bench.inUse[0], bench.inUse[1])
        #expect(bench.trunk(at: "192.0.2.10") == idA && bench.trunk(at: "192.0.2.11") == idB)
        bench.reload([b])
        #expect(bench.inUse == [idB] && bench.names == ["b"])
        bench.reload([trunk("c", 2, servers: ["192.0.2.12:5060"]), b, a])
        let idC = try #require(bench.trunk(at: "192.0.2.12"))
        #expect(bench.inUse == [idC, idB, idA] && Set(bench.inUse).count == 3)
        #expect(bench.name(idA) == "a" && bench.tokenName(idA) == "trunk:a")
        #expect(bench.inside(idA) == 2 && bench.inside(idB) == 3 && bench.inside(idC) == 4)
    }

    @Test("a trunk that the settings name no more has no address, no server and no socket")
    func retired() {
        let bench = TrunkBench([trunk("a", servers: [first], domain: "a.example")])
        let id = bench.inUse[0]
        bench.reload([])
        #expect(bench.trunk(at: "192.0.2.10") == nil && bench.find("trunk:a") == nil)
        #expect(
            bench.called("sip:1@a.example") == nil && bench.called("sip:1@x", listener: 2) == nil)
        #expect(bench.choose(id) == nil && bench.openWay(id) == nil)
        #expect(!bench.hasOther(id, tried: 0) && bench.states(id).isEmpty)
        // Its dialogs go by the common socket, and what was recorded of it has its name.
        #expect(bench.inside(id) == 1 && bench.name(id) == "a")
    }

    @Test("servers that stay keep what is known of them over a reload")
    func kept() {
        let bench = TrunkBench([trunk("a", servers: [first, second])])
        let id = bench.inUse[0]
        bench.answered(first, id, false)
        bench.answered(second, id)
        bench.reload([trunk("a", servers: ["192.0.2.12:5060", second, first])])
        #expect(bench.states(id) == [.unknown, .up, .down])
        #expect(bench.choose(id, tried: 0b001) == address(second))
        #expect(bench.choose(id, tried: 0b011) == address(first))
    }

    // MARK: Servers

    @Test("a silent server is passed over for a minute, and called when no other is left")
    func avoidance() {
        let bench = TrunkBench([trunk("a", servers: [first, second])])
        let id = bench.inUse[0]
        #expect(bench.choose(id) == address(first))
        bench.answered(first, id, false)
        bench.answered(first, id, false)
        let down = "192.0.2.10:5060 of the trunk a does not answer; it is called last for a while"
        #expect(bench.takeSentences() == [down])
        #expect(bench.choose(id) == address(second))
        #expect(bench.hasOther(id, tried: 0b10))
        #expect(bench.choose(id, tried: 0b10) == address(first))
        #expect(!bench.hasOther(id, tried: 0b11) && bench.choose(id, tried: 0b11) == nil)
        bench.advance(.seconds(61))
        #expect(bench.choose(id) == address(first) && bench.states(id) == [.down, .unknown])
    }

    @Test("a server that answers again is called first at once, and the journal says so")
    func answersAgain() {
        let bench = TrunkBench([trunk("a", servers: [first, second])])
        let id = bench.inUse[0]
        bench.answered(first, id)
        // The first answer of one that was never silent is nothing to tell.
        #expect(bench.takeSentences().isEmpty)
        bench.answered(first, id, false)
        bench.answered(first, id)
        bench.answered(first, id)
        #expect(bench.takeSentences().last == "192.0.2.10:5060 of the trunk a answers again")
        #expect(bench.choose(id) == address(first) && bench.states(id) == [.up, .unknown])
        bench.answered("192.0.2.99:5060", id, false)
        #expect(bench.takeSentences().isEmpty)
    }

    // MARK: Whose

    @Test("an address of two trunks is of the one that stands first in the settings")
    func overlapping() {
        let net = Network(address("198.51.100.0:1").ip, prefix: 24)
        let a = trunk("a", 0, servers: [first], networks: [net])
        let b = trunk("b", 1, servers: ["198.51.100.9:5060"])
        let bench = TrunkBench([a, b])
        let (idA, idB) = (bench.inUse[0], bench.inUse[1])
        #expect(bench.trunk(at: "198.51.100.9") == idA)
        #expect(bench.trunk(at: "203.0.113.9") == nil)
        bench.reload([b, a])
        #expect(bench.trunk(at: "198.51.100.9") == idB && bench.trunk(at: "198.51.100.8") == idA)
    }

    @Test(
        "a request of an Asterisk is for a trunk by its socket, its domain or its server's address")
    func called() {
        let bench = TrunkBench([
            trunk("a", 0, servers: [first], domain: "sip.a.example"),
            trunk("b", 1, servers: [second]),
        ])
        let (idA, idB) = (bench.inUse[0], bench.inUse[1])
        #expect(bench.called("sip:43123@anything.example", listener: 2) == idA)
        #expect(bench.called("sip:43123@anything.example", listener: 3) == idB)
        #expect(bench.called("sip:43123@SIP.a.example") == idA)
        #expect(bench.called("sip:43123@192.0.2.11:5080") == idB)
        #expect(bench.called("sip:43123@example.com") == nil)
        #expect(bench.called("sip:43123@192.0.2.12") == nil)
    }

    @Test("tokens name a trunk as no account can be named, whole or by a hash")
    func tokens() {
        let long = "the-provider-of-the-whole-house"
        let bench = TrunkBench([
            trunk("a", 0, servers: [first]), trunk(long, 1, servers: [second]),
        ])
        #expect(bench.find("trunk:a") == bench.inUse[0])
        #expect(bench.find("trunk:\(long)") == bench.inUse[1])
        #expect(bench.find("a") == nil && bench.find("trunk:b") == nil && bench.find("") == nil)
        let isTokenName = ["trunk:a", "trunk:", "trunk", "alice"].map {
            Trunks.isTokenName(Array($0.utf8).span)
        }
        #expect(isTokenName == [true, false, false, false])
    }

    @Test("what is more than a trunk's rate is silent by UDP and refused by a connection")
    func rate() {
        let bench = TrunkBench([trunk("a", servers: [first], perSecond: 1)])
        let id = bench.inUse[0]
        let burst = (0..<4).map { _ in bench.takeFromRate(id) }
        #expect(burst.allSatisfy { $0 == .passes })
        #expect(bench.takeFromRate(id) == .silent && bench.takeFromRate(id, .tcp) == .refused)
        // It was taken from the rate when it came.
        #expect(bench.takeFromRate(id, isResumed: true) == .passes)
        bench.advance(.seconds(1))
        #expect(bench.takeFromRate(id) == .passes && bench.takeFromRate(id) == .silent)
    }

    @Test("no rate refuses while the defence observes, or when there is none")
    func noRate() {
        for (settings, isObserving) in [
            (trunk("a", servers: [first], perSecond: 1), true),
            (trunk("a", servers: [first], perSecond: 0), false),
        ] {
            let bench = TrunkBench([settings], isObserving: isObserving)
            let all = (0..<300).map { _ in bench.takeFromRate(bench.inUse[0]) }
            #expect(all.allSatisfy { $0 == .passes })
        }
    }

    // MARK: What it is shown

    @Test(
        "a trunk's Request-URI keeps the host that it knows, and no host of the inside",
        arguments: [
            ("sip:43123@sip.a.example", "sip:43123@sip.a.example", false),
            ("sip:43123@192.0.2.10;user=phone", "sip:43123@192.0.2.10;user=phone", false),
            ("sip:43123@10.0.0.1:5071", "sip:43123@sip.a.example", true),
            ("sip:43123@pbx.local", "sip:43123@sip.a.example", true),
            ("sip:10.0.0.1", "sip:sip.a.example", true),
            ("tel:+43123", "tel:+43123", false),
        ])
    func target(_ asked: String, _ shown: String, _ isReaddressed: Bool) {
        let bench = TrunkBench([trunk("a", servers: [first], domain: "sip.a.example")])
        let target = bench.target(asked, bench.inUse[0])
        #expect(target.uri == shown && target.isReaddressed == isReaddressed)
    }

    @Test("without a domain the first server stands for the trunk")
    func targetWithoutDomain() {
        let bench = TrunkBench([trunk("a", servers: [first, second])])
        let target = bench.target("sip:43123@10.0.0.1", bench.inUse[0])
        #expect(target.uri == "sip:43123@192.0.2.10:5060" && target.isReaddressed)
    }

    @Test(
        "inside a dialog the next Route leads, or the Request-URI, to an address of the trunk alone"
    )
    func way() {
        let bench = TrunkBench([
            trunk("a", 0, servers: [first, second]), trunk("b", 1, servers: ["192.0.2.12:5060"]),
        ])
        let id = bench.inUse[0]
        let ours = "<sip:token@10.0.0.1;lr>"
        #expect(bench.way("sip:x@192.0.2.11:5080", [ours], id) == address("192.0.2.11:5080"))
        let routed = bench.way("sip:x@192.0.2.99", [ours, "<sip:192.0.2.11;lr>"], id)
        #expect(routed == address(second))
        for uri in ["sip:x@192.0.2.99", "sip:x@192.0.2.12", "sip:x@gw.a.example"] {
            #expect(bench.way(uri, [ours], id) == address(first))
        }
        #expect(bench.way("sip:x@192.0.2.11", [ours], id, .tcp) == address(first))
        #expect(bench.openWay(id) == address(first))
    }

    // MARK: Callers

    @Test(
        "a number stands as the caller when no account has it, and nothing else does",
        arguments: [
            ("+43123", WrittenCaller.asWritten, "+43123"), ("43123", .asWritten, "43123"),
            ("alice", .trunk, ""), ("Alice", .trunk, ""), ("1_0", .trunk, ""),
            ("anonymous", .anonymous, "anonymous"), ("Anonymous", .anonymous, "anonymous"),
            ("", .anonymous, "anonymous"), ("1,2", .anonymous, "anonymous"),
        ])
    func written(_ name: String, _ caller: WrittenCaller, _ asked: String) {
        let user = UserPart(Array(name.utf8).span)
        let written = Trunks.writtenCaller(user)
        #expect(written == caller)
        let question = Trunks.askedName(user, written)
        let name = question?.span.text ?? ""
        #expect(name == asked)
    }

    @Test("a trunk that has the name of an account stands for nobody, which is told once a reload")
    func accountName() {
        let settings = trunk("alice", servers: [first])
        let bench = TrunkBench([settings])
        let id = bench.inUse[0]
        #expect(bench.caller(.trunk, id) == .trunk)
        bench.learned("bob", isAccount: true)
        bench.learned("alice", isAccount: true)
        bench.learned("alice", isAccount: true)
        #expect(bench.caller(.trunk, id) == .anonymous)
        #expect(bench.caller(.asWritten, id) == .asWritten)
        let sentence =
            "the trunk alice has the name of an account: its callers that are not believed are sent on as"
            + " anonymous; give the trunk another name under trunks"
        #expect(bench.takeSentences() == [sentence])
        bench.reload([settings])
        #expect(bench.caller(.trunk, id) == .anonymous)
        bench.learned("alice", isAccount: true)
        #expect(bench.takeSentences() == [sentence])
        bench.learned("alice", isAccount: false)
        #expect(bench.caller(.trunk, id) == .trunk)
    }
}
