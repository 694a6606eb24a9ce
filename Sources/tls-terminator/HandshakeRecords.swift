// What the journal is told of handshakes, so that a flood of them does not flood it.

internal import Journal
internal import Messages
internal import Sys

/// Journals failed handshakes, a bounded number a second; of the rest it gives the count.
final class HandshakeRecords {
    private let journal: Journal
    private let perSecond: Int
    private var written = 0
    private var unwritten = 0

    init(journal: Journal, perSecond: Int) {
        self.journal = journal
        self.perSecond = perSecond
    }

    /// A handshake came to nothing.
    func failed(_ peer: SocketAddress, _ failure: HandshakeFailure, _ reason: String) {
        write(peer, failure.code, "TLS handshake with \(peer) failed: \(reason)")
    }

    /// A connection was closed as it came, because a limit was reached.
    func refused(_ peer: SocketAddress) {
        write(peer, "tls-limit", "TLS connection from \(peer) refused: too many at a time")
    }

    private func write(_ peer: SocketAddress, _ code: String, _ message: String) {
        guard written < perSecond else {
            unwritten += 1
            return
        }
        written += 1
        journal.write(
            .handshakeFailed, .info, message,
            [
                (.address, "\(peer.ip)"), (.port, "\(peer.port)"), (.transport, "tls"),
                (.reason, code),
            ])
    }

    /// A second has passed.
    func tick() {
        if unwritten > 0 {
            journal.write(
                .leftOut, .warning,
                "\(unwritten) more TLS handshakes failed or were refused in the last second",
                [(.count, "\(unwritten)"), (.transport, "tls")])
        }
        written = 0
        unwritten = 0
    }
}
