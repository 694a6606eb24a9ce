internal import Messages
internal import Sys
internal import Testing

@testable internal import accounts_reader

@Suite("ARISource, when an Asterisk does not answer as it should")
struct ARIFailureTests {
    private static let html = "<html>404 Not Found</html>"

    private static let megabyte =
        "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1 << 20) + "y"

    @Test(
        "what an Asterisk answers that cannot be asked is told with what to do",
        arguments: [
            (StandInAsterisk.Reply.answer(401, "{}"), "section [rempart] of ari.conf"),
            (.answer(403, "{}"), "refuses the login"),
            (.answer(503, #"{"message":"Asterisk not booted"}"#), "starting or stopping"),
            (.bytes("HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), "not followed"),
            (.answer(404, html), "res_ari_asterisk.so"),
            (.answer(404, #"{"message":"configClass 'res_pjsip' not found"}"#), "res_pjsip.so"),
            (.answer(200, html), "no object"),
            (.answer(200, #"[{"attribute":"a"}]"#), "no object"),
            (.answer(200, #"[{"attribute":"a","value":"b"}"#), "no object"),
            (.answer(200, "[]"), "does not say that it is an Asterisk"),
            (.answer(500, ""), "status 500"),
            (.bytes(megabyte), "more than 1048576 bytes"),
            (.bytes("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"), "in full"),
            (.bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]"), "in full"),
            (.bytes("HTTP/1.1 200 OK\r\nContent-Le"), "which no Asterisk does"),
            (.bytes("hello\r\n\r\n"), "in full"), (.bytes(""), "in full"),
            (.nothing, "in time"),
        ])
    func cannotBeAsked(_ reply: StandInAsterisk.Reply, _ word: String) throws {
        let asterisk = try StandInAsterisk(StandInAsterisk.phone("1", "x"), ["*": reply])
        var times = AskingTimes.patient
        if case .nothing = reply { times.look = .seconds(1) }
        let ground = try ARIGround(asterisk, times: times)
        ground.pass()
        #expect(ground.fault?.contains(word) == true, "\(ground.fault ?? "none")")
        #expect(ground.fault?.contains(asterisk.url) == true)
        #expect(ground.fault?.contains("pass word") == false)
        #expect(ground.read("1") == [.unavailable])
        asterisk.reply("*", nil)
        ground.pass(.seconds(10))
        #expect(try ground.account("1").authUser == "1")
    }

    @Test("a login that cannot be used is told, and nobody is asked with it")
    func login() throws {
        func fault(_ more: [AccountsReaderSetting], _ secret: String?) throws -> String? {
            let ground = try ARIGround(StandInAsterisk(), more: more, secret: secret)
            ground.pass()
            #expect(ground.asterisks[0].requests.isEmpty)
            return ground.fault
        }
        #expect(try fault([], "x")?.contains("set accounts.user") == true)
        #expect(try fault([.user("a:b")], "x")?.contains("colon") == true)
        #expect(try fault([.user("a")], nil)?.contains("chmod 600") == true)
        #expect(try fault([.user("a")], "")?.contains("chmod 600") == true)
        #expect(try fault([.user("a")], "a\0b")?.contains("zero byte") == true)
    }

    @Test(
        "one object that makes no sense costs its account alone, and is told",
        arguments: ["endpoint/2", "auth/2-auth", "aor/2", "registration/2"])
    func oneObject(_ path: String) throws {
        var objects = StandInAsterisk.phone("1", "x")
        objects.merge(StandInAsterisk.phone("2", "x")) { $1 }
        let asterisk = try StandInAsterisk(objects, [path: .answer(500, "")])
        let ground = try ARIGround(asterisk)
        ground.pass()
        let answers = ground.read("2", "1")
        #expect(answers[0] == .unavailable)
        guard case .found = answers[1].answer else {
            Issue.record("expected an account")
            return
        }
        #expect(ground.isUp && ground.source.failing?.contains("status 500") == true)
        asterisk.reply(path, nil)
        #expect(try ground.account("2").authUser == "2")
        #expect(ground.source.failing == nil)
    }

    @Test("an id that Asterisk does not repeat as it was asked is no answer that there is none")
    func otherID() throws {
        let asterisk = try StandInAsterisk(
            [:], ["endpoint/1": .answer(404, #"{"message":"Object with id '2' not found"}"#)])
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(ground.read("1") == [.unavailable])
        #expect(ground.source.failing?.contains("another id than it was asked for") == true)
    }

    @Test("an Asterisk that knows no account any more has lost its database, not its accounts")
    func lostDatabase() throws {
        var objects: [String: [(String, String)]] = [:]
        for name in ["1", "2", "3"] { objects.merge(StandInAsterisk.phone(name, "x")) { $1 } }
        let asterisk = try StandInAsterisk(objects)
        let ground = try ARIGround(asterisk)
        ground.pass()
        _ = ground.read("1", "2", "3")
        // One that is deleted is unknown, also the one that was told of last.
        asterisk.remove("3")
        #expect(ground.read("3")[0].why == .noRow && ground.read("none")[0].why == .noRow)
        #expect(ground.source.failing == nil)
        asterisk.remove("1")
        asterisk.remove("2")
        #expect(ground.read("1", "none") == [.unavailable, .unavailable])
        #expect(ground.source.failing?.contains("does not know most of the accounts") == true)
        for (path, object) in objects { asterisk.set(path, object) }
        #expect(try ground.account("2").authUser == "2")
        #expect(ground.read("none")[0].why == .noRow && ground.source.failing == nil)
    }

    @Test("an account in a file does not speak for those of a database that is away")
    func mixed() throws {
        var objects: [String: [(String, String)]] = [:]
        let names = ["file"] + (1...9).map(String.init)
        for name in names { objects.merge(StandInAsterisk.phone(name, "x")) { $1 } }
        let asterisk = try StandInAsterisk(objects)
        let ground = try ARIGround(asterisk)
        ground.pass()
        for name in names.reversed() { _ = ground.read(name) }
        for name in names.dropFirst() { asterisk.remove(name) }
        // Whose turn it is decides whether the first batch finds it out.
        for _ in 0..<3 { _ = ground.read("file", "none") }
        for name in names.dropFirst() {
            let answers = ground.read("file", name)
            guard case .found = answers[0].answer else {
                Issue.record("expected the file's account")
                return
            }
            #expect(answers[1] == .unavailable)
        }
        for (path, object) in objects { asterisk.set(path, object) }
        #expect(try ground.account("5").authUser == "5")
        #expect(ground.read("none")[0].why == .noRow)
    }

    @Test("an Asterisk that has told of no account yet calls none unknown")
    func noDatabaseYet() throws {
        let asterisk = try StandInAsterisk()
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(ground.read("1") == [.unavailable])
        #expect(ground.source.failing?.contains("not told of any account yet") == true)
        for (path, object) in StandInAsterisk.phone("1", "x") { asterisk.set(path, object) }
        #expect(ground.read("2") == [.unavailable])
        #expect(try ground.account("1").authUser == "1")
        #expect(ground.read("2")[0].why == .noRow && ground.source.failing == nil)
    }

    @Test("an endpoint that Asterisk lists is enough to believe that others are unknown")
    func listed() throws {
        let list =
            #"[{"technology":"PJSIP","resource":"gone"},{"technology":"PJSIP","resource":"1"}]"#
        let ground = try ARIGround(
            StandInAsterisk(
                StandInAsterisk.phone("1", "x"), ["/ari/endpoints/PJSIP": .answer(200, list)]))
        ground.pass()
        #expect(ground.read("2")[0].why == .noRow)
    }

    @Test("where there is one account alone, it may be deleted")
    func onlyAccount() throws {
        let asterisk = try StandInAsterisk(StandInAsterisk.phone("1", "x"))
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(try ground.account("1").authUser == "1")
        asterisk.remove("1")
        #expect(ground.read("1")[0].why == .noRow)
    }

    @Test("where one is away the next one is asked, and the first again when it is back")
    func next() throws {
        let gone = try StandInAsterisk()
        let (url, port) = (gone.url, gone.port)
        gone.stop()
        let second = try StandInAsterisk(StandInAsterisk.phone("1", "second"))
        let ground = try ARIGround(second, urls: [url])
        ground.pass()
        ground.pass(.seconds(10))
        #expect(ground.isUp)
        #expect(ground.source.unread.first?.contains("\(url) cannot be reached") == true)
        #expect(
            try ground.account("1").ha1MD5
                == HA1.md5(user: "1", realm: "asterisk", secret: Array("second".utf8)))
        let first = try StandInAsterisk(StandInAsterisk.phone("1", "first"), port: port)
        // A look begins, and has come to its end some seconds later.
        while !ground.source.unread.isEmpty { ground.pass(.seconds(10)) }
        second.forget()
        #expect(
            try ground.account("1").ha1MD5
                == HA1.md5(user: "1", realm: "asterisk", secret: Array("first".utf8)))
        #expect(second.requests.isEmpty)
        first.stop()
        #expect(
            try ground.account("1").ha1MD5
                == HA1.md5(user: "1", realm: "asterisk", secret: Array("second".utf8)))
    }

    @Test("one that hangs costs a look-up no more than its time, and then the next one answers")
    func hangs() throws {
        let first = try StandInAsterisk(StandInAsterisk.phone("1", "x"))
        let second = try StandInAsterisk(StandInAsterisk.phone("1", "x"))
        var times = AskingTimes.patient
        times.lookUpOfOne = .seconds(1)
        let ground = try ARIGround(first, second, times: times)
        ground.pass()
        #expect(try ground.account("1").authUser == "1")
        first.reply("endpoint/1", .nothing)
        second.forget()
        let begin = Clock.monotonic
        #expect(try ground.account("1").authUser == "1")
        #expect(Clock.monotonic - begin < .seconds(10))
        #expect(!second.requests.isEmpty)
    }

    @Test("one that is away is left alone for 0.2 s, and up to 10 s in the end")
    func backOff() throws {
        let asterisk = try StandInAsterisk([:], ["*": .answer(401, "")])
        let ground = try ARIGround(asterisk)
        var tries: [Int64] = []
        for _ in 0..<400 {
            let before = asterisk.requests.count
            ground.pass(Milliseconds(100))
            if asterisk.requests.count > before { tries.append(ground.now.count) }
        }
        let gaps = zip(tries.dropFirst(), tries).map { $0 - $1 }
        // What a try takes itself is added.
        let least: [Int64] = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        #expect(gaps.count == least.count)
        #expect(zip(gaps, least).allSatisfy { (0...300).contains($0 - $1) }, "\(gaps)")
        let before = asterisk.requests.count
        #expect(ground.read("1") == [.unavailable] && asterisk.requests.count == before)
    }

    @Test("a name without an address is told")
    func noAddress() throws {
        let ground = try ARIGround(urls: ["ari://host.invalid:8088"])
        ground.pass()
        #expect(ground.fault?.contains("no address of host.invalid is known") == true)
    }

    @Test("a server that is asked through ARI needs the network, and no folder")
    func reach() {
        let reach = Reach(AccountSettings([.source("ari://10.0.0.10")]))
        #expect(reach.connects)
        #expect(reach == Reach(AccountSettings([.source("ari+https://pbx.example.com:9")])))
    }
}
