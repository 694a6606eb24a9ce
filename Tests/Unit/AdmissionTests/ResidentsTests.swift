import Messages
import ProxyBench
import Sys
import Testing

@testable import Admission

@Suite("Where phones are registered")
struct ResidentsTests {
    private static let count = 100_000

    /// As many addresses of IPv4 as of IPv6, each its own /64.
    private func phone(_ number: Int) -> IPAddress {
        number.isMultiple(of: 2)
            ? IPAddress(v4: 0x0A00_0000 + UInt32(number))
            : IPAddress(high: 0x2001_0DB8_0000_0000 + UInt64(number), low: 7)
    }

    private func guilty(_ number: Int) -> IPAddress { IPAddress(v4: 0x1400_0000 + UInt32(number)) }

    @Test("a hundred thousand addresses with phones are all known, whatever else comes")
    func many() {
        var sources = KnownSources()
        for number in 0..<Self.count {
            _ = sources.reside(
                phone(number), until: .seconds(3600), account: UInt64(number), .seconds(1))
        }
        for number in 0..<Self.count {
            _ = sources.offence(
                .wrongPassword, guilty(number), Limit(5, in: .seconds(30)), mark: nil, .seconds(2))
        }
        var known = 0
        for number in 0..<Self.count where sources.isResident(phone(number), .seconds(3)) {
            known += sources.accounts(of: phone(number))
        }
        #expect(known == Self.count)
        // The whole /64 is one source, and nobody else is.
        let neighbour = IPAddress(high: phone(1).high, low: 9)
        let isNeighbour = sources.isResident(neighbour, .seconds(3))
        let isGuilty = sources.isResident(guilty(5), .seconds(3))
        #expect(isNeighbour && !isGuilty)
    }

    @Test("addresses whose registrations have ended make room for others")
    func reused() {
        var sources = KnownSources()
        for number in 0..<1000 {
            _ = sources.reside(phone(number), until: .seconds(60), account: 1, .seconds(1))
        }
        let hasEnded = !sources.isResident(phone(3), .seconds(61))
        let isRemembered = sources.hasAuthenticated(phone(3))
        #expect(hasEnded && isRemembered)
        for number in 1000..<2000 {
            _ = sources.reside(phone(number), until: .seconds(9000), account: 1, .seconds(8000))
        }
        let places = sources.residents.places
        #expect(places == 1000)
        var known = 0
        for number in 0..<2000 where sources.isResident(phone(number), .seconds(8001)) {
            known += 1
        }
        #expect(known == 1000)
    }

    @Test("when all places are taken, one whose registration has ended is taken, and no other")
    func full() {
        var residents = Residents(capacity: 8)
        for number in 0..<8 {
            if let place = residents.place(phone(number), .seconds(1)) {
                residents[place].until = .seconds(number == 5 ? 10 : 100)
                residents[place].announcedUntil = .seconds(1000)
            }
        }
        let early = residents.place(phone(8), .seconds(5))
        let late = residents.place(phone(8), .seconds(11))
        let none = residents.place(phone(9), .seconds(11))
        let gone = residents.find(phone(5))
        #expect(early == nil && late == 5 && gone == nil)
        // The new one has said nothing yet of how long it stays.
        #expect(none == 5)
        let kept = (0..<8).filter { residents.find(phone($0)) != nil }
        #expect(kept == [0, 1, 2, 3, 4, 6, 7])
    }

    @Test("a banner that was started anew is told of every resident, not of all at once")
    func told() {
        let stage = AdmissionStage()
        let now = stage.bench.now.monotonic
        for number in 0..<40_000 {
            _ = stage.admission.sources.reside(
                phone(number), until: now + .seconds(3600), account: 1, now)
        }
        stage.admission.bannerLinked(&stage.bench)
        let first = stage.bench.effects.toBanner.count
        #expect(first == 16_384)
        for _ in 0..<10 {
            stage.advance(Milliseconds(100))
            stage.admission.announceResidents(&stage.bench)
        }
        var told: Set<IPAddress> = []
        for case .protect(let address, _) in stage.bench.effects.toBanner { told.insert(address) }
        #expect(told.count == 40_000)
    }

    @Test("what a resident is held for outlasts a flood of other guilty sources")
    func held() {
        var sources = KnownSources()
        _ = sources.reside(phone(0), until: .seconds(600), account: 1, .seconds(1))
        sources.hold(phone(0), until: .seconds(300), .seconds(1))
        for number in 0..<Self.count {
            _ = sources.offence(
                .malformed, guilty(number), Limit(5, in: .seconds(30)), mark: nil, .seconds(2))
        }
        let isHeld = sources.isHeld(phone(0), .seconds(299))
        let isHeldLater = sources.isHeld(phone(0), .seconds(300))
        #expect(isHeld && !isHeldLater)
    }
}
