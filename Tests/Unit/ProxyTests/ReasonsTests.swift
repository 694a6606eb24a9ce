import Checkout
import Messages
import Proxy
import SIP
import Sys
import Testing

@testable import Calls

/// The reasons have each code that the processes write, and no other.
@Suite struct ReasonsTests {
    private let known = Dictionary(grouping: Reason.all, by: \.group)

    /// Words with hyphens in the sources that are no reasons.
    private let others: Set<String> = [
        "friendly-scanner", "reg-id", "x-asterisk-hangupcause",
    ]

    private func codes(_ groups: Reason.Group...) -> Set<String> {
        Set(groups.flatMap { known[$0] ?? [] }.map(\.code))
    }

    /// What a pattern finds in the sources of some targets.
    private func words(
        _ pattern: Regex<(Substring, Substring)>, in targets: String...
    ) throws -> Set<String> {
        var found: Set<String> = []
        for target in targets {
            for file in Checkout.files(below: "Sources/\(target)") where file.hasSuffix(".swift") {
                let text = try Checkout.text(of: file)
                found.formUnion(text.matches(of: pattern).map { String($0.output.1) })
            }
        }
        return found
    }

    @Test("a message that cannot be read has a reason for each error of the parser")
    func ofMessages() {
        #expect(Set(ParseError.allCases.map(\.code)) == codes(.malformed))
    }

    @Test("a call that neither side has ended has a reason: its own, or that of a refused call")
    func ofCalls() {
        let ends = Set(CallEnd.allCases.map(\.reason).filter { !$0.isEmpty })
        #expect(ends.subtracting(codes(.call)) == codes(.callEnd))
    }

    @Test("every word of the router and of its connections that can be a reason is one")
    func ofConnections() throws {
        let words = try words(
            /"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"/, in: "Proxy", "sip-router", "tls-terminator")
        let known = codes(.connection, .notice, .callEnd).filter { $0.contains("-") }
        let typed = HandshakeFailure.allCases.map(\.code)
        #expect(words.subtracting(others) == known.subtracting(typed))
        #expect(words.isSuperset(of: others))
    }

    @Test("every word of banner that can be a reason is one")
    func ofBans() throws {
        let bans = try words(/\breason: "([a-z -]+)"/, in: "banner")
        // The administrator's word, or "by-hand".
        #expect(codes(.ban) == bans.union(Detector.allCases.map(\.code)).union(["by-hand"]))
        let ends = try words(/\b(?:ended\(row, |liftExcepted\()"([a-z -]+)"/, in: "banner")
        #expect(codes(.banEnd) == ends)
    }

    @Test(
        "a source whose connections are closed is banned for what the reason is evidence of",
        arguments: Reason.all.filter { $0.group == .connection && $0.evidence != nil })
    func evidence(_ reason: Reason) throws {
        let edge = Edge()
        let detector = try #require(reason.evidence)
        let flow = Flow(.tls, listener: 2, peer: address("198.51.100.7:40000"), connection: 1)
        for _ in 0..<detector.standard.count {
            if HandshakeFailure.allCases.contains(where: { $0.code == reason.code }) {
                edge.router.handshakeFailed(flow, edge.now)
            } else {
                edge.router.brokenStream(flow, reason.code, edge.now)
            }
        }
        edge.drain()
        #expect(edge.banOrders.map(\.reason) == [detector.code])
    }
}
