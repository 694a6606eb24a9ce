import BenchHarness
import Messages
import ProxyBench
import ProxyCore
import SIP
import SIPWriting
import Sys
import Testing

import class CoreHarness.CoreBench
import struct RouterHarness.Message
import func RouterHarness.wire

/// The checks that a request passes before anything is done for it.
@Suite struct ChecksTests {
    private static let tcp = Flow(
        .tcp, listener: 0, peer: address("192.0.2.66:5060"), connection: 7)
    private static let tls = Flow(
        .tls, listener: 0, peer: address("192.0.2.66:5060"), connection: 7)

    /// A request with all that the checks look at.
    private func request(
        _ method: String, _ uri: String, from: String = "sip:alice@example.com",
        to: String = "<sip:100@example.com>", _ lines: [String] = []
    ) -> [UInt8] {
        wire(
            [
                "\(method) \(uri) SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bK1",
                "Max-Forwards: 70", "From: <\(from)>;tag=1", "To: \(to)", "Call-ID: c",
                "CSeq: 1 \(method)",
            ] + lines)
    }

    @Test(
        "what may not go on is refused, and less of it when it ends here",
        arguments: [
            ("INVITE", [], Refusal?.none, Refusal?.none),
            ("INVITE", ["Max-Forwards: 0"], .maxForwards, nil),
            ("INVITE", ["Max-Breadth: 0"], .maxBreadth, nil),
            ("INVITE", ["Contact: <sip:b@192.0.2.66>"], .severalContacts, .severalContacts),
            ("REGISTER", ["Contact: <sip:b@192.0.2.66>"], nil, nil),
            ("INVITE", ["Proxy-Require: x"], .unsupportedExtension, .unsupportedExtension),
            ("INVITE", ["Require: x"], nil, .unsupportedExtension),
            ("REGISTER", ["Require: outbound"], nil, nil),
            // An ACK is never answered, so it is refused for what would go round for ever alone.
            ("ACK", ["Proxy-Require: x", "Max-Breadth: 0"], nil, nil),
            ("ACK", ["Max-Forwards: 0"], .maxForwards, nil),
        ] as [(String, [String], Refusal?, Refusal?)])
    func validate(
        _ method: String, _ lines: [String], _ refusal: Refusal?, _ refusalHere: Refusal?
    ) {
        let bench = CoreStage()
        let bytes = CoreBench.request(method, lines: lines)
        for (endsHere, expected) in [(false, refusal), (true, refusalHere)] {
            let said = bench.check(bytes) {
                ProxyCore.validate($0, endsHere: endsHere, $1, $2)
            }
            #expect(said == expected.map { .refuse($0) } ?? .pass)
        }
    }

    @Test("what comes back as we have sent it is a loop, and nothing else is")
    func loop() throws {
        let bench = CoreStage()
        bench.forward(CoreBench.request("INVITE"))
        let sent = try #require(bench.takeInvite()).message
        func said(_ uri: String, _ via: String) -> Outcome {
            bench.check(request("INVITE", uri, ["Via: \(via)"])) {
                ProxyCore.validate($0, endsHere: false, $1, $2)
            }
        }
        #expect(said(sent.uri, sent["Via"]) == .refuse(.loop))
        #expect(said("sip:200@10.0.0.10:5060", sent["Via"]) == .pass)
        let changed = String(sent.branch.dropLast()) + "g"
        #expect(said(sent.uri, "SIP/2.0/UDP 10.0.0.1:5060;branch=\(changed)") == .pass)
    }

    @Test("a method has to be known, and sips has come by TLS")
    func method() {
        let bench = CoreStage()
        let cases: [(String, String, Flow, Outcome)] = [
            ("INVITE", "sip:100@example.com", CoreBench.phone, .pass),
            ("FETCH", "sip:100@example.com", CoreBench.phone, .refuse(.unknownMethod)),
            ("INVITE", "sips:100@example.com", Self.tcp, .refuse(.sipsInClear)),
            ("INVITE", "sips:100@example.com", Self.tls, .pass),
        ]
        for (method, uri, flow, expected) in cases {
            let said = bench.check(request(method, uri), flow) { message, _, _ in
                message.checkMethod()
            }
            #expect(said == expected)
        }
    }

