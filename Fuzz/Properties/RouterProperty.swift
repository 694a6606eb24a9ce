internal import Messages
internal import Proxy
internal import RouterHarness
internal import Sys

/// The router, in any order of events.
extension Properties {
    /// Whatever phones, Asterisks, directory and the clock do in whatever order: a request gets one final answer,
    /// a token leads nowhere but in its dialog, the inside is only sent to at the Asterisks, no inside address
    /// leaves, and when all is over the router holds as much as in the beginning.
    ///
    /// The bytes choose the events, see `RouterPlay`.
    package static func router(_ bytes: Span<UInt8>) -> String? {
        let play = RouterPlay([UInt8](copying: bytes))
        play.run()
        return play.fault
    }
}

/// Two phones over UDP, one over TCP, two Asterisks, and a script of bytes that says what they do next.
///
/// A script that begins with 255 has a trunk besides: the Asterisks as they are reached for it, and its server.
private final class RouterPlay {
    private static let methods = ["BYE", "INVITE", "REFER", "INFO", "UPDATE", "PRACK", "NOTIFY"]
    private static let statuses = [
        100, 180, 183, 200, 200, 202, 302, 401, 403, 404, 407, 408, 481, 486, 487, 491, 500, 503,
        603,
    ]
    private static let targets = ["100", "alice", "bob", "carol", "nobody"]
    private static let spans: [Int64] = [
        20, 200, 500, 1000, 2000, 4000, 8000, 33_000, 64_000, 190_000,
    ]
    private static let mostEvents = 60

    private var script: ArraySlice<UInt8>
    private let edge: SimulatedEdge
    private let base: RouterLoad
    private let phones: [Phone]
    private let asterisks: [PBX]
    private let carriers: [Carrier]
    private let peers: [Peer]
    /// What each peer has got, the latest last.
    private var got: [[Message]]
    /// What each peer has sent.
    private var sent: [[[UInt8]]]
    /// How often each request was sent, and the answers to those that were sent once.
    private var requests: [String: Int] = [:]
    private var answers: [String: [String]] = [:]
    private var calls = 0
    /// What does not hold; the first of it.
    private(set) var fault: String?

    init(_ script: [UInt8]) {
        self.script = script[...]
        let faults = Faults()
        let hasTrunk = script.first == 255
        if hasTrunk { self.script.removeFirst() }
        let servers = ["10.0.0.10:5060", "10.0.0.11:5060"]
        edge = SimulatedEdge(hasTrunk ? Self.trunk : [], asterisks: servers) { text in
            faults.first = faults.first ?? text
        }
        self.faults = faults
        edge.repeatsUnreadable = true
        edge.leap(.seconds(6))
        base = edge.router.load
        phones = [
            Phone(edge, "alice"), Phone(edge, "bob", at: "198.51.100.8:5060"),
            Phone(edge, "carol", at: "198.51.100.9:50000", .tcp, connection: 7),
        ]
        let listeners: [UInt8] = hasTrunk ? [3, 4] : [3]
        let edge = edge
        asterisks = listeners.flatMap { listener in
            servers.map { PBX(edge, at: $0, listener: listener) }
        }
        carriers = hasTrunk ? [Carrier(edge, at: "192.0.2.10:5060")] : []
        peers = phones + asterisks + carriers
        got = Array(repeating: [], count: peers.count)
        sent = Array(repeating: [], count: peers.count)
    }

    /// The lines of a trunk of two servers, of which one never answers.
    private static let trunk: [RouterSetting] = [
        TrunkRule.inside(SimulatedEdge.trunkEndpoint), .server(address("192.0.2.10:5060")),
        .server(address("192.0.2.11:5060")), .domain("carrier.example"),
    ].map { .trunk("telco", $0) }

    private let faults: Faults

    private final class Faults {
        var first: String?
    }

    private func next() -> Int { Int(script.popFirst() ?? 0) }

    private func pick<T>(_ list: [T]) -> T? {
        list.isEmpty ? nil : list[list.count - 1 - next() % list.count]
    }

    // MARK: Events

