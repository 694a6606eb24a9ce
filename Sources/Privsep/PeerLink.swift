internal import Messages
package import Reactor
package import Sys

/// A child's link to its peer, which may be gone for a while and come back as a new one.
package final class PeerLink {
    /// The link that stands, or nil while the peer is gone.
    package private(set) var link: Link?
    private var parcel = Parcel()

    /// A link that does not stand yet.
    package init() {}

    /// Takes a new link in place of the old one.
    package func attach(_ descriptor: Descriptor) {
        close()
        link = Link(descriptor)
    }

    /// Lets go of the link until the supervisor hands over a new one.
    ///
    /// The descriptor is closed now, whoever else holds it: the peer shall see the end.
    package func close() {
        link?.descriptor.close()
        link = nil
        parcel.removeAll()
    }

    /// Whether frames wait for room.
    package var isWaiting: Bool { link?.isWaiting ?? false }

    /// Sends a frame, or lets it wait; it is lost when the peer is gone.
    ///
    /// A peer that lets 8 MiB wait hangs: the link is closed, and the supervisor, which misses the
    /// peer's heartbeat too, replaces both.
    package func send(_ frame: [UInt8]) { settle(link?.send(frame)) }

    /// Sends a frame from where it lies, or lets it wait; it is lost when the peer is gone.
    package func send(_ frame: Span<UInt8>) { settle(link?.send(frame)) }

    /// Adds a message to those that `sendGathered` sends, in order, in as few frames as hold them.
    ///
    /// A message is at most `Parcel.longestMessage` bytes long.
    package func gather(_ message: Span<UInt8>) {
        if parcel.add(message) { return }
        sendGathered()
        let fits = parcel.add(message)
        precondition(fits, "a message that is gathered is shorter than a parcel")
    }

    /// Sends what has gathered: once a turn of the loop, before anything is sent by itself.
    package func sendGathered() {
        guard !parcel.isEmpty else { return }
        send(parcel.frame)
        parcel.removeAll()
    }

    private func settle(_ sent: Link.Sent?) {
        switch sent {
        case .sent, .queued, nil: break
        case .full, .ended: close()
        }
    }

    /// Sends what waits, as far as there is room.
    package func flush() {
        if link?.flush() == false { close() }
    }
}
