internal import Digest
internal import Journal
package import Messages
internal import Reactor
internal import Registrar
internal import SIP
internal import SIPTransactions
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
    var moment: Milliseconds
    var number: UInt64
    var sender: Sender
}

/// SIP without sockets: whole messages and moments in, messages and requests to other processes out.
///
/// The loop hands in what came (`receive`, `answer`, `advance`, ...) and then takes what is to go out:
/// `effects`.
package struct Router: ~Copyable {
    /// The tools that owners are lent.
    var bench: Bench
    let listeners: [Listener]
    /// The listener that requests to Asterisks go out by, but for those of trunks.
    let inside: UInt8
    /// When this installation began to bind tokens to dialogs, since 1970; 0 when it always has.
    let boundSince: Milliseconds
    var hashes = HashEngine()
    var nonces: Nonces
    /// What the monotonic clock is behind the time since 1970 when this process began.
    private let clockOffset: Milliseconds
    var exchanges: Slots<Exchange>
    var clients: Slots<Client>
    var presences: Slots<Presence>
    var keys = NameTable()
    var accounts = Accounts(capacity: 1_000_000)
    var bindings = Bindings(capacity: 1_000_000)
    /// The REGISTER at hand.
    var request = RegisterRequest()
    var asterisks: [Asterisk] = []
    var nextAsterisk = 0
    /// Who calls without an account.
    var trunks: [Trunk] = []
    /// From where, all of them together: what every stranger's address is looked for in.
    var trunkSources = AddressRanges()
    /// The rows of `accounts` that stand for them, by their numbers.
    var trunkAccounts: [Int32] = []
    var admission = Admission()
    var held = HeldAnswers()
    var heldTimer = TimerHandle.none
    /// The accounts whose bindings have changed lately, and what the journal is still to be told of them.
    var registrationRecords = RegistrationRecords(capacity: 1_000_000)
    /// The calls under way, and who may make more.
    var calls = Calls()
    private var arrivals: UInt64 = 0
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
    /// How many requests are under way by each connection.
    var sentByConnection: [Flow: Int] = [:]
    /// The connections that have closed with requests under way, until those have ended.
    var lostConnections: Set<Flow> = []
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
        bench = Bench(
            settings, listeners, key: Array(secret.prefix(32)), seed: seed, timers: capacity,
            now: now)
        self.listeners = listeners
        clockOffset = now.sinceEpoch - now.monotonic
        let trunkEndpoints = settings.trunks.map(\.inside)
        inside =
            listeners.first {
                $0.side == .inside && $0.endpoint.transport == .udp
                    && !trunkEndpoints.contains($0.endpoint)
            }?.index ?? 0
        nonces = Nonces(key: Array(secret[32..<64]), life: bench.random(), began: now.sinceEpoch)
        boundSince = Milliseconds(Self.number(secret[64..<72]))
        let nowhere = Flow(.udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0), port: 0))
        exchanges = Slots(
            capacity: 100_000, empty: Exchange(flow: nowhere, method: .other, direction: .inward))
        clients = Slots(
            capacity: 200_000,
            empty: Client(owner: .nobody, method: .other, flow: nowhere, cookie: 0))
        // For a million accounts at four Asterisks.
        presences = Slots(capacity: 4_000_000, empty: Presence())
        adopt(settings)
        _ = bench.timers.set(Handle.none.payload(.probe), at: now.monotonic + Milliseconds(50))
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Uses other settings from now on; registrations at Asterisks that stay go on.
    package mutating func adopt(_ wanted: RouterSettings) {
        bench.settings = wanted
        followAddresses()
        if bench.settings.algorithms.contains(.sha256) { keepSHA256() }
        let old = asterisks
        asterisks = bench.settings.asterisks.map { address in
            old.first { $0.address == address } ?? Asterisk(address)
        }
        adoptTrunks()
        admission.adopt(trunks: trunks.map(\.settings.name), bench)
        let addresses = old.map(\.address)
        guard addresses != bench.settings.asterisks else { return }
        for number in accounts.indices where accounts[number].presences >= 0 {
            renumberPresences(number, addresses)
        }
    }

    /// What is in use now.
    package var load: RouterLoad {
        RouterLoad(
            exchanges: exchanges.count, clients: clients.count, presences: presences.count,
            timers: bench.timers.count, calls: calls.table.count, freeBlocks: bench.blocks.free,
            parked: parkedCount,
            lookUps: lookUps.count, held: held.count)
    }

    /// How long the loop may sleep.
    package var patience: Milliseconds? { bench.timers.patience }

    /// The time since 1970 as nonces have it: by a clock that is not set while the process lives.
    var nonceTime: Milliseconds { bench.now.monotonic + clockOffset }

    /// What the core wants done; the loop takes it.
    package var effects: Effects {
        _read { yield bench.effects }
        _modify { yield &bench.effects }
    }

    /// How far the local time is ahead of UTC; the loop keeps it right.
    package var utcOffset: Milliseconds {
        get { bench.utcOffset }
        set { bench.utcOffset = newValue }
    }

    // MARK: What comes in

    /// Takes one whole message that came by a flow.
    package mutating func receive(_ bytes: Span<UInt8>, _ flow: Flow, _ now: Now) {
        self.bench.now = now
        arrivals &+= 1
        if flow.transport == .udp, isKeepAlive(bytes) {
            keepAlive(bytes, flow)
            return
        }
        var message = Incoming(bytes, flow, moment: now.monotonic, number: arrivals)
        receive(&message)
    }

    mutating func receive(_ message: inout Incoming) {
        let side = listeners[Int(message.flow.listener)].side
        switch side {
        case .outside:
            message.sender.standing = standing(of: message.flow.peer.ip)
            let isRegistered = isRegistered(message.flow)
            guard let sender = admission.admit(message, isRegistered: isRegistered, bench) else {
                return
            }
            message.sender = sender
        case .inside:
            guard isAsterisk(message.flow.peer.ip) else { return }
            message.sender.standing.isAsterisk = true
        }
        do {
            try bench.parser.parse(message.bytes, into: &message.index)
        } catch {
            malformed(message, side, error)
            return
        }
        guard message.index.isRequest else {
            response(message)
            return
        }
        switch side {
        case .outside: outsideRequest(&message)
        case .inside: insideRequest(&message)
        }
    }

    /// Whether the inside answers a peer at all: only the configured Asterisks.
    package func answers(_ ip: IPAddress) -> Bool { isAsterisk(ip) }

    /// The reason code of a connection on which nothing is said.
    package static let idle = "idle-connection"

    /// A stream cannot be read any further and is closed; `reason` is the code.
    package mutating func brokenStream(_ flow: Flow, _ reason: String, _ now: Now) {
        self.bench.now = now
        offence(reason == Self.idle ? .idleConnections : .malformed, byConnection: flow)
        guard bench.effects.journal.allowsRefusal(now.monotonic) else { return }
        bench.effects.journal.add(
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
        _ message: borrowing Incoming, _ side: Side,
        _ error: ParseError
    ) {
        let isSent =
            isAnswerable(message.index) && (side == .inside || isToUs(message))
            && reply(message, .badRequest)
        admission.recordRefusal(error.code, isSent ? 400 : 0, message, &bench)
        if takesUnreadable(message) { return }
        if side == .outside { admission.offence(.malformed, message, &bench) }
    }

    /// Whether everything is there that an answer repeats.
    private func isAnswerable(_ index: borrowing MessageIndex) -> Bool {
        index.isRequest && index.method != .ack && index.has(.via) && !index.via.host.isEmpty
            && index.has(.from) && index.has(.to) && index.has(.callID) && index.has(.cseq)
    }

    /// Whether who sent it knows who is here: he names a domain or a dialog, or comes by a connection, by a
    /// registered way or from a trunk.
    private mutating func isToUs(
        _ message: borrowing Incoming
    ) -> Bool {
        message.flow.transport.isStream || !message.sender.isStranger
            || message.sender.standing.trunk != nil
            || isForUs(message.bytes, message.index)
            || message.index.requestURI.whole.isEmpty && namesServed(message.bytes, message.index)
            || dialogToken(message.bytes, message.index, nil) != nil
    }

    // MARK: Timers

    /// Runs every timer that is due.
    package mutating func advance(_ now: Now) {
        self.bench.now = now
        failLostBranches()
        admission.announceResidents(&bench)
        if now.monotonic >= calls.nextSweep { sweepCalls() }
        if now.monotonic >= bench.shortages.nextLook { tellShortages() }
        if now.monotonic >= registrationRecords.due { tellRegistrations() }
        // What is left comes with the next turn, when the loop has taken these messages.
        while !bench.effects.outbox.isHalfFull, let payload = bench.timers.next(now.monotonic) {
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
