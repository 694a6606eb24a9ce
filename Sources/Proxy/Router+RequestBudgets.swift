internal import Messages
internal import SIP
internal import Sys

/// What one account, one dialog, and whoever tries names may ask of everybody's tables, directory and Asterisks.
extension Router {
    /// Takes a try of a name for the request at hand, once; false when its source, or all of them, have had theirs.
    ///
    /// A name that is not known yet is charged before it is looked up, and one that is known when its password is
    /// wrong: so nothing that is answered tells which it was. A right password gets its try back.
    mutating func takeTry(_ flow: Flow) -> Bool {
        let ip = flow.peer.ip
        if arrival.isCharged || isTrusted(ip) || settings.isObserving { return true }
        arrival.isCharged = budgets.takeTry(ip, now.monotonic)
        return arrival.isCharged
    }

    /// The request at hand has named its account rightly.
    mutating func returnTry(_ flow: Flow) {
        guard arrival.isCharged else { return }
        arrival.isCharged = false
        budgets.returnTry(flow.peer.ip, now.monotonic)
    }

    /// Takes a request of an account that has authenticated; false when it has had its part and was told so.
    mutating func takeRequest(
        of account: Int32, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        guard !RequestBudgets.isFree(index.method),
            !budgets.takeRequest(of: account, perSecond: settings.requests, now.monotonic)
        else { return true }
        return refusedForNow(bytes, index, flow, "account-requests")
    }

    /// Takes a request inside the dialog whose token it carries; false when that has had its part and was told so.
    mutating func takeDialogRequest(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow
    ) -> Bool {
        let token = bytes.bytes(index.requestURI.user)
        guard !budgets.takeRequest(in: token, index.method, now.monotonic) else { return true }
        return refusedForNow(bytes, index, flow, "dialog-requests")
    }

    /// Answers that there is no room for a request now, but for an ACK; true while the defence only observes.
    private mutating func refusedForNow(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ code: String
    ) -> Bool {
        guard !settings.isObserving else {
            decided(code, 0, index, bytes, flow)
            return true
        }
        if index.method == .ack {
            refuseRecord(code, 0, index, bytes, flow)
        } else {
            refuseForNow(bytes, index, flow, code)
        }
        return false
    }
}
