// Files that the administrator replaces while the daemon runs.
internal import Glibc
internal import Sys

/// A file by its path, and what it was when it was last looked at.
struct WatchedFile {
    /// What tells one state of a file from the next.
    private struct Stamp: Equatable {
        let device: UInt
        let inode: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    /// Where it is.
    let path: String
    private var stamp: Stamp?
    private var wasLookedAt = false

    /// A file that was not looked at yet.
    init(_ path: String) { self.path = path }

    /// Whether it was there at the last look.
    var isThere: Bool { stamp != nil }

    /// Whether it is another one than at the last look, or there for the first time, or gone.
    mutating func hasChanged() -> Bool {
        var status = stat()
        // In bounds: one structure.
        let isThere = unsafe stat(path, &status) == 0
        let now =
            isThere
            ? Stamp(
                device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size),
                seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec) : nil
        defer { (stamp, wasLookedAt) = (now, true) }
        return !wasLookedAt || now != stamp
    }

    /// Its bytes, at most `limit` of them.
    func bytes(limit: Int) throws(SystemError) -> [UInt8] {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open \(path)"))
        return try readAll(file, path, limit: limit)
    }

    /// Its folder, which a confined process must be able to read to see the next file at the path.
    static func folder(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }
}
