internal import AsteriskFiles
internal import Messages
internal import Sys
internal import Testing

@testable internal import accounts_reader

@Suite("Manager")
struct ManagerTests {
    private static func reload(_ event: String) -> String {
        "Event: \(event)\r\nPrivilege: system,all\r\nStatus: 0\r\n\r\n"
    }

    private func settings(
        _ manager: StandInManager, _ more: [AccountsReaderSetting] = []
    ) throws -> AccountSettings {
        var settings = AccountSettings(
            [
                .source("ari://127.0.0.1:1"), .user("rempart"), .secretFile("/etc/secret"),
                .manager(try #require(ServerName(manager.place, defaultPort: 5038))),
            ] + more)
        settings.secret = Array("pass word:1".utf8)
        return settings
    }

    private func manager(
        _ stand: StandInManager, _ times: AskingTimes = .patient
    ) throws -> Manager {
        try #require(Manager(settings(stand), driver: .pjsip, times))
    }

    private func ground(
        _ manager: StandInManager, _ objects: [String: [(String, String)]] = [:],
        _ times: AskingTimes = .patient
    ) throws -> ARIGround {
        let name = try #require(ServerName(manager.place, defaultPort: 5038))
        let ground = try ARIGround(
            StandInAsterisk(objects), more: [.user("rempart"), .manager(name)], times: times)
        ground.kept = [manager]
        return ground
    }

    /// Lets seconds pass until something is there: an event comes when the other thread has sent it.
    private func pass(_ ground: ARIGround, until isThere: () -> Bool) {
        let end = Clock.monotonic + .seconds(30)
        var isFound = isThere()
        while !isFound, Clock.monotonic < end {
            ground.pass()
            isFound = isThere()
        }
        #expect(isFound)
    }

    @Test(
        "the rules of access lists come from Asterisk's files, and those that are not there let nobody in"
    )
    func accessLists() throws {
        let manager = try StandInManager([
            "pjsip.conf":
                "[1]\ntype=endpoint\ndeny=0.0.0.0/0\npermit=192.0.2.0/24\n[2]\ntype=endpoint\nacl=office",
            "acl.conf": "[office]\ndeny=0.0.0.0/0\npermit=198.51.100.0/24",
        ])
        var objects: [String: [(String, String)]] = [:]
        for name in ["1", "2", "3"] {
            objects.merge(StandInAsterisk.phone(name, "x")) { $1 }
            objects["endpoint/\(name)"]?.append(("acl", "deny/permit"))
        }
        let ground = try ground(manager, objects)
        ground.pass()
        func permits(_ name: String, _ address: String) throws -> Bool {
            let list = try ground.account(name).access.bytes
            return AccessList.admits(list.span, .source, try #require(IPAddress(address)))
        }
        #expect(try permits("1", "192.0.2.9") && !permits("1", "198.51.100.9"))
        #expect(try permits("2", "198.51.100.9") && !permits("2", "192.0.2.9"))
        #expect(try ground.account("3").access == .nobody)
        #expect(ground.source.unread.first?.hasPrefix("account 3: ") == true)
    }

    @Test(
        "a reload is told within two looks, and what has changed in the files counts",
        arguments: ["Reload", "ChannelReload"])
    func reloads(_ event: String) throws {
        let manager = try StandInManager(["pjsip.conf": "[1]\ntype=endpoint\ndeny=0.0.0.0/0"])
        var objects = StandInAsterisk.phone("1", "x")
        objects["endpoint/1"]?.append(("acl", "deny/permit"))
        let ground = try ground(manager, objects)
        ground.pass()
        #expect(ground.source.state?.tellsOfChanges == true)
        #expect(ground.source.drainEvents().contains(.changed))
        ground.pass()
        #expect(!ground.source.drainEvents().contains(.changed))
        // Also where what has changed is not in the files that are told.
        manager.send(Self.reload(event))
        pass(ground) { ground.source.drainEvents().contains(.changed) }
        // PJSIP may not have been through with it.
        pass(ground) { ground.source.drainEvents().contains(.changed) }
        ground.pass()
        #expect(!ground.source.drainEvents().contains(.changed))
        manager.write("pjsip.conf", "[1]\ntype=endpoint\ndeny=0.0.0.0/0\npermit=192.0.2.0/24")
        manager.send(Self.reload(event))
        pass(ground) { ground.source.drainEvents().contains(.changed) }
        #expect(try ground.account("1").access != .nobody)
    }

    @Test("what has changed in the files counts too where no event says so")
    func silentReload() throws {
        let manager = try StandInManager(["sip.conf": "[1]\ntype=friend\nhost=dynamic\nsecret=a"])
        let source = ManagerSource(try settings(manager, [.schema(.chanSip)]), .patient)
        source.tick(.seconds(1))
        let before = source.lookUp(account: "1", realm: "pbx", now: .seconds(1))
        _ = source.drainEvents()
        manager.write("sip.conf", "[1]\ntype=friend\nhost=dynamic\nsecret=b")
        var changes: [Int64] = []
        for second in 2..<300 {
            source.tick(.seconds(Int64(second)))
            if source.drainEvents().contains(.changed) { changes.append(Int64(second)) }
        }
        #expect(changes.count == 1)
        #expect(source.lookUp(account: "1", realm: "pbx", now: .seconds(300)) != before)
    }

    @Test("a file that is written in steps, moved or emptied ends no account")
    func writtenInSteps() throws {
        let peer = "[1]\ntype=friend\nhost=dynamic\nsecret=a"
        let manager = try StandInManager(["sip.conf": peer])
        let source = ManagerSource(try settings(manager, [.schema(.chanSip)]), .patient)
        func why(_ name: String) -> AccountAbsence? {
            source.lookUp(account: name, realm: "pbx", now: .seconds(1)).why
        }
        source.tick(.seconds(1))
        manager.write("sip.conf", "[2]\ntype=friend\nhost=dynamic\nsecret=a")
        source.tick(.seconds(3))
        #expect(why("1") == nil && why("2") == .noRow)
        manager.write("sip.conf", peer)
        source.tick(.seconds(4))
        #expect(why("1") == nil && source.unread.isEmpty)
        manager.write("sip.conf", "")
        for second in 5..<20 { source.tick(.seconds(Int64(second))) }
        #expect(why("1") == nil)
        #expect(source.unread.first?.contains("no file has an account any more") == true)
        manager.write("sip.conf", peer)
        for second in 20..<30 { source.tick(.seconds(Int64(second))) }
        #expect(source.unread.isEmpty)
    }

    @Test("what is told otherwise after a connection that was lost counts when it stands")
    func changedMeanwhile() throws {
        let stand = try StandInManager(["pjsip.conf": "[1]\ntype=endpoint\ndeny=0.0.0.0/0"])
        var objects = StandInAsterisk.phone("1", "x")
        objects["endpoint/1"]?.append(("acl", "deny/permit"))
        let ground = try ground(stand, objects)
        ground.pass()
        let before = try ground.account("1").access
        stand.write("pjsip.conf", "[1]\ntype=endpoint\ndeny=0.0.0.0/0\npermit=192.0.2.0/24")
        for _ in 0..<5 { ground.pass() }
        // PJSIP itself has not reloaded.
        #expect(try ground.account("1").access == before)
        stand.drop()
        pass(ground) { (try? ground.account("1").access) != before }
    }

    @Test(
        "an account with a list waits for the first telling of the files, and lets nobody in without one"
    )
    func awaited() throws {
        let stand = try StandInManager(["pjsip.conf": "[1]\ntype=endpoint\ndeny=0.0.0.0/0"])
        var objects = StandInAsterisk.phone("1", "x")
        objects["endpoint/1"]?.append(("acl", "deny/permit"))
        stand.reply("Login", "nonsense\r\n\r\n")
        var times = AskingTimes.patient
        times.login = .seconds(1)
        let ground = try ground(stand, objects, times)
        ground.pass()
        #expect(ground.isUp && ground.read("1") == [.unavailable])
        stand.reply("Login", nil)
        stand.reply(
            "GetConfig", "Response: Error\r\nACTION\r\nMessage: Permission denied\r\n\r\n")
        pass(ground) { ground.read("1") != [.unavailable] }
        #expect(try ground.account("1").access == .nobody)
    }

    @Test(
        "a user that does not hear of reloads is told, and so is Realtime, whose rows change without one"
    )
    func tells() throws {
        let deaf = try ground(StandInManager(hears: false))
        deaf.pass()
        #expect(deaf.isUp && deaf.source.state?.tellsOfChanges == false)
        #expect(deaf.source.unread.first?.contains("read=system") == true)
        let realtime = try ground(
            StandInManager([
                "sorcery.conf": "[res_pjsip]\nendpoint=realtime,ps_endpoints",
                "extconfig.conf": "[settings]\nps_endpoints=odbc,asterisk",
            ]))
        realtime.pass()
        #expect(realtime.isUp && realtime.source.state?.tellsOfChanges == false)
    }

    @Test("names are those that it lists")
    func names() throws {
        let ground = try ground(StandInManager())
        ground.pass()
        #expect(ground.source.names(after: "", limit: 9, now: ground.now) == ["a", "b"])
    }

    @Test("one that is lost is told, and connected to again")
    func lost() throws {
        let stand = try StandInManager()
        let ground = try ground(stand)
        ground.pass()
        #expect(ground.source.unread.isEmpty)
        stand.stop()
        pass(ground) { !ground.source.unread.isEmpty }
        #expect(ground.isUp && ground.source.state?.tellsOfChanges == false)
        #expect(ground.source.unread.first?.contains("accounts.ami (\(stand.place))") == true)
    }

    @Test(
        "what is no manager interface that can be used is told with what to do",
        arguments: [
            ([:], "HTTP/1.1 400 X\r\n", "does not greet"),
            ([:], String(repeating: "x", count: 70_000), "too long"),
            (["Login": "Response: Error\r\nACTION\r\nMessage: no\r\n\r\n"], nil, "manager.conf"),
            (["Challenge": "nonsense\n\n:\r\n\r\n"], nil, "in time"),
            (
                ["GetConfig": "Response: Error\r\nACTION\r\nMessage: Permission denied\r\n\r\n"],
                nil,
                "write=system"
            ),
            (
                ["GetConfig": "Response: Success\r\nACTION\r\nLine-000000-000000: a=b\r\n\r\n"],
                nil,
                "otherwise than Asterisk"
            ),
            (
                [
                    "GetConfig":
                        "Response: Success\r\nACTION\r\nCategory-000000: a\r\nLine-000000-000000: ab\r\n\r\n"
                ], nil, "otherwise than Asterisk"
            ),
        ] as [([String: String], String?, String)])
    func broken(_ replies: [String: String], _ greeting: String?, _ word: String) throws {
        let stand = try StandInManager(
            [:], replies, greeting: greeting ?? "Asterisk Call Manager/1.1\r\n")
        var times = AskingTimes.patient
        if word == "in time" { times.login = .seconds(1) }
        let manager = try manager(stand, times)
        _ = manager.tick(.seconds(1))
        #expect(manager.fault?.contains(word) == true, "\(manager.fault ?? "none")")
        #expect(manager.fault?.contains("pass word") == false)
    }

    @Test("a file that Asterisk hides is told where somebody's list is in it, and read seldom")
    func hidden() throws {
        let stand = try StandInManager([:])
        stand.reply(
            "GetConfig",
            "Response: Error\r\nACTION\r\nMessage: File requires escalated privileges\r\n\r\n")
        var objects = StandInAsterisk.phone("1", "x")
        let ground = try ground(stand, objects)
        for _ in 0..<20 { ground.pass() }
        #expect(try ground.account("1").access == AccessList())
        #expect(ground.source.unread.isEmpty)
        #expect(stand.actions.count { $0 == "GetConfig" } == 1)
        objects["endpoint/1"]?.append(("acl", "deny/permit"))
        for (path, object) in objects { ground.asterisks[0].set(path, object) }
        #expect(try ground.account("1").access == .nobody)
        #expect(ground.source.unread.first?.contains("leads out of Asterisk's folder") == true)
        #expect(ground.source.unread.last?.hasPrefix("account 1: ") == true)
    }

    @Test("a wrong password is told, and is never sent as it is")
    func wrongSecret() throws {
        let stand = try StandInManager(secret: "another")
        let manager = try manager(stand)
        _ = manager.tick(.seconds(1))
        #expect(stand.actions == ["Challenge", "Login"])
        #expect(manager.fault?.contains("[rempart] of manager.conf") == true)
    }

    @Test("chan_sip's accounts are those of the files that it tells, as of files that are read")
    func chanSip() throws {
        let stand = try StandInManager([
            "sip.conf":
                "[general]\nrealm=pbx\n[1001]\ntype=friend\nhost=dynamic\nsecret=a;b\n[trunk]\ntype=peer\nhost=192.0.2.1"
        ])
        let source = ManagerSource(try settings(stand, [.schema(.chanSip)]), .patient)
        #expect(source.state == nil)
        source.tick(.seconds(1))
        #expect(
            source.state
                == .up(layout: "chan_sip", source: "ari://127.0.0.1:1", tellsOfChanges: true))
        #expect(source.drainEvents().last == .changed)
        let answer = source.lookUp(account: "1001", realm: "pbx", now: .seconds(1))
        guard case .found(let account) = answer.answer else {
            Issue.record("expected an account: \(answer)")
            return
        }
        #expect(account.ha1MD5 == HA1.md5(user: "1001", realm: "pbx", secret: Array("a;b".utf8)))
        #expect(source.lookUp(account: "trunk", realm: "pbx", now: .seconds(1)).why == .trunk)
        #expect(source.names(after: "", limit: 5, now: .seconds(1)) == ["1001"])
        stand.stop()
        for second in 2..<30 { source.tick(.seconds(Int64(second))) }
        #expect(source.lookUp(account: "1001", realm: "pbx", now: .seconds(30)).why == nil)
        #expect(source.unread.first?.contains("accounts.ami") == true)
        // It may have changed since.
        for second in 30..<300 { source.tick(.seconds(Int64(second))) }
        #expect(
            source.lookUp(account: "1001", realm: "pbx", now: .seconds(300)) == .unavailable)
        guard case .down? = source.state else {
            Issue.record("expected a complaint")
            return
        }
    }

    @Test("without a manager interface chan_sip's accounts cannot be told")
    func noManager() {
        let source = AccountSettings([.source("ari://127.0.0.1:1"), .schema(.chanSip)]).makeSource()
        guard case .down(let why, _)? = source.state else {
            Issue.record("expected a complaint")
            return
        }
        #expect(why.contains("set accounts.ami"))
    }
}
