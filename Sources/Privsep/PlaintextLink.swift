package import Messages
internal import Sys

/// The link between sip-router and tls-terminator, at either end: what a turn of the loop has for the other
/// side goes in as few frames as hold it.
package final class PlaintextLink {
    /// The link itself.
    package let peer: PeerLink
    /// What has gathered in this turn; a payload may be written in place after `makeRoom`.
    package var parcel = PlaintextParcel()

    /// A link that does not stand yet; at most so many frames of the other side are taken in a turn.
    package init(_ role: Role, framesPerTurn: Int) {
        peer = PeerLink(
            role, framesPerTurn: framesPerTurn, leastFull: PlaintextParcel.leastFull)
    }

    /// Begins anew: what was meant for an earlier process is forgotten, and the hello goes out.
    package func linked() {
        parcel.removeAll()
        send(.hello, connection: 0, [messagesVersion])
        flush()
    }

    /// Adds a message of a short payload.
    package func send(_ kind: PlaintextKind, connection: UInt64, _ payload: [UInt8] = []) {
        makeRoom()
        parcel.add(kind, connection: connection, payload.span)
    }

    /// Adds plaintext of a connection, in messages of at most a record's length.
    package func send(_ bytes: Span<UInt8>, to connection: UInt64) {
        var start = 0
        while start < bytes.count {
            let end = min(start + PlaintextHeader.maximumPayload, bytes.count)
            makeRoom()
            parcel.add(.data, connection: connection, bytes.extracting(start..<end))
            start = end
        }
    }

    /// Makes room for one message, of whatever length.
    package func makeRoom() {
        if !parcel.hasRoom { flush() }
    }

    /// Hands over what has gathered.
    package func flush() {
        guard !parcel.isEmpty else { return }
        peer.send(parcel.frame)
        parcel.removeAll()
    }
}
