internal import AccountCache
internal import Admission
internal import AsteriskPool
internal import Authentication
internal import Connections
internal import Digest
internal import LocationService
package import Messages
package import ProxyBench
internal import SIP
package import SIPWriting
package import Sys
internal import Trunks

/// Who a message comes from.
extension Ground {
    // MARK: Sources

    /// Who a source is by the settings.
    package func standing(of ip: IPAddress, _ bench: borrowing Bench) -> Standing {
        Standing(
            isAsterisk: asterisks.isAsterisk(ip), trunk: trunks.trunk(at: ip),
            isAllowed: bench.settings.allow.contains { $0.contains(ip) })
    }

    /// Counts an offence of a connection, on which no message can be named.
    package mutating func offence(
        _ detector: Detector, byConnection flow: Flow, _ bench: inout Bench
    ) {
        let sender = Sender(standing: standing(of: flow.peer.ip, bench))
        admission.offence(detector, flow.peer.ip, sender, &bench)
    }

    /// Whether the account of a name is registered by the message's flow.
    func isRegistered(_ name: Span<UInt8>, by message: borrowing Incoming) -> Bool {
        guard !message.sender.isStranger, let account = accounts.find(name) else { return false }
        return location.isRegistered(account, by: message.flow)
    }

    // MARK: Phones

    /// The account that a request proves to be of.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are.
    package mutating func authenticate(
        _ message: inout Incoming, _ bench: inout Bench
    ) -> Verdict<AccountID> {
        let header: DigestHeader
        switch authentication.credentials(of: &message, bench) {
        case .pass(let credentials): header = credentials
        case .challenge(let challenge): return .challenge(challenge)
        case .refuse(let refusal): return .refuse(refusal)
        default: return .later
        }
        let name = message.accountName
        let mark = NameTable.hash(name.span)
        if let refusal = admission.guardedReason(
            mark, message, isOwnFlow: isRegistered(name.span, by: message), bench)
        {
            return .refuse(refusal)
        }
        guard name.isName, let account = accounts.account(of: name.span, &bench) else {
            return .refuse(.unknownAccount)
        }
        if let refusal = unaskedReason(account, &message, bench) {
            accounts.forgetIfIdle(account, bench.now.monotonic)
            return .refuse(refusal)
        }
        let verdict = authentication.prove(header, message, account, &accounts, &bench)
        guard case .pass = verdict else { return verdict }
        if !accounts.isConfirmed(account, bench.now.monotonic) {
            accounts.serveUnconfirmed(account)
            message.sender.isUnconfirmed = true
        }
        admission.returnTry(&message, bench)
        return message.sender.isRepetition ? verdict : proven(account, mark, message, bench)
    }

    /// A message has proven its account, which may have had its part of requests.
    private mutating func proven(
        _ account: AccountID, _ mark: UInt64, _ message: borrowing Incoming,
        _ bench: borrowing Bench
    ) -> Verdict<AccountID> {
        admission.succeeded(mark, message, bench)
        if message.flow.transport.isStream { connections.authenticated(message.flow) }
        switch admission.takeRequest(of: account, message.index.method, bench) {
        case .refuse(let refusal): return .refuse(refusal)
        case .observed(_, let refusal): return .observed(account, refusal)
        default: return .pass(account)
        }
    }

    /// Why directory is not asked about an account that it would have to be asked for; nil when it may be.
    private mutating func unaskedReason(
        _ account: AccountID, _ message: inout Incoming, _ bench: borrowing Bench
    ) -> Refusal? {
        let state = accounts.state(account)
        guard state != .found, !message.isResumed else { return nil }
        // Its original has been looked up; a copy costs directory nothing.
        if message.sender.isRepetition { return state == .asked ? nil : .repeated }
        return admission.takeTry(&message, bench) ? nil : .lookUps
    }

    // MARK: Trunks

    /// Who stands as the caller of a trunk's request toward the Asterisk, which directory may have to be asked for: a
    /// caller stands as written unless the name is, or might be, that of an account.
    package mutating func caller(
        of trunk: TrunkID, _ message: borrowing Incoming, _ bench: inout Bench
    ) -> Verdict<TrunkCaller> {
        let user = UserPart(message.bytes.bytes(message.index.from.uri.user))
        let written = Trunks.writtenCaller(user)
        let trunkItself = trunks.caller(.trunk, of: trunk)
        guard let name = Trunks.askedName(user, written),
            let account = accounts.account(of: name.span, &bench)
        else { return .pass(trunkItself) }
        let now = bench.now.monotonic
        if !accounts.isConfirmed(account, now), !message.isResumed {
            accounts.ask(account, &bench)
        }
        switch accounts.state(account) {
        case .asked where accounts.mayWait(account, since: message.moment, now):
            switch accounts.park(message, account, .caller, &bench) {
            case .waits: return .later
            case .tooMany: return .pass(trunkItself)
            case .noRoom: return .refuse(.tableFull)
            }
        case .unknown: return .pass(written)
        case .found: return .pass(trunkItself)
        case .asked, .unasked, .unavailable:
            accounts.forgetIfIdle(account, now)
            return .pass(trunkItself)
        }
    }

    /// Asks directory whether a trunk has the name of an account.
    package mutating func askForTrunkNames(_ bench: inout Bench) {
        for name in trunks.names {
            guard let account = accounts.account(of: name.span, &bench) else { continue }
            accounts.ask(account, &bench)
        }
    }

    /// Directory has answered about an account, which may have the name of a trunk.
    package mutating func learnedName(of account: AccountID, _ bench: inout Bench) {
        guard !trunks.inUse.isEmpty else { return }
        let isAccount = accounts.state(account) == .found && accounts.mayRegister(account)
        let name = TokenText(accounts.name(account))
        trunks.learned(name.span, isAccount: isAccount, &bench)
    }
}
