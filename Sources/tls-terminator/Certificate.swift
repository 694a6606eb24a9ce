// The certificate chain and the private key, read from PEM bytes.

internal import COpenSSL
internal import Glibc
internal import Messages
internal import Sys

/// Why a certificate or key cannot be used: which setting names the file, and what is wrong with it.
struct CertificateRefusal: Error, Equatable, CustomStringConvertible {
    /// Which of the two files.
    let file: FileKind
    /// What is wrong, and what would put it right.
    let reason: String
    /// Whether the file was not handed over, which the supervisor knows more of.
    let isMissing: Bool
    /// The part of the settings that names the files: "tls", or "tls.certificates[2]".
    var group = "tls"

    init(_ file: FileKind, _ reason: String, isMissing: Bool = false) {
        self.file = file
        self.reason = reason
        self.isMissing = isMissing
    }

    /// `tls.certificate` or `tls.key`, or that of an item of `tls.certificates`.
    var setting: String { file == .key ? "\(group).key" : "\(group).certificate" }

    var description: String { "\(setting): \(reason)" }
}

/// One X.509 certificate; owns OpenSSL's object.
@safe
final class Certificate {
    fileprivate let pointer: OpaquePointer

    fileprivate init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe X509_free(pointer) }

    /// The subject's name by RFC 2253: "CN=sip.example.com,O=Example".
    var subject: String {
        let text = unsafe printed { bio in unsafe edge_ssl_print_subject(bio, pointer) }
        return text.isEmpty ? "(no subject)" : text
    }

    /// The host names and addresses that it is for, in lower case.
    var names: [String] {
        let text = unsafe printed { bio in unsafe edge_ssl_print_names(bio, pointer) }
        return text.split(separator: "\n").map { $0.lowercased() }
    }

    /// How it fits a name that a client asks for (RFC 6125).
    enum Fit: Int32 {
        case none = 0
        case byWildcard = 1
        case byName = 2
    }

    /// Whether it is for a host name or an address.
    func fit(_ name: String) -> Fit {
        // In bounds: the bytes of the text's own copy, and their count.
        let fit = unsafe name.withCString { text in
            unsafe edge_ssl_is_for(pointer, text, name.utf8.count)
        }
        return Fit(rawValue: fit) ?? .none
    }

    /// Its SHA-256 fingerprint.
    var fingerprint: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        // In bounds: SHA-256 has 32 bytes.
        unsafe X509_digest(pointer, EVP_sha256(), &bytes, nil)
        return bytes
    }

    /// Its key's kind, of which a context takes one each: "RSA", "EC".
    var keyKind: String {
        guard let key = unsafe X509_get0_pubkey(pointer) else { return "unknown" }
        return unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "?"
    }

    /// What OpenSSL prints.
    @unsafe
    private func printed(_ print: (OpaquePointer) -> Void) -> String {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { return "?" }
        defer { unsafe BIO_free(bio) }
        unsafe print(bio)
        var bytes: UnsafePointer<CChar>?
        let length = unsafe edge_ssl_memory(bio, &bytes)
        guard length > 0, let bytes = unsafe bytes else { return "" }
        // In bounds: the BIO's own bytes and their length.
        let buffer = unsafe UnsafeBufferPointer(start: bytes, count: length)
        return unsafe String(decoding: buffer.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The moment it ends, as "2027-03-01T12:00:00Z".
    var notAfter: String {
        var time = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(pointer), &time) == 1 else { return "?" }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = unsafe "\(time.tm_year + 1900)-\(two(time.tm_mon + 1))-\(two(time.tm_mday))"
        return unsafe "\(date)T\(two(time.tm_hour)):\(two(time.tm_min)):\(two(time.tm_sec))Z"
    }

    /// How long it is valid from a moment since 1970 on; negative once it has ended.
    func left(at now: Milliseconds) -> Milliseconds {
        unsafe left(until: X509_get0_notAfter(pointer), now)
    }

    /// Whether it has ended at a moment since 1970.
    func isExpired(at now: Milliseconds) -> Bool { left(at: now) < Milliseconds(0) }

    /// How long from a moment since 1970 on it is not valid yet; negative once it has begun.
    func wait(at now: Milliseconds) -> Milliseconds {
        unsafe left(until: X509_get0_notBefore(pointer), now)
    }

    private func left(
        until time: UnsafePointer<ASN1_TIME>?, _ now: Milliseconds
    ) -> Milliseconds {
        var (days, seconds): (Int32, Int32) = (0, 0)
        let today = unsafe ASN1_TIME_set(nil, time_t(now.seconds))
        defer { unsafe ASN1_TIME_free(today) }
        guard unsafe ASN1_TIME_diff(&days, &seconds, today, time) == 1 else {
            return Milliseconds(0)
        }
        return .seconds(Int64(days) * 86_400 + Int64(seconds))
    }

    /// Whether it signed another one, by names and key identifiers.
    func issued(_ other: Certificate) -> Bool {
        unsafe X509_check_issued(pointer, other.pointer) == X509_V_OK
    }

    /// Whether it is the very same as another one.
    func isSame(as other: Certificate) -> Bool { unsafe X509_cmp(pointer, other.pointer) == 0 }

    /// Its key in words: "RSA, 2048 bits".
    var keyWords: String {
        guard let key = unsafe X509_get0_pubkey(pointer) else { return "unknown" }
        return unsafe "\(keyKind), \(EVP_PKEY_get_bits(key)) bits"
    }
}

