import Messages
import Sys
import Testing

@testable import Dialling

@Suite("CallGuard") struct CallGuardTests {
    private let abroad: Dialled = {
        var dialled = Dialled(.abroad)
        dialled.country = Country("FR")
        dialled.mark = 1
        return dialled
    }()

    /// A moment: so many seconds after Monday, 9 January 2023, 00:00 UTC.
    private func moment(_ seconds: Int64) -> Now {
        Now(monotonic: .seconds(1000 + seconds), sinceEpoch: .seconds(1_673_222_400 + seconds))
    }

    private func terms(_ rules: [CallRule], at seconds: Int64 = 0) -> CallTerms {
        let rules = CallRules(rules)
        let now = moment(seconds)
        return CallTerms(rules: rules, atOnce: rules.atOnce, now: now, local: now.sinceEpoch)
    }

    @Test("hours are those of the days they name, by the local time")
    func hours() {
        let office = OpenHours(days: 0b001_1111, from: 420, to: 1200)
        let rules = CallRules([.hours(office)])
        func isOpen(_ day: Int64, _ hour: Int64) -> Bool {
            rules.isOpen(moment(day * 86_400 + hour * 3600).sinceEpoch)
        }
        #expect(!isOpen(0, 6) && isOpen(0, 7) && isOpen(0, 19) && !isOpen(0, 20))
        #expect(isOpen(4, 12) && !isOpen(5, 12) && !isOpen(6, 12) && isOpen(7, 12))
        #expect(CallRules([]).isOpen(moment(0).sinceEpoch))
    }

    @Test("a refused request is refused again without being counted again")
    func again() {
        var gate = CallGuard(capacity: 10)
        let rules = terms([.allowed("BE"), .tripAbroad(Limit(2, in: .seconds(60)))])
        #expect(gate.judge(0, abroad, request: 7, rules) == .refuse(.country))
        for _ in 0..<20 { #expect(gate.judge(0, abroad, request: 7, rules) == .again(.country)) }
    }

    @Test("different numbers bar an account soon, the same one four times as late")
    func trip() {
        var gate = CallGuard(capacity: 10)
        let rules = terms([.allowed("BE"), .tripAbroad(Limit(3, in: .seconds(60)))])
        var dialled = abroad
        for number in 1...2 {
            dialled.mark = UInt64(number)
            #expect(gate.judge(0, dialled, request: UInt64(number), rules) == .refuse(.country))
        }
        dialled.mark = 3
        #expect(gate.judge(0, dialled, request: 3, rules) == .trip(.country, 3))
        for number in 1...11 {
            #expect(gate.judge(1, abroad, request: UInt64(number), rules) == .refuse(.country))
        }
        #expect(gate.judge(1, abroad, request: 12, rules) == .trip(.country, 12))
    }

    @Test("refusals that lie a window apart bar nobody")
    func window() {
        var gate = CallGuard(capacity: 10)
        for number in 1...50 {
            var dialled = Dialled(.never)
            dialled.mark = UInt64(number)
            let terms = terms([], at: Int64(number) * 151)
            #expect(gate.judge(0, dialled, request: UInt64(number), terms) == .refuse(.numberNever))
        }
    }

    @Test("an account's first country is where it lives, the next one holds its calls abroad")
    func countries() {
        var gate = CallGuard(capacity: 10)
        let hold = Milliseconds.seconds(3600)
        #expect(gate.see(0, in: Country("FR"), hold: hold, moment(0)) == .first)
        #expect(gate.judge(0, abroad, request: 1, terms([])) == .pass)
        #expect(gate.see(0, in: Country("RO"), hold: hold, moment(0)) == .new)
        #expect(gate.judge(0, abroad, request: 2, terms([], at: 3599)) == .refuse(.newCountry))
        #expect(gate.judge(0, abroad, request: 3, terms([], at: 3600)) == .pass)
        #expect(gate.see(0, in: Country("RO"), hold: hold, moment(0)) == .known)
        for code in ["BE", "DE", "ES", "IT", "PT", "NL", "LU"] {
            _ = gate.see(0, in: Country(code), hold: hold, moment(0))
        }
        #expect(gate.countries(0) == "ROBEDEESITPTNLLU", "the oldest is forgotten first")
    }
}
