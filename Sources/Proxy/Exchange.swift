package import Digest
package import Messages
package import Reactor
package import SIP
package import SIPTransactions
package import SIPWriting
package import Sys

/// A request that is being passed on: its server side, and what its branches have come to
/// (the response context of RFC 3261 section 16).
package struct Exchange: BitwiseCopyable, Sendable {
    /// How many branches a request may have.
    package static let maximumBranches = 12

    /// The request's method.
    package var method = Method.other
    /// Which way the request goes.
    package var direction = Direction.inward
    /// Where the request came from.
    package var flow: Flow
    /// What its retransmissions, ACK and CANCEL are found by.
    package var key: UInt64 = 0
    /// What the same request that came by another way is found by; 0 when that is not looked for.
    package var mergeKey: UInt64 = 0
    /// The server side.
    package var server: ServerTransaction
    /// The request as it came.
    package var request = Block.none
    /// The lines that every answer repeats of it (`MessageWriter.answerIdentity`), without a tag of ours.
    package var identity = Block.none
    /// Where in these lines our tag stands; 0 when To came with one.
    package var tagPlace = 0
    /// The last answer given.
    package var answer = Block.none
    /// The caller's account, or the called one's; -1 for none.
    package var account: Int32 = -1
    /// Whether the account is the row of a trunk.
    package var isTrunk = false
    /// Who stands as the caller, when the request is a trunk's.
    var caller = TrunkCaller.asWritten
    /// Whether the Asterisk has addressed us instead of the trunk.
    var isReaddressed = false
    /// Whether the request was inside a dialog.
    package var inDialog = false
    /// What the tokens of its dialog are bound to.
    package var dialog = StringVector()
    /// Who began the dialog of a request that leaves; one outside of any begins its own.
    var dialogOwner = DialogOwner.inside
    /// The user part of the Request-URI on the inner side; all of it on the way to a trunk.
    package var user = Text.none
    /// The Asterisk the request goes to, by address.
    package var asterisk = SocketAddress(IPAddress(v4: 0), port: 0)
    /// A bit for each Asterisk, or server of the trunk, that was tried.
    package var tried: UInt64 = 0
    /// How much higher the CSeq is on the inner side.
    package var sequenceShift: UInt16 = 0
    /// How many challenges of the Asterisk were answered.
    package var challenges: UInt8 = 0
    /// Whether the caller has cancelled.
    package var cancelled = false
    /// How many branches the request may still be split into on its way (RFC 5393 section 5).
    package var breadth: UInt8 = 60
    /// The call that it is to begin, or has ended as a BYE; none for what is no call of the table.
    package var call = Handle.none
    /// The branches.
    package var clients = InlineArray<12, Handle>(repeating: .none)
    /// How many branches there have been.
    package var clientCount = 0
    /// How many have not ended.
    package var open = 0
    /// The best failure so far, as it came; none when it was our own.
    package var best = Block.none
    /// Its status; 0 when there is none.
    package var bestStatus: UInt16 = 0
    /// Whether a branch of it found no room.
    var isStarved = false
    /// Whether a phone was refused to send the call on, which counts as a 403 of our own.
    var isForwardingRefused = false
    /// Timer H, I, J or L.
    package var end = TimerHandle.none
    /// Timer G.
    package var retransmit = TimerHandle.none
    /// Timer C.
    package var deadline = TimerHandle.none

    /// An exchange of a request that came this way.
    package init(flow: Flow, method: Method, direction: Direction) {
        self.flow = flow
        self.method = method
        self.direction = direction
        server = ServerTransaction(
            isInvite: method == .invite, reliable: flow.transport.isStream)
    }
}

/// Who waits for the response of a client transaction.
package enum ClientOwner: BitwiseCopyable, Sendable {
    /// A branch of an exchange.
    case exchange(Handle)
    /// A registration at an Asterisk.
    case presence(Handle)
    /// The question whether an Asterisk answers, by its number.
    case probe(Int)
    /// Nobody: a CANCEL.
    case nobody
}

