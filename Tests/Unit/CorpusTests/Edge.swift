internal import Digest
internal import Journal
internal import Messages
internal import Proxy
import ProxyBench
internal import RouterHarness
internal import SIP
internal import Sys

/// A message that the edge sent.
struct Sent: Sendable {
    let flow: Flow
    let bytes: [UInt8]

    /// Whether it went to the inside.
    var isInward: Bool { flow.listener == 3 }

    /// Its status code, nil for a request.
    var status: UInt16? {
        let text = String(decoding: bytes.prefix(12), as: UTF8.self)
        return text.hasPrefix("SIP/2.0 ") ? UInt16(text.dropFirst(8).prefix(3)) : nil
    }
}

/// A router with one Asterisk, fed as the process feeds it: datagrams, or streams through the framer.
struct Edge: ~Copyable {
    private var router: Router
    private var now = Now(
        monotonic: .seconds(1000), sinceEpoch: .seconds(1_800_000_000))
    private var framer = StreamFramer()
    /// The way everything comes.
    let flow: Flow
    /// Whether the stream was broken and closed, and the reason code.
    private(set) var closed: String?

    static let password = "correct horse"

    /// An edge that serves these domains, and a peer that reaches it by one transport.
    init(_ transport: Transport, serving domains: [String]) {
        let outside = SocketAddress(IPAddress(v4: 0xCB00_7105), port: 5060)
        let inside = SocketAddress(IPAddress(v4: 0x0A00_0001), port: 5060)
        let asterisk = SocketAddress(IPAddress(v4: 0x0A00_000A), port: 5060)
        let listeners = [
            Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, outside)),
            Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, outside)),
            Listener(index: 2, side: .outside, endpoint: Endpoint(.tls, outside)),
            Listener(index: 3, side: .inside, endpoint: Endpoint(.udp, inside)),
        ]
        let settings =
            domains.map { RouterSetting.domain($0) } + [.asterisk(asterisk), .failures(1000)]
        router = Router(
            settings: RouterSettings(settings), listeners: listeners,
            secret: [UInt8](repeating: 9, count: 64) + [UInt8](repeating: 0, count: 8),
            seed: [UInt8](repeating: 1, count: 32),
            now: now)
        let peer = SocketAddress(IPAddress(v4: 0xC633_6407), port: 5060)
        let number = UInt8(Transport.allCases.firstIndex(of: transport) ?? 0)
        flow = Flow(
            transport, listener: number, peer: peer, connection: transport.isStream ? 77 : 0)
        if transport.isStream { router.opened(flow) }
    }

    /// Lets bytes come in after a while, and returns what goes out for them.
    mutating func receive(_ bytes: [UInt8], after pause: Milliseconds = .seconds(1)) -> [Sent] {
        now.monotonic = now.monotonic + pause
        now.sinceEpoch = now.sinceEpoch + pause
        if flow.transport.isStream {
            framer.append(bytes.span)
            takeFrames()
        } else {
            router.receive(bytes.span, flow, now)
        }
        answerLookUps()
        // Answers to wrong passwords leave a little later than they could.
        if router.load.delayed > 0 {
            now.monotonic = now.monotonic + Milliseconds(280)
            now.sinceEpoch = now.sinceEpoch + Milliseconds(280)
            router.advance(now)
        }
        return taken()
    }

    /// Lets a second pass, and returns what goes out meanwhile.
    mutating func later() -> [Sent] {
        now.monotonic = now.monotonic + .seconds(1)
        now.sinceEpoch = now.sinceEpoch + .seconds(1)
        router.advance(now)
        answerLookUps()
        return taken()
    }

    /// The challenge to a request; nil when it asks for none.
    mutating func challenge(to bytes: [UInt8]) -> Sent? {
        receive(bytes).first { $0.isChallenge }
    }

    private mutating func takeFrames() {
        while closed == nil {
            switch framer.next() {
            case .incomplete: return
            case .ping(let length): framer.consume(length)
            case .message(let length):
                let message = Array(framer.bytes[framer.head..<framer.head + length])
                framer.consume(length)
                router.receive(message.span, flow, now)
            case .broken(let reason):
                router.brokenStream(flow, reason, now)
                closed = reason
            }
        }
    }

    /// Whether part of a message waits for the rest.
    var isWaiting: Bool { framer.isPartial && closed == nil }

    /// Takes the way again after the stream was closed.
    mutating func reconnect() {
        router.closed(flow)
        router.opened(flow)
        framer = StreamFramer()
        closed = nil
    }

    /// Every account that is asked for stands.
    private mutating func answerLookUps() {
        let questions = takeQuestions(&router)
        for case .lookUp(let id, let account, let realm, _) in questions {
            let answer = Account(
                ha1MD5: Self.ha1(account, realm), ha1SHA256: [], authUser: account, aor: account,
                mayRegister: true)
            router.receive(.account(id: id, .found(answer), age: Milliseconds(0)), now)
        }
    }

    private mutating func taken() -> [Sent] {
        // What the edge asks the Asterisk of its own accord is no answer to anything.
        let sent = (0..<router.bench.effects.outbox.count).map { place in
            Sent(
                flow: router.bench.effects.outbox.flow(place),
                bytes: [UInt8](copying: router.bench.effects.outbox.message(place)))
        }
        router.bench.effects.outbox.removeAll()
        return sent
    }

    /// The reason codes of the refusals that were recorded since the last call.
    mutating func reasons() -> [String] {
        takeRecords(&router).compactMap { $0["REMPART_REASON"].map(String.init) }
    }

    /// The Contacts that are bound, each as registered.
    func contacts() -> [String] {
        router.phones().compactMap { reply in
            guard case .phone(let row) = reply else { return nil }
            return row.contact
        }
    }

    private static func ha1(_ account: String, _ realm: String) -> [UInt8] {
        var engine = HashEngine()
        let text = Array("\(account):\(realm):\(password)".utf8)
        engine.begin(.md5)
        engine.add(text.span)
        let value = engine.finish()
        return (0..<value.length).map { value.bytes[$0] }
    }

    /// The request with credentials that answer a challenge; nil when the challenge cannot be read.
    static func authenticated(_ request: [UInt8], by challenge: Sent) -> [UInt8]? {
        let parser = MessageParser()
        var asked = MessageIndex()
        var answer = MessageIndex()
        guard (try? parser.parse(request.span, into: &asked)) != nil,
            (try? parser.parse(challenge.bytes.span, into: &answer)) != nil
        else { return nil }
        let isRegister = asked.method == .register
        let name: HeaderName = isRegister ? .wwwAuthenticate : .proxyAuthenticate
        guard let value = answer.value(name),
            let parts = DigestHeader(value, in: challenge.bytes.span)
        else { return nil }
        let account = (isRegister ? asked.to : asked.from).uri.user
        let user = request.span.bytes(account).text
        let realm = challenge.bytes.span.bytes(parts.realm).text
        let nonce = challenge.bytes.span.bytes(parts.nonce).text
        let uri = request.span.bytes(asked.requestURI.whole).text
        let line =
            "Digest username=\"\(user)\",realm=\"\(realm)\",nonce=\"\(nonce)\",uri=\"\(uri)\","
            + "algorithm=MD5,qop=auth,nc=00000001,cnonce=\"c\",response="
        let bytes = Array(line.utf8)
        guard let header = DigestHeader(Slice(0, bytes.count), in: bytes.span) else { return nil }
        var engine = HashEngine()
        let response = engine.response(
            .md5, ha1: HashValue(ha1(user, realm)), method: request.span.bytes(asked.methodSlice),
            header, in: bytes.span)
        var hex = ByteBuffer(capacity: 64)
        for index in 0..<response.length { hex.append(hex: response.bytes[index]) }
        let field = isRegister ? "Authorization: " : "Proxy-Authorization: "
        guard let end = request.span.first(0x0A) else { return nil }
        return request[...end] + Array(field.utf8) + bytes + Array(copying: hex.span)
            + Array("\r\n".utf8) + request[(end + 1)...]
    }
}
