/// The table layout an account database has.
package enum AccountSchema: UInt8, SettingWord {
    /// Found by looking at the tables.
    case automatic = 0
    /// chan_sip's `sippeers`.
    case chanSip = 1
    /// PJSIP's `ps_endpoints`, `ps_auths`, `ps_aors`.
    case pjsip = 2

    /// The word in the settings.
    package var name: String {
        switch self {
        case .automatic: "automatic"
        case .chanSip: "chan_sip"
        case .pjsip: "pjsip"
        }
    }
}

/// A table of Asterisk Realtime that is read: a family of extconfig.conf, by whose name Asterisk's own samples call it.
package enum AccountFamily: String, CaseIterable, Sendable {
    /// chan_sip's accounts.
    case sippeers
    /// PJSIP's accounts.
    case endpoints = "ps_endpoints"
    /// What PJSIP's accounts authenticate with.
    case auths = "ps_auths"
    /// Where PJSIP's accounts are reached.
    case aors = "ps_aors"
    /// The access lists that have names.
    case accessLists = "acls"
}

/// In which order the rules of an account's row apply.
package enum AccessOrder: UInt8, SettingWord {
    /// In the order of the row's columns, as Asterisk applies them.
    case asAsterisk = 1
    /// Every deny before every permit.
    case denyThenPermit = 2
    /// Not at all: the lists are written for Asterisk alone.
    case ignore = 3

    /// The word in the settings.
    package var name: String {
        switch self {
        case .asAsterisk: "as-asterisk"
        case .denyThenPermit: "deny-then-permit"
        case .ignore: "ignore"
        }
    }
}

/// Which callers of its own an account may show.
package enum ShownCallers: UInt8, SettingWord {
    /// Every number that no account has.
    case any = 1

    /// The word in the settings.
    package var name: String { "any" }
}

/// A digest algorithm that phones may be offered (RFC 8760).
package enum OfferedAlgorithm: UInt8, SettingWord {
    case md5 = 1
    case sha256 = 2

    /// The word in the settings and in a challenge.
    package var name: String { self == .md5 ? "MD5" : "SHA-256" }
}

/// What the defence does with a source that it judges.
package enum DefenceMode: UInt8, SettingWord {
    /// Bans it, and drops its packets.
    case enforce = 1
    /// Records what it would do, and drops nothing.
    case observe = 2

    /// The word in the settings.
    package var name: String { self == .enforce ? "enforce" : "observe" }
}

/// How a class of sources that cannot be served as it asks is answered.
package enum ProfileAnswer: UInt8, SettingWord {
    /// With a challenge.
    case challenge = 1
    /// With 403.
    case refuse = 2
    /// Not at all.
    case silence = 3

    /// The word in the settings.
    package var name: String {
        switch self {
        case .challenge: "challenge"
        case .refuse: "refuse"
        case .silence: "silence"
        }
    }
}

extension Transport: SettingWord {}