    func run() {
        var left = Self.mostEvents
        while !script.isEmpty, left > 0, fault == nil {
            left -= 1
            event()
            collect()
        }
        if fault == nil { end() }
        fault = fault ?? faults.first
    }

    private func event() {
        let choice = next()
        switch choice % 16 {
        case 0: edge.leap(Milliseconds(Self.spans[next() % Self.spans.count]))
        case 1: register(choice / 16)
        case 2, 3: invite(choice / 16)
        case 4: callFromInside(choice / 16)
        case 5, 6, 7: answer(choice / 16 % peers.count)
        case 8: acknowledge(choice / 16 % 3)
        case 9: cancel(choice / 16 % peers.count)
        case 10: inDialog(choice / 16 % peers.count)
        case 11: sendAgain(choice / 16 % peers.count)
        case 12: reflect(choice / 16 % peers.count)
        case 13: connection(choice / 16)
        case 14: directory(choice / 16)
        default: garble(choice / 16 % peers.count)
        }
    }

    private func send(_ bytes: [UInt8], _ peer: Int) {
        if sent[peer].count < 64 { sent[peer].append(bytes) }
        if let message = Message(bytes), message.isRequest, message.method != "ACK" {
            requests[key(message, peer), default: 0] += 1
        }
        edge.receive(bytes, peers[peer].flow)
    }

    private func key(_ message: Message, _ peer: Int) -> String {
        "\(peer) \(message.branch) \(message["Call-ID"]) \(message["CSeq"])"
    }

    private func collect() {
        for (number, peer) in peers.enumerated() {
            for message in peer.all() {
                if got[number].count < 64 { got[number].append(message) }
                judge(message, number)
            }
        }
        edge.inboxes = [:]
    }

    /// A final answer to a request that was sent once is the only one, but for its retransmissions and for the
    /// 2xx of the branches of an INVITE.
    private func judge(_ message: Message, _ peer: Int) {
        guard message.status >= 200 else { return }
        let key = key(message, peer)
        guard requests[key] == 1 else { return }
        let said = "\(message.status) \(message.toTag)"
        let before = answers[key, default: []]
        guard !before.contains(said) else { return }
        answers[key] = before + [said]
        let isForked =
            message.method == "INVITE" && (before + [said]).allSatisfy { $0.hasPrefix("2") }
        if !before.isEmpty, !isForked { fault = "\(before) and \(said) to \(key)" }
    }

    private func register(_ choice: Int) {
        let phone = phones[choice % 3]
        let expires = [0, 60, 300, 600][next() % 4]
        phone.sequence += 1
        let lines = ["Contact: <\(phone.contact)>", "Expires: \(expires)"]
        ask(choice % 3, "REGISTER", "sip:example.com", "reg\(choice % 3)", lines, phone.sequence)
        phone.sequence += 1
    }

