import AccountCache
import BenchHarness
import Calls
import Dialling
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

/// What is said of a call that somebody wants to make, to be compared.
enum Judged: Equatable {
    case pass, other
    case refuse(Refusal)
    /// Nil for a call that was refused before.
    case refuseCall(Refusal?, barring: UInt32? = nil)
    case observed(Refusal?)

    init(_ verdict: Verdict<Dialled>) {
        self =
            switch verdict {
            case .pass: .pass
            case .refuse(let refusal): .refuse(refusal)
            case .refuseCall(let call): .refuseCall(call.refusal, barring: call.barring)
            case .observedCall(_, let call): .observed(call.refusal)
            default: .other
            }
    }
}

/// The calls of accounts on the proxy core, and no router above them.
final class CallBench {
    typealias Sent = (to: SocketAddress, message: Message)

    private let stage: CoreBench
    private var calls = Calls(boundSince: Milliseconds(0))

    init(_ rules: [CallRule] = [], isObserving: Bool = false) {
        stage = CoreBench(
            rules.map { .calls($0) } + [.mode(isObserving ? .observe : .enforce)], asterisks: 1)
    }

    func account(_ name: String) -> AccountID { stage.account(name) }

    // MARK: Calls

    /// A phone of an account calls a number; what is said of that, and the INVITE that leaves.
    func call(_ number: String, _ account: AccountID, callID: String = "c") -> Judged {
        let bytes = CoreBench.request("INVITE", number, callID: callID)
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        let user = UserPart(Array(number.utf8).span)
        let verdict = calls.judge(
            request: message, of: account, to: user, &stage.ground, &stage.bench)
        switch verdict {
        case .pass(let dialled), .observedCall(let dialled, _): begin(bytes, account, dialled, user)
        default: break
        }
        switch verdict {
        case .refuseCall(let call), .observedCall(_, let call):
            calls.refused(call, message, &stage.core, &stage.ground, &stage.bench)
        default: break
        }
        return Judged(verdict)
    }

    private func begin(
        _ bytes: [UInt8], _ account: AccountID, _ dialled: Dialled, _ user: UserPart
    ) {
        let handle = stage.open(bytes, of: .account(account)).handle
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        guard stage.core.setUser(user.span, handle, &stage.ground, &stage.bench),
            calls.begin(
                handle, .made, dialled, message, &stage.core, &stage.ground, &stage.bench),
            let asterisk = stage.core.chooseAsterisk(handle, &stage.ground, &stage.bench)
        else { preconditionFailure("no call") }
        stage.core.forward(handle, to: asterisk, message, &stage.ground, &stage.bench)
    }

    /// A call that passes; the INVITE that left for the Asterisk.
    func made(_ number: String, _ account: AccountID, callID: String = "c") -> Sent {
        guard call(number, account, callID: callID) == .pass, let invite = takeRequests().last
        else { preconditionFailure("no call") }
        return invite
    }

    /// What is said of a request that calls nobody.
    func judge(_ method: String, _ account: AccountID, _ lines: [String]) -> Judged {
        let bytes = CoreBench.request(method, callID: "j", lines: lines)
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        let user = UserPart(Array("100".utf8).span)
        return Judged(
            calls.judge(request: message, of: account, to: user, &stage.ground, &stage.bench))
    }

    /// A request of ours is answered by who got it.
    func answer(_ request: Sent, _ status: Int, tag: String = "2", _ lines: [String] = []) {
        let bytes = response(
            to: request.message, status, tag: tag,
            ["Contact: <sip:100@\(request.to)>"] + lines)
        stage.receive(bytes, request.to) { owner, branch, bytes in
            responded(owner, branch, bytes)
        }
        recordFailures()
    }

    private func responded(_ owner: Handle, _ branch: Handle, _ bytes: [UInt8]) {
        let message = stage.bench.incoming(bytes.span, CoreBench.asterisk)
        calls.responded(owner, branch, message, &stage.core, &stage.ground, &stage.bench)
    }

    private func recordFailures() {
        calls.recordFailures(&stage.core, stage.ground, &stage.bench)
    }

