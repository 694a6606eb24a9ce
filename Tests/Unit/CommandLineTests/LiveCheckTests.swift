import Messages
import Reactor
import Settings
import Sys
import Testing

@testable import rempart

private let url = "sqlite:///var/lib/asterisk/realtime.sqlite3"
private let up = ReaderToDirectory.source(.up(layout: "pjsip", source: url))

/// What the source says of an account; nil: it can be used.
private func read(_ why: AccountAbsence? = nil) -> ReadAccount {
    ReadAccount(answer: .unknown, source: "ps_endpoints", version: 1, why: why)
}

@Suite struct SourceLookTests {
    private let begun = Milliseconds.seconds(100)

    private func look() -> SourceLook { SourceLook(realm: "asterisk", at: begun) }

    @Test("accounts are counted page by page, and then looked up for the realm of the settings")
    func whole() throws {
        var look = look()
        #expect(try look.take(up) == .list(id: 1, after: ""))
        #expect(try look.take(.changed) == nil)
        let pages = [["1", "2"], ["3"]]
        #expect(
            try look.take(.names(id: 1, pages[0], isLast: false)) == .list(id: 2, after: "2"))
        let asked = ["1", "2", "3"].map { AccountQuery(name: $0, realm: "asterisk") }
        #expect(
            try look.take(.names(id: 2, pages[1], isLast: true)) == .lookUp(id: 3, asked))
        let answers = [read(), read(.noSecret), ReadAccount.unavailable]
        #expect(try look.take(.answers(id: 3, answers)) == nil)
        #expect(look.isDone)
        let findings = look.findings
        #expect(findings.count == 3 && findings.isWhole && findings.lookedUp == 2)
        #expect(findings.unusable == [.init(why: .noSecret, count: 1, names: ["2"])])
        #expect(findings.layout == "pjsip" && findings.source == url)
    }

    @Test("a frame asks for as many look-ups as it has room for, until each name was asked for")
    func batches() throws {
        var look = look()
        _ = try look.take(up)
        let names = (0..<100).map { "\($0)" }
        guard case .lookUp(2, let first)? = try look.take(.names(id: 1, names, isLast: true))
        else { throw SourceProblem.ended() }
        #expect(first.map(\.name) == Array(names[..<AccountQuery.most]))
        let next = try look.take(.answers(id: 2, first.map { _ in read() }))
        guard case .lookUp(3, let second)? = next else { throw SourceProblem.ended() }
        #expect(second.map(\.name) == Array(names[AccountQuery.most...]))
    }

    @Test("a source without an account ends the look")
    func none() throws {
        var look = look()
        _ = try look.take(up)
        #expect(try look.take(.names(id: 1, [], isLast: true)) == nil)
        #expect(look.isDone && look.findings.isWhole && look.findings.count == 0)
    }

    @Test("a source that cannot be read, or no more, ends it with the reader's words")
    func down() throws {
        let down = ReaderToDirectory.source(.down(why: "it is locked", source: url))
        var look = look()
        #expect(throws: SourceProblem.down("it is locked")) { try look.take(down) }
        _ = try look.take(up)
        #expect(throws: SourceProblem.down("it is locked")) { try look.take(down) }
    }

    @Test(
        "when its time is over, what was counted stands, and a source that was not opened is slow")
    func expired() throws {
        let end = begun + SourceLook.longest
        var opening = look()
        try opening.expire(at: end - Milliseconds(1))
        #expect(throws: SourceProblem.slow(SourceLook.longest)) { try opening.expire(at: end) }
        var counting = look()
        _ = try counting.take(up)
        _ = try counting.take(.names(id: 1, ["1", "2"], isLast: false))
        try counting.expire(at: end)
        #expect(counting.isDone && counting.findings.count == 2 && !counting.findings.isWhole)
        #expect(counting.findings.summary.contains("more than 2 accounts"))
        // What was under way may still come.
        #expect(try counting.take(.names(id: 2, ["3"], isLast: true)) == nil)
    }

    @Test(
        "an answer that nobody has asked for is another build's",
        arguments: [
            ReaderToDirectory.names(id: 2, ["1"], isLast: true), .answers(id: 1, [read()]),
            .trace(id: 1, []),
        ])
    func unasked(_ answer: ReaderToDirectory) throws {
        var look = look()
        _ = try look.take(up)
        #expect { try look.take(answer) } throws: { error in
            if case .garbled? = error as? SourceProblem { true } else { false }
        }
    }
}

