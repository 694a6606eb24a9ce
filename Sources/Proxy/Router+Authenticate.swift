internal import Digest
internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import Sys

/// Who a request comes from.
extension Router {
    /// The account that a request proves to be of.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are.
    mutating func authenticate(_ message: inout Incoming) -> Verdict<Int32> {
        guard let header = credentials(message.bytes, message.index),
            let algorithm = header.algorithm, isComplete(header, message.bytes)
        else { return .challenge(.first) }
        // One that has waited for directory was looked at when it came; higher counts may have come since.
        if !message.sender.isAnswered {
            if let challenge = staleness(header, &message) { return .challenge(challenge) }
            if !message.sender.isRepetition { message.sender.hasAnsweredNonce() }
            guard isFor(header.uri, message.bytes, message.index) else {
                return .refuse(.digestURI)
            }
            message.sender.isAnswered = true
        } else if !message.sender.isRepetition {
            message.sender.hasAnsweredNonce()
        }
        let name = accountName(message.bytes, message.index)
        let mark = NameTable.hash(name.span)
        if let reason = admission.guardedReason(
            mark, message, isOwnFlow: isRegistered(name.span, by: message), bench)
        {
            return .refuse(reason)
        }
        guard name.isName, let account = accounts.number(name.span) else {
            return .refuse(.unknownAccount)
        }
        if let reason = unaskedReason(account, &message) {
            accounts.forgetIfIdle(account)
            return .refuse(reason)
        }
        if algorithm == .sha256 { keepSHA256() }
        let isRefreshing = accounts.isStale(account, bench.now.monotonic) && !message.isResumed
        if isRefreshing { ask(account) }
        if accounts[account].state == .asked { return wait(message, account) }
        let isProven = verify(message.bytes, message.index, header, algorithm, account)
        // Who may not come from there is told no more than who does not know the password.
        if AccessList.admits(accounts.access(account), .source, message.flow.peer.ip), isProven {
            admission.returnTry(&message, bench)
            return message.sender.isRepetition ? .pass(account) : proven(account, mark, message)
        }
        let isFound = accounts[account].state == .found
        // The password may be new: the answer under way decides.
        if isRefreshing, isFound { return wait(message, account) }
        accounts.forgetIfIdle(account)
        guard isFound else { return .refuse(.unknownAccount) }
        return .refuse(isProven ? .accessList : .wrongPassword)
    }

    /// A message has proven its account, which may have had its part of requests.
    private mutating func proven(
        _ account: Int32, _ mark: UInt64, _ message: borrowing Incoming
    ) -> Verdict<Int32> {
        admission.succeeded(mark, message, bench)
        if message.flow.transport.isStream { authenticatedConnections.insert(message.flow) }
        switch admission.takeRequest(of: account, message.index.method, bench) {
        case .refuse(let refusal): return .refuse(refusal)
        case .observed(_, let refusal): return .observed(account, refusal)
        default: return .pass(account)
        }
    }

    /// Why directory is not asked about an account that it would have to be asked for; nil when it may be.
    private mutating func unaskedReason(_ account: Int32, _ message: inout Incoming) -> Refusal? {
        let state = accounts[account].state
        guard state != .found, !message.isResumed else { return nil }
        // Its original has been looked up; a copy costs directory nothing.
        if message.sender.isRepetition { return state == .asked ? nil : .repeated }
        return admission.takeTry(&message, bench) ? nil : .lookUps
    }

