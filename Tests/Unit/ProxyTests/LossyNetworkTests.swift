import Messages
import Sys
import Testing

@Suite struct LossyNetworkTests {
    @Test(
        "calls over a network that loses a fifth of everything come to their end, and nothing is held"
    )
    func lossy() throws {
        // One phone makes them all.
        let edge = Edge([.calls(.atOnce(0)), .calls(.perMinute(0))])
        let alice = Phone(edge, "alice")
        try alice.register(expires: 3600)
        edge.advance(.seconds(9))
        // A million of them are made by `make soak`.
        let outcome = edge.makeLossyCalls(5000, from: alice, seed: 88_172_645_463_325_252)
        #expect(outcome.isFree, "\(outcome)")
        #expect(outcome.isAsMeant, "\(outcome)")
        #expect(edge.banOrders.isEmpty)
    }
}
