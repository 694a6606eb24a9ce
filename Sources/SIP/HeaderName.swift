/// The header fields that Rempart tells apart; all others are `other` and keep the name they came with.
@usableFromInline
package enum HeaderName: UInt8, CaseIterable, Sendable {
    case via, from, to, callID, cseq, contact, maxForwards, contentLength, contentType, expires
    case route, recordRoute, authorization, proxyAuthorization, wwwAuthenticate, proxyAuthenticate
    case authenticationInfo, proxyAuthenticationInfo, require, proxyRequire, supported, unsupported
    case allow, event, allowEvents, subscriptionState, userAgent, server, referTo, referredBy
    case replaces, minExpires, date, path, serviceRoute, reason, retryAfter, accept, contentEncoding
    case subject, sessionExpires, rAck, rSeq, organization, maxBreadth
    case contentDisposition, mimeVersion, timestamp, minSE, referSub, join, targetDialog
    case sipETag, sipIfMatch, replyTo, priority, sessionID, flowTimer, answerMode, privAnswerMode
    case also
    // Claims of trust: believed from inside alone (RFC 3325 section 5, RFC 5806, RFC 7044).
    case pAssertedIdentity, pPreferredIdentity, remotePartyID, diversion, historyInfo, privacy
    case pChargingVector, pAccessNetworkInfo, identity, identityInfo
    case other

    /// Whether two names are the same; spelled out, since the compiler's own is called from other modules by
    /// way of the protocol's table.
    @inlinable
    package static func == (left: HeaderName, right: HeaderName) -> Bool {
        left.rawValue == right.rawValue
    }

    /// The long form of the name, as it is written; empty for `other`.
    package var text: StaticString { Self.entry(self).long }

    /// The long name and the compact one (RFC 3261 section 7.3.3), which is 0 where there is none.
    private static func entry(_ name: HeaderName) -> (long: StaticString, compact: UInt8) {
        switch name {
        case .via: ("Via", UInt8(ascii: "v"))
        case .from: ("From", UInt8(ascii: "f"))
        case .to: ("To", UInt8(ascii: "t"))
        case .callID: ("Call-ID", UInt8(ascii: "i"))
        case .cseq: ("CSeq", 0)
        case .contact: ("Contact", UInt8(ascii: "m"))
        case .maxForwards: ("Max-Forwards", 0)
        case .contentLength: ("Content-Length", UInt8(ascii: "l"))
        case .contentType: ("Content-Type", UInt8(ascii: "c"))
        case .expires: ("Expires", 0)
        case .route: ("Route", 0)
        case .recordRoute: ("Record-Route", 0)
        case .authorization: ("Authorization", 0)
        case .proxyAuthorization: ("Proxy-Authorization", 0)
        case .wwwAuthenticate: ("WWW-Authenticate", 0)
        case .proxyAuthenticate: ("Proxy-Authenticate", 0)
        case .authenticationInfo: ("Authentication-Info", 0)
        case .proxyAuthenticationInfo: ("Proxy-Authentication-Info", 0)
        case .require: ("Require", 0)
        case .proxyRequire: ("Proxy-Require", 0)
        case .supported: ("Supported", UInt8(ascii: "k"))
        case .unsupported: ("Unsupported", 0)
        case .allow: ("Allow", 0)
        case .event: ("Event", UInt8(ascii: "o"))
        case .allowEvents: ("Allow-Events", UInt8(ascii: "u"))
        case .subscriptionState: ("Subscription-State", 0)
        case .userAgent: ("User-Agent", 0)
        case .server: ("Server", 0)
        case .referTo: ("Refer-To", UInt8(ascii: "r"))
        case .referredBy: ("Referred-By", UInt8(ascii: "b"))
        case .replaces: ("Replaces", 0)
        case .minExpires: ("Min-Expires", 0)
        case .date: ("Date", 0)
        case .path: ("Path", 0)
        case .serviceRoute: ("Service-Route", 0)
        case .reason: ("Reason", 0)
        case .retryAfter: ("Retry-After", 0)
        case .accept: ("Accept", 0)
        case .contentEncoding: ("Content-Encoding", UInt8(ascii: "e"))
        case .subject: ("Subject", UInt8(ascii: "s"))
        case .sessionExpires: ("Session-Expires", UInt8(ascii: "x"))
        case .rAck: ("RAck", 0)
        case .rSeq: ("RSeq", 0)
        case .organization: ("Organization", 0)
        case .maxBreadth: ("Max-Breadth", 0)
        case .contentDisposition: ("Content-Disposition", 0)
        case .mimeVersion: ("MIME-Version", 0)
        case .timestamp: ("Timestamp", 0)
        case .minSE: ("Min-SE", 0)
        case .referSub: ("Refer-Sub", 0)
        case .join: ("Join", 0)
        case .targetDialog: ("Target-Dialog", 0)
        case .sipETag: ("SIP-ETag", 0)
        case .sipIfMatch: ("SIP-If-Match", 0)
        case .replyTo: ("Reply-To", 0)
        case .priority: ("Priority", 0)
        case .sessionID: ("Session-ID", 0)
        case .flowTimer: ("Flow-Timer", 0)
        case .answerMode: ("Answer-Mode", 0)
        case .privAnswerMode: ("Priv-Answer-Mode", 0)
        case .also: ("Also", 0)
        case .pAssertedIdentity: ("P-Asserted-Identity", 0)
        case .pPreferredIdentity: ("P-Preferred-Identity", 0)
        case .remotePartyID: ("Remote-Party-ID", 0)
        case .diversion: ("Diversion", 0)
        case .historyInfo: ("History-Info", 0)
        case .privacy: ("Privacy", 0)
        case .pChargingVector: ("P-Charging-Vector", 0)
        case .pAccessNetworkInfo: ("P-Access-Network-Info", 0)
        case .identity: ("Identity", UInt8(ascii: "y"))
        case .identityInfo: ("Identity-Info", UInt8(ascii: "n"))
        case .other: ("", 0)
        }
    }

    /// Whether a message may have at most one such field; a second one is an error, since two parsers
    /// could each believe another one.
    package var isSingle: Bool {
        switch self {
        case .from, .to, .callID, .cseq, .maxForwards, .contentLength, .contentType, .expires,
            .event, .userAgent, .server, .referTo, .referredBy, .replaces, .minExpires, .date,
            .subscriptionState, .retryAfter, .subject, .sessionExpires, .rAck, .rSeq,
            .organization, .maxBreadth, .contentDisposition, .mimeVersion, .timestamp, .minSE,
            .referSub, .join, .targetDialog, .sipETag, .sipIfMatch, .replyTo, .priority,
            .sessionID, .flowTimer, .answerMode, .privAnswerMode:
            true
        default: false
        }
    }

    /// Whether nothing depends on the field: an answer in which it stands twice is taken without it.
    var isIncidental: Bool {
        switch self {
        case .server, .userAgent, .date, .organization, .subject: true
        default: false
        }
    }

    /// Whether the edge writes its own such fields instead of passing on those that came.
    var isWrittenAnew: Bool {
        switch self {
        case .via, .maxForwards, .maxBreadth, .contentLength, .recordRoute, .authorization,
            .proxyAuthorization:
            true
        default: false
        }
    }

    /// Whether only the inside is believed when it says so.
    package var claimsTrust: Bool {
        rawValue >= HeaderName.pAssertedIdentity.rawValue && self != .other
    }

    /// The compact form, 0 where there is none.
    fileprivate var compact: UInt8 { Self.entry(self).compact }
}

