internal import Messages
package import ProxyBench
package import SIP
internal import Sys

/// What one account, one dialog, and those who try names may ask of everybody's tables, directory and Asterisks.
extension Admission {
    /// Takes a try of a name for the request at hand, once; false when its source, or all of them, have had theirs.
    ///
    /// A name that is not known yet is charged before it is looked up, and one that is known when its password is
    /// wrong: so nothing that is answered tells which it was. A right password gets its try back.
    package mutating func takeTry(_ message: inout Incoming, _ bench: borrowing Bench) -> Bool {
        let sender = message.sender
        if sender.isCharged || sender.standing.isTrusted || bench.settings.isObserving {
            return true
        }
        message.sender.isCharged = requests.takeTry(message.flow.peer.ip, bench.now.monotonic)
        return message.sender.isCharged
    }

    /// The request at hand has named its account rightly.
    package mutating func returnTry(_ message: inout Incoming, _ bench: borrowing Bench) {
        guard message.sender.isCharged else { return }
        message.sender.isCharged = false
        requests.returnTry(message.flow.peer.ip, bench.now.monotonic)
    }

    /// Takes a request of an account that has authenticated, which may have had its part.
    package mutating func takeRequest(
        of account: AccountID, _ method: Method, _ bench: borrowing Bench
    ) -> Verdict<Void> {
        let isOver =
            !RequestBudgets.isFree(method)
            && !requests.takeRequest(
                of: account.place, perSecond: bench.settings.requests, bench.now.monotonic)
        return isOver ? .refuse(.accountRequests, unless: bench.settings.isObserving, ()) : .pass
    }

    /// Takes a request inside the dialog whose token it carries, which may have had its part.
    package mutating func takeDialogRequest(
        _ message: borrowing Incoming, _ bench: borrowing Bench
    ) -> Verdict<Void> {
        let token = message.bytes.bytes(message.index.requestURI.user)
        let isOver = !requests.takeRequest(in: token, message.index.method, bench.now.monotonic)
        return isOver ? .refuse(.dialogRequests, unless: bench.settings.isObserving, ()) : .pass
    }
}