    private func invite(_ choice: Int) {
        calls += 1
        if let carrier = carriers.first, choice % 4 == 3 {
            let names = ["+43123", "100", "alice", "${X}"]
            let caller = "<sip:\(names[next() % 4])@carrier.example>"
            let method = ["INVITE", "INVITE", "MESSAGE", "OPTIONS"][next() % 4]
            let routes = ["Record-Route: <sip:192.0.2.10;lr>"]
            let bytes = carrier.request(
                method, "sip:\(next() % 200)@203.0.113.5", from: caller, callID: "in\(calls)",
                extra: next() % 2 == 0 ? routes : [])
            send(bytes, peers.count - 1)
            return
        }
        let target = Self.targets[next() % Self.targets.count]
        let phone = choice % 3
        let method = ["INVITE", "INVITE", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE"][next() % 6]
        let lines = ["Contact: <\(phones[phone].contact)>"]
        ask(phone, method, "sip:\(target)@example.com", "call\(calls)", lines, 1)
    }

    /// A request, and the same again with credentials when it is asked for them.
    private func ask(
        _ phone: Int, _ method: String, _ uri: String, _ callID: String, _ lines: [String],
        _ sequence: Int
    ) {
        let agent = phones[phone]
        collect()
        send(agent.request(method, uri, callID: callID, sequence: sequence, lines), phone)
        let answers = edge.inboxes[agent.flow] ?? []
        collect()
        guard let challenge = answers.last, challenge.status == 401 || challenge.status == 407
        else {
            return
        }
        if method == "INVITE" { send(agent.acknowledgement(of: challenge, uri), phone) }
        let proof = agent.credentials(challenge, method, uri)
        send(
            agent.request(method, uri, callID: callID, sequence: sequence + 1, lines + [proof]),
            phone)
    }

    private func callFromInside(_ choice: Int) {
        calls += 1
        let caller = asterisks[choice % asterisks.count]
        let account = Self.targets[1 + next() % 4]
        let place = carriers.isEmpty || choice % 3 == 0 ? "10.0.0.1:5060" : "carrier.example"
        let contact = ["10.0.0.10:5060", "10.0.0.11:5060", "10.0.0.99:5060", "192.0.2.1"][
            next() % 4]
        let host = caller.flow.peer
        let bytes = wire(
            [
                "INVITE sip:\(account)@\(place) SIP/2.0", "Via: \(caller.via)",
                "Max-Forwards: 70", "From: \"Carol\" <sip:300@\(host)>;tag=as\(calls)",
                "To: <sip:\(account)@\(place)>", "Call-ID: in\(calls)@\(host)",
                "CSeq: 102 INVITE", "Contact: <sip:300@\(contact)>",
                "Content-Type: application/sdp",
            ], "v=0\r\no=- 1 1 IN IP4 10.0.0.10\r\n")
        send(bytes, phones.count + choice % asterisks.count)
    }

    private func answer(_ peer: Int) {
        guard let request = pick(got[peer].filter(\.isRequest)) else { return }
        let status = Self.statuses[next() % Self.statuses.count]
        let agent = peers[peer]
        let contact =
            (agent as? Phone)?.contact ?? (agent as? PBX)?.contact
            ?? (agent as? Carrier)?.contact ?? ""
        let extra = status > 100 && status < 300 ? ["Contact: <\(contact)>"] : []
        let challenge =
            status == 401 || status == 407
            ? ["WWW-Authenticate: Digest realm=\"\(SimulatedEdge.realm)\", nonce=\"n\(next())\""]
            : []
        let tag = status == 100 ? "" : "t\(peer)\(next() % 2)"
        send(response(to: request, status, tag: tag, extra + challenge), peer)
    }

    private func acknowledge(_ peer: Int) {
        guard let answer = pick(got[peer].filter { $0.status >= 200 && $0.method == "INVITE" }),
            let invite = request(of: answer, peer)
        else { return }
        if answer.status >= 300 {
            send(phones[peer].acknowledgement(of: answer, invite.uri), peer)
        } else {
            var dialog = Dialog(caller: invite, answer)
            send(dialog.request("ACK", via: phones[peer].via), peer)
        }
    }

    /// The request that an answer is of.
    private func request(of answer: Message, _ peer: Int) -> Message? {
        for bytes in sent[peer] {
            if let message = Message(bytes), message.isRequest, message.method != "ACK",
                message.branch == answer.branch
            {
                return message
            }
        }
        return nil
    }

    private func cancel(_ peer: Int) {
        let invites = sent[peer].compactMap { Message($0) }.filter {
            $0.isRequest && $0.method == "INVITE"
        }
        guard let invite = pick(invites) else { return }
        send(
            wire([
                "CANCEL \(invite.uri) SIP/2.0", "Via: \(invite["Via"])", "Max-Forwards: 70",
                "From: \(invite["From"])", "To: \(invite["To"])",
                "Call-ID: \(invite["Call-ID"])", "CSeq: \(invite.sequence) CANCEL",
            ]), peer)
    }

    private func inDialog(_ peer: Int) {
        let messages = got[peer].filter {
            $0.method == "INVITE" && ($0.isRequest || $0.status > 100 && $0.status < 300)
        }
        guard let message = pick(messages) else { return }
        var dialog: Dialog
        if message.isRequest {
            dialog = Dialog(called: message, tag: "t\(peer)\(next() % 2)")
        } else {
            guard let invite = request(of: message, peer) else { return }
            dialog = Dialog(caller: invite, message)
        }
        dialog.sequence += calls
        calls += 1
        let choice = next()
        let method = Self.methods[choice % Self.methods.count]
        if choice >= 128, peers[peer] is Phone, let other = pick(messages) {
            borrow(other, dialog, method, peer)
        } else {
            send(dialog.request(method, via: peers[peer].via), peer)
        }
    }

    /// A phone speaks in a dialog with the token of another one, of which no Asterisk may hear.
    private func borrow(_ other: Message, _ own: Dialog, _ method: String, _ peer: Int) {
        func name(_ callID: String) -> Substring { callID.prefix { $0 != "@" } }
        guard name(other["Call-ID"]) != name(own.callID) else { return }
        var dialog = own
        dialog.target = other.contactURI
        let sign = "X-Borrowed: \(calls)"
        collect()
        send(dialog.request(method, via: peers[peer].via, [sign]), peer)
        for asterisk in asterisks {
            let heard = edge.inboxes[asterisk.flow] ?? []
            guard heard.contains(where: { $0["X-Borrowed"] == "\(calls)" }) else { continue }
            fault = fault ?? "a token of \(other["Call-ID"]) passes in \(own.callID)"
        }
    }

    private func sendAgain(_ peer: Int) {
        guard let bytes = pick(sent[peer]) else { return }
        send(bytes, next() % 4 == 0 ? another(peer) : peer)
    }

    /// Who else might send what a peer has: for an Asterisk an Asterisk, since a phone would get the inside addresses
    /// in it back.
    private func another(_ peer: Int) -> Int {
        peers[peer] is PBX ? phones.count + next() % 2 : next() % peers.count
    }

    /// Something that one got is sent back by another.
    private func reflect(_ peer: Int) {
        guard let message = pick(got[peer]) else { return }
        let other = another(peer)
        let lines =
            [message.start]
            + message.headers.filter { $0.name != "Content-Length" }
            .map { "\($0.name): \($0.value)" }
        send(wire(lines, message.body), other)
    }

    private func connection(_ choice: Int) {
        edge.router.closed(phones[2].flow)
        edge.drain()
        if choice % 2 == 0 { edge.router.opened(phones[2].flow) }
    }

    private func directory(_ choice: Int) {
        switch choice % 4 {
        case 0: edge.isDirectorySilent = true
        case 1: edge.helpful = []
        case 2: edge.helpful = Set(asterisks.map(\.flow.peer))
        default: edge.directorySpeaks()
        }
    }

    private func garble(_ peer: Int) {
        guard var bytes = pick(sent[peer]) else { return }
        // What is answered to it may look like an answer to the one that it is a copy of.
        if let message = Message(bytes) { requests[key(message, peer), default: 0] += 1 }
        for _ in 0..<1 + next() % 3 {
            let place = (next() << 8 | next()) % bytes.count
            bytes[place] = UInt8(next())
        }
        send(bytes, peer)
    }

    // MARK: The end

    /// Lets everything run out: what is registered, what rings, what is remembered.
    private func end() {
        edge.directorySpeaks()
        edge.helpful = Set(asterisks.map(\.flow.peer))
        edge.router.closed(phones[2].flow)
        edge.drain()
        edge.leap(.seconds(700), steps: 200)
        // A registration lasts 3600 s when garbling has taken its Expires away.
        if edge.router.load != base { edge.leap(.seconds(3600), steps: 1000) }
        // A call of which nothing is heard is forgotten after eight hours.
        if edge.router.load.calls > 0 { edge.leap(.seconds(30_000), steps: 4000) }
        collect()
        var left = 100
        while edge.router.load.transactions > base.transactions, left > 0 {
            left -= 1
            edge.leap(.seconds(1))
        }
        let load = edge.router.load
        if load != base { fault = fault ?? "held in the end: \(load), in the beginning: \(base)" }
    }
}