/// Finds header names by their length and three of their letters, and compares after the hit.
package struct HeaderTable: Sendable {
    private static let size = 256
    /// Open addressing: the name's number plus one, 0 for free.
    private var slots = [UInt8](repeating: 0, count: Self.size)
    /// The name of each compact letter, `other` for none.
    private var compact = [HeaderName](repeating: .other, count: 26)

    /// The table of all names.
    package init() {
        for name in HeaderName.allCases where name != .other {
            var bytes: [UInt8] = []
            for byte in "\(name.text)".utf8 { bytes.append(byte) }
            var slot = Self.slot(bytes.span)
            while slots[slot] != 0 { slot = (slot + 1) % Self.size }
            slots[slot] = name.rawValue + 1
            if name.compact != 0 { compact[Int(name.compact - 0x61)] = name }
        }
    }

    /// Where the search for a name of at least one byte begins.
    private static func slot(_ name: Span<UInt8>) -> Int {
        let last = name.count - 1
        let letters =
            UInt32(name[0]) | UInt32(name[last]) << 8 | UInt32(name[last / 2]) << 16
            | UInt32(truncatingIfNeeded: name.count) << 24
        // Letters in either case begin alike.
        return Int(((letters | 0x0020_2020) &* 0x9E37_79B1) >> 24)
    }

    /// The header field of a name in any case, long or compact.
    package func find(_ name: Span<UInt8>) -> HeaderName {
        guard name.count > 1 else {
            guard name.count == 1 else { return .other }
            let letter = Characters.lower(name[0])
            return letter >= 0x61 && letter <= 0x7A ? compact[Int(letter - 0x61)] : .other
        }
        var slot = Self.slot(name)
        while slots[slot] != 0 {
            let found = HeaderName(rawValue: slots[slot] - 1) ?? .other
            if name.isExactly(found.text) || name.isSpelled(found.text) { return found }
            slot = (slot + 1) % Self.size
        }
        return .other
    }
}
