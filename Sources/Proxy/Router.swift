internal import Digest
internal import Journal
package import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Synchronization
package import Sys

/// How much of a router's tables is in use.
package struct RouterLoad: Equatable, Sendable {
    /// Requests being passed on.
    package var exchanges: Int
    /// Requests sent and not over.
    package var clients: Int
    /// Registrations at Asterisks.
    package var presences: Int
    /// Timers set.
    package var timers: Int
    /// Calls under way.
    package var calls: Int
    /// Blocks for messages that are free.
    package var freeBlocks: Int
    /// Messages that wait for directory.
    package var parked: Int
    /// Questions to directory under way.
    package var lookUps: Int
    /// Answers to wrong passwords that wait for their time.
    package var held: Int
}

/// A message that waits for directory to say who its account is.
struct ParkedMessage {
    var block: Block
    var flow: Flow
    var arrival: Arrival
}

/// What is known of a message in hand beside its bytes and its way, which it keeps while it waits for directory.
struct Arrival: BitwiseCopyable {
    /// When it came, which may be before `now` for one that has waited.
    var moment = Milliseconds(0)
    /// Its number among all that came.
    var number: UInt64 = 0
    /// Whether its credentials answer a nonce of ours for its own Request-URI, which is looked at once.
    var isAnswered = false
    /// Whether it came before, in every byte: its credentials prove nothing then, and it changes nothing.
    var isRepetition = false
    /// Whether a try of a name has been taken for it.
    var isCharged = false
}

