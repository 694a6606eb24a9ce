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
    private var number: UInt8 = 0
    /// How many times in a row it failed; it stops counting at 255.
    private(set) var failures: UInt8 = 0
    /// How many challenges were answered in a row.
    var challenges: UInt8 = 0
    // Five truth values and, in the middle, the state: a row is of 40 bytes so, of 48 with a byte more.
    private var flags: UInt8 = 0

    /// One that was not tried yet.
    init(_ account: AccountID, asterisk: Int = 0, cookie: UInt64 = 0) {
        self.account = account
        self.cookie = cookie
        self.asterisk = asterisk
    }

    /// Where it stands.
    var state: State {
        get { State(rawValue: flags >> 4 & 3) ?? .waiting }
        set { flags = flags & 0xCF | newValue.rawValue << 4 }
    }

    /// Whether the account has no binding any more, so that the registration is to be ended.
    var isLeaving: Bool {
        get { flags & 1 != 0 }
        set { flags = newValue ? flags | 1 : flags & ~1 }
    }

    /// Whether the request under way ends the registration.
    var isEnding: Bool {
        get { flags & 2 != 0 }
        set { flags = newValue ? flags | 2 : flags & ~2 }
    }

    /// Whether the request under way asks only whether the Asterisk still has our Contact.
    var isQuestion: Bool {
        get { flags & 4 != 0 }
        set { flags = newValue ? flags | 4 : flags & ~4 }
    }

    /// Whether the request under way names the served domain in From and To, in place of the Asterisk's address.
    var namesDomain: Bool {
        get { flags & 8 != 0 }
        set { flags = newValue ? flags | 8 : flags & ~8 }
    }

    /// Whether both were named since it last waited.
    var hasNamedBoth: Bool {
        get { flags & 64 != 0 }
        set { flags = newValue ? flags | 64 : flags & ~64 }
    }

    /// The Asterisk's number; there are at most 64, for which a response context has a bit each.
    var asterisk: Int {
        get { Int(number) }
        set { number = UInt8(newValue) }
    }

    /// Counts a failure.
    mutating func fail() { failures = failures == .max ? .max : failures + 1 }

    /// It has succeeded.
    mutating func succeed() {
        failures = 0
        challenges = 0
    }
}

/// What the pool remembers of an account, beside the accounts; all zeros is of one that has no binding.
struct UpstreamAccount: BitwiseCopyable {
    /// The place of its first registration, and one more; 0 when there is none.
    var first: UInt32 = 0
    /// Whether it has a phone, and so is to be registered.
    var isBound = false
    /// When an Asterisk last called it, as `Self.moment` has it; 0 when none did.
    var called: UInt8 = 0
    /// When it was last registered anew for a new phone, in seconds of the monotonic clock, counted round.
    var renewed: UInt16 = 0

    /// A moment of the monotonic clock in steps of four seconds, counted round, never 0.
    static func moment(_ now: Milliseconds) -> UInt8 { UInt8(now.seconds / 4 % 255) + 1 }
}
