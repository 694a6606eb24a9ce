/// Every kind of record that Rempart writes, each with a MESSAGE_ID of its own.
///
/// This is the one place where they are kept; systemd/rempart.catalog explains each to the
/// administrator, and a test holds the two together.
package enum Record: String, CaseIterable, Sendable {
    /// The daemon serves: every child is ready.
    case daemonReady = "5b0d2c7a41f34c0e9c1e3c6f0a7d1001"
    /// The daemon stops.
    case daemonStopping = "5b0d2c7a41f34c0e9c1e3c6f0a7d1002"
    /// The daemon cannot start or go on.
    case daemonFailed = "5b0d2c7a41f34c0e9c1e3c6f0a7d1003"
    /// A child was started.
    case childStarted = "5b0d2c7a41f34c0e9c1e3c6f0a7d1004"
    /// A child ended.
    case childEnded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1005"
    /// A child broke the protocol of its link, or its heartbeat stopped; it was killed.
    case childKilled = "5b0d2c7a41f34c0e9c1e3c6f0a7d1006"
    /// The settings were read again.
    case reloaded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1007"
    /// The new settings were refused, the old ones stay.
    case reloadRefused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1008"
    /// Something is weaker than it should be: no root, no kernel bans, no confinement.
    case degraded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1009"
    /// A phone has a new binding, or refreshed one from a new address.
    case registered = "5b0d2c7a41f34c0e9c1e3c6f0a7d1010"
    /// A phone ended a binding, or it ran out.
    case unregistered = "5b0d2c7a41f34c0e9c1e3c6f0a7d1011"
    /// A phone is not there any more, though its binding stands.
    case phoneLost = "5b0d2c7a41f34c0e9c1e3c6f0a7d1026"
    /// A phone that was gone is there again.
    case phoneBack = "5b0d2c7a41f34c0e9c1e3c6f0a7d1027"
    /// A request was refused.
    case refused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1012"
    /// A source was banned.
    case banned = "5b0d2c7a41f34c0e9c1e3c6f0a7d1013"
    /// A ban was lifted.
    case unbanned = "5b0d2c7a41f34c0e9c1e3c6f0a7d1014"
    /// An Asterisk answers.
    case asteriskUp = "5b0d2c7a41f34c0e9c1e3c6f0a7d1015"
    /// An Asterisk stopped answering.
    case asteriskDown = "5b0d2c7a41f34c0e9c1e3c6f0a7d1016"
    /// An Asterisk has lost what accounts had registered there.
    case contactsLost = "5b0d2c7a41f34c0e9c1e3c6f0a7d1028"
    /// An Asterisk refuses the registration of an account.
    case asteriskRefused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1017"
    /// A server of a trunk answers again.
    case trunkUp = "5b0d2c7a41f34c0e9c1e3c6f0a7d1044"
    /// A server of a trunk does not answer.
    case trunkDown = "5b0d2c7a41f34c0e9c1e3c6f0a7d1045"
    /// The account database can be read.
    case databaseUp = "5b0d2c7a41f34c0e9c1e3c6f0a7d1018"
    /// The account database cannot be read.
    case databaseDown = "5b0d2c7a41f34c0e9c1e3c6f0a7d1019"
    /// A TLS handshake came to nothing.
    case handshakeFailed = "5b0d2c7a41f34c0e9c1e3c6f0a7d1020"
    /// A call began: its INVITE was accepted.
    case callBegan = "5b0d2c7a41f34c0e9c1e3c6f0a7d1021"
    /// A call ended by BYE, or was ended by us.
    case callEnded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1022"
    /// The certificate in use has changed.
    case certificateLoaded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1023"
    /// The certificate or its key cannot be used.
    case certificateRefused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1024"
    /// The certificate in use is about to end, has ended, or has something else that phones may mind.
    case certificateEnds = "5b0d2c7a41f34c0e9c1e3c6f0a7d1025"
    /// A block list or the country database was taken up.
    case listLoaded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1070"
    /// Somebody is not looked at for a while, where a ban would hit a phone as well.
    case held = "5b0d2c7a41f34c0e9c1e3c6f0a7d1031"
    /// A call of an account was refused.
    case callRefused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1040"
    /// An account is barred from calling.
    case accountBarred = "5b0d2c7a41f34c0e9c1e3c6f0a7d1041"
    /// A barred account may call again.
    case accountReleased = "5b0d2c7a41f34c0e9c1e3c6f0a7d1042"
    /// An account is in a country in which it never was.
    case countryHeld = "5b0d2c7a41f34c0e9c1e3c6f0a7d1043"
    /// A trunk, or an Asterisk for a trunk, asks for a password that nobody here has.
    case trunkRefused = "5b0d2c7a41f34c0e9c1e3c6f0a7d1046"
    /// Somebody has asked for a change, by the command line or a signal.
    case commanded = "5b0d2c7a41f34c0e9c1e3c6f0a7d1050"
    /// More happened of a kind than is written one by one.
    case leftOut = "5b0d2c7a41f34c0e9c1e3c6f0a7d1051"
    /// An address of the settings is not on this machine.
    case addressAbsent = "5b0d2c7a41f34c0e9c1e3c6f0a7d1060"
    /// An address of the settings is on this machine again, or at last.
    case addressPresent = "5b0d2c7a41f34c0e9c1e3c6f0a7d1061"
    /// A component, its loader or one of its libraries wrote to its standard error.
    case programWrote = "5b0d2c7a41f34c0e9c1e3c6f0a7d1062"
    /// The settings file has a fault.
    case settingsFault = "5b0d2c7a41f34c0e9c1e3c6f0a7d1063"
    /// The programs on disk are not those that the daemon was started from.
    case programsReplaced = "5b0d2c7a41f34c0e9c1e3c6f0a7d1080"
}

