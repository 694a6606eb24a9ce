internal import Digest
package import Messages
package import Reactor
package import SIP
package import SIPWriting
package import Sys

/// What the core wants done, until the loop takes it.
package struct Effects: ~Copyable {
    /// Messages to send.
    package var outbox = Outbox()
    /// Requests to directory, in order.
    package var toDirectory = DirectoryQueue()
    /// Requests to banner, in order.
    package var toBanner: [RouterToBanner] = []
    /// Records for the journal.
    package var journal = Audit()
    /// The networks whose connections are to be closed.
    package var closing: [Network] = []
    /// The TCP connections by which phones have newly registered.
    package var boundConnections: [Flow] = []
}

/// The tools that every owner is lent, without a rule in them.
package struct Bench: ~Copyable {
    private let anchor = Anchor()

    /// The time of this turn.
    package var now: Now
    /// How far the local time is ahead of UTC.
    package var utcOffset = Milliseconds(0)
    /// What the administrator has set.
    package var settings: RouterSettings
    /// Our sockets, by their numbers.
    package let listeners: [Listener]
    /// By which listener each Asterisk is called, but for calls of trunks.
    package var asteriskWays: AsteriskWays
    /// All timers of the core.
    package var timers: TimerWheel
    /// How much each party has of the tables that all share.
    package var shares = Shares(accounts: Capacity.accounts)
    /// Messages that are kept.
    package var blocks = BlockStore(Bench.blockSizes)
    /// What response contexts and their branches remember of messages.
    package var texts = TextStore(capacity: Bench.textBytes)
    /// Where each message that leaves is written.
    package var writer: MessageWriter
    /// Room for a piece of a message; a Request-URI fits, since a start line does.
    package var scratch = ByteBuffer(capacity: MessageParser.maximumLine)
    /// Reads messages that come and those that are kept.
    package let parser = MessageParser()
    /// Which tables were full.
    package var shortages = Shortages()
    /// What the loop is to do.
    package var effects = Effects()
    /// Branches, tags, Call-IDs and cnonces of our own (RFC 3261 section 19.3).
    private var randomness: RandomStream

    /// How many bytes of users and reasons are kept, of all response contexts together.
    package static let textBytes = 64 << 20

    /// The sizes of blocks, in bytes, and how many there are.
    ///
    /// Six for each response context there may be: its request, the lines that answers repeat, its answer, what its
    /// branches sent; and one for each call. Most messages fit 2,048 bytes, those of phones with ICE and many codecs
    /// 4,096 or 8,192; 65,536 are the longest one of a stream.
    package static let blockSizes = [
        (512, 400_000), (1024, 400_000), (2048, 600_000), (4096, 20_000), (8192, 8000),
        (65_536, 512),
    ]

    /// Tools with nothing in them; `key` is of 32 bytes, and `seed` of 32, unpredictable and of this process alone.
    package init(
        _ settings: RouterSettings, _ listeners: [Listener], key: [UInt8], seed: [UInt8],
        timers capacity: Int, now: Now
    ) {
        self.now = now
        self.settings = settings
        self.listeners = listeners
        asteriskWays = AsteriskWays(listeners, trunks: settings.trunks.compactMap(\.inside))
        timers = TimerWheel(capacity: capacity, now: now.monotonic)
        writer = MessageWriter(listeners: listeners, key: key)
        randomness = RandomStream(seed: seed)
    }

    /// A number nobody outside can guess, whatever others were seen.
    package mutating func random() -> UInt64 { randomness.next() }

    /// Stores a message for a party; none when there is no room, or the party has its part.
    package mutating func store(_ message: Span<UInt8>, of party: Party) -> Block {
        blocks.store(message, of: party, &shares)
    }

    /// Stores what the writer holds for a party; none when there is no room, or the party has its part.
    package mutating func storeWritten(of party: Party) -> Block {
        blocks.store(writer.buffer, of: party, &shares)
    }

    /// Gives a block of a party's back; nothing when it is none.
    package mutating func release(_ block: inout Block, of party: Party) {
        blocks.release(&block, of: party, &shares)
    }

    /// Sends what the writer holds, if it is whole.
    package mutating func sendWritten(to flow: Flow) {
        if writer.isWhole { effects.outbox.append(writer.buffer, to: flow) }
    }

    /// Sends a message that is kept.
    package mutating func send(_ block: Block, to flow: Flow) {
        effects.outbox.append(block, of: blocks, to: flow)
    }

    /// Sets a timer that fires after a span.
    package mutating func setTimer(_ payload: UInt64, after span: Milliseconds) -> TimerHandle {
        timers.set(payload, at: now.monotonic + span)
    }

    /// Tells the journal, once a second, which tables were found full.
    package mutating func reportShortages() {
        shortages.report(
            blocks, lost: effects.outbox.lost, now.monotonic, into: &effects.journal)
    }
}
