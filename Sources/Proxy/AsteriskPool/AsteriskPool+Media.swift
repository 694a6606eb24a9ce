internal import Journal
package import Messages
package import ProxyBench
internal import SIPWriting
package import Sys

/// Where Asterisks send the media of phones: the one thing of the inside that leaves, since the edge carries no media.
extension AsteriskPool {
    /// How often it is recorded of one Asterisk, and for how long `rempart status` says so.
    private static let insideMediaInterval = Milliseconds.seconds(3600)

    /// Records when the message in the writer, an Asterisk's, tells of an inside address for media.
    package mutating func recordInsideMedia(_ asterisk: SocketAddress, _ bench: inout Bench) {
        guard bench.writer.namesInsideMedia,
            // An Asterisk may call from another port than it is called at.
            let number = number(of: asterisk)
                ?? asterisks.firstIndex(where: { $0.address.ip == asterisk.ip })
        else { return }
        let now = bench.now.monotonic
        asterisks[number].insideMediaSeen = now
        if let told = asterisks[number].insideMediaTold, now - told < Self.insideMediaInterval {
            return
        }
        asterisks[number].insideMediaTold = now
        let address = asterisks[number].address
        bench.effects.journal.add(
            .degraded, .warning, Self.insideMedia(address),
            [(.asterisk, "\(address)"), (.reason, "inside-media")])
    }

    private static func insideMedia(_ asterisk: SocketAddress) -> String {
        "Asterisk \(asterisk) tells phones to send media to an inside address, which they see and cannot reach:"
            + " set external_media_address (PJSIP; no local_net may contain the edge), or externaddr with a localnet"
            + " without the edge (chan_sip)"
    }

    /// A row for each Asterisk that has told of an inside address within the last hour, for `rempart status`.
    package func insideMediaRows(_ bench: borrowing Bench) -> [ControlReply] {
        let now = bench.now.monotonic
        return asterisks.compactMap { asterisk in
            guard let seen = asterisk.insideMediaSeen, now - seen < Self.insideMediaInterval else {
                return nil
            }
            return .finding(name: ControlReply.warning, value: Self.insideMedia(asterisk.address))
        }
    }
}
