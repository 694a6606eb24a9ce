// accounts-reader: reads the accounts where Asterisk has them, and may wait for whoever has them.
//
// DIAGNOSTICS: records `degraded` for an account that can be used from nowhere, and when the source
// lies in another folder or file than at the start. What is wrong with the source is told to directory, which
// records it. Exits with 0 when told to stop, and to begin anew; with 111 when the supervisor is gone.
internal import Glibc
internal import Journal
internal import Messages
internal import Privsep

ServiceLoop.run(role: .accountsReader) { (loop, set) throws(ChildFailure) in
    let supervision = loop.supervision
    let settings = AccountSettings(set)
    let reach = Reach(settings)
    // Drivers translate between the database's characters and those of the locale.
    if reach.connects { _ = unsafe setlocale(LC_CTYPE, "C.UTF-8") }
    try Confinement.apply(
        role: .accountsReader, paths: reach.paths, connects: reach.connects,
        journal: supervision.journal)
    return AccountsReaderService(settings, reach, supervision.journal) {
        supervision.journal.write(
            .degraded, .notice,
            "accounts.source lies in another folder or file than at the start: accounts-reader begins anew"
        )
        supervision.stopping()
        exit(0)
    }
}
