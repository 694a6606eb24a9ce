import Glibc
import Messages
import Privsep
import ServiceHarness
import Sys
import Testing

@testable import tls_terminator

/// Certificates over their lives, and pairs that cannot be used.
@Suite("Certificates in use")
struct CertificateTests {
    private let ends = "5b0d2c7a41f34c0e9c1e3c6f0a7d1025"

    @Test("an expired certificate is served, and what phones may mind is told")
    func expired() throws {
        let edge = try TestEdge(TestIdentity("sip.example.com", life: -3 * 86_400 - 60))
        edge.terminator.lookAtDates()
        let (client, _) = try edge.connected()
        #expect(client.serverName == "/CN=sip.example.com")
        let told = edge.records(ends)
        #expect(told.count == 1 && told[0].contains("CN=sip.example.com ended 3 days ago, on 20"))
        #expect(told.first?.contains("PRIORITY=4") == true)
        #expect(edge.terminator.conditions.map(\.kind) == [.certificate])
    }

    @Test("its end is told from 14 days before it on, once a day, in days, and after it too")
    func ending() throws {
        let edge = try TestEdge(TestIdentity("sip.example.com", life: 20 * 86_400 + 3600))
        edge.terminator.lookAtDates()
        edge.pass(days: 5)
        #expect(edge.records(ends).isEmpty && edge.terminator.conditions.isEmpty)
        edge.pass(days: 1)
        #expect(edge.records(ends).isEmpty)
        edge.pass(days: 1)
        let first = edge.records(ends)
        #expect(first.count == 1 && first[0].contains("ends in 13 days, on 20"), "\(first)")
        #expect(first.first?.contains("REMPART_FILE=tls.certificate") == true)
        edge.pass(days: 11)
        #expect(edge.records(ends).count == 11)
        edge.pass(days: 2)
        #expect(edge.records("ends in less than a day").count == 1)
        edge.pass(days: 2)
        #expect(edge.records("ended 1 day ago").count == 1)
        // A day is not shorter because somebody looks more often.
        for _ in 0..<100 {
            edge.clock.now = edge.clock.now + .seconds(60)
            edge.clock.wall = edge.clock.wall + .seconds(60)
            edge.turn(longest: Milliseconds(0))
        }
        #expect(edge.records(ends).isEmpty)
        let fresh = TestIdentity("renewed.example.com", life: 90 * 86_400)
        #expect(try edge.reload(fresh.pem, fresh.keyPEM) == nil)
        #expect(edge.terminator.conditions.isEmpty && edge.records(ends).isEmpty)
    }

    @Test("a reload tells the end at once")
    func reloaded() throws {
        let edge = try TestEdge()
        let short = TestIdentity("short.example.com", life: 86_400 + 3600)
        #expect(try edge.reload(short.pem, short.keyPEM) == nil)
        #expect(edge.records("ends in 1 day, on 20").count == 1)
    }

    @Test("a certificate that is not valid yet is served, and the clock is named")
    func early() throws {
        let edge = try TestEdge(TestIdentity("sip.example.com", begins: 2 * 86_400 + 3600))
        edge.terminator.lookAtDates()
        _ = try edge.connected()
        #expect(edge.records("not valid yet, but in 2 days").count == 1)
    }

