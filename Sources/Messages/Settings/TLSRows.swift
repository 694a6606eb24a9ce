extension Setting {
    /// The rows of the group `tls`.
    package static let tls = TLSRows()
}

/// The group `tls`: certificates and their keys.
package struct TLSRows: Sendable {
    package let certificate = SettingRow(
        "tls.certificate", 8, .path, .withTLS, example: "/etc/rempart/fullchain.pem",
        for: .terminator { .certificate($0) },
        meaning: """
            The certificate with its chain, PEM. Needed when an outside endpoint is tls. A renewed \
            file is seen by itself.
            """)
    package let key = SettingRow(
        "tls.key", 9, .path, .withTLS, example: "/etc/rempart/privkey.pem",
        for: .terminator { .key($0) },
        meaning: "The certificate's private key, PEM. Needed when an outside endpoint is tls.")
    package let oneOfCertificates = SettingRow(
        "tls.certificates[].certificate", 10, .path, .always,
        example: "/etc/rempart/fullchain.pem", for: .terminator { .certificate($0) },
        meaning: """
            Several certificates, in place of tls.certificate and tls.key: 1 to \
            \(Bounds.mostCertificates) items, each a certificate with its chain, PEM, and its key. A \
            phone gets the one for the name that it asks for; without a name, or with one that none \
            has, the first. Of a certificate with an RSA key and one with an EC key for one name it \
            gets the one that it can verify.
            """)
    package let oneOfKeys = SettingRow(
        "tls.certificates[].key", 11, .path, .always, example: "/etc/rempart/privkey.pem",
        for: .terminator { .key($0) },
        meaning: "The private key of this certificate, PEM.")
}
