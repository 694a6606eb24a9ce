import Messages
import Settings
import Testing

/// Which accounts may show callers of their own, by their names.
@Suite struct CallersTests {
    private func text(_ callers: String) -> String { shortest + "  callers: \(callers)\n" }

    @Test("each account that is named with `any` may show its callers")
    func named() {
        let file = SettingsFile(Array(text("{gw1: any, \"+4930\": any}").utf8))
        #expect(file.isGood)
        let told = file.settings.compactMap(\.told.router).filter {
            if case .callers = $0 { true } else { false }
        }
        #expect(told == [.callers("gw1", .any), .callers("+4930", .any)])
    }

    @Test(
        "what is no account with a value is told with its place",
        arguments: [
            ("[gw1]", "`accounts.callers` holds names of accounts with a value"),
            ("any", "such as `callers: {gw1: any}`"),
            ("{gw1: some}", "`accounts.callers.gw1`: unknown choice `some`; it is any"),
            ("{gw1: [any]}", "`accounts.callers.gw1` is one value, such as `gw1: any`"),
            ("{gw1: any, gw1: any}", "`gw1` is given twice"),
            ("{\(String(repeating: "g", count: 65)): any}", "is not the name of an account"),
            ("{\"\": any}", "is not the name of an account"),
            ("{gw 1: any}", "`gw 1` is not the name of an account: 1 to 64 letters, digits and -"),
            ("{gw1@sip.example.com: any}", "without a domain"),
            ("{\"gw;1\": any}", "is not the name of an account"),
            ("{\"gw%31\": any}", "is not the name of an account"),
            ("{zoë: any}", "is not the name of an account"),
        ])
    func wrong(_ callers: String, _ expected: String) {
        let told = faults(text(callers))
        #expect(told.count == 1 && told[0].contains(expected), "\(told)")
    }

    @Test("a misspelt key is told with the right one")
    func misspelt() {
        let told = faults(shortest + "  caller: {gw1: any}\n")
        #expect(told.count == 1 && told[0].contains("did you mean `callers`?"), "\(told)")
    }
}
