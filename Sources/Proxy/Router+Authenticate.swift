internal import Digest
internal import Journal
internal import Messages
internal import Reactor
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Who a request comes from.
extension Router {
    /// The account that a request proves to be of; nil when it was answered, dropped, or has to wait.
    ///
    /// The challenge goes out before any account is looked at, and after a wrong answer it goes out again:
    /// nobody learns from it which accounts there are.
    mutating func authenticate(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ replayed: Bool
    ) -> Int32? {
        guard let header = credentials(bytes, index), let algorithm = header.algorithm,
            isComplete(header, bytes)
        else {
            if mayKnock(bytes, index, flow) { challenge(bytes, index, flow, stale: false) }
            return nil
        }
        // One that has waited for directory was looked at when it came; higher counts may have come since.
        guard arrival.isAnswered || isCurrent(header, bytes, index, flow) else { return nil }
        if !arrival.isRepetition { hasProven() }
        guard arrival.isAnswered || isFor(header.uri, bytes, index) else {
            offence(.malformed, flow)
            refuse(bytes, index, flow, 400, "Bad Digest URI", "digest-uri")
            return nil
        }
        arrival.isAnswered = true
        let name = accountName(bytes, index)
        let mark = NameTable.hash(name.span)
        guard mayTry(mark, bytes, index, flow, replayed) else { return nil }
        guard name.isName, let account = accounts.number(name.span) else {
            wrong(bytes, index, flow, "unknown-account")
            return nil
        }
        guard mayLookUp(account, bytes, index, flow, replayed) else { return nil }
        if algorithm == .sha256 { keepSHA256() }
        let isRefreshing = accounts.isStale(account, now.monotonic) && !replayed
        if isRefreshing { ask(account) }
        if accounts[account].state == .asked {
            wait(bytes, index, flow, account)
            return nil
        }
        let isProven = verify(bytes, index, header, algorithm, account)
        // Who may not come from there is told no more than who does not know the password.
        if AccessList.admits(accounts.access(account), .source, flow.peer.ip), isProven {
            returnTry(flow)
            guard !arrival.isRepetition else { return account }
            defence.guards.succeeded(mark, flow.peer.ip, now.monotonic)
            defence.absolve(flow.peer.ip, mark, now.monotonic)
            if flow.transport.isStream { authenticatedConnections.insert(flow) }
            return takeRequest(of: account, bytes, index, flow) ? account : nil
        }
        if isRefreshing, accounts[account].state == .found {
            // The password may be new: the answer under way decides.
            wait(bytes, index, flow, account)
        } else {
            unproven(bytes, index, flow, account, isProven ? "acl" : "wrong-password")
        }
        return nil
    }

    /// Whether an account may be asked for, if it has to be; when not, the request was answered.
    private mutating func mayLookUp(
        _ account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow,
        _ replayed: Bool
    ) -> Bool {
        let state = accounts[account].state
        guard state != .found, !replayed else { return true }
        // Its original has been looked up; a copy costs directory nothing.
        guard arrival.isRepetition ? state != .asked : !takeTry(flow) else { return true }
        refuseLater(arrival.isRepetition ? "repeated" : "look-ups", bytes, index, flow)
        accounts.forgetIfIdle(account)
        return false
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
        let realm = settings.realm
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

    /// Whether credentials answer a nonce of ours that was not used so before; what does not is challenged anew.
    ///
    /// A datagram that comes again in every byte may be the phone's own retransmission or anybody's copy of it. Its
    /// transaction has absorbed it, if that still stands. What is left is a REGISTER whose answer was lost: that one
    /// is let through as a repetition, which changes nothing and proves nothing. A stream repeats nothing.
    private mutating func isCurrent(
        _ header: DigestHeader, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        // Eight digits, as `isComplete` has seen.
        let written = bytes.bytes(header.nonceCount).hexadecimal() ?? 0
        let count = header.qop.isEmpty ? 1 : UInt32(truncatingIfNeeded: written)
        let verdict = nonces.check(
            bytes.bytes(header.nonce), count: count, message: bytes,
            nonceTime, flow.peer.ip, flow.transport.rawValue)
        switch verdict {
        case .fresh: return true
        case .repeated(let since)
        where flow.transport == .udp && index.method == .register
            && nonceTime - since < Self.longestRepetition:
            arrival.isRepetition = true
            return true
        case .repeated, .used:
            offence(.nonceReplay, flow)
            challenge(bytes, index, flow, stale: true)
        case .stale: challenge(bytes, index, flow, stale: true)
        case .foreign: challenge(bytes, index, flow, stale: false)
        }
        return false
    }

    mutating func beginChallenge(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, stale: Bool
    ) {
        let isRegister = index.method == .register
        let rest = challengeRest(isRegister: isRegister, isStale: stale)
        if isRegister {
            beginReply(bytes, index, flow, 401, "Unauthorized", rest: rest)
        } else {
            beginReply(
                bytes, index, flow, 407, "Proxy Authentication Required", rest: rest)
        }
        let realm = settings.realm
        for algorithm in settings.algorithms {
            // What has to be short offers MD5 alone, which every phone can do.
            if writer.isCompact, algorithm != .md5, settings.algorithms.contains(.md5) { continue }
            let name: StaticString = isRegister ? "WWW-Authenticate" : "Proxy-Authenticate"
            writer.begin(name, name)
            writer.append("Digest realm=\"")
            writer.append(realm.span)
            writer.append("\",nonce=\"")
            writer.append(nonceOf: &nonces, nonceTime, flow)
            writer.append("\"")
            // MD5 is meant where none is named (RFC 7616 section 3.3).
            if !writer.isCompact || algorithm != .md5 {
                writer.append(",algorithm=")
                writer.append(algorithm.name)
            }
            writer.append(",qop=\"auth\"")
            if stale { writer.append(",stale=true") }
            writer.endLine()
        }
    }

    /// The source has brought back a nonce of ours: it receives what is sent to its address.
    private mutating func hasProven() {
        if proof == .none { proof = .nonce }
        replyLimit = .max
    }

    /// Challenges a request that has proven nothing, without remembering it, or answers it as the source's profile
    /// says.
    mutating func challenge(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, stale: Bool
    ) {
        switch firstAnswer(flow) {
        case .challenge:
            if isStranger { offence(.flood, flow) }
            beginChallenge(bytes, index, flow, stale: stale)
            endReply(flow)
        case .refuse: refuse(bytes, index, flow, 403, "Forbidden", "profile")
        case .silence: refuseRecord("profile", 0, index, bytes, flow)
        }
    }
}
