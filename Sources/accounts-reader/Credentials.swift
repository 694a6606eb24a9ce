// From what a row holds to the HA1s that leave the process.
internal import Messages

/// One look-up, and what of the settings it needs.
struct LookUp {
    /// The account's name, as the phone gave it.
    var account: String
    /// The realm that the HA1s are asked for.
    var realm: String
    /// The realm that stored hashes without a realm of their own were made for (`accounts.realm`).
    var ownRealm: String
    /// The served domains: PJSIP's ids may be `name@domain`.
    var domains: [String]
    /// Where each step is told, when somebody wants to know.
    var steps: TraceSteps?
}

extension LookUp {
    /// What is looked up for a query, with what the settings say of it.
    init(_ query: AccountQuery, _ settings: AccountSettings, _ steps: TraceSteps?) {
        self.init(
            account: query.name, realm: query.realm, ownRealm: settings.realm,
            domains: settings.domains, steps: steps)
    }
}

/// What a row holds to authenticate with: the secret, or hashes of it, which are bound to a realm.
struct Credentials: Equatable {
    /// The digest user name.
    var user: String
    /// The clear secret, or empty.
    var secret: [UInt8] = []
    /// The stored MD5 HA1, which counts before the secret, or empty.
    var md5: [UInt8] = []
    /// The stored SHA-256 HA1, the same.
    var sha256: [UInt8] = []
    /// The realm that the stored hashes were made for.
    var boundRealm: String
    /// Why nothing is there, when nothing is.
    var want = AccountAbsence.noSecret

    /// Those of another exchange, whatever its row holds: nobody registers there.
    static func ofTrunk(_ query: LookUp) -> Credentials {
        Credentials(user: query.account, boundRealm: query.ownRealm, want: .trunk)
    }

    /// Whether anything is there: an empty secret is "anyone" to Asterisk, nobody to us.
    var isEmpty: Bool { secret.isEmpty && md5.isEmpty && sha256.isEmpty }

    /// The HA1s for a realm; each empty when it cannot be had.
    ///
    /// Both hashes are always computed, also of the empty secret that stands for an unknown account,
    /// so that the time tells nothing of the row.
    func hashes(realm: String) -> (md5: [UInt8], sha256: [UInt8]) {
        let md5OfSecret = HA1.md5(user: user, realm: realm, secret: secret)
        let sha256OfSecret = HA1.sha256(user: user, realm: realm, secret: secret)
        func chosen(_ stored: [UInt8], _ ofSecret: [UInt8]) -> [UInt8] {
            guard stored.isEmpty else { return boundRealm == realm ? stored : [] }
            return secret.isEmpty ? [] : ofSecret
        }
        return (chosen(md5, md5OfSecret), chosen(sha256, sha256OfSecret))
    }

    /// The answer for a name with these credentials; `table` is where its row is, if there is one.
    func account(
        realm: String, aor: String, mayRegister: Bool, access: AccessList, table: String,
        hasRow: Bool
    ) -> ReadAccount {
        let hashes = hashes(realm: realm)
        let why = absence(hasRow: hasRow, aor: aor)
        let account = Account(
            ha1MD5: hashes.md5, ha1SHA256: hashes.sha256, authUser: user, aor: aor,
            mayRegister: mayRegister, access: access)
        let version = Self.version(of: account, why)
        guard why == nil else {
            return ReadAccount(answer: .unknown, source: table, version: version, why: why)
        }
        let isBound = hashes.md5.isEmpty && hashes.sha256.isEmpty
        return ReadAccount(
            answer: .found(account), source: table, version: version,
            why: access == .nobody ? .unreadableAccessList : isBound ? .realmBound : nil)
    }

    /// Why there is no account; nil when there is one.
    private func absence(hasRow: Bool, aor: String) -> AccountAbsence? {
        if !hasRow { return .noRow }
        if isEmpty { return want }
        return user.utf8.count > 255 || aor.utf8.count > 255 ? .tooLong : nil
    }

    /// A hash of all that an answer says, computed for names that are none too.
    private static func version(of account: Account, _ why: AccountAbsence?) -> UInt64 {
        var text: [UInt8] = [why?.rawValue ?? 0, account.mayRegister ? 1 : 0]
        let fields = [
            account.ha1MD5, account.ha1SHA256, Array(account.authUser.utf8),
            Array(account.aor.utf8), account.access.bytes,
        ]
        for field in fields {
            text += [
                UInt8(truncatingIfNeeded: field.count >> 8), UInt8(truncatingIfNeeded: field.count),
            ]
            text += field
        }
        return HA1.sha256(text).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension Sequence<UInt8> {
    /// The bytes as text, which they are in every column but a damaged one.
    var text: String { String(decoding: Array(self), as: UTF8.self) }
}
