/// Who a source is by the settings, whatever it sends.
///
/// It is found once for each message, since the number of a trunk may stand for another one after the settings have
/// changed: what waits longer than a turn of the loop has its standing found anew.
struct Standing: BitwiseCopyable, Sendable {
    /// Whether it is an Asterisk's address.
    var isAsterisk = false
    /// The number of the trunk that it is of; nil when it is of none.
    var trunk: Int?
    /// Whether `defence.allow` has it.
    var isAllowed = false

    /// Whether nothing is ever held against it.
    var isTrusted: Bool { isAsterisk || isAllowed || trunk != nil }
}
