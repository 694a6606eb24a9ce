import Messages
import Proxy
import ProxyBench
import RouterHarness
import Sys
import Testing

/// How long what was known of an account still counts, and what becomes of what it let in.
@Suite("Old knowledge") struct OldKnowledgeTests {
    typealias Source = KnowingDirectory.Source

    /// What may happen to alice's row.
    enum Change: CaseIterable, Sendable {
        case secret, deleted, access, condition

        /// What a record says of it.
        var words: String {
            switch self {
            case .secret: "its account has another secret"
            case .deleted: "its account is gone"
            case .access: "its account's access list shuts the address out"
            case .condition: "phones may not register its account any more"
            }
        }

        func make(_ directory: KnowingDirectory) {
            switch self {
            case .secret: directory.rows["alice"]?.password = "looking-glass"
            case .deleted: directory.rows["alice"] = nil
            case .access: directory.rows["alice"]?.access = AccessList.nobody
            case .condition: directory.rows["alice"]?.mayRegister = false
            }
        }
    }

    /// alice's registered phone, of which directory has said so long ago what it knows.
    private func stage(
        age: Milliseconds = .seconds(70)
    ) throws -> (directory: KnowingDirectory, phone: Phone) {
        let edge = Edge()
        let directory = KnowingDirectory(edge)
        let phone = Phone(edge, "alice")
        #expect(try directory.register(phone)?.status == 200)
        directory.pass(age)
        return (directory, phone)
    }

