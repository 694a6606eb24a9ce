internal import Messages
internal import ProxyBench
internal import ProxyCore
internal import SIP
internal import SIPTransactions
internal import Sys

/// A call that is under way.
struct Call: BitwiseCopyable, Sendable {
    /// What is kept of its messages, one behind the other in its block.
    enum Piece: Int, CaseIterable {
        /// As its caller wrote it.
        case callID
        /// The caller's From.
        case from
        /// Its To, with the tag of the phone or Asterisk that has answered.
        case to
        /// The phone's Contact URI; empty while it is not known.
        case phone
        /// The user part of the Asterisk's Contact; empty while it is not known.
        case asterisk
        /// The dialled number, or the caller's name.
        case peer
        /// The way through a trunk's proxies; empty to a phone.
        case route
    }

    /// Whose it is: an account's, or a trunk's.
    let party: Party
    /// Who made it.
    var direction: CallDirection
    /// The response context of its INVITE, while nobody has answered.
    var context = Handle.none
    /// What it is found by.
    var key: UInt64 = 0
    /// The way to the phone.
    var flow: Flow
    /// The Asterisk.
    var asterisk: SocketAddress
    /// The pieces.
    var block = Block.none
    /// How long each is.
    var lengths = InlineArray<7, UInt16>(repeating: 0)
    /// When it began, or was first seen, since 1970.
    var since: Milliseconds
    /// When it was last heard of.
    var heard: Milliseconds
    /// The CSeq of its INVITE, as its caller knows it.
    var sequence: UInt32 = 0
    /// The highest CSeq of the phone's requests, as the Asterisk knows it.
    var inwardSequence: UInt32 = 0
    /// The highest CSeq of the Asterisk's requests.
    var outwardSequence: UInt32 = 0
    /// Whether somebody has answered.
    var isAnswered = false
    /// When somebody has, of the monotonic clock; 0 when that is not known.
    var answeredAt = Milliseconds(0)
    /// Who has ended it while nobody had answered.
    var end: CallEnd?
    /// Why, as that one says.
    var cause = EndCause()
    /// Whether the phone wrote the From that is kept.
    var isFromPhone = false
    /// Whether the number is abroad.
    var isAbroad = false
    /// A keyed hash of the dialled number.
    var mark: UInt64 = 0
    /// Whether banner has not said yet in which country the phone is.
    var isUnlocated = false
    /// Whether the answer was acknowledged, or something else was said in the call since.
    var isConfirmed = false
    /// Whether the row that let it in was not confirmed, and has not been since.
    var isUnconfirmed = false
    /// Whether it is to end as soon as it is answered.
    var isEnding = false
    /// Whether the phone has transferred a call while it had this one.
    var isTransferred = false
    /// The next call of the party, and the one before; -1 for none.
    var next: Int32 = -1
    var previous: Int32 = -1

    /// Where a piece lies in the block.
    func range(_ piece: Piece) -> Range<Int> {
        var start = 0
        for place in 0..<piece.rawValue { start += Int(lengths[place]) }
        return start..<start + Int(lengths[piece.rawValue])
    }
}

/// Why an account is barred.
struct Bar: Sendable {
    /// Since when, since 1970.
    var since: Milliseconds
    /// The reason code.
    var reason: String
    /// What was seen, in words.
    var evidence: String
}

extension Call {
    /// How long nothing may be heard of a call until it counts as over: phones that have lost their power say no BYE.
    private static let longestSilence = Milliseconds.seconds(8 * 3600)

    /// How a call has ended without a word of anybody; nil when it has not.
    ///
    /// An answer that nobody acknowledges is taken back (RFC 3261 section 13.3.1.4).
    func overdue(_ now: Milliseconds, _ core: borrowing ProxyCore) -> CallEnd? {
        guard isAnswered else { return core.contains(context) ? nil : .silent }
        let isLost = heard < now - (isConfirmed ? Self.longestSilence : Timers.giveUp)
        guard isLost else { return nil }
        return isConfirmed ? .silent : .unacknowledged
    }
}
