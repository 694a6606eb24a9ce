// A crowd of phones that come back at once, as after a power cut, and are quiet then.

internal import Glibc
internal import Sys

/// A phone that wants to be registered, as far as time concerns it.
private struct Phone {
    var unit: Unit
    /// The request that waits for its answer, empty between two tries.
    var request: [UInt8] = []
    /// When that was first sent.
    var asked: UInt64 = 0
    /// After how long it is sent again, in microseconds.
    var interval: UInt64 = 0
    /// How many tries it has begun.
    var tries = 0
}

/// Phones behind a few addresses, each at a port of its own.
///
/// Each sends again as RFC 3261 17.1.2.2
/// says, and comes again some seconds after it was refused or not answered.
final class Crowd {
    /// RFC 3261's T1, T2 and timer F, in microseconds.
    private static let firstInterval: UInt64 = 500_000
    private static let longestInterval: UInt64 = 4_000_000
    private static let patience: UInt64 = 32_000_000
    /// How long a phone rests between two tries when it was not told, in microseconds.
    private static let rest: ClosedRange<UInt64> = 2_000_000...6_000_000
    /// How much later than Retry-After a phone comes at most, in microseconds.
    private static let tardiness: UInt64 = 2_000_000
    /// How many phones act between two looks at what has come: their sockets hold the answers so long.
    private static let turn = 256

    private let edge: SocketAddress
    private let source: SocketAddress
    private let options: Options
    /// One for each port, at all addresses.
    private let sockets: [Datagrams]
    private var polls: [pollfd]
    private var phones: [Phone]
    /// When each phone acts next; never once it is registered.
    private var due: [UInt64]
    private let start: UInt64
    private var now: UInt64
    private var latencies: [UInt32] = []
    /// How often what happened that a phone does not wish for.
    private var events: [String: Int] = [:]
    /// How many OPTIONS it has answered.
    private var asked = 0

    /// As many phones as the options have units, one account each.
    init(_ edge: SocketAddress, _ source: SocketAddress, _ options: Options) throws(SystemError) {
        self.edge = edge
        self.source = source
        self.options = options
        var sockets: [Datagrams] = []
        for port in 0..<(options.units + options.sources - 1) / options.sources {
            sockets.append(try Datagrams(atAllAddresses: source.port + UInt16(port)))
        }
        self.sockets = sockets
        polls = sockets.map { pollfd(fd: $0.socket.raw, events: Int16(POLLIN), revents: 0) }
        phones = (0..<options.units).map { Phone(unit: Unit(slot: $0, agent: options.agent)) }
        let begin = microseconds()
        due = phones.indices.map { begin + Self.offset($0, options.rate) }
        start = begin
        now = begin
    }

    /// How long after the start a phone's time has come, in microseconds.
    private static func offset(_ index: Int, _ rate: Int) -> UInt64 {
        rate == 0 ? 0 : UInt64(index) * 1_000_000 / UInt64(rate)
    }

    /// Goes on until all are registered, or the time that the options have is over.
    func run() {
        let end = start + UInt64(options.seconds) * 1_000_000
        while latencies.count < phones.count, now < end {
            act()
            receive(10)
        }
        var outcome = Outcome(done: latencies.count, seconds: Double(now - start) / 1_000_000)
        outcome.latencies = latencies
        let left = phones.count - latencies.count
        if left > 0 { outcome.failures["not registered in \(options.seconds) s"] = left }
        outcome.print()
        for (event, count) in events.sorted(by: { $0.key < $1.key }) { print("\(count) \(event)") }
        listen()
    }

    /// Answers what the edge asks, for as long as the options say, and tells each second how often it has asked so far.
    private func listen() {
        let end = now + UInt64(options.listens) * 1_000_000
        var told = now
        while now < end {
            receive(10)
            guard now - told >= 1_000_000 else { continue }
            told = now
            print("asked \(asked)")
            fflush(nil)
        }
    }