    /// The call that a request inside a dialog belongs to; nil for none.
    func find(_ bytes: [UInt8]) -> Handle? {
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        let call = calls.find(message)
        return call.exists ? call : nil
    }

    /// Something is said in the call of a Call-ID.
    func hear(_ callID: String = "c") {
        guard let call = find(CoreBench.request("ACK", callID: callID, toTag: "2")) else {
            preconditionFailure("no such call")
        }
        calls.heard(call, stage.bench)
    }

    /// The caller gives up.
    func cancel(_ lines: [String] = []) {
        let bytes = CoreBench.request("CANCEL", lines: lines)
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        guard
            case .cancels(let handle) = stage.core.absorb(message, &stage.ground, &stage.bench)
        else { preconditionFailure("no such call") }
        calls.cancelled(handle, message, stage.core)
        stage.core.cancel(handle, [], &stage.ground, &stage.bench)
        recordFailures()
    }

    /// A phone says something inside a dialog of an account, which goes to the Asterisk; the request that left.
    func say(
        _ method: String, _ account: AccountID, callID: String = "c", _ lines: [String] = []
    ) -> Sent {
        let bytes = CoreBench.request(
            method, callID: callID, branch: "z9hG4bK\(method)", sequence: 2, toTag: "2",
            lines: lines)
        let call = find(bytes) ?? .none
        let handle = stage.open(
            bytes, of: .account(account), in: StringVector(), CoreBench.phone
        ).handle
        let message = stage.bench.incoming(bytes.span, CoreBench.phone)
        stage.core.forward(
            handle, to: CoreBench.asterisk.peer, message, &stage.ground, &stage.bench)
        if method == "BYE" {
            calls.hungUp(handle, call, message, &stage.core, stage.ground, &stage.bench)
        }
        guard let sent = takeRequests().last else { preconditionFailure("nothing left") }
        return sent
    }

    // MARK: Time

    func advance(_ span: Milliseconds) { stage.advance(span) }

    /// Lets much time pass, in which nothing is due.
    func leap(_ span: Milliseconds) { stage.bench.pass(span) }

    func sweep() { calls.sweep(stage.core, stage.ground, &stage.bench) }

    // MARK: What is known

    var count: Int { calls.count }

    func count(of account: AccountID) -> UInt32 { calls.count(of: .account(account)) }

    var rows: [CallRow] {
        calls.rows(stage.core, stage.ground, stage.bench).compactMap { reply in
            if case .call(let row) = reply { row } else { nil }
        }
    }

    /// The accounts that something stands against.
    var standings: [AccountStanding] {
        calls.standingRows(stage.ground, stage.bench).compactMap { reply in
            if case .standing(let standing) = reply { standing } else { nil }
        }
    }

    /// The requests that left since the last look.
    func takeRequests() -> [Sent] { stage.takeSent().filter { $0.message.isRequest } }

    /// What the journal was told since the last look.
    func takeSentences() -> [String] { stage.bench.effects.journal.takeSentences() }

    // MARK: directory and the command line

    /// What directory is to keep of accounts, since the last look.
    func takeKept() -> [AccountStanding] {
        stage.bench.effects.toDirectory.takeAll().compactMap { message in
            if case .storeStanding(let standing) = message { standing } else { nil }
        }
    }

    /// directory tells what it has of an account.
    func restore(_ standing: AccountStanding) {
        calls.restore(standing, &stage.ground, &stage.bench)
    }

    /// directory has told everything.
    func restored() { calls.restored(stage.ground, &stage.bench) }

    /// Lets an account call again; false when nothing stood against it.
    func release(_ name: String) -> Bool {
        if case .done = calls.release(name, stage.ground, &stage.bench) { true } else { false }
    }

    /// Ends the calls of a Call-ID; false when there is none.
    func end(_ callID: String) -> Bool {
        defer { recordFailures() }
        let reply = calls.end(callID: callID, &stage.core, &stage.ground, &stage.bench)
        return if case .done = reply { true } else { false }
    }
}
