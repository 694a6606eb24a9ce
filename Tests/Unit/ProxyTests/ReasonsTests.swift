import Checkout
import Messages
import SIP
import Testing

@testable import Calls

/// The table of reasons has each one that the code can write, once.
@Suite struct ReasonsTests {
    private let known = Dictionary(grouping: Reason.all, by: \.code)

    /// Words with hyphens in the sources that are no reasons.
    private let others: Set<String> = [
        "content-length", "content-type", "friendly-scanner", "from-tag", "to-tag", "reg-id",
        "remote-candidates",
    ]

    private func sources(_ targets: String...) throws -> [String] {
        try targets.flatMap { Checkout.files(below: "Sources/\($0)") }
            .filter { $0.hasSuffix(".swift") }.map { try Checkout.text(of: $0) }
    }

    @Test("the reasons of messages, calls, bans and handshakes are all in it")
    func ofTypes() {
        var codes = ParseError.allCases.map(\.code) + Refusal.allCases.map(\.code)
        codes += CallEnd.allCases.map(\.reason).filter { !$0.isEmpty }
        codes += Detector.allCases.map(\.code) + HandshakeFailure.allCases.map(\.code)
        #expect(codes.filter { known[$0] == nil } == [])
    }

    @Test("every word of the router and of its connections that can be a reason is in it")
    func ofLiterals() throws {
        var found: Set<Substring> = []
        for text in try sources("Proxy", "sip-router", "tls-terminator") {
            for match in text.matches(of: /"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"/) {
                found.insert(match.output.1)
            }
        }
        #expect(found.count > 10)
        let missing = found.filter { known[String($0)] == nil && !others.contains(String($0)) }
        #expect(missing.sorted() == [])
    }

    @Test("the reasons of banner are in it")
    func ofBans() throws {
        var found: Set<Substring> = []
        for text in try sources("banner") {
            for match in text.matches(of: /\b(?:ended\(row, |liftExcepted\(|reason: )"([a-z -]+)"/)
            {
                found.insert(match.output.1)
            }
        }
        #expect(found.isSuperset(of: ["expired", "by hand", "neighbours", "allowed"]))
        #expect(found.filter { known[String($0)] == nil } == [])
    }

    @Test("none is in it that nothing writes, or twice for the same thing, or without a meaning")
    func noOthers() throws {
        let text = try sources("Proxy", "sip-router", "tls-terminator", "banner").joined()
        let types =
            ParseError.allCases.map(\.code) + Detector.allCases.map(\.code)
            + HandshakeFailure.allCases.map(\.code) + Refusal.allCases.map(\.code)
        for reason in Reason.all {
            #expect(
                types.contains(reason.code) || text.contains("\"\(reason.code)\""), "\(reason.code)"
            )
            #expect(reason.meaning.hasSuffix(".") && reason.meaning.count > 10)
        }
        for (code, reasons) in known {
            #expect(Set(reasons.map(\.group)).count == reasons.count, "\(code)")
        }
    }
}
