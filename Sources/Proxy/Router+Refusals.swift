internal import Journal
internal import Messages
internal import SIP
internal import Sys

/// What is kept of refusals: for the journal, and for `rempart explain`.
extension Router {
    /// Keeps what was decided about a request, for `rempart explain`.
    mutating func decided(
        _ reason: String, _ status: UInt16, _ index: borrowing MessageIndex, _ bytes: Span<UInt8>,
        _ flow: Flow
    ) {
        keepDecision(
            reason, status, NameTable.hash(bytes.bytes(index.callID)),
            index.isRequest ? index.method : index.sequenceMethod, flow)
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
        _ reason: String, _ status: UInt16, _ index: borrowing MessageIndex, _ bytes: Span<UInt8>,
        _ flow: Flow
    ) {
        decided(reason, status, index, bytes, flow)
        guard audit.allowsRefusal(now.monotonic) else { return }
        let method = bytes.bytes(index.methodSlice)
        audit.records.begin(.refused, .notice)
        audit.records.append("refused ")
        if method.isEmpty {
            audit.records.append("a message")
        } else {
            audit.records.append(method)
        }
        audit.records.append(" from ")
        audit.records.append(flow.peer.ip)
        audit.records.append(": ")
        audit.records.append(text: reason)
        audit.records.source(flow)
        audit.records.field(.reason)
        audit.records.append(text: reason)
        if status > 0 {
            audit.records.field(.status)
            audit.records.append(decimal: UInt64(status))
        }
        audit.records.field(.method)
        audit.records.append(method)
        audit.records.field(.account)
        audit.records.append(bytes.bytes(index.from.uri.user))
        audit.records.field(.callID)
        audit.records.append(bytes.bytes(index.callID))
        if let agent = index.value(.userAgent) {
            audit.records.field(.userAgent)
            audit.records.append(bytes.bytes(agent))
        }
        audit.records.end()
    }
}
