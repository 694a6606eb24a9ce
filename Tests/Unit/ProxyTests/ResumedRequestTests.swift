import Messages
import RouterHarness
import Testing

/// What a request that has waited for directory meets anew when it goes on.
@Suite struct ResumedRequestTests {
    @Test("calls of a trunk that have waited together are bounded together")
    func room() throws {
        let rules: [ProfileRule] = [.trunk("telco"), .calls(1)]
        let trunk = try TrunkEdge(rules.map { .profile("carriers", $0) })
        trunk.edge.isDirectorySilent = true
        trunk.carrier.call()
        trunk.carrier.call(callID: "t2")
        trunk.edge.directorySpeaks()
        #expect(trunk.asterisk.all().count { $0.method == "INVITE" } == 1)
        _ = try trunk.carrier.expect(503)
    }
}
