// What handshakes are made with: the identity, the versions, the ciphers, the ticket keys.

internal import COpenSSL
internal import Messages
internal import Sys

/// A server context; every session made from it keeps it alive until that session ends.
///
/// A reload makes a new one for new handshakes and never touches an old one.
@safe
final class TLSContext {
    fileprivate let pointer: OpaquePointer

    /// The identities of the handshakes, one for each kind of key.
    let identities: [Identity]
    /// The subject of the server's certificate.
    let subject: String
    /// When the server's certificate ends.
    let notAfter: String
    /// How many certificates are sent.
    let chainLength: Int
    /// What is odd about the certificates' file.
    let warnings: [String]
    /// The server's certificate, of several the first.
    let certificate: Certificate

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
    convenience init(_ identity: Identity) throws(CertificateRefusal) {
        try self.init([identity])
    }

    /// A context of one identity or more, each with a key of another kind: OpenSSL takes the one whose signature
    /// the client can verify.
    init(_ given: [Identity]) throws(CertificateRefusal) {
        var identities = given
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw CertificateRefusal(.certificate, "OpenSSL: \(OpenSSLError.take().text)")
        }
        unsafe pointer = unsafe context
        certificate = given[0].chain[0]
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
        for index in identities.indices { try unsafe identities[index].install(in: context) }
        unsafe edge_ssl_set_acknowledgement(context)
        // A ticket is good for the certificates that it was given under, and for no others.
        var mark = [UInt8](repeating: 0, count: 32)
        for identity in identities {
            for (index, byte) in identity.chain[0].fingerprint.enumerated() { mark[index] ^= byte }
        }
        unsafe SSL_CTX_set_session_id_context(context, mark, UInt32(mark.count))
        chainLength = identities[0].chain.count
        warnings = identities[0].warnings
        self.identities = given
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

    /// Takes the keys of session tickets of another context, whose tickets stay good.
    func takeTicketKeys(of other: TLSContext) {
        var keys = [UInt8](repeating: 0, count: unsafe edge_ssl_ticket_key_length(pointer))
        // In bounds: the array's own storage and length; OpenSSL copies them.
        unsafe keys.withUnsafeMutableBytes { buffer in
            _ = unsafe edge_ssl_get_ticket_keys(other.pointer, buffer.baseAddress, buffer.count)
            _ = unsafe edge_ssl_set_ticket_keys(pointer, buffer.baseAddress, buffer.count)
        }
        wipe(&keys)
    }

    /// Asks `chooser` at the beginning of each handshake; it outlives every handshake of this context.
    @unsafe
    func ask(_ chooser: ServedCertificates) {
        let argument = unsafe Unmanaged.passUnretained(chooser).toOpaque()
        unsafe SSL_CTX_set_client_hello_cb(
            pointer,
            { session, _, argument in
                guard let session = unsafe session, let argument = unsafe argument else {
                    return SSL_CLIENT_HELLO_SUCCESS
                }
                let chooser = unsafe Unmanaged<ServedCertificates>.fromOpaque(argument)
                    .takeUnretainedValue()
                unsafe chooser.choose(for: session)
                return SSL_CLIENT_HELLO_SUCCESS
            }, argument)
    }

    /// Has a session whose handshake begins go on with this context.
    @unsafe
    func take(_ session: OpaquePointer) { unsafe SSL_set_SSL_CTX(session, pointer) }

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
