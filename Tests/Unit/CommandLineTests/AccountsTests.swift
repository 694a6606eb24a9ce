import Messages
import Sys
import Testing

@testable import rempart

@Suite struct AccountsTests {
    private let now = Milliseconds.seconds(1000)

    private func row(
        _ name: String = "102", access: AccessList = AccessList(), why: AccountAbsence? = nil,
        isAccount: Bool = true, mayRegister: Bool = true, standing: AccountStanding? = nil,
        age: Milliseconds? = nil
    ) throws -> AccountRow {
        let account = Account(
            ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: Array(repeating: 2, count: 32),
            authUser: "phone", aor: name, mayRegister: mayRegister, access: access)
        let read = ReadAccount(
            answer: isAccount ? .found(account) : .unknown, source: "ps_endpoints", version: 1,
            why: why)
        return try #require(
            AccountRow(
                name, read,
                KeptOfAccount(
                    phones: 2, standing: standing ?? AccountStanding(account: name), age: age,
                    isConfirmed: age != nil)))
    }

    private func listed(_ rows: [AccountRow], json: Bool = false) -> String {
        var list = AccountList(json: json, now: now)
        for row in rows { list.add(row) }
        var bytes: [UInt8] = []
        list.rest { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("accounts have the fixed JSON shape, and a table for people")
    func list() throws {
        let row = try row(age: .seconds(42))
        #expect(
            listed([row], json: true)
                == #"[{"account":"102","isAccount":true,"user":"phone","algorithms":["MD5","SHA-256"],"#
                + #""mayRegister":true,"phones":2,"access":"any","limits":[],"known":true,"age":42,"confirmed":true,"source":"ps_endpoints","#
                + #""why":""}]"# + "\n")
        #expect(
            listed([row])
                == """
                ACCOUNT  USER   ALGORITHMS    REGISTERS  PHONES  ACCESS  LIMITS  AGE  CONFIRMED  REMARK
                102      phone  MD5, SHA-256  yes        2       any     -       42s  yes        -

                """)
        #expect(listed([]) == "The source has no account.\n")
        #expect(listed([], json: true) == "[]\n")
    }

    @Test("a name that is none is listed with why, and what stands against one among its limits")
    func remarks() throws {
        let none = try row(why: .noSecret, isAccount: false)
        #expect(listed([none]).contains("102      -     -           -          2       -       -"))
        #expect(listed([none]).contains("no account: no secret"))
        let held = AccountStanding(
            account: "102", heldUntil: .seconds(4600), barredSince: .seconds(5))
        #expect(listed([try row(standing: held)]).contains("barred, not abroad for 1h"))
    }

    @Test("every page is asked for, from behind the last name on")
    func pages() throws {
        var asked: [ControlRequest] = []
        var names: [String] = []
        try Accounts.pages { request in
            asked.append(request)
            return request == .accounts(after: "")
                ? [.account(try row("1")), .account(try row("2")), .isMore]
                : [.account(try row("3"))]
        } _: {
            names.append($0.name)
        }
        #expect(names == ["1", "2", "3"])
        #expect(asked == [.accounts(after: ""), .accounts(after: "2")])
    }

    @Test("a daemon that tells of more and has none ends the list")
    func noProgress() throws {
        try Accounts.pages { _ in
            [.isMore]
        } _: { _ in
        }
    }

    @Test("of a name each look-up is shown with its time, and the account's facts")
    func explained() throws {
        let steps = [
            TraceStep(
                what: "ps_endpoints id=102@example.org", found: false, microseconds: 340, remark: ""
            ),
            TraceStep(
                what: "ps_endpoints id=102", found: true, microseconds: 1260, remark: "auth=102"),
        ]
        let explanation = AccountExplanation(
            steps.map { .step($0) } + [.account(try row())])
        #expect(
            explanation.text(now)
                == """
                LOOK-UP                          ROW    TIME    IT SAYS
                ps_endpoints id=102@example.org  none   0.3 ms  -
                ps_endpoints id=102              found  1.3 ms  auth=102

                102 is an account.

                digest user    phone
                algorithms     MD5, SHA-256
                may register   yes
                access         any
                phones         2 registered
                limits         none of its own
                directory has  no row of it
                """)
        let json = explanation.json(now).text
        #expect(json.hasPrefix(#"{"account":"102","isAccount":true"#))
        #expect(
            json.contains(
                #"{"lookUp":"ps_endpoints id=102","found":true,"microseconds":1260,"remark":"auth=102"}"#
            ))
    }

    @Test(
        "why a name is none, or serves nobody, is said with the remedy",
        arguments: AccountAbsence.allCases)
    func absences(why: AccountAbsence) throws {
        let stands = why == .realmBound || why == .unreadableAccessList
        let explanation = AccountExplanation([.account(try row(why: why, isAccount: stands))])
        let text = explanation.text(now)
        #expect(text.contains(stands ? "102 is an account, but " : "102 is no account: "))
        #expect(text.contains(why.remedy))
        #expect(explanation.json(now).text.contains("\"remedy\":\""))
    }

    @Test("an account that phones may not register is told why, with the row that says so")
    func mayNotRegister() throws {
        let step = TraceStep(
            what: "ps_aors id=102", found: true, microseconds: 1,
            remark: "max_contacts=0; \(TraceStep.whyNotRegister)max_contacts=0")
        let row = ControlReply.account(try row(mayRegister: false))
        #expect(
            AccountExplanation([.step(step), row]).text(now).contains(
                "may register   no: max_contacts=0 (ps_aors id=102)\n"))
        #expect(AccountExplanation([row]).text(now).contains("may register   no\n"))
    }

    @Test("a row of ps_auths that is missing is named")
    func missingRow() throws {
        let steps = [
            TraceStep(what: "ps_endpoints id=102", found: true, microseconds: 1, remark: "auth=9"),
            TraceStep(what: "ps_auths id=9", found: false, microseconds: 1, remark: "missing"),
            TraceStep(
                what: "ps_aors id=8", found: false, microseconds: 1,
                remark: "\(TraceStep.whyNotRegister)the row is missing"),
        ]
        let row = try row(why: .noAuthRow, isAccount: false)
        #expect(
            AccountExplanation(steps.map { .step($0) } + [.account(row)]).text(now).contains(
                "102 is no account: its endpoint names a row of ps_auths that is missing: ps_auths id=9. "
                    + AccountAbsence.noAuthRow.remedy))
    }

    @Test("what others wrote moves no cursor")
    func hostile() throws {
        let row = try row("a\u{1B}[2J", why: .noRow, isAccount: false)
        let step = TraceStep(
            what: "sippeers name=a\u{1B}[2J", found: false, microseconds: 1, remark: "\u{1B}c")
        let text = AccountExplanation([.step(step), .account(row)]).text(now)
        #expect(!text.contains("\u{1B}") && !listed([row]).contains("\u{1B}"))
    }

    @Test(
        "an access list is told in short",
        arguments: [
            ("", "any", "any"), ("-0.0.0.0/0 -::/0", "nobody", "nobody"),
            ("-0.0.0.0/0", "any IPv6", "any IPv6"),
            ("-0.0.0.0/0 +10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8, any IPv6"),
            ("-0.0.0.0/0 -::/0 +192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("+10.0.0.0/8", "any", "any"), ("-0.0.0.0/0 +0.0.0.0/0", "any", "any"),
            ("+10.0.0.0/8 -0.0.0.0/0", "any IPv6", "any IPv6"),
            ("+10.0.0.0/8 -0.0.0.0/0 -::/0", "nobody", "nobody"),
            ("-::/0 +2001:db8::/32", "2001:db8::/32", "2001:db8::/32, any IPv4"),
            ("-192.0.2.0/24", "deny 192.0.2.0/24", "deny 192.0.2.0/24"),
            (
                "-0.0.0.0/0 +10.0.0.0/8 -10.1.0.0/16",
                "deny 0.0.0.0/0, permit 10.0.0.0/8, deny 10.1.0.0/16",
                "deny 0.0.0.0/0, permit 10.0.0.0/8, deny 10.1.0.0/16"
            ),
            (
                "-0.0.0.0/0 -::/0 +10.0.0.1 +10.0.0.2 +10.0.0.3 +10.0.0.4",
                "10.0.0.1, 10.0.0.2, 10.0.0.3 and 1 more", "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4"
            ),
        ])
    func access(rules: String, short: String, long: String) throws {
        let list = AccessList(
            try rules.split(separator: " ").map { rule in
                AccessRule(rule.hasPrefix("+"), try #require(Network(String(rule.dropFirst()))))
            })
        #expect(list.short == short && list.long == long)
    }

    @Test("lists of Contacts, and several lists, are told apart")
    func lists() throws {
        let ten = try #require(Network("10.0.0.0/8"))
        let all = try #require(Network("0.0.0.0/0"))
        let contact = AccessList([
            AccessRule(false, all, .contact), AccessRule(true, ten, .contact),
        ])
        #expect(contact.short == "any; Contact 10.0.0.0/8")
        let two = AccessList([
            AccessRule(false, all), AccessRule(true, ten), AccessRule(false, ten, list: 1),
        ])
        #expect(two.short == "10.0.0.0/8 and deny 10.0.0.0/8")
    }
}
