internal import Messages
internal import Sys

extension Schema {
    /// The keys of the group `defence`.
    static let defence: [SettingKey] = [
        SettingKey(
            "defence.mode", byDefault: DefenceMode.enforce.name,
            range: DefenceMode.allCases.map(\.name).joined(separator: ", "), example: "observe",
            meaning:
                "observe drops nothing: what would have been banned is recorded, listed and counted"
                + " by the kernel. For a look before the wall goes up.",
            read: { text throws(ValueError) in .mode(try Value.mode(text)) }),
        SettingKey(
            "defence.countries", items: 1...249, range: "1 to 249 country codes of two letters",
            example: "[FR, BE, CH, LU]",
            meaning:
                "The countries that strangers may come from; the kernel drops packets from any"
                + " other, and from addresses of no known country. Private addresses and"
                + " defence.allow are excepted. Needs the database of defence.geoip.",
            read: { text throws(ValueError) in .country(try Value.country(text)) }),
        SettingKey(
            "defence.geoip", range: "an absolute path, at most 4096 bytes",
            example: "/var/lib/GeoIP/GeoLite2-Country.mmdb",
            meaning:
                "The MaxMind database that tells the country of an address; left out: the first"
                + " that is found in /var/lib/GeoIP or /usr/share/GeoIP. A file renamed into its"
                + " place is taken up while running; one that cannot be read, or knows no network of"
                + " these countries, leaves the old in force. Another folder needs a restart.",
            read: { text throws(ValueError) in .geoip(try Value.path(text)) }),
        SettingKey(
            "defence.blocklists", items: 1...16, range: "1 to 16 absolute paths",
            example: "[/etc/rempart/blocklist.txt]",
            meaning:
                "Files of networks to shut out, one a line, with # comments; 100,000 in all. A"
                + " changed file is taken up while running, without the lines that are no networks."
                + " One with a network wider than a /8 (IPv6 /16), or with fewer than a tenth of the"
                + " networks of before, leaves the old in force. Another folder needs a restart.",
            read: { text throws(ValueError) in .blockList(try Value.path(text)) }),
        SettingKey(
            "defence.failures", byDefault: "5", count: 1...1000,
            meaning: "How many proven wrong passwords within the window ban a source.",
            make: { .failures($0) }),
        SettingKey(
            "defence.window", byDefault: "30s", span: .seconds(1) ... .seconds(86_400),
            meaning: "The window in which wrong passwords are counted.", make: { .window($0) }),
        SettingKey(
            "defence.ban", byDefault: "5m", span: .seconds(1) ... .seconds(31_536_000),
            meaning: "How long a first ban lasts.", make: { .ban($0) }),
        SettingKey(
            "defence.growth", items: 1...16, range: "1 to 16 of 1s to 365d",
            example: "[1h, 1d, 7d]",
            meaning:
                "How long the second ban of a source lasts, the third, and so on; the last holds"
                + " for all that follow. 1h, 1d, 7d when left out. Whoever stays away for 30 days"
                + " after a ban begins anew.",
            read: { text throws(ValueError) in
                .growth(try Value.duration(text, in: .seconds(1) ... .seconds(31_536_000)))
            }),
        SettingKey(
            "defence.allow", items: 1...1024, range: "1 to 1024 networks or addresses",
            example: "[192.0.2.0/24]",
            meaning:
                "Networks that are never banned, whatever their country, such as the"
                + " administrator's own.",
            read: { text throws(ValueError) in .allow(try Value.network(text)) }),
        SettingKey(
            "defence.packets", byDefault: "400", count: 0...1_000_000,
            meaning:
                "How many UDP packets a second an address without registered phones may send to"
                + " the outside endpoints, twice as many at once; the kernel drops the rest. As many"
                + " answers go to it while it has proven nothing. 0: no limit.",
            make: { .packets($0) }),
        SettingKey(
            "defence.connections", byDefault: "20", count: 0...100_000,
            meaning:
                "How many TCP and TLS connections a second such an address may open, three times"
                + " as many at once. 0: no limit.",
            make: { .connections($0) }),
        SettingKey(
            "defence.cleanup", byDefault: "false", range: "true, false", example: "true",
            meaning:
                "Whether the firewall's table goes when Rempart is stopped. When it stays, the"
                + " kernel drops banned sources until their bans end.",
            read: { text throws(ValueError) in .cleanup(try Value.truth(text)) }),
    ]
}
