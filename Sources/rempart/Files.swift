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
    /// A file of plain bytes, whatever names it has.
    var isFile: Bool { type == S_IFREG }
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

    /// The names in a folder, in their order; a byte that is no UTF-8 is replaced, so that such a name leads nowhere.
    static func names(in folder: String) throws(SystemError) -> [String] {
        guard let handle = unsafe opendir(folder) else {
            throw SystemError("read \(folder)", code: errno)
        }
        return unsafe entries(handle).map { String(decoding: $0.dropLast(), as: UTF8.self) }
            .sorted()
    }

    /// The names as they are, each with its zero; closes the folder.
    private static func entries(_ folder: OpaquePointer) -> [[UInt8]] {
        defer { _ = unsafe closedir(folder) }
        var names: [[UInt8]] = []
        while let entry = unsafe readdir(folder) {
            // In bounds: the kernel ends each name with a zero.
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe Array(bytes.prefix { $0 != 0 })
            }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name + [0]) }
        }
        return names
    }

    /// The absolute path without links; what is not there yet is taken as it is named.
    static func resolved(_ path: String) -> String {
        if let resolved = unsafe realpath(path.isEmpty ? "." : path, nil) {
            defer { unsafe free(resolved) }
            return unsafe String(cString: resolved)
        }
        var parts = path.split(separator: "/")
        guard let last = parts.popLast() else { return path }
        let above = resolved((path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/"))
        return above == "/" ? "/\(last)" : "\(above)/\(last)"
    }

    /// Whether a path, without links, is a folder or lies in it.
    static func isWithin(_ path: String, _ folder: String) -> Bool {
        path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/")
    }

    /// Has the disk keep which names are in a folder.
    static func sync(_ folder: String) throws(SystemError) {
        let opened = try open(folder)
        guard fsync(opened.raw) == 0 else {
            throw SystemError("write \(folder)", code: errno)
        }
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
    ///
    /// A user who may write in it cannot lead it elsewhere.
    static func removeTree(_ path: String) { remove(Array(path.utf8) + [0], in: AT_FDCWD) }

    private static func remove(_ name: [UInt8], in folder: Int32) {
        let name = name.map(CChar.init(bitPattern:))
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let raw = unsafe openat(folder, name, flags)
        guard raw >= 0 else {
            _ = unsafe unlinkat(folder, name, 0)
            return
        }
        // Closed with the list of its names.
        let opened = Descriptor(owning: raw)
        if let list = unsafe fdopendir(dup(raw)) {
            for each in unsafe entries(list) { remove(each, in: opened.raw) }
        }
        _ = unsafe unlinkat(folder, name, AT_REMOVEDIR)
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
