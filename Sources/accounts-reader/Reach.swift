// What of the file system accounts-reader keeps in reach when it confines itself.
internal import Glibc
internal import Privsep
internal import Sys

/// The folder that the declared source lies in: the file may be replaced, and has others beside it.
///
/// A confinement cannot be widened. Where the source lies in another folder later, the process has to
/// begin anew.
struct Reach: Equatable {
    private let folder: String?
    /// Which folder it is; nil when there is none.
    private let identity: FileStamp?

    /// What the source of these settings needs now.
    init(_ settings: AccountSettings) {
        folder = settings.path.map(Self.folder(of:))
        identity = folder.flatMap { FileStamp($0) }
    }

    /// What is to stay in reach.
    var paths: [Confinement.Path] { folder.map { [.reading($0)] } ?? [] }

    /// Whether it is the same folder, whatever has changed in it.
    static func == (a: Reach, b: Reach) -> Bool {
        guard a.folder == b.folder else { return false }
        switch (a.identity, b.identity) {
        case (let one?, let other?): return one.isSameFile(other)
        case (nil, nil): return true
        default: return false
        }
    }

    /// The folder in which a file lies, or where a link to it leads.
    private static func folder(of path: String) -> String {
        let resolved = unsafe realpath(path, nil)
        defer { unsafe free(resolved) }
        // The C string is whole until it is freed.
        let file = unsafe resolved.map { unsafe String(cString: $0) } ?? path
        let slash = file.lastIndex(of: "/") ?? file.startIndex
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }
}
