internal import Messages
internal import Privsep
internal import Sys
internal import Testing
internal import Wire

@testable internal import directory

/// An accounts-reader for a service: it answers what it is asked from a table, as long as it is told to.
private final class Source {
    let router: Router
    /// The rows by name; what is not there is unknown.
    var rows: [String: ReadAccount] = [:]
    /// How many frames it still answers; nil: all.
    var patience: Int?
    /// How long each frame takes.
    var span = Milliseconds(0)
    /// How many look-ups the largest frame had.
    private(set) var largest = 0
    /// How many names a page has.
    var page = 5

    init(isUp: Bool = true, layout: String = "pjsip") throws {
        router = try Router()
        if isUp { try router.answer(.source(.up(layout: layout, source: "sqlite:///x"))) }
    }

    /// Answers until nothing is asked any more.
    func serve() throws {
        while true {
            let questions = try router.questions().filter { $0 != .hello }
            if questions.isEmpty { return }
            for question in questions {
                if let left = patience {
                    guard left > 0 else { continue }
                    patience = left - 1
                }
                router.wait(span)
                try answer(question)
            }
        }
    }

    private func answer(_ question: DirectoryToReader) throws {
        switch question {
        case .hello: break
        case .lookUp(let id, let queries):
            largest = max(largest, queries.count)
            // A slow frame is cut after its first look-up.
            let answers = queries.enumerated().map { index, query in
                index > 0 && span > .seconds(1) ? ReadAccount.unavailable : read(query.name)
            }
            try router.answer(.answers(id: id, answers))
        case .trace(let id, let name):
            let step = TraceStep(
                what: "ps_endpoints id=\(name)", found: rows[name] != nil, microseconds: 300,
                remark: "")
            try router.answer(.trace(id: id, [step]))
        case .list(let id, let after):
            let names = rows.keys.sorted().filter { $0 > after }
            try router.answer(
                .names(id: id, Array(names.prefix(page)), isLast: names.count <= page))
        }
    }

    private func read(_ name: String) -> ReadAccount {
        rows[name]
            ?? ReadAccount(answer: .unknown, source: "ps_endpoints", version: 0, why: .noRow)
    }

    /// The answer to a request, once nothing more is asked for it.
    func ask(_ request: ControlRequest) throws -> LateAnswer {
        let answer = try #require(router.service.lateAnswer(to: request))
        router.service.endOfTurn()
        try serve()
        return answer
    }

    /// The names of all pages.
    func names() throws -> [String] {
        var names: [String] = []
        while true {
            let rows = try ask(.accounts(after: names.last ?? "")).rows ?? []
            for case .account(let row) in rows { names.append(row.name) }
            #expect(rows.last == .done)
            guard rows.contains(.isMore) else { return names }
        }
    }
}

private func account(_ user: String, version: UInt64 = 1) -> ReadAccount {
    ReadAccount(
        answer: .found(
            Account(
                ha1MD5: Array(repeating: 1, count: 16), ha1SHA256: [], authUser: user, aor: user,
                mayRegister: true)), source: "ps_endpoints", version: version)
}

@Suite("AccountsCommand")
struct AccountsCommandTests {
    @Test("all names are told, page by page, each with what the source says of it")
    func pages() throws {
        let source = try Source()
        for number in 100..<123 { source.rows["\(number)"] = account("\(number)") }
        source.rows["110"] = ReadAccount(
            answer: .unknown, source: "ps_endpoints", version: 2, why: .noSecret)
        #expect(try source.names() == (100..<123).map { "\($0)" })
        let rows = try #require(try source.ask(.accounts(after: "108")).rows)
        guard case .account(let plain)? = rows.first, case .account(let none) = rows[1] else {
            Issue.record("expected two rows: \(rows)")
            return
        }
        #expect(plain.isAccount && plain.user == "109" && plain.hasMD5 && !plain.hasSHA256)
        #expect(!none.isAccount && none.why == .noSecret)
        #expect(rows.count == 7 && rows.suffix(2) == [.isMore, .done])
    }

    @Test("a query has no list, which is said, and tells of one name")
    func query() throws {
        let source = try Source(layout: "query")
        source.rows["101"] = account("101")
        let list = try source.ask(.accounts(after: "")).rows ?? []
        guard case .failed(let why)? = list.first, list.count == 1 else {
            Issue.record("expected a word about it: \(list)")
            return
        }
        #expect(why.contains("accounts.query") && why.contains("`rempart accounts NAME`"))
        let one = try source.ask(.account("101")).rows ?? []
        guard one.count == 3, case .account(let row) = one[1] else {
            Issue.record("expected a row: \(one)")
            return
        }
        #expect(row.isAccount)
    }

