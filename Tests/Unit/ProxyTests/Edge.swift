import Messages
import Proxy
import ProxyBench
import Registrar
// Every file of these tests plays with the same peers.
@_exported import RouterHarness
import Sys
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

extension Edge {
    /// What goes out for a datagram, which need not be SIP.
    func answers(_ bytes: [UInt8], _ flow: Flow) -> [[UInt8]] {
        router.receive(bytes.span, flow, now)
        var sent: [[UInt8]] = []
        for index in 0..<router.bench.effects.outbox.count {
            sent.append(Array(copying: router.bench.effects.outbox.message(index)))
        }
        router.bench.effects.outbox.removeAll()
        return sent
    }
}

/// A request of alice with header fields given.
func plain(
    _ phone: Phone, _ method: String, _ uri: String, to: String = "sip:bob@example.com",
    forwards: Int = 70, callID: String = "v1", via: String? = nil, _ extra: [String] = []
) -> [UInt8] {
    wire(
        [
            "\(method) \(uri) SIP/2.0", "Via: \(via ?? phone.via)", "Max-Forwards: \(forwards)",
            "From: <sip:alice@example.com>;tag=v", "To: <\(to)>", "Call-ID: \(callID)",
            "CSeq: 7 \(method)", "User-Agent: \(String(repeating: "x", count: 100))",
        ] + extra)
}

/// Two phones of alice and an Asterisk.
func twoPhones() throws -> (desk: Phone, cell: Phone, asterisk: Asterisk) {
    let edge = Edge()
    let desk = Phone(edge, "alice")
    let cell = Phone(edge, "alice", at: "198.51.100.99:6000")
    try desk.register()
    try cell.register(contacts: ["<sip:alice@10.9.9.9:6000>"])
    return (desk, cell, Asterisk(edge))
}
