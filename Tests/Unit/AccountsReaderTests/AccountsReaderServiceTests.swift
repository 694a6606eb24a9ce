internal import Journal
internal import Messages
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing
internal import Wire

@testable internal import accounts_reader

/// A service with directory's end of its link.
private final class Bench {
    let folder: TemporaryFolder
    let service: AccountsReaderService
    private final class Counter { var count = 0 }
    private let counter = Counter()
    private let end: Descriptor
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    /// How often the process was to begin anew.
    var begunAnew: Int { counter.count }

    convenience init(_ sql: String = Tables.pjsip, _ more: AccountsReaderSetting...) throws {
        let folder = try TemporaryFolder()
        let path = try folder.database("accounts.sqlite", sql)
        try self.init(folder, [.source("sqlite://\(path)")] + more)
    }

    init(_ folder: TemporaryFolder, _ told: [AccountsReaderSetting]) throws {
        self.folder = folder
        let settings = AccountSettings(told)
        let counter = counter
        let (mine, its) = try Socket.seqpacketPair()
        end = mine
        service = AccountsReaderService(
            settings, Reach(settings), Journal(process: "accounts-reader", socket: nil)
        ) { counter.count += 1 }
        service.directory.attach(its)
        service.linked(.directory)
    }

    /// What the service answers to messages.
    func ask(_ messages: DirectoryToReader...) throws -> [ReaderToDirectory] {
        for message in messages {
            let frame = message.encoded()
            try service.receive(frame.span, from: .directory)
        }
        return try heard()
    }

    /// What the service has said since.
    func heard() throws -> [ReaderToDirectory] {
        service.endOfTurn()
        var heard: [ReaderToDirectory] = []
        while case .frame(let length, _) = try Frame.receive(into: &buffer, on: end.raw) {
            let frame = buffer
            heard.append(try ReaderToDirectory(decoding: frame.span.extracting(0..<length)))
        }
        return heard
    }

    /// What the service says of a name.
    func read(_ name: String, realm: String = "asterisk") throws -> ReadAccount {
        let heard = try ask(.lookUp(id: 9, [AccountQuery(name: name, realm: realm)]))
        guard case .answers(9, let answers)? = heard.first, let answer = answers.first else {
            throw WireError.truncated
        }
        return answer
    }
}

@Suite("AccountsReaderService")
struct AccountsReaderServiceTests {
    @Test("a source is opened for the first question, at the start and after a reload")
    func asked() throws {
        let bench = try Bench()
        #expect(try bench.ask(.hello) == [])
        #expect(try bench.read("2001").why == nil)
        var set = StartSet()
        set.settings = [Setting.accounts.source("sqlite://\(bench.folder.path)/accounts.sqlite")]
        #expect(bench.service.reload(set) == nil)
        #expect(try bench.heard() == [.changed])
        #expect(try bench.read("2001").why == nil)
    }

