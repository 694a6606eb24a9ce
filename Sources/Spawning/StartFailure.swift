/// Why the daemon cannot start, in words that tell the administrator what to do.
package struct StartFailure: Error, Equatable, CustomStringConvertible {
    /// What is wrong and what to do about it.
    package let description: String
    /// Whether no further try will do before somebody has mended it.
    private let lasts: Bool

    /// A failure with its words; `lasts` when another try is of no use.
    package init(_ description: String, lasts: Bool = false) {
        self.description = description
        self.lasts = lasts
    }

    /// What the daemon exits with: 78 (EX_CONFIG), after which systemd does not try again, or 1.
    package var exitCode: Int32 { lasts ? 78 : 1 }
}
