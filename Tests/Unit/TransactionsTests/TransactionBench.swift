import AccountCache
import BenchHarness
import Connections
import Messages
import ProxyBench
import Reactor
import SIP
import SIPTransactions
import SIPWriting
import Sys
import Transactions

import struct RouterHarness.Message
import func RouterHarness.response

/// The transaction layer with what it is lent, and nothing above it.
final class TransactionBench {
    /// A phone's ways.
    static let udp = Flow(.udp, listener: 0, peer: address("192.0.2.66:5060"))
    static let tcp = Flow(.tcp, listener: 1, peer: address("192.0.2.66:5060"), connection: 7)
    private static let listeners = [
        Listener(index: 0, side: .outside, endpoint: Endpoint(.udp, address("203.0.113.5:5060"))),
        Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address("203.0.113.5:5060"))),
        Listener(index: 2, side: .inside, endpoint: Endpoint(.udp, address("10.0.0.1:5060"))),
    ]

    private var bench = Bench([], TransactionBench.listeners)
    private var accounts = AccountCache()
    private var connections = Connections()
    private var transactions = ClientTransactions()
    /// Which transactions have failed by a timer, and as what.
    private(set) var failures: [Handle: UInt16] = [:]
    /// Which have had no answer for the span that was asked for.
    private(set) var unanswered: [Handle] = []

    var count: Int { transactions.count }
    var timers: Int { bench.timers.count }

    func contains(_ handle: Handle) -> Bool { transactions.contains(handle) }

    /// Whether the request is still stored.
    func stores(_ handle: Handle) -> Bool { transactions[handle].sent.exists }

    // MARK: Requests

    func account(_ name: String) -> AccountID {
        guard let account = accounts.account(of: Array(name.utf8).span, &bench) else {
            preconditionFailure("no room for an account")
        }
        return account
    }

    func knows(_ name: String) -> Bool { accounts.find(Array(name.utf8).span) != nil }

    func begin(
        _ method: Method, _ flow: Flow = TransactionBench.udp, of party: Party = .nobody
    ) -> Handle? {
        transactions.begin(.nobody, method, flow, of: party, &accounts, &bench)
    }

    /// Begins a request and sends it.
    func send(
        _ method: Method, _ flow: Flow = TransactionBench.udp, of party: Party = .nobody,
        padding: Int = 0
    ) -> Handle {
        guard let handle = begin(method, flow, of: party) else {
            preconditionFailure("no room for a transaction")
        }
        outcome = write(handle, method, padding)
        return handle
    }

    /// What sending the last request came to.
    private(set) var outcome = ""

    private func write(_ handle: Handle, _ method: Method, _ padding: Int) -> String {
        let request = transactions[handle]
        bench.writer.begin(to: request.flow.peer.ip)
        append("\(method.name) sip:alice@192.0.2.66 SIP/2.0\r\n")
        bench.writer.via(request.flow, handle, request.cookie)
        append("Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag=1\r\n")
        append("To: <sip:alice@example.com>\r\nCall-ID: t\r\nCSeq: 7 \(method.name)\r\n")
        append("Contact: <sip:bob@203.0.113.5>\r\n")
        if padding > 0 { append("Subject: \(String(repeating: "x", count: padding))\r\n") }
        bench.writer.endEmpty()
        return "\(transactions.send(handle, &accounts, &connections, &bench))"
    }

    private func append(_ text: String) { bench.writer.append(Array(text.utf8).span) }

    func cancel(_ handle: Handle, _ reason: String = "") {
        transactions.setReason(Array(reason.utf8), handle, &bench)
        transactions.cancel(handle, &bench)
    }

    func ringing(_ handle: Handle) { transactions.ringing(handle, &bench) }

    func watch(_ handle: Handle, _ span: Milliseconds) { transactions.watch(handle, span, &bench) }

    func giveUp(_ handle: Handle) { transactions.giveUp(handle, &bench) }

    func isUnanswered(_ handle: Handle) -> Bool { transactions.isUnanswered(handle) }

    func report(_ handle: Handle) -> Bool { transactions.report(handle) }

    func end(_ handle: Handle) { transactions.end(handle, &accounts, &connections, &bench) }

    func closed(_ flow: Flow) { _ = connections.closed(flow) }

    /// The transactions that the closed connections had.
    func takeLost() -> [Handle] { transactions.lost(connections.takeLost()) }

    /// The messages that left since the last look.
    func takeSent() -> [Message] {
        bench.effects.outbox.takeAll().map {
            guard let message = Message($0.bytes) else { preconditionFailure("no message") }
            return message
        }
    }

    // MARK: Responses

    /// The transaction that a response to a request belongs to.
    func find(_ response: [UInt8], _ flow: Flow = TransactionBench.udp) -> Handle? {
        let message = bench.incoming(response.span, flow)
        return transactions.find(message)
    }

    /// Answers a request that left; what that means to its user, "" when it belongs to none.
    ///
    /// A success that cannot be passed on ends the call that it would have begun when `endsCall` says so.
    @discardableResult
    func answer(
        _ request: Message, _ status: Int, isReadable: Bool = true, endsCall: Bool = true,
        _ flow: Flow = TransactionBench.udp
    ) -> String {
        let contact = ["Contact: <sip:alice@192.0.2.66:1024>"]
        let bytes = response(to: request, status, tag: "2", contact)
        let message = bench.incoming(bytes.span, flow)
        guard let handle = transactions.find(message) else { return "" }
        let event = transactions.receive(handle, message, isReadable: isReadable, &bench)
        switch event {
        case .unreadable where status < 300:
            transactions.refuseSuccess(
                handle, message.bytes, message.index, endsCall: endsCall, &accounts, &connections,
                &bench)
            fallthrough
        case .final, .unreadable:
            transactions.finish(handle, UInt16(status), &accounts, &connections, &bench)
        default: break
        }
        return "\(event)"
    }

    // MARK: Time

    /// Lets time pass.
    func advance(_ span: Milliseconds) {
        let end = bench.now.monotonic + span
        while bench.now.monotonic < end {
            bench.pass(Milliseconds(16))
            while let payload = bench.timers.next(bench.now.monotonic) { fire(payload) }
        }
    }

    private func fire(_ payload: UInt64) {
        let handle = Handle(payload: payload)
        switch TimerKind(rawValue: UInt8(payload >> 56)) {
        case .clientRetransmit: happened(handle, .retransmit)
        case .clientEnd: happened(handle, .timeout)
        case .noAnswer: unanswered.append(handle)
        default: preconditionFailure("a timer of somebody else")
        }
    }

    private func happened(_ handle: Handle, _ event: ClientEvent) {
        let event = transactions.timer(handle, event, &accounts, &connections, &bench)
        guard case .failed(let status) = event else { return }
        failures[handle] = status
        end(handle)
    }
}