    /// A call of alice's that Asterisk has answered, as each side knows it.
    @discardableResult
    private func call(
        _ directory: KnowingDirectory, _ phone: Phone
    ) throws -> (phone: Dialog, asterisk: Dialog) {
        let uri = "sip:100@example.com"
        let asterisk = Asterisk(directory.edge)
        #expect(
            try directory.ask(
                phone, "INVITE", uri, callID: "call-1", ["Contact: <\(phone.contact)>"]) == nil)
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 200)
        let answer = try phone.expect(200)
        let sent = phone.request("INVITE", uri, callID: "call-1", sequence: phone.sequence)
        var dialog = Dialog(caller: try #require(Message(sent)), answer)
        directory.send(dialog.request("ACK", via: phone.via), by: phone)
        _ = asterisk.all()
        return (dialog, Dialog(called: invite, tag: "as1"))
    }

    // MARK: Waiting

    @Test(
        "a row that was not confirmed for a minute waits for directory, and not longer than 200 ms",
        arguments: [
            (Source.answers(0), Int64(0)), (.answers(120), 120), (.answers(2000), 150),
            (.dead, 150),
            (.unavailable, 0),
        ])
    func waiting(_ source: Source, _ after: Int64) throws {
        let (directory, phone) = try stage()
        directory.source = source
        #expect(try directory.register(phone) == .init(status: 200, after: after))
    }

    @Test("within a minute the row serves at once, and directory is not asked")
    func fresh() throws {
        let (directory, phone) = try stage(age: .seconds(50))
        directory.source = .dead
        let asked = directory.questionCount
        #expect(try directory.register(phone) == .init(status: 200, after: 0))
        #expect(directory.questionCount == asked)
    }

    @Test("a directory that says nothing at all costs 200 ms, once")
    func silent() throws {
        let (directory, phone) = try stage()
        directory.isMute = true
        let first = try directory.register(phone)
        #expect(first?.status == 200 && (200...216).contains(first?.after ?? 0))
        #expect(try directory.register(phone) == .init(status: 200, after: 0))
    }

    @Test(
        "while its source does not answer, what is right by a known row waits no more",
        arguments: [Source.answers(2000), .dead, .unavailable])
    func known(_ source: Source) throws {
        let (directory, phone) = try stage()
        directory.source = source
        _ = try directory.register(phone)
        let bob = Phone(directory.edge, "bob", at: "198.51.100.8:40000")
        #expect(try directory.register(bob)?.status == 503)
        directory.pass(.seconds(70))
        #expect(try directory.register(phone) == .init(status: 200, after: 0))
        // Once it answers again, the next row is waited for.
        directory.wait(3000)
        directory.pass(.seconds(70))
        directory.source = .answers(30)
        _ = try directory.register(phone)
        directory.wait(3000)
        directory.pass(.seconds(70))
        #expect(try directory.register(phone) == .init(status: 200, after: 30))
    }

    @Test("while directory decides what ends, those who are gone or prove nothing get 503")
    func undecided() throws {
        let (directory, phone) = try stage()
        let bob = Phone(directory.edge, "bob", at: "198.51.100.8:40000")
        #expect(try directory.register(bob)?.status == 200)
        directory.pass(.seconds(70))
        directory.rows["alice"] = nil
        directory.isDeciding = true
        for _ in 0..<3 { #expect(try directory.register(phone)?.status == 503) }
        let unknown = Phone(directory.edge, "nobody", at: "198.51.100.9:40000", password: "x")
        #expect(try directory.register(bob)?.status == 200)
        bob.password = "wrong"
        for wrong in [unknown, bob] {
            let seen = try directory.register(wrong)
            #expect(seen?.status == 503 && (250...266).contains(seen?.after ?? 0), "\(wrong.name)")
        }
        #expect(directory.edge.router.phoneCount == 2)
        // The account is back, or it is decided that it has ended.
        directory.isDeciding = false
        directory.pass(.seconds(70))
        #expect(try directory.register(phone)?.status == 401)
        directory.rows["alice"] = KnowingDirectory.Row(password: "wonder")
        #expect(try directory.register(phone)?.status == 200)
    }

    @Test("a source that has been dead for an hour keeps nobody out whose row is known")
    func deadForAnHour() throws {
        let (directory, phone) = try stage()
        directory.source = .dead
        for _ in 0..<6 {
            directory.pass(.seconds(600))
            #expect(try directory.register(phone)?.status == 200)
        }
        try call(directory, phone)
    }

    @Test("a row that was not confirmed for accounts.stale serves no more")
    func stale() throws {
        let (directory, phone) = try stage()
        directory.source = .unavailable
        directory.pass(.seconds(86_400))
        #expect(try directory.register(phone)?.status == 503)
        directory.source = .answers(0)
        #expect(try directory.register(phone)?.status == 200)
    }

    // MARK: Changes

    @Test(
        "while the source answers in time, a changed row lets nothing more in",
        arguments: Change.allCases, [Source.answers(0), .answers(150)])
    func changed(_ change: Change, _ source: Source) throws {
        let (directory, phone) = try stage()
        change.make(directory)
        directory.source = source
        let expected = change == .condition ? 403 : 401
        #expect(try directory.register(phone)?.status == expected)
        guard change != .condition else { return }
        let called = try directory.ask(
            phone, "INVITE", "sip:100@example.com", callID: "late",
            ["Contact: <\(phone.contact)>"])
        #expect(called?.status == 407 && Asterisk(directory.edge).next() == nil)
    }

    @Test(
        "what a row has let in is taken back when a late answer says otherwise",
        arguments: Change.allCases)
    func takenBack(_ change: Change) throws {
        let (directory, phone) = try stage()
        change.make(directory)
        directory.source = .answers(2000)
        #expect(try directory.register(phone)?.status == 200)
        try call(directory, phone)
        let (calls, phones) = (directory.edge.router.load.calls, directory.edge.router.phoneCount)
        #expect(calls == 1 && phones == 1)
        directory.wait(2100)
        let left = (directory.edge.router.load.calls, directory.edge.router.phoneCount)
        // Who may not register any more may still call.
        #expect(left == (change == .condition ? 1 : 0, 0))
        if change != .condition {
            #expect(phone.all().contains { $0.method == "BYE" })
            #expect(Asterisk(directory.edge).all().contains { $0.method == "BYE" })
        }
        #expect(
            directory.edge.kept.isEmpty
                && directory.edge.registered.values.allSatisfy { $0.isEmpty })
    }

    @Test("what a row has let in stays when a late answer says the same, whatever changes later")
    func confirmed() throws {
        let (directory, phone) = try stage()
        directory.source = .answers(2000)
        #expect(try directory.register(phone)?.status == 200)
        try call(directory, phone)
        directory.wait(2100)
        directory.source = .answers(0)
        directory.pass(.seconds(70))
        #expect(try directory.register(phone)?.status == 200)
        directory.rows["alice"]?.password = "looking-glass"
        directory.pass(.seconds(70))
        #expect(try directory.register(phone)?.status == 401)
        let left = (directory.edge.router.load.calls, directory.edge.router.phoneCount)
        #expect(left == (1, 1))
    }

    @Test("when late answers would end too many bindings at once, nothing ends")
    func tooMany() throws {
        let edge = Edge()
        let directory = KnowingDirectory(edge)
        var phones: [Phone] = []
        for number in 0..<20 {
            let name = "phone\(number)"
            directory.rows[name] = .init(password: "secret")
            phones.append(
                Phone(edge, name, at: "198.51.100.\(number + 20):5060", password: "secret"))
            #expect(try directory.register(phones[number])?.status == 200)
        }
        directory.pass(.seconds(70))
        directory.source = .answers(2000)
        directory.rows = [:]
        for phone in phones { #expect(try directory.register(phone)?.status == 200) }
        directory.wait(3000)
        #expect(edge.router.phoneCount == 10)
        #expect(edge.records.contains { $0.contains("tables are being written anew") })
    }

    // MARK: Rounds

    @Test(
        "a binding ends when directory says so, and the Asterisk hears of it",
        arguments: Change.allCases)
    func revoked(_ change: Change) throws {
        let (directory, phone) = try stage()
        let dialog = try call(directory, phone).phone
        change.make(directory)
        var told: [String] = []
        directory.edge.observeRecord = { record in
            if record["REMPART_ACCOUNT"] == "alice" { told.append(String(record["MESSAGE"] ?? "")) }
        }
        directory.round("alice")
        #expect(directory.edge.router.phoneCount == 0 && directory.edge.kept.isEmpty)
        directory.wait(100)
        #expect(
            told.contains("alice revoked from 198.51.100.7 over udp: \(change.words)"), "\(told)")
        #expect(directory.edge.registered.values.allSatisfy { $0.isEmpty })
        #expect(directory.edge.router.load.calls == 1)
        try speak(directory, phone, dialog, goesOn: change == .secret || change == .condition)
    }

    /// The phone says something in its call.
    private func speak(
        _ directory: KnowingDirectory, _ phone: Phone, _ dialog: Dialog, goesOn: Bool
    ) throws {
        var dialog = dialog
        let asterisk = Asterisk(directory.edge)
        _ = asterisk.all()
        directory.send(dialog.request("INFO", via: phone.via), by: phone)
        guard !goesOn else {
            #expect(try asterisk.expect("INFO").isRequest)
            return
        }
        #expect(phone.all().map { $0.isRequest ? $0.method : "\($0.status)" } == ["BYE", "403"])
        #expect(asterisk.all().map(\.method) == ["BYE"])
        #expect(directory.edge.router.load.calls == 0)
    }

    @Test("a call of an account that is gone ends with the Asterisk's next word too")
    func inside() throws {
        let (directory, phone) = try stage()
        var other = try call(directory, phone).asterisk
        directory.rows["alice"] = nil
        directory.round("alice")
        let asterisk = Asterisk(directory.edge)
        directory.send(other.request("INFO", via: asterisk.via), by: asterisk)
        #expect(asterisk.all().map { $0.isRequest ? $0.method : "\($0.status)" } == ["BYE", "403"])
        #expect(phone.all().map(\.method) == ["BYE"])
    }

    @Test("a call of an account that is gone can be ended by its phone")
    func bye() throws {
        let (directory, phone) = try stage()
        var dialog = try call(directory, phone).phone
        directory.rows["alice"] = nil
        directory.round("alice")
        directory.send(dialog.request("BYE", via: phone.via), by: phone)
        #expect(try Asterisk(directory.edge).expect("BYE").isRequest)
    }

    @Test("calls end at once when directory says so", arguments: Change.allCases)
    func endsCalls(_ change: Change) throws {
        let (directory, phone) = try stage()
        try call(directory, phone)
        change.make(directory)
        directory.round("alice", endsCalls: true)
        let left = (directory.edge.router.load.calls, directory.edge.router.phoneCount)
        #expect(left == (0, 0))
        #expect(phone.all().contains { $0.method == "BYE" })
    }

    @Test("the bindings that the present secret has made stay, also after a restart")
    func present() throws {
        let (directory, phone) = try stage()
        directory.rows["alice"]?.password = "looking-glass"
        let new = Phone(
            directory.edge, "alice", at: "198.51.100.99:6000", password: "looking-glass")
        new.sequence = 50
        let lines = ["Contact: <sip:alice@10.9.9.9:6000>", "Expires: 3600"]
        #expect(
            try directory.ask(new, "REGISTER", "sip:example.com", callID: "new", lines)?.status
                == 200)
        #expect(directory.edge.router.phoneCount == 2)
        directory.edge.restart()
        directory.round("alice")
        let left = directory.edge.kept.values.map(\.contact)
        #expect(left == ["sip:alice@10.9.9.9:6000"] && directory.edge.router.phoneCount == 1)
        _ = phone
    }

    @Test("a binding of which nobody knows the secret ends when the secret has changed")
    func unknownSecret() throws {
        let (directory, _) = try stage()
        for key in directory.edge.kept.keys { directory.edge.kept[key]?.secret = 0 }
        directory.edge.restart()
        directory.round("alice")
        #expect(directory.edge.router.phoneCount == 0)
    }

    // MARK: Wrong answers

    @Test(
        "a wrong answer leaves after 250 ms, and is told apart from none while the source answers",
        arguments: [
            (Source.answers(0), 401), (.answers(150), 401), (.answers(2000), 503), (.dead, 503),
            (.unavailable, 503),
        ])
    func wrong(_ source: Source, _ status: Int) throws {
        for name in ["alice", "ghost"] {
            let (directory, _) = try stage()
            directory.source = source
            let thief = Phone(
                directory.edge, name, at: "192.0.2.66:5060", password: "guess")
            for _ in 0..<4 {
                let seen = try directory.register(thief)
                #expect(seen?.status == status, "\(name)")
                #expect((250...266).contains(seen?.after ?? 0), "\(name)")
                directory.wait(1000)
            }
            let counted = try directory.register(thief)
            // The fifth that counts is a ban.
            #expect((counted == nil) == (status == 401), "\(name)")
        }
    }

    @Test("an account that is gone counts against nobody for ten minutes")
    func mourned() throws {
        let (directory, phone) = try stage()
        directory.rows["alice"] = nil
        for _ in 0..<10 {
            #expect(try directory.register(phone)?.status == 401)
            directory.wait(1000)
        }
        #expect(directory.edge.banOrders.isEmpty)
        directory.rows["alice"] = .init(password: "wonder")
        #expect(try directory.register(phone)?.status == 200)
        directory.rows["alice"] = nil
        directory.round("alice")
        directory.pass(.seconds(610))
        let thief = Phone(directory.edge, "alice", at: "192.0.2.66:5060", password: "guess")
        for _ in 0..<5 {
            _ = try directory.register(thief)
            directory.wait(1000)
        }
        #expect(directory.edge.banOrders.map(\.reason) == ["wrong-password"])
    }

    @Test("all that strangers may be answered wait for their 250 ms")
    func capacity() {
        #expect(Capacity.delayed * 1000 / 250 >= 1920 + 2 * 3840)
    }
}
