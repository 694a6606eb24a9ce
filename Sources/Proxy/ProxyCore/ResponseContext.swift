package import Digest
package import Messages
package import ProxyBench
package import Reactor
package import SIP
package import SIPTransactions
package import SIPWriting
package import Sys

/// A request that is being passed on: its server transaction, and what its branches have come to
/// (the response context of RFC 3261 section 16).
package struct ResponseContext: BitwiseCopyable, Sendable {
    /// How many branches a request may have.
    package static let maximumBranches = 12

    /// The request's method.
    package internal(set) var method = Method.other
    /// Which way the request goes.
    package internal(set) var direction = Direction.inward
    /// Where the request came from.
    package internal(set) var flow: Flow
    /// What its retransmissions, ACK and CANCEL are found by.
    package internal(set) var key: UInt64 = 0
    /// What the same request that came by another way is found by; 0 when that is not looked for.
    package internal(set) var mergeKey: UInt64 = 0
    /// The server side.
    package internal(set) var server: ServerTransaction
    /// The request as it came.
    package internal(set) var request = Block.none
    /// The lines that every answer repeats of it (`MessageWriter.answerIdentity`), without a tag of ours.
    package internal(set) var identity = Block.none
    /// Where in these lines our tag stands; 0 when To came with one.
    package internal(set) var tagPlace = 0
    /// The last answer given.
    package internal(set) var answer = Block.none
    /// Who calls, or is called.
    package let party: Party
    /// Who stands as the caller toward the Asterisk.
    package internal(set) var caller = WrittenCaller.asWritten
    /// Whether the Asterisk has addressed us instead of the trunk.
    package internal(set) var isReaddressed = false
    /// Whether the request was inside a dialog.
    package internal(set) var inDialog = false
    /// What the tokens of its dialog are bound to.
    package internal(set) var dialog = StringVector()
    /// Who began the dialog of a request that leaves; one outside of any begins its own.
    package internal(set) var dialogOwner = DialogOwner.inside
    /// The user part of the Request-URI on the inner side; all of it on the way to a trunk.
    package internal(set) var user = Text.none
    /// The Asterisk the request goes to, by address.
    package internal(set) var asterisk = SocketAddress(IPAddress(v4: 0), port: 0)
    /// A bit for each Asterisk, or server of the trunk, that was tried.
    package internal(set) var tried: UInt64 = 0
    /// How much higher the CSeq is on the inner side.
    package internal(set) var sequenceShift: UInt16 = 0
    /// How many challenges of the Asterisk were answered.
    package internal(set) var challenges: UInt8 = 0
    /// Whether it waits for the account's hashes in the realm of the Asterisk, which has asked for them.
    package internal(set) var awaitsHashes = false
    /// Whether the caller has cancelled.
    package internal(set) var isCancelled = false
    /// How many branches the request may still be split into on its way (RFC 5393 section 5).
    package internal(set) var breadth: UInt8 = 60
    /// The call that it is to begin, or has ended as a BYE; none for what is no call of the table.
    package internal(set) var call = Handle.none
    /// The branches.
    package internal(set) var branches = InlineArray<12, Handle>(repeating: .none)
    /// How many branches there have been.
    package internal(set) var branchCount = 0
    /// How many have not ended.
    package internal(set) var open = 0
    /// The best failure so far, as it came; none when it was our own.
    package internal(set) var best = Block.none
    /// Its status; 0 when there is none.
    package internal(set) var bestStatus: UInt16 = 0
    /// Why its caller or who was called has ended it, as said in Reason.
    package internal(set) var cause = EndCause()
    /// Whether the failure that was passed on came from who was called.
    package internal(set) var isPassedOn = false
    /// Whether a branch of it found no room.
    var isStarved = false
    /// Whether a phone was refused to send the call on, which counts as a 403 of our own.
    var isForwardingRefused = false
    /// Timer H, I, J or L.
    package internal(set) var end = TimerHandle.none
    /// Timer G.
    package internal(set) var retransmit = TimerHandle.none
    /// Timer C.
    package internal(set) var deadline = TimerHandle.none

    /// The response context of a request that came this way.
    package init(flow: Flow, method: Method, direction: Direction, party: Party) {
        self.party = party
        self.flow = flow
        self.method = method
        self.direction = direction
        server = ServerTransaction(
            isInvite: method == .invite, reliable: flow.transport.isStream)
    }
}