@Suite struct ReaderLinksTests {
    private let links: ReaderLinks
    /// The reader's ends.
    private let supervisor, directory: Link

    init() throws {
        let (ours, its) = try Link.pair()
        let (mine, peer) = try Link.pair()
        links = ReaderLinks(supervision: Link(ours), directory: Link(mine))
        (supervisor, directory) = (Link(its), Link(peer))
    }

    private func say(_ messages: [ReaderToDirectory]) {
        for message in messages { _ = directory.send(message.encoded()) }
    }

    private func carryOut(patience: Milliseconds = .seconds(60)) throws -> SourceFindings {
        try links.carryOut(SourceLook(realm: "asterisk", at: Clock.monotonic), patience: patience)
    }

    /// The messages that have come to the reader as directory's.
    private func asked() throws -> [DirectoryToReader] {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        var messages: [DirectoryToReader] = []
        while case .frame(let length, _) = try directory.receive(into: &buffer) {
            let frame = Array(buffer[..<length])
            messages.append(try DirectoryToReader(decoding: frame.span))
        }
        return messages
    }

    @Test("a reader is greeted and asked as directory does")
    func conversation() throws {
        say([up, .changed, .names(id: 1, ["7"], isLast: true), .answers(id: 2, [read()])])
        let findings = try carryOut()
        #expect(findings.count == 1 && findings.lookedUp == 1)
        let query = AccountQuery(name: "7", realm: "asterisk")
        #expect(try asked() == [.hello, .list(id: 1, after: ""), .lookUp(id: 2, [query])])
    }

    @Test("it is told at the start what the supervisor tells it, and of the settings its own")
    func start() throws {
        let (_, peer) = try Link.pair()
        let settings = SettingsFile(Array(SettingsDocument.shortest.utf8)).settings
        links.begin(settings, peer: peer)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        var words: [String] = []
        var told: [Setting] = []
        while case .frame(let length, let passed) = try supervisor.receive(into: &buffer) {
            let frame = Array(buffer[..<length])
            switch try SupervisorMessage(decoding: frame.span, passed: passed) {
            case .hello(let role): words.append("hello \(role.name)")
            case .peer(let role, _): words.append("peer \(role.name)")
            case .setting(let setting): told.append(setting)
            case .begin: words.append("begin")
            default: words.append("more")
            }
        }
        #expect(words == ["hello accounts-reader", "peer directory", "begin"])
        let own = settings.filter { $0.readers.contains(.accountsReader) }
        #expect(told == own && !own.isEmpty && own.count < settings.count)
    }

    @Test("a reader that says nothing hangs, also when it was heard before")
    func silent() throws {
        let patience = Milliseconds(50)
        #expect(throws: SourceProblem.hangs(patience)) { try carryOut(patience: patience) }
        say([up])
        #expect(throws: SourceProblem.hangs(patience)) { try carryOut(patience: patience) }
    }

    @Test("a heartbeat is a word of a reader that works: then its time alone ends the look")
    func heartbeats() throws {
        _ = supervisor.send(ChildMessage.watchdog.encoded())
        let look = SourceLook(realm: "", at: Clock.monotonic, for: Milliseconds(50))
        #expect(throws: SourceProblem.slow(Milliseconds(50))) {
            try links.carryOut(look, patience: .seconds(60))
        }
    }

    @Test("what it has said comes before its end")
    func ended() throws {
        say([.source(.down(why: "it is away", source: url))])
        supervisor.descriptor.close()
        directory.descriptor.close()
        #expect(throws: SourceProblem.down("it is away")) { try carryOut() }
        #expect(throws: SourceProblem.ended()) { try carryOut() }
    }
}

