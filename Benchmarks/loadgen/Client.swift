// The phones: `window` units in flight, each from its own account; or so many units a second.

internal import Glibc
internal import Sys

/// What a unit is.
enum Work: String {
    /// OPTIONS, 200.
    case options
    /// REGISTER, 401, REGISTER, 200.
    case register
    /// REGISTER, 401, REGISTER with a wrong password, 401 or 403.
    case wrong
    /// REGISTER, 401, REGISTER by a name that no account has, 401, 403 or 503.
    case stranger
    /// INVITE, 407, ACK, INVITE, 100, 180, 200, ACK, BYE, 200.
    case call
    /// INVITE, 407, ACK, INVITE, 100, 180, and no end.
    case ring
    /// As many messages that come back as they are as the plan has rounds.
    case echo
}

/// What to drive, at what, how much of it.
struct Plan {
    let work: Work
    let edge: SocketAddress
    /// The first source; the others follow it in the last byte of the address.
    let source: SocketAddress
    let options: Options

    init(work: Work, edge: SocketAddress, source: SocketAddress, _ options: Options) {
        self.work = work
        self.edge = edge
        self.source = source
        self.options = options
    }

    /// How long a unit may stand still before it counts as failed, in microseconds.
    static let patience: UInt64 = 2_000_000
    /// After how many windows of units without an answer the edge is given up.
    static let unansweredRounds = 4
}

/// What came of it.
struct Outcome {
    var done = 0
    var seconds = 0.0
    var latencies: [UInt32] = []
    var failures: [String: Int] = [:]

    /// One line of figures, and one for each kind of failure.
    func print() {
        let sorted = latencies.sorted()
        func share(_ part: Double) -> UInt32 {
            sorted.isEmpty ? 0 : sorted[min(Int(Double(sorted.count) * part), sorted.count - 1)]
        }
        let failed = failures.values.reduce(0, +)
        Swift.print(done, seconds, share(0.5), share(0.99), failed)
        for (kind, count) in failures.sorted(by: { $0.key < $1.key }) {
            complain("\(count) units failed: \(kind)")
        }
    }
}

/// Microseconds of the clock that never jumps.
func microseconds() -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
}

/// The address of source number `index`.
func sourceAddress(_ first: SocketAddress, _ index: Int) -> SocketAddress {
    let ip = IPAddress(high: first.ip.high, low: first.ip.low + UInt64(index))
    return SocketAddress(ip, port: first.port)
}

/// Drives a plan to its end.
final class Client {
    private let plan: Plan
    private var carriers: [any Carrier] = []
    private var slots: [Unit] = []
    private var idle: [Int] = []
    private var begun = 0
    private var outcome = Outcome()
    private var start: UInt64 = 0
    private var now: UInt64 = 0
    private var unanswered = 0
    private var polls: [pollfd] = []

    init(_ plan: Plan) throws(SystemError) {
        self.plan = plan
        let context = plan.options.transport == .tls ? ClientContext() : nil
        for index in 0..<plan.options.sources {
            let local = sourceAddress(plan.source, index)
            switch plan.options.transport {
            case .udp: carriers.append(try DatagramCarrier(from: local, to: plan.edge))
            case .tcp, .tls:
                carriers.append(try StreamCarrier(from: local, to: plan.edge, secured: context))
            }
        }
        polls = carriers.map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
    }

    func run() -> Outcome {
        start = microseconds()
        now = start
        slots = (0..<min(plan.options.window, plan.options.units)).map {
            Unit(slot: $0, agent: plan.options.agent)
        }
        idle = Array(slots.indices.reversed())
        var lastSweep = now
        while outcome.done < plan.options.units,
            unanswered < plan.options.window * Plan.unansweredRounds
        {
            beginDue()
            flush()
            receive()
            if now - lastSweep > 100_000 {
                lastSweep = now
                sweep()
            }
        }
        outcome.seconds = Double(microseconds() - start) / 1_000_000
        return outcome
    }

    private func flush() { for carrier in carriers { carrier.flush() } }

    /// When the next unit shall begin.
    private var due: UInt64 {
        plan.options.rate == 0 ? now : start + UInt64(begun) * 1_000_000 / UInt64(plan.options.rate)
    }

    private func beginDue() {
        while begun < plan.options.units, due <= now, let slot = idle.popLast() {
            begin(slot, at: due)
        }
    }

    /// Waits for an answer or the next unit's time, at most a tenth of a second.
    private func receive() {
        let hasNext = plan.options.rate > 0 && begun < plan.options.units && !idle.isEmpty
        let pause = hasNext ? min((max(due, now) - now + 999) / 1000, 100) : 100
        _ = unsafe poll(&polls, nfds_t(polls.count), Int32(pause))
        now = microseconds()
        for index in carriers.indices where polls[index].revents != 0 {
            let carrier = carriers[index]
            for slot in 0..<carrier.receive() { take(carrier.message(slot)) }
            // A connection that is over would make every poll return at once.
            if carrier.hasEnded { polls[index].fd = -1 }
        }
    }

    private func begin(_ slot: Int, at time: UInt64) {
        let account = begun % plan.options.accounts
        let socket = account % carriers.count
        begun += 1
        slots[slot].begin(
            number: begun, account: plan.options.first + account, socket: socket,
            at: carriers[socket].local, carriers[socket].kind, work: plan.work, now: time)
        send(slots[slot].first(), slot)
    }

    private func send(_ text: String, _ slot: Int) {
        slots[slot].lastProgress = now
        carriers[slots[slot].socket].send(Array(text.utf8))
    }

    private func finish(_ slot: Int, failure: String?) {
        outcome.done += 1
        outcome.latencies.append(UInt32(clamping: now - slots[slot].started))
        if let failure { outcome.failures[failure, default: 0] += 1 }
        slots[slot].isOver = true
        idle.append(slot)
    }

    private func sweep() {
        for slot in slots.indices where !slots[slot].isOver {
            if now - slots[slot].lastProgress > Plan.patience {
                unanswered += 1
                finish(slot, failure: "no answer in 2 s (\(slots[slot].step))")
            }
        }
    }

    private func take(_ bytes: [UInt8]) {
        let message = Message(bytes)
        // The Call-ID is "SLOT-NUMBER-RUN@bench".
        guard let callID = message.value("Call-ID"), let dash = callID.firstIndex(of: "-"),
            let slot = Int(callID[..<dash]), slots.indices.contains(slot),
            !slots[slot].isOver, callID == slots[slot].callID
        else { return }
        switch slots[slot].handle(message, rounds: plan.options.rounds) {
        case .wait: break
        case .send(let texts): for text in texts { send(text, slot) }
        case .done: finish(slot, failure: nil)
        case .failed(let why): finish(slot, failure: why)
        }
    }
}
