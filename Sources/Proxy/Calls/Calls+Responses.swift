internal import AccountCache
internal import Admission
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

    /// Sends a request again with an answer to the Asterisk's challenge; false when that cannot be done.
    private func answerChallenge(
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
            guard case .answer(let answer) = outcome else {
                let name = ground.accounts.name(account).text
                bench.effects.journal.add(
                    .asteriskRefused, .warning,
                    "Asterisk \(context.asterisk) asks \(name) for credentials that accounts.source does not hold",
                    [(.account, name), (.asterisk, "\(context.asterisk)")])
                return false
            }
            core.resend(owner, answer, &ground, &bench)
            return true
        }
    }
}
