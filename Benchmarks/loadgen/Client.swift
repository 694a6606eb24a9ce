// The phones: a closed loop of `window` units in flight, each from its own account.

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
    /// INVITE, 407, ACK, INVITE, 100, 180, 200, ACK, BYE, 200.
    case call
    /// As many messages that come back as they are as the plan has rounds.
    case echo
}

/// What to drive, at what, how much of it.
struct Plan {
    let work: Work
    let edge: SocketAddress
    /// The first source; the others follow it in the last byte of the address.
    let source: SocketAddress
    let sources: Int
    let window: Int
    let units: Int
    let accounts: Int
    let rounds: Int

    /// How long a unit may stand still before it counts as failed, in microseconds.
    static let patience: UInt64 = 2_000_000
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
private func microseconds() -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
}

/// Drives a plan to its end.
final class Client {
    private let plan: Plan
    private var sockets: [Datagrams] = []
    private var slots: [Unit] = []
    private var begun = 0
    private var outcome = Outcome()
    private var now: UInt64 = 0

    init(_ plan: Plan) throws(SystemError) {
        self.plan = plan
        for index in 0..<plan.sources {
            let ip = IPAddress(high: plan.source.ip.high, low: plan.source.ip.low + UInt64(index))
            sockets.append(try Datagrams(SocketAddress(ip, port: plan.source.port)))
        }
    }

    func run() -> Outcome {
        let start = microseconds()
        now = start
        slots = (0..<min(plan.window, plan.units)).map { Unit(slot: $0) }
        for slot in slots.indices { begin(slot) }
        flush()
        var lastSweep = now
        while outcome.done < plan.units {
            wait()
            now = microseconds()
            for socket in sockets {
                for index in 0..<socket.receive() { take(socket.datagram(index).bytes) }
            }
            if now - lastSweep > 100_000 {
                lastSweep = now
                sweep()
            }
            flush()
        }
        outcome.seconds = Double(microseconds() - start) / 1_000_000
        return outcome
    }

    private func flush() { for socket in sockets { socket.flush() } }

    private func wait() {
        var polls = sockets.map { pollfd(fd: $0.socket.raw, events: Int16(POLLIN), revents: 0) }
        _ = unsafe poll(&polls, nfds_t(polls.count), 100)
    }

    private func begin(_ slot: Int) {
        guard begun < plan.units else {
            slots[slot].isOver = true
            return
        }
        let account = begun % plan.accounts
        let socket = account % sockets.count
        begun += 1
        slots[slot].begin(
            number: begun, account: account, socket: socket, local: sockets[socket].local,
            work: plan.work, now: now)
        send(slots[slot].first(), slot)
    }

    private func send(_ text: String, _ slot: Int) {
        slots[slot].lastProgress = now
        sockets[slots[slot].socket].send(Array(text.utf8), to: plan.edge)
    }

    private func finish(_ slot: Int, failure: String?) {
        outcome.done += 1
        outcome.latencies.append(UInt32(clamping: now - slots[slot].started))
        if let failure { outcome.failures[failure, default: 0] += 1 }
        begin(slot)
    }

    private func sweep() {
        for slot in slots.indices where !slots[slot].isOver {
            if now - slots[slot].lastProgress > Plan.patience {
                finish(slot, failure: "no answer in 2 s (\(slots[slot].step))")
            }
        }
    }

    private func take(_ bytes: [UInt8]) {
        let message = Message(bytes)
        // The Call-ID is "SLOT-NUMBER@bench".
        guard let callID = message.value("Call-ID"), let dash = callID.firstIndex(of: "-"),
            let slot = Int(callID[..<dash]), slots.indices.contains(slot),
            !slots[slot].isOver, callID == slots[slot].callID
        else { return }
        switch slots[slot].handle(message, rounds: plan.rounds) {
        case .wait: break
        case .send(let texts): for text in texts { send(text, slot) }
        case .done: finish(slot, failure: nil)
        case .failed(let why): finish(slot, failure: why)
        }
    }
}
