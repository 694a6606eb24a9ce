import Messages
import Privsep
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
            _ = edge.terminator.turn(longest: Milliseconds(0))
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
        edge.terminator.refusal = CertificateRefusal(.key, "the key does not match")
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
        let (reader, journal) = try TestJournal.make()
        let socket = try Socket.bound(
            .stream, to: SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0))
        let address = try Socket.localAddress(socket.raw)
        var set = StartSet()
        set.listeners = [
            (Listener(index: 1, side: .outside, endpoint: Endpoint(.tls, address)), socket)
        ]
        set.files[.certificate] = try TestEdge.file(TestIdentity("a").pem)
        set.files[.key] = try TestEdge.file(TestIdentity("b").keyPEM)
        let terminator = try Terminator(set, journal)
        #expect(terminator.conditions.map(\.kind) == [.certificate])
        var records: [String] = []
        while let record = reader.next() { records.append(record) }
        #expect(records.contains { $0.contains("5b0d2c7a41f34c0e9c1e3c6f0a7d1024") })
    }
}
