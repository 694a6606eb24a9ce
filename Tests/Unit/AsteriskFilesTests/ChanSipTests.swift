import AsteriskFiles
import Testing

@Suite("chan_sip's peers")
struct ChanSipTests {
    @Test("peers by type, templates and general")
    func peers() throws {
        let read = try configuration([
            "sip.conf": """
            [general]
            realm=office
            register => user:secret@provider/1234
            [authentication]
            auth=u:s@r
            [phone](!)
            type=friend
            host=dynamic
            deny=0.0.0.0/0.0.0.0
            permit=10.0.0.0/8
            [200](phone)
            secret=two\\;hundred
            [201](phone)
            secret=
            md5secret=0123456789abcdef0123456789abcdef
            acl=office
            contactdeny=0.0.0.0/0
            [caller]
            type=user
            secret=x
            [gateway]
            type=peer
            host=10.0.0.9
            [nothing]
            secret=y
            """
        ])
        #expect(read.chanSip.general?.value("realm") == bytes("office"))
        #expect(
            read.chanSip.peers.map(\.name)
                == [bytes("200"), bytes("201"), bytes("caller"), bytes("gateway")])
        let first = try #require(read.chanSip.peer(bytes("200")))
        #expect(text(first.secret) == "two;hundred")
        #expect(first.isDynamic && first.mayCall && first.isCalled)
        #expect(first.access.map(\.kind) == [.deny, .permit])
        let second = try #require(read.chanSip.peer(bytes("201")))
        #expect(second.secret.isEmpty)
        #expect(second.md5Secret.count == 32)
        #expect(second.access.map(\.isOfContact) == [false, false, false, true])
        let caller = try #require(read.chanSip.peer(bytes("caller")))
        #expect(caller.mayCall && !caller.isCalled && !caller.isDynamic)
        let gateway = try #require(read.chanSip.peer(bytes("gateway")))
        #expect(!gateway.mayCall && gateway.isCalled && !gateway.isDynamic)
        #expect(read.findings.map(\.place.line) == [24])
    }

    @Test("two sections of one name are taken together")
    func twice() throws {
        let read = try configuration([
            "sip.conf": """
            [Bob]
            type=friend
            secret=one
            permit=10.0.0.1
            [bob]
            type=peer
            secret=two
            host=dynamic
            permit=10.0.0.2
            """
        ])
        let peer = try #require(read.chanSip.peer(bytes("bob")))
        #expect(read.chanSip.peers == [peer])
        #expect(text(peer.secret) == "two")
        #expect(peer.isDynamic && peer.mayCall)
        #expect(peer.access.count == 2)
        // The digest user has to be spelled as the last name.
        #expect(read.chanSip.peer(bytes("Bob")) == nil)
    }

    @Test("users of users.conf that have SIP")
    func users() throws {
        let read = try configuration([
            "users.conf": """
            [general]
            hassip=yes
            host=dynamic
            secret=common
            [6000]
            fullname=Six
            [6001]
            secret=own
            [6002]
            hassip=no
            """
        ])
        #expect(read.chanSip.peers.map(\.name) == [bytes("6000"), bytes("6001")])
        #expect(read.chanSip.peers.map(\.secret) == [bytes("common"), bytes("own")])
        #expect(read.chanSip.peers.allSatisfy { $0.isDynamic && $0.mayCall && $0.isCalled })
    }

    @Test("a driver that is not asked for is not read")
    func drivers() throws {
        let files = ["sip.conf": "[broken\n", "pjsip.conf": "[a]\ntype=endpoint\n"]
        let read = try AsteriskConfiguration(folder(files), drivers: [.pjsip])
        #expect(read.pjsip.endpoints.count == 1)
        #expect(throws: ConfigurationFault.self) { try configuration(files) }
    }
}

@Suite("acl.conf")
struct AccessListTests {
    @Test("lists by their names to the letter, those of one name together")
    func lists() throws {
        let read = try configuration([
            "acl.conf": """
            [base](!)
            deny=0.0.0.0/0
            [office](base)
            Permit=10.0.0.0/8
            [office]
            deny=10.0.0.1
            [empty]
            """
        ])
        #expect(read.accessLists.lines(bytes("office"))?.map(\.kind) == [.deny, .permit, .deny])
        #expect(read.accessLists.lines(bytes("Office")) == nil)
        #expect(read.accessLists.lines(bytes("base")) == nil)
        #expect(read.accessLists.lines(bytes("empty")) == [])
        #expect(read.findings.isEmpty)
    }

    @Test(
        "a line that is neither permit nor deny leaves no list at all",
        arguments: ["acl=b", "x=1", "permit=", "[general]"])
    func unknownLine(line: String) throws {
        let read = try configuration(["acl.conf": "[a]\npermit=1.1.1.1\n[b]\n\(line)\n"])
        #expect(read.accessLists.names.isEmpty)
        #expect(read.findings.map(\.place.description) == ["/ast/acl.conf:4"])
    }
}
