import Messages
import Proxy
import Sys
import Testing

/// What directory has of an account is believed within bounds.
@Suite struct StandingTests {
    @Test("an account is held no longer than the settings could say")
    func longHold() {
        let edge = Edge()
        let hold = AccountStanding(account: "alice", heldUntil: Bounds.lastMoment)
        edge.standings = ["alice": hold]
        edge.restart()
        let end = edge.now.sinceEpoch + Bounds.longestHold
        let held = edge.router.standingRows().compactMap { row in
            if case .standing(let standing) = row { standing.heldUntil } else { nil }
        }
        #expect(held.count == 1 && held[0] <= end)
    }
}
