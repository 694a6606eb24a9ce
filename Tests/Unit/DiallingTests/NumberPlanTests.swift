import Messages
import Testing

@testable import Dialling

@Suite("NumberPlan") struct NumberPlanTests {
    private func read(_ number: String, _ rules: [CallRule] = []) -> Dialled {
        let bytes = Array(number.utf8)
        return NumberPlan(rules).read(bytes.span)
    }

    private func told(_ number: String, _ rules: [CallRule] = []) -> String {
        let dialled = read(number, rules)
        return "\(dialled.kind)" + (dialled.country == .unknown ? "" : " \(dialled.country.code)")
    }

    @Test(
        "without settings a number is abroad when it is dialled with its calling code",
        arguments: [
            ("100", "home"), ("0612345678", "home"), ("alice", "home"), ("*97", "home"),
            ("", "home"),
            ("0033123456789", "abroad FR"), ("+33123456789", "abroad FR"),
            ("+33-1.23-45-67-89", "abroad FR"), ("011442079460000", "abroad GB"),
            ("00033123456789", "abroad FR"), ("+99912345678", "abroad"), ("00", "home"),
            ("001", "home"), ("+1", "home"), ("00881612345678", "never"), ("+88216123456", "never"),
            ("011979123456789", "never"), ("+19005551234", "never"), ("112", "emergency"),
            ("911", "emergency"), ("9112", "home"), ("00881612345678a", "never"),
            ("0088x1612345678", "never"), ("bob00881612345678", "home"),
        ])
    func standard(_ number: String, _ expected: String) {
        #expect(told(number) == expected)
    }

    @Test(
        "Sheffield, Turin and Reading are not abroad, though their numbers begin with 011",
        arguments: ["01142734567", "0115551234", "01188123456", "0118812345"])
    func doubtful(_ number: String) {
        #expect(told(number) == "home")
    }

    @Test(
        "the country is that of the longest prefix",
        arguments: [
            ("+14165550100", "CA"), ("+12125550100", "US"), ("+18765550100", "JM"),
            ("+77012345678", "KZ"), ("+74951234567", "RU"), ("+262269123456", "YT"),
            ("+262262123456", "RE"), ("+441534123456", "JE"), ("+447912345678", "GB"),
            ("+5997123456", "BQ"), ("+59991234567", "CW"), ("+3906698123", "VA"),
            ("+390612345", "IT"), ("+37712345678", "MC"), ("+995322123456", "GE"),
        ])
    func countries(_ number: String, _ country: String) {
        #expect(read(number).country.code == country)
    }

    @Test("a number of the home countries is not abroad, however it is dialled")
    func home() {
        let rules: [CallRule] = [.home("FR"), .home("MC")]
        for number in ["0033123456789", "+33123456789", "+37712345678", "0123456789"] {
            #expect(read(number, rules).kind == .home, "\(number)")
        }
        #expect(told("+32212345678", rules) == "abroad BE")
    }

    @Test(
        "in North America the islands are abroad though no prefix leads there",
        arguments: [
            ("18765550100", "abroad JM"), ("8765550100", "abroad JM"), ("12125550100", "home US"),
            ("2125550100", "home US"), ("4165550100", "abroad CA"), ("19005551234", "never"),
            ("9005551234", "never"), ("01144207946", "abroad GB"), ("100", "home"),
        ])
    func northAmerica(_ number: String, _ expected: String) {
        #expect(told(number, [.home("US")]) == expected)
    }

    @Test(
        "a service code before a number does not hide it",
        arguments: [
            "*31#00881612345678", "*6700881612345678", "#31#+881612345678",
            "%2A31%2300881612345678",
            "**00881612345678",
        ])
    func service(_ number: String) {
        #expect(told(number) == "never")
    }

    @Test("the digits that lead outside are left out")
    func outsideLine() {
        let rules: [CallRule] = [.outsideLine("0"), .home("DE")]
        #expect(told("00612345678", rules) == "home", "0, then 0612345678")
        #expect(told("00033123456789", rules) == "abroad FR")
        #expect(told("0112", rules) == "emergency")
        #expect(told("+33123456789", rules) == "abroad FR")
        #expect(told("900442079460000", [.outsideLine("9")]) == "abroad GB")
    }

    @Test("what is never called is told by digits, by national digits, or by country")
    func never() {
        let rules: [CallRule] = [.never("+4487"), .never("0899"), .never("KP")]
        #expect(told("+448712345678", rules) == "never")
        #expect(told("0899123456", rules) == "never")
        #expect(told("00850212345678", rules) == "never KP")
        #expect(told("+881612345678", rules) == "abroad", "the list replaces the usual one")
    }

    @Test("other prefixes and emergency numbers replace the usual ones")
    func replaced() {
        let rules: [CallRule] = [.prefix("0011"), .emergency("000")]
        #expect(told("0011442079460000", rules) == "abroad GB")
        #expect(told("00442079460000", rules) == "home")
        #expect(told("000", rules) == "emergency" && told("112", rules) == "home")
    }

    @Test("a number has one mark however it is dialled")
    func mark() {
        let plain = read("+33123456789")
        for other in ["0033123456789", "+33-1-23-45-67-89", "*31#0033123456789"] {
            #expect(read(other).mark == plain.mark)
        }
        #expect(read("+33123456780").mark != plain.mark)
    }

    @Test("no bytes are too many or too odd to be read")
    func odd() {
        for number in ["%", "%2", "%2A", "*", "#", "+++++", "+", "0-0-", "*#*#*#"] {
            #expect(read(number).kind == .home)
        }
        #expect(told("+33" + String(repeating: "1", count: 200)) == "abroad FR")
        #expect(told(String(repeating: "*", count: 200)) == "home")
    }
}