    @Test("few names are looked up together, so that a phone's look-up waits for few")
    func small() throws {
        let source = try Source()
        source.page = 512
        for number in 1000..<1500 { source.rows["\(number)"] = account("\(number)") }
        #expect(try source.names().count == 500)
        #expect(source.largest <= 8)
    }

    @Test("a slow source has shorter pages, and all of its names are told")
    func slow() throws {
        let source = try Source()
        source.page = 512
        for number in 100..<150 { source.rows["\(number)"] = account("\(number)") }
        source.span = Milliseconds(400)
        let rows = try #require(try source.ask(.accounts(after: "")).rows)
        #expect(rows.count < 20 && rows.suffix(2) == [.isMore, .done])
        #expect(try source.names().count == 50)
    }

    @Test(
        "phones and standing are those of the account, also of one that the source calls name@domain"
    )
    func kept() throws {
        let source = try Source()
        let expires = Clock.sinceEpoch.seconds + 3600
        source.rows = [
            "1001": account("1001"), "2@example.com": account("2", version: 7),
            "2": account("2", version: 7), "3@other.org": account("3", version: 8),
        ]
        try source.router.tell(.hello)
        for (name, key) in [("1001", 1), ("1001", 2), ("2", 3), ("3", 4)] {
            try source.router.tell(
                .bind(binding(name, key: UInt64(key), expires: expires)))
        }
        try source.router.tell(
            .storeStanding(
                AccountStanding(account: "2", barredSince: .seconds(5), reason: "number-never")))
        let rows = try #require(try source.ask(.accounts(after: "")).rows)
        var phones: [String: UInt32] = [:]
        for case .account(let row) in rows {
            phones[row.name] = row.kept.phones
            #expect((row.kept.standing.reason == "number-never") == row.name.hasPrefix("2"))
        }
        #expect(phones == ["1001": 2, "2": 1, "2@example.com": 1, "3@other.org": 0])
    }

    @Test("of a name each look-up is told, and what comes of them")
    func explained() throws {
        let source = try Source()
        source.rows["102"] = account("phone")
        let rows = try #require(try source.ask(.account("102")).rows)
        guard case .step(let step) = rows[0], case .account(let row) = rows[1] else {
            Issue.record("expected a step and a row: \(rows)")
            return
        }
        #expect(step.what == "ps_endpoints id=102" && step.found && step.microseconds == 300)
        #expect(row.user == "phone" && rows.last == .done)
        let none = try #require(try source.ask(.account("nobody")).rows)
        guard case .account(let missing) = none[1] else {
            Issue.record("expected a row: \(none)")
            return
        }
        #expect(missing.why == .noRow && !missing.isAccount)
    }

