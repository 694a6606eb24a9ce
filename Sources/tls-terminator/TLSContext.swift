// What handshakes are made with: the identity, the versions, the ciphers, the ticket keys.

internal import COpenSSL
internal import Messages
internal import Sys

/// A server context; every session made from it keeps it alive until that session ends.
///
/// A reload makes a new one for new handshakes and never touches an old one.
@safe
final class TLSContext {
    private let pointer: OpaquePointer

    /// The subject of the server's certificate.
    let subject: String
    /// When the server's certificate ends.
    let notAfter: String
    /// How many certificates are sent.
    let chainLength: Int
    /// What is odd about the certificates' file.
    let warnings: [String]
    private let certificate: Certificate

    /// Forward secrecy and authenticated encryption only (RFC 9325, 4.2); TLS 1.3's own are all so.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        + "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        + "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    /// SHA-256 first: the many hashes of a TLS 1.3 handshake cost a fraction of SHA-384's.
    private static let suites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"
    /// How long a ticket may be used, in seconds.
    private static let ticketLife = 7200

    /// A context of an identity.
    init(_ given: Identity) throws(CertificateRefusal) {
        var identity = given
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw CertificateRefusal(.certificate, "OpenSSL: \(OpenSSLError.take().text)")
        }
        unsafe pointer = unsafe context
        certificate = given.chain[0]
        subject = certificate.subject
        notAfter = certificate.notAfter
        unsafe edge_ssl_harden(context)
        unsafe edge_ssl_set_modes(context)
        unsafe edge_ssl_read_ahead(context)
        unsafe edge_ssl_no_session_cache(context)
        unsafe SSL_CTX_set_timeout(context, Self.ticketLife)
        guard unsafe edge_ssl_only_tls12_up(context) == 1,
            unsafe SSL_CTX_set_cipher_list(context, Self.ciphers) == 1,
            unsafe SSL_CTX_set_ciphersuites(context, Self.suites) == 1,
            unsafe edge_ssl_set_groups(context, Self.groups) == 1,
            unsafe SSL_CTX_set_num_tickets(context, 1) == 1
        else {
            throw CertificateRefusal(.certificate, "OpenSSL: \(OpenSSLError.take().text)")
        }
        try unsafe identity.install(in: context)
        chainLength = identity.chain.count
        warnings = identity.warnings
    }

    /// How long the server's certificate is valid from a moment since 1970 on; negative once it has ended.
    func left(at now: Milliseconds) -> Milliseconds { certificate.left(at: now) }

    /// How long from a moment since 1970 on it is not valid yet; negative once it has begun.
    func wait(at now: Milliseconds) -> Milliseconds { certificate.wait(at: now) }

    deinit { unsafe SSL_CTX_free(pointer) }

    /// Replaces the keys of session tickets: a stolen one opens no more than what it was used for.
    ///
    /// Clients with an older ticket make a full handshake.
    func renewTicketKeys() {
        var keys = Random.bytes(unsafe edge_ssl_ticket_key_length(pointer))
        // In bounds: the array's own storage and length; OpenSSL copies them.
        _ = unsafe keys.withUnsafeMutableBytes { buffer in
            unsafe edge_ssl_set_ticket_keys(pointer, buffer.baseAddress, buffer.count)
        }
        wipe(&keys)
    }

    /// A session of this context on a connected socket, or nil when there is no memory.
    func session(on raw: Int32) -> TLSSession? {
        guard let session = unsafe SSL_new(pointer) else { return nil }
        guard unsafe SSL_set_fd(session, raw) == 1 else {
            unsafe SSL_free(session)
            return nil
        }
        return unsafe TLSSession(owning: session)
    }
}
