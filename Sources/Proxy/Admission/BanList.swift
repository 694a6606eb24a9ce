internal import Messages
internal import Sys

/// Who is shut out: sources, and neighbourhoods of them.
struct BanList: ~Copyable {
    private var banned: [IPAddress: Milliseconds] = [:]
    /// Bans of whole networks: a /24 or a /48 each.
    private var bannedNetworks: [Network: Milliseconds] = [:]
    private var nextSweep = Milliseconds(0)

    /// How many sources are on the list at most.
    ///
    /// That is all that banner keeps, and as many again that it was asked to ban and would not. Beyond
    /// that a source is judged again by whatever it sends.
    static let mostBans = 240_000

    /// How many neighbourhoods are on the list at most: as many as banner has.
    static let mostNetworks = 1_000

    /// Puts a source on the list until a moment of the monotonic clock.
    mutating func ban(_ ip: IPAddress, until: Milliseconds, _ now: Milliseconds) {
        let source = ip.source
        guard makeRoom(now) || banned[source] != nil else { return }
        banned[source] = until
    }

    private mutating func makeRoom(_ now: Milliseconds) -> Bool {
        guard banned.count >= Self.mostBans else { return true }
        // To look at all of them takes milliseconds, which not every offence may cost.
        guard now >= nextSweep else { return false }
        nextSweep = now + .seconds(10)
        banned = banned.filter { $0.value > now }
        return banned.count < Self.mostBans
    }

    /// Puts a network on the list; one that is no wider than a source counts as that source.
    mutating func ban(_ network: Network, until: Milliseconds, _ now: Milliseconds) {
        if network.isWide {
            if bannedNetworks.count >= Self.mostNetworks {
                bannedNetworks = bannedNetworks.filter { $0.value > now }
            }
            guard bannedNetworks.count < Self.mostNetworks || bannedNetworks[network] != nil else {
                return
            }
            bannedNetworks[network] = until
        } else {
            ban(network.address, until: until, now)
        }
    }

    /// Takes a network off the list; one that is no wider than a source counts as that source.
    mutating func unban(_ network: Network) {
        if network.isWide {
            bannedNetworks[network] = nil
        } else {
            banned[network.address.source] = nil
        }
    }

    /// Takes all off the list.
    mutating func unbanAll() {
        banned = [:]
        bannedNetworks = [:]
    }

    /// Whether a source is banned now.
    ///
    /// Ended bans stay on the list until banner says that they have ended, or the list is full.
    func isBanned(_ ip: IPAddress, _ now: Milliseconds) -> Bool {
        if !banned.isEmpty, let until = banned[ip.source], until > now { return true }
        // Roll-ups alone are wider than a source, and they are of these two widths.
        guard !bannedNetworks.isEmpty,
            let until = bannedNetworks[Network.neighbourhood(of: ip)]
        else { return false }
        return until > now
    }
}
