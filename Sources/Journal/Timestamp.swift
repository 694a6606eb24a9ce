package import Sys

extension ByteBuffer {
    /// Writes a moment since 1970 as RFC 3339 has it, in UTC with milliseconds: 2026-11-28T22:44:00.123Z.
    ///
    /// By itself, since the C library would look for a time zone, and a confined process may open no file.
    package mutating func append(timestamp moment: Milliseconds) {
        let milliseconds = UInt64(max(moment.count, 0))
        let seconds = milliseconds / 1000
        let (days, second) = (seconds / 86_400, seconds % 86_400)
        // Years begin with March here, so that the day that some have more is the last one; an era is 400 years.
        let sinceEra = days + 719_468
        let (era, dayOfEra) = (sinceEra / 146_097, sinceEra % 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        append(decimal: era * 400 + yearOfEra + (month <= 2 ? 1 : 0), digits: 4)
        append("-")
        append(decimal: month, digits: 2)
        append("-")
        append(decimal: dayOfYear - (153 * monthFromMarch + 2) / 5 + 1, digits: 2)
        append("T")
        append(decimal: second / 3600, digits: 2)
        append(":")
        append(decimal: second / 60 % 60, digits: 2)
        append(":")
        append(decimal: second % 60, digits: 2)
        append(".")
        append(decimal: milliseconds % 1000, digits: 3)
        append("Z")
    }

    /// Writes a number with zeros before it up to so many digits.
    private mutating func append(decimal value: UInt64, digits: Int) {
        var bound: UInt64 = 10
        for _ in 1..<digits {
            if value < bound { append("0") }
            bound *= 10
        }
        append(decimal: value)
    }
}
