internal import Messages
package import Proxy
internal import Sys

/// A network that loses, doubles, delays and so reorders, between the edge and everybody.
private final class Network {
    let edge: SimulatedEdge
    private var word: UInt64
    private var step = 0
    private var toEdge: [Int: [([UInt8], Flow)]] = [:]
    private var fromEdge: [Int: [(Message, Flow)]] = [:]
    private(set) var messages = 0

    /// `seed` decides everything that happens in it.
    init(_ edge: SimulatedEdge, seed: UInt64) {
        self.edge = edge
        word = seed
    }

    /// A number below `bound`.
    func random(_ bound: UInt64) -> UInt64 {
        word ^= word << 13
        word ^= word >> 7
        word ^= word << 17
        return (word >> 8) % bound
    }

    /// The steps after which copies of a packet arrive: none when it is lost.
    private func arrivals() -> [Int] {
        messages += 1
        if random(100) < 20 { return [] }
        let one = step + 1 + Int(random(4))
        return random(100) < 5 ? [one, one + Int(random(6))] : [one]
    }

    func send(_ bytes: [UInt8], _ flow: Flow) {
        for place in arrivals() { toEdge[place, default: []].append((bytes, flow)) }
    }

    /// One step of 20 ms; what arrives at the user agents.
    func advance() -> [(Message, Flow)] {
        step += 1
        for (bytes, flow) in toEdge.removeValue(forKey: step) ?? [] { edge.receive(bytes, flow) }
        edge.advance(Milliseconds(20))
        for (flow, sent) in edge.inboxes {
            for message in sent {
                for place in arrivals() { fromEdge[place, default: []].append((message, flow)) }
            }
        }
        edge.inboxes = [:]
        return fromEdge.removeValue(forKey: step) ?? []
    }
}

/// One call from a phone: challenge, answer, and its end; each request again until it is answered.
private final class Call {
    enum Stage { case asking, proving, ending, over }

    let number: Int
    let phone: Phone
    let network: Network
    var stage = Stage.asking
    var result = 0
    private let uri = "sip:100@example.com"
    private var pending: [UInt8] = []
    private var sent: Message?
    private var dialog: Dialog?
    private var tries = 0
    private var wait = 0

    init(_ number: Int, _ phone: Phone, _ network: Network) {
        self.number = number
        self.phone = phone
        self.network = network
        ask([], sequence: 1)
    }

    private func ask(_ extra: [String], sequence: Int) {
        let lines = ["Contact: <\(phone.contact)>"] + extra
        begin(
            phone.request("INVITE", uri, callID: "call\(number)", sequence: sequence, lines))
        sent = Message(pending)
    }

    private func begin(_ bytes: [UInt8]) {
        pending = bytes
        tries = 0
        wait = 25
        network.send(bytes, phone.flow)
    }

    /// A step of time: what was not answered is sent again, or given up.
    func tick() {
        guard stage != .over, !pending.isEmpty else { return }
        wait -= 1
        guard wait <= 0 else { return }
        tries += 1
        wait = 25 << min(tries, 3)
        guard tries < 10 else {
            stage = .over
            return
        }
        network.send(pending, phone.flow)
    }

    func take(_ message: Message) {
        guard !message.isRequest, let sent else { return }
        let status = message.status
        if message.sequenceMethod == "INVITE", status >= 300 {
            network.send(phone.acknowledgement(of: message, uri), phone.flow)
        }
        switch stage {
        case .asking:
            guard status == 407, message.sequence == 1 else { return }
            stage = .proving
            ask([phone.credentials(message, "INVITE", uri)], sequence: 2)
        case .proving:
            guard message.sequence == 2, message.sequenceMethod == "INVITE" else { return }
            if status < 200 {
                // Ringing: the retransmissions end; every fourth call is cancelled.
                if status == 180, number % 4 == 3, !pending.starts(with: Array("CANCEL".utf8)) {
                    begin(cancel(sent))
                } else if number % 4 != 3 {
                    pending = []
                }
                return
            }
            result = status
            guard status < 300 else {
                stage = .over
                return
            }
            var dialog = Dialog(caller: sent, message)
            network.send(dialog.request("ACK", via: phone.via), phone.flow)
            begin(dialog.request("BYE", via: phone.via))
            self.dialog = dialog
            stage = .ending
        case .ending:
            if message.sequenceMethod == "BYE", status >= 200 {
                stage = .over
            } else if message.sequenceMethod == "INVITE", var dialog {
                dialog.sequence = 2
                network.send(dialog.request("ACK", via: phone.via), phone.flow)
            }
        case .over: break
        }
    }

