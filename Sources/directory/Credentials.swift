// From what a row holds to the HA1s that leave the process.
internal import Messages

/// One look-up.
struct AccountQuery: Equatable {
    /// The account's name, as the phone gave it.
    var account: String
    /// The realm that the HA1s are asked for.
    var realm: String
    /// The realm that stored hashes without a realm of their own were made for (`accounts.realm`).
    var ownRealm: String
    /// The served domains: PJSIP's ids may be `name@domain`.
    var domains: [String]
}

/// What a row holds to authenticate with: the secret, or hashes of it, which are bound to a realm.
struct Credentials: Equatable {
    /// The digest user name.
    var user: String
    /// The clear secret, or empty.
    var secret: [UInt8] = []
    /// The stored MD5 HA1, or empty.
    var md5: [UInt8] = []
    /// The stored SHA-256 HA1, or empty.
    var sha256: [UInt8] = []
    /// The realm that the stored hashes were made for.
    var boundRealm: String

    /// Whether anything is there: an empty secret is "anyone" to Asterisk, nobody to us.
    var isEmpty: Bool { secret.isEmpty && md5.isEmpty && sha256.isEmpty }

    /// The HA1s for a realm; each empty when it cannot be had.
    ///
    /// Both hashes are always computed, also of the empty secret that stands for an unknown account,
    /// so that the time tells nothing of the row.
    func hashes(realm: String) -> (md5: [UInt8], sha256: [UInt8]) {
        let md5OfSecret = HA1.md5(user: user, realm: realm, secret: secret)
        let sha256OfSecret = HA1.sha256(user: user, realm: realm, secret: secret)
        if !secret.isEmpty { return (md5OfSecret, sha256OfSecret) }
        return boundRealm == realm ? (md5, sha256) : ([], [])
    }

    /// The answer for an account with these credentials.
    func account(
        realm: String, aor: String, mayRegister: Bool, access: AccessList
    ) -> AccountAnswer {
        let hashes = hashes(realm: realm)
        guard !isEmpty, user.utf8.count <= 255, aor.utf8.count <= 255 else { return .unknown }
        return .found(
            Account(
                ha1MD5: hashes.md5, ha1SHA256: hashes.sha256, authUser: user, aor: aor,
                mayRegister: mayRegister, access: access))
    }
}

extension Sequence<UInt8> {
    /// The bytes as text, which they are in every column but a damaged one.
    var text: String { String(decoding: Array(self), as: UTF8.self) }
}
