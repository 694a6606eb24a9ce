// tls-terminator: accepts TLS, holds the private key, and passes plaintext to sip-router and back.
//
// DIAGNOSTICS: journals certificateLoaded for each other certificate that it serves from now on and
// certificateRefused for files that it does not use, at the start, at a reload and after a renewal,
// certificateEnds for what phones may mind about the certificates' dates (the end from two weeks before it
// on, daily),
// handshakeFailed for each handshake that comes to nothing or is refused by a limit (bounded a
// second), degraded when no connection can be accepted, when the limit of open files allows fewer
// than 20,000, and when sip-router breaks the protocol of their link. Exits with 0 when the
// supervisor says stop, 100 when it cannot be confined, 111 when the supervisor is gone or breaks its
// protocol, or the kernel refuses what is needed to begin. A certificate or key that cannot be used ends
// nothing: the one of before stays, and without any connections are closed at once until there is one.

internal import Messages
internal import Privsep
internal import Sys

ServiceLoop.run(role: .terminator) { (loop, start) throws(ChildFailure) in
    let terminator = try Terminator(loop, start)
    // Everything is open and loaded, nothing has been read from a client.
    try Confinement.apply(role: .terminator, journal: loop.supervision.journal)
    terminator.tellUse()
    return terminator
}