    private func cancel(_ invite: Message) -> [UInt8] {
        wire([
            "CANCEL \(invite.uri) SIP/2.0", "Via: \(invite["Via"])", "Max-Forwards: 70",
            "From: \(invite["From"])", "To: \(invite["To"])", "Call-ID: \(invite["Call-ID"])",
            "CSeq: \(invite.sequence) CANCEL",
        ])
    }
}

/// An Asterisk that answers, refuses, or rings, by the call's number, and sends its final answers again
/// until they are acknowledged.
private final class Answerer {
    let asterisk: PBX
    let network: Network
    private var finals: [String: (bytes: [UInt8], left: Int, wait: Int)] = [:]
    private var ringing: [String: Message] = [:]
    private var ended: Set<String> = []

    init(_ asterisk: PBX, _ network: Network) {
        self.asterisk = asterisk
        self.network = network
    }

    func take(_ message: Message) {
        guard message.isRequest else { return }
        let callID = message["Call-ID"]
        let kind = (Int(callID.dropFirst(4)) ?? 0) % 4
        switch message.method {
        case "INVITE" where ended.contains(callID): break
        case "INVITE" where kind == 2: finish(message, 486)
        case "INVITE" where kind == 3:
            ringing[callID] = message
            network.send(response(to: message, 180, tag: "as"), asterisk.flow)
        case "INVITE": finish(message, 200)
        case "ACK": finals[callID] = nil
        case "CANCEL":
            network.send(response(to: message, 200, tag: "as"), asterisk.flow)
            if let invite = ringing.removeValue(forKey: callID) { finish(invite, 487) }
        default: network.send(response(to: message, 200), asterisk.flow)
        }
    }

    private func finish(_ invite: Message, _ status: Int) {
        let contact = status == 200 ? ["Contact: <\(asterisk.contact)>"] : []
        let bytes = response(to: invite, status, tag: "as", contact)
        finals[invite["Call-ID"]] = (bytes, 10, 25)
        ended.insert(invite["Call-ID"])
        network.send(bytes, asterisk.flow)
    }

    func tick() {
        for (callID, final) in finals where final.left > 0 {
            finals[callID]?.wait -= 1
            guard final.wait <= 1 else { continue }
            finals[callID]?.left -= 1
            finals[callID]?.wait = 25 << min(10 - final.left, 3)
            network.send(final.bytes, asterisk.flow)
        }
    }
}

/// What came of many calls over a lossy network.
package struct LossyOutcome: Sendable {
    /// How many calls ended with each final status; 0 for those whose phone gave up.
    package var results: [Int: Int] = [:]
    /// How many messages were given to the network.
    package var messages = 0
    /// What the router held before the calls.
    package var before: RouterLoad
    /// What it holds after them.
    package var after: RouterLoad

    /// Whether the router holds nothing of the calls any more; a question whether an Asterisk answers may
    /// be under way.
    package var isFree: Bool {
        after.contexts == 0 && after.transactions <= 1 && after.freeBlocks == before.freeBlocks
            && after.calls == 0 && after.parked == 0 && after.questions == 0
            && after.timers == before.timers
    }

    /// Whether calls ended as their Asterisk meant them to: half answered, a quarter refused, a quarter
    /// cancelled, but for what a network may do that loses the same message ten times.
    package var isAsMeant: Bool {
        let calls = results.values.reduce(0, +)
        return results[200, default: 0] > calls / 2 * 9 / 10
            && results[486, default: 0] > calls / 4 * 9 / 10
            && results[487, default: 0] > calls / 4 * 8 / 10
    }
}

extension SimulatedEdge {
    /// Makes `count` calls, fifty a second, over a network that loses a fifth of the messages, doubles a
    /// twentieth, and lets them overtake each other; then waits for as long as anything may last.
    ///
    /// `seed` is not 0, and alice is registered for longer than that.
    package func makeLossyCalls(_ count: Int, from alice: Phone, seed: UInt64) -> LossyOutcome {
        let before = router.load
        let network = Network(self, seed: seed)
        let answerer = Answerer(PBX(self), network)
        var calls: [Call] = []
        var live: [Call] = []
        // Longer than timer C, which ends what rings on after a CANCEL that never arrived.
        var idle = 0
        while idle < 15_000 {
            if calls.count < count {
                let call = Call(calls.count, alice, network)
                calls.append(call)
                live.append(call)
            } else {
                idle += 1
            }
            for (message, flow) in network.advance() {
                if flow == alice.flow {
                    if let number = Int(message["Call-ID"].dropFirst(4)), number < calls.count {
                        calls[number].take(message)
                    }
                } else {
                    answerer.take(message)
                }
            }
            for call in live { call.tick() }
            live.removeAll { $0.stage == .over }
            answerer.tick()
        }
        let results = Dictionary(grouping: calls, by: \.result).mapValues(\.count)
        return LossyOutcome(
            results: results, messages: network.messages, before: before, after: router.load)
    }
}
