internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Authentication
internal import BenchHarness
package import Digest
internal import LocationService
package import Messages
package import ProxyBench
package import ProxyCore
internal import Reactor
internal import SIP
internal import SIPTransactions
package import SIPWriting
package import Sys
internal import Transactions

package import struct RouterHarness.Message
package import func RouterHarness.wire

/// The proxy core on its ground, and no router above it: two Asterisks, and alice's phones.
package final class CoreBench {
    /// A phone's way, an Asterisk's, and the other one's.
    package static let phone = Flow(
        .udp, listener: 0, peer: BenchHarness.address("192.0.2.66:5060"))
    package static let asterisk = Flow(
        .udp, listener: 1, peer: BenchHarness.address("10.0.0.10:5060"))
    package static let second = Flow(
        .udp, listener: 1, peer: BenchHarness.address("10.0.0.20:5060"))
    private static let listeners = [
        Listener(
            index: 0, side: .outside,
            endpoint: Endpoint(.udp, BenchHarness.address("203.0.113.5:5060"))),
        Listener(
            index: 1, side: .inside,
            endpoint: Endpoint(.udp, BenchHarness.address("10.0.0.1:5060"))),
    ]

    package var bench: Bench
    package var ground: Ground
    package var core = ProxyCore()

    /// The core with so many of the two Asterisks.
    package init(_ settings: [RouterSetting] = [], asterisks count: Int = 2) {
        bench = Bench(settings, Self.listeners)
        ground = Ground(
            Authentication(key: BenchHarness.key(32), life: 1, now: bench.now))
        bench.settings.asterisks = [Self.asterisk, Self.second].prefix(count).map(\.peer)
        bench.configureWriter()
        ground.adopt(bench.settings.asterisks, &bench)
        ground.admission.follow(Self.listeners, bench)
    }

    // MARK: Requests

    /// A request of a phone's, or of an Asterisk's.
    package static func request(
        _ method: String, _ user: String = "100", callID: String = "c", branch: String = "z9hG4bK1",
        sequence: Int = 1, toTag: String = "", lines: [String] = [], body: String = ""
    ) -> [UInt8] {
        wire(
            [
                "\(method) sip:\(user)@example.com SIP/2.0",
                "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=\(branch)",
                "From: <sip:alice@example.com>;tag=1",
                "To: <sip:\(user)@example.com>\(toTag.isEmpty ? "" : ";tag=\(toTag)")",
                "Call-ID: \(callID)", "CSeq: \(sequence) \(method)",
                "Contact: <sip:alice@192.0.2.66:5060>",
            ] + (lines.contains { $0.hasPrefix("Max-Forwards") } ? [] : ["Max-Forwards: 70"])
                + lines, body)
    }

    /// The account of a name.
    package func account(_ name: String) -> AccountID {
        guard let account = ground.accounts.account(of: Array(name.utf8).span, &bench) else {
            preconditionFailure("no room for an account")
        }
        return account
    }

    /// Opens the context of a request; why not, when it is refused.
    package func open(
        _ request: [UInt8], _ direction: Direction = .inward, of party: Party = .nobody,
        in dialog: StringVector? = nil, unmerged: Bool = false, _ flow: Flow = CoreBench.phone
    ) -> (handle: Handle, refusal: Refusal?) {
        let message = bench.incoming(request.span, flow)
        let verdict = core.open(
            message, direction, of: party, in: dialog, unmerged: unmerged, &ground, &bench)
        return switch verdict {
        case .pass(let handle): (handle, nil)
        case .refuse(let refusal): (.none, refusal)
        default: preconditionFailure("neither")
        }
    }

    /// Opens the context of a phone's request and sends it to an Asterisk.
    @discardableResult
    package func forward(_ request: [UInt8], of party: Party = .nobody) -> Handle {
        let handle = open(request, of: party).handle
        let message = bench.incoming(request.span, Self.phone)
        guard core.setUser(Array("100".utf8).span, handle, &ground, &bench),
            let asterisk = core.chooseAsterisk(handle, &ground, &bench)
        else { return handle }
        core.forward(handle, to: asterisk, message, &ground, &bench)
        return handle
    }

    /// A phone of an account is registered at a host of 192.0.2.0/24.
    package func register(_ account: AccountID, _ host: UInt8) {
        let name = ground.accounts.name(account).text
        let peer = BenchHarness.address("192.0.2.\(host):5060")
        let record = BindingRecord(
            account: name, key: UInt64(host), contact: "sip:\(name)@\(peer)", instance: "",
            callID: "r\(host)", sequence: 1, userAgent: "Phone",
            expires: bench.now.sinceEpoch + .seconds(3600), q: 1000, transport: .udp, listener: 0,
            address: peer, connection: 0)
        ground.restore(record, &bench)
    }

    /// Opens the context of an Asterisk's request and sends it to an account's phones.
    @discardableResult
    package func fork(_ request: [UInt8], to account: AccountID) -> Handle {
        let handle = open(request, .outward, of: .account(account), CoreBench.asterisk).handle
        let message = bench.incoming(request.span, Self.asterisk)
        let targets = ground.location.targets(account)
        core.fork(handle, to: targets, message, &ground, &bench)
        return handle
    }

    /// The messages that left since the last look, and where they went.
    package func takeSent() -> [(to: SocketAddress, message: Message)] {
        bench.effects.outbox.takeAll().map {
            guard let message = Message($0.bytes) else { preconditionFailure("no message") }
            return ($0.flow.peer, message)
        }
    }

    // MARK: Responses

    /// What is done with a final response of a branch that a context has.
    package typealias Final = (_ owner: Handle, _ branch: Handle, _ bytes: [UInt8]) -> Void

    /// A response of somebody comes; `final` does what follows from the final one of a branch.
    package func receive(_ response: [UInt8], _ peer: SocketAddress, _ final: Final) {
        let flow = Flow(.udp, listener: isOutside(peer) ? 0 : 1, peer: peer)
        let message = bench.incoming(response.span, flow)
        guard let branch = ground.transactions.find(message) else { return }
        switch ground.transactions.receive(branch, message, isReadable: true, &bench) {
        case .provisional:
            core.provisional(branch, message, isReadable: true, &ground, &bench)
        case .again:
            if case .context(let owner) = ground.transactions[branch].user, core.contains(owner) {
                core.pass(owner, branch, message.bytes, message.index, &ground, &bench)
            }
        case .final:
            if case .context(let owner) = ground.transactions[branch].user {
                final(owner, branch, response)
            }
            ground.finish(branch, message.index.status, &bench)
        default: break
        }
    }

    private func isOutside(_ peer: SocketAddress) -> Bool {
        !bench.settings.asterisks.contains(peer)
    }

    // MARK: Time

    /// Lets time pass.
    package func advance(_ span: Milliseconds) {
        let end = bench.now.monotonic + span
        while bench.now.monotonic < end {
            bench.pass(Milliseconds(16))
            while let payload = bench.timers.next(bench.now.monotonic) { fire(payload) }
        }
    }

    private func fire(_ payload: UInt64) {
        let handle = Handle(payload: payload)
        switch TimerKind(rawValue: UInt8(payload >> 56)) {
        case .serverEnd: core.serverTimer(handle, .timeout, &ground, &bench)
        case .serverRetransmit: core.serverTimer(handle, .retransmit, &ground, &bench)
        case .context: core.deadline(handle, &ground, &bench)
        case .clientRetransmit: happened(handle, .retransmit)
        case .clientEnd: happened(handle, .timeout)
        case .noAnswer: core.noAnswer(handle, &ground, &bench)
        default: break
        }
    }

    private func happened(_ handle: Handle, _ event: ClientEvent) {
        let event = ground.timer(handle, event, &bench)
        if case .failed(let status) = event { core.failed(handle, status, &ground, &bench) }
    }
}

/// What has one owner lent others, which a class cannot lend one by one.
extension Ground {
    fileprivate mutating func adopt(_ addresses: [SocketAddress], _ bench: inout Bench) {
        asterisks.adopt(addresses, &accounts, &transactions, &connections, &bench)
    }

    fileprivate mutating func restore(_ record: BindingRecord, _ bench: inout Bench) {
        _ = location.restore(record, &accounts, &connections, &bench)
    }

    fileprivate mutating func finish(_ branch: Handle, _ status: UInt16, _ bench: inout Bench) {
        transactions.finish(branch, status, &accounts, &connections, &bench)
    }

    fileprivate mutating func timer(
        _ branch: Handle, _ event: ClientEvent, _ bench: inout Bench
    ) -> TransactionEvent {
        transactions.timer(branch, event, &accounts, &connections, &bench)
    }
}