/// SIP without sockets: whole messages and moments in, messages and requests to other processes out.
///
/// The loop hands in what came (`receive`, `answer`, `advance`, ...) and then takes what is to go out:
/// `outbox`, `toDirectory`, `toBanner`, `audit`.
package struct Router: ~Copyable {
    /// Messages to send.
    package var outbox = Outbox()
    /// Requests to directory, in order.
    package var toDirectory = DirectoryQueue()
    /// Requests to banner, in order.
    package var toBanner: [RouterToBanner] = []
    /// Records for the journal.
    package var audit = Audit()

    var settings: RouterSettings
    let listeners: [Listener]
    /// The listener that requests to Asterisks go out by, but for those of trunks.
    let inside: UInt8
    let parser = MessageParser()
    var writer: MessageWriter
    /// When this installation began to bind tokens to dialogs, since 1970; 0 when it always has.
    let boundSince: Milliseconds
    // A Request-URI fits, since a start line does.
    var scratch = ByteBuffer(capacity: MessageParser.maximumLine)
    var hashes = HashEngine()
    var nonces: Nonces
    /// What the monotonic clock is behind the time since 1970 when this process began.
    private let clockOffset: Milliseconds
    var now: Now
    var timers: TimerWheel
    var blocks = BlockStore(Router.blockSizes)
    var exchanges: Slots<Exchange>
    var clients: Slots<Client>
    var presences: Slots<Presence>
    var keys = NameTable()
    var accounts = Accounts(capacity: 1_000_000)
    var bindings = Bindings(capacity: 1_000_000)
    /// The REGISTER at hand.
    var request = RegisterRequest()
    /// What exchanges and their branches remember of messages.
    var texts = TextStore(capacity: Router.textBytes)
    var asterisks: [Asterisk] = []
    var nextAsterisk = 0
    /// Who calls without an account.
    var trunks: [Trunk] = []
    /// From where, all of them together: what every stranger's address is looked for in.
    var trunkSources = AddressRanges()
    /// The rows of `accounts` that stand for them, by their numbers.
    var trunkAccounts: [Int32] = []
    var defence = Defence()
    var budgets = RequestBudgets()
    /// In whose name no datagram comes from outside.
    var insideSources = AddressRanges()
    /// The sources that our addresses outside are in, which are never banned.
    var ownSources: Set<IPAddress> = []
    var droppedTokens = TokenBucket()
    var shortTokens = TokenBucket()
    var unansweredTokens = TokenBucket()
    /// How many places of residents a banner that was started anew has been told of, and when the next follow.
    var residentsTold = Int.max
    var nextTelling = Milliseconds(0)
    var recent = Recent()
    var held = HeldAnswers()
    var heldTimer = TimerHandle.none
    /// Which tables were full.
    var shortages = Shortages()
    /// The accounts whose bindings have changed lately, and what the journal is still to be told of them.
    var registrationRecords = RegistrationRecords(capacity: 1_000_000)
    /// The calls under way, and who may make more.
    var calls = Calls()
    /// How far the local time is ahead of UTC; the loop keeps it right.
    package var utcOffset = Milliseconds(0)
    /// How many answers go to those who have proven nothing.
    var rates = AnswerRates(replies: 1, packets: 1)
    /// What the sender of the message in hand has proven.
    var proof = Proof.way
    /// Whether it came by a way that no phone has registered by.
    var isStranger = false
    /// Its length in bytes, which bounds the answer to it; the greatest number when nothing does.
    var replyLimit = Int.max
    /// What the answer in the writer is to, of what proves nothing: the hash of its Call-ID, its method, and the
    /// status that it is answered with.
    var asked = (callID: UInt64(0), method: Method.other, status: UInt16(0))
    /// What else is known of it.
    var arrival = Arrival()
    private var arrivals: UInt64 = 0
    /// The networks whose connections are to be closed; the loop takes them.
    package var closing: [Network] = []
    var parked: [Int32: [ParkedMessage]] = [:]
    var parkedCount = 0
    /// What a lookup under way is for: an account, and a realm other than ours when it is one.
    var lookUps: [UInt32: (account: Int32, realm: [UInt8])] = [:]
    var nextLookUp: UInt32 = 0
    /// HA1s for realms of Asterisks that are not ours.
    var foreignHA1: [ForeignRealm: HashValue] = [:]
    /// Whether the bindings that directory kept have been taken over.
    var hasLoaded = false
    /// The connections by which an account has authenticated.
    ///
    /// Of these and those below the whole flow counts, never the handle alone: what was kept of a connection
    /// may be older than the process that gives handles now.
    var authenticatedConnections: Set<Flow> = []
    /// The connections that stand.
    var liveConnections: Set<Flow> = []
    /// The bindings that came by each connection, perhaps before they moved to another one.
    var connectionBindings: [Flow: Set<Int32>] = [:]
    /// The TCP connections by which phones have newly registered, until the process has taken them.
    package var boundConnections: [Flow] = []
    /// How many requests are under way by each connection.
    var sentByConnection: [Flow: Int] = [:]
    /// The connections that have closed with requests under way, until those have ended.
    var lostConnections: Set<Flow> = []
    /// Branches, tags, Call-IDs and cnonces of our own (RFC 3261 section 19.3).
    private var randomness: RandomStream
    /// Keeps the router in memory, where it is lent out by its address: without, whoever only reads one
    /// property gets a copy of all of them (Swift 6.3; see `MessageIndex`).
    private let anchor = Atomic<UInt8>(0)

    struct ForeignRealm: Hashable {
        var account: Int32
        var realm: [UInt8]
        var algorithm: UInt8
    }

    /// A router for these sockets; `secret` is of 72 bytes and outlives the process: two keys of 32, and the
    /// moment at which tokens began to be bound to dialogs, since 1970, of which 0 says that all of them are.
    ///
    /// `seed` is of 32 bytes, unpredictable and of this process alone; `timers` is how many can be set at once.
    package init(
        settings: RouterSettings, listeners: [Listener], secret: [UInt8], seed: [UInt8], now: Now,
        timers capacity: Int = 8_000_000
    ) {
        self.settings = settings
        self.listeners = listeners
        self.now = now
        clockOffset = now.sinceEpoch - now.monotonic
        let trunkEndpoints = settings.trunks.map(\.inside)
        inside =
            listeners.first {
                $0.side == .inside && $0.endpoint.transport == .udp
                    && !trunkEndpoints.contains($0.endpoint)
            }?.index ?? 0
        writer = MessageWriter(listeners: listeners, key: Array(secret.prefix(32)))
        randomness = RandomStream(seed: seed)
        nonces = Nonces(key: Array(secret[32..<64]), life: randomness.next(), began: now.sinceEpoch)
        boundSince = Milliseconds(Self.number(secret[64..<72]))
        timers = TimerWheel(capacity: capacity, now: now.monotonic)
        let nowhere = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        exchanges = Slots(
            capacity: 100_000, empty: Exchange(flow: nowhere, method: .other, direction: .inward))
        clients = Slots(
            capacity: 200_000,
            empty: Client(owner: .nobody, method: .other, flow: nowhere, cookie: 0))
        // For a million accounts at four Asterisks.
        presences = Slots(capacity: 4_000_000, empty: Presence())
        adopt(settings)
        _ = timers.set(Handle.none.payload(.probe), at: now.monotonic + Milliseconds(50))
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Uses other settings from now on; registrations at Asterisks that stay go on.
    package mutating func adopt(_ wanted: RouterSettings) {
        settings = wanted
        followAddresses()
        rates = AnswerRates(replies: settings.replies, packets: settings.packets)
        if settings.algorithms.contains(.sha256) { keepSHA256() }
        let old = asterisks
        asterisks = settings.asterisks.map { address in
            old.first { $0.address == address } ?? Asterisk(address)
        }
        adoptTrunks()
        let addresses = old.map(\.address)
        guard addresses != settings.asterisks else { return }
        for number in accounts.indices where accounts[number].presences >= 0 {
            renumberPresences(number, addresses)
        }
    }

    /// What is in use now.
    package var load: RouterLoad {
        RouterLoad(
            exchanges: exchanges.count, clients: clients.count, presences: presences.count,
            timers: timers.count, calls: calls.table.count, freeBlocks: blocks.free,
            parked: parkedCount,
            lookUps: lookUps.count, held: held.count)
    }

    /// How long the loop may sleep.
    package var patience: Milliseconds? { timers.patience }

    /// The time since 1970 as nonces have it: by a clock that is not set while the process lives.
    var nonceTime: Milliseconds { now.monotonic + clockOffset }

    /// A number nobody outside can guess, whatever others he has seen.
    mutating func random() -> UInt64 { randomness.next() }

    // MARK: What comes in

    /// Takes one whole message that came by a flow.
    package mutating func receive(_ bytes: Span<UInt8>, _ flow: Flow, _ now: Now) {
        self.now = now
        arrivals &+= 1
        arrival = Arrival(moment: now.monotonic, number: arrivals)
        if flow.transport == .udp, isKeepAlive(bytes) {
            keepAlive(bytes, flow)
            return
        }
        receive(bytes, flow, replayed: false)
    }

    mutating func receive(_ bytes: Span<UInt8>, _ flow: Flow, replayed: Bool) {
        let side = listeners[Int(flow.listener)].side
        switch side {
        case .outside: guard admits(bytes, flow) else { return }
        case .inside:
            guard isAsterisk(flow.peer.ip) else { return }
            (proof, isStranger, replyLimit) = (.way, false, .max)
        }
        var index = MessageIndex()
        do {
            try parser.parse(bytes, into: &index)
        } catch {
            malformed(bytes, index, flow, side, error)
            return
        }
        guard index.isRequest else {
            response(bytes, index, flow)
            return
        }
        switch side {
        case .outside: outsideRequest(bytes, index, flow, replayed)
        case .inside: insideRequest(bytes, index, flow)
        }
    }

    /// Whether the inside answers a peer at all: only the configured Asterisks.
    package func answers(_ ip: IPAddress) -> Bool { isAsterisk(ip) }

    /// The reason code of a connection on which nothing is said.
    package static let idle = "idle-connection"

    /// A stream cannot be read any further and is closed; `reason` is the code.
    package mutating func brokenStream(_ flow: Flow, _ reason: String, _ now: Now) {
        self.now = now
        proof = .way
        offence(reason == Self.idle ? .idleConnections : .malformed, flow)
        guard audit.allowsRefusal(now.monotonic) else { return }
        audit.add(
            .refused, .notice,
            "closed a \(flow.transport.name) connection of \(flow.peer.ip): \(reason)",
            [
                (.address, "\(flow.peer.ip)"), (.port, "\(flow.peer.port)"),
                (.transport, flow.transport.name), (.reason, reason),
            ])
    }

    func isAsterisk(_ ip: IPAddress) -> Bool { asterisks.contains { $0.address.ip == ip } }

    /// What cannot be read is answered with 400 when what an answer repeats is there, never more than once; an
    /// answer counts as a failure of what it answers.
    private mutating func malformed(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ side: Side,
        _ error: ParseError
    ) {
        let isSent =
            isAnswerable(index) && (side == .inside || isToUs(bytes, index, flow))
            && reply(bytes, index, flow, 400, "Bad Request")
        refuseRecord(error.code, isSent ? 400 : 0, index, bytes, flow)
        if takesUnreadable(bytes, index, flow) { return }
        if side == .outside { offence(.malformed, flow) }
    }

    /// Whether everything is there that an answer repeats.
    private func isAnswerable(_ index: borrowing MessageIndex) -> Bool {
        index.isRequest && index.method != .ack && index.has(.via) && !index.via.host.isEmpty
            && index.has(.from) && index.has(.to) && index.has(.callID) && index.has(.cseq)
    }

    /// Whether who sent it knows who is here: he names a domain or a dialog, or comes by a connection, by a
    /// registered way or from a trunk.
    private mutating func isToUs(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        flow.transport.isStream || !isStranger || trunk(at: flow.peer.ip) != nil
            || isForUs(bytes, index)
            || index.requestURI.whole.isEmpty && namesServed(bytes, index)
            || dialogToken(bytes, index, nil) != nil
    }

    // MARK: Timers

    /// Runs every timer that is due.
    package mutating func advance(_ now: Now) {
        self.now = now
        failLostBranches()
        tellResidents()
        if now.monotonic >= calls.nextSweep { sweepCalls() }
        if now.monotonic >= shortages.nextLook { tellShortages() }
        if now.monotonic >= registrationRecords.due { tellRegistrations() }
        // What is left comes with the next turn, when the loop has taken these messages.
        while !outbox.isHalfFull, let payload = timers.next(now.monotonic) {
            guard let kind = TimerKind(rawValue: UInt8(payload >> 56)) else { continue }
            let handle = Handle(payload: payload)
            switch kind {
            case .serverEnd: serverTimer(handle, .timeout)
            case .serverRetransmit: serverTimer(handle, .retransmit)
            case .exchange: exchangeDeadline(handle)
            case .clientRetransmit: clientTimer(handle, .retransmit)
            case .clientEnd: clientTimer(handle, .timeout)
            case .noAnswer: noAnswer(handle)
            case .binding: bindingExpired(Int32(bitPattern: handle.index))
            case .presence: presenceTimer(handle)
            case .probe: probeAsterisks()
            case .held: sendHeld()
            }
        }
    }
}
