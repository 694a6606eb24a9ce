import Messages
import Sys
import Testing

@testable import rempart

@Suite struct WhyTests {
    @Test("an explanation is an object of its findings, and lines told from now")
    func why() {
        let rows = [("verdict", "banned"), ("first seen", "940"), ("ends", "1060")]
        #expect(
            Why.json(rows).text == #"{"verdict":"banned","first seen":940,"ends":1060}"#)
        #expect(
            Why.text(rows, now: .seconds(1000))
                == "verdict     banned\nfirst seen  1m ago\nends        in 1m")
    }

    @Test("why tells what banner knows, and how sip-router answers the address")
    func answers() throws {
        let address = try #require(IPAddress("192.0.2.66"))
        let rows = try Why.rows(of: address) { request in
            switch request {
            case .why(address): [.finding(name: "verdict", value: "passes")]
            case .explain("192.0.2.66"):
                [
                    .finding(name: "profile", value: "default"),
                    .finding(name: ControlReply.unusualAnswers, value: "3 in short form"),
                ]
            default: []
            }
        }
        #expect(rows.map(\.name) == ["verdict", "answers by UDP"])
        #expect(Why.text(rows, now: .seconds(1)).contains("answers by UDP  3 in short form"))
    }

    @Test("why tells what banner knows while sip-router is away, and fails when banner is")
    func away() throws {
        let address = try #require(IPAddress("192.0.2.66"))
        let rows = try Why.rows(of: address) { request in
            guard case .why = request else { throw ControlError.silent }
            return [.finding(name: "verdict", value: "passes")]
        }
        #expect(rows.map(\.value) == ["passes"])
        #expect(throws: ControlError.silent) {
            try Why.rows(of: address) { _ in throw ControlError.silent }
        }
    }
}
