// Files on the disk.
internal import Glibc
internal import Sys

/// The files of the disk, each remembered in a stamp from before it was read.
final class FolderFiles: ConfigurationFiles {
    /// How many folders of a path a pattern may leave open, and how many braces it may have: more could name
    /// every file of the machine.
    private static let most = 2

    /// What was read.
    private(set) var stamp = FolderStamp()
    private let folder: String

    /// The files below a folder.
    init(below folder: String) { self.folder = folder }

    func isOutside(_ path: String) -> Bool {
        let literal = path.prefix { !"*?[{\\".contains($0) }
        // What is not there yet is where its folder is.
        let place =
            literal.count == path.count
            ? Self.resolved(path) ?? Self.resolved(Self.parent(of: literal))
            : Self.resolved(Self.parent(of: literal))
        guard let root = Self.resolved(folder), let place else {
            return !path.hasPrefix("\(folder)/")
        }
        guard place != root, !place.hasPrefix(root == "/" ? root : "\(root)/") else { return false }
        // So that it is noticed when the file itself takes the place of a link.
        if literal.count == path.count { stamp.add(path, [path]) }
        return true
    }

    /// The folder that a path lies in.
    private static func parent(of path: Substring) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// Where a path leads when all links are followed; nil when it is not there.
    private static func resolved(_ path: String) -> String? {
        let found = unsafe realpath(path, nil)
        defer { unsafe free(found) }
        // The C string is whole until it is freed.
        return unsafe found.map { unsafe String(cString: $0) }
    }

    func paths(matching pattern: String) throws(SystemError) -> [String] {
        let paths = try Self.glob(pattern)
        stamp.add(pattern, paths)
        return paths
    }

    func contents(of path: String, limit: Int) throws(SystemError) -> FileContents {
        guard let stamp = FileStamp(path) else {
            guard errno != EACCES else { throw SystemError("look at \(path)", code: errno) }
            return .absent
        }
        guard stamp.isRegular else { return .noRegularFile }
        // The path is a string of ours, which lives through the call.
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open \(path)"))
        do {
            return .bytes(try file.bytes(limit: limit, path))
        } catch {
            guard error.code == Errno.tooBig else { throw error }
            return .tooLong
        }
    }

    /// The paths that a pattern names; throws E2BIG for one that could name every file of the machine.
    static func glob(_ pattern: String) throws(SystemError) -> [String] {
        let open = pattern.utf8.split(separator: UInt8(ascii: "/")).count { part in
            part.contains { "*?[".utf8.contains($0) }
        }
        guard open <= most, pattern.utf8.count(where: { $0 == UInt8(ascii: "{") }) <= most else {
            throw SystemError("look for \(pattern), which names too much", code: E2BIG)
        }
        if let paths = try names(pattern, GLOB_ERR) { return paths }
        return try names(pattern, 0) ?? []
    }

    /// What glob(3) finds; nil when a folder is not there.
    ///
    /// Throws when one cannot be read.
    private static func names(_ pattern: String, _ flags: Int32) throws(SystemError) -> [String]? {
        var found = unsafe glob_t()
        // The structure is our own; glob fills it, and globfree frees what it has filled.
        defer { unsafe globfree(&found) }
        let result = unsafe Glibc.glob(pattern, GLOB_BRACE | GLOB_NOMAGIC | flags, nil, &found)
        switch result {
        case 0:
            // In bounds: glob's own list and its length, of strings that end with NUL.
            return unsafe (0..<Int(found.gl_pathc)).compactMap { index in
                unsafe found.gl_pathv[index].flatMap { unsafe String(validatingCString: $0) }
            }
        case GLOB_NOMATCH: return []
        case GLOB_ABORTED where errno != EACCES: return nil
        case GLOB_ABORTED: throw SystemError("look for \(pattern)", code: EACCES)
        default: throw SystemError("look for \(pattern)", code: ENOMEM)
        }
    }
}
