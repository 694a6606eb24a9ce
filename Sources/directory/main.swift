// directory: has the accounts asked for at accounts-reader, and keeps the phones' bindings.
//
// DIAGNOSTICS: records `databaseUp` and `databaseDown` (which file, table, column or right is
// missing), as accounts-reader says it, or that it hangs. Records `degraded` when bindings cannot be
// stored, when their file was set aside, or when a peer breaks the protocol. Exits with 0 when told to stop, with 111 when the supervisor is gone.
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
        set.settings.compactMap(\.told.directory), stateFolder: folder, journal
    ) {
        loop.supervision.hangs(.accountsReader)
    }
    try Confinement.apply(
        role: .directory, paths: folder.map { [.writing($0)] } ?? [], journal: journal)
    return service
}
