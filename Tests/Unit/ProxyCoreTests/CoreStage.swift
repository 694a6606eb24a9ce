import BenchHarness
import Digest
import Messages
import ProxyBench
import ProxyCore
import SIP
import SIPWriting
import Sys

import class CoreHarness.CoreBench
import struct RouterHarness.Message
import func RouterHarness.response

/// What becomes of a request that may belong to a context, to be compared.
enum Absorbed: Equatable {
    case foreign, absorbed
    case cancels(Handle)
    case again(Handle, Int)
}

/// What a check says, to be compared.
enum Outcome: Equatable {
    case pass, other
    case refuse(Refusal)
    case silence(Refusal)

    init(_ verdict: Verdict<Void>) {
        self =
            switch verdict {
            case .pass: .pass
            case .refuse(let refusal): .refuse(refusal)
            case .silence(let refusal): .silence(refusal)
            default: .other
            }
    }
}

/// The proxy core alone: what is somebody else's to do is only noted.
final class CoreStage {
    typealias Sent = (to: SocketAddress, message: Message)

    private let stage: CoreBench
    /// What was said of final responses since the last look.
    private var noted: [String] = []
    /// What left and was not looked at yet.
    private(set) var taken: [Sent] = []

    init(asterisks count: Int = 2) { stage = CoreBench(asterisks: count) }

    // MARK: The stage

    func account(_ name: String) -> AccountID { stage.account(name) }
    func register(_ account: AccountID, _ host: UInt8) { stage.register(account, host) }
    func advance(_ span: Milliseconds) { stage.advance(span) }

    func open(
        _ request: [UInt8], in dialog: StringVector? = nil, unmerged: Bool = false
    ) -> (handle: Handle, refusal: Refusal?) {
        stage.open(request, in: dialog, unmerged: unmerged)
    }

    @discardableResult
    func forward(_ request: [UInt8], of party: Party = .nobody) -> Handle {
        stage.forward(request, of: party)
    }

    func fork(_ request: [UInt8], to account: AccountID) { stage.fork(request, to: account) }

    // MARK: The core

    var count: Int { stage.core.count }
    func isOpen(_ handle: Handle) -> Bool { stage.core.isOpen(handle) }
    func setCall(_ handle: Handle, _ call: Handle) { stage.core.setCall(handle, call) }
    func nextFailure() -> FailedCall? { stage.core.takeFailures().first }

    func finish(_ handle: Handle, _ status: Status) {
        stage.core.finish(handle, status, &stage.ground, &stage.bench)
    }

    func cancel(_ handle: Handle) { stage.core.cancel(handle, [], &stage.ground, &stage.bench) }

    func absorb(_ request: [UInt8], _ flow: Flow = CoreBench.phone) -> Absorbed {
        let message = stage.bench.incoming(request.span, flow)
        return switch stage.core.absorb(message, &stage.ground, &stage.bench) {
        case .foreign: .foreign
        case .absorbed: .absorbed
        case .cancels(let handle): .cancels(handle)
        case .again(let handle, let length): .again(handle, length)
        }
    }

    // MARK: Messages

    /// The messages that left since the last look.
    func takeSent() -> [Sent] {
        let sent = taken + stage.takeSent()
        taken = []
        return sent
    }

    /// The last INVITE that went to an address, of all that left.
    func takeInvite(_ isWanted: (SocketAddress) -> Bool = { _ in true }) -> Sent? {
        taken += stage.takeSent()
        let found = taken.last {
            $0.message.isRequest && $0.message.method == "INVITE" && isWanted($0.to)
        }
        taken.removeAll { $0.message.isRequest && $0.message.method == "INVITE" }
        return found
    }

    /// The statuses that whoever asked got, but for 100 and what is sent again.
    var answers: [Int] {
        taken += stage.takeSent()
        var statuses: [Int] = []
        for sent in taken where !sent.message.isRequest && sent.message.status > 180 {
            if statuses.last != sent.message.status { statuses.append(sent.message.status) }
        }
        return statuses
    }

    /// What was said of final responses since the last look.
    var outcomes: [String] {
        defer { noted = [] }
        return noted
    }

    /// A request is answered.
    func answer(_ request: Sent, _ status: Int, _ lines: [String] = []) {
        let bytes = response(
            to: request.message, status, tag: "2", ["Contact: <sip:100@\(request.to)>"] + lines)
        stage.receive(bytes, request.to) { owner, branch, bytes in
            ended(owner, branch, bytes, request.to)
        }
    }

    private func ended(_ owner: Handle, _ branch: Handle, _ bytes: [UInt8], _ peer: SocketAddress) {
        let message = stage.bench.incoming(bytes.span, Flow(.udp, listener: 0, peer: peer))
        let outcome = stage.core.ended(owner, branch, message, &stage.ground, &stage.bench)
        noted.append("\(outcome)")
    }

    // MARK: Checks

    /// What a check says of a message.
    func check(
        _ request: [UInt8], _ flow: Flow = CoreBench.phone, trunk: TrunkID? = nil,
        isStranger: Bool = false,
        _ body: (borrowing Incoming, borrowing Ground, borrowing Bench) -> Verdict<Void>
    ) -> Outcome {
        var message = stage.bench.incoming(request.span, flow)
        message.sender.standing.trunk = trunk
        message.sender.isStranger = isStranger
        return Outcome(body(message, stage.ground, stage.bench))
    }

    func reasons(_ request: [UInt8]) -> String {
        let message = stage.bench.incoming(request.span, CoreBench.phone)
        return String(decoding: message.reasons, as: UTF8.self)
    }

    func takeSentences() -> [String] { stage.bench.effects.journal.takeSentences() }
}
