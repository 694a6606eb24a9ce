internal import Journal
package import Messages
package import ProxyBench
internal import SIP
internal import Sys

extension Incoming {
    /// Whose password it was, where that was looked at, else whom From names.
    fileprivate var triedName: Slice {
        guard !username.isEmpty else { return index.from.uri.user }
        return Slice(username.start, min(Int(username.length), Bounds.longestName))
    }

    /// The keyed hash of the name of the account that it is about; 0 without one: an Asterisk asks for the account that
    /// it calls.
    fileprivate var accountMark: UInt64 {
        guard sender.standing.trunk == nil else { return 0 }
        let name =
            sender.standing.isAsterisk ? index.requestURI.user : triedName
        return name.isEmpty ? 0 : NameTable.hash(bytes.bytes(name))
    }
}

/// What was decided about messages, for the journal and for `rempart explain`.
extension Admission {
    /// Remembers what was decided about a message; `status` is 0 when no answer was sent.
    package mutating func decided(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming,
        _ bench: borrowing Bench
    ) {
        recent.add(
            Recent.Decision(
                moment: bench.now.sinceEpoch, source: message.flow.peer.ip,
                callID: NameTable.hash(message.bytes.bytes(message.index.callID)),
                account: message.accountMark,
                method: message.index.isRequest
                    ? message.index.method : message.index.sequenceMethod,
                transport: message.flow.transport, reason: reason, status: status))
    }

    /// Remembers that an answer was short or none, unless there were many of late.
    package mutating func sampled(
        _ refusal: Refusal, _ status: UInt16, _ message: borrowing Incoming,
        _ bench: borrowing Bench
    ) {
        guard recent.takeSample(of: refusal, bench.now.monotonic) else { return }
        decided(refusal.code, status, message, bench)
    }

    /// Remembers that a message was dropped without a look at it, unless there were many of late.
    mutating func dropped(_ refusal: Refusal, _ flow: Flow, _ bench: borrowing Bench) {
        guard recent.takeSample(of: refusal, bench.now.monotonic) else { return }
        recent.add(
            Recent.Decision(
                moment: bench.now.sinceEpoch, source: flow.peer.ip, transport: flow.transport,
                reason: refusal.code))
    }

    /// Records that a message was refused; `status` is 0 when no answer was sent.
    package mutating func recordRefusal(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming, _ bench: inout Bench
    ) {
        decided(reason, status, message, bench)
        guard bench.effects.journal.allowsRefusal(bench.now.monotonic) else { return }
        Self.write(reason, status, message, &bench.effects.journal.records)
    }

    private static func write(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming,
        _ records: inout RecordBatch
    ) {
        let method = message.bytes.bytes(message.index.methodSlice)
        records.begin(.refused, .notice)
        records.append("refused ")
        if method.isEmpty {
            records.append("a message")
        } else {
            records.append(method)
        }
        records.append(" from ")
        records.append(message.flow.peer.ip)
        records.append(": ")
        records.append(text: reason)
        records.source(message.flow)
        records.field(.reason)
        records.append(text: reason)
        if status > 0 {
            records.field(.status)
            records.append(decimal: UInt64(status))
        }
        records.field(.method)
        records.append(method)
        records.field(.account)
        records.append(message.bytes.bytes(message.triedName))
        records.field(.callID)
        records.append(message.bytes.bytes(message.index.callID))
        if let agent = message.index.value(.userAgent) {
            records.field(.userAgent)
            records.append(message.bytes.bytes(agent))
        }
        records.end()
    }
}
