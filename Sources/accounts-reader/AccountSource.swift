// What the loop of accounts-reader needs of whatever has the accounts.
internal import Messages
internal import Sys

/// Something that has the accounts, over its life: opened, asked, seen to change, lost, found again.
protocol AccountSource: AnyObject {
    /// Whether it can be read; nil before the first try to open it.
    var state: SourceState? { get }

    /// What is wrong with it while it can be read, and what to do.
    var conditions: [Condition] { get }

    /// What has happened since the last call.
    func drainEvents() -> [AccountEvent]

    /// Opens it when it is time, or looks whether it has changed; to be called each second.
    func tick(_ now: Milliseconds)

    /// What it says of names, with their HA1s for realms, in that order; each step is told to `steps`.
    ///
    /// Those that are not begun within a span (nil: however long it takes) are unavailable, but for the first.
    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds, steps: TraceSteps?
    ) -> [ReadAccount]

    /// The names after one, in the order of their bytes, at most so many; nil while nothing can be read.
    func names(after name: String, limit: Int, now: Milliseconds) -> [String]?
}

extension AccountDatabase: AccountSource {
    var conditions: [Condition] { lack.map { [Condition(.accounts, $0)] } ?? [] }
}

extension AccountSettings {
    /// The source that `accounts.source` names, which nothing was read of yet.
    var opened: any AccountSource {
        folder.map { AsteriskSource(self, folder: $0) } ?? AccountDatabase(self)
    }
}
