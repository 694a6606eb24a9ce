/// Who a source is by the settings.
package struct Standing: BitwiseCopyable, Sendable {
    /// Whether it is an Asterisk's address.
    package var isAsterisk: Bool
    /// The trunk that it is of; nil when it is of none.
    package var trunk: TrunkID?
    /// Whether `defence.allow` has it.
    package var isAllowed: Bool

    /// A source that is nobody's, unless that is said.
    package init(isAsterisk: Bool = false, trunk: TrunkID? = nil, isAllowed: Bool = false) {
        self.isAsterisk = isAsterisk
        self.trunk = trunk
        self.isAllowed = isAllowed
    }

    /// Whether nothing is ever held against it.
    package var isTrusted: Bool { isAsterisk || isAllowed || trunk != nil }
}
