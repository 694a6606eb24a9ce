package import Sys

/// One line of a profile: what class of sources it is for, or what such a source may do.
package enum ProfileRule: Equatable, Sendable {
    /// A network whose sources belong to it.
    case network(Network)
    /// A country, two letters, whose sources belong to it.
    case country(String)
    /// A trunk, by its name, whose addresses belong to it.
    case trunk(String)
    /// A method that it may use, upper case; all when none is named.
    case method(String)
    /// A transport that it may use; all when none is named.
    case transport(Transport)
    /// What is answered before a source has authenticated.
    case answer(ProfileAnswer)
    /// How many answers a second go to an address that has proven nothing.
    case replies(UInt32)
    /// How many calls an account may make, or a trunk may have, at a time.
    case calls(UInt32)
    /// How many wrong passwords within `defence.window` ban a source.
    case failures(UInt32)
}

extension Setting {
    /// The rows of a profile.
    package static let profiles = ProfileRows()
}

/// The keys under the name of a profile, in the group `profiles`.
package struct ProfileRows: Sendable {
    package let networks = SettingRow(
        "profiles.NAME.networks", 46, .network, items: 1...1024, example: "[192.0.2.0/24]",
        for: .profile { .network($0) },
        meaning: """
            The networks of this class of sources; the narrowest that holds an address decides. NAME \
            is yours to choose. Three are always there and can be given keys. `phones` is for addresses \
            that phones are registered from, `trunks` for addresses of trunks that no profile lists, \
            and `world` for all others.
            """)
    package let countries = SettingRow(
        "profiles.NAME.countries", 47, .country, items: 1...Bounds.mostCountries,
        example: "[FR, BE]", for: .profile { .country($0) },
        meaning: "The countries of this class of sources; networks go first.")
    package let trunks = SettingRow(
        "profiles.NAME.trunks", 48, .trunkName, items: 1...64, example: "[telco]",
        for: .profile { .trunk($0) },
        meaning: """
            The trunks of this class of sources, by their names in `trunks`; they go before networks \
            and countries, and a trunk is in one class.
            """)
    package let methods = SettingRow(
        "profiles.NAME.methods", 49, .method, items: 1...14, example: "[REGISTER, INVITE]",
        for: .profile { .method($0) },
        meaning: "The methods that this class may use; all when left out.")
    package let transports = SettingRow(
        "profiles.NAME.transports", 50, .word(Transport.self, "transport"),
        items: 1...Transport.allCases.count, example: "[tls]",
        for: .profile { .transport($0) },
        meaning: "The transports that this class may use; all when left out.")
    package let answer = SettingRow(
        "profiles.NAME.answer", 51, .word(ProfileAnswer.self, "answer"), standard: .challenge,
        example: ProfileAnswer.silence.name, for: .profile { .answer($0) },
        meaning: """
            What is answered before a source has authenticated: a challenge, a refusal, which keeps \
            even good passwords out, or nothing.
            """)
    package let replies = SettingRow(
        "profiles.NAME.replies", 52, Setting.defence.replies.form, example: "30",
        for: .profile { .replies($0) },
        meaning: "`defence.replies` for this class.")
    package let calls = SettingRow(
        "profiles.NAME.calls", 53, .count(1...10_000), example: "10",
        for: .profile { .calls($0) },
        meaning: """
            `calls.at-once` for the accounts that call from this class. For a trunk in it: how many \
            calls it has at a time, both ways together; more get 503.
            """)
    package let failures = SettingRow(
        "profiles.NAME.failures", 54, Setting.defence.failures.form, example: "5",
        for: .profile { .failures($0) },
        meaning: "`defence.failures` for this class.")
}
