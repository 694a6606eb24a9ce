// banner: bans sources in its own nftables table, and keeps the bans.
//
// DIAGNOSTICS: records `banned` and `unbanned` for each source, `degraded` when the kernel does not
// enforce the bans (why, and again when it does), when bans cannot be kept or are too many, or when
// sip-router breaks the protocol. Exits with 0 when told to stop, with 111 when the supervisor is gone.
internal import Messages
internal import Privsep

ServiceLoop<BannerService>.run(role: .banner) { (supervision, set) throws(ChildFailure) in
    let service = BannerService(
        set.settings, folder: set.files[.state], Nftables(), supervision.journal)
    try Confinement.apply(
        role: .banner, paths: set.files[.state].map { [.writing($0)] } ?? [],
        journal: supervision.journal)
    return service
}
