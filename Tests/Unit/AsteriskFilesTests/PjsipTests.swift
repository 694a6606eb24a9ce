import AsteriskFiles
import MemoryFiles
import Testing

@Suite("PJSIP's objects")
struct PjsipTests {
    @Test("endpoint, auth and address of record share a name")
    func oneName() throws {
        let read = try configuration([
            "pjsip.conf": """
            [phone](!)
            type=endpoint
            identify_by = username, auth_username
            deny=0.0.0.0/0
            [200](phone)
            auth = 200, other ,
            aors=200
            permit=10.0.0.0/8
            acl=office
            contact_permit=10.0.0.0/8
            [200]
            type=auth
            username=two hundred
            password=old
            password= p\\;w:"d" ; comment
            realm=office
            [other]
            type=auth
            auth_type=md5
            md5_cred=0123456789abcdef0123456789abcdef
            password_digest=MD5:00
            password_digest=SHA-256:11
            [200]
            type=aor
            max_contacts=3
            """
        ])
        let endpoint = try #require(read.pjsip.endpoint(bytes("200")))
        #expect(read.pjsip.endpoints == [endpoint])
        #expect(endpoint.auths == [bytes("200"), bytes("other")])
        #expect(endpoint.aors == [bytes("200")])
        #expect(endpoint.identifiers == [bytes("username"), bytes("auth_username")])
        #expect(endpoint.access.map(\.kind) == [.deny, .permit, .list, .permit])
        #expect(endpoint.access.map(\.isOfContact) == [false, false, false, true])
        #expect(endpoint.place.line == 5)
        let auth = try #require(read.pjsip.auth(bytes("200")))
        #expect(text(auth.kind) == "userpass")
        #expect(text(auth.username) == "two hundred")
        #expect(text(auth.password) == "p;w:\"d\"")
        #expect(text(auth.realm) == "office")
        let other = try #require(read.pjsip.auth(bytes("other")))
        #expect(text(other.kind) == "md5")
        #expect(other.md5Credential.count == 32)
        #expect(other.digests == [bytes("MD5:00"), bytes("SHA-256:11")])
        #expect(read.pjsip.aor(bytes("200"))?.maximumContacts == 3)
        #expect(read.pjsip.endpoint(bytes("phone")) == nil)
        #expect(read.findings.isEmpty)
    }

    @Test("a file is read once, whatever comes from it")
    func once() throws {
        let memory = MemoryFiles(["/ast/pjsip.conf": bytes("[a]\ntype=endpoint\n")])
        _ = try AsteriskConfiguration(AsteriskFolder("/ast", files: memory))
        #expect(memory.read == ["/ast/pjsip.conf"])
    }

    @Test("ids differ by their capitals, names of options do not")
    func capitals() throws {
        let read = try configuration([
            "pjsip.conf":
                "[a]\nTYPE=aor\nMax_Contacts=2\n[A]\ntype=aor\nmax_contacts=1\n[b]\ntype=AOR\n"
        ])
        #expect(read.pjsip.aor(bytes("a"))?.maximumContacts == 2)
        #expect(read.pjsip.aor(bytes("A"))?.maximumContacts == 1)
        #expect(read.pjsip.aor(bytes("b")) == nil)
    }

    @Test("a number of phones that is none lets nobody register", arguments: ["", "-1", "x", "1x"])
    func contacts(value: String) throws {
        let read = try configuration(["pjsip.conf": "[a]\ntype=aor\nmax_contacts=\(value)\n"])
        #expect(read.pjsip.aor(bytes("a"))?.maximumContacts == 0)
    }

