internal import Journal
internal import Messages
internal import Spawning
internal import Sys

/// The state folder while its disk is full.
extension Supervisor {
    /// How long a disk that failed is left alone.
    static let stateRetry = Milliseconds.seconds(60)

    /// Opens the state folder, and says what could not be written.
    func openState(users: [Role: User]) throws(StartFailure) {
        let folder = try StateFolder(options.state, users: users)
        for trouble in folder.troubles { journal.write(.degraded, .warning, trouble) }
        if folder.secretTrouble != nil { nextStateTry = now + Self.stateRetry }
        state = folder
    }

    /// Tries again to write what the disk had no room for.
    func retryState() {
        guard state?.writeSecret() == true else {
            nextStateTry = now + Self.stateRetry
            return
        }
        nextStateTry = nil
        journal.write(.degraded, .notice, "\(options.state)/secret is written")
    }
}
