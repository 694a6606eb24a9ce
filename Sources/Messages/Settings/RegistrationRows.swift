package import Sys

extension Setting {
    /// The rows of the group `registration`.
    package static let registration = RegistrationRows()
}

/// The group `registration`: what a phone's binding may be.
package struct RegistrationRows: Sendable {
    package let minimum = SettingRow(
        "registration.minimum", 14, .span(.seconds(30) ... .seconds(86_400)),
        standard: .seconds(60), for: .router { .minimumExpires($0) },
        meaning: "The shortest time a phone may register for; less is answered with 423.")
    package let maximum = SettingRow(
        "registration.maximum", 15, .span(.seconds(60)...Bounds.longestBinding),
        standard: .seconds(3600), for: .router { .maximumExpires($0) },
        meaning: "The longest time a phone is registered for; more is cut to it.")
    package let contacts = SettingRow(
        "registration.contacts", 16, .count(1...32), standard: 10,
        for: .router { .contacts($0) },
        meaning: "How many phones may be registered for one account at a time.")
}