    @Test("two of one type and name are a fault: Asterisk takes none of that type")
    func duplicates() {
        let text = "[a]\ntype=auth\n[a]\ntype=endpoint\n[a]\ntype=auth\n"
        let error = #expect(throws: ConfigurationFault.self) {
            try configuration(["pjsip.conf": text])
        }
        #expect(error?.place.description == "/ast/pjsip.conf:5")
        #expect(error?.sentence.contains("/ast/pjsip.conf:1 too") == true)
    }

    @Test("rules for addresses, and what is global")
    func others() throws {
        let read = try configuration([
            "pjsip.conf": """
            [gw]
            type=identify
            endpoint=gateway
            match=10.0.0.9, 10.1.0.0/16
            match=gw.example.com
            [global]
            type=global
            default_realm=office
            """
        ])
        #expect(read.pjsip.identifies.map(\.endpoint) == [bytes("gateway")])
        #expect(
            read.pjsip.identifies.first?.matches
                == [bytes("10.0.0.9"), bytes("10.1.0.0/16"), bytes("gw.example.com")])
        #expect(read.pjsip.global?.value("default_realm") == bytes("office"))
    }

    @Test("sorcery.conf says which files and which families of a database")
    func sorcery() throws {
        let read = try configuration([
            "sorcery.conf": """
            [res_pjsip]
            endpoint/cache=memory_cache,expire_on_reload=yes
            endpoint=realtime,ps_endpoints
            endpoint=config,mine.conf,criteria=type=phone
            endpoint=config,pjsip.conf,criteria=type=endpoint
            auth=realtime,ps_auths
            aor=config,aors.conf
            """,
            "mine.conf": "[a]\ntype=phone\nauth=mine\n[b]\ntype=other\n",
            "pjsip.conf": "[a]\ntype=endpoint\nauth=second\n[c]\ntype=endpoint\n[x]\ntype=auth\n",
            "aors.conf": "[q]\nmax_contacts=5\n",
        ])
        #expect(read.pjsip.endpoints.map(\.id) == [bytes("a"), bytes("c")])
        #expect(read.pjsip.endpoint(bytes("a"))?.auths == [bytes("mine")])
        #expect(read.pjsip.auth(bytes("x")) == nil)
        #expect(read.pjsip.aor(bytes("q"))?.maximumContacts == 5)
    }

    @Test("a wizard is an endpoint, an auth and an address of record")
    func wizard() throws {
        let read = try configuration([
            "pjsip_wizard.conf": """
            [phones](!)
            type=wizard
            accepts_registrations=yes
            accepts_auth=yes
            aor/max_contacts=2
            endpoint/context=phones
            endpoint/deny=0.0.0.0/0
            endpoint/permit=10.0.0.0/8
            [300](phones)
            inbound_auth/username=300
            inbound_auth/password=secret
            [301](phones)
            inbound_auth/username=301
            inbound_auth/auth_type=md5
            inbound_auth/md5_cred=00
            endpoint/aors=ignored
            [gw]
            type=wizard
            remote_hosts=10.0.0.9:5060,gw.example.com
            """
        ])
        #expect(Set(read.pjsip.endpoints.map { text($0.id) }) == ["300", "301", "gw"])
        let endpoint = try #require(read.pjsip.endpoint(bytes("300")))
        #expect(endpoint.auths == [bytes("300-iauth")])
        #expect(endpoint.aors == [bytes("300")])
        #expect(endpoint.access.map(\.kind) == [.deny, .permit])
        #expect(read.pjsip.auth(bytes("300-iauth"))?.password == bytes("secret"))
        #expect(read.pjsip.auth(bytes("300-iauth"))?.kind == bytes("userpass"))
        #expect(read.pjsip.auth(bytes("301-iauth"))?.kind == bytes("md5"))
        #expect(read.pjsip.endpoint(bytes("301"))?.aors == [bytes("301")])
        #expect(read.pjsip.aor(bytes("300"))?.maximumContacts == 2)
        #expect(read.pjsip.endpoint(bytes("gw"))?.auths == [])
        #expect(
            read.pjsip.identifies.map(\.matches) == [[bytes("10.0.0.9"), bytes("gw.example.com")]])
    }

    @Test("a wizard without a user has no auth, and a finding says so")
    func wizardWithoutUser() throws {
        let read = try configuration([
            "pjsip_wizard.conf": """
            [300]
            type=wizard
            accepts_registrations=yes
            accepts_auth=yes
            inbound_auth/password=secret
            [301]
            type=wizard
            accepts_registrations=yes
            accepts_auth=yes
            sends_auth=yes
            inbound_auth/username=301
            """
        ])
        #expect(read.pjsip.endpoints.count == 2)
        #expect(read.pjsip.auth(bytes("300-iauth")) == nil)
        #expect(read.pjsip.auth(bytes("301-iauth")) == nil)
        #expect(read.findings.map(\.place.line) == [1, 6])
        #expect(read.findings.allSatisfy { !$0.sentence.contains("secret") })
    }

    @Test("pjsip.conf comes before a wizard of the same name")
    func both() throws {
        let read = try configuration([
            "pjsip.conf": "[300]\ntype=aor\nmax_contacts=7\n",
            "pjsip_wizard.conf": "[300]\ntype=wizard\naor/max_contacts=1\n[300]\ntype=wizard\n",
        ])
        #expect(read.pjsip.aor(bytes("300"))?.maximumContacts == 7)
        #expect(read.pjsip.endpoints.count == 1)
    }
}
