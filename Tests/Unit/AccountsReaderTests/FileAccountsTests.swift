internal import Messages
internal import Sys
internal import Testing

@testable internal import accounts_reader

@Suite("accounts of Asterisk's own files")
struct FileAccountsTests {
    private static let pjsip = """
        [phone](!)
        type=endpoint
        context=phones
        [200](phone)
        auth=200
        aors=200
        [200]
        type=auth
        username=phone200
        password=two
        [200]
        type=aor
        max_contacts=2
        [201](phone)
        auth=none, hash
        aors=other, 201
        [none]
        type=auth
        username=none
        [hash]
        type=auth
        auth_type=md5
        username=201
        md5_cred=00112233445566778899AABBCCDDEEFF
        [other]
        type=aor
        max_contacts=9
        [201]
        type=aor
        [202@sip.example.com](phone)
        auth=202
        aors=202
        [202](phone)
        [202]
        type=auth
        username=202
        password_digest=MD5:000102030405060708090a0b0c0d0e0f
        realm=elsewhere
        [202]
        type=aor
        max_contacts=1
        [203](phone)
        auth=lost
        """

    @Test("PJSIP: endpoint, auth and address of record, and why a name is none")
    func pjsip() throws {
        let ground = try AsteriskGround(
            ["pjsip.conf": Self.pjsip], [.domain("sip.example.com")])
        #expect(ground.source.state == .up(layout: "pjsip", source: ground.url))
        #expect(try ground.accepts("200", "phone200", "two"))
        let first = try ground.account("200")
        #expect(first.mayRegister && first.aor == "200" && first.ha1SHA256.count == 32)
        #expect(ground.read("200").source == "\(ground.path)/pjsip.conf:4")
        let hashed = try ground.account("201")
        #expect(hashed.authUser == "201" && hashed.ha1MD5.first == 0 && hashed.ha1MD5.last == 0xFF)
        #expect(hashed.aor == "201" && !hashed.mayRegister)
        // name@domain goes first, and its hashes are for a realm of their own.
        #expect(ground.read("202").why == .realmBound)
        #expect(ground.read("202", realm: "elsewhere").why == nil)
        #expect(ground.read("203").why == .noAuthRow)
        #expect(ground.read("nobody").why == .noRow)
        #expect(ground.read("nobody").source == "\(ground.path)/pjsip.conf")
        #expect(ground.read("phone").why == .noRow)
        #expect(ground.names() == ["200", "201", "202", "202@sip.example.com", "203"])
        #expect(ground.names(after: "201", limit: 1) == ["202"])
        #expect(ground.troubles == [])
    }

    @Test("hashes that name no realm are for default_realm of PJSIP, or realm of sip.conf")
    func realms() throws {
        let ground = try AsteriskGround([
            "pjsip.conf": """
            [global]
            type=global
            default_realm=office
            [1]
            type=endpoint
            auth=1
            [1]
            type=auth
            auth_type=md5
            username=1
            md5_cred=000102030405060708090a0b0c0d0e0f
            """
        ])
        #expect(ground.read("1").why == .realmBound)
        #expect(ground.read("1", realm: "office").why == nil)
        let old = try AsteriskGround([
            "sip.conf": """
            [general]
            realm=office
            [1]
            type=friend
            host=dynamic
            md5secret=000102030405060708090a0b0c0d0e0f
            """
        ])
        #expect(old.read("1").why == .realmBound)
        #expect(old.read("1", realm: "office").why == nil)
    }

    @Test("an endpoint without a secret is nobody's, and a trunk is no account")
    func trunks() throws {
        let auth = "\n[a]\ntype=auth\nusername=a\npassword=x\n"
        let ground = try AsteriskGround([
            "pjsip.conf": """
            [open]
            type=endpoint
            [dials]
            type=endpoint
            outbound_auth=a
            [known]
            type=endpoint
            [known-identify]
            type=identify
            endpoint=known
            match=192.0.2.1
            [same]
            type=endpoint
            auth=a
            [same]
            type=registration
            server_uri=sip:192.0.2.1
            [line]
            type=endpoint
            auth=a
            [reg]
            type=registration
            endpoint=line
            line=yes
            [ip]
            type=endpoint
            auth=a
            identify_by=ip
            [both]
            type=endpoint
            auth=a
            identify_by=ip,auth_username
            """ + auth,
            "pjsip_wizard.conf": """
            [provider]
            type=wizard
            sends_registrations=yes
            accepts_auth=yes
            inbound_auth/username=provider
            inbound_auth/password=x
            [300]
            type=wizard
            accepts_registrations=yes
            accepts_auth=yes
            inbound_auth/username=300
            inbound_auth/password=three
            aor/max_contacts=1
            """,
        ])
        for name in ["dials", "known", "same", "line", "ip", "provider"] {
            #expect(ground.read(name).why == .trunk, "\(name)")
            #expect(ground.read(name).answer == .unknown)
        }
        #expect(ground.read("open").why == .noSecret)
        #expect(try ground.accepts("both", "a", "x"))
        #expect(try ground.accepts("300", "300", "three"))
        #expect(try ground.account("300").mayRegister)
        #expect(ground.names() == ["300", "both", "open"])
    }

