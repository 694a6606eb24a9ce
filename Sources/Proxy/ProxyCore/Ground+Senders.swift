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

/// Whom a request has proven to come from.
package struct ProvenSender: BitwiseCopyable, Sendable {
    /// The account.
    package let account: AccountID
    /// Who stands as the caller toward an Asterisk.
    package let caller: WrittenCaller
}

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

    /// Whether the account that a username is of, beside the name that From has, is registered by the message's flow.
    func isRegistered(
        _ username: Span<UInt8>, _ name: UserPart, by message: borrowing Incoming
    ) -> Bool {
        guard !message.sender.isStranger else { return false }
        var candidates = Candidates(party: accounts.find(name.span))
        if !name.span.equals(username) { candidates.user = accounts.find(username) }
        guard let account = candidates.account(of: username, accounts) else { return false }
        return location.isRegistered(account, by: message.flow)
    }

    // MARK: Phones

    /// The account that a request proves to be of: that of From (in a REGISTER of To) if its digest user is the
    /// username of the credentials, else that of the username.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are. What is counted is counted by the username alone: a caller
    /// that a phone shows is no name that somebody guesses.
    package mutating func authenticate(
        _ message: inout Incoming, _ bench: inout Bench
    ) -> Verdict<ProvenSender> {
        let header: DigestHeader
        switch authentication.credentials(of: &message, bench) {
        case .pass(let credentials): header = credentials
        case .challenge(let challenge): return .challenge(challenge)
        case .refuse(let refusal): return .refuse(refusal)
        default: return .later
        }
        let username = message.bytes.bytes(header.username)
        let mark = NameTable.hash(username)
        let name = message.accountName
        let candidates = candidates(name, username, &bench)
        // A guess that is counted already was looked at before its pair was held.
        if message.sender.guarded == nil, !message.sender.isGuessCounted {
            message.sender.guarded = admission.guardedReason(
                mark, message, isOwnFlow: isRegistered(username, name, by: message), bench)
        }
        if let refusal = message.sender.guarded {
            return refuse(refusal, &message, candidates, &bench)
        }
        if message.isResumed, candidates.isPartyNobody(accounts) {
            message.sender.isCallerNobody = true
        }
        let mayAsk = mayAsk(candidates, &message, bench)
        let verdict = authentication.prove(
            header, message, candidates, mayAsk: mayAsk, &accounts, &bench)
        switch verdict {
        case .pass(let account):
            let sender = ProvenSender(
                account: account, caller: caller(of: account, message, bench))
            let now = bench.now.monotonic
            candidates.forgetIdle(&accounts, now)
            if !accounts.isConfirmed(account, now) {
                accounts.serveUnconfirmed(account)
                message.sender.isUnconfirmed = true
            }
            admission.returnTry(&message, bench)
            if !message.sender.isRepetition {
                location.proven(by: message.flow, &accounts, &bench)
            }
            return message.sender.isRepetition
                ? .pass(sender) : proven(sender, mark, message, bench)
        case .refuse(let refusal): return refuse(refusal, &message, candidates, &bench)
        default: return .later
        }
    }

    /// Refuses credentials once the source itself has been asked about each of their names since they came; without that
    /// nobody can say whether they are wrong.
    private mutating func refuse(
        _ refusal: Refusal, _ message: inout Incoming, _ candidates: Candidates,
        _ bench: inout Bench
    ) -> Verdict<ProvenSender> {
        let reason =
            askSource(refusal, &message, candidates, &bench)
            ?? authentication.awaitSource(refusal, message, candidates, &accounts, &bench)
        guard let reason else { return .later }
        candidates.forgetIdle(&accounts, bench.now.monotonic)
        return .refuse(reason)
    }

    /// Asks the source about the names of credentials that are refused by what is known of them, unless that was done;
    /// why it is not asked, else nil.
    private mutating func askSource(
        _ refusal: Refusal, _ message: inout Incoming, _ candidates: Candidates,
        _ bench: inout Bench
    ) -> Refusal? {
        guard !message.sender.isSourceAsked, candidates.isAnyOpen(since: message.moment, accounts)
        else { return nil }
        // Its original has been looked up; a copy costs directory nothing.
        if message.sender.isRepetition { return .repeated }
        // The source is asked once: a second time a name that is not known could find it well again.
        let now = bench.now.monotonic
        if message.isResumed, candidates.isAnyLeftOpen(since: message.moment, accounts, now) {
            return nil
        }
        // At once: the next guess may be in the same batch.
        if refusal.isByKnownRow { countGuess(&message, refusal, &bench) }
        guard admission.takeTry(&message, bench) else { return .lookUps }
        message.sender.isSourceAsked = true
        candidates.askSource(since: message.moment, &accounts, &bench)
        return nil
    }

    /// Counts a wrong password for the pair of its address and username, and for the account's guard, once.
    mutating func countGuess(
        _ message: inout Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) {
        guard !message.sender.isGuessCounted else { return }
        message.sender.isGuessCounted = true
        let username = message.bytes.bytes(message.username)
        admission.countGuess(
            message, refusal, of: username,
            isOwnFlow: isRegistered(username, message.accountName, by: message),
            bansNobody: accounts.areUnavailable, &bench)
    }

    /// Whether a REGISTER is for the address-of-record of an account: for its name, or for what it is registered by at
    /// Asterisk.
    package func isOwn(_ message: borrowing Incoming, of account: AccountID) -> Bool {
        // As nearly every phone writes it.
        if accounts.name(account).equals(message.bytes.bytes(message.index.to.uri.user)) {
            return true
        }
        let name = message.accountName
        return accounts.name(account).equals(name.span) || accounts.aor(account).equals(name.span)
    }

    /// Who stands as the caller of an account's request.
    private func caller(
        of account: AccountID, _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> WrittenCaller {
        let from = message.index.from.uri
        let name = accounts.name(account)
        let isItself = message.bytes.bytes(from.user).equals(name)
        if let privacy = message.index.value(.privacy), message.bytes.bytes(privacy).hidesCaller {
            return .hiddenAccount
        }
        if !isItself, from.isAnonymous(in: message.bytes) { return .hiddenAccount }
        guard message.sender.isCallerNobody else { return .account }
        let written = Trunks.writtenCaller(UserPart(message.bytes.bytes(from.user)))
        return written == .asWritten && bench.settings.mayShowCallers(name) ? .shown : .account
    }

    /// The accounts that a request with a username may be of, beside the name that From has; each takes a place.
    private mutating func candidates(
        _ name: UserPart, _ username: Span<UInt8>, _ bench: inout Bench
    ) -> Candidates {
        var candidates = Candidates()
        // A name that hides behind an escape is not looked at, nor is who brings it.
        guard name.isName || name.isEmpty else { return candidates }
        if name.isName { candidates.party = accounts.account(of: name.span, &bench) }
        if !name.span.equals(username), username.isAccountName {
            candidates.user = accounts.account(of: username, &bench)
        }
        return candidates
    }

    /// A message has proven its account, which may have had its part of requests.
    private mutating func proven(
        _ sender: ProvenSender, _ mark: UInt64, _ message: borrowing Incoming,
        _ bench: borrowing Bench
    ) -> Verdict<ProvenSender> {
        admission.succeeded(mark, message, bench)
        if message.flow.transport.isStream { connections.authenticated(message.flow) }
        switch admission.takeRequest(of: sender.account, message.index.method, bench) {
        case .refuse(let refusal): return .refuse(refusal)
        case .observed(_, let refusal): return .observed(sender, refusal)
        default: return .pass(sender)
        }
    }

    /// Whether directory is asked about accounts that are not known.
    private mutating func mayAsk(
        _ candidates: Candidates, _ message: inout Incoming, _ bench: borrowing Bench
    ) -> Bool {
        guard candidates.hasUnknown(accounts), !message.isResumed else { return true }
        // The original of a copy has been looked up.
        return !message.sender.isRepetition && admission.takeTry(&message, bench)
    }

    // MARK: Trunks

    /// Who stands as the caller of a trunk's request toward the Asterisk, which directory may have to be asked for: a
    /// caller stands as written unless the name is, or might be, that of an account.
    package mutating func caller(
        of trunk: TrunkID, _ message: borrowing Incoming, _ bench: inout Bench
    ) -> Verdict<WrittenCaller> {
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
