internal import Messages
internal import Sys
internal import Testing

@testable internal import accounts_reader

@Suite("ARISource")
struct ARISourceTests {
    private func md5(_ user: String, _ secret: String, realm: String = "asterisk") -> [UInt8] {
        HA1.md5(user: user, realm: realm, secret: Array(secret.utf8))
    }

    @Test("an account is its endpoint, its auth and its address of record, asked with the login")
    func account() throws {
        let ground = try ARIGround(StandInAsterisk(StandInAsterisk.phone("1501", "se cret")))
        #expect(ground.source.state == nil)
        ground.pass()
        #expect(
            ground.source.state
                == .up(layout: "pjsip", source: ground.settings.url, tellsOfChanges: false))
        #expect(ground.source.drainEvents().last == .changed)
        let account = try ground.account("1501")
        #expect(account.ha1MD5 == md5("1501", "se cret"))
        #expect(account.authUser == "1501" && account.aor == "1501" && account.mayRegister)
        #expect(account.access == AccessList())
        #expect(ground.asterisks[0].requests.allSatisfy { $0.login == "rempart:pass word:1" })
        #expect(ground.read("1501")[0].source == ground.asterisks[0].url)
        #expect(ground.read("1502")[0].why == .noRow)
    }

    @Test("a name that nobody has costs as many requests as an account")
    func cost() throws {
        let ground = try ARIGround(
            StandInAsterisk(StandInAsterisk.phone("1501", "x")),
            more: [.user("rempart"), .domain("a.example"), .domain("b.example")])
        ground.pass()
        // From now on Asterisk has told of an account.
        _ = ground.read("1501")
        let counts = ["1501", "none", ""].map { name in
            ground.asterisks[0].forget()
            _ = ground.read(name)
            return ground.asterisks[0].requests.count
        }
        #expect(counts == [7, 7, 7])
    }

    @Test("name@domain goes before name, and ids stand escaped in the path")
    func ids() throws {
        var objects = StandInAsterisk.phone("a/b+ é?", "x")
        objects.merge(StandInAsterisk.phone("a/b+ é?@sip.example.com", "y")) { $1 }
        let ground = try ARIGround(
            StandInAsterisk(objects), more: [.user("rempart"), .domain("sip.example.com")])
        ground.pass()
        let account = try ground.account("a/b+ é?")
        #expect(account.aor == "a/b+ é?@sip.example.com")
        #expect(
            ground.asterisks[0].requests.contains { $0.path == "endpoint/a%2Fb%2B%20%C3%A9%3F" })
        _ = ground.read("..")
        #expect(ground.asterisks[0].requests.contains { $0.path == "endpoint/%2E%2E" })
    }

    private static let hash = "00112233445566778899aabbccddeeff"

    @Test("hashes are for the auth's realm, else Asterisk's, else that of the settings")
    func realms() throws {
        var objects = StandInAsterisk.phone("1", "")
        objects["auth/1-auth"] = [
            ("auth_type", "md5"), ("username", "one"), ("md5_cred", Self.hash),
            ("password_digest", "MD5:\(Self.hash)"), ("realm", ""), ("password", ""),
        ]
        objects["global/global"] = [("default_realm", "pbx")]
        let asterisk = try StandInAsterisk(objects)
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(ground.read("1")[0].why == .realmBound)
        guard case .found(let account) = ground.read("1", realm: "pbx")[0].answer else {
            Issue.record("expected an account")
            return
        }
        #expect(hex(account.ha1MD5) == Self.hash && account.authUser == "one")
        asterisk.set(
            "auth/1-auth",
            [
                ("auth_type", "digest"), ("username", "1"), ("realm", "asterisk"),
                ("password_digest", "SHA-256:\(Self.hash)\(Self.hash)"), ("password", ""),
            ])
        #expect(try hex(ground.account("1").ha1SHA256) == Self.hash + Self.hash)
    }

    @Test("of several auths the first that can be used counts, and what is missing is told")
    func auths() throws {
        var objects = StandInAsterisk.phone("1", "right")
        objects["endpoint/1"] = [("auth", "gone, empty,1-auth"), ("aors", "x, 1"), ("acl", "")]
        objects["auth/empty"] = [("auth_type", "userpass"), ("username", "e"), ("password", "")]
        let asterisk = try StandInAsterisk(objects)
        let ground = try ARIGround(asterisk)
        ground.pass()
        let steps = TraceSteps()
        _ = ground.read("1", steps: steps)
        #expect(try ground.account("1").ha1MD5 == md5("1", "right"))
        #expect(try ground.account("1").aor == "1")
        #expect(
            steps.all.map(\.what).map {
                $0.split(separator: " ").dropFirst().joined(separator: " ")
            }
                == [
                    "endpoint 1", "auth gone", "auth empty", "auth 1-auth", "aor 1",
                    "registration 1",
                ])
        #expect(steps.all[1].remark == PjsipSecret.missing && !steps.all[1].found)
        #expect(!"\(steps.all)".contains("right"))
        asterisk.set("auth/1-auth", [("auth_type", "google_oauth"), ("username", "1")])
        #expect(ground.read("1")[0].why == .wrongKind)
        asterisk.set("endpoint/1", [("auth", "gone"), ("aors", "1")])
        #expect(ground.read("1")[0].why == .noAuthRow)
    }

    @Test("another exchange is no account")
    func trunks() throws {
        var objects = StandInAsterisk.phone("registered", "x")
        objects["registration/registered"] = [("client_uri", "sip:x")]
        objects["endpoint/provider"] = [("auth", ""), ("outbound_auth", "p"), ("aors", "p")]
        objects["endpoint/address"] = [("auth", "registered-auth"), ("identify_by", "ip")]
        objects["endpoint/open"] = [("auth", ""), ("aors", "")]
        let ground = try ARIGround(StandInAsterisk(objects))
        ground.pass()
        let whys = ground.read("registered", "provider", "address", "open").map(\.why)
        #expect(whys == [.trunk, .trunk, .trunk, .noSecret])
    }

    @Test("an account with a list whose rules are not told lets nobody in, and is named")
    func accessLists() throws {
        var objects = StandInAsterisk.phone("1", "x")
        objects["endpoint/1"]?.append(("acl", "deny/permit"))
        objects.merge(StandInAsterisk.phone("2", "x")) { $1 }
        objects["endpoint/2"]?.append(("contact_acl", "office"))
        let asterisk = try StandInAsterisk(objects)
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(try ground.account("1").access == .nobody)
        #expect(try ground.account("2").access == .nobody)
        let told = ground.source.drainEvents().filter {
            if case .nobody = $0 { true } else { false }
        }
        #expect(told == [.nobody("1"), .nobody("2")])
        #expect(ground.source.unread.count == 1)
        #expect(ground.source.unread.first?.hasPrefix("account 1 and 1 more: ") == true)
        #expect(ground.source.unread.first?.contains("accounts.ami") == true)
        asterisk.set("endpoint/1", StandInAsterisk.phone("1", "x")["endpoint/1"])
        _ = ground.read("1")
        #expect(ground.source.unread.first?.hasPrefix("account 2: ") == true)
        let open = try ARIGround(
            StandInAsterisk(objects), more: [.user("rempart"), .accessOrder(.ignore)])
        open.pass()
        #expect(try open.account("1").access == AccessList() && open.source.unread.isEmpty)
    }

    @Test(
        "many names are looked up side by side over four connections, and answered in their order")
    func sideBySide() throws {
        var objects: [String: [(String, String)]] = [:]
        for number in 0..<AccountQuery.most where number % 2 == 0 {
            objects.merge(StandInAsterisk.phone("\(number)", "x\(number)")) { $1 }
        }
        let ground = try ARIGround(StandInAsterisk(objects))
        ground.pass()
        let queries = (0..<AccountQuery.most).map { AccountQuery(name: "\($0)", realm: "r") }
        let answers = ground.source.lookUp(
            queries, within: .seconds(30), now: ground.now, steps: nil)
        #expect(answers.count == queries.count)
        for (number, answer) in answers.enumerated() {
            guard case .found(let account) = answer.answer else {
                #expect(answer.why == .noRow && number % 2 == 1)
                continue
            }
            #expect(account.ha1MD5 == md5("\(number)", "x\(number)", realm: "r"))
        }
        // One more was for the list of endpoints.
        let connections = ground.asterisks[0].connections
        #expect(connections.all <= 5 && connections.most <= 5)
    }

    @Test("names are listed in pages, in the order of their bytes")
    func names() throws {
        let list = ["b", "a", "é", "B"].map { #"{"technology":"PJSIP","resource":"\#($0)"}"# }
        let asterisk = try StandInAsterisk(
            [:], ["/ari/endpoints/PJSIP": .answer(200, "[\(list.joined(separator: ","))]")])
        let ground = try ARIGround(asterisk)
        ground.pass()
        #expect(ground.source.names(after: "", limit: 3, now: ground.now) == ["B", "a", "b"])
        #expect(ground.source.names(after: "b", limit: 3, now: ground.now) == ["é"])
        asterisk.reply("/ari/endpoints/PJSIP", .answer(404, "no"))
        #expect(ground.source.names(after: "", limit: 3, now: ground.now) == nil)
        #expect(ground.source.lack?.contains("res_ari_endpoints.so") == true)
    }
}
