internal import Journal
internal import Messages
internal import Registrar
internal import SIP
internal import Sys

/// What is kept of refusals: for the journal, and for `rempart explain`.
extension Router {
    /// Keeps what was decided about a request, for `rempart explain`.
    mutating func decided(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming
    ) {
        keepDecision(
            reason, status, NameTable.hash(message.bytes.bytes(message.index.callID)),
            message.index.isRequest ? message.index.method : message.index.sequenceMethod,
            message.flow)
    }

    mutating func keepDecision(
        _ reason: String, _ status: UInt16, _ callID: UInt64, _ method: Method, _ flow: Flow
    ) {
        recent.add(
            Recent.Decision(
                moment: now.sinceEpoch, source: flow.peer.ip, callID: callID, method: method,
                transport: flow.transport, reason: reason, status: status))
    }

    /// Records that a request was refused; `status` is 0 when no answer was sent.
    mutating func refuseRecord(
        _ reason: String, _ status: UInt16, _ message: borrowing Incoming
    ) {
        decided(reason, status, message)
        guard audit.allowsRefusal(now.monotonic) else { return }
        let method = message.bytes.bytes(message.index.methodSlice)
        audit.records.begin(.refused, .notice)
        audit.records.append("refused ")
        if method.isEmpty {
            audit.records.append("a message")
        } else {
            audit.records.append(method)
        }
        audit.records.append(" from ")
        audit.records.append(message.flow.peer.ip)
        audit.records.append(": ")
        audit.records.append(text: reason)
        audit.records.source(message.flow)
        audit.records.field(.reason)
        audit.records.append(text: reason)
        if status > 0 {
            audit.records.field(.status)
            audit.records.append(decimal: UInt64(status))
        }
        audit.records.field(.method)
        audit.records.append(method)
        audit.records.field(.account)
        audit.records.append(message.bytes.bytes(message.index.from.uri.user))
        audit.records.field(.callID)
        audit.records.append(message.bytes.bytes(message.index.callID))
        if let agent = message.index.value(.userAgent) {
            audit.records.field(.userAgent)
            audit.records.append(message.bytes.bytes(agent))
        }
        audit.records.end()
    }
}
