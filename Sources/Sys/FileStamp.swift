internal import Glibc

/// What tells one state of a file from the next: which file it is, how long, and when it was changed.
package struct FileStamp: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let modified: [Int]
    /// When anything of it changed: also its rights, or its content with the time set back.
    private let changed: [Int]
    /// Whether it is a file that has an end, and makes nobody wait who opens it: no pipe, device or folder.
    package let isRegular: Bool

    /// The stamp of the file at a path; nil, with `errno` set, when it cannot be looked at.
    package init?(_ path: String) {
        var status = stat()
        // In bounds: one structure.
        guard unsafe stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        isRegular = status.st_mode & S_IFMT == S_IFREG
        changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    }

    /// Whether the other one is of the same file, whatever has become of it.
    package func isSameFile(_ other: FileStamp) -> Bool {
        device == other.device && inode == other.inode
    }

    /// Whether nobody has written to the file or put another in its place; rights and hard links may have changed.
    package func hasSameContent(as other: FileStamp) -> Bool {
        isSameFile(other) && size == other.size && modified == other.modified
    }
}
