internal import Messages
internal import Sys

/// The values of the group `calls`, and of limits and profiles.
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

    /// What an international number begins with: + or so many digits.
    static func prefix(_ text: String, in range: ClosedRange<Int>) throws(ValueError) -> String {
        text == "+" ? text : try digits(text, in: range)
    }

    /// "+881", "0899" or "KP".
    static func neverCalled(
        _ text: String, in range: ClosedRange<Int>
    ) throws(ValueError) -> String {
        if text.hasPrefix("+") { return "+" + (try digits(String(text.dropFirst()), in: range)) }
        if text.utf8.first.map({ (0x30...0x39).contains($0) }) == true {
            return try digits(text, in: range)
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

extension Value {
    /// "5 in 30s".
    static func limit(
        _ text: String, _ counts: ClosedRange<UInt32>, in windows: ClosedRange<Milliseconds>
    ) throws(ValueError) -> Limit {
        let words = text.split(separator: " ")
        guard words.count == 3, words[1] == "in" else {
            throw ValueError("`\(text)` is not a limit such as `5 in 30s`")
        }
        let number = try count(String(words[0]), in: counts)
        return Limit(number, in: try duration(String(words[2]), in: windows))
    }

    /// The name of a SIP method, in any case.
    static func method(_ text: String) throws(ValueError) -> String {
        let names = [
            "INVITE", "BYE", "REGISTER", "OPTIONS", "UPDATE", "PRACK", "INFO", "REFER", "MESSAGE",
            "SUBSCRIBE", "NOTIFY", "PUBLISH",
        ]
        let name = text.uppercased()
        guard names.contains(name) else {
            throw ValueError("`\(text)` is not a method: \(names.joined(separator: ", "))")
        }
        return name
    }
}
