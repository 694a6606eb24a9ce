import Messages
import ProxyBench
import RouterHarness
import SIP
import Sys

@testable import Admission

/// Who sends a message, as the owners beside Admission say it.
struct Caller {
    /// The flow by which it sends.
    var flow: Flow
    /// Who it is by the settings.
    var standing = Standing()
    /// Whether a phone has registered by the flow.
    var isRegistered = false
    /// Whether the message brings back a nonce that was sent to its address.
    var hasNonce = false

    /// A stranger at an address with its port.
    init(_ place: String, _ transport: Transport = .udp) {
        flow = Flow(
            transport, listener: 0, peer: address(place),
            connection: transport.isStream ? 7 : 0)
    }

    /// Its address.
    var ip: IPAddress { flow.peer.ip }
}

/// What a check says, to be compared.
enum Outcome: Equatable {
    case pass, other
    case observed(Refusal)
    case refuse(Refusal)
    case silence(Refusal)

    init(_ verdict: Verdict<Void>) {
        self =
            switch verdict {
            case .pass: .pass
            case .observed(_, let refusal): .observed(refusal)
            case .refuse(let refusal): .refuse(refusal)
            case .silence(let refusal): .silence(refusal)
            default: .other
            }
    }
}

/// Admission on a bench of its own, without a router.
final class AdmissionStage {
    var admission = Admission()
    var bench: Bench

    /// `trunks` are the names of the trunks in use.
    init(_ settings: [RouterSetting] = [], trunks: [String] = []) {
        bench = Bench(
            RouterSettings([.asterisk(address("10.0.0.10:5060"))] + settings),
            SimulatedEdge.listeners, key: [UInt8](repeating: 1, count: 32),
            seed: [UInt8](repeating: 2, count: 32), timers: 16,
            now: Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000)))
        admission.follow(SimulatedEdge.listeners, bench)
        let named = trunks.enumerated().map { (TrunkID(Int32($0.offset)), $0.element) }
        admission.adopt(trunks: Dictionary(uniqueKeysWithValues: named), bench)
    }

    /// Lets time pass.
    func advance(_ span: Milliseconds) {
        bench.now.monotonic = bench.now.monotonic + span
        bench.now.sinceEpoch = bench.now.sinceEpoch + span
    }

    /// Whether a caller's message is looked at.
    func admits(_ caller: Caller) -> Bool { sender(of: request("OPTIONS"), caller) != nil }

    /// What is known of a caller whose message is looked at.
    func sender(of bytes: [UInt8], _ caller: Caller) -> Sender? {
        var message = Incoming(
            bytes.span, caller.flow, moment: bench.now.monotonic, number: 1)
        message.sender.standing = caller.standing
        return admission.admit(message, isRegistered: caller.isRegistered, bench)
    }

    /// A caller's message, parsed.
    @_lifetime(copy bytes)
    func message(_ bytes: Span<UInt8>, _ caller: Caller, isResumed: Bool = false) -> Incoming {
        var message = Incoming(
            bytes, caller.flow, moment: bench.now.monotonic, number: 1, isResumed: isResumed)
        message.sender.standing = caller.standing
        if let sender = admission.admit(message, isRegistered: caller.isRegistered, bench) {
            message.sender = sender
        }
        if caller.hasNonce { message.sender.recordNonce() }
        try? bench.parser.parse(bytes, into: &message.index)
        return message
    }

    /// A phone is registered from an address for an hour.
    func reside(_ ip: IPAddress, account: String = "alice") {
        let until = bench.now.monotonic + .seconds(3600)
        admission.reside(ip, until: until, account: mark(account), &bench)
    }

    /// The keyed hash of a name.
    func mark(_ name: String) -> UInt64 {
        let bytes = Array(name.utf8)
        return NameTable.hash(bytes.span)
    }

    /// Counts an offence of a caller so many times.
    func offence(_ detector: Detector, _ caller: Caller, times: Int = 1) {
        for _ in 0..<times {
            let bytes = request("OPTIONS")
            let message = message(bytes.span, caller)
            admission.offence(detector, message, &bench)
        }
    }

    /// Counts a wrong password of a caller.
    func guess(
        _ name: String, _ caller: Caller, _ refusal: Refusal = .wrongPassword,
        isOwnFlow: Bool = false
    ) {
        let bytes = request("REGISTER")
        let message = message(bytes.span, caller)
        let user = Array(name.utf8)
        admission.countGuess(message, refusal, of: user.span, isOwnFlow: isOwnFlow, &bench)
        admission.countWrongPassword(message, refusal, of: user.span, &bench)
    }

    /// Why a caller's password for a name is not looked at.
    func reason(
        _ name: String, _ caller: Caller, isOwnFlow: Bool = false, isResumed: Bool = false,
        isRepetition: Bool = false
    ) -> Refusal? {
        let bytes = request("REGISTER")
        var message = message(bytes.span, caller, isResumed: isResumed)
        message.sender.isRepetition = isRepetition
        return admission.guardedReason(mark(name), message, isOwnFlow: isOwnFlow, bench)
    }

    /// Whether an answer of such a length may go to a caller.
    func answers(_ caller: Caller, to bytes: [UInt8], length: Int, isCompact: Bool = true) -> Bool {
        let message = message(bytes.span, caller)
        return admission.takeAnswer(to: message, length: length, isCompact: isCompact, bench)
    }

    /// What is answered first to a caller.
    func firstAnswer(_ caller: Caller) -> ProfileAnswer {
        let bytes = request("INVITE")
        let message = message(bytes.span, caller)
        return admission.firstAnswer(message, bench)
    }

    /// Whether an answer of such a length fits a caller's request.
    func fits(_ length: Int, _ caller: Caller, to bytes: [UInt8]) -> Bool {
        let message = message(bytes.span, caller)
        return admission.fits(length, message)
    }

    /// Why an address is never banned.
    func neverBanned(_ ip: IPAddress) -> String? { admission.neverBanned(ip, bench) }

    /// The country of an address.
    func country(of ip: IPAddress) -> Country? { admission.country(of: ip) }

    /// Whether nobody has said yet where an address is.
    func isUnlocated(_ ip: IPAddress) -> Bool { admission.isUnlocated(ip) }

    /// The ban orders so far.
    var bans: [BanOrder] {
        bench.effects.toBanner.compactMap { if case .ban(let order) = $0 { order } else { nil } }
    }

    /// What `rempart explain` says of a caller's address.
    func said(_ caller: Caller) -> String {
        admission.explain(caller.ip, caller.standing, bench).map { "\($0)" }.joined()
    }
}

/// A request of a phone of bob's.
func request(_ method: String, _ user: String = "100", _ extra: [String] = []) -> [UInt8] {
    wire(
        [
            "\(method) sip:\(user)@example.com SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK1", "Max-Forwards: 70",
            "From: <sip:bob@example.com>;tag=1", "To: <sip:\(user)@example.com>",
            "Call-ID: admission", "CSeq: 1 \(method)",
        ] + extra)
}
