import Messages
import Sys
import Testing

@testable import rempart

@Suite struct ExplainTests {
    private let now = Milliseconds.seconds(1_700_000_000)

    private func address(_ text: String) throws -> SocketAddress {
        try #require(SocketAddress(text))
    }

    /// What the source says of 1001.
    private func account(_ remark: String = "type=friend host=dynamic") throws -> [ControlReply] {
        let account = Account(
            ha1MD5: [UInt8](repeating: 1, count: 16), ha1SHA256: [], authUser: "1001",
            aor: "1001", mayRegister: true)
        let kept = KeptOfAccount(phones: 1, standing: AccountStanding(account: "1001"))
        let read = ReadAccount(answer: .found(account), source: "sippeers", version: 1)
        return [
            .step(
                TraceStep(what: "sippeers name=1001", found: true, microseconds: 90, remark: remark)
            ),
            .account(try #require(AccountRow("1001", read, kept))),
        ]
    }

    private func noAccount(_ name: String) throws -> [ControlReply] {
        let kept = KeptOfAccount(phones: 0, standing: AccountStanding(account: name))
        let read = ReadAccount(answer: .unknown, source: "sippeers", version: 1, why: .noRow)
        return [.account(try #require(AccountRow(name, read, kept)))]
    }

    private let noDecision = ControlReply.finding(
        name: ControlReply.noDecisions, value: "none of the last 8192 is about this Call-ID")
    private let nothingHeld = ControlReply.guarded(GuardRow(isKnown: false, requests: 50))

    /// Explains a word by what sip-router says of it as a Call-ID and as an account, and what directory says.
    private func explain(
        _ word: String, call: [ControlReply]? = nil, router: [ControlReply]? = nil,
        directory: [ControlReply]?
    ) throws(ControlError) -> Explanation {
        try Explanation(word) { request throws(ControlError) in
            switch request {
            case .explain: return call ?? [noDecision]
            case .explainAccount:
                guard let router else { throw .ended(.router) }
                return router
            default:
                guard let directory else { throw .ended(.directory) }
                return directory
            }
        }
    }

    @Test("an account is explained line by line, each with what to do where something is wrong")
    func account() throws {
        let phone = PhoneRow(
            account: "1001", transport: .udp, address: try address("198.51.100.7:40000"),
            contact: "sip:1001@10.0.0.7", expires: .seconds(3000), userAgent: "",
            silence: .seconds(12))
        var gone = phone
        gone.transport = .tls
        gone.presence = .gone
        gone.silence = nil
        let source = phone.address.ip
        let router: [ControlReply] = [
            .guarded(
                GuardRow(
                    isKnown: true, isGuarded: true, isUsedUp: true, requests: 50,
                    holds: [GuardRow.Hold(source: source, left: .seconds(600))])),
            .standing(
                AccountStanding(
                    account: "1001", barredSince: now - .seconds(60), reason: "number-never",
                    evidence: "5 refused calls")),
            .phone(phone), .phone(gone),
            .upstream(
                UpstreamRow(
                    address: try address("10.0.0.10:5060"), asterisk: .up, state: .registered)),
            .upstream(
                UpstreamRow(
                    address: try address("10.0.0.20:5060"), asterisk: .up, state: .refused,
                    status: 403)),
            .call(
                CallRow(
                    account: "1001", direction: .received, peer: "1002", isAnswered: false,
                    isAbroad: false, since: now - .seconds(5),
                    asterisk: try address("10.0.0.10:5060"),
                    phone: phone.address, phones: 2, callID: "a@b")),
            .refusal(
                RefusalRow(
                    moment: now - .seconds(9), source: source, transport: .udp, method: "REGISTER",
                    reason: "wrong-password", status: 401)),
        ]
        let told = try explain(
            "1001", router: router, directory: try account("type=peer host=dynamic"))
        let lines = told.text(now).split(separator: "\n").map(String.init)
        let expected = [
            ("account", "1001 is an account."), ("digest user", "1001, MD5"),
            ("type", "Set type=friend in its row"), ("limits", "then `rempart release 1001`"),
            ("phone", "udp 198.51.100.7:40000, can be called, heard 12s ago, registered for 50m"),
            ("phone", "tls 198.51.100.7:40000, cannot be called: its connection is over"),
            ("at 10.0.0.10:5060", "registered"),
            ("at 10.0.0.20:5060", "refused with 403: see whether its account table has 1001"),
            ("call", "in, with 1002, ringing since 5s, 2 phones and Asterisk 10.0.0.10:5060"),
            ("held", "passwords from 198.51.100.7 are not looked at for 10m: Correct the phone"),
            ("guarded", "being guessed from many addresses"),
            ("requests", "50 a second (accounts.requests) are used up: Raise it"),
            (
                "refused",
                "9s ago: REGISTER from 198.51.100.7 over udp: wrong-password, 401. The password"
            ),
        ]
        for (head, words) in expected {
            #expect(
                lines.contains { $0.hasPrefix(head + " ") && $0.contains(words) },
                "\(head): \(words) in \(told.text(now))")
        }
        let json = told.json(now).text
        for words in [
            #""account":"1001","known":true"#, #""state":"refused","status":403"#,
            #""held":[{"address":"198.51.100.7","seconds":600}]"#, #""guarded":true"#,
            #""requestsUsedUp":true"#, #""reason":"wrong-password""#, #""notKnown":[]"#,
        ] { #expect(json.contains(words), "\(json)") }
    }

    @Test("a name that nobody knows is told as such, with how to look")
    func unknown() throws {
        let told = try explain("10o1", router: [nothingHeld], directory: try noAccount("10o1"))
        let text = told.text(now)
        #expect(
            text.hasPrefix("Nobody knows an account `10o1`: 10o1 is no account: no row of sippeers")
        )
        #expect(text.contains("`rempart accounts` lists those that the source has."))
        #expect(told.json(now).text.contains(#""known":false"#))
    }

    @Test(
        "what one component says is told while the other says nothing; when both do, that is an error"
    )
    func silent() throws {
        let half = try explain("1001", router: [nothingHeld], directory: nil)
        #expect(half.text(now).contains("not known  directory does not answer"))
        let other = try explain("1001", directory: try account())
        #expect(other.text(now).contains("1001 is an account."))
        #expect(other.text(now).contains("sip-router does not answer"))
        #expect(throws: ControlError.ended(.directory)) {
            try explain("1001", directory: nil)
        }
    }

    @Test("a Call-ID is explained without a look at the accounts, unless it names one too")
    func callID() throws {
        let decision = ControlReply.finding(
            name: "5 s ago", value: "INVITE from 192.0.2.1: number-never, 403")
        let call = try explain("a@b", call: [decision], router: [nothingHeld], directory: nil)
        #expect(call.text(now) == "5 s ago  INVITE from 192.0.2.1: number-never, 403")
        let row = RefusalRow(
            moment: now, source: try address("192.0.2.1:5060").ip, transport: .udp,
            method: "INVITE",
            reason: "number-never", status: 403)
        let both = try explain(
            "1001", call: [decision], router: [nothingHeld, .refusal(row)], directory: try account()
        )
        #expect(both.text(now).contains("1001 is an account."))
        #expect(both.text(now).hasSuffix("5 s ago  INVITE from 192.0.2.1: number-never, 403"))
    }

    @Test("a reason code is explained, and an account of that name too")
    func reason() throws {
        let code = "wrong-password"
        let reason = try explain(code, router: [nothingHeld], directory: try noAccount(code))
        #expect(reason.text(now).hasPrefix("wrong-password: The password is wrong. Compare"))
        #expect(reason.json(now).text.contains(#""reason":{"code":"wrong-password","#))
        let both = try explain(code, router: [nothingHeld], directory: try account())
        #expect(both.text(now).contains("is an account.") && both.text(now).contains("Compare"))
    }
}
