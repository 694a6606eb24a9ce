// What has the accounts, over its life: one protocol, whatever the settings name.
internal import Messages
internal import Sys

/// What happened to the source of the accounts.
enum AccountEvent: Equatable {
    /// Whether it can be read: told when that changes.
    case source(SourceState)
    /// Rows have, or may have, changed.
    case changed
    /// An account's access lists let nobody in.
    case nobody(String)
}

/// The source of the accounts: opened, asked, seen to change, lost, found again.
///
/// Each call may wait for it.
protocol AccountSource: AnyObject {
    /// Whether it can be read; nil before the first try to open it.
    var state: SourceState? { get }

    /// Why look-ups in a source that can be read fail; nil when they do not.
    var failing: String? { get }

    /// What a source that can be read lacks, and what to do; nil when nothing is.
    var lack: String? { get }

    /// Whether an older state serves, since the newer one cannot be read.
    var isStale: Bool { get }

    /// What of a source that can be read is not read, and what to do.
    var unread: [String] { get }

    /// What has happened since the last call.
    func drainEvents() -> [AccountEvent]

    /// Opens it when it is time, or looks whether it has changed; to be called each second.
    func tick(_ now: Milliseconds)

    /// What the rows say of names, with their HA1s for realms, in that order.
    ///
    /// What cannot be read is unavailable, and what is not begun within a span (nil: however long it takes), but not
    /// the first. The rows of one account fit together. Each step is told to `steps`.
    func lookUp(
        _ queries: [AccountQuery], within span: Milliseconds?, now: Milliseconds,
        steps: TraceSteps?
    ) -> [ReadAccount]

    /// The names after one, in the order of their bytes, at most so many; nil while nothing can be read.
    func names(after name: String, limit: Int, now: Milliseconds) -> [String]?
}

extension AccountSource {
    var failing: String? { nil }

    var isStale: Bool { false }

    var unread: [String] { [] }

    /// What the rows say of a name, with its HA1s for a realm; each step is told to `steps`.
    func lookUp(
        account: String, realm: String, now: Milliseconds, steps: TraceSteps? = nil
    ) -> ReadAccount {
        let query = AccountQuery(name: account, realm: realm)
        return lookUp([query], within: nil, now: now, steps: steps).first ?? .unavailable
    }
}

extension AccountSettings {
    /// The source that they name, not opened before its first `tick`.
    func makeSource() -> any AccountSource {
        if let folder { return AsteriskSource(self, folder: folder) }
        if let asterisks {
            return schema == .chanSip ? ManagerSource(self) : ARISource(self, asterisks)
        }
        if let freePBXFile { return FreePBXSource(self, path: freePBXFile) }
        return server.map { AccountServer(self, $0) } ?? AccountDatabase(self)
    }
}

/// The accounts whose access lists let nobody in, each told once until rows change.
struct ListComplaints {
    private var accounts: Set<String> = []

    /// How many accounts are complained of at most, until rows change.
    private static let most = 100

    /// What is to be told of answers to queries.
    mutating func events(
        _ queries: [AccountQuery], _ answers: [ReadAccount]
    ) -> [AccountEvent] {
        var events: [AccountEvent] = []
        for (query, answer) in zip(queries, answers) where answer.why == .unreadableAccessList {
            guard accounts.count < Self.most, accounts.insert(query.name).inserted else { continue }
            events.append(.nobody(query.name))
        }
        return events
    }

    /// Rows have changed: what is still wrong is told again.
    mutating func forget() { accounts = [] }
}