/// A request that we have sent.
package struct Client: BitwiseCopyable, Sendable {
    /// Who waits for the response.
    package var owner = ClientOwner.nobody
    /// The request's method, which its responses name in CSeq.
    package var method: Method
    /// The machine.
    package var transaction: ClientTransaction
    /// Where the request went.
    package var flow: Flow
    /// The number in the branch that the response must bring back.
    package var cookie: UInt64
    /// The request as it was sent.
    package var sent = Block.none
    /// Whose exchange it is a branch of, -1 for none's.
    package var account: Int32 = -1
    /// The Asterisk's number, -1 for a phone.
    package var asterisk = -1
    /// Whether it is to be cancelled as soon as a provisional response allows it (section 9.1).
    package var cancelWanted = false
    /// Whether a CANCEL was sent.
    package var cancelled = false
    /// The value of the CANCEL's Reason, or none (RFC 3326).
    package var cancelReason = Text.none
    /// Whether its connection counts it as under way.
    package var isCounted = false
    /// When the CANCEL is to be sent again, after the last time.
    package var cancelInterval = Timers.t1
    /// Whether the branch has counted as ended.
    package var settled = false
    /// Whether its final response could not be passed on, and was answered by ourselves when it has to be.
    package var isUnreadable = false
    /// Timer A or E.
    package var retransmit = TimerHandle.none
    /// Timer B, D, F, K or M.
    package var end = TimerHandle.none
    /// When to try another Asterisk.
    package var noAnswer = TimerHandle.none

    /// A client transaction of a request that goes this way.
    package init(owner: ClientOwner, method: Method, flow: Flow, cookie: UInt64) {
        self.owner = owner
        self.method = method
        self.flow = flow
        self.cookie = cookie
        transaction = ClientTransaction(
            isInvite: method == .invite, reliable: flow.transport.isStream)
    }
}

/// An account's registration at one Asterisk.
package struct Presence: BitwiseCopyable, Sendable {
    /// Where it stands.
    package enum State: UInt8, BitwiseCopyable, Sendable {
        /// To be sent when its timer fires.
        case waiting
        /// Sent, not answered.
        case trying
        /// The Asterisk has it.
        case registered
    }

    /// The random part of its Call-ID and From tag.
    package var cookie: UInt64 = 0
    /// The request under way, or the last one; responses to older ones say nothing any more.
    package var client = Handle.none
    /// The next step.
    package var timer = TimerHandle.none
    /// The account.
    package var account: Int32 = -1
    /// The next registration of the account, by its place; -1 at the end.
    package var next: Int32 = -1
    /// The last CSeq.
    package var sequence: UInt32 = 0
    private var number: UInt8 = 0
    /// How many times in a row it failed; it stops counting at 255.
    package private(set) var failures: UInt8 = 0
    /// How many challenges were answered in a row.
    package var challenges: UInt8 = 0
    // Two truth values and, in the upper half, the state: a row is of 40 bytes so, of 48 with a byte more.
    private var flags: UInt8 = 0

    /// Where it stands.
    package var state: State {
        get { State(rawValue: flags >> 4) ?? .waiting }
        set { flags = flags & 0x0F | newValue.rawValue << 4 }
    }

    /// Whether the account has no binding any more, so that the registration is to be ended.
    package var leaving: Bool {
        get { flags & 1 != 0 }
        set { flags = newValue ? flags | 1 : flags & ~1 }
    }

    /// Whether the request under way ends the registration.
    package var isEnding: Bool {
        get { flags & 2 != 0 }
        set { flags = newValue ? flags | 2 : flags & ~2 }
    }

    /// The Asterisk's number; there are at most 64 (`Exchange.tried`).
    package var asterisk: Int {
        get { Int(number) }
        set { number = UInt8(newValue) }
    }

    /// Counts a failure.
    package mutating func fail() { failures = failures == .max ? .max : failures + 1 }

    /// It has succeeded.
    package mutating func succeed() { failures = 0 }

    /// A registration that was not tried yet.
    package init() {}
}

/// An Asterisk as the router sees it.
package struct Asterisk: Sendable {
    /// Its address.
    package var address: SocketAddress
    /// Whether it answers.
    package var state = AsteriskState.unknown
    /// How many questions in a row it left unanswered.
    package var missed = 0
    /// The question under way.
    package var probe = Handle.none
    /// When it last told a phone to send media to an inside address; nil when it never did.
    var insideMediaSeen: Milliseconds?
    /// When that was last recorded.
    var insideMediaTold: Milliseconds?

    /// An Asterisk that was not heard yet.
    package init(_ address: SocketAddress) { self.address = address }
}
