// directory: reads the accounts from Asterisk's own database and keeps the phones' bindings.
//
// DIAGNOSTICS: records `databaseUp` and `databaseDown` (which file, table, column or right is
// missing), `degraded` when bindings cannot be kept, when their file was set aside, or when sip-router
// breaks the protocol. A database that cannot be read ends nothing: it is tried again. Exits with 0
// when told to stop, with 111 when the supervisor is gone.
internal import Messages
internal import Privsep
internal import Sys

// SQLite keeps opening files by name beside the bindings (its WAL), which a descriptor alone does not
// serve; the name leads through the folder that was handed over.
ServiceLoop<DirectoryService>.run(role: .directory) { (supervision, set) throws(ChildFailure) in
    let folder = set.files[.state].map { "/proc/self/fd/\($0.release())" }
    let service = DirectoryService(
        set.settings, stateFolder: folder, supervision.journal)
    // The database's path may change on a reload, and Landlock cannot be widened afterwards.
    try Confinement.apply(
        role: .directory, paths: [.reading("/")] + (folder.map { [.writing($0)] } ?? []),
        journal: supervision.journal)
    return service
}
