// What PJSIP's auths and addresses of record mean, whether they are rows or sections.
internal import AsteriskFiles
internal import Messages

/// An auth: a user and what proves him.
struct PjsipSecret {
    /// `auth_type`; empty where nothing is said.
    var kind: String
    /// `username`.
    var user: String
    /// `password`.
    var password: [UInt8]
    /// `md5_cred`, in hexadecimal.
    var md5: [UInt8]
    /// `password_digest`, each as ALGORITHM:HEX.
    var digests: [String]
    /// The realm that its hashes are for.
    var realm: String

    /// What is said in a trace of one that an endpoint names and nobody has.
    static let missing = "missing: the endpoint's auth names it"

    /// What it holds by its auth_type; Asterisk's default was userpass, then digest.
    ///
    /// Asterisk 22, which alone has password_digest, takes userpass and digest for the same. A hash counts there before the
    /// password, and one that cannot be read makes the auth useless (Asterisk's res_pjsip, where it reads its auths).
    var credentials: Credentials {
        var result = Credentials(user: user, boundRealm: realm)
        switch kind.lowercased() {
        case "userpass", "digest", "": result.secret = password
        case "md5": result.md5 = HA1.bytes(hex: md5, length: 16) ?? []
        default: result.want = .wrongKind
        }
        guard result.want != .wrongKind, !digests.isEmpty else { return result }
        guard digests.allSatisfy({ result.take(digest: $0) }) else {
            return Credentials(user: user, boundRealm: realm, want: .wrongKind)
        }
        return result
    }
}

extension Credentials {
    /// Takes an item of password_digest; false when that is none.
    fileprivate mutating func take(digest item: String) -> Bool {
        let parts = item.split(separator: ":", maxSplits: 1)
        // Without an algorithm it is MD5's.
        let algorithm = parts.count == 2 ? parts[0].uppercased() : "MD5"
        let digits = (parts.last ?? "").utf8
        switch algorithm {
        case "MD5":
            md5 = HA1.bytes(hex: digits, length: 16) ?? []
            return !md5.isEmpty
        case "SHA-256":
            sha256 = HA1.bytes(hex: digits, length: 32) ?? []
            return !sha256.isEmpty
        // Asterisk's third one, which no phone is asked for here.
        case "SHA-512-256": return true
        default: return false
        }
    }
}

extension Credentials {
    /// Takes what the next auth of an endpoint holds, nil for one that is missing: the first that can be used counts,
    /// completed by those for the same user.
    mutating func add(_ read: Credentials?) {
        guard let read else {
            if want == .noSecret { want = .noAuthRow }
            return
        }
        if read.want == .wrongKind { want = .wrongKind }
        guard !read.user.isEmpty, !read.isEmpty else { return }
        if isEmpty {
            self = read
        } else if read.user == user, read.boundRealm == boundRealm, secret.isEmpty {
            secret = read.secret
            if md5.isEmpty { md5 = read.md5 }
            if sha256.isEmpty { sha256 = read.sha256 }
        }
    }

    /// What one auth says, without its secret and hashes.
    var words: String {
        if want == .wrongKind { return "auth_type or password_digest is not understood" }
        if isEmpty { return want == .brokenHash ? "its hash is none" : "no secret" }
        let kind = secret.isEmpty ? "hashes for the realm \(boundRealm)" : "a secret"
        return "username=\(user), \(kind)"
    }
}

/// What tells an endpoint that is another exchange from a phone's.
struct PjsipTrunk {
    /// Whether Asterisk registers there.
    var isRegistered: Bool
    /// Whether Asterisk asks for a proof (auth).
    var hasAuth: Bool
    /// Whether Asterisk proves itself there (outbound_auth), or knows it by its address (identify).
    var isKnownOtherwise: Bool
    /// How Asterisk finds it (identify_by); empty when it does not say.
    var identifiers: [[UInt8]]

    /// Whether it is one: Asterisk registers there, proves itself there and is asked for no proof, or knows it by its
    /// address alone.
    var isOne: Bool {
        if isRegistered { return true }
        guard hasAuth else { return isKnownOtherwise }
        return !identifiers.isEmpty
            && !identifiers.contains {
                $0.isSpelled("username") || $0.isSpelled("auth_username")
            }
    }
}

/// The address of record that the phones of an endpoint register.
struct PjsipAddress {
    /// Its id; nil when the endpoint names none.
    let id: String?
    /// How many phones may register; nil when it is missing.
    let contacts: Int64?

    /// Which one of an endpoint's `aors`: that of the endpoint's own name, else the first.
    static func chosen(_ ids: [String], preferring names: [String]) -> String? {
        names.first(where: ids.contains) ?? ids.first
    }

    /// Why phones may not register; nil when they may.
    var whyNotRegister: String? {
        guard id != nil else { return "the endpoint's aors names no address of record" }
        guard let contacts else { return "missing: the endpoint's aors names it" }
        return contacts > 0 ? nil : "max_contacts=\(contacts)"
    }

    /// What matters of it, for a trace; a name without an endpoint has none.
    func words(hasEndpoint: Bool) -> String {
        var facts = contacts.map { ["max_contacts=\($0)"] } ?? []
        if let whyNotRegister, hasEndpoint {
            facts.append(TraceStep.whyNotRegister + whyNotRegister)
        }
        return facts.joined(separator: "; ")
    }
}

extension LookUp {
    /// The ids under which an endpoint may be: `name@domain` for the served domains first.
    var pjsipIds: [String] {
        account.contains("@") ? [account] : domains.map { "\(account)@\($0)" } + [account]
    }
}