    /// Answers a question whether the phone is there.
    private func answer(_ request: Message, _ index: Int) {
        asked += 1
        let kept = ["Via", "From", "To", "Call-ID", "CSeq"].flatMap { name in
            request.values(name).map { "\(name): \($0)" }
        }
        let lines = ["SIP/2.0 200 OK"] + kept + ["Content-Length: 0", "", ""]
        send(Array(lines.joined(separator: "\r\n").utf8), index)
    }

    /// Has each phone act whose time has come.
    private func act() {
        var acted = 0
        for index in phones.indices where due[index] <= now {
            act(index)
            acted += 1
            if acted % Self.turn == 0 { receive(0) }
        }
    }

    private func act(_ index: Int) {
        if phones[index].request.isEmpty { return begin(index) }
        let sinceAsked = now - phones[index].asked
        guard sinceAsked < Self.patience else {
            count("requests without an answer")
            return rest(index, randomly: Self.rest)
        }
        count("requests sent again")
        send(phones[index].request, index)
        phones[index].interval = min(2 * phones[index].interval, Self.longestInterval)
        due[index] = min(now + phones[index].interval, phones[index].asked + Self.patience)
    }

    private func begin(_ index: Int) {
        phones[index].tries += 1
        phones[index].unit.begin(
            number: phones[index].tries, account: options.first + index, socket: 0,
            at: address(index), .udp, work: .register, now: now)
        ask(phones[index].unit.first(), index)
    }

    /// Sends a request for the first time.
    private func ask(_ text: String, _ index: Int) {
        phones[index].request = Array(text.utf8)
        phones[index].asked = now
        phones[index].interval = Self.firstInterval
        due[index] = now + Self.firstInterval
        send(phones[index].request, index)
    }

    private func send(_ bytes: [UInt8], _ index: Int) {
        sockets[index / options.sources].send(bytes, to: edge, from: address(index))
    }

    /// Ends a try; the next begins after a random time.
    private func rest(_ index: Int, randomly span: ClosedRange<UInt64>) {
        phones[index].request = []
        due[index] = now + UInt64.random(in: span)
    }

    private func count(_ event: String) { events[event, default: 0] += 1 }

    /// The address of a phone: neighbours in the crowd have different ones.
    private func address(_ index: Int) -> SocketAddress {
        let ip = sourceAddress(source, index % options.sources).ip
        return SocketAddress(ip, port: source.port + UInt16(index / options.sources))
    }

    /// Sends what is queued, then waits for answers so many milliseconds, and takes what came.
    private func receive(_ pause: Int32) {
        for socket in sockets { socket.flush() }
        _ = unsafe poll(&polls, nfds_t(polls.count), pause)
        now = microseconds()
        for place in sockets.indices where polls[place].revents != 0 {
            var count = 0
            repeat {
                count = sockets[place].receive()
                for slot in 0..<count {
                    guard let own = sockets[place].ownAddress(slot), own.ip.low >= source.ip.low
                    else { continue }
                    let behind = Int(own.ip.low - source.ip.low)
                    let index = place * options.sources + behind
                    guard behind < options.sources, index < phones.count else { continue }
                    take(Message(sockets[place].datagram(slot).bytes), index)
                }
            } while count == Int(Datagrams.slots)
        }
    }

    private func take(_ message: Message, _ index: Int) {
        if message.status == 0, message.method == "OPTIONS" { return answer(message, index) }
        guard !phones[index].request.isEmpty,
            message.value("Call-ID") == phones[index].unit.callID
        else { return }
        if 100..<200 ~= message.status {
            // RFC 3261 17.1.2.2: in "proceeding" it is sent again every T2.
            phones[index].interval = Self.longestInterval
            return
        }
        switch phones[index].unit.handle(message, rounds: 1) {
        case .wait: break
        case .send(let texts): for text in texts { ask(text, index) }
        case .done:
            phones[index].request = []
            due[index] = .max
            latencies.append(
                UInt32(clamping: now - start - Self.offset(index, options.rate)))
        case .failed:
            count("refused by \(message.status)")
            let told = message.value("Retry-After").flatMap { UInt64($0.prefix { $0.isNumber }) }
            let earliest = told.map { $0 * 1_000_000 }
            rest(index, randomly: earliest.map { $0...($0 + Self.tardiness) } ?? Self.rest)
        }
    }
}
