// sip-router: parses SIP, authenticates, registers and routes; decides who is banned.
//
// DIAGNOSTICS: journals registered and unregistered, refused (at most 50 a second one by one, then their
// number), asteriskUp and asteriskDown, asteriskRefused, callBegan and callEnded; degraded when another
// child breaks the protocol of its link, when no connection can be accepted, and when a table is full. Exits
// with 0 when told to stop, with 100 when what was handed over cannot be used (a reload would help), with 111
// when the supervisor is gone or breaks its protocol.

internal import Messages
internal import Privsep

ServiceLoop.run(role: .router) { (loop, start) throws(ChildFailure) in
    let process = try RouterProcess(loop, start)
    try Confinement.apply(role: .router, journal: loop.supervision.journal)
    return process
}
