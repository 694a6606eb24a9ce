// Files that the administrator replaces while the daemon runs.
internal import Glibc
internal import Sys

/// A file by its path, and what it was when it was last looked at.
struct WatchedFile {
    /// Where it is.
    let path: String
    private var stamp: FileStamp?
    private var wasLookedAt = false

    /// A file that was not looked at yet.
    init(_ path: String) { self.path = path }

    /// Whether it was there at the last look.
    var isThere: Bool { stamp != nil }

    /// Whether it is another one than at the last look, or there for the first time, or gone.
    mutating func hasChanged() -> Bool {
        let now = FileStamp(path)
        defer { (stamp, wasLookedAt) = (now, true) }
        return !wasLookedAt || now != stamp
    }

    /// Its bytes, at most `limit` of them.
    func bytes(limit: Int) throws(SystemError) -> [UInt8] {
        // A pipe would make its reader wait for a writer.
        guard stamp?.isRegular ?? true else {
            throw SystemError("\(path) is no regular file: read", code: EINVAL)
        }
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open \(path)"))
        return try file.bytes(limit: limit, path)
    }

    /// Its folder, which a confined process must be able to read to see the next file at the path.
    static func folder(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }
}
