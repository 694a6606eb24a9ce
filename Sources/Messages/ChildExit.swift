/// The exit codes by which a child tells the supervisor what to do; any other one is a failure like `startAgain`.
package enum ChildExit {
    /// Wait for a reload: what was handed over cannot be used, and the same again would not help.
    package static let unusable: Int32 = 100
    /// Start again: the supervisor was gone, or sent what it may not.
    package static let startAgain: Int32 = 111
}
