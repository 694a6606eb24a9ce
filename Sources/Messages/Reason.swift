internal import Sys

/// A reason code, as it stands in REMPART_REASON and as `rempart why`, `explain` and `bans` say it.
package struct Reason: Sendable {
    /// What a reason is given for.
    package enum Group: CaseIterable, Sendable {
        /// A message that cannot be read.
        case malformed
        /// A request that is refused.
        case request
        /// A REGISTER that is refused.
        case registration
        /// A request whose password is not proven right.
        case password
        /// A call that is refused for its account or number.
        case call
        /// What a trunk's request is refused for.
        case trunk
        /// What gets no answer, or a short one.
        case silence
        /// What a full table or a share is refused for.
        case shortage
        /// A connection that is closed.
        case connection
        /// A ban, or a hold where phones are registered.
        case ban
        /// The end of a ban.
        case banEnd
        /// The end of a call that neither side has ended.
        case callEnd
        /// Something that is told without a refusal.
        case notice
    }

    /// The code.
    package let code: String
    /// What it is given for.
    package let group: Group
    /// What it means, in a sentence or two.
    package let meaning: String
    /// What the administrator may do; empty when there is nothing to be done.
    package let remedy: String
    /// The statuses of which one is answered when anything is; empty for what is never answered, and for what all
    /// delayed answers say alike.
    package internal(set) var statuses: [Status]
    /// What a message or connection that is refused so is evidence of; nil for what phones do too.
    package internal(set) var evidence: Detector?

    init(
        _ group: Group, _ code: String, _ meaning: String, _ remedy: String = "",
        statuses: [Status] = [], evidence: Detector? = nil
    ) {
        self.code = code
        self.group = group
        self.meaning = meaning
        self.remedy = remedy
        self.statuses = statuses
        self.evidence = evidence
    }

    /// Every reason there is; a test compares them with those that the code can write.
    package static let all: [Reason] =
        malformed + Refusal.reasons + connections + bans + banEnds + callEnds + notices

    static let wrongSoftware =
        "A device of yours: correct or update it. Otherwise it is an attack, and needs nothing."

    static let malformed: [Reason] = [
        ("empty", "The message has no line."),
        ("start-line", "The first line is that of no request and no response."),
        ("version", "The version is not SIP/2.0."),
        ("control-character", "A control character stands where none may."),
        ("bare-line-end", "A line ends with CR or LF alone, which two parsers read in two ways."),
        ("header-name", "The name of a header field is none."),
        ("too-many-headers", "There are more header fields than are read."),
        ("header-too-long", "A header field is longer than is read."),
        ("unterminated-header", "The header fields do not end."),
        ("doubled-header", "A field that may stand once stands twice."),
        ("missing-header", "A field is missing that every message has."),
        ("via", "A Via cannot be read."),
        ("address", "From, To, Contact or another address cannot be read."),
        ("uri", "A URI cannot be read."),
        ("call-id", "The Call-ID is none."),
        ("cseq", "CSeq is none, or names another method."),
        ("number", "A field that is a number holds none."),
        ("content-length", "Content-Length does not fit the message."),
        ("too-long", "The message is longer than is read."),
        ("contact", "A Contact cannot be read."),
        ("parameter", "A parameter cannot be read."),
        ("value", "A field's value is outside its grammar."),
    ].map {
        Reason(
            .malformed, "malformed-\($0)", $1, wrongSoftware, statuses: [.badRequest],
            evidence: .malformed)
    }

    private static let bans: [Reason] =
        Detector.allCases.filter { $0.key == $0.code }.map { detector in
            let limit = detector.standard
            let setting =
                detector == .wrongPassword
                ? "defence.failures within defence.window" : "limits.\(detector.key)"
            return Reason(
                .ban, detector.code,
                "As many \(detector.counted) as \(setting) says:"
                    + " \(limit.count) within \(limit.window.seconds) s when it is not set.",
                "See `rempart why ADDRESS`. A phone of yours: correct it, then `rempart unban ADDRESS`."
            )
        } + [
            Reason(
                .ban, "neighbours",
                "Eight sources of the same /24 (IPv6 /48) were banned within a day, so all of it is.",
                "`rempart unban` of an address in it lifts the ban; `rempart allow` keeps it away."),
            Reason(
                .ban, "by-hand",
                "An administrator banned the address and named no reason.",
                "`rempart unban ADDRESS` lifts it."),
        ]

    private static let banEnds: [Reason] = [
        Reason(.banEnd, "expired", "The ban's time is over."),
        Reason(.banEnd, "by-hand", "An administrator lifted it."),
        Reason(
            .banEnd, "allowed-by-hand", "An administrator allowed the address (`rempart allow`)."),
        Reason(
            .banEnd, "allowed",
            "The address is in defence.allow, of an Asterisk or trunk, or was allowed before by `rempart allow`."
        ),
    ]

    private static let callEnds: [Reason] = [
        Reason(.callEnd, "by-hand", "An administrator ended the call (`rempart calls --end`)."),
        Reason(
            .callEnd, "forwarding",
            "A phone wanted to send the call on to where its account may not call."),
        Reason(
            .callEnd, "not-acknowledged",
            "The call was answered, and nobody acknowledged the 2xx within 32 s.",
            "A network that loses what goes to the caller: look at its NAT or firewall."),
        Reason(.callEnd, "nothing-heard", "Neither side said anything of the call for 8 h."),
    ]

    private static let connections: [Reason] = [
        Reason(
            .connection, "idle-connection",
            "The connection said nothing for 15 s after it was made.", evidence: .idleConnections),
        Reason(
            .connection, "message-too-slow",
            "A message came so slowly that it was not whole in its time.", evidence: .malformed),
        Reason(
            .connection, "tls-limit", "Too many TLS connections at a time, of one source or of all."
        ),
        Reason(
            .connection, "tls-handshake-timeout", "The TLS handshake was not done within its time.",
            evidence: .tlsFailures),
        Reason(
            .connection, "tls-handshake-failed",
            "The client spoke no TLS, broke its rules, or refused our certificate.",
            "A phone of yours: give it the certificate's root, and set its clock.",
            evidence: .tlsFailures),
        Reason(
            .connection, "tls-handshake-abandoned", "The client went away within the handshake.",
            evidence: .tlsFailures),
    ]

    private static let notices: [Reason] = [
        Reason(
            .notice, "inside-media",
            "An Asterisk tells phones to send media to an inside address, which they cannot reach.",
            "Set external_media_address (PJSIP), or externaddr with a localnet without the edge (chan_sip)."
        )
    ]
}