extension Record {
    /// The fields that every record of the kind has: systemd/rempart.catalog prints no others.
    ///
    /// A debug build checks it where records are written (`RecordBatch.end`), a test in the catalogue.
    package var required: [Field] {
        switch self {
        case .daemonReady, .daemonStopping, .daemonFailed, .degraded, .certificateLoaded,
            .listLoaded:
            []
        case .childStarted, .childEnded, .childKilled, .programWrote: [.component, .pid]
        case .reloaded, .reloadRefused, .databaseUp, .databaseDown, .certificateRefused,
            .certificateEnds, .settingsFault, .programsReplaced:
            [.file]
        case .addressAbsent, .addressPresent: [.address]
        case .registered, .phoneLost, .phoneBack: [.account, .address, .port, .transport]
        case .unregistered: [.account]
        case .refused, .held, .handshakeFailed: [.address, .reason]
        case .banned: [.address, .reason, .seconds]
        case .unbanned: [.address, .reason]
        case .asteriskUp, .asteriskDown, .contactsLost: [.asterisk]
        case .asteriskRefused: [.account, .asterisk]
        case .trunkUp, .trunkDown: [.trunk, .address, .port]
        case .trunkRefused: [.trunk, .asterisk]
        case .callBegan: [.callID]
        case .callEnded: [.callID, .endedBy]
        case .callRefused: [.account, .number, .reason]
        case .accountBarred: [.account, .reason]
        case .accountReleased: [.account]
        case .countryHeld: [.account, .address, .seconds]
        case .commanded: [.uid, .command]
        case .leftOut: [.count]
        }
    }
}

/// How much a record matters; syslog's numbers.
package enum Priority: Int, Sendable {
    /// Serving is at an end.
    case critical = 2
    /// Something does not work.
    case error = 3
    /// Somebody should look.
    case warning = 4
    /// Worth knowing.
    case notice = 5
    /// The normal course.
    case info = 6
}

/// A field of a record, beside MESSAGE, PRIORITY and REMPART_PROCESS.
package enum Field: String, Sendable {
    /// The account's name.
    case account = "REMPART_ACCOUNT"
    /// A phone's or caller's address, without its port.
    case address = "REMPART_ADDRESS"
    /// The port that goes with the address.
    case port = "REMPART_PORT"
    /// udp, tcp or tls.
    case transport = "REMPART_TRANSPORT"
    /// The reason code of a refusal or ban.
    case reason = "REMPART_REASON"
    /// The status code that was answered; left out when no answer was sent.
    case status = "REMPART_STATUS"
    /// The SIP method.
    case method = "REMPART_METHOD"
    /// The Call-ID.
    case callID = "REMPART_CALL_ID"
    /// The Contact URI.
    case contact = "REMPART_CONTACT"
    /// The User-Agent.
    case userAgent = "REMPART_USER_AGENT"
    /// A span in seconds.
    case seconds = "REMPART_SECONDS"
    /// How many.
    case count = "REMPART_COUNT"
    /// The component that the record is about.
    case component = "REMPART_COMPONENT"
    /// A process number.
    case pid = "REMPART_PID"
    /// An Asterisk's address.
    case asterisk = "REMPART_ASTERISK"
    /// A trunk's name.
    case trunk = "REMPART_TRUNK"
    /// A file or database; of a certificate or key the setting that names it.
    case file = "REMPART_FILE"
    /// A dialled number; of a call to an account its caller's.
    case number = "REMPART_NUMBER"
    /// outward: an account calls; inward: it is called.
    case direction = "REMPART_DIRECTION"
    /// The party that ended a call: phone, asterisk, trunk, administrator, limit, or edge.
    case endedBy = "REMPART_ENDED_BY"
    /// Why a call ended, as who ended it says: SIP or Q.850, and the code (RFC 3326).
    case cause = "REMPART_CAUSE"
    /// The user who asked for a change.
    case uid = "REMPART_UID"
    /// The user who had logged in, from before sudo or su.
    case loginUID = "REMPART_LOGIN_UID"
    /// What was asked for, as the command line has it.
    case command = "REMPART_COMMAND"
}
