import COpenSSL
import Messages
import ServiceHarness
import Sys
import Testing

@testable import tls_terminator

/// Which certificate a client is shown (SNI).
@Suite("Server names")
struct ServerNameTests {
    private static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

    @Test(
        "the name that is asked for decides, by RFC 6125; no name or an unknown one gets the first",
        arguments: versions)
    func byName(_ version: Int32) throws {
        let edge = try TestEdge(
            TestIdentity("first", names: "DNS:sip.example.com"),
            others: [
                TestIdentity("wild", names: "DNS:*.example.org,DNS:example.org"),
                TestIdentity("exact", names: "DNS:voice.example.org"),
                TestIdentity("cn.example.net"),
                TestIdentity("not-by-cn.example.net", names: "DNS:other.example.net,IP:192.0.2.7"),
            ])
        let expected: [(String?, String)] = [
            (nil, "first"), ("sip.example.com", "first"), ("SIP.Example.COM", "first"),
            ("unknown.test", "first"), ("x.example.org", "wild"), ("example.org", "wild"),
            ("a.b.example.org", "first"), ("voice.example.org", "exact"),
            ("VOICE.example.org.", "exact"), ("cn.example.net", "cn.example.net"),
            ("not-by-cn.example.net", "first"), ("other.example.net", "not-by-cn.example.net"),
            ("192.0.2.7", "not-by-cn.example.net"), ("192.0.2.8", "first"),
        ]
        for (name, shown) in expected {
            let (client, _) = try edge.connected(version: version, name: name)
            #expect(client.serverName == "/CN=\(shown)", "\(name ?? "none")")
        }
    }

    @Test(
        "of an RSA and an EC certificate for one name a client gets the one that it can verify",
        arguments: versions)
    func kinds(_ version: Int32) throws {
        func pair(_ name: String) -> [TestIdentity] {
            [
                TestIdentity("ec", names: "DNS:\(name)"),
                TestIdentity("rsa", bits: 2048, names: "DNS:\(name),DNS:x.\(name)"),
            ]
        }
        let all = pair("sip.example.com") + pair("voice.example.org")
        let edge = try TestEdge(all[0], others: Array(all[1...]))
        for name in [nil, "unknown.test", "sip.example.com", "voice.example.org"] {
            let old = try edge.connected(
                version: version, name: name, algorithms: "RSA-PSS+SHA256:RSA+SHA256")
            #expect(old.client.serverName == "/CN=rsa", "\(name ?? "none")")
            let new = try edge.connected(version: version, name: name, algorithms: "ECDSA+SHA256")
            #expect(new.client.serverName == "/CN=ec")
            #expect(try edge.connected(version: version, name: name).client.serverName == "/CN=ec")
        }
        // Only one of them is for this name.
        #expect(try edge.connected(name: "x.voice.example.org").client.serverName == "/CN=rsa")
    }

    @Test(
        "a ticket is good for its certificate, over renewals of others, and for no other one",
        arguments: versions)
    func tickets(_ version: Int32) throws {
        let edge = try TestEdge(
            others: [TestIdentity("voice.example.org"), TestIdentity("third.example.org")])
        // A client that goes without a word spoils its session for those who share it.
        var clients: [TestClient] = []
        func came(_ name: String, with ticket: TestClient? = nil) throws -> TestClient {
            let (client, handle) = try edge.connected(
                version: version, name: name, ticketOf: ticket)
            // The ticket of TLS 1.3 comes after the handshake, before these bytes.
            edge.router.send(.data, handle, [66])
            #expect(try edge.nextText(client) == "B")
            clients.append(client)
            return client
        }
        let first = try came("voice.example.org")
        #expect(!first.isResumed)
        #expect(try came("voice.example.org", with: first).isResumed)
        let wrong = try came("sip.example.com", with: first)
        #expect(!wrong.isResumed && wrong.serverName == "/CN=sip.example.com")
        #expect(try came("sip.example.com", with: wrong).isResumed)

        let third = TestIdentity("third.example.org")
        try edge.renew(2, third.pem, third.keyPEM)
        #expect(try came("voice.example.org", with: first).isResumed)
        #expect(try came("sip.example.com", with: wrong).isResumed)

        let renewed = TestIdentity("voice.example.org", names: "DNS:voice.example.org")
        try edge.renew(1, renewed.pem, renewed.keyPEM)
        #expect(try !came("voice.example.org", with: first).isResumed)
        #expect(try came("sip.example.com", with: wrong).isResumed)
    }

    @Test("a server_name that is no list of names asks for nothing")
    func broken() {
        let good: [UInt8] = [0, 4, 0, 0, 1, 97]
        #expect(ServedCertificates.hostName(good) == "a")
        for length in 0..<good.count {
            #expect(ServedCertificates.hostName(Array(good[..<length])) == nil)
        }
        #expect(ServedCertificates.hostName([0, 4, 1, 0, 1, 97]) == nil)
        #expect(ServedCertificates.hostName([0, 4, 0, 0, 0, 97]) == nil)
        #expect(ServedCertificates.hostName([0, 5, 0, 0, 2, 97, 0]) == nil)
        #expect(ServedCertificates.hostName([0, 4, 0, 255, 255, 97]) == nil)
    }
}
