internal import AsteriskPool
internal import Digest
internal import Messages
package import ProxyBench
package import ProxyCore
internal import SIP
package import SIPWriting
package import Sys
internal import Trunks

/// The tokens that requests inside a dialog bring back, and whose they are.
extension Calls {
    /// For how long tokens count that were sealed before tokens were bound to dialogs.
    private static let oldTokens = Milliseconds.seconds(4 * 3600)

    // MARK: From outside

    /// The token in the Request-URI, when the URI is one that we have handed out in the request's dialog.
    package func dialogToken(
        _ message: borrowing Incoming, _ trunk: TrunkID?, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) -> AsteriskToken? {
        let user = message.bytes.bytes(message.index.requestURI.user)
        guard user.count >= Tokens.shortest else { return nil }
        let token = bench.writer.tokens.asterisk(
            user, callID: message.bytes.bytes(message.index.callID),
            tag: message.bytes.bytes(message.index.to.tag))
        // Out of any dialog a trunk brings back what an Asterisk has registered there.
        guard token == nil, trunk == nil || !message.index.to.tag.isEmpty else { return token }
        return oldToken(message, trunk, ground, &bench)
    }

    /// A token of before tokens were bound to dialogs, with the account that has its mark.
    private func oldToken(
        _ message: borrowing Incoming, _ trunk: TrunkID?, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) -> AsteriskToken? {
        let bytes = message.bytes
        guard boundSince.count > 0,
            let (old, mark) = bench.writer.tokens.oldAsterisk(
                bytes.bytes(message.index.requestURI.user))
        else { return nil }
        var token = old
        token.dialog = bench.writer.tokens.dialog(
            callID: bytes.bytes(message.index.callID), tag: bytes.bytes(message.index.from.tag))
        let from = UserPart(bytes.bytes(message.index.from.uri.user))
        let call = find(message)
        var names = [TokenText(from.span)]
        if let trunk { names.insert(ground.name(of: .trunk(trunk)), at: 0) }
        if call.exists { names.append(ground.name(of: table[call].party)) }
        if let name = names.first(where: { bench.writer.tokens.mark($0.span) == mark }) {
            token.account = bench.writer.tokens.account(name.span)
        }
        return token
    }

    /// Whether tokens of before tokens were bound to dialogs count still.
    private func areOldTokensGood(_ bench: borrowing Bench) -> Bool {
        boundSince.count > 0 && bench.now.sinceEpoch - boundSince <= Self.oldTokens
    }

    /// Whether a token may be used for a request: an old one ends a call or refreshes it, and brings no new
    /// session description.
    private func mayUse(
        _ token: AsteriskToken, _ index: borrowing MessageIndex, _ bench: borrowing Bench
    ) -> Bool {
        guard token.isOld else { return true }
        guard areOldTokensGood(bench), index.body.isEmpty else { return false }
        switch index.method {
        case .bye, .ack, .invite, .update: return true
        default: return false
        }
    }

    /// What a trunk calls out of any dialog, when it is the Contact by which an Asterisk has registered there.
    package func registrationToken(
        _ message: borrowing Incoming, _ trunk: TrunkID?, _ ground: borrowing Ground,
        _ bench: inout Bench
    ) -> RegistrationToken? {
        let user = message.bytes.bytes(message.index.requestURI.user)
        guard let trunk, message.index.to.tag.isEmpty, user.count >= Tokens.shortest else {
            return nil
        }
        if let token = bench.writer.tokens.registration(user) { return token }
        // The Asterisk may have registered before.
        let name = ground.name(of: .trunk(trunk))
        guard areOldTokensGood(bench),
            let (old, mark) = bench.writer.tokens.oldAsterisk(user),
            bench.writer.tokens.mark(name.span) == mark
        else { return nil }
        return RegistrationToken(
            asterisk: old.asterisk, account: bench.writer.tokens.account(name.span), user: old.user)
    }

    /// Whether a token may be used for a request inside its dialog.
    package func check(
        _ token: AsteriskToken, _ message: borrowing Incoming, _ call: Handle,
        _ core: borrowing ProxyCore, _ ground: borrowing Ground, _ bench: inout Bench
    ) -> Verdict<Void> {
        guard ground.asterisks.isAsterisk(token.asterisk.ip) else { return .refuse(.asteriskGone) }
        // What begins something has to prove who it is, and a token proves only a dialog.
        guard !message.index.to.tag.isEmpty, message.index.method != .register else {
            return .refuse(.noDialog)
        }
        guard mayUse(token, message.index, bench) else { return .refuse(.oldToken) }
        return .refuse(
            .otherAccount, if: call.exists && !isOf(call, token, core, ground, &bench))
    }

    /// Whether a token is of a call: nobody speaks in another account's call with a token of its own, or
    /// begins one at another Asterisk with an old token and the name of this one.
    private func isOf(
        _ handle: Handle, _ token: AsteriskToken, _ core: borrowing ProxyCore,
        _ ground: borrowing Ground, _ bench: inout Bench
    ) -> Bool {
        let call = table[handle]
        let isRinging = !call.isAnswered && core.contains(call.context)
        let asterisk =
            isRinging && call.direction == .made ? core[call.context].asterisk : call.asterisk
        // An Asterisk may speak by several ports of its address.
        return asterisk.ip == token.asterisk.ip
            && ground.isNamed(token.account, call.party, &bench)
    }

    /// The account of a dialog's token, whichever From names; nobody when it cannot be told.
    ///
    /// A name too long for tokens is told by the call, if there is one, or by From. A trunk speaks from its own
    /// addresses alone, and is nobody elsewhere.
    package func account(
        of token: AsteriskToken, _ message: borrowing Incoming, _ call: Handle,
        _ ground: inout Ground, _ bench: inout Bench
    ) -> Party {
        var party = Party.nobody
        if call.exists {
            party = table[call].party
        } else if !token.account.isHash {
            party = ground.party(named: token.account.span, &bench)
        } else {
            let name = UserPart(message.bytes.bytes(message.index.from.uri.user))
            if bench.writer.tokens.account(name.span) == token.account,
                let account = ground.account(named: name.span, &bench)
            {
                party = .account(account)
            }
        }
        return party.isTrunk ? .nobody : party
    }

    // MARK: From inside

    /// The token in the topmost Route, by which an Asterisk reaches a phone.
    ///
    /// An old one serves for every method, since nobody but an Asterisk can bring it.
    package func routeToken(
        _ message: borrowing Incoming, _ bench: inout Bench
    ) -> PhoneToken? {
        let bytes = message.bytes
        guard let value = message.index.value(.route) else { return nil }
        var list = ValueList(value)
        guard let top = list.next(in: bytes), let route = try? NameAddress(top, in: bytes) else {
            return nil
        }
        let user = bytes.bytes(route.uri.user)
        let callID = bytes.bytes(message.index.callID)
        let from = bytes.bytes(message.index.from.tag)
        let token = bench.writer.tokens.phone(
            user, callID: callID, from, bytes.bytes(message.index.to.tag))
        guard token == nil, areOldTokensGood(bench),
            var old = bench.writer.tokens.oldPhone(user)
        else { return token }
        old.dialog = bench.writer.tokens.dialog(callID: callID, tag: from)
        return old
    }
}
