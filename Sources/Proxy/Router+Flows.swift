internal import Messages
internal import Registrar
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// Ways to phones that fail while a request is under way (RFC 3261 section 16.9, RFC 5626 section 5.3.1).
extension Router {
    /// Counts a request that was sent by a connection.
    mutating func countSent(_ client: Handle) {
        let flow = clients[client].flow
        guard flow.transport.isStream else { return }
        sentByConnection[flow, default: 0] += 1
        clients[client].isCounted = true
    }

    /// A request that was sent by a connection is over.
    mutating func countEnded(_ client: Handle) {
        guard clients[client].isCounted else { return }
        clients[client].isCounted = false
        let flow = clients[client].flow
        let left = sentByConnection[flow, default: 1] - 1
        sentByConnection[flow] = left == 0 ? nil : left
    }

    /// Ends the branches whose connection has closed: one look through all of them a turn, however many
    /// connections that was.
    mutating func failLostBranches() {
        guard !lostConnections.isEmpty else { return }
        let lost = lostConnections
        lostConnections = []
        for place in 0..<clients.places {
            guard let client = clients.handle(at: UInt32(place)),
                lost.contains(clients[client].flow), !clients[client].settled
            else { continue }
            settle(client, status: 430)
            endClient(client)
        }
    }

    /// Sends a call that failed by one flow of a phone by the one that it refreshed before; false when there
    /// is none.
    mutating func tryOtherFlow(_ owner: Handle, after client: Handle) -> Bool {
        let exchange = exchanges[owner]
        guard exchange.direction == .outward, !exchange.inDialog, !exchange.cancelled,
            !clients[client].cancelled, exchange.server.isOpen, exchange.account >= 0,
            let failed = place(exchange.account, by: clients[client].flow)
        else { return false }
        var next: Int32?
        var at = accounts[exchange.account].bindings
        while let other = bindings[at] {
            defer { at = other.next }
            // Only backwards, so that flows which all stay silent are tried once each.
            guard other.reachable, bindings.isSamePhone(at, failed), isLater(failed, than: at),
                next.map({ isLater(at, than: $0) }) ?? true
            else { continue }
            next = at
        }
        guard let next, let binding = bindings[next] else { return false }
        takeContact(binding)
        return forwardKept(owner, binding.flow)
    }

    /// Whether one binding was refreshed after another one.
    func isLater(_ one: Int32, than other: Int32) -> Bool {
        guard let first = bindings[one], let second = bindings[other] else { return false }
        return (first.expires, one) > (second.expires, other)
    }

    /// The account's binding that came by a flow.
    private func place(_ account: Int32, by flow: Flow) -> Int32? {
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            if binding.flow == flow { return at }
            at = binding.next
        }
        return nil
    }
}