    @Test("chan_sip: friends, users and peers of sip.conf and users.conf")
    func chanSip() throws {
        let ground = try AsteriskGround([
            "sip.conf": """
            [general]
            [phone](!)
            type=friend
            host=dynamic
            [100](phone)
            secret=one
            [101](phone)
            secret=old
            md5secret=00112233445566778899aabbccddeeff
            [102](phone)
            md5secret=no hash
            [103](phone)
            [gate]
            type=user
            secret=in
            [provider]
            type=peer
            host=192.0.2.1
            secret=out
            [called]
            type=peer
            host=dynamic
            secret=c
            """,
            "users.conf": "[6000]\nhassip=yes\nhost=dynamic\nsecret=six\n",
        ])
        #expect(ground.source.state == .up(layout: "chan_sip", source: ground.url))
        #expect(try ground.accepts("100", "100", "one"))
        #expect(try ground.account("101").ha1MD5.last == 0xFF)
        #expect(ground.read("102").why == .brokenHash)
        #expect(ground.read("103").why == .noSecret)
        #expect(try ground.accepts("gate", "gate", "in"))
        #expect(try !ground.account("gate").mayRegister)
        #expect(ground.read("provider").why == .trunk)
        #expect(try ground.account("called").mayRegister)
        #expect(try ground.accepts("6000", "6000", "six"))
        #expect(ground.read("6000").source == "\(ground.path)/users.conf:1")
        #expect(ground.read("phone").why == .noRow && ground.read("general").why == .noRow)
        #expect(ground.names() == ["100", "101", "102", "103", "6000", "called", "gate"])
    }

    @Test("each step of a look-up names its line, and no secret")
    func trace() throws {
        let ground = try AsteriskGround(["pjsip.conf": Self.pjsip])
        let steps = TraceSteps()
        _ = ground.read("200", steps)
        let file = "\(ground.path)/pjsip.conf"
        #expect(
            steps.all.map(\.what) == [
                "\(file):4 endpoint [200]", "\(file):7 auth [200]", "\(file):11 aor [200]",
            ])
        #expect(
            steps.all.map(\.remark) == [
                "auth=200 aors=200", "username=phone200, a secret", "max_contacts=2",
            ])
        let lost = TraceSteps()
        _ = ground.read("203", lost)
        #expect(lost.all.map(\.found) == [true, false, false])
        #expect(lost.all[1].remark == PjsipSecret.missing)
        #expect(lost.all[2].remark.hasSuffix("the endpoint's aors names no address of record"))
        let none = TraceSteps()
        _ = ground.read("nobody", none)
        #expect(none.all.map(\.what) == ["endpoint [nobody]"])
    }

    @Test("an answer's version changes with the lines of its account, and with no others")
    func versions() throws {
        let ground = try AsteriskGround(["pjsip.conf": Self.pjsip])
        let before = (ground.read("200").version, ground.read("201").version)
        try ground.write("pjsip.conf", "; moved\n" + Self.pjsip.replacing("=two", with: "=zwei"))
        ground.second()
        ground.second()
        #expect(ground.read("200").version != before.0)
        #expect(ground.read("201").version == before.1)
    }
}

@Suite("access lists of Asterisk's own files")
struct FileAccessTests {
    private func access(
        _ lines: String, _ more: AccountsReaderSetting..., lists: String = ""
    ) throws -> AccessList {
        let ground = try AsteriskGround(
            [
                "sip.conf": "[1]\ntype=friend\nhost=dynamic\nsecret=x\n\(lines)\n",
                "acl.conf": lists,
            ], more)
        return try ground.account("1").access
    }

    private func admits(_ list: AccessList, _ address: String) -> Bool {
        let ip = IPAddress(address) ?? IPAddress(v4: 0)
        return AccessList.admits(list.bytes.span, .source, ip)
    }

    @Test("permit and deny apply in the order in which they stand")
    func order() throws {
        let lines = "permit=192.0.2.0/24\ndeny=0.0.0.0/0.0.0.0"
        #expect(try !admits(access(lines), "192.0.2.1"))
        #expect(try admits(access(lines, .accessOrder(.denyThenPermit)), "192.0.2.1"))
        #expect(try !admits(access(lines, .accessOrder(.denyThenPermit)), "192.0.3.1"))
        #expect(try admits(access(lines, .accessOrder(.ignore)), "192.0.3.1"))
        let usual = try access("deny=0.0.0.0/0\npermit=192.0.2.0/24,198.51.100.0/24")
        #expect(admits(usual, "198.51.100.9") && !admits(usual, "203.0.113.1"))
    }

    @Test("lists of acl.conf are lists of their own; one that is not there lets nobody in")
    func named() throws {
        let lists = "[office]\ndeny=0.0.0.0/0\npermit=192.0.2.0/24\n[open]\n"
        let office = try access("acl=office", lists: lists)
        #expect(admits(office, "192.0.2.1") && !admits(office, "203.0.113.1"))
        #expect(try access("acl=open", lists: lists) == AccessList())
        #expect(try access("acl=away", lists: lists) == .nobody)
        #expect(try access("permit=everywhere") == .nobody)
        // A permit of its own lifts no other list.
        let both = try access("acl=office\npermit=203.0.113.1", lists: lists)
        #expect(!admits(both, "203.0.113.1"))
    }

    @Test("an account that lets nobody in is told once, until a file changes")
    func complaint() throws {
        let ground = try AsteriskGround([
            "sip.conf": "[1]\ntype=friend\nhost=dynamic\nsecret=x\nacl=away\n"
        ])
        _ = ground.source.drainEvents()
        #expect(ground.read("1").why == .unreadableAccessList)
        _ = ground.read("1")
        #expect(ground.source.drainEvents() == [.nobody("1")])
    }
}
