internal import Digest
package import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import Synchronization
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
struct Bench: ~Copyable {
    /// The time of this turn.
    var now: Now
    /// How far the local time is ahead of UTC.
    var utcOffset = Milliseconds(0)
    /// What the administrator has set.
    var settings: RouterSettings
    /// All timers of the core.
    var timers: TimerWheel
    /// Messages that are kept.
    var blocks = BlockStore(Bench.blockSizes)
    /// What response contexts and their branches remember of messages.
    var texts = TextStore(capacity: Bench.textBytes)
    /// Where each message that leaves is written.
    var writer: MessageWriter
    /// Room for a piece of a message; a Request-URI fits, since a start line does.
    var scratch = ByteBuffer(capacity: MessageParser.maximumLine)
    /// Reads messages that come and those that are kept.
    let parser = MessageParser()
    /// Which tables were full.
    var shortages = Shortages()
    /// What the loop is to do.
    var effects = Effects()
    /// Branches, tags, Call-IDs and cnonces of our own (RFC 3261 section 19.3).
    private var randomness: RandomStream
    /// Keeps the tools in memory, where they are lent by their address: without, each question to an owner that changes
    /// itself copies all of them (Swift 6.3; as `Router.anchor`).
    private let anchor = Atomic<UInt8>(0)

    /// How many bytes of users and reasons are kept, of all response contexts together.
    static let textBytes = 64 << 20

    /// The sizes of blocks, in bytes, and how many there are.
    ///
    /// Six for each response context there may be: its request, the lines that answers repeat, its answer, what its
    /// branches sent; and one for each call. Most messages fit 2,048 bytes, those of phones with ICE and many codecs
    /// 4,096 or 8,192; 65,536 are the longest one of a stream.
    static let blockSizes = [
        (512, 400_000), (1024, 400_000), (2048, 600_000), (4096, 20_000), (8192, 8000),
        (65_536, 512),
    ]

    /// Tools with nothing in them; `key` is of 32 bytes, and `seed` of 32, unpredictable and of this process alone.
    init(
        _ settings: RouterSettings, _ listeners: [Listener], key: [UInt8], seed: [UInt8],
        timers capacity: Int, now: Now
    ) {
        self.now = now
        self.settings = settings
        timers = TimerWheel(capacity: capacity, now: now.monotonic)
        writer = MessageWriter(listeners: listeners, key: key)
        randomness = RandomStream(seed: seed)
    }

    /// A number nobody outside can guess, whatever others were seen.
    mutating func random() -> UInt64 { randomness.next() }
}
