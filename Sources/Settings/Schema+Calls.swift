internal import Messages
internal import Sys

/// The keys of the group `calls`: what an account may call, and how much.
extension Schema {
    static let calls: [SettingKey] = amounts + numbers + trips

    private static let amounts: [SettingKey] = [
        amount(
            "at-once", "32", 0...10_000,
            "How many calls an account may make at a time; more get 403. 0: any. A profile's `calls`"
                + " goes first."
        ) { .atOnce($0) },
        amount(
            "per-minute", "60", 0...100_000,
            "How many calls an account may make a minute, all of them at once after a rest; more get"
                + " 403. 0: any."
        ) { .perMinute($0) },
        amount(
            "abroad-at-once", "2", 0...10_000,
            "How many calls abroad an account may have at a time; more get 403. A transferred one"
                + " counts for 15 minutes after its phone has left it. 0: any."
        ) { .abroadAtOnce($0) },
        amount(
            "abroad-per-minute", "4", 0...100_000,
            "How many calls abroad an account may make a minute; more get 403. 0: any."
        ) { .abroadPerMinute($0) },
    ]

    private static func amount(
        _ name: String, _ standard: String, _ range: ClosedRange<UInt32>, _ meaning: String,
        _ make: @escaping @Sendable (UInt32) -> CallRule
    ) -> SettingKey {
        SettingKey(
            "calls.\(name)", byDefault: standard, count: range, meaning: meaning,
            make: { .calls(make($0)) })
    }

    private static let numbers: [SettingKey] = [
        SettingKey(
            "calls.home", items: 1...249, range: "1 to 249 country codes of two letters",
            example: "[FR, MC]",
            meaning:
                "The countries whose numbers are not abroad, however they are dialled. Left out:"
                + " every number that is dialled with its calling code is abroad.",
            read: { text throws(ValueError) in .calls(.home(try Value.country(text))) }),
        SettingKey(
            "calls.allowed", items: 1...249, range: "1 to 249 country codes of two letters",
            example: "[BE, CH, LU]",
            meaning:
                "The countries abroad that may be called, within the limits for calls abroad; others"
                + " get 403. Left out: every country.",
            read: { text throws(ValueError) in .calls(.allowed(try Value.country(text))) }),
        SettingKey(
            "calls.never", items: 1...1024,
            range: "1 to 1024 of +DIGITS, DIGITS as they are dialled, or country codes",
            example: "[+881, +1900, 0899, KP]",
            meaning:
                "Numbers that nobody calls, by their first digits or their country: they get 403. Left"
                + " out: \(CallRule.standardNever.joined(separator: ", ")), which are satellites,"
                + " networks of no country, and premium rates.",
            read: { text throws(ValueError) in .calls(.never(try Value.neverCalled(text))) }),
        SettingKey(
            "calls.prefixes", items: 1...16, range: "1 to 16 of + or 1 to 8 digits",
            example: "[+, 00]",
            meaning:
                "What a number begins with that is dialled with its calling code. Left out: + and 00,"
                + " and 011 where ten digits follow or `calls.home` is in North America.",
            read: { text throws(ValueError) in
                .calls(.prefix(text == "+" ? text : try Value.digits(text, in: 1...8)))
            }),
        SettingKey(
            "calls.outside-line", range: "1 to 8 digits", example: "0",
            meaning:
                "The digits that your dialplan wants before a number outside; they are left out when a"
                + " number is read.",
            read: { text throws(ValueError) in
                .calls(.outsideLine(try Value.digits(text, in: 1...8)))
            }),
        SettingKey(
            "calls.emergency", items: 1...32, range: "1 to 32 numbers of 2 to 8 digits",
            example: "[112, 15, 17, 18]",
            meaning:
                "Numbers that every account may call at any time, a barred one too. Left out:"
                + " \(CallRule.standardEmergency.joined(separator: ", ")).",
            read: { text throws(ValueError) in
                .calls(.emergency(try Value.digits(text, in: 2...8)))
            }),
        SettingKey(
            "calls.hours", items: 1...14, range: "1 to 14 of DAYS HH:MM-HH:MM",
            example: "[mon-fri 07:00-20:00, sat 08:00-12:00]",
            meaning:
                "When calls abroad may be made, by the machine's local time; at other times they get"
                + " 403. Left out: at any time.",
            read: { text throws(ValueError) in .calls(.hours(try Value.hours(text))) }),
        SettingKey(
            "calls.new-country", byDefault: "1d", span: .seconds(0) ... .seconds(2_592_000),
            meaning:
                "For how long an account calls nobody abroad once it was seen in a country in which it"
                + " never was; `rempart release` ends that. Needs the database of defence.geoip. 0s:"
                + " not at all.",
            make: { .calls(.newCountry($0)) }),
    ]

