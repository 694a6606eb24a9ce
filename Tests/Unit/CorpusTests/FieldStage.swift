internal import Messages
internal import Proxy
internal import RouterHarness
internal import Sys

/// Who sends a message of Tests/Corpus/field, and what stands around it.
enum FieldSender: String, Sendable {
    /// A phone that authenticates when it is asked to.
    case phone
    /// As a phone, but its first count of a nonce is 5.
    case lateCount = "phone-nc-5"
    /// 300 phones of thirty accounts, which call at once.
    case many = "phones-300"
    /// A registered phone, 20 times at once.
    case keepAlive = "keep-alive"
    /// A registered phone, as its answer to a call.
    case answer
    /// A trunk.
    case trunk
    /// An Asterisk, to a registered phone.
    case asterisk
}

/// An edge for one message of the field, with an Asterisk that answers nothing, and whoever sends the message.
final class FieldStage {
    /// What a test collects while the edge works.
    private final class Notes {
        var faults: [String] = []
        var inward: [[UInt8]] = []
    }

    private static let password = "secret"
    private static let source = "198.51.100.7"

    private let edge: SimulatedEdge
    private let notes = Notes()
    private let row: FieldRow
    private let transport: Transport

    /// What the edge sent to the Asterisk for the message, as it was sent.
    var inward: [[UInt8]] { notes.inward }

    init(_ row: FieldRow, _ transport: Transport) {
        self.row = row
        self.transport = transport
        let trunk: [TrunkRule] = [
            .inside(SimulatedEdge.trunkEndpoint), .server(address("192.0.2.10:5060")),
        ]
        let notes = notes
        edge = SimulatedEdge(
            [.domain("example.test"), .calls(.emergency("112"))]
                + trunk.map { .trunk("telco", $0) }, asterisks: ["10.0.0.10:5060"]
        ) { notes.faults.append($0) }
        for account in [row.account] + (0..<30).map(Self.account) {
            edge.passwords[account] = Self.password
        }
        edge.observe = { bytes, flow in
            // The edge's own registrations, and its question whether an Asterisk answers, are for no message.
            let isOwn = ["REGISTER sip:10.", "OPTIONS sip:10."].contains {
                bytes.starts(with: Array($0.utf8))
            }
            if flow.listener >= 3, !isOwn { notes.inward.append(bytes) }
        }
    }

    private static func account(_ number: Int) -> String { "\(3000 + number)" }

    /// Plays the message, and tells what came of it in the words of the table.
    func outcome() throws -> String {
        let words =
            switch row.sender {
            case .phone: try asPhone(count: 1)
            case .lateCount: try asPhone(count: 5)
            case .many: try asMany()
            case .keepAlive: try asKeepAlive()
            case .answer: try asAnswer()
            case .trunk: asTrunk()
            case .asterisk: try asAsterisk()
            }
        let rest = offences() + notes.faults.prefix(1)
        return ([words.isEmpty ? "silence" : words] + rest).joined(separator: "; ")
    }

    // MARK: Senders

    private func asPhone(count: Int) throws -> String {
        let phone = phone(row.account)
        let asterisk = PBX(edge)
        phone.send(try bytes(phone, sequence: 1))
        let answers = phone.all()
        var words = said(answers)
        if let challenge = answers.first(where: { [401, 407].contains($0.status) }) {
            let start = try bytes(phone, sequence: 2)
            guard let line = start.split(separator: 0x0D).first else { return words }
            let uri = String(decoding: line, as: UTF8.self).split(separator: " ")[1]
            let method = String(decoding: start.prefix { $0 != 0x20 }, as: UTF8.self)
            let proof = phone.credentials(challenge, method, String(uri), count: count)
            phone.send(try bytes(phone, sequence: 2, proof: proof))
            words = [words, said(phone.all())].filter { !$0.isEmpty }.joined(separator: " ")
        }
        return [words, passedOn(asterisk), bound()].filter { !$0.isEmpty }
            .joined(separator: ", ")
    }

    private func asMany() throws -> String {
        let asterisk = PBX(edge)
        var statuses: [String: Int] = [:]
        for number in 0..<300 {
            let account = Self.account(number % 30)
            let phone = phone(account, at: "198.51.100.\(number % 30):\(6000 + number)")
            let callID = "many\(number)"
            phone.send(try bytes(phone, sequence: 1, callID: callID))
            let challenge = try phone.expect(407)
            let proof = phone.credentials(challenge, "INVITE", "sip:699@example.test")
            phone.send(try bytes(phone, sequence: 2, proof: proof, callID: callID))
            for invite in asterisk.all() where invite.method == "INVITE" && invite.isRequest {
                asterisk.answer(invite, 180)
            }
            for answer in phone.all() where answer.status != 100 {
                let isKnown = edge.router.explain(callID).contains {
                    "\($0)".contains(", \(answer.status)")
                }
                let word = "\(answer.status)" + (answer.status < 300 || isKnown ? "" : " unsaid")
                statuses[word, default: 0] += 1
            }
        }
        return statuses.sorted { $0.key < $1.key }.map { "\($0.value) times \($0.key)" }
            .joined(separator: ", ")
    }

