import Digest
import SIP
import Sys
import Testing

@Suite struct DigestHeaderTests {
    /// The examples of RFC 2617 section 3.5 and RFC 7616 section 3.9.1.
    static let examples: [(String, DigestAlgorithm, String, String)] = [
        (
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
                + "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
                + "qop=auth, nc=00000001, cnonce=\"0a4f113b\", "
                + "response=\"6629fae49393a05397450978507c4ef1\", "
                + "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            .md5, "Mufasa:testrealm@host.com:Circle Of Life", "testrealm@host.com"
        ),
        (
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                + "uri=\"/dir/index.html\", algorithm=MD5, "
                + "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
                + "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
                + "response=\"8ca523f5e9506fed4657c9700eebdbec\", "
                + "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            .md5, "Mufasa:http-auth@example.org:Circle of Life", "http-auth@example.org"
        ),
        (
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                + "uri=\"/dir/index.html\", algorithm=SHA-256, "
                + "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
                + "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
                + "response=\"753927fa0e85d155564e2e272a28d1802ca10daf449"
                + "6794697cf8db5856cb6c1\", "
                + "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            .sha256, "Mufasa:http-auth@example.org:Circle of Life", "http-auth@example.org"
        ),
    ]

    private func read(_ text: String) -> (DigestHeader, [UInt8])? {
        let bytes = Array(text.utf8)
        return DigestHeader(Slice(0, bytes.count), in: bytes.span).map { ($0, bytes) }
    }

    @Test("the examples of the RFCs compute to what they say", arguments: examples)
    func computes(
        _ text: String, _ algorithm: DigestAlgorithm, _ secret: String, _ realm: String
    ) throws {
        let (header, bytes) = try #require(read(text))
        #expect(header.algorithm == algorithm)
        #expect(bytes.span.bytes(header.realm).text == realm)
        var engine = HashEngine()
        let response = engine.response(
            algorithm, ha1: hash(algorithm, secret), method: Array("GET".utf8).span, header,
            in: bytes.span)
        #expect(hexadecimal(response) == bytes.span.bytes(header.response).text)
    }

    @Test(
        "a header of another scheme, or with a part twice, is none",
        arguments: [
            "Basic abc", "Digest", "Digest ", "Digestrealm=\"a\"", "Digest realm=\"a\",realm=\"b\"",
            "Digest nonce=a, REALM=x, Nonce=b",
        ])
    func refused(_ text: String) { #expect(read(text) == nil) }

    @Test(
        "an algorithm that is not spoken here is none; without one it is MD5",
        arguments: [
            ("Digest realm=\"a\"", DigestAlgorithm.md5), ("Digest algorithm=md5", .md5),
            ("Digest algorithm=\"SHA-256\"", .sha256), ("Digest algorithm=MD5-sess", nil),
            ("Digest algorithm=SHA-512-256", nil),
        ])
    func algorithm(_ text: String, _ expected: DigestAlgorithm?) throws {
        #expect(try #require(read(text)).0.algorithm == expected)
    }

    @Test(
        "auth is found in a list of qop, and nowhere else",
        arguments: [("auth", true), ("auth-int,auth", true), ("auth-int", false)])
    func qop(_ list: String, _ isOffered: Bool) throws {
        let (header, bytes) = try #require(read("Digest qop=\"\(list)\", stale=TRUE"))
        let offers = header.offersAuth(in: bytes.span)
        #expect(offers == isOffered && header.stale)
    }
}
