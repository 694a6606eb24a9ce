package import Sys

/// Header lines made of numbers.
extension MessageWriter {
    /// Writes Max-Forwards.
    package mutating func maxForwards(_ count: UInt8) {
        append("Max-Forwards: ")
        append(decimal: UInt64(count))
        endLine()
    }

    /// Writes Max-Breadth.
    package mutating func maxBreadth(_ count: UInt8) {
        append("Max-Breadth: ")
        append(decimal: UInt64(count))
        endLine()
    }

    /// Writes Retry-After, as every 503 of ours has it (RFC 3261 section 21.5.4).
    package mutating func retryAfter() { append("Retry-After: 30\r\n") }

    /// Writes the date and time (RFC 3261 section 20.17).
    package mutating func date(_ sinceEpoch: Milliseconds) {
        let seconds = sinceEpoch.seconds
        let days = seconds / 86_400
        append("Date: ")
        append(name: days + 3, "MonTueWedThuFriSatSun")
        append(", ")
        let date = Self.date(days)
        append(two: date.day)
        append(" ")
        append(name: date.month - 1, "JanFebMarAprMayJunJulAugSepOctNovDec")
        append(" ")
        append(decimal: UInt64(date.year))
        append(" ")
        append(two: seconds % 86_400 / 3600)
        append(":")
        append(two: seconds % 3600 / 60)
        append(":")
        append(two: seconds % 60)
        append(" GMT\r\n")
    }

    private mutating func append(two value: Int64) {
        if value < 10 { append("0") }
        append(decimal: UInt64(value))
    }

    /// Writes three letters out of a text of names.
    private mutating func append(name number: Int64, _ names: StaticString) {
        let start = Int(number) % (names.utf8CodeUnitCount / 3) * 3
        for place in start..<start + 3 {
            // In bounds: the start is that of one of the names.
            let letter = unsafe names.utf8Start[place]
            append(byte: letter)
        }
    }

    /// The date of a day since 1970.
    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // Counted from the first of March of the year 0: a leap day is then the last of its year.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let year =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let isNextYear = month >= 10
        return (
            era * 400 + year + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3, day
        )
    }
}
