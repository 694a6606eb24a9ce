internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite("TableText")
struct TableTextTests {
    @Test("no table but its own is ever named")
    func ownTable() throws {
        let outside = Endpoint(.tls, try #require(SocketAddress("203.0.113.5:5061")))
        let text =
            TableText("rempart").removal + TableText("rempart").make(TablePlan(outside: [outside]))
        for line in text.split(separator: "\n")
        where ["add", "delete", "table", "flush"].contains(line.prefix { $0 != " " }) {
            #expect(line.contains("inet rempart"))
        }
        #expect(text.contains("203.0.113.5 . tcp . 5061"))
    }

    @Test(
        "observing, no rule drops; without countries, none asks for one; without limits, none limits"
    )
    func plans() {
        let watching = TableText("rempart").make(TablePlan(mode: .observe, hasCountries: true))
        #expect(!watching.contains("drop"))
        #expect(watching.contains("saddr != @country4"))
        let bare = TableText("rempart").make(TablePlan(packets: 0, connections: 0))
        #expect(!bare.contains("saddr != @country4") && !bare.contains("limit rate"))
    }
}
