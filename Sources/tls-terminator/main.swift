// tls-terminator: accepts TLS, holds the private key, and passes plaintext to sip-router and back.
//
// DIAGNOSTICS: journals certificateLoaded and certificateRefused at the start and at each reload,
// handshakeFailed for each handshake that comes to nothing (bounded a second), degraded when no
// connection can be accepted or sip-router breaks the protocol of their link. Exits with 0 when the
// supervisor says stop, 100 when the certificate or key cannot be used (a reload would help), 111
// when the supervisor is gone or breaks its protocol, or the kernel refuses what is needed to begin.

internal import Glibc
internal import Journal
internal import Messages
internal import Privsep
internal import Sys

let supervision = Supervision(role: .terminator)
do throws(ChildFailure) {
    let start = try supervision.receiveStartSet()
    let terminator = try Terminator(start, supervision.journal)
    // Everything is open and loaded, nothing has been read from a client.
    try Confinement.apply(role: .terminator, journal: supervision.journal)
    supervision.ready()
    try terminator.serve(supervision)
} catch {
    supervision.journal.write(.daemonFailed, .critical, "\(error)")
    exit(error.exitCode)
}