    @Test("the age of what directory has is told, and whether it serves without another look")
    func known() throws {
        let source = try Source()
        source.rows = ["1": account("1"), "2": account("2")]
        func kept() throws -> [String: KeptOfAccount] {
            var kept: [String: KeptOfAccount] = [:]
            for case .account(let row) in try #require(try source.ask(.accounts(after: "")).rows) {
                kept[row.name] = row.kept
            }
            return kept
        }
        // To look at the accounts confirms none of them.
        #expect(try kept().values.allSatisfy { $0.age == nil && !$0.isConfirmed })
        try source.router.tell(.hello)
        try source.router.tell(.lookUp(id: 1, account: "1", realm: "asterisk", asksSource: false))
        try source.serve()
        source.router.wait(.seconds(42))
        let young = try kept()
        #expect(young["1"]?.age == .seconds(42) && young["1"]?.isConfirmed == true)
        #expect(young["2"]?.age == nil)
        source.router.wait(.seconds(42))
        #expect(try kept()["1"]?.age == .seconds(84))
        #expect(try kept()["1"]?.isConfirmed == false)
    }

    @Test("of a name whose source cannot be read it is told what directory has")
    func remembered() throws {
        let source = try Source()
        source.rows = ["1": account("1")]
        try source.router.tell(.hello)
        try source.router.tell(.lookUp(id: 1, account: "1", realm: "asterisk", asksSource: false))
        try source.serve()
        source.router.wait(.seconds(90))
        try source.router.answer(.source(.down(why: "/x is gone", source: "sqlite:///x")))
        guard case .failed(let why)? = try source.ask(.account("1")).rows?.last,
            case .failed(let other)? = try source.ask(.account("2")).rows?.last
        else {
            Issue.record("expected errors")
            return
        }
        #expect(
            why.hasPrefix(
                "no account can be read: /x is gone; directory knows 1 as its source said"))
        #expect(why.contains("1m 30s ago") && why.contains("until that is 1d old"))
        #expect(other == "no account can be read: /x is gone")
    }

    @Test(
        "an accounts-reader that hangs is an error after 10 s and is replaced, whatever it was asked last",
        arguments: [0, 1, 2])
    func hangs(answered: Int) throws {
        for request in [ControlRequest.accounts(after: ""), .account("100")] {
            let source = try Source()
            for number in 100..<150 { source.rows["\(number)"] = account("\(number)") }
            source.page = 50
            source.patience = answered
            let answer = try source.ask(request)
            if answer.rows?.last == .done { continue }
            #expect(answer.rows == nil)
            source.router.wait(Milliseconds(9999))
            #expect(answer.rows == nil && source.router.told == 0)
            #expect(source.router.service.patience == Milliseconds(1))
            source.router.wait(Milliseconds(1))
            #expect(source.router.told == 1)
            try source.router.reconnectReader()
            guard case .failed(let why)? = answer.rows?.last else {
                Issue.record("expected an error: \(String(describing: answer.rows))")
                continue
            }
            #expect(why.contains("accounts-reader has not answered for 10 s"))
        }
    }

    @Test("a source of 2 s a read has its accounts listed and explained, names@domain too")
    func slowReads() throws {
        let source = try Source()
        for name in ["1", "2", "2@example.com", "3"] { source.rows[name] = account(name) }
        source.span = .seconds(2)
        #expect(try source.names() == ["1", "2", "2@example.com", "3"])
        let rows = try #require(try source.ask(.account("2@example.com")).rows)
        #expect(rows.count == 3 && rows.last == .done)
    }

    @Test(
        "a source that cannot be read is an error that says why, and so is one that goes meanwhile")
    func down() throws {
        let early = try Source(isUp: false)
        #expect(
            try early.ask(.accounts(after: "")).rows
                == [.failed("the source of the accounts is not opened yet: try again")])
        let source = try Source()
        source.rows["100"] = account("100")
        source.patience = 0
        let page = try source.ask(.accounts(after: ""))
        let explanation = try source.ask(.account("100"))
        try source.router.answer(.source(.down(why: "/x is gone", source: "sqlite:///x")))
        try source.router.answer(.names(id: 1, [], isLast: true))
        try source.router.answer(.trace(id: 2, []))
        try source.router.answer(
            .answers(id: 1, [ReadAccount(answer: .unavailable, source: "", version: 0)]))
        let gone: [ControlReply] = [.failed("no account can be read: /x is gone")]
        #expect(page.rows == gone && explanation.rows == gone)
        #expect(try source.ask(.account("100")).rows == gone)
    }

    @Test("an accounts-reader that is replaced, and one that is away, are errors at once")
    func replaced() throws {
        let source = try Source()
        source.patience = 0
        let answer = try source.ask(.account("100"))
        try source.router.reconnectReader()
        guard case .failed(let why)? = answer.rows?.last else {
            Issue.record("expected an error")
            return
        }
        #expect(why.contains("was replaced"))
        source.router.service.accounts.link.close()
        guard case .failed(let away)? = try source.ask(.accounts(after: "")).rows?.last else {
            Issue.record("expected an error")
            return
        }
        #expect(away.contains("is not running"))
    }

    @Test("an answer of the other kind breaks the protocol, and leaves nobody without an answer")
    func wrongKind() throws {
        let source = try Source()
        source.patience = 0
        let answer = try source.ask(.account("100"))
        #expect(throws: WireError.badValue("names")) {
            try source.router.answer(.names(id: 1, [], isLast: true))
        }
        #expect(answer.rows?.count == 1)
    }

    @Test("more callers than there is room for are told to try again")
    func crowd() throws {
        let source = try Source()
        source.patience = 0
        for _ in 0..<ReaderInquiries.most {
            #expect(try source.ask(.account("100")).rows == nil)
        }
        guard case .failed(let why)? = try source.ask(.account("100")).rows?.last else {
            Issue.record("expected an error")
            return
        }
        #expect(why.contains("try again"))
    }
}
