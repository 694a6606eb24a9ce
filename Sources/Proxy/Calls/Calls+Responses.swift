internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Authentication
internal import Dialling
internal import Journal
internal import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
internal import SIPWriting
package import Sys
internal import Trunks

/// The final responses of branches, which answer calls, end them, or send them elsewhere.
extension Calls {
    /// How often an Asterisk's challenge of one request is answered.
    private static let mostChallenges: UInt8 = 2

    /// The final response of a branch has come.
    package mutating func responded(
        _ owner: Handle, _ branch: Handle, _ message: borrowing Incoming,
        _ core: inout ProxyCore, _ ground: inout Ground, _ bench: inout Bench
    ) {
        guard core.contains(owner) else { return }
        let context = core[owner]
        if message.index.status == 481, context.inDialog, context.direction == .inward {
            dialogUnknown(context.party, message, core, ground, &bench)
        }
        if message.index.status == 403 { recordRefusal(context, message, &ground, &bench) }
        switch core.ended(owner, branch, message, &ground, &bench) {
        case .handled: break
        case .accepted:
            if context.method == .bye, !context.call.exists {
                recordUnlisted(owner, branch, message, core, ground, &bench)
            }
            guard storeAnswer(owner, branch, message, core, ground, &bench) else {
                core.refuseToPass(owner, branch, message.bytes, message.index, &ground, &bench)
                return
            }
            core.pass(owner, branch, message.bytes, message.index, &ground, &bench)
            answered(owner, message, &core, &ground, &bench)
        case .challenged:
            if core.isOpen(owner), answerChallenge(owner, message, &core, &ground, &bench) {
                return
            }
            core.failByOurselves(owner, 403, &ground, &bench)
        case .redirected:
            if forwards(owner, message, &core, &ground, &bench) {
                core.failed(owner, branch, message, &ground, &bench)
            } else {
                core.failByOurselves(owner, 403, isForwarding: true, &ground, &bench)
            }
        }
    }

    /// Judges an answer that sends its call elsewhere; true when it may.
    ///
    /// One that may not is recorded, and its caller
    /// hears of it when all branches have ended.
    private mutating func forwards(
        _ owner: Handle, _ message: borrowing Incoming, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        switch judge(forwarding: message, of: core[owner].party, &ground, &bench) {
        case .observedCall(_, let call):
            refused(call, message, &core, &ground, &bench)
            return true
        case .refuseCall(let call):
            refused(call, message, &core, &ground, &bench)
            return false
        case .refuse(let refusal):
            ground.admission.recordRefusal(
                refusal.code, refusal.status?.rawValue ?? 0, message, &bench)
            return false
        default: return true
        }
    }

    /// Records that an Asterisk refuses an account's call after it was given the account's credentials.
    ///
    /// A refusal of its dialplan says why it ends: PJSIP in Reason, chan_sip in a header of its own.
    private func recordRefusal(
        _ context: ResponseContext, _ message: borrowing Incoming, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        guard context.method == .invite, context.direction == .inward, !context.inDialog,
            context.challenges > 0, case .account(let account) = context.party,
            message.index.value(.reason) == nil, !Self.hasHangupCause(message)
        else { return }
        ground.asterisks.callRefused(account, by: context.asterisk, ground.accounts, &bench)
    }

    private static func hasHangupCause(_ message: borrowing Incoming) -> Bool {
        for position in 0..<message.index.count where message.index[position].name == .other {
            let name = message.bytes.bytes(message.index[position].nameSlice)
            if name.isCaseless("x-asterisk-hangupcause") { return true }
        }
        return false
    }

    /// Directory has told an account's hashes in the realm of an Asterisk: what has waited for them is sent once more.
    package mutating func hashesCame(
        _ account: AccountID, _ core: inout ProxyCore, _ ground: inout Ground,
        _ bench: inout Bench
    ) {
        let waiting = awaitingHashes
        awaitingHashes = waiting.filter { core.isOpen($0) && core[$0].party != .account(account) }
        for owner in waiting where core.isOpen(owner) && core[owner].party == .account(account) {
            core.resend(owner, nil, &ground, &bench)
        }
    }

    /// Sends a request again with an answer to the Asterisk's challenge, now or once it can be computed; false when that
    /// cannot be done.
    private mutating func answerChallenge(
        _ owner: Handle, _ message: borrowing Incoming, _ core: inout ProxyCore,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Bool {
        let context = core[owner]
        guard context.challenges < Self.mostChallenges, !context.isCancelled else { return false }
        switch context.party {
        case .nobody: return false
        case .trunk(let trunk):
            ground.trunks.asteriskAsksForPassword(trunk, context.asterisk, &bench)
            return false
        case .account(let account):
            let uri = "sip:\(bench.texts.span(context.user).text)@\(context.asterisk)"
            let outcome = ground.authentication.answerChallenge(
                message.bytes, message.index, account, context.method.name, Array(uri.utf8),
                &ground.accounts, &bench)
            switch outcome {
            case .answer(let answer):
                core.resend(owner, answer, &ground, &bench)
                return true
            case .asked:
                core.awaitHashes(owner, &bench)
                awaitingHashes.removeAll { !core.isOpen($0) }
                awaitingHashes.append(owner)
                return true
            case .impossible:
                let name = ground.accounts.name(account).text
                bench.effects.journal.add(
                    .asteriskRefused, .warning,
                    "Asterisk \(context.asterisk) asks \(name) for credentials that accounts.source does not hold",
                    [(.account, name), (.asterisk, "\(context.asterisk)")])
                return false
            }
        }
    }
}
