// sip-router: parses SIP, authenticates, registers and routes; decides who is banned.
//
// DIAGNOSTICS: journals registered and unregistered, refused (at most 50 a second one by one, then their
// number), asteriskUp and asteriskDown, asteriskRefused, callBegan and callEnded; degraded when another
// child breaks the protocol of its link, when no connection can be accepted, and when a table is full. Exits with 0 when told to stop, with 100 when what was handed
// over cannot be used (a reload would help), with 111 when the supervisor is gone or breaks its protocol.

internal import Messages
internal import Privsep

let supervision = Supervision(role: .router)
do throws(ChildFailure) {
    let start = try supervision.receiveStartSet()
    let process = try RouterProcess(supervision, start)
    try Confinement.apply(role: .router, journal: supervision.journal)
    supervision.ready()
    try process.serve()
} catch {
    supervision.fail(error)
}
