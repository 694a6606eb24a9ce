// Which files were read, and what they were then.
internal import Sys

/// What tells one state of the files read from the next: every pattern that named files, the paths that it named,
/// and the stamp of each.
///
/// It costs a look at each file and at the folders of patterns, and opens no file.
package struct FolderStamp: Equatable, Sendable {
    private struct Named: Equatable, Sendable {
        let path: String
        let stamp: FileStamp?
    }

    /// By the patterns' bytes: to a String two spellings of one letter are equal, to the disk they are not.
    private var patterns: [[UInt8]: [Named]] = [:]

    /// The stamp of nothing read.
    init() {}

    /// Whether every pattern names the same files, and each is as it was.
    package var isCurrent: Bool {
        patterns.allSatisfy { pattern, named in
            guard let paths = try? FolderFiles.glob(String(decoding: pattern, as: UTF8.self)) else {
                return false
            }
            return paths.elementsEqual(named) { path, one in
                path == one.path && FileStamp(path) == one.stamp
            }
        }
    }

    /// Remembers what a pattern names, and each file as it is now, when it is the pattern's first time.
    mutating func add(_ pattern: String, _ paths: [String]) {
        let pattern = Array(pattern.utf8)
        guard patterns[pattern] == nil else { return }
        patterns[pattern] = paths.map { Named(path: $0, stamp: FileStamp($0)) }
    }
}
