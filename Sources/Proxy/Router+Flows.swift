internal import Messages
internal import Registrar
internal import SIPTransactions
internal import Sys

/// Ways to phones that fail while a request is under way (RFC 3261 section 16.9, RFC 5626 section 5.3.1).
extension Router {
    /// Counts a request that was sent by a connection.
    mutating func countSent(_ client: Handle) {
        let flow = clients[client].flow
        if flow.transport.isStream { sentByConnection[flow.connection, default: 0] += 1 }
    }

    /// A request that was sent by a connection is over.
    mutating func countEnded(_ client: Handle) {
        let flow = clients[client].flow
        guard flow.transport.isStream, clients[client].sent.exists else { return }
        let left = sentByConnection[flow.connection, default: 1] - 1
        sentByConnection[flow.connection] = left == 0 ? nil : left
    }

    /// Ends the branches whose connection has closed: one look through all of them a turn, however many
    /// connections that was.
    mutating func failLostBranches() {
        guard !lostConnections.isEmpty else { return }
        let lost = lostConnections
        lostConnections = []
        for place in 0..<clients.places {
            guard let client = clients.handle(at: UInt32(place)),
                lost.contains(clients[client].flow.connection), !clients[client].settled
            else { continue }
            settle(client, status: 430)
            endClient(client)
        }
    }

    /// Sends a call that failed by one flow of a phone by another one that it was not sent by yet; false when
    /// there is none.
    mutating func tryOtherFlow(_ owner: Handle, after client: Handle) -> Bool {
        let exchange = exchanges[owner]
        guard exchange.direction == .outward, !exchange.inDialog, !exchange.cancelled,
            !clients[client].cancelled, exchange.server.isOpen, exchange.account >= 0,
            let failed = binding(exchange.account, by: clients[client].flow)
        else { return false }
        var at = accounts[exchange.account].bindings
        while let other = bindings[at] {
            at = other.next
            guard other.reachable, other.isOfSamePhone(as: failed),
                !wasSent(exchange, by: other.flow)
            else { continue }
            return forwardOutward(owner, other.flow, uri: other.contact)
        }
        return false
    }

    private func binding(_ account: Int32, by flow: Flow) -> Binding? {
        var at = accounts[account].bindings
        while let binding = bindings[at] {
            if binding.flow == flow { return binding }
            at = binding.next
        }
        return nil
    }

    private func wasSent(_ exchange: Exchange, by flow: Flow) -> Bool {
        for position in 0..<exchange.clientCount {
            let client = exchange.clients[position]
            if clients.contains(client), clients[client].flow == flow { return true }
        }
        return false
    }
}