    private static let trips: [SettingKey] = [
        trip(
            "trip-never", "5 in 10m", "numbers of `calls.never`", { .tripNever($0) }),
        trip(
            "trip-abroad", "10 in 10m", "numbers abroad that were refused", { .tripAbroad($0) }),
    ]

    private static func trip(
        _ name: String, _ standard: String, _ what: String,
        _ make: @escaping @Sendable (Limit) -> CallRule
    ) -> SettingKey {
        SettingKey(
            "calls.\(name)", byDefault: standard, range: "1 to 40 in 1s to 7d", example: standard,
            meaning:
                "How many different \(what) an account may try within which time, or four times as"
                + " many tries: then its calls are ended, and it makes none until `rempart release`.",
            read: { text throws(ValueError) in
                let limit = try Value.limit(text)
                guard limit.count <= 40 else {
                    throw ValueError("\(limit.count) is out of range: 1 to 40")
                }
                return .calls(make(limit))
            })
    }
}

extension Value {
    /// Digits alone.
    static func digits(_ text: String, in range: ClosedRange<Int>) throws(ValueError) -> String {
        guard range.contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else {
            throw ValueError(
                "`\(text)` is not \(range.lowerBound) to \(range.upperBound) digits")
        }
        return text
    }

    /// "+881", "0899" or "KP".
    static func neverCalled(_ text: String) throws(ValueError) -> String {
        if text.hasPrefix("+") { return "+" + (try digits(String(text.dropFirst()), in: 1...15)) }
        if text.utf8.first.map({ (0x30...0x39).contains($0) }) == true {
            return try digits(text, in: 1...15)
        }
        return try country(text)
    }

    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// "mon-fri 07:00-20:00".
    static func hours(_ text: String) throws(ValueError) -> OpenHours {
        let words = text.lowercased().split(separator: " ")
        guard words.count == 2, let days = week(words[0]) else {
            throw ValueError("`\(text)` is not days and hours, such as `mon-fri 07:00-20:00`")
        }
        let times = words[1].split(separator: "-").map(minute)
        guard times.count == 2, let from = times[0], let to = times[1], from < to else {
            throw ValueError("`\(words[1])` is not from one time to a later one: `07:00-20:00`")
        }
        return OpenHours(days: days, from: from, to: to)
    }

    /// One bit for each day of "mon-fri" or "sat".
    private static func week(_ text: Substring) -> UInt8? {
        let ends = text.split(separator: "-").map { word in days.firstIndex { $0 == word } }
        guard let first = ends.first, let first, let last = ends.last, let last, ends.count <= 2
        else { return nil }
        var bits: UInt8 = 0
        var day = first
        while true {
            bits |= 1 << UInt8(day)
            if day == last { return bits }
            day = (day + 1) % days.count
        }
    }

    /// The minute of the day of "07:00"; 1440 of "24:00".
    private static func minute(_ text: Substring) -> UInt16? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            let hour = UInt16(parts[0]), let minute = UInt16(parts[1]), minute < 60,
            hour < 24 || hour == 24 && minute == 0
        else { return nil }
        return hour * 60 + minute
    }
}
