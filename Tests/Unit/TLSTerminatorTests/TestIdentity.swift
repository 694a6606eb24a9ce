// Keys and certificates made for a test with libcrypto.

import COpenSSL
import Sys

@testable import tls_terminator

/// A P-256 key with certificates for it.
@safe
final class TestIdentity {
    private let key: OpaquePointer
    private let name: String
    private let certificate: OpaquePointer

    /// A key and its certificate, signed by an issuer or by itself; its life is in seconds from now.
    ///
    /// `names` are of its subjectAltName, as "DNS:sip.example.com"; `sharing` has the same key as another one, as a cross-signed certificate has; `bits` makes an RSA key.
    init(
        _ name: String, issuer: TestIdentity? = nil, life: Int = 90 * 86_400,
        begins: Int = -172_800,
        sharing: TestIdentity? = nil, bits: Int32? = nil, names: String? = nil
    ) {
        self.name = name
        if let sharing {
            unsafe EVP_PKEY_up_ref(sharing.key)
            unsafe key = unsafe sharing.key
        } else {
            unsafe key = Self.makeKey(bits)
        }
        unsafe certificate = Self.makeCertificate(
            name, key, issuerName: issuer?.name ?? name, issuerKey: issuer?.key ?? key, begins,
            life,
            names)
    }

    deinit {
        unsafe X509_free(certificate)
        unsafe EVP_PKEY_free(key)
    }

    private static func makeKey(_ bits: Int32?) -> OpaquePointer {
        let kind = bits == nil ? EVP_PKEY_EC : EVP_PKEY_RSA
        guard let making = unsafe EVP_PKEY_CTX_new_id(kind, nil) else { fatalError() }
        defer { unsafe EVP_PKEY_CTX_free(making) }
        unsafe EVP_PKEY_keygen_init(making)
        if let bits {
            unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(making, bits)
        } else {
            unsafe EVP_PKEY_CTX_set_ec_paramgen_curve_nid(making, NID_X9_62_prime256v1)
        }
        var key: OpaquePointer?
        unsafe EVP_PKEY_keygen(making, &key)
        guard let key = unsafe key else { fatalError("no key") }
        return unsafe key
    }

    private static func makeCertificate(
        _ name: String, _ key: OpaquePointer, issuerName: String, issuerKey: OpaquePointer,
        _ begins: Int, _ life: Int, _ names: String?
    ) -> OpaquePointer {
        guard let certificate = unsafe X509_new() else { fatalError("no certificate") }
        unsafe X509_set_version(certificate, 2)
        unsafe ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
        unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), begins)
        unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), life)
        unsafe X509_set_pubkey(certificate, key)
        unsafe setName(X509_get_subject_name(certificate), name)
        unsafe setName(X509_get_issuer_name(certificate), issuerName)
        if let names {
            let alternative = unsafe X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, names)
            unsafe X509_add_ext(certificate, alternative, -1)
            unsafe X509_EXTENSION_free(alternative)
        }
        unsafe X509_sign(certificate, issuerKey, EVP_sha256())
        return unsafe certificate
    }

    private static func setName(_ entry: OpaquePointer?, _ name: String) {
        unsafe X509_NAME_add_entry_by_txt(entry, "CN", MBSTRING_UTF8, name, -1, -1, 0)
    }

    /// The certificate in PEM.
    var pem: [UInt8] { unsafe Self.text { bio in unsafe PEM_write_bio_X509(bio, certificate) } }

    /// The key in PEM.
    var keyPEM: [UInt8] {
        unsafe Self.text { bio in unsafe PEM_write_bio_PrivateKey(bio, key, nil, nil, 0, nil, nil) }
    }

    /// The key in PEM of before PKCS#8: RSA's own (PKCS#1), or EC's (RFC 5915).
    var oldKeyPEM: [UInt8] {
        unsafe Self.text { bio in
            unsafe PEM_write_bio_PrivateKey_traditional(bio, key, nil, nil, 0, nil, nil)
        }
    }

    /// The key in PEM, behind a passphrase.
    var encryptedKeyPEM: [UInt8] {
        var phrase = Array("secret".utf8)
        let length = Int32(phrase.count)
        return unsafe Self.text { bio in
            unsafe PEM_write_bio_PrivateKey(
                bio, key, EVP_aes_256_cbc(), &phrase, length, nil, nil)
        }
    }

    private static func text(_ write: (OpaquePointer?) -> Int32) -> [UInt8] {
        let bio = unsafe BIO_new(BIO_s_mem())
        defer { unsafe BIO_free(bio) }
        _ = unsafe write(bio)
        var bytes: UnsafePointer<CChar>?
        let length = unsafe edge_ssl_memory(bio, &bytes)
        let buffer = unsafe UnsafeBufferPointer(start: bytes, count: length)
        return unsafe buffer.map { UInt8(bitPattern: $0) }
    }
}
