import Messages
// Every file of these tests plays with the same peers.
@_exported import RouterHarness
import Testing

typealias Edge = SimulatedEdge
// The peer, not what the router knows of it.
typealias Asterisk = PBX

extension SimulatedEdge {
    /// An edge whose faults fail the test.
    convenience init(_ extra: [RouterSetting] = [], asterisks: [String] = ["10.0.0.10:5060"]) {
        self.init(extra, asterisks: asterisks) { Issue.record("\($0)") }
    }
}
