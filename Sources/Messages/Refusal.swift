/// Why a message is refused, or why it is not answered.
///
/// This is the one table of it: the answer's status, the reason code of the journal and of `rempart explain`, and
/// rempart-reasons(7) come from here.
package enum Refusal: UInt8, Error, CaseIterable, BitwiseCopyable, Sendable {
    // A request is refused.
    case unknownMethod
    case sipsInClear
    case scheme
    case fromScheme
    case foreignDomain
    case foreignAddressOfRecord
    case dialString
    case transferTarget
    case maxForwards
    case maxBreadth
    case loop
    case merged
    case unsupportedExtension
    case severalContacts
    case sessionDescription
    case tooLong
    case digestURI
    case profile
    case scanner
    case noDialog
    case asteriskGone
    case oldToken
    case foreignToken
    case otherAccount
    case ackFromElsewhere
    case noAsterisk
    case registerFromInside
    case flowFailed
    case notRegistered
    // A REGISTER is refused.
    case mayNotRegister
    case contactAccess
    case contact
    case ownContact
    case notFirstHop
    case intervalTooBrief
    case registerOutOfOrder
    case tooManyBindings
    // Credentials are not proven right: the answer is delayed, and the same for all of them.
    case wrongPassword
    case unknownAccount
    case accountGone
    case accessList
    case accountHeld
    case accountGuarded
    case tooManyAtOnce
    case lookUps
    case repeated
    case databaseDown
    // A call is refused for its account or number.
    case accountBarred
    case accountRevoked
    case numberNever
    case callsAtOnce
    case callsPerMinute
    case country
    case offHours
    case newCountry
    case abroadAtOnce
    case abroadPerMinute
    // A trunk's request is refused.
    case trunkFull
    case trunkRate
    // What gets no answer, or a short one.
    case banned
    case held
    case insideAddress
    case shortAnswer
    case answersUsedUp
    // A full table, or a share of one.
    case tableFull
    case waitingRoomFull
    case accountShare
    case accountRequests
    case dialogRequests

    /// A row of the table.
    struct Row: Sendable {
        let refusal: Refusal
        /// What is answered when anything is; nil too for what all delayed answers say alike.
        let status: Status?
        /// The phrase, where it says more than the status's own.
        let phrase: StaticString?
        let reason: Reason

        init(
            _ refusal: Refusal, _ status: Status?, _ reason: Reason, phrase: StaticString? = nil
        ) {
            self.refusal = refusal
            self.status = status
            self.phrase = phrase
            self.reason = reason
        }

        init(
            _ refusal: Refusal, _ status: Status?, _ group: Reason.Group,
            phrase: StaticString? = nil, _ code: String, _ meaning: String, _ remedy: String = ""
        ) {
            self.init(
                refusal, status, Reason(group, code, meaning, remedy), phrase: phrase)
        }
    }

    private var row: Row { Self.table[Int(rawValue)] }

    /// What is answered, unless the sender gets silence; nil for what is never answered, and for what is delayed.
    package var status: Status? { row.status }

    /// The phrase of the answer; empty where there is no status.
    package var phrase: StaticString { row.phrase ?? row.status?.phrase ?? "" }

    /// What it is given for.
    package var group: Reason.Group { row.reason.group }

    /// What a message that is refused so is evidence of; nil for what phones do too.
    package var evidence: Detector? {
        switch self {
        case .scanner: .scanner
        case .digestURI: .malformed
        case .ownContact: .contactInjection
        default: nil
        }
    }

    /// Whether it counts against the source and the account as a wrong password.
    ///
    /// What is not looked at counts too: a guesser that was left uncounted for the one right password would learn
    /// it by the ban that does not come.
    package var countsAsWrongPassword: Bool {
        switch self {
        case .wrongPassword, .unknownAccount, .accessList, .accountGuarded, .tooManyAtOnce: true
        default: false
        }
    }

    /// Whether the answer leaves at a fixed time after the message came, as every answer to credentials that prove
    /// nothing does; it has no status of its own, by which it could be told from others.
    package var isDelayed: Bool { group == .password || self == .waitingRoomFull }

    /// Whether nobody can say whether the credentials are right: they are to be sent again.
    package var isUnavailable: Bool {
        switch self {
        case .databaseDown, .lookUps, .waitingRoomFull: true
        default: false
        }
    }

    /// Whether an account's row that is known refuses it, which may have changed since.
    package var isByKnownRow: Bool { self == .wrongPassword || self == .accessList }

    /// Whether the password was looked at, and the account's guard counts it.
    package var isLookedAt: Bool {
        countsAsWrongPassword && self != .accountGuarded && self != .tooManyAtOnce
    }

    /// The reason code, as it stands in the journal.
    package var code: String { row.reason.code }

    /// The rows of the cases, in their order.
    private static let table: [Row] =
        requests + registrations + passwords + calls + trunks + silences + shortages

    /// The reasons of the table, each code once, with the statuses and the evidence of its refusals.
    static let reasons: [Reason] = {
        var reasons: [Reason] = []
        for refusal in allCases {
            var reason = refusal.row.reason
            let place = reasons.firstIndex { $0.code == reason.code }
            if let place { reason = reasons[place] }
            if let status = refusal.status, !reason.statuses.contains(status) {
                reason.statuses.append(status)
            }
            reason.evidence =
                reason.evidence ?? refusal.evidence
                ?? (refusal.countsAsWrongPassword ? .wrongPassword : nil)
            if let place { reasons[place] = reason } else { reasons.append(reason) }
        }
        return reasons
    }()

    /// Whether every case stands in the table at its place, as a test asks.
    package static var isTableWhole: Bool { table.map(\.refusal) == allCases }
}
