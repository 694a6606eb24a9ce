/// A file that outlives the daemon, below the state folder; its format has a number that only grows.
///
/// A process that finds a file of a newer format than it knows leaves it alone and goes on without
/// it. Each file tells its format in its first bytes: `bindings.sqlite` as SQLite's user_version,
/// `bans` in its head line `rempart bans N`. A newer `secret` begins with the line
/// `rempart secret N`; without one it is of format 1. After the number of such a line stands the
/// version of the Rempart that has written it. A database has it in the table `writer`.
package enum StateFile: CaseIterable, Sendable {
    /// The keys of the tokens in established calls.
    case secret
    /// The phones' bindings, and the standings of accounts.
    case bindings
    /// The bans, and the networks that were allowed by hand.
    case bans

    /// The path below the state folder.
    package var path: String {
        switch self {
        case .secret: "secret"
        case .bindings: "directory/bindings.sqlite"
        case .bans: "banner/bans"
        }
    }

    /// The process that writes the file.
    package var owner: Role {
        switch self {
        case .secret: .supervisor
        case .bindings: .directory
        case .bans: .banner
        }
    }

    /// The newest format that this program reads, and the one it writes.
    package var format: Int64 {
        switch self {
        case .secret: 1
        case .bans: 2
        case .bindings: 3
        }
    }

    /// What a head line begins with, before the number of the format; nil for a database.
    package var head: String? {
        switch self {
        case .secret: "rempart secret "
        case .bindings: nil
        case .bans: "rempart bans "
        }
    }

    /// Where directory lays a copy of the bindings for a backup, below the state folder.
    package static let bindingsCopy = "directory/bindings.backup"

    /// The format and the writer's version that a file's first line names; nil when it is no such line.
    ///
    /// The writer is empty where none is named.
    package func headline(_ line: Span<UInt8>) -> (format: Int64, writer: String)? {
        guard let head, line.count <= 128 else { return nil }
        // In bounds: the span's own storage and length.
        let text = unsafe line.withUnsafeBufferPointer {
            unsafe String(decoding: $0, as: UTF8.self)
        }
        guard text.hasPrefix(head) else { return nil }
        let words = text.dropFirst(head.count).split(
            separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = words.first, let format = Int64(first), format > 0 else { return nil }
        return (format, words.count > 1 ? String(words[1]) : "")
    }

    /// What the administrator is told of a file of a newer format: what it is, and what to do.
    package func refusal(of format: Int64, writer: String) -> String {
        "\(path) in the state folder is of format \(format), which "
            + (writer.isEmpty ? "a newer Rempart" : "Rempart \(writer)")
            + " has written; Rempart \(productVersion) knows \(self.format) and leaves it alone. Install the"
            + " newer version again, restore a backup of this one (rempart restore), or move the file away"
    }
}
