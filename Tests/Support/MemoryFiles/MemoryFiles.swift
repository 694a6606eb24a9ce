package import AsteriskFiles
package import Sys

/// Files of a test, which are on no disk.
package final class MemoryFiles: ConfigurationFiles {
    private let files: [String: [UInt8]]
    private let unreadable: Set<String>
    /// The paths that were read, in order.
    package private(set) var read: [String] = []

    /// Files by their paths, and those that this process may not read.
    package init(_ files: [String: [UInt8]], unreadable: Set<String> = []) {
        self.files = files
        self.unreadable = unreadable
    }

    /// All of them are in the folder.
    package func isOutside(_ path: String) -> Bool { false }

    /// Of special characters there is one `*` at most, which stands for anything.
    package func paths(matching pattern: String) throws(SystemError) -> [String] {
        guard let star = pattern.firstIndex(of: "*") else { return [pattern] }
        let head = pattern[..<star]
        let tail = pattern[pattern.index(after: star)...]
        return files.keys.filter {
            $0.hasPrefix(head) && $0.hasSuffix(tail) && $0.utf8.count >= pattern.utf8.count - 1
        }.sorted()
    }

    package func contents(of path: String, limit: Int) throws(SystemError) -> FileContents {
        guard !unreadable.contains(path) else {
            throw SystemError("open \(path)", code: Errno.access)
        }
        guard let bytes = files[path] else { return .absent }
        read.append(path)
        return bytes.count <= limit ? .bytes(bytes) : .tooLong
    }
}
