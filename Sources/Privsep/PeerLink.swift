package import Messages
package import Reactor
package import Sys

/// A child's link to its peer, which may be gone for a while and come back as a new one.
package final class PeerLink {
    /// Whose link it is.
    package let role: Role
    /// How many frames of the peer a turn of the loop takes, so that all others are heard.
    let framesPerTurn: Int
    /// A shorter frame, in bytes, is the last one that the peer had to send in its turn.
    let leastFull: Int
    /// The link that stands, or nil while the peer is gone.
    package private(set) var link: Link?
    /// Counts the links there have been, so that an event of an older one is recognised.
    private(set) var generation: UInt32 = 0
    /// What the loop has the poller watch the link for.
    var interest: Interest = .read
    private var parcel = Parcel()

    /// A link that does not stand yet.
    package init(_ role: Role, framesPerTurn: Int = 256, leastFull: Int = 0) {
        self.role = role
        self.framesPerTurn = framesPerTurn
        self.leastFull = leastFull
    }

    /// Takes a new link in place of the old one.
    package func attach(_ descriptor: Descriptor) {
        close()
        link = Link(descriptor)
        generation += 1
        interest = .read
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
