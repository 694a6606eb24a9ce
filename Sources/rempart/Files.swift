internal import Glibc
internal import Sys

/// A folder or file that is looked at without following a link in its place.
struct FileStatus {
    private let status: stat

    /// What lies at a path; nil when nothing does.
    init?(_ path: String) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        self.status = status
    }

    /// What an open file is.
    init(_ file: Descriptor) throws(SystemError) {
        var status = stat()
        guard unsafe fstat(file.raw, &status) == 0 else { throw SystemError("stat", code: errno) }
        self.status = status
    }

    private var type: mode_t { status.st_mode & S_IFMT }
    var isFolder: Bool { type == S_IFDIR }
    var isLink: Bool { type == S_IFLNK }
    /// A file of plain bytes that has no second name.
    var isPlain: Bool { type == S_IFREG && status.st_nlink == 1 }
    var mode: UInt32 { status.st_mode & 0o777 }
    var length: Int { Int(status.st_size) }
    var modified: Int64 { Int64(status.st_mtim.tv_sec) }

    /// The owner's name, or its number.
    var user: String {
        guard let entry = unsafe getpwuid(status.st_uid) else { return "\(status.st_uid)" }
        return unsafe String(cString: entry.pointee.pw_name)
    }

    /// The group's name, or its number.
    var group: String {
        guard let entry = unsafe getgrgid(status.st_gid) else { return "\(status.st_gid)" }
        return unsafe String(cString: entry.pointee.gr_name)
    }
}

/// What is done with files for a backup; nothing here follows a link at the end of a path.
enum Files {
    /// Opens a file to read.
    static func open(_ path: String) throws(SystemError) -> Descriptor {
        let raw = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard raw >= 0 else { throw SystemError("open \(path)", code: errno) }
        return Descriptor(owning: raw)
    }

    /// Makes a file that is not there yet, readable for its owner alone.
    static func make(_ path: String) throws(SystemError) -> Descriptor {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let raw = unsafe Glibc.open(path, flags, 0o600)
        guard raw >= 0 else { throw SystemError("make \(path)", code: errno) }
        return Descriptor(owning: raw)
    }

    /// Makes a folder that is not there yet.
    static func makeFolder(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        guard unsafe mkdir(path, mode) == 0 else { throw SystemError("make \(path)", code: errno) }
    }

    /// The names in a folder, in their order.
    static func names(in folder: String) throws(SystemError) -> [String] {
        guard let handle = unsafe opendir(folder) else {
            throw SystemError("read \(folder)", code: errno)
        }
        defer { _ = unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            // In bounds: the kernel ends each name with a zero.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Where a link leads.
    static func target(of link: String) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        // In bounds: the array's own storage and length.
        let length = unsafe readlink(link, &buffer, buffer.count)
        guard length >= 0 else { throw SystemError("read \(link)", code: errno) }
        return String(decoding: buffer[..<length].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Renames within a file system.
    static func move(_ from: String, _ to: String) throws(SystemError) {
        guard unsafe rename(from, to) == 0 else {
            throw SystemError("move \(from) to \(to)", code: errno)
        }
    }

    /// Removes a folder with all in it, as far as that goes.
    static func removeTree(_ path: String) {
        if FileStatus(path)?.isFolder == true {
            for name in (try? names(in: path)) ?? [] { removeTree("\(path)/\(name)") }
            _ = unsafe rmdir(path)
        } else {
            _ = unsafe unlink(path)
        }
    }

    /// Whether another process holds a lock on a SQLite database, as directory does while it runs.
    static func isLocked(_ path: String) -> Bool {
        guard let file = try? open(path) else { return false }
        // The bytes that SQLite locks, wherever the file ends.
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = 0x4000_0000
        lock.l_len = 512
        return unsafe fcntl(file.raw, F_GETLK, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
    }
}
