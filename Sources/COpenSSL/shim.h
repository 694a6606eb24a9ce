// OpenSSL for Swift: the headers, and the macros that Swift cannot see as functions.
// Symbols are prefixed edge_ssl_.
#pragma once
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// For a client: asks for a server's name.
static inline int edge_ssl_ask_for(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

// For a client: the signature algorithms that it knows, such as "RSA+SHA256".
static inline int edge_ssl_set_algorithms(SSL *session, const char *list) {
    return (int)SSL_set1_sigalgs_list(session, list);
}

// Refuses what is older than TLS 1.2 (SSL_CTX_set_min_proto_version(3)).
static inline int edge_ssl_only_tls12_up(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

// For a client: offers one version only, such as TLS1_1_VERSION.
static inline int edge_ssl_only_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version)
        && SSL_CTX_set_max_proto_version(context, version);
}

// No renegotiation, no compression; our order of ciphers, but ChaCha20 for a client that wants it most.
static inline void edge_ssl_harden(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                     | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
}

// Asks the kernel once for all records that wait, instead of for the head and the rest of each.
static inline void edge_ssl_read_ahead(SSL_CTX *context) {
    SSL_CTX_set_read_ahead(context, 1);
}

// Record buffers only while in use; a write that took a part says so, and may go on from elsewhere.
static inline void edge_ssl_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                  | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

// Sessions live in the tickets that clients hold, not in a table here.
static inline void edge_ssl_no_session_cache(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int edge_ssl_set_groups(SSL_CTX *context, const char *groups) {
    return (int)SSL_CTX_set1_groups_list(context, groups);
}

// How many bytes of keys protect the tickets.
static inline long edge_ssl_ticket_key_length(SSL_CTX *context) {
    return SSL_CTX_get_tlsext_ticket_keys(context, NULL, 0);
}

static inline int edge_ssl_set_ticket_keys(SSL_CTX *context, void *keys, long length) {
    return (int)SSL_CTX_set_tlsext_ticket_keys(context, keys, length);
}

// Appends a certificate to the chain that is sent; the context takes a reference of its own.
static inline int edge_ssl_add_chain(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

// The bytes a memory BIO holds; they belong to the BIO.
static inline long edge_ssl_memory(BIO *bio, const char **bytes) {
    return BIO_get_mem_data(bio, (char **)bytes);
}

// Prints the subject's name by RFC 2253, in UTF-8.
static inline int edge_ssl_print_subject(BIO *bio, const X509 *certificate) {
    return X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
                              XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

// Prints the names that the certificate is for, a line each: host names and addresses of its
// subjectAltName, its common name where that has no host name (RFC 6125, 6.4.4).
static inline void edge_ssl_print_names(BIO *bio, const X509 *certificate) {
    GENERAL_NAMES *names =
        (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int hosts = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[INET6_ADDRSTRLEN];
        if (name->type == GEN_DNS) {
            hosts++;
            BIO_printf(bio, "%.*s\n", ASN1_STRING_length(name->d.dNSName),
                       (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
            if (family == AF_INET6 && ASN1_STRING_length(name->d.iPAddress) != 16) continue;
            if (inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text))
                BIO_printf(bio, "%s\n", text);
        }
    }
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    for (int i = -1; hosts == 0 && (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
        ASN1_STRING_print_ex(bio, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)),
                             ASN1_STRFLGS_UTF8_CONVERT);
        BIO_puts(bio, "\n");
    }
}

// Whether a certificate is for a host name or address (RFC 6125): 2 by the name itself, 1 by a wildcard, 0 not.
static inline int edge_ssl_is_for(X509 *certificate, const char *name, size_t length) {
    const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if (X509_check_host(certificate, name, length, flags, NULL) == 1) {
        return 1 + (X509_check_host(certificate, name, length, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1);
    }
    char address[INET6_ADDRSTRLEN];
    if (length >= sizeof address) return 0;
    memcpy(address, name, length);
    address[length] = 0;
    return X509_check_ip_asc(certificate, address, 0) == 1 ? 2 : 0;
}

// Says to a client that asked for a name whether a certificate for it is shown (RFC 6066, section 3).
static inline int edge_ssl_acknowledge_name(SSL *session, int *alert, void *unused) {
    (void)alert, (void)unused;
    const char *name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    X509 *shown = SSL_get_certificate(session);
    return name && shown && edge_ssl_is_for(shown, name, strlen(name)) ? SSL_TLSEXT_ERR_OK
                                                                       : SSL_TLSEXT_ERR_NOACK;
}

static inline void edge_ssl_set_acknowledgement(SSL_CTX *context) {
    SSL_CTX_set_tlsext_servername_callback(context, edge_ssl_acknowledge_name);
}

// The keys of tickets; how many bytes they have is told by edge_ssl_ticket_key_length.
static inline int edge_ssl_get_ticket_keys(SSL_CTX *context, void *keys, long length) {
    return (int)SSL_CTX_get_tlsext_ticket_keys(context, keys, length);
}

// Whether the newest error of the queue is that the PEM text held no further object.
static inline int edge_ssl_is_end_of_pem(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Whether the error is a stream that ended without close_notify.
static inline int edge_ssl_is_unexpected_end(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_SSL
        && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

// Whether the error is a key or a signature that is weaker than the context takes.
static inline int edge_ssl_is_too_weak(unsigned long error) {
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL
        && (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL
            || reason == SSL_R_CA_MD_TOO_WEAK);
}

// A passphrase callback that has none: OpenSSL's own would ask the terminal.
static inline int edge_ssl_no_passphrase(char *buffer, int size, int writing, void *asked) {
    (void)buffer, (void)size, (void)writing;
    *(int *)asked = 1;
    return -1;
}

// Reads a private key; *encrypted becomes 1 when it asks for a passphrase.
static inline EVP_PKEY *edge_ssl_read_key(BIO *bio, int *encrypted) {
    return PEM_read_bio_PrivateKey(bio, NULL, edge_ssl_no_passphrase, encrypted);
}
