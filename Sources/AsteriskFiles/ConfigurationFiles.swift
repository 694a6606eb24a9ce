// Where the loader gets files from: a folder on the disk, or a test's memory.
package import Sys

/// What is at a path.
package enum FileContents: Sendable {
    /// A file and all its bytes.
    case bytes([UInt8])
    /// Nothing.
    case absent
    /// Something that is no regular file, which Asterisk passes over.
    case noRegularFile
    /// A file with more bytes than may be read.
    case tooLong
}

/// Files by their paths.
package protocol ConfigurationFiles: AnyObject {
    /// Whether a path, or a pattern's part before its special characters, leads out of the folder that is read.
    func isOutside(_ path: String) -> Bool

    /// The paths that a pattern of glob(3) names, in the order of glob(3) with GLOB_BRACE and GLOB_NOMAGIC: a
    /// pattern without special characters names itself, whether it is there or not.
    func paths(matching pattern: String) throws(SystemError) -> [String]

    /// What is at a path, of which at most `limit` bytes may be read.
    func contents(of path: String, limit: Int) throws(SystemError) -> FileContents
}
