internal import AccountCache
internal import Admission
internal import Authentication
package import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
internal import Sys

/// Answers without a transaction, within what the source has left of them.
extension Ground {
    /// How many bytes "Content-Length: 0" and the empty line have.
    private static let endLength = 21
    /// How many bytes follow the lines of the request in an answer that says no more than Retry-After.
    private static let plainRest = endLength + 17

    /// Answers a request, never again by itself; false when no answer was sent.
    @discardableResult
    package mutating func reply(
        _ message: borrowing Incoming, _ status: Status, _ bench: inout Bench
    ) -> Bool {
        beginReply(message, status, &bench)
        return endReply(message, &bench)
    }

    /// Begins an answer to a request: its status line and the lines that repeat the request.
    ///
    /// `rest` is how many bytes follow in long form, which is written when all of it fits.
    package mutating func beginReply(
        _ message: borrowing Incoming, _ status: Status, phrase: StaticString? = nil,
        rest: Int = Ground.plainRest, _ bench: inout Bench
    ) {
        bench.scratch.removeAll()
        // The same request gets the same tag, so that a retransmission is answered alike.
        let tag = NameTable.hash(
            message.bytes.bytes(message.index.via.branch), message.bytes.bytes(message.index.callID)
        )
        bench.scratch.append(hex: tag, digits: 16)
        let mayBeLong = admission.mayBeLong(message, bench)
        Self.writeHead(
            &bench.writer, message, status, phrase, isCompact: !mayBeLong, tag: bench.scratch)
        guard !bench.writer.isCompact,
            !admission.fits(bench.writer.buffer.count + rest, message)
        else { return }
        Self.writeHead(
            &bench.writer, message, status, phrase, isCompact: true, tag: bench.scratch)
    }

    private static func writeHead(
        _ writer: inout MessageWriter, _ message: borrowing Incoming, _ status: Status,
        _ phrase: StaticString?, isCompact: Bool, tag: borrowing ByteBuffer
    ) {
        writer.begin(
            status: status.rawValue, phrase ?? status.phrase, isCompact: isCompact,
            to: message.flow.peer.ip)
        writer.answerIdentity(message.bytes, message.index, message.flow.peer, tag: tag.span)
    }

    /// Ends an answer without a body and sends it; false when none was left for the sender.
    @discardableResult
    package mutating func endReply(_ message: borrowing Incoming, _ bench: inout Bench) -> Bool {
        bench.writer.endEmpty()
        guard bench.writer.isWhole else { return false }
        guard admission.takeAnswer(to: message, bench) else {
            admission.sampled(.answersUsedUp, 0, message, bench)
            return false
        }
        bench.effects.outbox.append(bench.writer.buffer, to: message.flow)
        if bench.writer.isCompact {
            admission.sampled(.shortAnswer, bench.writer.status, message, bench)
        }
        return true
    }

    // MARK: Refusals

    /// Answers a refused message, records it, and counts what it is evidence of; an ACK is never answered.
    package mutating func refuse(
        _ message: inout Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) {
        guard !refusal.isDelayed else {
            refusePassword(&message, refusal, &bench)
            return
        }
        let isSent = message.index.method != .ack && sendRefusal(message, refusal, &bench)
        record(message, refusal, isSent ? refusal.status?.rawValue ?? 0 : 0, &bench)
    }

    /// Gives a message no answer, records it, and counts what it is evidence of.
    package mutating func drop(
        _ message: borrowing Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) {
        record(message, refusal, 0, &bench)
    }

    /// Remembers what a message that goes on would be refused for if the defence did not only observe.
    package mutating func observe(
        _ message: borrowing Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) {
        guard refusal == .scanner || refusal == .profile else {
            admission.decided(refusal.code, 0, message, bench)
            return
        }
        drop(message, refusal, &bench)
    }

    private mutating func sendRefusal(
        _ message: borrowing Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) -> Bool {
        guard let status = refusal.status else { return false }
        // The line of unsupported extensions is hardly longer than the request, which has them all.
        let rest = refusal == .unsupportedExtension ? message.bytes.count : 0
        beginReply(message, status, phrase: refusal.phrase, rest: Self.plainRest + rest, &bench)
        switch refusal {
        case .unsupportedExtension: message.writeUnsupported(&bench.writer)
        case .intervalTooBrief:
            bench.writer.append("Min-Expires: ")
            bench.writer.append(decimal: UInt64(bench.settings.minimumExpires.seconds))
            bench.writer.endLine()
        default: if status == .serviceUnavailable { bench.writer.retryAfter() }
        }
        // The name may have been looked up, or not: its time would tell who there is.
        guard refusal == .otherAccount, message.index.method == .register else {
            return endReply(message, &bench)
        }
        bench.writer.endEmpty()
        guard bench.writer.isWhole, admission.takeAnswer(to: message, bench) else { return false }
        authentication.delay(message, &bench)
        return true
    }

