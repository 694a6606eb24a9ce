import BenchHarness
import Messages
import ProxyBench
import SIP
import SIPWriting
import Sys
import Trunks

/// Trunks with the tools that they are lent, and nothing above them.
final class TrunkBench {
    /// The sockets: UDP outside, UDP inside, and one there for each of three trunks.
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
        Listener(index: 2, side: .inside, endpoint: inside(0)),
        Listener(index: 3, side: .inside, endpoint: inside(1)),
        Listener(index: 4, side: .inside, endpoint: inside(2)),
    ]

    /// The endpoint toward the Asterisks of one of three trunks.
    static func inside(_ number: UInt16) -> Endpoint {
        Endpoint(.udp, SocketAddress(IPAddress(v4: 0x0A00_0001), port: 5071 + number))
    }

    private var bench: Bench
    private var trunks = Trunks()

    init(_ settings: [TrunkSettings], isObserving: Bool = false) {
        bench = Bench(
            RouterSettings([.domain("example.com"), .asterisk(address("10.0.0.10:5060"))]),
            Self.listeners, key: key(32), seed: key(32), timers: 10,
            now: Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000)))
        bench.settings.isObserving = isObserving
        reload(settings)
    }

    /// Other trunks are in the settings from now on.
    func reload(_ settings: [TrunkSettings]) {
        bench.settings.trunks = settings
        var shown = WriterSettings()
        shown.domains = bench.settings.domains
        shown.asterisks = bench.settings.asterisks
        shown.trunkSources = settings.flatMap(\.sources)
        shown.trunkDomains = settings.map(\.domain)
        bench.writer.configure(shown)
        trunks.adopt(bench)
    }

    /// Lets time pass.
    func advance(_ span: Milliseconds) { bench.now.monotonic = bench.now.monotonic + span }

    // MARK: Questions

    var inUse: [TrunkID] { trunks.inUse }

    var names: [String] { trunks.names.map { String(decoding: $0, as: UTF8.self) } }

    func name(_ trunk: TrunkID) -> String { trunks.name(trunk) }

    func tokenName(_ trunk: TrunkID) -> String { token(trunks, trunk) }

    /// The trunk that tokens name so.
    func find(_ name: String) -> TrunkID? {
        let bytes = Array(name.utf8)
        return trunks.find(named: bytes.span)
    }

    func trunk(at ip: String) -> TrunkID? { trunks.trunk(at: address("\(ip):5060").ip) }

    /// The listener by which a trunk's requests go to an Asterisk.
    func inside(_ trunk: TrunkID, to asterisk: String = "10.0.0.10:5060") -> UInt8 {
        trunks.way(of: trunk, toAsterisk: address(asterisk), bench).listener
    }

    func choose(_ trunk: TrunkID, tried: UInt64 = 0) -> SocketAddress? {
        trunks.chooseServer(tried: tried, trunk, bench)?.way.peer
    }

    func hasOther(_ trunk: TrunkID, tried: UInt64) -> Bool {
        trunks.hasOtherServer(tried: tried, trunk)
    }

    func openWay(_ trunk: TrunkID) -> SocketAddress? { trunks.openWay(to: trunk, bench)?.peer }

    /// The states of a trunk's servers.
    func states(_ trunk: TrunkID) -> [AsteriskState] {
        trunks.rows(trunk, calls: 0).compactMap { reply in
            if case .trunk(let row) = reply { row.state } else { nil }
        }
    }

    func caller(_ caller: WrittenCaller, _ trunk: TrunkID) -> WrittenCaller {
        trunks.caller(caller, of: trunk)
    }

    // MARK: What happens

    /// A server has answered, or has not.
    func answered(_ server: String, _ trunk: TrunkID, _ isAnswered: Bool = true) {
        trunks.serverAnswered(address(server), trunk, isAnswered, &bench)
    }

    /// directory has told whether there is an account of a name.
    func learned(_ name: String, isAccount: Bool) {
        trunks.learned(Array(name.utf8).span, isAccount: isAccount, &bench)
    }

    // MARK: Messages

    /// What became of a request at the rate of its trunk.
    enum Passage {
        case passes, refused, silent
    }

    func takeFromRate(
        _ trunk: TrunkID, _ transport: Transport = .udp, isResumed: Bool = false
    ) -> Passage? {
        let flow = Flow(transport, listener: 0, peer: address("192.0.2.10:5060"))
        let verdict = with(text("sip:43123@example.com"), flow, isResumed: isResumed) {
            trunks.takeFromRate(trunk, $0, $1)
        }
        switch verdict {
        case .pass: return .passes
        case .refuse(.trunkRate): return .refused
        case .silence(.trunkRate): return .silent
        default: return nil
        }
    }

    /// The trunk that an Asterisk's request calls.
    func called(_ uri: String, listener: UInt8 = 1) -> TrunkID? {
        with(text(uri), Flow(.udp, listener: listener, peer: address("10.0.0.10:5060"))) {
            message, _ in
            trunks.calledTrunk(message)
        }
    }

    /// The Request-URI that a trunk gets of an Asterisk's, and whether another host stands in it.
    func target(_ uri: String, _ trunk: TrunkID) -> (uri: String, isReaddressed: Bool) {
        let flow = Flow(.udp, listener: 1, peer: address("10.0.0.10:5060"))
        let isReaddressed = with(text(uri), flow) { trunks.writeTarget(trunk, $0, &$1) }
        return (written(bench.scratch), isReaddressed)
    }

    /// Where an Asterisk's request inside a trunk's dialog goes, of which the last message came from a proxy.
    func way(
        _ uri: String, _ routes: [String], _ trunk: TrunkID, _ transport: Transport = .udp
    ) -> SocketAddress {
        let way = Flow(transport, listener: 0, peer: address("192.0.2.10:5060"))
        return with(text(uri, routes.map { "Route: \($0)" }), way) { message, _ in
            trunks.way(way, of: trunk, message.bytes, message.index)
        }.peer
    }

    private func text(_ uri: String, _ lines: [String] = []) -> String {
        let head = [
            "INVITE \(uri) SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bK1",
            "Max-Forwards: 70", "From: <sip:100@10.0.0.10>;tag=1", "To: <\(uri)>", "Call-ID: c",
            "CSeq: 1 INVITE",
        ]
        return (head + lines + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
    }

    private func with<Result>(
        _ text: String, _ flow: Flow, isResumed: Bool = false,
        _ body: (borrowing Incoming, inout Bench) -> Result
    ) -> Result {
        let bytes = Array(text.utf8)
        var message = Incoming(
            bytes.span, flow, moment: bench.now.monotonic, number: 1, isResumed: isResumed)
        do {
            try bench.parser.parse(message.bytes, into: &message.index)
        } catch {
            preconditionFailure("\(error): \(text)")
        }
        return body(message, &bench)
    }

    /// What the journal was told since the last look.
    func takeSentences() -> [String] { bench.effects.journal.takeSentences() }
}

private func token(_ trunks: borrowing Trunks, _ trunk: TrunkID) -> String {
    trunks.tokenName(trunk).text
}

private func written(_ buffer: borrowing ByteBuffer) -> String { buffer.span.text }