    @Test("out of any dialog begins what can, from a caller whom every Asterisk can read")
    func beginning() {
        let bench = CoreStage()
        let inside = "<sip:100@example.com>;tag=2"
        let uri = "sip:100@example.com"
        let cases: [([UInt8], Outcome)] = [
            (request("INVITE", uri), .pass), (request("PUBLISH", uri), .pass),
            (request("BYE", uri), .refuse(.noDialog)),
            (request("NOTIFY", uri), .refuse(.noDialog)),
            (request("INVITE", uri, to: inside), .refuse(.noDialog)),
            (request("INVITE", uri, from: "tel:+43123"), .refuse(.fromScheme)),
        ]
        for (bytes, expected) in cases {
            let said = bench.check(bytes) { message, _, _ in message.checkBeginning() }
            #expect(said == expected)
        }
    }

    @Test("a trunk begins what it can, by numbers that no dialplan takes for anything else")
    func trunk() {
        let bench = CoreStage()
        let uri = "sip:43123@example.com"
        let odd = "sip:1%26SIP@example.com"
        let cases: [([UInt8], Bool?, Outcome)] = [
            (request("INVITE", uri), nil, .pass), (request("NOTIFY", uri), nil, .pass),
            (request("BYE", uri), nil, .refuse(.noDialog)),
            (request("INVITE", "urn:service:sos"), nil, .refuse(.scheme)),
            (request("INVITE", odd), nil, .refuse(.dialString)),
            (request("INVITE", odd), true, .pass),
            (request("INVITE", uri), false, .refuse(.dialString)),
            (request("INVITE", uri, to: "<\(odd)>"), nil, .refuse(.dialString)),
            (request("INVITE", uri, to: "<sip:example.com>"), nil, .pass),
        ]
        for (bytes, isCalled, expected) in cases {
            let said = bench.check(bytes) { message, _, _ in
                message.checkOfTrunk(isCalled: isCalled)
            }
            #expect(said == expected)
        }
    }

    @Test("who names nobody who is served here learns by UDP not even that somebody is here")
    func foreign() {
        let bench = CoreStage()
        let stranger = "sip:x@elsewhere.example"
        let to = "<sip:100@elsewhere.example>"
        let cases: [(String, Flow, Outcome)] = [
            ("sip:100@elsewhere.example", CoreBench.phone, .silence(.foreignDomain)),
            ("sip:100@elsewhere.example", Self.tcp, .refuse(.foreignDomain)),
            ("tel:+43123", CoreBench.phone, .silence(.foreignDomain)),
            ("tel:+43123", Self.tcp, .refuse(.scheme)),
        ]
        for (uri, flow, expected) in cases {
            let said = bench.check(request("INVITE", uri, from: stranger, to: to), flow) {
                message, _, bench in message.foreign(bench)
            }
            #expect(said == expected)
        }
        let named = bench.check(request("INVITE", "tel:+43123")) { message, _, bench in
            message.foreign(bench)
        }
        #expect(named == .refuse(.scheme))
    }

    @Test("what only looks like a token is answered to whom we know, and to nobody else by UDP")
    func token() {
        let bench = CoreStage()
        let token = "sip:\(String(repeating: "A", count: Tokens.shortest))@203.0.113.5"
        let inside = "<sip:100@elsewhere.example>;tag=2"
        let dialog = request("BYE", token, to: inside)
        let cases: [([UInt8], Flow, Bool, TrunkID?, Outcome)] = [
            (dialog, CoreBench.phone, true, nil, .silence(.foreignToken)),
            (dialog, CoreBench.phone, false, nil, .refuse(.foreignToken)),
            (dialog, CoreBench.phone, true, TrunkID(0), .refuse(.foreignToken)),
            (dialog, Self.tcp, true, nil, .refuse(.foreignToken)),
            (request("INVITE", token), CoreBench.phone, false, TrunkID(0), .pass),
            (request("INVITE", token), CoreBench.phone, true, nil, .silence(.foreignToken)),
        ]
        for (bytes, flow, isStranger, trunk, expected) in cases {
            let said = bench.check(bytes, flow, trunk: trunk, isStranger: isStranger) {
                message, _, bench in message.checkToken(bench)
            }
            #expect(said == expected)
        }
    }

    @Test("the reasons of a CANCEL go on as one value, unless they are too long")
    func reasons() {
        let bench = CoreStage()
        func said(_ lines: [String]) -> String {
            bench.reasons(CoreBench.request("CANCEL", lines: lines))
        }
        #expect(said([]) == "")
        #expect(
            said(["Reason: SIP;cause=200", "Reason: Q.850;cause=16"])
                == "SIP;cause=200, Q.850;cause=16")
        let long = "Reason: SIP;cause=200;text=\"\(String(repeating: "x", count: 400))\""
        #expect(said([String](repeating: long, count: 7)) == "")
    }
}
