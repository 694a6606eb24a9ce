// accounts-reader: reads the accounts where Asterisk has them, and may wait for whoever has them.
//
// DIAGNOSTICS: records `degraded` for an account that can be used from nowhere, and when the source
// is reached otherwise than at the start. What is wrong with the source is told to directory, which
// records it. Exits with 0 when told to stop, and to begin anew; with 111 when the supervisor is gone.
internal import Glibc
internal import Journal
internal import Messages
internal import Privsep

/// How much data the process may have, in bytes: the largest files twice over, and a driver.
private let mostMemory: rlim_t = 1 << 30

ServiceLoop.run(role: .accountsReader) { (loop, set) throws(ChildFailure) in
    let supervision = loop.supervision
    // What a server answers is in memory whole before anybody sees how much it is.
    var memory = rlimit(rlim_cur: mostMemory, rlim_max: mostMemory)
    // In bounds: one structure.
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &memory)
    let settings = AccountSettings(set)
    let reach = Reach(settings)
    // Drivers translate between the database's characters and those of the locale.
    if reach.connects {
        _ = unsafe setlocale(LC_CTYPE, "C.UTF-8")
        // The C library's resolver else waits 10 s for each server that is away.
        _ = unsafe setenv("RES_OPTIONS", "timeout:1 attempts:1", 0)
    }
    try Confinement.apply(
        role: .accountsReader, paths: reach.paths, connects: reach.connects,
        journal: supervision.journal)
    return AccountsReaderService(settings, reach, supervision.journal) {
        supervision.journal.write(
            .degraded, .notice,
            "accounts.source is reached otherwise than at the start: accounts-reader begins anew")
        supervision.stopping()
        exit(0)
    }
}