    /// Records a refusal, and counts what it is evidence of; of a table that is full the journal is told once, not for
    /// each request (`Shortages`).
    private mutating func record(
        _ message: borrowing Incoming, _ refusal: Refusal, _ status: UInt16, _ bench: inout Bench
    ) {
        if refusal == .tableFull || refusal == .waitingRoomFull {
            admission.decided(refusal.code, status, message, bench)
        } else {
            admission.recordRefusal(refusal.code, status, message, &bench)
        }
        if let detector = refusal.evidence { admission.offence(detector, message, &bench) }
    }

    /// Answers credentials that do not prove their account: alike and at the same time, whatever is wrong with them.
    private mutating func refusePassword(
        _ message: inout Incoming, _ refusal: Refusal, _ bench: inout Bench
    ) {
        var refusal = refusal
        // While there is no room to ask, nobody's password can be wrong; and anybody can repeat what was seen.
        let isNobodyAsked = accounts.isNobodyAsked(message.bytes.count, bench)
        // What a held pair asks for is not looked at, and counts where a ban is what follows from it: else the ban that
        // does not come would tell of a name that it was known while the source did not answer.
        let counts =
            refusal.countsAsWrongPassword
            || refusal == .accountHeld && admission.mayBan(message.flow.peer.ip, bench)
        if counts, isNobodyAsked { refusal = .lookUps }
        let isUnavailable =
            refusal.isUnavailable || isNobodyAsked
            || !message.sender.isRepetition && !admission.takeTry(&message, bench)
        if counts, !isNobodyAsked, !message.sender.isRepetition {
            countGuess(&message, refusal, &bench)
            admission.countWrongPassword(
                message, refusal, of: message.bytes.bytes(message.username), &bench)
        }
        let isSent =
            !admission.isBanned(message.flow.peer.ip, bench)
            && delayAnswer(message, isUnavailable: isUnavailable, &bench)
        let challenge: UInt16 = message.index.method == .register ? 401 : 407
        let status: UInt16 = isUnavailable ? 503 : challenge
        record(message, refusal, isSent ? status : 0, &bench)
    }

    /// Answers a wrong password, a fixed span after it came; false when no answer will be sent.
    private mutating func delayAnswer(
        _ message: borrowing Incoming, isUnavailable: Bool, _ bench: inout Bench
    ) -> Bool {
        if isUnavailable {
            beginReply(message, .serviceUnavailable, &bench)
            bench.writer.retryAfter()
        } else {
            beginChallenge(message, isStale: false, &bench)
        }
        bench.writer.endEmpty()
        // To copies there are as many answers as to whatever proves nothing.
        guard bench.writer.isWhole,
            !message.sender.isRepetition || admission.takeAnswer(to: message, bench)
        else { return false }
        authentication.delay(message, &bench)
        return true
    }

    // MARK: Challenges

    /// Challenges a request that has proven nothing, without remembering it, or answers it as the source's profile
    /// says.
    package mutating func challenge(
        _ message: inout Incoming, _ challenge: Challenge, _ bench: inout Bench
    ) {
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
            beginChallenge(message, isStale: challenge.isStale, &bench)
            endReply(message, &bench)
        case .refuse: refuse(&message, .profile, &bench)
        case .silence: drop(message, .profile, &bench)
        }
    }

    private mutating func beginChallenge(
        _ message: borrowing Incoming, isStale: Bool, _ bench: inout Bench
    ) {
        let isRegister = message.index.method == .register
        let lines = Authentication.challengeLength(
            isRegister: isRegister, isStale: isStale, bench)
        beginReply(
            message, isRegister ? .unauthorized : .proxyAuthenticationRequired,
            rest: Self.endLength + lines, &bench)
        authentication.writeChallenge(
            message.flow, isRegister: isRegister, isStale: isStale, &bench)
    }
}

/// The extensions that a request asks for (RFC 3261 sections 8.2.2.3 and 16.3 item 5).
extension Incoming {
    /// Whether a name is that of an extension that the registrar offers.
    private static func isOffered(_ option: Span<UInt8>) -> Bool {
        option.isCaseless("outbound")
    }

    /// Whether a request requires an extension that the edge does not know; `endsHere` is for what the edge answers
    /// itself, of which Require is asked too.
    package func requiresUnknown(endsHere: Bool) -> Bool {
        if index.has(.proxyRequire) { return true }
        guard endsHere else { return false }
        var values = FieldValues(.require)
        while let option = values.next(bytes, index) {
            if !Self.isOffered(bytes.bytes(option)) { return true }
        }
        return false
    }

    /// Writes the names of the extensions that are not known, in one line.
    fileprivate func writeUnsupported(_ writer: inout MessageWriter) {
        let name: HeaderName = index.has(.proxyRequire) ? .proxyRequire : .require
        var isFirst = true
        var values = FieldValues(name)
        while let option = values.next(bytes, index) {
            if name == .require, Self.isOffered(bytes.bytes(option)) { continue }
            writer.append(isFirst ? "Unsupported: " : ", ")
            writer.append(value: bytes.bytes(option), .inward)
            isFirst = false
        }
        if !isFirst { writer.endLine() }
    }
}
