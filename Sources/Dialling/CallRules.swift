package import Messages
package import Sys

/// What accounts may call, and how much: the group `calls` of the settings.
package struct CallRules: Sendable {
    /// How dialled numbers are read.
    package private(set) var plan: NumberPlan
    /// How many calls an account may make at a time; 0: any.
    package private(set) var atOnce = Setting.calls.atOnce.standard
    /// How often it may make one; nil: as it likes.
    package private(set) var rate: Rate? = Rate(perMinute: Setting.calls.perMinute.standard)
    /// How many calls abroad it may have at a time; 0: any.
    package private(set) var abroadAtOnce = Setting.calls.abroadAtOnce.standard
    /// How often it may make one.
    package private(set) var abroadRate: Rate? = Rate(
        perMinute: Setting.calls.abroadPerMinute.standard)
    /// When calls abroad may be made; at any time when empty.
    private var hours: [OpenHours] = []
    /// For how long an account that was seen in a new country calls nobody abroad.
    package private(set) var newCountry = Setting.calls.newCountry.standard
    /// How many refused numbers of those that are never called bar an account.
    package private(set) var tripNever = Setting.calls.tripNever.standard
    /// How many refused numbers abroad do.
    package private(set) var tripAbroad = Setting.calls.tripAbroad.standard

    /// The rules of these settings; what they leave out keeps its default.
    package init(_ rules: [CallRule]) {
        plan = NumberPlan(rules)
        for rule in rules {
            switch rule {
            case .atOnce(let count): atOnce = count
            case .perMinute(let count): rate = count == 0 ? nil : Rate(perMinute: count)
            case .abroadAtOnce(let count): abroadAtOnce = count
            case .abroadPerMinute(let count):
                abroadRate = count == 0 ? nil : Rate(perMinute: count)
            case .hours(let hours): self.hours.append(hours)
            case .newCountry(let span): newCountry = span
            case .tripNever(let limit): tripNever = limit
            case .tripAbroad(let limit): tripAbroad = limit
            case .home, .allowed, .never, .prefix, .outsideLine, .emergency: break
            }
        }
    }

    /// Whether calls abroad may be made at a moment of the local time, counted as since 1970.
    package func isOpen(_ local: Milliseconds) -> Bool {
        guard !hours.isEmpty else { return true }
        let day = local.seconds / 86_400
        // The first of January 1970 was a Thursday; Monday is 0.
        let weekday = UInt8((day + 3) % 7)
        let minute = UInt16(local.seconds % 86_400 / 60)
        return hours.contains { hours in
            hours.days >> weekday & 1 == 1 && minute >= hours.from && minute < hours.to
        }
    }
}
