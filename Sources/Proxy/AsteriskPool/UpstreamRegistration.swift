internal import ProxyBench
internal import Reactor
internal import Sys

/// An account's registration at one Asterisk.
struct UpstreamRegistration: BitwiseCopyable, Sendable {
    /// Where it stands.
    enum State: UInt8, BitwiseCopyable, Sendable {
        /// To be sent when its timer fires.
        case waiting
        /// Sent, not answered.
        case trying
        /// The Asterisk has it.
        case registered
        /// The account has left, which the Asterisk that has it could not be told: it does not answer.
        case unheard
    }

    /// The random part of its Call-ID and From tag.
    var cookie: UInt64 = 0
    /// The request under way, or the last one; responses to older ones say nothing any more.
    var request = Handle.none
    /// The next step.
    var timer = TimerHandle.none
    /// The account.
    let account: AccountID
    /// The place of the account's next registration, and one more; 0 at the end.
    var next: UInt32 = 0
    /// The last CSeq.
    var sequence: UInt32 = 1
    // The Asterisk's number, of 6 bits, and above it how many challenges were answered in a row: a row is of 40 bytes so,
    // of 48 with a byte more.
    private var numbers: UInt8 = 0
    // Six truth values, and above them the state.
    private var flags: UInt8 = 0
    // The last status but success, of 10 bits, and above it how often it failed.
    private var outcome: UInt16 = 0

    /// One that was not tried yet.
    init(_ account: AccountID, asterisk: Int = 0, cookie: UInt64 = 0) {
        self.account = account
        self.cookie = cookie
        self.asterisk = asterisk
    }

    private subscript(bit: UInt8) -> Bool {
        get { flags & bit != 0 }
        set { flags = newValue ? flags | bit : flags & ~bit }
    }

    /// Where it stands.
    var state: State {
        get { State(rawValue: flags >> 6) ?? .waiting }
        set { flags = flags & 0x3F | newValue.rawValue << 6 }
    }

    /// Whether the account has no binding any more, so that the registration is to be ended.
    var isLeaving: Bool {
        get { self[1] }
        set { self[1] = newValue }
    }

    /// Whether the request under way ends the registration.
    var isEnding: Bool {
        get { self[2] }
        set { self[2] = newValue }
    }

    /// Whether the request under way asks only whether the Asterisk still has our Contact.
    var isQuestion: Bool {
        get { self[4] }
        set { self[4] = newValue }
    }

    /// Whether the Asterisk has said that it has it, and nothing since says otherwise.
    var isGranted: Bool {
        get { self[8] }
        set { self[8] = newValue }
    }

    /// Whether the request under way names the served domain in From and To, in place of the Asterisk's address.
    var namesDomain: Bool {
        get { self[16] }
        set { self[16] = newValue }
    }

    /// Whether both were named since it last waited.
    var hasNamedBoth: Bool {
        get { self[32] }
        set { self[32] = newValue }
    }

    /// The number of the Asterisk that counts it among the accounts that are registered there; nil when none does.
    var grantedAt: Int? { isGranted && !isLeaving ? asterisk : nil }

    /// How many challenges were answered in a row, at most 3.
    var challenges: UInt8 {
        get { numbers >> 6 }
        set { numbers = numbers & 0x3F | min(newValue, 3) << 6 }
    }

    /// How many times in a row it failed; it stops counting at 63.
    var failures: UInt8 { UInt8(outcome >> 10) }

    /// The status of the last refusal, 0 when there was no answer; of one that has failed.
    var refusal: UInt16 { outcome & 0x3FF }

    /// The Asterisk's number; there are at most 64, for which a response context has a bit each.
    var asterisk: Int {
        get { Int(numbers & 0x3F) }
        set { numbers = numbers & 0xC0 | UInt8(newValue) }
    }

    /// Counts a failure; `status` is of the refusal, 0 without an answer.
    mutating func fail(_ status: UInt16) {
        outcome = min(UInt16(failures) + 1, 63) << 10 | min(status, 0x3FF)
        isGranted = false
    }

    /// It has succeeded.
    mutating func succeed() {
        outcome = 0
        challenges = 0
        isGranted = true
    }
}

/// What the pool remembers of an account, beside the accounts; all zeros is of one that has no binding.
struct UpstreamAccount: BitwiseCopyable {
    /// The place of its first registration, and one more; 0 when there is none.
    var first: UInt32 = 0
    /// Whether it has a phone, and so is to be registered.
    var isBound = false
    /// When an Asterisk last called it, as `UpstreamAccount.moment` has it; 0 when none did.
    var called: UInt8 = 0
    /// When it was last registered anew for a new phone, in seconds of the monotonic clock, counted round.
    var renewed: UInt16 = 0

    /// A moment of the monotonic clock in steps of four seconds, counted round, never 0.
    static func moment(_ now: Milliseconds) -> UInt8 { UInt8(now.seconds / 4 % 255) + 1 }
}
