import Messages
import Sys
import Testing

@testable import tls_terminator

@Suite("Identity")
struct IdentityTests {
    private let now = Clock.sinceEpoch

    private func refusal(_ certificate: [UInt8], _ key: [UInt8]) -> CertificateRefusal? {
        do {
            _ = try TLSContext(try Identity(certificate: certificate, key: key, at: now))
            return nil
        } catch {
            return error
        }
    }

    @Test("a chain from the server's certificate up, with its key, is taken")
    func chain() throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        let identity = try Identity(
            certificate: server.pem + authority.pem, key: server.keyPEM, at: now)
        let context = try TLSContext(identity)
        #expect(context.chainLength == 2)
        #expect(context.subject == "CN=sip.example.com")
        #expect(context.notAfter.count == "2027-03-01T12:00:00Z".count)
    }

    @Test("a key of another certificate is refused by name, with the certificate's subject")
    func mismatch() throws {
        let server = TestIdentity("sip.example.com")
        let refused = try #require(refusal(server.pem, TestIdentity("other").keyPEM))
        #expect(refused.setting == "tls.key")
        #expect(refused.reason.contains("does not match"))
        #expect(refused.reason.contains("sip.example.com"))
    }

    @Test("a chain in the wrong order names the certificate that belongs first")
    func wrongOrder() throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        let refused = try #require(refusal(authority.pem + server.pem, server.keyPEM))
        #expect(refused.setting == "tls.certificate")
        #expect(refused.reason.contains("certificate 2"))
        #expect(refused.reason.contains("put that one first"))
    }

    @Test("a certificate that issued nothing before it is refused")
    func stranger() throws {
        let server = TestIdentity("sip.example.com")
        let refused = try #require(
            refusal(server.pem + TestIdentity("stranger").pem, server.keyPEM))
        #expect(refused.reason.contains("certificate 2 (CN=stranger) did not issue"))
    }

    @Test("an expired certificate is refused with its date")
    func expired() throws {
        let server = TestIdentity("sip.example.com", life: -3600)
        let refused = try #require(refusal(server.pem, server.keyPEM))
        #expect(refused.setting == "tls.certificate")
        #expect(refused.reason.contains("expired on 20"))
    }

    @Test("an expired certificate further up the chain is named by its place")
    func expiredAuthority() throws {
        let authority = TestIdentity("authority", life: -3600)
        let server = TestIdentity("sip.example.com", issuer: authority)
        let refused = try #require(refusal(server.pem + authority.pem, server.keyPEM))
        #expect(refused.reason.contains("certificate 2 (CN=authority) expired on"))
    }

    @Test("a key behind a passphrase is refused without asking for it")
    func encrypted() throws {
        let server = TestIdentity("sip.example.com")
        let refused = try #require(refusal(server.pem, server.encryptedKeyPEM))
        #expect(refused.setting == "tls.key")
        #expect(refused.reason.contains("passphrase"))
    }

    @Test("files that hold something else are refused as what they should be")
    func garbage() throws {
        let server = TestIdentity("sip.example.com")
        let noChain = try #require(refusal(Array("hello".utf8), server.keyPEM))
        #expect(noChain.description.contains("tls.certificate: the file holds no certificate"))
        let noKey = try #require(refusal(server.pem, server.pem))
        #expect(noKey.description.contains("tls.key: the file holds no private key"))
        let empty = try #require(refusal([], server.keyPEM))
        #expect(empty.setting == "tls.certificate")
    }

    @Test("a damaged certificate is named by its place in the file")
    func damaged() throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        var second = authority.pem
        second[60] = UInt8(ascii: "!")
        let refused = try #require(refusal(server.pem + second, server.keyPEM))
        #expect(refused.reason.contains("certificate 2 of the file is damaged"))
    }

    @Test("a file that was not handed over is named by its setting")
    func missing() throws {
        let (reader, journal) = try TestJournal.make()
        let error = #expect(throws: CertificateRefusal.self) {
            _ = try TLSContext.reading([:], journal)
        }
        #expect(error?.description.hasPrefix("tls.certificate: ") == true)
        #expect(reader.next()?.contains("REMPART_FILE=tls.certificate") == true)
    }
}
