import Messages
import Reactor
import Settings
import Spawning
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
        let answers = [read(), read(.noSecret), read()]
        #expect(try look.take(.answers(id: 3, answers)) == nil)
        #expect(look.isDone)
        let findings = look.findings
        #expect(findings.count == 3 && findings.isWhole && findings.lookedUp == 3)
        #expect(findings.unusable == [.init(why: .noSecret, count: 1, names: ["2"])])
        #expect(findings.layout == "pjsip" && findings.source == url)
    }

    @Test("a frame asks for as many look-ups as it has room for, until each name was asked for")
    func batches() throws {
        var look = look()
        _ = try look.take(up)
        let names = (0..<100).map { "\($0)" }
        guard case .lookUp(2, let first)? = try look.take(.names(id: 1, names, isLast: true))
        else { throw SourceProblem.ended }
        #expect(first.map(\.name) == Array(names[..<AccountQuery.most]))
        let next = try look.take(.answers(id: 2, first.map { _ in read() }))
        guard case .lookUp(3, let second)? = next else { throw SourceProblem.ended }
        #expect(second.map(\.name) == Array(names[AccountQuery.most...]))
    }

    @Test("what the reader had no time for is asked again, before the names that follow")
    func again() throws {
        var look = look()
        _ = try look.take(up)
        let names = (0..<100).map { "\($0)" }
        guard case .lookUp(_, let first)? = try look.take(.names(id: 1, names, isLast: true))
        else { throw SourceProblem.ended }
        // As a slow source has it: one name within the time of a frame.
        let answers = [read(.noSecret)] + first.dropFirst().map { _ in ReadAccount.unavailable }
        guard case .lookUp(_, let second)? = try look.take(.answers(id: 2, answers))
        else { throw SourceProblem.ended }
        #expect(second.map(\.name) == Array(names[1...AccountQuery.most]))
        #expect(look.findings.lookedUp == 1)
        #expect(look.findings.unusable == [.init(why: .noSecret, count: 1, names: ["0"])])
        let third = try look.take(.answers(id: 3, second.map { _ in read() }))
        guard case .lookUp(_, let last)? = third else { throw SourceProblem.ended }
        #expect(last.map(\.name) == Array(names[(AccountQuery.most + 1)...]))
        #expect(try look.take(.answers(id: 4, last.map { _ in read() })) == nil)
        #expect(look.isDone && look.findings.lookedUp == 100)
    }

    @Test("a source that goes on without an answer ends the look with its time")
    func unavailable() throws {
        var look = look()
        _ = try look.take(up)
        _ = try look.take(.names(id: 1, ["7"], isLast: true))
        let asked = [AccountQuery(name: "7", realm: "asterisk")]
        for id in UInt32(2)...4 {
            let question = try look.take(.answers(id: id, [.unavailable]))
            #expect(question == .lookUp(id: id + 1, asked))
        }
        try look.expire(at: begun + SourceLook.longest)
        #expect(look.isDone && look.findings.lookedUp == 0 && look.findings.isWhole)
    }

    @Test("a source without an account ends the look")
    func none() throws {
        var look = look()
        _ = try look.take(up)
        #expect(try look.take(.names(id: 1, [], isLast: true)) == nil)
        #expect(look.isDone && look.findings.isWhole && look.findings.count == 0)
    }

    @Test("a query lists no accounts: it was tried when it was opened, and nothing more is asked")
    func query() throws {
        var look = look()
        let up = SourceState.up(layout: "query", source: "odbc://pbx", tellsOfChanges: false)
        #expect(try look.take(.source(up)) == nil)
        #expect(look.isDone && look.findings.warnings.isEmpty)
        #expect(
            look.findings.summary
                == "odbc://pbx: good: query, which finds one account by its name and lists none"
                + " (`rempart accounts NAME`), read by accounts-reader as rempart-acct")
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

    @Test(
        "a reader has as long as the supervisor gives it, which is longer than a slow source takes")
    func patience() {
        #expect(ReaderLinks.patience == Role.accountsReader.heartbeatLimit)
        #expect(ReaderLinks.patience < SourceLook.longest)
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
        #expect(throws: SourceProblem.ended) { try carryOut() }
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
        (findings.count, findings.lookedUp) = (1, 1)
        #expect(findings.summary.contains("pjsip, 1 account, read"))
        findings.isWhole = false
        #expect(findings.summary.contains("pjsip, more than 1 account, counted for 20 s, read"))
        (findings.count, findings.lookedUp) = (0, 0)
        #expect(findings.summary.contains("pjsip, accounts not counted within 20 s, read"))
    }

    @Test(
        "how many were looked up is told when others were left out, whether these can be used or not"
    )
    func leftOut() {
        var findings = findings
        findings.lookedUp = 50
        #expect(findings.summary.contains("pjsip, 100 accounts, only 50 looked up, read by"))
        findings.lookedUp = 0
        #expect(findings.summary.contains("pjsip, 100 accounts, none looked up, read by"))
    }

    @Test("what of the source is not read is a warning, with and without accounts")
    func remarks() throws {
        var look = SourceLook(realm: "asterisk", at: Milliseconds(0))
        let remark = "/etc/asterisk/pjsip.conf:1: a program writes these lines"
        #expect(try look.take(.remarks([remark])) == nil)
        _ = try look.take(.source(.up(layout: "pjsip", source: "asterisk:///etc/asterisk")))
        _ = try look.take(.names(id: 1, [], isLast: true))
        #expect(look.isDone)
        #expect(look.findings.warnings.count == 2)
        #expect(look.findings.warnings[0] == "asterisk:///etc/asterisk: warning: \(remark)")
    }

    @Test("of a source neither user nor password is shown")
    func secrets() {
        var findings = findings
        findings.source = "ari://rempart:secret@10.0.0.1:8088/pbx"
        findings.unusable = [.init(why: .noSecret, count: 1, names: ["1"])]
        #expect(findings.summary.hasPrefix("ari://10.0.0.1:8088/pbx: good"))
        #expect(findings.warnings[0].hasPrefix("ari://10.0.0.1:8088/pbx: warning"))
        findings = SourceFindings(source: findings.source, isWhole: true)
        #expect(findings.warnings[0].hasPrefix("ari://10.0.0.1:8088/pbx: warning"))
    }

    @Test(
        "a source is shown by scheme, host and path, and by the scheme alone where a password may be elsewhere",
        arguments: [
            (url, url),
            ("sqlite:///srv/a@b?c.sqlite3", "sqlite:///srv/a@b?c.sqlite3"),
            ("ari://10.0.0.1", "ari://10.0.0.1"),
            ("ari+https://u:secret@pbx.example:8089/a/b", "ari+https://pbx.example:8089/a/b"),
            ("ari://u:se@cret@[2001:db8::5]:8088", "ari://[2001:db8::5]:8088"),
            ("ari://u@pbx.example", "ari://pbx.example"),
            ("odbc://asterisk?user=u&password=secret", "odbc://asterisk"),
            ("odbc://asterisk;UID=u;PWD=secret", "odbc://asterisk"),
            ("freepbx://pbx.example/a#secret", "freepbx://pbx.example/a"),
            ("ari://u:sec/ret@pbx.example/a", "ari"),
            ("ari://u:s@c/ret@pbx.example/a", "ari"),
            ("ari://u:sec?ret@pbx.example", "ari"),
            ("ari://u:sec#ret@pbx.example", "ari"),
            ("u:secret@pbx.example", "u"),
            ("", ""),
        ])
    func shown(_ source: String, _ shown: String) {
        #expect(Setting.shown(source: source) == shown)
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
        #expect(findings.warnings[0].contains("6 of the 50 looked up can be used by nobody"))
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

    /// What is said of a reader that was given up, and ended so.
    private func words(
        _ problem: SourceProblem, _ how: String? = "signal 9", last: String? = nil,
        of url: String = url
    ) -> String {
        LookFailure.givenUp(problem, .init(how: how, lastWords: last)).words(url)
    }

    @Test("a reader that hangs is told with what it waits for, and a URL without its password")
    func hangs() {
        let said = words(.hangs(.seconds(15)))
        #expect(said.contains("has said nothing for 15 s and was killed"))
        #expect(said.contains("/var/lib/asterisk/realtime.sqlite3") && said.contains("mount"))
        let stuck = words(.hangs(.seconds(15)), nil)
        #expect(stuck.contains("does not even end when it is killed"))
        for problem in [SourceProblem.hangs(.seconds(15)), .slow(.seconds(20))] {
            let said = words(problem, of: "ari://rempart:secret@10.0.0.1")
            #expect(said.contains("ari://10.0.0.1") && !said.contains("secret"))
        }
    }

    @Test("how a reader ended, and what it wrote last, are told with what to do")
    func ended() {
        let remedy = "Check again. When it ends once more, install all programs anew."
        #expect(
            words(.ended, "exit code 127", last: "no libsqlite3.so.0")
                == "accounts-reader has ended by itself (exit code 127): no libsqlite3.so.0. \(remedy)"
        )
        #expect(
            words(.ended, "exit code 1")
                == "accounts-reader has ended by itself (exit code 1). \(remedy)")
        let still = words(.ended, nil)
        #expect(!still.contains("by itself") && still.contains("does not even end"))
    }

    @Test("what the reader says itself, and why it cannot be started, is told as it is")
    func why() {
        #expect(words(.down("it is locked")) == "it is locked")
        #expect(LookFailure.notStarted("no user").words(url) == "no user")
    }
}
