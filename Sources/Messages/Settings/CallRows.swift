package import Sys

/// The hours of some days of the week.
package struct OpenHours: Equatable, Sendable {
    /// One bit for each day, the lowest for Monday; at least one.
    package var days: UInt8
    /// The first minute of the day that belongs to them, 0 to 1,439.
    package var from: UInt16
    /// The first minute that does not any more, 1 to 1,440; after `from`.
    package var to: UInt16

    /// Hours from one minute of the day to another one.
    package init(days: UInt8, from: UInt16, to: UInt16) {
        self.days = days
        self.from = from
        self.to = to
    }
}

/// One line of the group `calls`: what an account may call, and how much.
package enum CallRule: Equatable, Sendable {
    /// How many calls an account may make at a time; 0: any.
    case atOnce(UInt32)
    /// How many calls a minute; 0: any.
    case perMinute(UInt32)
    /// How many calls abroad at a time; 0: any.
    case abroadAtOnce(UInt32)
    /// How many calls abroad a minute; 0: any.
    case abroadPerMinute(UInt32)
    /// A country whose numbers are not abroad, two letters.
    case home(String)
    /// A country abroad that may be called, two letters; every one when none is named.
    case allowed(String)
    /// What is never called.
    ///
    /// It is a country (two letters), an international number's first digits after a +, or the
    /// first digits of a number as it is dialled.
    case never(String)
    /// What an international number begins with when it is dialled: + or digits.
    case prefix(String)
    /// The digits that lead outside.
    case outsideLine(String)
    /// A number that is always put through.
    case emergency(String)
    /// When calls abroad may be made; at any time when none is named.
    case hours(OpenHours)
    /// For how long an account calls nobody abroad once it was seen in a new country; 0: not at all.
    case newCountry(Milliseconds)
    /// How many refused numbers of those that are never called bar an account.
    case tripNever(Limit)
    /// How many refused numbers abroad bar an account.
    case tripAbroad(Limit)

    /// What is never called unless the settings say otherwise.
    ///
    /// These are satellite and other networks of no country, and numbers that cost a premium
    /// everywhere (ITU-T E.164's list of assigned country codes).
    package static let standardNever = [
        "+870", "+878", "+881", "+882", "+883", "+888", "+979", "+1900",
    ]
    /// What an international number begins with unless the settings say otherwise.
    package static let standardPrefixes = ["+", "00", "011"]
    /// What is always put through unless the settings say otherwise.
    package static let standardEmergency = ["112", "911", "999", "110", "119", "000"]
}

extension Setting {
    /// The rows of the group `calls`.
    package static let calls = CallRows()
}

/// The group `calls`: what an account may call, and how much.
package struct CallRows: Sendable {
    package let atOnce = SettingRow(
        "calls.at-once", 55, .count(0...10_000), standard: 32, for: .calls { .atOnce($0) },
        meaning: """
            How many calls an account may make at a time; more get 403. 0: any. A profile's `calls` \
            goes first.
            """)
    package let perMinute = SettingRow(
        "calls.per-minute", 56, .count(0...100_000), standard: 60,
        for: .calls { .perMinute($0) },
        meaning: """
            How many calls an account may make a minute, all of them at once after a rest; more get \
            403. 0: any.
            """)
    package let abroadAtOnce = SettingRow(
        "calls.abroad-at-once", 57, .count(0...10_000), standard: 2,
        for: .calls { .abroadAtOnce($0) },
        meaning: """
            How many calls abroad an account may have at a time; more get 403. A transferred one \
            counts for 15 minutes after its phone has left it. 0: any.
            """)
    package let abroadPerMinute = SettingRow(
        "calls.abroad-per-minute", 58, .count(0...100_000), standard: 4,
        for: .calls { .abroadPerMinute($0) },
        meaning: "How many calls abroad an account may make a minute; more get 403. 0: any.")
    package let home = SettingRow(
        "calls.home", 59, .country, items: 1...Bounds.mostCountries, example: "[FR, MC]",
        for: .calls { .home($0) },
        meaning: """
            The countries whose numbers are not abroad, however they are dialled. Left out: every \
            number that is dialled with its calling code is abroad.
            """)
    package let allowed = SettingRow(
        "calls.allowed", 60, .country, items: 1...Bounds.mostCountries, example: "[BE, CH, LU]",
        for: .calls { .allowed($0) },
        meaning: """
            The countries abroad that may be called, within the limits for calls abroad; others get \
            403. Left out: every country.
            """)
    package let never = SettingRow(
        "calls.never", 61, .neverCalled(1...15), items: 1...1024,
        example: "[+881, +1900, 0899, KP]", for: .calls { .never($0) },
        meaning: """
            Numbers that nobody calls, by their first digits or their country: they get 403. Left out: \
            \(CallRule.standardNever.joined(separator: ", ")), which are satellites, networks of no \
            country, and premium rates.
            """)
    package let prefixes = SettingRow(
        "calls.prefixes", 62, .prefix(1...8), items: 1...16, example: "[+, 00]",
        for: .calls { .prefix($0) },
        meaning: """
            What a number begins with that is dialled with its calling code. Left out: + and 00, and \
            011 where ten digits follow or `calls.home` is in North America.
            """)
    package let outsideLine = SettingRow(
        "calls.outside-line", 63, .digits(1...8), example: "0", for: .calls { .outsideLine($0) },
        meaning: """
            The digits that your dialplan wants before a number outside; they are left out when a \
            number is read.
            """)
    package let emergency = SettingRow(
        "calls.emergency", 64, .digits(2...8), items: 1...32, example: "[112, 15, 17, 18]",
        for: .calls { .emergency($0) },
        meaning: """
            Numbers that every account may call at any time, a barred one too. Left out: \
            \(CallRule.standardEmergency.joined(separator: ", ")).
            """)
    package let hours = SettingRow(
        "calls.hours", 65, .hours, items: 1...14,
        example: "[mon-fri 07:00-20:00, sat 08:00-12:00]", for: .calls { .hours($0) },
        meaning: """
            When calls abroad may be made, by the machine's local time; at other times they get 403. \
            Left out: at any time.
            """)
    package let newCountry = SettingRow(
        "calls.new-country", 66, .span(.seconds(0)...Bounds.longestHold),
        standard: .seconds(86_400), for: .calls { .newCountry($0) },
        meaning: """
            For how long an account calls nobody abroad once it was seen in a country in which it \
            never was; `rempart release` ends that. Needs the database of defence.geoip. 0s: not at \
            all.
            """)
    package let tripNever = SettingRow(
        "calls.trip-never", 67, .limit(1...40), standard: Limit(5, in: .seconds(600)),
        for: .calls { .tripNever($0) }, meaning: Self.trip("numbers of `calls.never`"))
    package let tripAbroad = SettingRow(
        "calls.trip-abroad", 68, .limit(1...40), standard: Limit(10, in: .seconds(600)),
        for: .calls { .tripAbroad($0) }, meaning: Self.trip("numbers abroad that were refused"))

    private static func trip(_ what: String) -> String {
        """
        How many different \(what) an account may try within which time; four times as many tries \
        count alike. Then its calls are ended, and it makes none until `rempart release`.
        """
    }
}
