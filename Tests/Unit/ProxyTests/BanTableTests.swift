import Messages
import Sys
import Testing

@testable import Proxy

@Suite("sip-router's own list of bans")
struct BanTableTests {
    private let phone = IPAddress(v4: 0xC612_0007)

    private func source(_ number: Int) -> IPAddress {
        IPAddress(v4: 0x0A00_0000 + UInt32(number))
    }

    @Test("the list has a bound, and bans that have ended make room for others")
    func bound() {
        var defence = Defence()
        for number in 0..<Defence.mostBans {
            defence.ban(source(number), until: .seconds(60), .seconds(1))
        }
        defence.ban(phone, until: .seconds(60), .seconds(20))
        let isAddedBeforeThereIsRoom = defence.isListed(phone, .seconds(20))
        #expect(!isAddedBeforeThereIsRoom)
        defence.ban(source(0), until: .seconds(90), .seconds(20))
        let isProlonged = defence.isListed(source(0), .seconds(61))
        #expect(isProlonged)
        defence.ban(phone, until: .seconds(90), .seconds(61))
        let isAdded = defence.isListed(phone, .seconds(61))
        #expect(isAdded)
        let isKept = defence.isListed(source(0), .seconds(61))
        #expect(isKept)
    }

    @Test("neighbourhoods are on the list as far as there is room, and ended ones make some")
    func neighbourhoods() {
        var defence = Defence()
        func ban(_ number: Int, _ now: Milliseconds) -> Bool {
            let ip = IPAddress(v4: 0x0A00_0000 + UInt32(number) << 8)
            defence.ban(.neighbourhood(of: ip), until: now + .seconds(60), now)
            return defence.isListed(ip, now)
        }
        for number in 0..<Defence.mostNetworks { #expect(ban(number, .seconds(1))) }
        #expect(!ban(Defence.mostNetworks, .seconds(1)))
        #expect(ban(0, .seconds(2)))
        #expect(ban(Defence.mostNetworks, .seconds(61)))
    }

    @Test("a ban of banner's lasts no longer than any may, whatever moment it names")
    func longBan() {
        let edge = Edge()
        edge.router.take(.banned(.source(of: phone), until: Bounds.lastMoment), edge.now)
        let end = edge.now.monotonic + Bounds.longestBan
        let isListed = edge.router.defence.isListed(phone, end - Milliseconds(1))
        #expect(isListed)
        let isListedAfter = edge.router.defence.isListed(phone, end)
        #expect(!isListedAfter)
    }

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

    @Test(
        "who is registered where is known on after all bans were lifted, and what was held is not"
    )
    func liftedTogether() {
        var defence = Defence()
        let now = Milliseconds.seconds(1)
        _ = defence.reside(phone, until: .seconds(600), account: 1, now)
        defence.hold(phone, until: .seconds(60), .seconds(1))
        defence.ban(source(1), until: .seconds(60), now)
        defence.unbanAll()
        let isResident = defence.isResident(phone, now)
        #expect(isResident)
        let isHeld = defence.isHeld(phone, now)
        #expect(!isHeld)
        let isListed = defence.isListed(source(1), now)
        #expect(!isListed)
    }
}
