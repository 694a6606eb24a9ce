import Messages
import Privsep
import ServiceHarness
import Sys
import Testing

@testable import tls_terminator

@Suite("Identity")
struct IdentityFilesTests {
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

    @Test("a key of none of several certificates is refused, with how many there are")
    func noneFits() throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        let refused = try #require(
            refusal(authority.pem + server.pem, TestIdentity("other").keyPEM))
        #expect(refused.setting == "tls.key")
        #expect(refused.reason.contains("does not match any of the 2 certificates"))
        #expect(refused.reason.contains("name the key"))
    }

    @Test("the server's own certificate is found by its key, wherever it stands", arguments: 0..<3)
    func wrongOrder(_ place: Int) throws {
        let root = TestIdentity("root")
        let authority = TestIdentity("authority", issuer: root)
        let server = TestIdentity("sip.example.com", issuer: authority)
        var file = [root.pem, authority.pem]
        file.insert(server.pem, at: place)
        let found = try identity(Array(file.joined()), server)
        #expect(found.chain.map(\.subject) == ["CN=sip.example.com", "CN=authority", "CN=root"])
        #expect(found.warnings.isEmpty)
        #expect(try TLSContext(found).subject == "CN=sip.example.com")
    }

    @Test(
        "of two certificates for one key, the one that has expired is passed by, and that is said")
    func sameKey() throws {
        let old = TestIdentity("sip.example.com", life: -86_400)
        let new = TestIdentity("new.example.com", sharing: old)
        let found = try identity(old.pem + new.pem, old)
        #expect(found.chain.map(\.subject) == ["CN=new.example.com"])
        #expect(
            found.warnings.count == 1 && found.warnings[0].contains("is not sent: it expired on"))
        // Without another one it is served.
        #expect(try identity(old.pem, old).chain.map(\.subject) == ["CN=sip.example.com"])
        // Of two that are good the first.
        let third = TestIdentity("third.example.com", sharing: old)
        #expect(
            try identity(third.pem + new.pem, old).chain.map(\.subject) == ["CN=third.example.com"])
    }

    private func identity(_ certificate: [UInt8], _ owner: TestIdentity) throws -> Identity {
        try Identity(certificate: certificate, key: owner.keyPEM, at: now)
    }

    @Test(
        "a certificate that leads nowhere is not sent, and said; the server's own twice is sent once"
    )
    func surplus() throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        let stranger = TestIdentity("stranger")
        let odd = try identity(server.pem + stranger.pem + authority.pem, server)
        #expect(odd.chain.map(\.subject) == ["CN=sip.example.com", "CN=authority"])
        #expect(odd.warnings.count == 1)
        #expect(
            odd.warnings.first?.contains("certificate 2 of the file (CN=stranger) is not sent")
                == true)
        let twice = try identity(server.pem + server.pem + authority.pem + authority.pem, server)
        #expect(try TLSContext(twice).chainLength == 2 && twice.warnings.isEmpty)
    }

    @Test("a chain is followed through the file in whatever order its issuers stand")
    func anyOrder() throws {
        let root = TestIdentity("root")
        let authority = TestIdentity("authority", issuer: root)
        let server = TestIdentity("sip.example.com", issuer: authority)
        let found = try identity(server.pem + root.pem + authority.pem, server)
        #expect(found.chain.map(\.subject) == ["CN=sip.example.com", "CN=authority", "CN=root"])
        #expect(found.warnings.isEmpty)
    }

    @Test(
        "a surplus cross-signed root that has expired refuses nothing; the good one is sent",
        arguments: [true, false])
    func crossSigned(_ hasOther: Bool) throws {
        let oldRoot = TestIdentity("old root")
        let root = TestIdentity("root")
        let cross = TestIdentity("root", issuer: oldRoot, life: -3600, sharing: root)
        let authority = TestIdentity("authority", issuer: root)
        let server = TestIdentity("sip.example.com", issuer: authority)
        let rest = hasOther ? root.pem : []
        let found = try identity(server.pem + authority.pem + cross.pem + rest, server)
        #expect(found.chain.count == 3)
        #expect((found.chain[2].left(at: now) > Milliseconds(0)) == hasOther)
        #expect(found.warnings.count == 1)
        #expect(found.warnings.first?.contains("certificate 3 of the file (CN=root)") == true)
        #expect(found.warnings.first?.contains("expired on 20") == true)
        _ = try TLSContext(found)
    }

    @Test("dates refuse no certificate", arguments: [(-3600, -172_800), (90 * 86_400, 86_400)])
    func dates(_ life: Int, _ begins: Int) throws {
        let server = TestIdentity("sip.example.com", life: life, begins: begins)
        #expect(refusal(server.pem, server.keyPEM) == nil)
    }

    @Test("a key that is too short for TLS is refused in words that say what to have issued")
    func shortKey() throws {
        let server = TestIdentity("sip.example.com", bits: 1024)
        let refused = try #require(refusal(server.pem, server.keyPEM))
        #expect(refused.setting == "tls.certificate")
        #expect(refused.reason.contains("RSA, 1024 bits") && refused.reason.contains("2048 bits"))
    }

    @Test("an authority's key that is too short is left out, and said")
    func shortAuthority() throws {
        let authority = TestIdentity("authority", bits: 1024)
        let server = TestIdentity("sip.example.com", issuer: authority)
        let context = try TLSContext(try identity(server.pem + authority.pem, server))
        #expect(context.warnings.count == 1)
        #expect(
            context.warnings.first?.contains("CN=authority is not sent: its key (RSA, 1024 bits)")
                == true)
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
        var certificates = Certificates()
        let set = try TestEdge.set([(nil, nil)])
        let told = certificates.take(
            CertificatePaths.of(set.settings.compactMap(\.told.terminator)), set.certificates,
            at: now, journal)
        #expect(told.first?.hasPrefix("tls.certificate: ") == true)
        #expect(reader.next()?.contains("REMPART_FILE=tls.certificate") == true)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test(
        "files are taken with comments, CR LF, a byte order mark, or both in one", arguments: 0..<5)
    func forms(_ form: Int) throws {
        let authority = TestIdentity("authority")
        let server = TestIdentity("sip.example.com", issuer: authority)
        var (chain, key) = (text(server.pem + authority.pem), text(server.keyPEM))
        switch form {
        case 0: (chain, key) = ("# ours\nsubject=CN = sip\n" + chain + "end\n", "# a key\n" + key)
        case 1:
            (chain, key) = (chain.replacing("\n", with: "\r\n"), key.replacing("\n", with: "\r\n"))
        case 2: (chain, key) = ("\u{FEFF}" + chain, "\u{FEFF}" + key)
        case 3: (chain, key) = (chain + key, chain + key)
        default: (chain, key) = (key + chain, key + chain)
        }
        let set = try TestEdge.set([(Array(chain.utf8), Array(key.utf8))])
        let identity = try Identity(try #require(set.certificates[0]), at: now)
        #expect(try TLSContext(identity).chainLength == 2 && identity.warnings.isEmpty)
    }

    @Test(
        "a key is taken as PKCS#8, as PKCS#1, and as EC has it, with its parameters before it or not"
    )
    func keys() throws {
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        let ec = TestIdentity("sip.example.com")
        let rsa = TestIdentity("sip.example.com", bits: 2048)
        #expect(text(rsa.oldKeyPEM).contains("BEGIN RSA PRIVATE KEY"))
        #expect(text(ec.oldKeyPEM).contains("BEGIN EC PRIVATE KEY"))
        for key in [rsa.keyPEM, rsa.oldKeyPEM] { #expect(refusal(rsa.pem, key) == nil) }
        for key in [ec.keyPEM, ec.oldKeyPEM, Array(parameters.utf8) + ec.oldKeyPEM] {
            #expect(refusal(ec.pem, key) == nil)
        }
    }
}