/// A private key; owns OpenSSL's object.
@safe
final class PrivateKey {
    fileprivate let pointer: OpaquePointer

    fileprivate init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe EVP_PKEY_free(pointer) }

    /// Whether it is the key of a certificate.
    func belongs(to certificate: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return unsafe X509_check_private_key(certificate.pointer, pointer) == 1
    }

    /// The key of PEM bytes.
    static func reading(_ pem: [UInt8]) throws(CertificateRefusal) -> PrivateKey {
        var encrypted: Int32 = 0
        let key = unsafe withMemoryBIO(pem) { bio in unsafe edge_ssl_read_key(bio, &encrypted) }
        if let key = unsafe key { return unsafe PrivateKey(owning: key) }
        let reason = OpenSSLError.take().text
        if encrypted == 1 {
            throw CertificateRefusal(
                .key, "the key is encrypted; store it without a passphrase, readable by root only")
        }
        throw CertificateRefusal(
            .key, "the file holds no private key in PEM (-----BEGIN PRIVATE KEY-----): \(reason)")
    }
}

/// A server's certificate, those that lead from it to its authority, and its key; they fit together.
///
/// Dates refuse nothing, and neither does what else the file holds: `warnings` says what phones may mind.
struct Identity {
    /// The server's own certificate first, which is the one that the key belongs to.
    private(set) var chain: [Certificate]
    /// The key of the first.
    let key: PrivateKey
    /// What is odd about the file, for the administrator.
    private(set) var warnings: [String] = []

    /// The identity of two PEM texts, looked at at a moment since 1970.
    init(certificate: [UInt8], key: [UInt8], at now: Milliseconds) throws(CertificateRefusal) {
        let file = try Self.readingChain(certificate)
        self.key = try PrivateKey.reading(key)
        chain = [try Self.own(file, self.key, at: now)]
        follow(file, at: now)
    }

    private static func readingChain(_ pem: [UInt8]) throws(CertificateRefusal) -> [Certificate] {
        var chain: [Certificate] = []
        unsafe withMemoryBIO(pem) { bio in
            while let next = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
                chain.append(unsafe Certificate(owning: next))
            }
        }
        let error = OpenSSLError.take()
        guard error.isEndOfPEM else {
            let position = chain.count + 1
            throw CertificateRefusal(
                .certificate, "certificate \(position) of the file is damaged: \(error.text)")
        }
        guard !chain.isEmpty else {
            throw CertificateRefusal(
                .certificate, "the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
        }
        return chain
    }

    /// The server's own certificate, wherever it stands in the file; of two for the same key, one that has
    /// expired is passed by.
    private static func own(
        _ file: [Certificate], _ key: PrivateKey, at now: Milliseconds
    ) throws(CertificateRefusal) -> Certificate {
        let own = file.filter { key.belongs(to: $0) }
        if let found = own.first(where: { !$0.isExpired(at: now) }) ?? own.first { return found }
        throw CertificateRefusal(
            .key,
            file.count == 1
                ? "the key does not match the certificate (\(file[0].subject)); "
                    + "name the key that this certificate was issued for"
                : "the key does not match any of the \(file.count) certificates of the file, whose first is "
                    + "\(file[0].subject); name the key that the server's own was issued for")
    }