    @Test("nothing is opened before the first second, and then the source is told with its layout")
    func opened() throws {
        let bench = try Bench()
        #expect(try bench.ask(.hello) == [])
        _ = bench.service.second()
        let url = "sqlite://\(bench.folder.path)/accounts.sqlite"
        #expect(try bench.heard() == [.source(.up(layout: "pjsip", source: url)), .changed])
        #expect(bench.service.second() == "reads pjsip in \(url)")
        bench.service.linked(.directory)
        #expect(
            try bench.ask(.hello) == [.source(.up(layout: "pjsip", source: url)), .changed])
    }

    @Test("Asterisk's own files are a source like any other, and what of them is not read is told")
    func files() throws {
        let folder = try TemporaryFolder()
        let text = """
            #exec /bin/true
            [1]
            type=endpoint
            auth=1
            [1]
            type=auth
            username=1
            password=x

            """
        try folder.write("pjsip.conf", Array(text.utf8))
        let url = "asterisk://\(folder.path)"
        let bench = try Bench(folder, [.source(url)])
        #expect(try bench.ask(.hello) == [])
        _ = bench.service.second()
        let heard = try bench.heard()
        guard case .remarks(let remarks)? = heard.first else {
            Issue.record("expected the remarks")
            return
        }
        #expect(remarks.count == 1 && remarks[0].hasPrefix("\(folder.path)/pjsip.conf:1: "))
        #expect(heard.dropFirst() == [.source(.up(layout: "pjsip", source: url)), .changed])
        #expect(bench.service.conditions.map(\.kind) == [.source])
        #expect(try bench.read("1").source == "\(folder.path)/pjsip.conf:2")
        #expect(
            try bench.ask(.list(id: 4, after: "")) == [.names(id: 4, ["1"], isLast: true)])
        guard case .trace(5, let steps)? = try bench.ask(.trace(id: 5, name: "1")).first else {
            Issue.record("expected the steps")
            return
        }
        #expect(steps.first?.what == "\(folder.path)/pjsip.conf:2 endpoint [1]")
        var set = StartSet()
        set.settings = [Setting.accounts.source(url)]
        #expect(bench.service.reload(set) == nil)
        #expect(try bench.heard() == [.changed])
        #expect(try bench.read("1").why == nil)
    }

    @Test("look-ups of one frame are answered together, in their order, each with its table")
    func together() throws {
        let bench = try Bench()
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        let queries = ["2001", "nobody", "2005"].map { AccountQuery(name: $0, realm: "asterisk") }
        guard case .answers(3, let answers)? = try bench.ask(.lookUp(id: 3, queries)).first else {
            Issue.record("expected the answers")
            return
        }
        #expect(answers.map(\.why) == [nil, .noRow, .noSecret])
        #expect(answers.map(\.source) == ["ps_endpoints", "ps_endpoints", "ps_endpoints"])
        guard case .found(let account) = answers[0].answer else {
            Issue.record("expected the account")
            return
        }
        #expect(account.authUser == "phone")
    }

    @Test("why a name is none, or serves nobody, is told")
    func absences() throws {
        let bench = try Bench(
            Tables.pjsip + """
                INSERT INTO ps_endpoints VALUES ('oauth', 'oauth', 'oauth'), ('long', 'long', 'long'),
                    ('lost', 'lost', 'away'), ('half', 'half', 'half, away');
                INSERT INTO ps_auths (id, auth_type, username, password) VALUES
                    ('oauth', 'google_oauth', 'oauth', 'x'),
                    ('half', 'userpass', 'half', ''), ('long', 'userpass', '\(String(repeating: "u", count: 256))', 'x');
                """)
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        for (name, why) in [
            ("oauth", AccountAbsence.wrongKind), ("long", .tooLong), ("nobody", .noRow),
            ("2005", .noSecret), ("lost", .noAuthRow), ("half", .noAuthRow),
        ] {
            let read = try bench.read(name)
            #expect(read.why == why && read.answer == .unknown, "\(name)")
        }
        let bound = try bench.read("2002")
        guard case .found(let account) = bound.answer else {
            Issue.record("expected the account")
            return
        }
        #expect(bound.why == .realmBound && account.ha1MD5.isEmpty)
        #expect(try bench.read("2002", realm: "elsewhere").why == nil)
    }

    @Test("a chan_sip hash that is none is told as such, and no secret beside it counts")
    func brokenHash() throws {
        let bench = try Bench(Tables.chanSip)
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        #expect(try bench.read("1006").why == .brokenHash)
        #expect(try bench.read("1005").why == .noSecret)
    }

    @Test("a version stays while the rows say the same, also in another process, and else changes")
    func versions() throws {
        let first = try Bench()
        let second = try Bench()
        for bench in [first, second] {
            _ = try bench.ask(.hello)
            _ = bench.service.second()
            _ = try bench.heard()
        }
        let version = try first.read("2001").version
        #expect(try first.read("2001").version == version)
        #expect(try second.read("2001").version == version)
        #expect(try first.read("2004").version != version)
        try second.folder.database(
            "accounts.sqlite", "UPDATE ps_auths SET password = 'three' WHERE id = '2001'")
        #expect(try second.read("2001").version != version)
    }

    @Test("a trace names each step with its table and key, and no secret or hash")
    func trace() throws {
        let bench = try Bench(
            Tables.pjsip, .domain("sip.example.com"), .table(.aors, "ps_aors"))
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        guard case .trace(4, let steps)? = try bench.ask(.trace(id: 4, name: "2001")).first else {
            Issue.record("expected the steps")
            return
        }
        #expect(
            steps.map(\.what) == [
                "ps_endpoints id=2001@sip.example.com", "ps_endpoints id=2001", "ps_auths id=2001",
                "ps_aors id=2001",
            ])
        #expect(steps.map(\.found) == [false, true, true, true])
        #expect(
            steps.map(\.remark) == [
                "", "auth=2001 aors=2001", "username=phone, a secret", "max_contacts=1",
            ])
        guard case .trace(5, let hashed)? = try bench.ask(.trace(id: 5, name: "2002")).first else {
            Issue.record("expected the steps")
            return
        }
        #expect(!hashed.contains { $0.remark.contains("0011") })
    }

    @Test(
        "a trace says why phones may not register, and which row is missing",
        arguments: [
            (Tables.chanSip, "1001", ""),
            (
                Tables.chanSip, "1003",
                "phones may not register: type=user only calls, type=friend registers too"
            ),
            (Tables.chanSip, "1004", "phones may not register: host is not dynamic"),
            (Tables.pjsip, "2007", "phones may not register: max_contacts=0"),
            (
                Tables.pjsip, "none",
                "phones may not register: the endpoint's aors names no address of record"
            ),
            (
                Tables.pjsip, "gone",
                "phones may not register: missing: the endpoint's aors names it"
            ),
            (Tables.pjsip, "nobody", ""),
        ])
    func mayNotRegister(tables: String, name: String, why: String) throws {
        let isPJSIP = tables == Tables.pjsip
        let more = "INSERT INTO ps_endpoints VALUES ('none', '', '2001'), ('gone', 'gone', 'away')"
        let bench = try Bench(isPJSIP ? "\(tables); \(more)" : tables)
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        guard case .trace(1, let steps)? = try bench.ask(.trace(id: 1, name: name)).first else {
            Issue.record("expected the steps")
            return
        }
        let told = steps.map(\.remark).filter { $0.contains(TraceStep.whyNotRegister) }
        #expect(why.isEmpty ? told.isEmpty : told.count == 1 && told[0].hasSuffix(why), "\(steps)")
        let missing = steps.filter { $0.remark == "missing: the endpoint's auth names it" }
        #expect(missing.map(\.what) == (name == "gone" ? ["ps_auths id=away"] : []))
    }

    @Test("a trace says that Asterisk refuses the calls of a row of type=peer")
    func peer() throws {
        let row =
            "INSERT INTO sippeers (name, type, host, secret) VALUES ('p', 'peer', 'dynamic', 'x')"
        let bench = try Bench("\(Tables.chanSip); \(row)")
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        guard case .trace(1, let steps)? = try bench.ask(.trace(id: 1, name: "p")).first else {
            Issue.record("expected the steps")
            return
        }
        #expect(
            steps.map(\.remark) == [
                "type=peer host=dynamic; type=peer cannot call, type=friend can"
            ])
    }

    @Test("the names are told in pages, in the order of their bytes")
    func names() throws {
        let rows = (0..<SourceState.namesOfPage + 3).map { "('n\(1000 + $0)')" }
        let bench = try Bench(
            """
            CREATE TABLE sippeers (name, type, host, secret);
            INSERT INTO sippeers (name) VALUES \(rows.joined(separator: ",")), ('Zoe'), (NULL),
                ('\(String(repeating: "l", count: 65))'), (7);
            """)
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        guard case .names(1, let first, false)? = try bench.ask(.list(id: 1, after: "")).first,
            let last = first.last,
            case .names(2, let second, true)? = try bench.ask(.list(id: 2, after: last)).first
        else {
            Issue.record("expected two pages")
            return
        }
        #expect(first.prefix(3) == ["7", "Zoe", "n1000"])
        #expect(first.count == SourceState.namesOfPage)
        #expect(second == (0..<5).map { "n\(1000 + SourceState.namesOfPage - 2 + $0)" })
    }

    @Test(
        "a source without an account is a condition, at the start and after a change, until it has one",
        arguments: [
            (Tables.chanSip, "sippeers", "INSERT INTO sippeers (name) VALUES ('1')"),
            (Tables.pjsip, "ps_endpoints", "INSERT INTO ps_endpoints (id) VALUES ('1')"),
            (Tables.pjsip, "ps_auths", "INSERT INTO ps_auths (id) VALUES ('1')"),
        ])
    func noAccount(_ tables: String, _ table: String, _ row: String) throws {
        let bench = try Bench("\(tables); DELETE FROM \(table)")
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        #expect(bench.service.conditions.map(\.kind) == [.accounts])
        let text = bench.service.conditions.first?.text ?? ""
        #expect(text.contains("the source has no account: the table \(table) is empty"))
        #expect(text.contains("accounts.source"))
        try bench.folder.database("accounts.sqlite", row)
        _ = bench.service.second()
        #expect(bench.service.conditions.isEmpty)
        try bench.folder.database("accounts.sqlite", "DELETE FROM \(table)")
        _ = bench.service.second()
        #expect(bench.service.conditions.map(\.kind) == [.accounts])
    }

    @Test("a list of what cannot be read any more is told after why")
    func listGone() throws {
        let bench = try Bench()
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        try bench.folder.database("accounts.sqlite", "DROP TABLE ps_endpoints")
        let heard = try bench.ask(.list(id: 1, after: ""))
        guard case .source(.down)? = heard.first, heard.last == .names(id: 1, [], isLast: true)
        else {
            Issue.record("expected why, and then no names: \(heard)")
            return
        }
    }

    @Test("the tables have the names of the settings, in statements and in what is told")
    func tableNames() throws {
        let bench = try Bench(
            Tables.chanSip.replacing("sippeers", with: "\"sip.buddies\""),
            .table(.sippeers, "sip.buddies"))
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        let read = try bench.read("1001")
        #expect(read.source == "sip.buddies" && read.why == nil)
        try bench.folder.database("accounts.sqlite", "DROP TABLE \"sip.buddies\"")
        _ = bench.service.second()
        let down = try bench.heard().compactMap { message in
            if case .source(.down(let why, _)) = message { why } else { nil }
        }
        #expect(down.first?.contains("neither a table sip.buddies (chan_sip)") == true)
    }

    @Test("a reload reads the other source, and one in another folder is left to another process")
    func reload() throws {
        let bench = try Bench()
        _ = try bench.ask(.hello)
        _ = bench.service.second()
        _ = try bench.heard()
        let beside = try bench.folder.database("other.sqlite", Tables.chanSip)
        var set = StartSet()
        set.settings = [.accounts.source("sqlite://\(beside)")]
        #expect(bench.service.reload(set) == nil)
        #expect(try bench.heard() == [.changed])
        _ = bench.service.second()
        #expect(bench.begunAnew == 0)
        #expect(
            try bench.heard().contains(
                .source(.up(layout: "chan_sip", source: "sqlite://\(beside)"))))
        let other = try TemporaryFolder()
        let elsewhere = try other.database("accounts.sqlite", Tables.chanSip)
        set.settings = [.accounts.source("sqlite://\(elsewhere)")]
        #expect(bench.service.reload(set) == nil)
        _ = bench.service.second()
        #expect(bench.begunAnew == 1)
    }

    @Test("a message before hello, a second hello and a bad frame are refused")
    func protocolErrors() throws {
        let bench = try Bench()
        #expect(throws: WireError.notPermitted) { try bench.ask(.list(id: 1, after: "")) }
        _ = try bench.ask(.hello)
        #expect(throws: WireError.notPermitted) { try bench.ask(.hello) }
        let bad: [UInt8] = [99]
        #expect(throws: WireError.unknownKind(99)) {
            try bench.service.receive(bad.span, from: .directory)
        }
    }
}
