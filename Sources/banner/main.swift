// banner: bans sources in its own nftables table, and keeps the bans.
//
// DIAGNOSTICS: records `banned` and `unbanned` for each source, and `listLoaded` when a block list
// or the country database was read. Records `degraded`
// - when the kernel does not enforce the bans (why, and again when it does);
// - when somebody else changed the table;
// - when a list or database cannot be used;
// - when bans cannot be stored or are too many;
// - when sip-router breaks the protocol.
// Exits with 0 when told to stop (or by SIGTERM), with 111 when the supervisor is gone.
internal import Messages
internal import Privsep

ServiceLoop.run(role: .banner) { (loop, set) throws(ChildFailure) in
    let journal = loop.supervision.journal
    let settings = BannerSettings(set.settings.compactMap(\.told.banner))
    let service = BannerService(
        settings, folder: set.files[.state], Nftables(table: set.table), journal)
    let lists = settings.blockLists.map(WatchedFile.folder)
    // Whole folders, since a file that is renamed into another's place is another file.
    let read = (lists + Countries.folders(settings)).map(Confinement.Path.reading)
    try Confinement.apply(
        role: .banner, paths: read + (set.files[.state].map { [.writing($0)] } ?? []),
        journal: journal)
    return service
}
