package import Sys

/// Bindings that end by what the source says of accounts, many at a time: directory and sip-router judge them alike.
package enum MassEnding {
    /// How many may end in any case.
    package static let most = 10
    /// Which part of all bindings may: one of so many.
    private static let part = 10
    /// For how long those count that have ended one by one.
    package static let memory = Milliseconds.seconds(60)

    /// Whether so many endings look like a mistake in the source, of so many bindings that there were before the first.
    package static func looksLikeMistake(_ count: Int, of total: Int) -> Bool {
        count > most && count * part > total
    }
}
