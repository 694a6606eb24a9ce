internal import Digest
internal import Messages
internal import SIP
internal import Sys

/// Answers without a transaction.
extension Router {
    /// How many bytes "Content-Length: 0" and the empty line have.
    private static let endLength = 21
    /// How many bytes follow the lines of the request in an answer that says no more than Retry-After.
    static let plainRest = endLength + 17

    /// How many bytes follow them in a challenge in long form.
    func challengeRest(isRegister: Bool, isStale: Bool) -> Int {
        var rest = Self.endLength
        for algorithm in bench.settings.algorithms {
            // The name, `Digest realm="",nonce="",algorithm=,qop="auth"`, the line end, and what stands in them.
            rest += (isRegister ? 18 : 20) + 46 + 2
            rest += bench.settings.realm.count + 24 + algorithm.name.utf8CodeUnitCount
            if isStale { rest += 11 }
        }
        return rest
    }

    /// Begins an answer to a request: its status line and the lines that repeat the request.
    ///
    /// `rest` is how many bytes follow in long form, which is written when all of it fits.
    mutating func beginReply(
        _ message: borrowing Incoming, _ status: Status, _ phrase: StaticString? = nil,
        rest: Int = Router.plainRest
    ) {
        bench.scratch.removeAll()
        // The same request gets the same tag, so that a retransmission is answered alike.
        let tag = NameTable.hash(
            message.bytes.bytes(message.index.via.branch), message.bytes.bytes(message.index.callID)
        )
        bench.scratch.append(hex: tag, digits: 16)
        bench.writer.begin(
            status: status.rawValue, phrase ?? status.phrase,
            isCompact: !admission.mayBeLong(message, bench),
            to: message.flow.peer.ip)
        Self.answerIdentity(
            &bench.writer, message.bytes, message.index, message.flow.peer, bench.scratch)
        guard !bench.writer.isCompact,
            !admission.fits(bench.writer.buffer.count + rest, message)
        else { return }
        bench.writer.begin(
            status: status.rawValue, phrase ?? status.phrase, isCompact: true,
            to: message.flow.peer.ip)
        Self.answerIdentity(
            &bench.writer, message.bytes, message.index, message.flow.peer, bench.scratch)
    }

    private static func answerIdentity(
        _ writer: inout MessageWriter, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ source: SocketAddress, _ tag: borrowing ByteBuffer
    ) {
        writer.answerIdentity(bytes, index, source, tag: tag.span)
    }

    /// Ends an answer without a body and sends it; false when none was left for the sender.
    @discardableResult
    mutating func endReply(_ message: borrowing Incoming) -> Bool {
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

    /// Answers a request without a transaction, never again by itself; false when no answer was sent.
    @discardableResult
    mutating func reply(
        _ message: borrowing Incoming, _ status: Status
    ) -> Bool {
        beginReply(message, status)
        return endReply(message)
    }
}
