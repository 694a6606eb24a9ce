/// Where files are when the settings do not say.
package enum UsualPlaces {
    /// Whether a path lies where the service sees nothing: ProtectHome= and PrivateTmp= of the unit hide it.
    package static func isHidden(_ path: String) -> Bool {
        ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"].contains { path.hasPrefix($0) }
    }

    /// The folders in which a country database is looked for, in this order.
    static let countryFolders = ["/var/lib/GeoIP", "/usr/share/GeoIP"]
    /// The country database: the first of these that is there.
    package static let countryDatabases = countryFolders.flatMap { folder in
        ["GeoLite2-Country", "GeoIP2-Country", "GeoLite2-City", "dbip-country-lite"].map {
            "\(folder)/\($0).mmdb"
        }
    }
}