@Suite struct LiveCheckWordsTests {
    private var findings: SourceFindings {
        SourceFindings(layout: "pjsip", source: url, count: 100, isWhole: true, lookedUp: 100)
    }

    @Test("what was read, how and by whom is one line, with the number of accounts")
    func summary() {
        var findings = findings
        #expect(
            findings.summary
                == "\(url): good: pjsip, 100 accounts, read by accounts-reader as rempart-acct")
        findings.count = 1
        #expect(findings.summary.contains("pjsip, 1 account, read"))
        findings.isWhole = false
        #expect(findings.summary.contains("pjsip, more than 1 account, counted for 20 s, read"))
        findings.count = 0
        #expect(findings.summary.contains("pjsip, accounts not counted within 20 s, read"))
    }

    @Test("accounts that nobody can use are named with why, and what to do")
    func unusable() {
        var findings = findings
        #expect(findings.warnings.isEmpty)
        findings.unusable = [
            .init(why: .noSecret, count: 5, names: ["1", "2", "3"]),
            .init(why: .realmBound, count: 1, names: ["9"]),
        ]
        #expect(
            findings.warnings == [
                "\(url): warning: 6 of them can be used by nobody:",
                "    no account: no secret (1, 2, 3 and 2 more). \(AccountAbsence.noSecret.remedy)",
                "    hashes for another realm (9). \(AccountAbsence.realmBound.remedy)",
            ])
        findings.lookedUp = 50
        #expect(findings.warnings[0].contains("6 of the first 50 can be used by nobody"))
    }

    @Test("a source without an account is a warning")
    func none() {
        let findings = SourceFindings(layout: "pjsip", source: url, isWhole: true)
        #expect(findings.warnings.count == 1 && findings.warnings[0].contains("no account"))
    }

    @Test(
        "what Asterisk needs is named for the layout, and for one that has no tables both ways",
        arguments: [
            ("pjsip", ["trust_id_inbound=yes"], "trustrpid"),
            ("chan_sip", ["trustrpid=yes"], "trust_id_inbound"),
            ("ari", ["trust_id_inbound=yes", "trustrpid=yes"], "absent"),
        ])
    func hints(_ layout: String, _ named: [String], _ other: String) {
        var findings = findings
        findings.layout = layout
        let hint = findings.hint(callers: [])
        #expect(named.allSatisfy(hint.contains) && !hint.contains(other))
        #expect(!hint.contains("callers of"))
        let callers = findings.hint(callers: ["gw1", "gw2", "gw3", "gw4"])
        #expect(callers.contains("the callers of gw1, gw2, gw3 and 1 more"))
    }

    @Test("a reader that hangs is told with what it waits for, and a URL by its scheme alone")
    func hangs() {
        let words = SourceProblem.hangs(.seconds(5)).words(url)
        #expect(words.contains("has said nothing for 5 s and was killed"))
        #expect(words.contains("/var/lib/asterisk/realtime.sqlite3") && words.contains("mount"))
        let stuck = SourceProblem.hangs(.seconds(5), isKilled: false).words(url)
        #expect(stuck.contains("does not even end when it is killed"))
        for problem in [SourceProblem.hangs(.seconds(5)), .slow(.seconds(20))] {
            let words = problem.words("ari://rempart:secret@10.0.0.1")
            #expect(words.contains("ari") && !words.contains("secret"))
        }
    }

    @Test("how a reader ended, and what it wrote last, are told")
    func ended() {
        let end = ReaderProcess.End(how: "exit code 127", lastWords: "no libsqlite3.so.0")
        let problem = SourceProblem.ended().completed(by: end)
        #expect(
            problem.words(url)
                == "accounts-reader has ended by itself (exit code 127: no libsqlite3.so.0)")
        let still = ReaderProcess.End(how: nil, lastWords: nil)
        #expect(
            SourceProblem.hangs(.seconds(5)).completed(by: still)
                == .hangs(.seconds(5), isKilled: false))
        #expect(SourceProblem.down("why").completed(by: still) == .down("why"))
    }
}
