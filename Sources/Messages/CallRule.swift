package import Sys
internal import Wire

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
    /// How many calls an account may make at a time, 0 to 10,000; 0: any.
    case atOnce(UInt32)
    /// How many calls a minute, 0 to 100,000; 0: any.
    case perMinute(UInt32)
    /// How many calls abroad at a time, 0 to 10,000; 0: any.
    case abroadAtOnce(UInt32)
    /// How many calls abroad a minute, 0 to 100,000; 0: any.
    case abroadPerMinute(UInt32)
    /// A country whose numbers are not abroad, two letters.
    case home(String)
    /// A country abroad that may be called, two letters; every one when none is named.
    case allowed(String)
    /// What is never called, of at most 16 bytes.
    ///
    /// It is a country (two letters), an international number's first digits after a +, or the
    /// first digits of a number as it is dialled.
    case never(String)
    /// What an international number begins with when it is dialled: + or digits, at most 8 bytes.
    case prefix(String)
    /// The digits that lead outside, at most 8.
    case outsideLine(String)
    /// A number that is always put through, at most 8 digits.
    case emergency(String)
    /// When calls abroad may be made; at any time when none is named.
    case hours(OpenHours)
    /// For how long an account calls nobody abroad once it was seen in a new country, 0 to 30 d; 0: not
    /// at all.
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

extension CallRule {
    /// Writes the rule.
    func write(to writer: inout WireWriter) {
        switch self {
        case .atOnce(let count): Self.write(1, count, to: &writer)
        case .perMinute(let count): Self.write(2, count, to: &writer)
        case .abroadAtOnce(let count): Self.write(3, count, to: &writer)
        case .abroadPerMinute(let count): Self.write(4, count, to: &writer)
        case .home(let text): Self.write(5, text, to: &writer)
        case .allowed(let text): Self.write(6, text, to: &writer)
        case .never(let text): Self.write(7, text, to: &writer)
        case .prefix(let text): Self.write(8, text, to: &writer)
        case .outsideLine(let text): Self.write(9, text, to: &writer)
        case .emergency(let text): Self.write(10, text, to: &writer)
        case .hours(let hours):
            writer.u8(11)
            writer.u8(hours.days)
            writer.u16(hours.from)
            writer.u16(hours.to)
        case .newCountry(let span):
            writer.u8(12)
            writer.milliseconds(span)
        case .tripNever(let limit):
            writer.u8(13)
            writer.limit(limit)
        case .tripAbroad(let limit):
            writer.u8(14)
            writer.limit(limit)
        }
    }

    private static func write(_ kind: UInt8, _ count: UInt32, to writer: inout WireWriter) {
        writer.u8(kind)
        writer.u32(count)
    }

    private static func write(_ kind: UInt8, _ text: String, to writer: inout WireWriter) {
        writer.u8(kind)
        writer.string(text)
    }

    /// Reads a rule.
    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.u8() {
        case 1: self = .atOnce(try reader.count("at-once", in: 0...10_000))
        case 2: self = .perMinute(try reader.count("per-minute", in: 0...100_000))
        case 3: self = .abroadAtOnce(try reader.count("abroad-at-once", in: 0...10_000))
        case 4: self = .abroadPerMinute(try reader.count("abroad-per-minute", in: 0...100_000))
        case 5: self = .home(try reader.country())
        case 6: self = .allowed(try reader.country())
        case 7: self = .never(try reader.string("never", limit: 16))
        case 8: self = .prefix(try reader.string("prefix", limit: 8))
        case 9: self = .outsideLine(try reader.string("outside-line", limit: 8))
        case 10: self = .emergency(try reader.string("emergency", limit: 8))
        case 11:
            let hours = OpenHours(
                days: try reader.u8(), from: try reader.u16(), to: try reader.u16())
            guard hours.days != 0, hours.days < 128, hours.from < hours.to, hours.to <= 1440
            else { throw .badValue("hours") }
            self = .hours(hours)
        case 12: self = .newCountry(try reader.seconds("new-country", in: 0...2_592_000))
        case 13: self = .tripNever(try reader.limit())
        case 14: self = .tripAbroad(try reader.limit())
        default: throw .badValue("call rule")
        }
    }
}