    /// Goes from the server's certificate up to its authority through the file, in whatever order that is;
    /// of two that fit, one that has expired is passed by.
    private mutating func follow(_ file: [Certificate], at now: Milliseconds) {
        var rest = file.indices.filter { !file[$0].isSame(as: chain[0]) }
        func isExpired(_ place: Int) -> Bool { file[place].isExpired(at: now) }
        // One that signed itself is the authority's own: nothing leads further.
        while let last = chain.last, chain.count == 1 || !last.issued(last) {
            let issuers = rest.filter { file[$0].issued(last) }
            guard let next = issuers.first(where: { !isExpired($0) }) ?? issuers.first else {
                break
            }
            chain.append(file[next])
            rest.removeAll { file[$0].isSame(as: file[next]) }
            if isExpired(next) {
                warn(next, file[next], "expired on \(file[next].notAfter): phones may refuse it")
            }
        }
        for place in rest {
            let isOld = isExpired(place)
            warn(
                place, file[place],
                "is not sent: "
                    + (isOld
                        ? "it expired on \(file[place].notAfter)"
                        : "it does not lead from the server's certificate to its authority"))
        }
    }

    private mutating func warn(_ place: Int, _ certificate: Certificate, _ what: String) {
        warnings.append(
            "certificate \(place + 1) of the file (\(certificate.subject)) \(what)"
        )
    }

    /// Whether it sends the same as another one.
    func isSame(as other: Identity) -> Bool {
        chain.count == other.chain.count && warnings == other.warnings
            && zip(chain, other.chain).allSatisfy { $0.isSame(as: $1) }
    }

    /// Puts the chain and the key into a context, beside those with a key of another kind.
    @unsafe
    mutating func install(in context: OpaquePointer) throws(CertificateRefusal) {
        guard unsafe SSL_CTX_use_certificate(context, chain[0].pointer) == 1 else {
            let error = OpenSSLError.take()
            throw CertificateRefusal(
                .certificate, error.isTooWeak ? Self.weakness(chain[0]) : error.text)
        }
        guard unsafe SSL_CTX_use_PrivateKey(context, key.pointer) == 1 else {
            throw CertificateRefusal(.key, OpenSSLError.take().text)
        }
        for each in chain.dropFirst() {
            guard unsafe edge_ssl_add_chain(context, each.pointer) == 1 else {
                let error = OpenSSLError.take()
                warnings.append(
                    "the certificate of \(each.subject) is not sent: "
                        + (error.isTooWeak ? Self.weakness(each) : error.text))
                break
            }
        }
    }

    /// Why a certificate is below what TLS takes, and what is not.
    private static func weakness(_ certificate: Certificate) -> String {
        "its key (\(certificate.keyWords)) or its signature is too weak to be trusted; have a pair issued "
            + "with an RSA key of 2048 bits or more, or an EC key (P-256), signed with SHA-256"
    }
}

/// The last word of OpenSSL's error queue.
struct OpenSSLError {
    private let code: UInt

    /// Takes the newest error and empties the queue.
    static func take() -> OpenSSLError {
        defer { ERR_clear_error() }
        return OpenSSLError(code: ERR_peek_last_error())
    }

    /// OpenSSL's words for it.
    var text: String {
        guard let words = unsafe ERR_reason_error_string(code) else { return "error \(code)" }
        return unsafe String(cString: words)
    }

    /// Whether it says that a PEM text held no further object.
    var isEndOfPEM: Bool { edge_ssl_is_end_of_pem(code) == 1 }

    /// Whether it says that a key or signature is too weak for the context.
    var isTooWeak: Bool { edge_ssl_is_too_weak(code) == 1 }

    /// Whether it says that the stream ended without a close_notify.
    var isUnexpectedEnd: Bool { edge_ssl_is_unexpected_end(code) == 1 }
}

/// Lends bytes to OpenSSL as a read-only BIO for the length of a call.
@unsafe
private func withMemoryBIO<Result>(
    _ bytes: [UInt8], _ body: (OpaquePointer) -> Result
) -> Result {
    // In bounds: the array's own storage and length, which outlive the BIO.
    unsafe bytes.withUnsafeBytes { buffer in
        guard let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else {
            fatalError("out of memory")
        }
        defer { unsafe BIO_free(bio) }
        return unsafe body(bio)
    }
}
