// What of the file system accounts-reader keeps in reach when it confines itself.
internal import AsteriskFiles
internal import Glibc
internal import Privsep
internal import Sys

/// The folder that the declared source lies in: the file may be replaced, and has others beside it.
///
/// Of Asterisk's own files it is their folder, and that of the SQLite file that Realtime has beside them. Which one that
/// is says extconfig.conf, which is read before the confinement and again when nothing can be read.
///
/// A confinement cannot be widened. Where the source lies in another folder later, the process has to begin anew.
struct Reach: Equatable {
    private struct Folder: Equatable {
        let path: String
        /// Which folder it is; nil when there is none.
        let identity: FileStamp?

        init(_ path: String) {
            self.path = path
            identity = FileStamp(path)
        }

        /// Whether it is the same folder, whatever has changed in it.
        static func == (a: Folder, b: Folder) -> Bool {
            guard a.path == b.path else { return false }
            switch (a.identity, b.identity) {
            case (let one?, let other?): return one.isSameFile(other)
            case (nil, nil): return true
            default: return false
            }
        }
    }

    private let folders: [Folder]

    /// What the source of these settings needs now.
    init(_ settings: AccountSettings) {
        let databases = settings.path.map { [$0] } ?? settings.folder.map(Self.databases) ?? []
        folders =
            [settings.folder].compactMap { $0.map(Folder.init) }
            + databases.map { Folder(Self.folder(of: $0)) }
    }

    /// What is to stay in reach.
    var paths: [Confinement.Path] { folders.map { .reading($0.path) } }

    /// The SQLite files in which Realtime has accounts.
    private static func databases(of folder: String) -> [String] {
        guard let files = try? AsteriskConfiguration(folder: folder, drivers: []) else { return [] }
        return AsteriskConfiguration.Driver.allCases.compactMap { driver in
            if case .sqlite(let path, _) = files.realtimePlace(of: driver) { path } else { nil }
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
