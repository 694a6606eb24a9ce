import Messages
import ProxyBench
import Sys
import Testing

@testable import Admission

@Suite("sip-router's own list of bans")
struct BanListTests {
    private let phone = IPAddress(v4: 0xC612_0007)

    private func source(_ number: Int) -> IPAddress {
        IPAddress(v4: 0x0A00_0000 + UInt32(number))
    }

    @Test("the list has a bound, and bans that have ended make room for others")
    func bound() {
        var bans = BanList()
        for number in 0..<BanList.mostBans {
            bans.ban(source(number), until: .seconds(60), .seconds(1))
        }
        bans.ban(phone, until: .seconds(60), .seconds(20))
        let isAddedBeforeThereIsRoom = bans.isBanned(phone, .seconds(20))
        #expect(!isAddedBeforeThereIsRoom)
        bans.ban(source(0), until: .seconds(90), .seconds(20))
        let isProlonged = bans.isBanned(source(0), .seconds(61))
        #expect(isProlonged)
        bans.ban(phone, until: .seconds(90), .seconds(61))
        let isAdded = bans.isBanned(phone, .seconds(61))
        #expect(isAdded)
        let isKept = bans.isBanned(source(0), .seconds(61))
        #expect(isKept)
    }

    @Test("neighbourhoods are on the list as far as there is room, and ended ones make some")
    func neighbourhoods() {
        var bans = BanList()
        func ban(_ number: Int, _ now: Milliseconds) -> Bool {
            let ip = IPAddress(v4: 0x0A00_0000 + UInt32(number) << 8)
            bans.ban(.neighbourhood(of: ip), until: now + .seconds(60), now)
            return bans.isBanned(ip, now)
        }
        for number in 0..<BanList.mostNetworks { #expect(ban(number, .seconds(1))) }
        #expect(!ban(BanList.mostNetworks, .seconds(1)))
        #expect(ban(0, .seconds(2)))
        #expect(ban(BanList.mostNetworks, .seconds(61)))
    }

    @Test("a ban of banner's lasts no longer than any may, whatever moment it names")
    func longBan() {
        let stage = AdmissionStage()
        _ = stage.admission.receive(
            .banned(.source(of: phone), until: Bounds.lastMoment), &stage.bench)
        let end = stage.bench.now.monotonic + Bounds.longestBan
        let isListed = stage.admission.bans.isBanned(phone, end - Milliseconds(1))
        #expect(isListed)
        let isListedAfter = stage.admission.bans.isBanned(phone, end)
        #expect(!isListedAfter)
    }

    @Test(
        "who is registered where is known on after all bans were lifted, and what was held is not"
    )
    func liftedTogether() {
        let stage = AdmissionStage()
        let now = stage.bench.now.monotonic
        let later = now + .seconds(600)
        _ = stage.admission.sources.reside(phone, until: later, account: 1, now)
        stage.admission.sources.hold(phone, until: later, now)
        stage.admission.bans.ban(source(1), until: later, now)
        _ = stage.admission.receive(.cleared, &stage.bench)
        let isResident = stage.admission.sources.isResident(phone, now)
        #expect(isResident)
        let isHeld = stage.admission.sources.isHeld(phone, now)
        #expect(!isHeld)
        let isListed = stage.admission.bans.isBanned(source(1), now)
        #expect(!isListed)
    }
}
