// directory: reads the accounts from Asterisk's own database and keeps the phones' bindings.
//
// DIAGNOSTICS: records `databaseUp` and `databaseDown` (which file, table, column or right is
// missing). Records `degraded` when bindings cannot be stored, when their file was set aside, or
// when sip-router breaks the protocol. A database that cannot be read ends nothing: it is tried
// again. Exits with 0 when told to stop, with 111 when the supervisor is gone.
internal import Glibc
internal import Messages
internal import Privsep
internal import Sys

/// The path of an open folder.
///
/// SQLite opens the files beside its own (the WAL) by name, which a descriptor alone does not
/// serve. A process that is not dumpable may not go through its own /proc/self/fd any more.
func path(of folder: Descriptor) -> String? {
    guard let resolved = unsafe realpath("/proc/self/fd/\(folder.raw)", nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
}

ServiceLoop.run(role: .directory) { (loop, set) throws(ChildFailure) in
    let journal = loop.supervision.journal
    let folder = set.files[.state].flatMap(path(of:))
    let service = DirectoryService(
        set.settings.compactMap(\.told.directory), stateFolder: folder, journal)
    // The database's path may change on a reload, and Landlock cannot be widened afterwards.
    try Confinement.apply(
        role: .directory, paths: [.reading("/")] + (folder.map { [.writing($0)] } ?? []),
        journal: journal)
    return service
}
