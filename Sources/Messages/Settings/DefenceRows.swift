package import Sys

extension Setting {
    /// The rows of the group `defence`.
    package static let defence = DefenceRows()
}

/// The group `defence`: who is banned, and what a stranger may do.
package struct DefenceRows: Sendable {
    package let mode = SettingRow(
        "defence.mode", 20, .word(DefenceMode.self, "mode"), standard: .enforce,
        example: DefenceMode.observe.name, for: .router { .mode($0) }, .banner { .mode($0) },
        meaning: """
            observe drops nothing: what would have been banned is recorded, listed and counted by the \
            kernel. For a look before the wall goes up.
            """)
    package let countries = SettingRow(
        "defence.countries", 21, .country, items: 1...Bounds.mostCountries,
        example: "[FR, BE, CH, LU]", for: .banner { .country($0) },
        meaning: """
            The countries that strangers may come from; the kernel drops packets from any other, and \
            from addresses of no known country. Private addresses and defence.allow are excepted. \
            Needs the database of defence.geoip.
            """)
    package let geoip = SettingRow(
        "defence.geoip", 22, .path, example: "/var/lib/GeoIP/GeoLite2-Country.mmdb",
        for: .banner { .geoip($0) },
        meaning: """
            The MaxMind database that tells the country of an address; left out: the first that is \
            found in \(UsualPlaces.countryFolders.joined(separator: " or ")). A file renamed into its \
            place is taken up while running. One that cannot be read, or knows no network of these \
            countries, leaves the old in force. Another folder needs a restart.
            """)
    package let blockLists = SettingRow(
        "defence.blocklists", 23, .path, items: 1...16, example: "[/etc/rempart/blocklist.txt]",
        for: .banner { .blockList($0) },
        meaning: """
            Files of networks to shut out, one a line, with # comments; \(Bounds.mostListedNetworks) in all. A changed file \
            is taken up while running, without the lines that are no networks. The old one stays in \
            force when a network is wider than a /8 (IPv6 /16). It does so too when fewer than a tenth \
            of the networks are left. Another folder needs a restart.
            """)
    package let failures = SettingRow(
        "defence.failures", 12, .count(1...1000), standard: Detector.wrongPassword.standard.count,
        for: .router { .failures($0) },
        meaning: """
            How many proven wrong passwords within the window ban a source. Each account that has \
            authenticated from the source allows five more.
            """)
    package let window = SettingRow(
        "defence.window", 13, .span(.seconds(1) ... .seconds(86_400)),
        standard: Detector.wrongPassword.standard.window,
        for: .router { .window($0) },
        meaning: "The window in which wrong passwords are counted.")
    package let ban = SettingRow(
        "defence.ban", 27, .span(.seconds(1)...Bounds.longestBan), standard: .seconds(300),
        for: .router { .ban($0) }, .banner { .ban($0) },
        meaning: "How long a first ban lasts.")
    package let growth = SettingRow(
        "defence.growth", 24, .span(.seconds(1)...Bounds.longestBan), items: 1...16,
        standard: [.seconds(3600), .seconds(86_400), .seconds(7 * 86_400)],
        for: .banner { .growth($0) },
        meaning: """
            How long the second ban of a source lasts, the third, and so on; the last holds for all \
            that follow. A source that stays away for \(Bounds.banMemory.duration) after a ban begins \
            anew.
            """)
    package let allow = SettingRow(
        "defence.allow", 28, .network, items: 1...1024, example: "[192.0.2.0/24]",
        for: .router { .allow($0) }, .banner { .allow($0) },
        meaning: """
            Networks that are never banned, whatever their country, such as the administrator's own.
            """)
    package let packets = SettingRow(
        "defence.packets", 25, .count(0...1_000_000), standard: 400,
        for: .router { .packets($0) }, .banner { .packets($0) },
        meaning: """
            How many UDP packets a second an address without registered phones may send to the outside \
            endpoints. It may send twice as many at once; the kernel drops the rest. As many responses \
            go to it while it has proven nothing. 0: no limit.
            """)
    package let connections = SettingRow(
        "defence.connections", 26, .count(0...100_000), standard: 20,
        for: .banner { .connections($0) },
        meaning: """
            How many TCP and TLS connections a second such an address may open, three times as many at \
            once. 0: no limit.
            """)
    package let cleanup = SettingRow(
        "defence.cleanup", 29, .truth, standard: false, example: "true",
        for: .banner { .cleanup($0) },
        meaning: """
            Whether the firewall's table goes when Rempart is stopped. When it stays, the kernel drops \
            banned sources until their bans end.
            """)
    package let replies = SettingRow(
        "defence.replies", 30, .count(1...100_000), standard: 30, for: .router { .replies($0) },
        meaning: """
            How many responses a second go by UDP to an unproven source: its address may be forged. Each is up to \
            three times what was asked. Eight times as many go at once. More are in short form and no \
            longer than what was asked, up to defence.packets. All unproven sources together get 64 times as \
            many. All addresses that phones are registered from get 128 times as many, and so do those \
            of trunks. When these are used up, an address that has had more than an equal part waits. \
            Unproven sources wait by /16 or, of IPv6, by /32.
            """)
    package let traps = SettingRow(
        "defence.traps", 31, .account, items: 1...256, example: "[admin, test]",
        for: .router { .trap($0) },
        meaning: """
            Names that no phone of yours uses and attackers try. A source that tries one which is no \
            account is banned for \(Detector.honeyAccount.leastBan.duration) at least.
            """)
}

extension Setting {
    /// The rows of the group `limits`: one for each detector, but for wrong passwords in a short time, which are
    /// `defence.failures` within `defence.window`.
    static let limits = Detector.allCases.filter { $0 != .wrongPassword }.map(limit)

    /// The row of a detector's limit.
    package static func limit(_ detector: Detector) -> SettingRow<Limit, Limit> {
        SettingRow(
            "limits.\(detector.key)", 80 + detector.rawValue, .limit(1...100_000),
            standard: detector.standard, for: .router { .limit(detector, $0) },
            meaning: """
                How many \(detector.counted) within which time ban a source that has proven its address.\
                \(detector == .honeyAccount ? "" : " Each account that has authenticated from it allows five more.")
                """)
    }
}
