internal import Journal
package import Messages
internal import SIPWriting
internal import Sys

/// Where Asterisks send the media of phones: the one thing of the inside that leaves, since the edge carries no media.
extension Router {
    /// How often it is recorded of one Asterisk, and for how long `rempart status` says so.
    private static let insideMediaInterval = Milliseconds.seconds(3600)

    /// Notes whether the message in the writer, an Asterisk's, tells of an inside address for media.
    mutating func noteMedia(of asterisk: SocketAddress) {
        guard writer.namesInsideMedia,
            // An Asterisk may call from another port than it is called at.
            let number = asterisks.firstIndex(where: { $0.address == asterisk })
                ?? asterisks.firstIndex(where: { $0.address.ip == asterisk.ip })
        else { return }
        asterisks[number].insideMediaSeen = now.monotonic
        if let told = asterisks[number].insideMediaTold,
            now.monotonic - told < Self.insideMediaInterval
        {
            return
        }
        asterisks[number].insideMediaTold = now.monotonic
        audit.add(
            .degraded, .warning, Self.insideMedia(asterisks[number].address),
            [(.asterisk, "\(asterisks[number].address)"), (.reason, "inside-media")])
    }

    private static func insideMedia(_ asterisk: SocketAddress) -> String {
        "Asterisk \(asterisk) tells phones to send media to an inside address, which they see and cannot reach:"
            + " set external_media_address (PJSIP; no local_net may contain the edge), or externaddr with a localnet"
            + " without the edge (chan_sip)"
    }

    /// A row for each Asterisk that has told of an inside address within the last hour, for `rempart status`.
    package func insideMediaRows() -> [ControlReply] {
        asterisks.compactMap { asterisk in
            guard let seen = asterisk.insideMediaSeen,
                now.monotonic - seen < Self.insideMediaInterval
            else { return nil }
            return .finding(name: ControlReply.warning, value: Self.insideMedia(asterisk.address))
        }
    }
}