    /// Where the account's name stands: To for a REGISTER, whose To is the address-of-record, else From.
    func accountName(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> UserPart {
        UserPart(
            bytes.bytes(index.method == .register ? index.to.uri.user : index.from.uri.user))
    }

    private mutating func verify(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ header: DigestHeader,
        _ algorithm: DigestAlgorithm, _ account: Int32
    ) -> Bool {
        var ha1 = accounts.ha1(account, algorithm)
        // The same work for an account that does not exist.
        let known = accounts[account].state == .found && ha1.length > 0
        if !known { ha1 = HashValue(zeros: algorithm.length) }
        let expected = hashes.response(
            algorithm, ha1: ha1, method: bytes.bytes(index.methodSlice), header, in: bytes)
        let good = expected.matches(hex: bytes.bytes(header.response), nibble: Characters.hex)
        return good && known && bytes.bytes(header.username).equals(accounts.authUser(account))
    }

    /// The credentials for our realm, or nil.
    private func credentials(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> DigestHeader?
    {
        let name: HeaderName = index.method == .register ? .authorization : .proxyAuthorization
        let realm = bench.settings.realm
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            if let header = DigestHeader(index[position].value, in: bytes),
                bytes.bytes(header.realm).equals(realm.span)
            {
                return header
            }
        }
        return nil
    }

    /// Whether everything is there that the answer is computed from.
    private func isComplete(_ header: DigestHeader, _ bytes: Span<UInt8>) -> Bool {
        guard !header.username.isEmpty, !header.response.isEmpty, !header.uri.isEmpty else {
            return false
        }
        guard !header.qop.isEmpty else { return true }
        return bytes.bytes(header.qop).isCaseless("auth") && !header.cnonce.isEmpty
            && header.nonceCount.length == 8
    }

    /// For how long a REGISTER that is repeated in every byte may be a retransmission (RFC 3261 section 17.1.2.2).
    private static let longestRepetition = Timers.giveUp

    /// Why credentials are asked for anew; nil when they answer a nonce of ours that was not used so before.
    ///
    /// A datagram that comes again in every byte may be the phone's own retransmission or anybody's copy of it. Its
    /// transaction has absorbed it, if that still stands. What is left is a REGISTER whose answer was lost: that one
    /// is let through as a repetition, which changes nothing and proves nothing. A stream repeats nothing.
    private mutating func staleness(
        _ header: DigestHeader, _ message: inout Incoming
    ) -> Challenge? {
        let flow = message.flow
        // Eight digits, as `isComplete` has seen.
        let written = message.bytes.bytes(header.nonceCount).hexadecimal() ?? 0
        let count = header.qop.isEmpty ? 1 : UInt32(truncatingIfNeeded: written)
        let verdict = nonces.check(
            message.bytes.bytes(header.nonce), count: count, message: message.bytes,
            nonceTime, flow.peer.ip, flow.transport.rawValue)
        switch verdict {
        case .fresh: return nil
        case .repeated(let since)
        where flow.transport == .udp && message.index.method == .register
            && nonceTime - since < Self.longestRepetition:
            message.sender.isRepetition = true
            return nil
        case .repeated, .used: return .used
        case .stale: return .stale
        case .foreign: return .foreign
        }
    }

    mutating func beginChallenge(
        _ message: borrowing Incoming, stale: Bool
    ) {
        let isRegister = message.index.method == .register
        let rest = challengeRest(isRegister: isRegister, isStale: stale)
        if isRegister {
            beginReply(message, .unauthorized, rest: rest)
        } else {
            beginReply(
                message, .proxyAuthenticationRequired, rest: rest)
        }
        let realm = bench.settings.realm
        for algorithm in bench.settings.algorithms {
            // What has to be short offers MD5 alone, which every phone can do.
            if bench.writer.isCompact, algorithm != .md5, bench.settings.algorithms.contains(.md5) {
                continue
            }
            let name: StaticString = isRegister ? "WWW-Authenticate" : "Proxy-Authenticate"
            bench.writer.begin(name, name)
            bench.writer.append("Digest realm=\"")
            bench.writer.append(realm.span)
            bench.writer.append("\",nonce=\"")
            bench.writer.append(nonceOf: &nonces, nonceTime, message.flow)
            bench.writer.append("\"")
            // MD5 is meant where none is named (RFC 7616 section 3.3).
            if !bench.writer.isCompact || algorithm != .md5 {
                bench.writer.append(",algorithm=")
                bench.writer.append(algorithm.name)
            }
            bench.writer.append(",qop=\"auth\"")
            if stale { bench.writer.append(",stale=true") }
            bench.writer.endLine()
        }
    }

    /// Challenges a request that has proven nothing, without remembering it, or answers it as the source's profile
    /// says.
    mutating func challenge(_ message: borrowing Incoming, _ challenge: Challenge) {
        switch challenge {
        case .first:
            admission.countKnock(message, &bench)
            guard !admission.isBanned(message.flow.peer.ip, bench) else { return }
        case .used: admission.offence(.nonceReplay, message, &bench)
        case .foreign, .stale: break
        }
        switch admission.firstAnswer(message, bench) {
        case .challenge:
            if message.sender.isStranger { admission.offence(.flood, message, &bench) }
            beginChallenge(message, stale: challenge.isStale)
            endReply(message)
        case .refuse: refuse(message, .profile)
        case .silence: drop(message, .profile)
        }
    }
}
