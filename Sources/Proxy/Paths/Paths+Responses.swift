package import AccountCache
internal import Admission
internal import AsteriskPool
internal import Calls
internal import Connections
package import LocationService
internal import Messages
package import ProxyBench
internal import ProxyCore
internal import SIP
package import SIPTransactions
internal import SIPWriting
package import Sys
internal import Transactions

/// Responses, and what follows from what owners give back.
extension Paths {
    /// Takes a response; of one that is not `isWhole` only Via, CSeq and status are believed.
    ///
    /// False when it answers
    /// nothing that we have sent.
    @discardableResult
    package mutating func respond(
        _ message: borrowing Incoming, isWhole: Bool, _ bench: inout Bench
    ) -> Bool {
        guard let branch = ground.transactions.find(message) else {
            return ground.location.answered(message, &ground.accounts, &bench)
        }
        ground.location.proven(
            by: ground.transactions[branch].flow, &ground.accounts, &bench)
        if message.index.sequenceMethod != .cancel {
            ground.answered(message.flow, asked: ground.transactions[branch].flow, &bench)
            core.recordServer(branch, answers: true, &ground, &bench)
        }
        // A success without what it is about would be another one.
        let isSuccess = message.index.status >= 200 && message.index.status < 300
        let isReadable = isWhole && (!isSuccess || Body(message.bytes, message.index).isReadable)
        let event = ground.transactions.receive(branch, message, isReadable: isReadable, &bench)
        switch event {
        case .none, .failed: break
        case .provisional:
            core.provisional(branch, message, isReadable: isReadable, &ground, &bench)
        case .again:
            if case .context(let owner) = ground.transactions[branch].user, core.contains(owner) {
                core.pass(owner, branch, message.bytes, message.index, &ground, &bench)
            }
        case .final:
            final(branch, message, &bench)
            finish(branch, message, &bench)
        case .unreadable:
            unreadable(branch, message, &bench)
            finish(branch, message, &bench)
        }
        return true
    }

    private mutating func finish(
        _ branch: Handle, _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        ground.transactions.finish(
            branch, message.index.status, &ground.accounts, &ground.connections, &bench)
    }

    private mutating func final(
        _ branch: Handle, _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        switch ground.transactions[branch].user {
        case .nobody: break
        case .probe(let number): probeAnswered(number, branch, &bench)
        case .registration(let registration):
            ground.asterisks.registrationAnswered(
                registration, branch, message.bytes, message.index, &ground.accounts,
                &ground.authentication, &ground.transactions, &ground.connections, &bench)
        case .context where ground.transactions[branch].isGivenUp:
            // Whoever called has, or gets, the other one's answer, whether the call still stands or not.
            if message.index.status < 300 {
                core.refuseSuccess(branch, message.bytes, message.index, &ground, &bench)
            }
        case .context(let owner):
            if message.index.status == 480 { notFound(owner, branch, &bench) }
            calls.responded(owner, branch, message, &core, &ground, &bench)
        }
    }

    /// An Asterisk has no way to whoever a context's INVITE calls.
    private mutating func notFound(_ owner: Handle, _ branch: Handle, _ bench: inout Bench) {
        guard core.contains(owner), core[owner].method == .invite, !core[owner].inDialog,
            core[owner].direction == .inward, core[owner].party.account != nil,
            let called = ground.accounts.find(bench.texts.span(core[owner].user))
        else { return }
        ground.asterisks.cannotCall(
            called, at: ground.transactions[branch].flow.peer, bench)
    }

    /// An answer cannot be passed on.
    ///
    /// Its user hears of it at once, and a phone that has answered does not hang in a call
    /// of which nobody knows.
    private mutating func unreadable(
        _ branch: Handle, _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        if message.index.status < 300, ground.transactions[branch].method == .invite {
            core.refuseSuccess(branch, message.bytes, message.index, &ground, &bench)
        }
        switch ground.transactions[branch].user {
        case .nobody: break
        case .probe(let number): probeAnswered(number, branch, &bench)
        case .registration(let registration):
            ground.asterisks.registrationFailed(registration, branch, &ground.accounts, &bench)
        case .context(let owner): core.unreadable(owner, branch, &ground, &bench)
        }
    }

    private mutating func probeAnswered(
        _ number: Int, _ branch: Handle, _ bench: inout Bench
    ) {
        ground.asterisks.probeAnswered(
            number, branch, &ground.accounts, &ground.transactions, &ground.connections, &bench)
    }

    /// A timer of a request that we have sent has fired.
    package mutating func clientTimer(
        _ branch: Handle, _ event: ClientEvent, _ bench: inout Bench
    ) {
        let outcome = ground.transactions.timer(
            branch, event, &ground.accounts, &ground.connections, &bench)
        if case .failed(let status) = outcome { failed(branch, status, &bench) }
    }

    /// A request that we have sent has come to nothing, which counts as this status.
    package mutating func failed(_ branch: Handle, _ status: UInt16, _ bench: inout Bench) {
        guard ground.transactions.contains(branch) else { return }
        if case .registration(let registration) = ground.transactions[branch].user {
            ground.asterisks.registrationFailed(registration, branch, &ground.accounts, &bench)
        }
        core.failed(branch, status, &ground, &bench)
    }

    /// Directory has said that what an account has ends: its bindings, and its calls now or at their next word.
    package mutating func revoke(
        _ account: AccountID, endsCalls: Bool, _ bench: inout Bench
    ) {
        ground.accounts.revoke(account)
        let change = ground.location.revoke(
            account, &ground.accounts, &ground.connections, &bench)
        follow(change, &bench)
        if endsCalls { calls.revoke(account, &core, &ground, &bench) }
    }

    /// What an account's row has let in unconfirmed stays, or is taken back.
    package mutating func settle(
        _ account: AccountID, _ verdict: RowVerdict, _ bench: inout Bench
    ) {
        guard verdict != .nothing else { return }
        if case .otherwise(let hasNewSecret) = verdict {
            guard ground.location.mayTakeBack(account, &bench) else { return }
            let change = ground.location.revoke(
                account, isLate: true, &ground.accounts, &ground.connections, &bench)
            follow(change, &bench)
            calls.takeBack(account, hasNewSecret: hasNewSecret, &core, &ground, &bench)
        }
        ground.location.confirm(account)
        calls.confirm(account)
    }

    /// Asks the phones that are due whether they are there, and tells the Asterisks who has come or gone.
    package mutating func keepAlive(_ bench: inout Bench) {
        ground.location.keepAlive(&ground.accounts, &bench)
        for change in ground.location.settle(bench) { follow(change, &bench) }
    }

    /// What an account's phones have changed: at the Asterisks, and in who is a resident.
    package mutating func follow(_ change: RegistrationChange?, _ bench: inout Bench) {
        guard let change else { return }
        if let residence = change.residence {
            let ip = residence.flow.peer.ip
            let name = NameTable.hash(ground.accounts.name(change.account))
            ground.admission.reside(ip, until: residence.until, account: name, &bench)
            calls.seen(change.account, at: ip, &ground, &bench)
        }
        if change.isRegistered {
            ground.asterisks.appear(change.account, &ground.accounts, &bench)
            if change.isNewPhone { ground.asterisks.renew(change.account, &bench) }
        } else {
            ground.asterisks.leave(change.account, &bench)
        }
    }
}