    @Test(
        "a broken pair in a reload leaves the old one in use, which is told until a good one comes")
    func brokenReload() throws {
        let edge = try TestEdge()
        let (old, handle) = try edge.connected()
        var clients: [TestClient] = []
        let other = TestIdentity("other.example.com")
        let pairs: [([UInt8]?, [UInt8]?, String)] = [
            (edge.identity.pem, other.keyPEM, "does not match"),
            (Array("x".utf8), other.keyPEM, "PEM"),
            (nil, other.keyPEM, "cannot be opened"), (other.pem, nil, "tls.key"),
        ]
        for (certificate, key, word) in pairs {
            let unused = try #require(try edge.reload(certificate, key))
            #expect(
                unused.contains(word) && unused.contains("of before stays in use, valid until 20"))
            // Of a file that cannot be opened the supervisor tells.
            let isTold = certificate != nil && key != nil
            #expect(edge.terminator.conditions.map(\.kind) == (isTold ? [.certificate] : []))
            #expect(edge.terminator.conditions.allSatisfy { $0.text.contains(word) })
            clients.append(try edge.connected().client)
            #expect(clients.last?.serverName == "/CN=sip.example.com")
        }
        #expect(try edge.reload(other.pem, other.keyPEM) == nil)
        #expect(edge.terminator.conditions.isEmpty)
        let (new, _) = try edge.connected()
        #expect(new.serverName == "/CN=other.example.com")
        #expect(old.write([65]) == 1)
        #expect(try edge.nextFrame().connection == handle)
    }

    @Test(
        "without a pair that can be used TLS is closed at once, nobody is blamed, and a reload opens it"
    )
    func closed() throws {
        let edge = try TestEdge(isUsable: false)
        #expect(
            edge.terminator.conditions.first?.text.contains("TLS connections are refused") == true)
        // More than one source may have in handshakes.
        for _ in 0..<50 {
            let client = try TestClient(edge.address)
            _ = client.handshake()
            _ = try edge.wait("the end") { client.isClosed ? true : nil }
        }
        #expect(edge.router.next() == nil && edge.journal.next() == nil)
        #expect(edge.terminator.sources.handshakes == 0)
        #expect(try edge.reload(edge.identity.pem, edge.identity.keyPEM) == nil)
        #expect(edge.terminator.conditions.isEmpty)
        _ = try edge.connected()
    }

    @Test("a start set whose pair does not fit makes a terminator that is up, and says so")
    func startSet() throws {
        let supervisor = try TestSupervisor(.terminator)
        let socket = try Socket.bound(
            .stream, to: SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0))
        let address = try Socket.localAddress(socket.raw)
        var set = StartSet()
        set.listeners = [
            (Listener(index: 1, side: .outside, endpoint: Endpoint(.tls, address)), socket)
        ]
        let pair = try TestEdge.set([(TestIdentity("a").pem, TestIdentity("b").keyPEM)])
        (set.settings, set.certificates) = (pair.settings, pair.certificates)
        let terminator = try Terminator(try ServiceLoop(supervisor.supervision), set)
        #expect(terminator.conditions.map(\.kind) == [.certificate])
        #expect(
            supervisor.journal.records().contains {
                $0.contains("5b0d2c7a41f34c0e9c1e3c6f0a7d1024")
            })
    }

    private let taken = "5b0d2c7a41f34c0e9c1e3c6f0a7d1023"
    private let refused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1024"

    @Test("a renewal replaces one certificate of several, with one record; the others go on")
    func renewal() throws {
        let voice = TestIdentity("voice.example.org")
        let edge = try TestEdge(others: [voice])
        #expect(edge.terminator.certificates.inUse == 3)
        let (open, handle) = try edge.connected(name: "voice.example.org")
        let new = TestIdentity(
            "voice.example.org", names: "DNS:voice.example.org,DNS:v.example.org")
        try edge.renew(1, new.pem, new.keyPEM)
        let told = edge.records(taken)
        #expect(
            told.count == 1 && told[0].contains("certificate CN=voice.example.org, 1 in the chain"))
        #expect(told.first?.contains("REMPART_FILE=tls.certificates[2].certificate") == true)
        #expect(edge.terminator.certificates.inUse == 3)
        #expect(
            try edge.connected(name: "v.example.org").client.serverName == "/CN=voice.example.org")
        #expect(try edge.connected().client.serverName == "/CN=sip.example.com")
        #expect(open.write([65]) == 1)
        #expect(try edge.nextLivingFrame().connection == handle)
        // The same files once more, as after a chmod: nothing is told.
        try edge.renew(1, new.pem, new.keyPEM)
        #expect(edge.records("").isEmpty && edge.terminator.certificates.inUse == 3)
    }

    @Test("files that were lost on their way are no answer that they are used")
    func lostFiles() throws {
        let edge = try TestEdge(others: [TestIdentity("voice.example.org")])
        let new = TestIdentity("voice.example.org")
        for (certificate, key) in [(nil, nil), (new.pem, nil), (nil, new.keyPEM)] {
            try edge.renew(1, new.pem, new.keyPEM)
            #expect(edge.terminator.certificates.inUse == 3)
            try edge.renew(1, certificate, key)
            #expect(edge.terminator.certificates.inUse == 1)
        }
        #expect(edge.terminator.conditions.isEmpty)
        _ = try edge.connected(name: "voice.example.org")
    }

    @Test("half a renewal is told once, leaves the old pair in use, and the whole one is taken")
    func halfRenewed() throws {
        let edge = try TestEdge(others: [TestIdentity("voice.example.org")])
        let new = TestIdentity("sip.example.com")
        for _ in 0..<3 {
            try edge.renew(0, new.pem, edge.identity.keyPEM)
            #expect(edge.terminator.certificates.inUse == 2)
        }
        #expect(edge.records(refused).count == 1)
        let words = edge.terminator.conditions.map(\.text)
        #expect(words.count == 1)
        #expect(
            words[0].contains("the one of before stays: tls.certificates[1].key: the key does not"))
        #expect(try edge.connected().client.serverName == "/CN=sip.example.com")
        try edge.renew(0, new.pem, new.keyPEM)
        #expect(edge.terminator.certificates.inUse == 3 && edge.terminator.conditions.isEmpty)
        #expect(edge.records(taken).count == 1)
        // The old pair again, as when a renewal is taken back.
        try edge.renew(0, edge.identity.pem, edge.identity.keyPEM)
        #expect(edge.terminator.certificates.inUse == 3)
    }

    @Test("a reload with other certificates keeps those that are named again, and drops the rest")
    func otherCertificates() throws {
        let voice = TestIdentity("voice.example.org")
        let edge = try TestEdge(others: [voice])
        // The second one alone is named now, and its files cannot be used.
        var set = try TestEdge.set([(Array("x".utf8), voice.keyPEM)])
        set.settings = [.tls.certificate("/1.pem"), .tls.key("/1.key")]
        let unused = try #require(edge.terminator.take(set))
        #expect(unused.contains("tls.certificate: ") && unused.contains("of before stays in use"))
        #expect(try edge.connected().client.serverName == "/CN=voice.example.org")
        #expect(
            try edge.connected(name: "sip.example.com").client.serverName == "/CN=voice.example.org"
        )
    }

    @Test(
        "status has a row for each certificate: its names, file, key, end, and why its files are not used"
    )
    func rows() throws {
        let edge = try TestEdge(
            others: [
                TestIdentity(
                    "v", bits: 2048, names: "DNS:V.example.org,IP:192.0.2.7,IP:2001:db8::1")
            ])
        try edge.renew(0, Array("x".utf8), edge.identity.keyPEM)
        let rows = edge.terminator.certificates.rows(at: edge.clock.wall).compactMap { reply in
            if case .certificate(let row) = reply { row } else { nil }
        }
        #expect(
            rows.map(\.names) == [
                ["sip.example.com"], ["v.example.org", "192.0.2.7", "2001:db8::1"],
            ])
        #expect(rows.map(\.file) == ["/0.pem", "/1.pem"])
        #expect(rows.map(\.key) == ["EC, 256 bits", "RSA, 2048 bits"])
        #expect(
            rows[0].unused.contains(
                "tls.certificates[1].certificate: the file holds no certificate"))
        #expect(rows[1].unused.isEmpty)
        let left = rows[1].until - edge.clock.wall
        #expect(left > .seconds(89 * 86_400) && left <= .seconds(90 * 86_400))
    }

    /// 10,000 in `make soak`.
    private static let renewals =
        unsafe getenv("REMPART_RENEWALS").flatMap { unsafe Int(String(cString: $0)) } ?? 2_000

    @Test("thousands of renewals cost no memory, no descriptor and no connection")
    func manyRenewals() throws {
        let edge = try TestEdge(others: [TestIdentity("voice.example.org")])
        let pairs = [edge.identity, TestIdentity("sip.example.com")].map { ($0.pem, $0.keyPEM) }
        let (open, handle) = try edge.connected()
        var late: TestClient?
        func renew(_ count: Int) throws {
            for turn in 1...count {
                let (certificate, key) = pairs[turn % 2]
                try edge.renew(0, certificate, key)
                guard turn % 100 == 0 else { continue }
                _ = edge.records("")
                // One handshake goes on over a hundred renewals, one is made between two.
                if let late {
                    _ = try edge.wait("handshake") { late.handshake() ? true : nil }
                    #expect(try edge.nextLivingFrame().kind == .opened)
                }
                _ = try edge.connected()
                late = try TestClient(edge.address)
                _ = late?.handshake()
                edge.turn()
                #expect(open.write([65]) == 1)
                let frame = try edge.nextLivingFrame()
                #expect(frame == PlaintextMessage(kind: .data, connection: handle, payload: [65]))
            }
        }
        try renew(500)
        let (pages, descriptors) = (Self.pages, Self.descriptors)
        try renew(Self.renewals)
        // Other tests run beside this one. A set of contexts that is kept is 40 KiB and more, a pair two descriptors.
        #expect(Self.pages - pages < 12_288)
        #expect(Self.descriptors - descriptors < 500)
    }

    /// How many pages of memory this process has, of 4 KiB each.
    private static var pages: Int {
        let file = Descriptor(owning: unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC))
        var bytes = [UInt8](repeating: 0, count: 256)
        guard case .moved(let count) = Stream.read(file.raw, into: &bytes, at: 0) else { return 0 }
        let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }

    private static var descriptors: Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        return count
    }
}
