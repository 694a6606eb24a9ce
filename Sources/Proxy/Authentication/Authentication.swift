package import AccountCache
package import Digest
package import Messages
package import ProxyBench
internal import Reactor
package import SIP
internal import SIPTransactions
internal import SIPWriting
package import Sys

/// An answer to an Asterisk's challenge, as a header line.
package struct ChallengeAnswer: Sendable {
    /// The line.
    package let header: [UInt8]
}

/// What can be said to an Asterisk's challenge.
package enum ChallengeOutcome: Sendable {
    /// This.
    case answer(ChallengeAnswer)
    /// Directory is asked for what it takes.
    case asked
    /// Nothing.
    case impossible
}

/// Who a request comes from: digest authentication (RFC 7616, RFC 8760), as a server toward phones, as a client toward
/// Asterisks, and the answers to wrong credentials, which wait for their time.
package struct Authentication: ~Copyable {
    private let anchor = Anchor()

    private var hashes = HashEngine()
    private var nonces: Nonces
    /// What the monotonic clock is behind the time since 1970 when this process began.
    private let clockOffset: Milliseconds
    private var delayed = DelayedAnswers()
    private var delayTimer = TimerHandle.none

    /// How many answers wait for their time.
    package var delayedCount: Int { delayed.count }

    /// `key` is of 32 bytes and outlives the process, `life` is unpredictable and of this process alone.
    package init(key: [UInt8], life: UInt64, now: Now) {
        nonces = Nonces(key: key, life: life, began: now.sinceEpoch)
        clockOffset = now.sinceEpoch - now.monotonic
    }

    /// The time since 1970 as nonces have it: by a clock that is not set while the process lives.
    private func nonceTime(_ bench: borrowing Bench) -> Milliseconds {
        bench.now.monotonic + clockOffset
    }

    // MARK: Credentials

    /// The credentials of a request: whole, for its own Request-URI, and made with a nonce of ours that was not used
    /// so before.
    ///
    /// No account is looked at. One that has waited for directory was looked at when it came; higher counts may have
    /// come since.
    package mutating func credentials(
        of message: inout Incoming, _ bench: borrowing Bench
    ) -> Verdict<DigestHeader> {
        guard let header = header(message.bytes, message.index, bench.settings.realm),
            header.algorithm != nil, isComplete(header, message.bytes)
        else { return .challenge(.first) }
        if !message.sender.isAnswered, let challenge = staleness(header, &message, bench) {
            return .challenge(challenge)
        }
        if !message.sender.isRepetition { message.sender.recordNonce() }
        guard message.sender.isAnswered || header.isFor(message.bytes, message.index, bench) else {
            return .refuse(.digestURI)
        }
        message.sender.isAnswered = true
        message.username = header.username
        return .pass(header)
    }

    /// The credentials for our realm, or nil.
    private func header(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ realm: [UInt8]
    ) -> DigestHeader? {
        let name: HeaderName = index.method == .register ? .authorization : .proxyAuthorization
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
        _ header: DigestHeader, _ message: inout Incoming, _ bench: borrowing Bench
    ) -> Challenge? {
        let flow = message.flow
        let now = nonceTime(bench)
        // Eight digits, as `isComplete` has seen.
        let written = message.bytes.bytes(header.nonceCount).hexadecimal() ?? 0
        let count = header.qop.isEmpty ? 1 : UInt32(truncatingIfNeeded: written)
        let verdict = nonces.check(
            message.bytes.bytes(header.nonce), count: count, message: message.bytes, now,
            flow.peer.ip, flow.transport.rawValue)
        switch verdict {
        case .fresh: return nil
        case .repeated(let since)
        where flow.transport == .udp && message.index.method == .register
            && now - since < Self.longestRepetition:
            message.sender.isRepetition = true
            return nil
        case .repeated, .used: return .used
        case .stale: return .stale
        case .foreign: return .foreign
        }
    }

    /// Whether credentials prove one of the accounts that they may be of: its password, and its access list.
    ///
    /// Directory is asked at once about all of them whose rows are not confirmed, about those that are not known only if
    /// `mayAsk`. The request waits until each is known, whichever it is of: 200 ms at most, and not at all when it is
    /// right by a known row while the source does not answer. What is refused is refused by what is known; whether that
    /// still holds its source says (`awaitSource`).
    package mutating func prove(
        _ header: DigestHeader, _ message: borrowing Incoming, _ candidates: Candidates,
        mayAsk: Bool = true, _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Verdict<AccountID> {
        let algorithm = header.algorithm ?? .md5
        if algorithm == .sha256 { accounts.useSHA256() }
        let now = bench.now.monotonic
        if !message.isResumed { candidates.ask(mayAsk: mayAsk, &accounts, &bench) }
        var unconfirmed = candidates.unconfirmed(since: message.moment, accounts, now)
        var overflow: Refusal?
        if let account = unconfirmed, !accounts.areUnavailable {
            overflow = wait(message, account, candidates, &accounts, &bench)
            if overflow == nil { return .later }
            unconfirmed = nil
        }
        let username = message.bytes.bytes(header.username)
        let account = candidates.account(of: username, accounts)
        let isProven = verify(message, header, algorithm, account, accounts)
        // Who may not come from there is told no more than who does not know the password.
        if let account, isProven,
            AccessList.admits(accounts.access(account), .source, message.flow.peer.ip)
        {
            return .pass(account)
        }
        // The password may be new, or the digest user: the answer under way decides.
        if let account = unconfirmed {
            overflow = wait(message, account, candidates, &accounts, &bench)
            if overflow == nil { return .later }
        }
        return .refuse(
            overflow ?? candidates.refusal(account, username, isProven: isProven, accounts, now))
    }

    /// Has a request whose credentials prove nothing wait until the source has answered about each of its accounts since
    /// it came, 200 ms at most; nil while it waits, else why it is refused.
    ///
    /// `refusal` stands once the source has answered; without that nobody can say whether it is right. Known or not, a
    /// name is refused only by what the source says now: so no outage tells which names are known.
    package func awaitSource(
        _ refusal: Refusal, _ message: borrowing Incoming, _ candidates: Candidates,
        _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Refusal? {
        let now = bench.now.monotonic
        let isLate = now - message.moment > AccountCache.sourcePatience
        guard isLate || candidates.isAnyOpen(since: message.moment, accounts) else {
            return refusal
        }
        guard !isLate, let account = candidates.unheard(since: message.moment, accounts, now) else {
            return accounts.areUnavailable ? .databaseDown : .lookUps
        }
        return wait(message, account, candidates, &accounts, &bench)
    }

    /// Has a request wait for directory; nil when it does, else why not.
    private func wait(
        _ message: borrowing Incoming, _ account: AccountID, _ candidates: Candidates,
        _ accounts: inout AccountCache, _ bench: inout Bench
    ) -> Refusal? {
        let other = candidates.party == account ? candidates.user : candidates.party
        return switch accounts.park(message, account, beside: other, .credentials, &bench) {
        case .waits: nil
        // Whoever is one too many is answered alike, by what is known of the source and not of the name.
        case .tooMany: accounts.areUnavailable ? .databaseDown : .tooManyAtOnce
        case .noRoom: .waitingRoomFull
        }
    }

    private mutating func verify(
        _ message: borrowing Incoming, _ header: DigestHeader, _ algorithm: DigestAlgorithm,
        _ account: AccountID?, _ accounts: borrowing AccountCache
    ) -> Bool {
        let bytes = message.bytes
        var ha1 = HashValue()
        if let account { ha1 = accounts.ha1(account, algorithm) }
        // The same work when there is no account.
        let isKnown = ha1.length > 0
        if !isKnown { ha1 = HashValue(zeros: algorithm.length) }
        let expected = hashes.response(
            algorithm, ha1: ha1, method: bytes.bytes(message.index.methodSlice), header, in: bytes)
        let isGood = expected.matches(hex: bytes.bytes(header.response), nibble: Characters.hex)
        return isGood && isKnown
    }

    // MARK: Challenges

    /// How many bytes the lines of a challenge have in long form.
    package static func challengeLength(
        isRegister: Bool, isStale: Bool, _ bench: borrowing Bench
    ) -> Int {
        var length = 0
        for algorithm in bench.settings.algorithms {
            // The name, `Digest realm="",nonce="",algorithm=,qop="auth"`, the line end, and what stands in them.
            length += (isRegister ? 18 : 20) + 46 + 2
            length += bench.settings.realm.count + 24 + algorithm.name.utf8CodeUnitCount
            if isStale { length += 11 }
        }
        return length
    }

    /// Writes the lines of a challenge into the answer that was begun.
    package mutating func writeChallenge(
        _ flow: Flow, isRegister: Bool, isStale: Bool, _ bench: inout Bench
    ) {
        let now = nonceTime(bench)
        let settings = (realm: bench.settings.realm, algorithms: bench.settings.algorithms)
        for algorithm in settings.algorithms {
            // What has to be short offers MD5 alone, which every phone can do.
            if bench.writer.isCompact, algorithm != .md5, settings.algorithms.contains(.md5) {
                continue
            }
            let name: StaticString = isRegister ? "WWW-Authenticate" : "Proxy-Authenticate"
            bench.writer.begin(name, name)
            bench.writer.append("Digest realm=\"")
            bench.writer.append(settings.realm.span)
            bench.writer.append("\",nonce=\"")
            bench.writer.append(nonceOf: &nonces, now, flow)
            bench.writer.append("\"")
            // MD5 is meant where none is named (RFC 7616 section 3.3).
            if !bench.writer.isCompact || algorithm != .md5 {
                bench.writer.append(",algorithm=")
                bench.writer.append(algorithm.name)
            }
            bench.writer.append(",qop=\"auth\"")
            if isStale { bench.writer.append(",stale=true") }
            bench.writer.endLine()
        }
    }

    // MARK: Delayed answers

    /// Sends the answer that is in the writer a fixed span after its request came, or at once without room for it.
    package mutating func delay(_ message: borrowing Incoming, _ bench: inout Bench) {
        let block = bench.blocks.store(bench.writer.buffer)
        guard block.exists else {
            bench.effects.outbox.append(bench.writer.buffer, to: message.flow)
            return
        }
        if !delayed.hasRoom, let first = delayed.next(Milliseconds(.max)) {
            bench.shortages.count(.delayed)
            Self.send(first.block, first.flow, &bench)
        }
        let first = delayed.due
        delayed.add(
            block, to: message.flow, due: message.moment + DelayedAnswers.span,
            arrival: message.number)
        if delayed.due != first { setDelayTimer(&bench) }
    }

    private mutating func setDelayTimer(_ bench: inout Bench) {
        bench.timers.cancel(&delayTimer)
        guard let due = delayed.due else { return }
        delayTimer = bench.timers.set(Handle.none.payload(.delayed), at: due)
    }

    /// Sends the answers that are due.
    package mutating func sendDelayed(_ bench: inout Bench) {
        // The rest follows once the loop has taken these.
        while !bench.effects.outbox.isHalfFull, let next = delayed.next(bench.now.monotonic) {
            Self.send(next.block, next.flow, &bench)
        }
        setDelayTimer(&bench)
    }

    private static func send(_ block: Block, _ flow: Flow, _ bench: inout Bench) {
        var block = block
        bench.send(block, to: flow)
        bench.blocks.release(&block)
    }

    // MARK: Toward Asterisks

    /// The answer to an Asterisk's challenge in the name of an account.
    package mutating func answerChallenge(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ account: AccountID,
        _ method: StaticString, _ uri: [UInt8], _ accounts: inout AccountCache,
        _ bench: inout Bench
    ) -> ChallengeOutcome {
        let name: HeaderName = index.status == 401 ? .wwwAuthenticate : .proxyAuthenticate
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            guard let header = DigestHeader(index[position].value, in: bytes),
                let algorithm = header.algorithm, !header.nonce.isEmpty
            else { continue }
            guard
                let ha1 = accounts.ha1(
                    account, [UInt8](copying: bytes.bytes(header.realm)), algorithm, &bench)
            else {
                return .asked
            }
            guard ha1.length > 0 else { continue }
            return .answer(
                answer(
                    header, bytes, algorithm, ha1, account, method, uri, index.status, accounts,
                    bench.random()))
        }
        return .impossible
    }

    private mutating func answer(
        _ header: DigestHeader, _ bytes: Span<UInt8>, _ algorithm: DigestAlgorithm,
        _ ha1: HashValue, _ account: AccountID, _ method: StaticString, _ uri: [UInt8],
        _ status: UInt16, _ accounts: borrowing AccountCache, _ random: UInt64
    ) -> ChallengeAnswer {
        var text = ByteBuffer(capacity: 2048)
        text.append(status == 401 ? "Authorization" : "Proxy-Authorization")
        text.append(": Digest username=\"")
        text.append(accounts.authUser(account))
        text.append("\", realm=\"")
        text.append(bytes.bytes(header.realm))
        text.append("\", nonce=\"")
        text.append(bytes.bytes(header.nonce))
        text.append("\", uri=\"")
        text.append(uri.span)
        text.append("\", algorithm=")
        text.append(algorithm.name)
        var cnonce = ByteBuffer(capacity: 16)
        if header.offersAuth(in: bytes) {
            cnonce.append(hex: random, digits: 16)
            text.append(", qop=auth, nc=00000001, cnonce=\"")
            text.append(cnonce.span)
            text.append("\"")
        }
        let response = hashes.ownResponse(
            algorithm, ha1: ha1, method: method, uri: uri.span,
            nonce: bytes.bytes(header.nonce), cnonce: cnonce.span)
        text.append(", response=\"")
        for index in 0..<response.length { text.append(hex: response.bytes[index]) }
        text.append("\"")
        if !header.opaque.isEmpty {
            text.append(", opaque=\"")
            text.append(bytes.bytes(header.opaque))
            text.append("\"")
        }
        text.append("\r\n")
        return ChallengeAnswer(header: Array(copying: text.span))
    }
}