    private func asKeepAlive() throws -> String {
        let phone = phone(row.account)
        try phone.register()
        edge.records = []
        for _ in 0..<20 { phone.send(row.file.bytes) }
        let other = self.phone(row.account, at: "\(Self.source):40001")
        let isHeard = try other.register().status == 200
        return "\(phone.all().count) answers, \(edge.records.count) records"
            + (isHeard ? ", the next phone registers" : "")
    }

    private func asAnswer() throws -> String {
        let phone = phone(row.account)
        try phone.register()
        let asterisk = PBX(edge)
        asterisk.call(row.account)
        let invite = try phone.expect("INVITE")
        let vias = invite.all("Via").map { "Via: \($0)" }
        let routes = invite.all("Record-Route").map { "Record-Route: \($0)" }
        let message = try bytes(
            phone, sequence: invite.sequence, callID: invite["Call-ID"],
            [
                ("[[vias]]", (vias + routes).joined(separator: "\r\n")),
                ("[[from]]", invite["From"]), ("[[to]]", invite["To"]),
            ])
        phone.send(message)
        return said(asterisk.all())
    }

    private func asTrunk() -> String {
        let flow = way(at: "192.0.2.10:5060")
        let carrier = Peer(edge, flow, sentBy: "192.0.2.10:5060")
        edge.carriers.insert(flow.peer.ip)
        let asterisk = PBX(edge, listener: 4)
        carrier.send(row.message([("[[TR]]", transport.name.uppercased())] + Self.common(1)))
        let answers = said(carrier.all())
        return [answers, passedOn(asterisk)].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private func asAsterisk() throws -> String {
        let phone = phone(row.account)
        try phone.register()
        PBX(edge).send(row.message(Self.common(1)))
        return phone.all().map { message in
            let lines = message.body.split(separator: "\r\n")
            let account = lines.first { $0.hasPrefix("Message-Account:") } ?? ""
            let inside = place(
                of: Array("10.0.0.".utf8), in: Array("\(message)".utf8), from: 0)
            return "\(message.method) \(account)"
                + (inside == nil ? "" : " with an address of the inside")
        }.joined(separator: ", ")
    }

    // MARK: Messages

    private func way(at place: String) -> Flow {
        let listener = UInt8(Transport.allCases.firstIndex(of: transport) ?? 0)
        let connection: UInt64 = transport.isStream ? 9 : 0
        let flow = Flow(
            transport, listener: listener, peer: address(place), connection: connection)
        if transport.isStream { edge.router.opened(flow) }
        return flow
    }

    private func phone(_ account: String, at place: String = "\(source):40000") -> Phone {
        let port = UInt64(place.split(separator: ":").last ?? "") ?? 0
        return Phone(edge, account, at: place, transport, connection: transport.isStream ? port : 0)
    }

    private static func common(_ sequence: Int) -> [(String, String)] {
        [
            ("[[n]]", "600"), ("[[dom]]", "example.com"), ("[[tag]]", "f1"),
            ("[[cs]]", "\(sequence)"), ("[[br]]", "z9hG4bKfield\(sequence)"),
        ]
    }

    /// The message of the row as a phone sends it, with credentials or without.
    private func bytes(
        _ phone: Phone, sequence: Int, proof: String? = nil, callID: String = "field",
        _ more: [(String, String)] = []
    ) throws -> [UInt8] {
        let peer = phone.flow.peer
        let own: [(String, String)] = [
            ("[[u]]", "1001"), ("[[u1]]", "001"), ("[[ip]]", "\(peer.ip)"),
            ("[[port]]", "\(peer.port)"), ("[[cid]]", callID), ("sip:2001@", "sip:\(phone.name)@"),
            ("Call-ID: x1\r", "Call-ID: \(callID)\r"),
            ("[[TR]]", transport.name.uppercased()),
            ("SIP/2.0/UDP", "SIP/2.0/\(transport.name.uppercased())"),
        ]
        return row.message(more + own + Self.common(sequence), proof: proof)
    }

    // MARK: Words

    /// The statuses but 100, each with what is unusual of it.
    private func said(_ answers: [Message]) -> String {
        answers.filter { $0.status > 100 }.map { answer in
            "\(answer.status)" + (answer.isCompact ? " short" : "")
        }.joined(separator: " ")
    }

    /// The requests that an Asterisk got: the number that is called, and the caller as he is shown.
    private func passedOn(_ asterisk: PBX) -> String {
        asterisk.all().filter(\.isRequest).map { request in
            let from = request["From"].split(separator: ";tag=").first ?? ""
            return "\(request.method) \(between(request.uri, "sip:", "@")) from \(from)"
        }.joined(separator: ", ")
    }

    /// The Contacts that are bound; a long one by its length.
    private func bound() -> String {
        edge.router.phones().compactMap { reply in
            guard case .phone(let row) = reply else { return nil }
            return row.contact.utf8.count > 64
                ? "<\(row.contact.utf8.count) bytes>" : "<\(row.contact)>"
        }.joined(separator: " ")
    }

    /// What every stranger is counted by who is asked for a password, however good his message is.
    private static let usual: [Detector] = [.strangerCalls, .numbersSwept, .flood]

    /// The reasons for which offences were counted against the sender.
    private func offences() -> [String] {
        let names = edge.router.explain(Self.source).compactMap { reply in
            if case .finding(let name, _) = reply { name } else { nil }
        }
        let counted = Detector.allCases.filter {
            names.contains($0.key) && !Self.usual.contains($0)
        }
        return Set(counted.map(\.code)).sorted()
    }
}
