// One unit of work as a state machine.

internal import Sys

/// Where a unit stands.
enum Step {
    case asked
    case authenticated
    case leaving
}

/// What a unit wants after a message.
enum UnitAction {
    case wait
    case send([String])
    case done
    case failed(String)
}

/// One unit: an account doing its work once.
struct Unit {
    let slot: Int
    private(set) var socket = 0
    private(set) var started: UInt64 = 0
    private(set) var callID = ""
    private(set) var step = Step.asked
    var lastProgress: UInt64 = 0
    var isOver = true

    private var work = Work.options
    private var user = ""
    private let agent: String
    private var local = ""
    private var transport = CarrierKind.udp
    private var number = 0
    private var sequence = 1
    private var rounds = 0

    /// The domain that the benchmark's edge serves.
    static let domain = "example.test"
    /// Whoever is called by this name lets it ring and never answers.
    static let ringingUser = "ring"

    /// Tells this run's messages from those of the run before, whose transactions last 32 s.
    private static let run = String(UInt64.random(in: 0...(.max)), radix: 36)

    init(slot: Int, agent: String) {
        self.slot = slot
        self.agent = agent
    }

    /// Becomes a new unit.
    mutating func begin(
        number: Int, account: Int, socket: Int, at local: SocketAddress, _ transport: CarrierKind,
        work: Work, now: UInt64
    ) {
        self.number = number
        self.socket = socket
        self.local = "\(local)"
        self.transport = transport
        self.work = work
        user = work == .stranger ? "x\(account)" : "u\(account)"
        callID = "\(slot)-\(number)-\(Self.run)@bench"
        step = .asked
        sequence = 1
        rounds = 0
        isOver = false
        started = now
    }

    /// Its first request.
    func first() -> String { request() }

    private var method: String {
        switch work {
        case .options, .echo: "OPTIONS"
        case .register, .wrong, .stranger: "REGISTER"
        case .call, .ring: "INVITE"
        }
    }

    private var uri: String {
        switch work {
        case .call: "sip:100@\(Self.domain)"
        case .ring: "sip:\(Self.ringingUser)@\(Self.domain)"
        default: "sip:\(Self.domain)"
        }
    }

    private func request(_ extra: [String] = []) -> String {
        let isInvite = method == "INVITE"
        let target = isInvite ? "<\(uri)>" : "<sip:\(user)@\(Self.domain)>"
        var lines = head(method, uri, to: target)
        lines.append("Contact: <sip:\(user)@\(local)\(transport.parameter)>")
        if method == "REGISTER" { lines.append("Expires: 3600") }
        lines += extra
        lines += ["User-Agent: \(agent)", "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"]
        return finished(lines, body: isInvite ? sdp : "")
    }

    private func head(
        _ method: String, _ uri: String, to: String, branch: String? = nil, routes: [String] = []
    ) -> [String] {
        let branch = branch ?? "\(slot)x\(number)x\(sequence)x\(Self.run)"
        return [
            "\(method) \(uri) SIP/2.0",
            "Via: SIP/2.0/\(transport.name) \(local);branch=z9hG4bK\(branch);rport",
            "Max-Forwards: 70",
        ] + routes.map { "Route: \($0)" } + [
            "From: <sip:\(user)@\(Self.domain)>;tag=t\(number)",
            "To: \(to)",
            "Call-ID: \(callID)",
            "CSeq: \(sequence) \(method)",
        ]
    }

    private func finished(_ lines: [String], body: String = "") -> String {
        let type = body.isEmpty ? [] : ["Content-Type: application/sdp"]
        return (lines + type + ["Content-Length: \(body.utf8.count)", "", body])
            .joined(separator: "\r\n")
    }

    /// Takes a message of its Call-ID.
    mutating func handle(_ message: Message, rounds wanted: Int) -> UnitAction {
        if work == .echo {
            rounds += 1
            guard rounds < wanted else { return .done }
            sequence += 1
            return .send([request()])
        }
        let status = message.status
        guard status != 0 else { return .failed("a request of its own came back") }
        guard message.value("CSeq")?.hasPrefix("\(sequence) ") == true else { return .wait }
        switch (work, step, status) {
        case (.options, .asked, 200): return .done
        case (.register, .asked, 401), (.wrong, .asked, 401),
            (.stranger, .asked, 401), (.call, .asked, 407),
            (.ring, .asked, 407):
            return authenticate(message)
        // RFC 7616 3.3: the answer was right, its nonce was too old.
        case (.register, .authenticated, 401)
        where Challenge(message.values("WWW-Authenticate"))?.isStale == true:
            return authenticate(message)
        case (.register, .authenticated, 200): return .done
        case (.wrong, .authenticated, 401), (.wrong, .authenticated, 403),
            (.stranger, .authenticated, 401), (.stranger, .authenticated, 403),
            (.stranger, .authenticated, 503):
            return .done
        case (.call, .asked, 100), (.call, .authenticated, 100...199): return .wait
        case (.ring, .asked, 100), (.ring, .authenticated, 100): return .wait
        case (.ring, .authenticated, 180): return .done
        case (.call, .authenticated, 200): return hangUp(message)
        case (.call, .leaving, 200): return .done
        case (.call, .leaving, 100): return .wait
        default: return .failed("\(status) in step \(step)")
        }
    }

    private mutating func authenticate(_ message: Message) -> UnitAction {
        let isProxy = message.status == 407
        let asked = isProxy ? "Proxy-Authenticate" : "WWW-Authenticate"
        guard let challenge = Challenge(message.values(asked)) else {
            return .failed("no MD5 challenge")
        }
        var texts: [String] = []
        if isProxy {
            // RFC 3261 17.1.1.3: the ACK of a refusal has its INVITE's branch and the answer's To.
            texts.append(finished(head("ACK", uri, to: message.value("To") ?? "")))
        }
        step = .authenticated
        sequence += 1
        let secret = work == .wrong ? "wrong" : "secret-\(user)"
        let value = credentials(
            user: user, secret: secret, method: method, uri: uri, challenge)
        let name = isProxy ? "Proxy-Authorization" : "Authorization"
        return .send(texts + [request(["\(name): \(value)"])])
    }

    private mutating func hangUp(_ message: Message) -> UnitAction {
        guard let target = message.uri("Contact"), let to = message.value("To") else {
            return .failed("a 200 to INVITE without Contact")
        }
        // RFC 3261 12.1.2: the caller's route set is the Record-Route reversed.
        let routes = Array(message.values("Record-Route").reversed())
        let acknowledge = finished(
            head("ACK", target, to: to, branch: "\(slot)x\(number)xackx\(Self.run)", routes: routes)
        )
        step = .leaving
        sequence += 1
        let bye = finished(head("BYE", target, to: to, routes: routes))
        return .send([acknowledge, bye])
    }
}
